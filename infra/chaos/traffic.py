"""Changes of a chaos run: each owner changes its own objects at random, one change after the other.

A CPO changes the status of its EVSEs, its sites and its tariffs, and has sessions that start, go on and end,
each with a card of one of the eMSPs. An eMSP changes its cards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from certification.ocpi import Document, Party
from infra.chaos import documents
from infra.chaos.documents import stamp
from infra.chaos.ledger import Item
from infra.chaos.writers import Owner

SITES, EVSES, TARIFFS, CARDS = 4, 3, 5, 2
DISPOSABLE = 4
"""Tariffs without a connector, which are deleted during the run."""
STATUSES = ("AVAILABLE", "CHARGING", "OUTOFORDER", "BLOCKED", "RESERVED")
TARIFF_OF_SITES = "T-SITES"


@dataclass
class _Session:
    """An active session. share: how many quarters of it were written."""

    item: Item
    driver: Party
    card: str
    place: dict[str, str]
    begun_at: datetime
    share: int = 0


def card_id(driver: Party, number: int) -> str:
    """Id of an eMSP's card."""
    return f"CARD{driver.party_id}{number}"


class CpoTraffic:
    """Changes of one CPO. drivers: the eMSPs whose cards charge at its EVSEs, in turn."""

    def __init__(self, owner: Owner, drivers: Sequence[Party], seed: int) -> None:
        self.owner = owner
        self._drivers = drivers
        self._chance = Random(f"{seed}/{owner.party.party_id}")
        self._open: list[_Session] = []
        self._sessions = 0
        self._disposable = [f"T-OLD-{number}" for number in range(DISPOSABLE)]

    def prepare(self) -> None:
        """Create the objects that change later."""
        tariffs = [TARIFF_OF_SITES, *(f"T-{number}" for number in range(TARIFFS)), *self._disposable]
        for tariff_id in tariffs:
            self._put_tariff(tariff_id)
        for number in range(SITES):
            self._put_site(f"L{number}")

    def step(self) -> None:
        """Make one change."""
        draw = self._chance.random()
        if draw < 0.50:
            self._change_status()
        elif draw < 0.58:
            self._put_tariff(f"T-{self._chance.randrange(TARIFFS)}")
        elif draw < 0.65:
            self._put_site(f"L{self._chance.randrange(SITES)}")
        elif draw < 0.68 and self._disposable:
            self.owner.delete(self.owner.item("tariffs", self._disposable.pop()))
        else:
            self._go_on_with_a_session()

    def finish(self) -> None:
        """End the active sessions."""
        while self._open:
            self._advance(self._open[0])

    def _put_tariff(self, tariff_id: str) -> None:
        item = self.owner.item("tariffs", tariff_id)
        self.owner.put(item, documents.tariff(tariff_id, self.owner.next_revision(item)))

    def _put_site(self, location_id: str) -> None:
        item = self.owner.item("locations", location_id)
        evses = [self._evse(location_id, f"{location_id}-E{number}") for number in range(EVSES)]
        self.owner.put(item, documents.location(location_id, self.owner.next_revision(item), evses))

    def _evse(self, location_id: str, uid: str) -> Document:
        known = self.owner.states.get(self.owner.item("locations", location_id, uid))
        return known or documents.evse(uid, 1, "AVAILABLE", TARIFF_OF_SITES, stamp())

    def _change_status(self) -> None:
        site, number = self._chance.randrange(SITES), self._chance.randrange(EVSES)
        item = self.owner.item("locations", f"L{site}", f"L{site}-E{number}")
        mark = f"rev-{self.owner.next_revision(item)}"
        status = self._chance.choice(STATUSES)
        self.owner.patch(item, {"status": status, "physical_reference": mark})

    def _go_on_with_a_session(self) -> None:
        if len(self._open) < 3:
            self._begin()
        else:
            self._advance(self._chance.choice(self._open))

    def _begin(self) -> None:
        driver = self._drivers[self._sessions % len(self._drivers)]
        site = self._chance.randrange(SITES)
        place = {
            "location_id": f"L{site}",
            "evse_uid": f"L{site}-E{self._sessions % EVSES}",
            "connector_id": "1",
        }
        self._sessions += 1
        item = self.owner.item("sessions", f"S{self._sessions}")
        card = card_id(driver, self._sessions % CARDS)
        session = _Session(item, driver, card, place, datetime.now(UTC))
        if self._write(session):
            self._open.append(session)

    def _advance(self, session: _Session) -> None:
        session.share += 2
        if not self._write(session) or session.share == 4:
            self._open.remove(session)

    def _write(self, session: _Session) -> bool:
        return self.owner.put(
            session.item,
            documents.session(
                session.item.id,
                self.owner.next_revision(session.item),
                session.driver,
                session.card,
                session.place,
                session.begun_at,
                session.share,
            ),
        )


class EmspTraffic:
    """Changes of the eMSPs: their cards, one after the other."""

    def __init__(self, owners: Sequence[Owner], seed: int) -> None:
        self._owners = owners
        self._chance = Random(f"{seed}/cards")

    def prepare(self) -> None:
        """Create every card."""
        for owner in self._owners:
            for number in range(CARDS):
                self._put(owner, number, True)

    def step(self) -> None:
        """Make one change."""
        owner = self._chance.choice(self._owners)
        self._put(owner, self._chance.randrange(CARDS), self._chance.random() < 0.5)

    def finish(self) -> None:
        """Do nothing: cards need no end."""

    def _put(self, owner: Owner, number: int, is_valid: bool) -> None:
        uid = card_id(owner.party, number)
        item = owner.item("tokens", uid)
        owner.put(item, documents.token(uid, owner.next_revision(item), is_valid))


Traffic = CpoTraffic | EmspTraffic


class TrafficThread:
    """Makes changes from `start` to `stop`. pause_s: between two; note: gets the error that ended it."""

    def __init__(self, traffic: Traffic, pause_s: float, note: Callable[[Exception], Any]) -> None:
        self._traffic = traffic
        self._pause_s = pause_s
        self._note = note
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present change, and after the active sessions were ended."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._pause_s):
                self._traffic.step()
            self._traffic.finish()
        except Exception as error:
            self._note(error)
