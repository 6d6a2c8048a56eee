from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from certification.ocpi import Party
from infra.chaos import writers
from infra.chaos.documents import evse, location, tariff
from infra.chaos.ledger import Ledger
from infra.chaos.partner import Sent
from infra.chaos.traffic import TARIFF_OF_SITES, CpoTraffic
from infra.chaos.writers import Owner

ABC, EVI = Party("PT", "ABC"), Party("PT", "EVI")


class CannedWriter:
    """Answers as set, then accepts everything."""

    def __init__(self, answers: Sequence[Sent] = ()) -> None:
        self.owner = ABC
        self._answers = list(answers)
        self.sent: list[tuple[str, str, tuple[str, ...]]] = []
        self.documents: list[Any] = []

    def write(self, method: str, module: str, ids: tuple[str, ...], document: Any) -> Sent:
        self.sent.append((method, module, ids))
        self.documents.append(document)
        return self._answers.pop(0) if self._answers else Sent.ACCEPTED


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "AGAIN_S", 0.0)


def test_a_change_is_sent_until_it_is_accepted_and_counts_then() -> None:
    ledger, writer = Ledger(), CannedWriter([Sent.UNKNOWN, Sent.UNKNOWN])
    owner = Owner(writer, ledger, lambda: True)
    item = owner.item("tariffs", "T1")

    assert owner.put(item, tariff("T1", owner.next_revision(item)))

    assert len(writer.sent) == 3
    assert writer.documents[0] == writer.documents[2], "the same change, not a newer one"
    assert [(change.item, change.revision) for change in ledger.changes] == [(item, 1)]
    assert owner.sent_again == 2


def test_a_change_that_is_never_accepted_does_not_count() -> None:
    ledger = Ledger()
    owner = Owner(CannedWriter([Sent.UNKNOWN] * 3), ledger, lambda: False)

    assert not owner.put(owner.item("tariffs", "T1"), tariff("T1", 1))

    assert ledger.changes == []
    assert owner.not_accepted == 1


def test_a_site_counts_with_its_evses_and_a_status_alone() -> None:
    ledger = Ledger()
    owner = Owner(CannedWriter(), ledger, lambda: True)
    site, socket = owner.item("locations", "L1"), owner.item("locations", "L1", "E1")

    owner.put(site, location("L1", 1, [evse("E1", 1, "AVAILABLE", "T1", "2026-03-01T12:00:00Z")]))
    owner.patch(socket, {"status": "CHARGING", "physical_reference": "rev-2"})

    last = ledger.last()
    assert (last[site].revision, last[socket].revision) == (1, 2)
    assert last[socket].state is not None
    assert (last[socket].state["uid"], last[socket].state["status"]) == ("E1", "CHARGING")


def test_a_deleted_object_has_no_state() -> None:
    ledger = Ledger()
    owner = Owner(CannedWriter(), ledger, lambda: True)
    item = owner.item("tariffs", "T1")

    owner.put(item, tariff("T1", 1))
    owner.delete(item)

    assert (ledger.last()[item].revision, ledger.last()[item].state) == (2, None)


def test_the_sessions_of_a_cpo_all_end_and_take_every_driver_in_turn() -> None:
    ledger, drivers = Ledger(), [EVI, Party("PT", "XYZ")]
    traffic = CpoTraffic(Owner(CannedWriter(), ledger, lambda: True), drivers, seed=3)
    traffic.prepare()

    for _ in range(200):
        traffic.step()
    traffic.finish()

    sessions = [change.state for item, change in ledger.last().items() if item.module == "sessions"]
    assert {state["status"] for state in sessions if state} == {"COMPLETED"}
    assert {state["cdr_token"]["party_id"] for state in sessions if state} == {"EVI", "XYZ"}
    assert ledger.last()[traffic.owner.item("tariffs", TARIFF_OF_SITES)].state is not None
