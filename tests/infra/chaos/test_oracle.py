"""The oracle finds lost, stale, late and doubled changes, which proves that a run can fail."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from infra.chaos import oracle
from infra.chaos.arrivals import GONE, Arrival, CdrArrival
from infra.chaos.ledger import Change, Item
from infra.chaos.members import DEAD, Member
from infra.chaos.oracle import Network

TARIFF = Item("tariffs", "PT", "HC1", "T1")
SESSION = Item("sessions", "PT", "HC1", "S1")
NETWORK = Network(
    (
        Member("cpo-1", "hub", "CPO", "HC1"),
        Member("cpo-2", "hub", "CPO", "HC2", DEAD),
        Member("emsp-1", "hub", "EMSP", "HE1"),
        Member("emsp-2", "hub", "EMSP", "HE2"),
        Member("direct", "cpo", "EMSP", "CE1"),
    ),
    cpo="ABC",
)


def tariff(revision: int, **fields: Any) -> dict[str, Any]:
    return {"id": "T1", "tariff_alt_url": f"https://x/rev-{revision}", "price": Decimal("0.25"), **fields}


def changed(item: Item = TARIFF, revision: int = 2, at: float = 10.0, **state: Any) -> Change:
    return Change(item, revision, at, state or tariff(revision))


def session(driver: str, owner: str = "HC1", status: str = "COMPLETED") -> Change:
    item = SESSION._replace(party_id=owner)
    return changed(item, status=status, cdr_token={"party_id": driver}, meter_id="rev-2")


def kinds(change: Change, held: dict[str, Any] | None) -> list[str]:
    return [finding.kind for finding in oracle.judge_state("emsp-1", change, held)]


def names(members: list[Member]) -> list[str]:
    return [member.name for member in members]


def test_a_copy_in_its_last_state_is_correct() -> None:
    assert kinds(changed(), tariff(2, last_updated="later", more="unknown to us")) == []


def test_a_missing_copy_is_lost() -> None:
    assert kinds(changed(), None) == ["lost"]


def test_a_copy_in_an_earlier_state_is_stale() -> None:
    assert kinds(changed(), tariff(1)) == ["stale"]


def test_a_copy_of_a_deleted_object_is_stale() -> None:
    assert kinds(Change(TARIFF, 3, 10.0, None), tariff(2)) == ["stale"]
    assert kinds(Change(TARIFF, 3, 10.0, None), None) == []


def test_a_copy_with_another_content_is_different() -> None:
    assert kinds(changed(), tariff(2, price=Decimal("0.26"))) == ["different"]
    assert kinds(changed(), tariff(2, price=0.25)) == []


def test_an_evse_is_judged_by_its_own_revision() -> None:
    evse = TARIFF._replace(module="locations", id="L1", child="E1")
    change = changed(evse, uid="E1", status="CHARGING", physical_reference="rev-2")

    assert kinds(change, {"uid": "E1", "status": "AVAILABLE", "physical_reference": "rev-1"}) == ["stale"]
    assert kinds(change, {"uid": "E1", "status": "CHARGING", "physical_reference": "rev-2"}) == []


def test_a_tariff_at_the_hub_is_for_the_emsps_of_the_hub() -> None:
    assert names(NETWORK.receivers(changed())) == ["emsp-1", "emsp-2"]


def test_a_tariff_at_the_cpo_is_for_its_own_emsps_and_those_of_the_hub() -> None:
    receivers = NETWORK.receivers(changed(TARIFF._replace(party_id="ABC")))

    assert names(receivers) == ["emsp-1", "emsp-2", "direct"]


@pytest.mark.parametrize(("owner", "receivers"), [("HE1", ["cpo-1", "cpo-2"]), ("CE1", [])])
def test_a_card_is_for_the_cpos_where_its_emsp_is(owner: str, receivers: list[str]) -> None:
    card = changed(Item("tokens", "PT", owner, "C1"), uid="C1", visual_number="rev-2")

    assert names(NETWORK.receivers(card)) == receivers


def test_a_session_is_for_the_emsp_of_its_card_and_its_cdr_for_the_cpo_of_the_hub_as_well() -> None:
    assert names(NETWORK.receivers(session("HE2"))) == ["emsp-2"]
    assert names(NETWORK.cdr_receivers(session("HE2"))) == ["cpo-1", "emsp-2"]
    assert NETWORK.maker(session("HE2")) == "hub"


def test_a_session_with_a_card_of_an_own_emsp_has_its_cdr_made_by_the_cpo() -> None:
    assert NETWORK.maker(session("CE1", owner="ABC")) == "cpo"
    assert names(NETWORK.cdr_receivers(session("CE1", owner="ABC"))) == ["direct"]


def test_only_a_session_that_has_ended_has_a_cdr() -> None:
    last = {change.item: change for change in (session("HE1"), session("HE1", "ABC", status="ACTIVE"))}

    assert [each.item.party_id for each in oracle.sessions_of(last)] == ["HC1"]


@pytest.mark.parametrize(
    ("cdrs", "found"),
    [
        ([], ["missing CDR"]),
        (["S1"], []),
        (["S1", "S1"], ["double CDR"]),
        (["S1", "S2"], ["foreign CDR"]),
    ],
)
def test_each_session_that_ended_has_one_cdr(cdrs: list[str], found: list[str]) -> None:
    came = [
        CdrArrival(1.0, ("PT", "HC1", session_id), f"CDR-{number}", False)
        for number, session_id in enumerate(cdrs)
    ]

    findings = oracle.judge_cdrs("emsp-1", [session("HE1")], came)

    assert [finding.kind for finding in findings] == found


@pytest.mark.parametrize(
    ("arrivals", "delays"),
    [
        ([Arrival(11.5, 2)], [1.5]),
        ([Arrival(10.5, 1), Arrival(75.0, 3)], [65.0]),
        ([Arrival(9.9, 2)], [0.0]),
        ([Arrival(12.0, GONE)], [2.0]),
        ([Arrival(11.0, 1)], []),
    ],
)
def test_a_change_is_known_when_it_or_a_later_one_arrives(
    arrivals: list[Arrival], delays: list[float]
) -> None:
    found = oracle.delays([changed(revision=2, at=10.0)], lambda item: arrivals)

    assert [seconds for _, seconds in found] == delays
