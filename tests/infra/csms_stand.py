"""A simulated CSMS at a node of a test, whose operator API a test reads."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.protocol.json_text import Document
from cli.operator_client import OperatorApiError
from infra.local.charge_points import ChargePoints
from infra.local.csms_memory import Memory

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SITE, EVSE = "LSB-00001", "LSB-00001-1"
SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
TOKEN = {
    "country_code": "PT",
    "party_id": "EVI",
    "uid": "04A1",
    "type": "RFID",
    "contract_id": "C1",
    "valid": True,
}


class FakeDoor:
    """The CPO's operator API in memory. `refusals`: HTTP status by the beginning of a path."""

    def __init__(self) -> None:
        self.evses = {f"{SITE}-{number}": _evse(f"{SITE}-{number}") for number in (1, 2)}
        self.sessions: dict[str, Document] = {}
        self.results: list[tuple[str, str]] = []
        self.authorizations: list[tuple[str, ...]] = []
        self.allowed = "ALLOWED"
        self.refusals: dict[str, int] = {}

    def get(self, *path: str) -> Any:
        if len(path) == 2:
            return {"id": SITE, "evses": list(self.evses.values())}
        return self.evses[path[2]]

    def put(self, *path: str, body: Any) -> Any:
        assert path[0] == "sessions"
        self._refuse(path)
        self.sessions[path[1]] = {"charging_periods": [], **body}
        return body

    def patch(self, *path: str, body: Any) -> Any:
        self._refuse(path)
        if path[0] == "locations":
            self.evses[path[2]].update(body)
            return None
        session = self.sessions[path[1]]
        added = body.get("charging_periods", [])
        session.update({**body, "charging_periods": [*session["charging_periods"], *added]})
        return session

    def post(self, *path: str, body: Any, **query: str) -> Any:
        self._refuse(path)
        if path[0] == "tokens":
            self.authorizations.append((*path, query["type"]))
            return {"allowed": self.allowed, "token": TOKEN, "authorization_reference": "r-1"}
        self.results.append((path[1], body["result"]))
        return None

    def _refuse(self, path: tuple[str, ...]) -> None:
        status = self.refusals.get(path[0])
        if status is not None:
            raise OperatorApiError("no", status or None)


class Stand:
    """Charge points at two EVSEs, with the test's own clock."""

    def __init__(self, folder: Path, speed: float = 1.0) -> None:
        self.now = START
        self.door = FakeDoor()
        self.memory = Memory(folder / "csms.json")
        self.points = ChargePoints(self.door, [SITE], speed, self.memory, lambda: self.now, random.Random(7))
        self._commands = 0

    def obey(self, name: str, **request: object) -> str | None:
        """Send a command. Returns its result, None when it was ignored."""
        self._commands += 1
        command_id = f"c{self._commands}"
        self.points.obey({"id": command_id, "command": name, "request": request})
        return dict(self.door.results).get(command_id)

    def start(self, **request: object) -> str | None:
        return self.obey(
            "START_SESSION", **{"location_id": SITE, "evse_uid": EVSE, "token": TOKEN, **request}
        )

    def pass_time(self, seconds: float, tick_s: float = 1.0) -> None:
        for _ in range(int(seconds / tick_s)):
            self.now += timedelta(seconds=tick_s)
            self.points.tick()

    @property
    def session(self) -> Document:
        (session,) = self.door.sessions.values()
        return session

    @property
    def session_id(self) -> str:
        (session_id,) = self.door.sessions
        return session_id

    def status(self, uid: str = EVSE) -> str:
        return str(self.door.evses[uid]["status"])


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def reserve(stand: Stand, minutes: int = 10) -> str | None:
    expiry = (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return stand.obey(
        "RESERVE_NOW",
        location_id=SITE,
        evse_uid=EVSE,
        token=TOKEN,
        reservation_id="r",
        expiry_date=expiry,
    )


def _evse(uid: str) -> Document:
    connectors = [
        {
            "id": f"{uid}-{number}",
            "power_type": "AC_3_PHASE",
            "max_voltage": 230,
            "max_amperage": 32,
            "max_electric_power": 22080,
            "tariff_ids": ["AC-ENERGY"],
        }
        for number in (1, 2)
    ]
    return {"uid": uid, "status": "AVAILABLE", "connectors": connectors}
