"""What a session costs so far is seen at the hub and the eMSP as it rises, and its CDR says the same at last.

The CSMS tells no cost: the CPO's node finds it. Three nodes of their own, whose timers are quick. Source:
OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from infra.local.sandbox import Sandbox
from tests.flows.conftest import ROLES, expect_quiet_logs
from tests.third_party.objects import Object, connector, evse, location, tariff
from tests.third_party.operator_door import Node, plain
from tests.third_party.waiting import eventually

TEN, ELEVEN, TWELVE = (f"2026-03-02T{hour}:00:00Z" for hour in (10, 11, 12))
WITHIN_S = 60


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Node]]:
    with Sandbox(app="tests.flows.quick_timers:app") as sandbox:
        described = sandbox.describe()
        yield {role: Node.read(role, described[role]) for role in ROLES}
        logs = {file.name: file.read_text() for file in (sandbox.state_dir / "logs").iterdir()}
    expect_quiet_logs(logs, {described[role]["operator_key"] for role in ROLES})


def open_site(cpo: Node) -> None:
    """A connector at which energy and time have a price."""
    components = [
        {"type": "ENERGY", "price": Decimal("0.30"), "vat": 23, "step_size": 1},
        {"type": "TIME", "price": Decimal("0.50"), "vat": 23, "step_size": 1},
    ]
    own = tariff(cpo.party, "RUNNING", elements=[{"price_components": components}])
    cpo.ask("PUT", "tariffs", "RUNNING", document=plain(own))
    priced = evse("E1", connectors=[connector("1", tariff_ids=["RUNNING"])])
    cpo.ask("PUT", "locations", "SITE", document=plain(location(cpo.party, "SITE", evses=[priced])))


def begun(emsp: Node) -> Object:
    """A session as a CSMS begins it; its driver is the eMSP's, behind the hub."""
    token = {**emsp.party._asdict(), "uid": "RFID1", "type": "RFID", "contract_id": "C1"}
    return {
        "start_date_time": TEN,
        "kwh": 0,
        "cdr_token": token,
        "auth_method": "WHITELIST",
        "location_id": "SITE",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
    }


def hour(begins: str, kwh: int) -> Object:
    dimensions = [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": 1}]
    return {"start_date_time": begins, "dimensions": dimensions}


def wait_for_cost(nodes: dict[str, Node], excl_vat: str) -> Any:
    """Until the hub and the eMSP see this cost; returns the whole of it."""

    def seen() -> Any:
        costs = [nodes[role].ask("GET", "sessions", "S1").get("total_cost") for role in ("hub", "emsp")]
        return costs[0] if all(cost and cost["excl_vat"] == Decimal(excl_vat) for cost in costs) else None

    return eventually(seen, within=WITHIN_S)


def test_partners_see_what_a_session_costs_so_far_and_at_last_in_its_cdr(nodes: dict[str, Node]) -> None:
    cpo, emsp = nodes["cpo"], nodes["emsp"]
    open_site(cpo)
    cpo.ask("PUT", "sessions", "S1", document=begun(emsp))
    # Who has been told of it is told by the same stream that has kept its start before.
    eventually(lambda: emsp.call("GET", "sessions", "S1").http_status == 200, within=WITHIN_S)

    cpo.ask("PATCH", "sessions", "S1", document={"kwh": 4, "charging_periods": [hour(TEN, 4)]})
    assert wait_for_cost(nodes, "1.7") == {"excl_vat": Decimal("1.7"), "incl_vat": Decimal("2.091")}

    cpo.ask("PATCH", "sessions", "S1", document={"kwh": 10, "charging_periods": [hour(ELEVEN, 6)]})
    at_last = wait_for_cost(nodes, "4")

    cpo.ask("PATCH", "sessions", "S1", document={"status": "COMPLETED", "end_date_time": TWELVE})
    cdrs = {role: eventually(lambda role=role: nodes[role].all("cdrs"), within=WITHIN_S) for role in ROLES}
    # The CPO may hold two by now, the hub's and its own.
    assert (len(cdrs["hub"]), len(cdrs["emsp"])) == (1, 1)
    assert all(cdr["total_cost"] == at_last for held in cdrs.values() for cdr in held)
    assert cpo.ask("GET", "sessions", "S1")["total_cost"] == at_last
