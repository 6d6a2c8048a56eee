"""The judge combines partners' copies, their arrival times, and the nodes' operator APIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.protocol.json_text import Document
from infra.chaos.arrivals import Arrivals
from infra.chaos.documents import tariff
from infra.chaos.ledger import Change, Item, Ledger
from infra.chaos.members import HANGS, Member, Trouble
from infra.chaos.oracle import Network
from infra.chaos.verdict import LATE_S, Judge, Row

OWNER = {"country_code": "PT", "party_id": "ABC"}
TARIFF = Item("tariffs", "PT", "ABC", "T1")
SESSION = Item("sessions", "PT", "ABC", "S1")


@dataclass
class CannedPartner:
    documents: dict[Item, Document] = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=Arrivals)

    def held(self, item: Item) -> Document | None:
        return self.documents.get(item)


@dataclass
class CannedDoor:
    lists: dict[str, list[Document]] = field(default_factory=dict)

    def all(self, *path: str, **_: str) -> Iterator[Document]:
        return iter(self.lists.get(path[0], []))


def judged(
    *changes: Change,
    partner: CannedPartner,
    trouble: Trouble | None = None,
    at: str = "cpo",
    **doors: CannedDoor,
) -> dict[str, Row]:
    member, ledger = Member("emsp-1", at, "EMSP", "CE1", trouble), Ledger()
    for change in changes:
        ledger.note(change)
    nodes = {name: doors.get(name, CannedDoor()) for name in ("hub", "cpo", "emsp")}
    judge = Judge(Network((member,), "ABC"), {"emsp-1": partner}, nodes, ledger)  # type: ignore[arg-type]
    return {row.receiver: row for row in judge.rows()}


def kinds(row: Row) -> list[str]:
    return [finding.kind for finding in row.findings]


def taken(revision: int) -> CannedPartner:
    document = {**OWNER, **tariff("T1", revision)}
    partner = CannedPartner({TARIFF: document})
    partner.arrivals.take("PUT", "tariffs", TARIFF[1:4], document)
    return partner


def long_ago(partner: CannedPartner) -> float:
    """A time so long before the arrivals that they were late."""
    return partner.arrivals.of(TARIFF)[0].at - LATE_S - 1


def test_a_late_change_counts_at_a_healthy_partner_only() -> None:
    partner = taken(1)
    change = Change(TARIFF, 1, long_ago(partner), tariff("T1", 1))

    assert kinds(judged(change, partner=partner)["emsp-1"]) == ["late"]
    assert kinds(judged(change, partner=partner, trouble=HANGS)["emsp-1"]) == []


def test_a_lost_change_counts_at_a_bad_partner_as_well() -> None:
    change = Change(TARIFF, 2, 0.0, tariff("T1", 2))

    assert kinds(judged(change, partner=CannedPartner(), trouble=HANGS)["emsp-1"]) == ["lost"]
    assert "stale" in kinds(judged(change, partner=taken(1), trouble=HANGS)["emsp-1"])


def test_an_object_that_the_operator_api_does_not_show_is_lost_at_that_node() -> None:
    change = Change(TARIFF, 1, 0.0, tariff("T1", 1))
    hub = CannedDoor({"tariffs": [{**OWNER, **tariff("T1", 1)}]})

    rows = judged(change, partner=taken(1), trouble=HANGS, hub=hub)

    assert kinds(rows["node hub"]) == []
    assert kinds(rows["node emsp"]) == ["lost"]


def cdr(cdr_id: str) -> Document:
    return {**OWNER, "id": cdr_id, "session_id": "S1"}


def ended() -> Change:
    state = {"status": "COMPLETED", "cdr_token": {"party_id": "CE1"}, "meter_id": "rev-1"}
    return Change(SESSION, 1, 0.0, state)


def test_a_second_cdr_of_record_is_found_at_the_node_that_makes_it() -> None:
    cpo = CannedDoor({"cdrs": [cdr("A"), cdr("B")]})

    rows = judged(ended(), partner=CannedPartner(), cpo=cpo)

    assert kinds(rows["node cpo"]) == ["double CDR"]


def test_a_cpo_s_own_cdr_beside_its_hub_s_is_not_of_record() -> None:
    hub, cpo = CannedDoor({"cdrs": [cdr("HUB-1")]}), CannedDoor({"cdrs": [cdr("HUB-1"), cdr("OWN-1")]})

    rows = judged(ended(), partner=CannedPartner(), at="hub", hub=hub, cpo=cpo)

    assert kinds(rows["node cpo"]) == []


def test_the_same_cdr_posted_twice_is_one_and_another_one_is_double() -> None:
    partner = CannedPartner({SESSION: dict(ended().state or {})})
    for cdr_id in ("A", "A"):
        partner.arrivals.take("POST", "cdrs", (), cdr(cdr_id))
    assert "double CDR" not in kinds(judged(ended(), partner=partner)["emsp-1"])

    partner.arrivals.take("POST", "cdrs", (), cdr("B"))
    assert "double CDR" in kinds(judged(ended(), partner=partner)["emsp-1"])
