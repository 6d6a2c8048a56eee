"""A partner is unreachable for a while: no change for it is lost, and it receives them when it is back.

The eMSP's API gets a concurrency of zero, so that it answers no request, like after an emergency stop.
Meanwhile a tariff and a site of many EVSEs are created, and a command that the eMSP had sent before times
out. The hub retries, finds the eMSP OFFLINE after the freshness window, probes it once a minute, and then
pushes everything it missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cli.operator_client import OperatorClient
from infra.e2e.traffic import tariff

TARIFF_ID = SITE_ID = "E2E-WHILE-AWAY"
EVSES = 120
"""More EVSEs than one transaction writes."""
TOKEN = {"uid": "e2e-away", "type": "APP_USER"}
WAIT_S = 300.0
"""The freshness window is a minute, and the timer that probes partners runs once a minute."""


class NotSo(Exception):
    """A check of the run failed; the text has the reason."""


def be_away(lambda_client: Any, function: str, doors: dict[str, OperatorClient]) -> str:
    """Make the eMSP unreachable and reachable again. function: of its API. Raises: NotSo."""
    command_id = _send_command(doors["emsp"], doors["cpo"])
    lambda_client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        doors["cpo"].put("tariffs", TARIFF_ID, body=tariff())
        doors["cpo"].put("locations", SITE_ID, body=_large_site(doors["cpo"]))
        away_s = until("the hub finds that the eMSP is away", lambda: _status(doors["hub"]) == "OFFLINE")
    finally:
        lambda_client.delete_function_concurrency(FunctionName=function)
    back_s = until("the hub finds that the eMSP is back", lambda: _status(doors["hub"]) == "REGISTERED")
    until("the eMSP has the tariff and the site", lambda: _has_both(doors["emsp"]))
    until("the command has ended", lambda: _has_ended(doors["emsp"], command_id))
    return f"found away after {away_s:.0f} s, back {back_s:.0f} s after it was"


def until(what: str, look: Callable[[], object], wait_s: float = WAIT_S) -> float:
    """Wait until `look` returns something true. Returns the seconds that took. Raises: NotSo."""
    started = time.monotonic()
    while not look():
        if time.monotonic() > started + wait_s:
            raise NotSo(f"{what}: not within {wait_s:g} s")
        time.sleep(0.5)
    return time.monotonic() - started


def _send_command(emsp: OperatorClient, cpo: OperatorClient) -> str:
    """Start a session that no CSMS answers: after its deadline the result is TIMEOUT."""
    emsp.put(
        "tokens",
        TOKEN["uid"],
        body={
            "type": TOKEN["type"],
            "contract_id": "PT-EVI-C00000999-Z",
            "issuer": "Evia Mobility",
            "valid": True,
            "whitelist": "NEVER",
        },
    )
    location = next(each for each in cpo.all("locations") if each.get("evses"))
    evse = location["evses"][0]
    command: dict[str, Any] = emsp.post(
        "commands",
        "START_SESSION",
        body={
            "token": TOKEN,
            "location_id": location["id"],
            "evse_uid": evse["uid"],
            "connector_id": evse["connectors"][0]["id"],
        },
    )
    return str(command["id"])


def _status(hub: OperatorClient) -> str:
    return next(
        str(each["status"])
        for each in hub.all("partners")
        if any(role["role"] == "EMSP" for role in each["roles"])
    )


def _large_site(cpo: OperatorClient) -> dict[str, Any]:
    """Make a site of many EVSEs from an existing one."""
    site: dict[str, Any] = next(each for each in cpo.all("locations") if each.get("evses"))
    evse = site["evses"][0]
    evses = [{**evse, "uid": f"E2E-{number}", "evse_id": f"PT*ABC*E2E*{number}"} for number in range(EVSES)]
    return {**site, "id": SITE_ID, "evses": evses}


def _has_both(emsp: OperatorClient) -> bool:
    sites = [each for each in emsp.all("locations") if each["id"] == SITE_ID]
    has_tariff = any(each["id"] == TARIFF_ID for each in emsp.all("tariffs"))
    return has_tariff and any(len(each["evses"]) == EVSES for each in sites)


def _has_ended(emsp: OperatorClient, command_id: str) -> bool:
    return bool(emsp.get("commands", command_id)["state"] != "PENDING")
