"""Running cost of a session: the hub and the eMSP see it grow, and the CDR has the final cost.

The CSMS sends no cost: the CPO's node computes it. The tests start three nodes of their own with fast timers.

Source: OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14
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
    """Write a connector with a tariff for energy and time."""
    components = [
        {"type": "ENERGY", "price": Decimal("0.30"), "vat": 23, "step_size": 1},
        {"type": "TIME", "price": Decimal("0.50"), "vat": 23, "step_size": 1},
    ]
    own = tariff(cpo.party, "RUNNING", elements=[{"price_components": components}])
    cpo.ask("PUT", "tariffs", "RUNNING", document=plain(own))
    priced = evse("E1", connectors=[connector("1", tariff_ids=["RUNNING"])])
    cpo.ask("PUT", "locations", "SITE", document=plain(location(cpo.party, "SITE", evses=[priced])))


def begun(emsp: Node) -> Object:
    """A session as a CSMS begins it; its driver is a customer of the eMSP behind the hub."""
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
    """Wait until the hub and the eMSP have this cost; returns it with VAT."""

    def seen() -> Any:
        costs = [nodes[role].ask("GET", "sessions", "S1").get("total_cost") for role in ("hub", "emsp")]
        return costs[0] if all(cost and cost["excl_vat"] == Decimal(excl_vat) for cost in costs) else None

    return eventually(seen, within=WITHIN_S)


def test_partners_see_the_running_cost_of_a_session_and_the_final_cost_in_its_cdr(
    nodes: dict[str, Node],
) -> None:
    cpo, emsp = nodes["cpo"], nodes["emsp"]
    open_site(cpo)
    cpo.ask("PUT", "sessions", "S1", document=begun(emsp))
    # The stream records the start snapshot before it pushes, so the snapshot exists once the eMSP has it.
    eventually(lambda: emsp.call("GET", "sessions", "S1").http_status == 200, within=WITHIN_S)

    cpo.ask("PATCH", "sessions", "S1", document={"kwh": 4, "charging_periods": [hour(TEN, 4)]})
    assert wait_for_cost(nodes, "1.7") == {"excl_vat": Decimal("1.7"), "incl_vat": Decimal("2.091")}

    cpo.ask("PATCH", "sessions", "S1", document={"kwh": 10, "charging_periods": [hour(ELEVEN, 6)]})
    at_last = wait_for_cost(nodes, "4")

    cpo.ask("PATCH", "sessions", "S1", document={"status": "COMPLETED", "end_date_time": TWELVE})
    cdrs = {role: eventually(lambda role=role: nodes[role].all("cdrs"), within=WITHIN_S) for role in ROLES}
    # The CPO may have two CDRs by now: the hub's and its own.
    assert (len(cdrs["hub"]), len(cdrs["emsp"])) == (1, 1)
    assert all(cdr["total_cost"] == at_last for held in cdrs.values() for cdr in held)
    assert cpo.ask("GET", "sessions", "S1")["total_cost"] == at_last


def test_a_session_stopped_after_its_last_period_has_a_cdr_at_hub_and_cpo(
    nodes: dict[str, Node],
) -> None:
    """The session is stopped as docs/operator-api.md describes. Source: SES-14, CDR-14"""
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


def test_watt_hours_sent_as_kilowatt_hours_make_no_cdr_for_the_emsp(nodes: dict[str, Node]) -> None:
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
