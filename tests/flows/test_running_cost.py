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
ELEVEN_THIRTY = "2026-03-02T11:30:00Z"
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


def test_a_session_that_is_stopped_after_its_last_period_is_billed_at_hub_and_cpo(
    nodes: dict[str, Node],
) -> None:
    """As the operator's manual describes it. Source: SES-14, CDR-14"""
    cpo, emsp = nodes["cpo"], nodes["emsp"]
    open_site(cpo)
    cpo.ask("PUT", "sessions", "S2", document=begun(emsp))
    eventually(lambda: emsp.call("GET", "sessions", "S2").http_status == 200, within=WITHIN_S)
    cpo.ask("PATCH", "sessions", "S2", document={"kwh": 4, "charging_periods": [hour(TEN, 4)]})

    stop = {"status": "COMPLETED", "kwh": Decimal("4.2"), "end_date_time": ELEVEN_THIRTY}
    ended = cpo.ask("PATCH", "sessions", "S2", document=stop)

    # 4.2 kWh at 0.30 and an hour and a half at 0.50.
    assert ended["total_cost"] == {"excl_vat": Decimal("2.01"), "incl_vat": Decimal("2.4723")}
    for role in ROLES:
        cdrs = eventually(lambda role=role: of(nodes[role], "S2"), within=WITHIN_S) or []
        assert {cdr["total_energy"] for cdr in cdrs} == {Decimal("4.2")}
        assert all(cdr["total_cost"] == ended["total_cost"] for cdr in cdrs)


def test_watt_hours_sent_as_kilowatt_hours_reach_no_emsp_as_a_bill(nodes: dict[str, Node]) -> None:
    """Source: SES-10, CDR-16, TRP-32"""
    cpo, emsp = nodes["cpo"], nodes["emsp"]
    open_site(cpo)
    wrong = {**begun(emsp), "kwh": 21_400, "status": "COMPLETED", "end_date_time": ELEVEN}
    cpo.ask("PUT", "sessions", "S3", document=wrong)

    for role in ("cpo", "hub"):
        (aside,) = eventually(lambda role=role: nodes[role].all("sessions_without_cdr"), within=WITHIN_S)
        assert (aside["session_id"], aside["field"], aside["can_release"]) == ("S3", "kwh", True)
        assert "are they Wh?" in aside["reason"]
    assert all(of(nodes[role], "S3") == [] for role in ROLES)

    cpo.ask("PUT", "sessions", "S3", document={**wrong, "kwh": Decimal("21.4")})
    cdrs = eventually(lambda: of(emsp, "S3"), within=WITHIN_S) or []
    assert [cdr["total_energy"] for cdr in cdrs] == [Decimal("21.4")]


def of(node: Node, session_id: str) -> list[Object]:
    """The CDRs of a session at a node."""
    return [cdr for cdr in node.all("cdrs") if cdr["session_id"] == session_id]
