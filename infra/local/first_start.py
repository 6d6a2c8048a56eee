"""Sets up a fresh sandbox: partners that are registered with each other, and data at the CPO.

It uses the operator APIs, as a person would, and does each step once: objects and registrations of an earlier
start are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cli.operator_client import OperatorClient
from infra.local import network_seed

SEED_THREADS = 4


def connect(
    client: OperatorClient,
    client_name: str,
    host: OperatorClient,
    host_name: str,
    profiles: Sequence[str],
    *,
    is_hub: bool = True,
    roles: tuple[str, str] | None = None,
) -> bool:
    """Register `client` at another node, which invites it first.

    profiles: switched on for the other side, at both. is_hub: whether the other node is a hub. roles: of the
    client and of the other node, for a version in which partners do not say them. Returns False when they
    were connected before.
    """
    known = {partner["name"]: partner["status"] for partner in client.all("partners")}
    if known.get(host_name) in ("REGISTERED", "OFFLINE"):
        return False
    client_role, host_role = ({"role": role} for role in roles) if roles else ({}, {})
    invited = {"name": client_name, "profiles": list(profiles), **client_role}
    invitation = host.post("partners", "invitations", body=invited)
    client.post(
        "partners",
        "registrations",
        body={
            "name": host_name,
            "versions_url": invitation["versions_url"],
            "token": invitation["token"],
            "profiles": list(profiles),
            "hub": is_hub,
            **host_role,
        },
    )
    return True


def seed(cpo: OperatorClient, party_id: str, sites: int, report: Callable[[str], None]) -> None:
    """Give the CPO a network of that many sites; continues where an earlier start stopped."""
    network = network_seed.generate(sites, party_id=party_id)
    missing = network.locations[cpo.count("locations") :]
    if not missing:
        return
    report(f"Creating {len(network.tariffs)} tariffs and {len(missing)} locations at the CPO ...")
    for tariff in network.tariffs:
        cpo.put("tariffs", tariff["id"], body=tariff)

    def put(location: dict[str, Any]) -> None:
        cpo.put("locations", location["id"], body=location)

    with ThreadPoolExecutor(SEED_THREADS) as pool:
        for _ in pool.map(put, missing):
            pass
