"""Simulated drivers of the sandbox: tokens at the eMSP, and people who charge now and then.

Half of them use an app: the eMSP sends START_SESSION, and some stop before their car is full. The others
present a card at a charge point, and the CPO authorizes it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.operator_client import OperatorApiError, OperatorClient
from infra.local.charge_points import Card

COMES_EVERY_S = 600.0
"""Average simulated seconds between two drivers."""
FIRST_COMES_AFTER_S = 3.0
SHARE_THAT_LEAVES = 0.5
STAYS_S = (300.0, 1500.0)
TRIES = 8
PULSE_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Driver:
    uid: str
    type: str
    contract_id: str
    whitelist: str

    def token(self) -> dict[str, Any]:
        return {
            "contract_id": self.contract_id,
            "visual_number": self.uid[-6:],
            "issuer": "Evia Mobility",
            "valid": True,
            "whitelist": self.whitelist,
            "energy_contract": {"supplier_name": "Evia Mobility", "contract_id": self.contract_id},
        }


DRIVERS = (
    _Driver("04A1B2C3D4E580", "RFID", "PT-EVI-C00000101-A", "ALLOWED_OFFLINE"),
    _Driver("04F7E6D5C4B380", "RFID", "PT-EVI-C00000102-B", "ALLOWED"),
    _Driver("0463728190AA80", "RFID", "PT-EVI-C00000103-C", "NEVER"),
    _Driver("app-900201", "APP_USER", "PT-EVI-C00000201-D", "NEVER"),
    _Driver("app-900202", "APP_USER", "PT-EVI-C00000202-E", "NEVER"),
    _Driver("app-900203", "APP_USER", "PT-EVI-C00000203-F", "NEVER"),
)


def seed_tokens(emsp: OperatorClient) -> None:
    """Create the drivers' tokens at the eMSP; existing ones stay as they are. Raises: OperatorApiError."""
    known = {(token["uid"], token["type"]) for token in emsp.all("tokens")}
    for driver in DRIVERS:
        if (driver.uid, driver.type) not in known:
            emsp.put("tokens", driver.uid, body={"type": driver.type, **driver.token()})


@dataclass(frozen=True)
class _Stop:
    """A planned stop of a session: its real time, and the session's key at the eMSP."""

    at: float
    reference: str
    since: str


class Drivers:
    """Makes drivers come until it is stopped.

    hold_up: takes a card that a driver presents at a charge point. is_room: whether one more may come.
    """

    def __init__(
        self,
        emsp: OperatorClient,
        sites: Sequence[str],
        speed: float,
        hold_up: Callable[[Card], None],
        is_room: Callable[[], bool],
        chance: random.Random,
    ) -> None:
        self._emsp = emsp
        self._sites = sites
        self._speed = speed
        self._hold_up = hold_up
        self._is_room = is_room
        self._chance = chance
        self._stops: list[_Stop] = []

    def run(self, stopping: threading.Event) -> None:
        """Make one driver after the other come, and stop those that leave early."""
        comes_at = time.monotonic() + FIRST_COMES_AFTER_S
        while not stopping.wait(PULSE_S):
            try:
                if time.monotonic() >= comes_at:
                    comes_at += COMES_EVERY_S * self._chance.uniform(0.5, 1.5) / self._speed
                    if self._is_room():
                        self.come(self._chance.choice(DRIVERS))
                self._stop_those_who_leave()
            except (OperatorApiError, LookupError) as error:
                log.info("a driver went away again: %s", error)

    def come(self, driver: _Driver) -> None:
        """Make a driver look for a free charge point and charge. Raises: OperatorApiError."""
        place = self._find_place()
        if place is None:
            return
        location_id, evse = place
        if driver.type == "RFID":
            self._hold_up(Card(driver.uid, driver.type, location_id, evse["uid"]))
            return
        body = {
            "token": {"uid": driver.uid, "type": driver.type},
            "location_id": location_id,
            "evse_uid": evse["uid"],
            "connector_id": evse["connectors"][0]["id"],
        }
        command = self._emsp.post("commands", "START_SESSION", body=body)
        log.info("%s wants to charge at %s: %s", driver.uid, evse["uid"], command["state"])
        if self._chance.random() < SHARE_THAT_LEAVES:
            stays_s = self._chance.uniform(*STAYS_S) / self._speed
            reference = command["request"]["authorization_reference"]
            self._stops.append(_Stop(time.monotonic() + stays_s, reference, command["received"]))

    def _stop_those_who_leave(self) -> None:
        now = time.monotonic()
        due = [stop for stop in self._stops if stop.at <= now]
        self._stops = [stop for stop in self._stops if stop.at > now]
        for stop in due:
            for session in self._emsp.all("sessions", date_from=stop.since):
                is_meant = session.get("authorization_reference") == stop.reference
                if is_meant and session["status"] == "ACTIVE":
                    self._emsp.post("commands", "STOP_SESSION", body={"session_id": session["id"]})

    def _find_place(self) -> tuple[str, dict[str, Any]] | None:
        """Return an EVSE that is free, as far as the eMSP knows."""
        for _ in range(TRIES):
            location_id = self._chance.choice(self._sites)
            location = self._emsp.get("locations", location_id)
            free = [evse for evse in location.get("evses") or [] if evse["status"] == "AVAILABLE"]
            if free:
                return location_id, self._chance.choice(free)
        return None
