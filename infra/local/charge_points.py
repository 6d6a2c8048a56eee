"""The charge points of the seeded sites, and the CSMS that runs them with the CPO's operator API.

It executes commands, authorizes cards, and reports the charging. It ignores everything outside its own sites:
other locations, sessions that it did not start, reservations that it did not make. So a person, or the
certification, can play the CSMS at another site.

*Time.* Each session has a clock of its own that runs `speed` times as fast as real time, so that its start,
periods, end and energy are consistent. The node bills no session that ends in the future. So at a speed above
1 a session starts in the past, and its clock reaches the present when the car leaves. A session with a
reservation starts at the present and runs in real time, since it cannot start before its reservation.

Source: OCPI 2.2.1 mod_commands, mod_sessions; CMD-13, CMD-15, CMD-16, SES-05, SES-10 to SES-16
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from chalicelib.protocol.json_text import Document
from cli.operator_client import OperatorApiError
from infra.local.charging_curve import Car, Plug, charge, some_car
from infra.local.csms_memory import Memory

UPDATE_S = 15
"""Simulated seconds between two updates of a session ..."""
UPDATE_AT_MOST_EVERY_S = 2.0
"""... and at least so many real ones, at any speed."""

STAYS_S = (900.0, 3000.0)
"""Simulated seconds that a car stays, full or not."""

log = logging.getLogger(__name__)

_GONE = (404, 409, 422)


class Door(Protocol):
    """The calls of the CPO's operator API that are used here."""

    def get(self, *path: str) -> Any: ...
    def put(self, *path: str, body: object) -> Any: ...
    def patch(self, *path: str, body: object) -> Any: ...
    def post(self, *path: str, body: object, **query: str) -> Any: ...


@dataclass(frozen=True)
class Card:
    """A token that a driver presents at a charge point."""

    uid: str
    type: str
    location_id: str
    evse_uid: str


@dataclass
class _Charging:
    """An active session.

    stays_s: simulated seconds until the car leaves. plugged_in, begun: its start, in real time and by its own
    clock. reported_s: simulated seconds that the node knows of.
    """

    session_id: str
    location_id: str
    evse_uid: str
    plug: Plug
    tariff_id: str | None
    car: Car
    stays_s: float
    plugged_in: datetime
    begun: datetime
    reported_s: int = 0
    kwh: Decimal = Decimal(0)

    def moment(self) -> datetime:
        """Time, by its own clock, up to which the node knows the session."""
        return self.begun + timedelta(seconds=self.reported_s)


@dataclass
class _Reservation:
    """An EVSE reserved for a token; its session exists from the beginning (SES-16)."""

    id: str
    session_id: str
    location_id: str
    evse_uid: str
    token: Document
    expires: datetime


class ChargePoints:
    """All charge points of the CSMS's own sites. Not safe for threads."""

    def __init__(
        self,
        door: Door,
        sites: Collection[str],
        speed: float,
        memory: Memory,
        clock: Callable[[], datetime],
        chance: random.Random,
    ) -> None:
        self._door = door
        self._sites = frozenset(sites)
        self._speed = speed
        self._memory = memory
        self._clock = clock
        self._chance = chance
        self._charging: dict[str, _Charging] = {}
        self._reservations: dict[str, _Reservation] = {}

    @property
    def busy(self) -> int:
        """Number of active sessions."""
        return len(self._charging)

    def end_left_over(self) -> None:
        """End the sessions that an earlier run left active."""
        for session_id, (location_id, evse_uid) in list(self._memory.running.items()):
            try:
                self._end(session_id, location_id, evse_uid)
            except OperatorApiError as error:
                log.warning("session %s cannot be ended: %s", session_id, error)
                self._memory.remove(session_id)

    # Commands

    def obey(self, command: Document) -> None:
        """Execute a command and report its result. Raises: OperatorApiError."""
        name, request = command["command"], command["request"]
        tries = {
            "START_SESSION": self._start_remotely,
            "STOP_SESSION": self._stop,
            "RESERVE_NOW": self._reserve,
            "CANCEL_RESERVATION": self._cancel,
            "UNLOCK_CONNECTOR": self._unlock,
        }
        if not self._is_ours(request):
            log.info("%s %s is of another CSMS", name, command["id"])
            return
        result, then = tries[name](request)
        log.info("%s %s: %s", name, command["id"], result)
        try:
            self._door.post("commands", command["id"], "result", body={"result": result})
        except OperatorApiError as error:
            # The partner has another result already, TIMEOUT most likely: then do nothing.
            if error.http_status in _GONE:
                log.info("the result of %s came to nothing: %s", command["id"], error)
                return
            raise
        then()

    def _is_ours(self, request: Document) -> bool:
        if "location_id" in request:
            return request["location_id"] in self._sites
        if "session_id" in request:
            return request["session_id"] in self._charging
        return request["reservation_id"] in self._reservations

    def _start_remotely(self, request: Document) -> tuple[str, Callable[[], None]]:
        evse = self._find_evse(request)
        held = self._reservation_at(evse, request["token"])
        if evse is None or (evse["status"] != "AVAILABLE" and held is None):
            return _unavailable(evse), _nothing
        fields = {
            "auth_method": "COMMAND",
            "authorization_reference": request.get("authorization_reference"),
        }
        connector = _connector(evse, request.get("connector_id"))
        return "ACCEPTED", lambda: self._start(
            request["location_id"], evse, connector, request["token"], fields, held
        )

    def _stop(self, request: Document) -> tuple[str, Callable[[], None]]:
        charging = self._charging[request["session_id"]]
        return "ACCEPTED", lambda: self._finish(charging)

    def _reserve(self, request: Document) -> tuple[str, Callable[[], None]]:
        before = self._reservations.get(request["reservation_id"])
        if before is not None:
            before.expires = _moment(request["expiry_date"])
            return "ACCEPTED", _nothing
        evse = self._find_evse(request)
        if evse is None or evse["status"] != "AVAILABLE":
            return _unavailable(evse), _nothing
        return "ACCEPTED", lambda: self._keep_free(request, evse)

    def _cancel(self, request: Document) -> tuple[str, Callable[[], None]]:
        held = self._reservations[request["reservation_id"]]
        return "ACCEPTED", lambda: self._release(held)

    def _unlock(self, request: Document) -> tuple[str, Callable[[], None]]:
        def set_free() -> None:
            for charging in list(self._charging.values()):
                if charging.evse_uid == request["evse_uid"]:
                    self._finish(charging)

        return "ACCEPTED", set_free

    # Cards

    def hold_up(self, card: Card) -> None:
        """Authorize a card, and start charging if it is allowed. Raises: OperatorApiError."""
        evse = self._find_evse({"location_id": card.location_id, "evse_uid": card.evse_uid})
        if evse is None or evse["status"] != "AVAILABLE":
            return
        asked = {"location_id": card.location_id, "evse_uids": [card.evse_uid]}
        info = self._door.post("tokens", card.uid, "authorize", body=asked, type=card.type)
        log.info("%s at %s: %s", card.uid, card.evse_uid, info["allowed"])
        if info["allowed"] == "ALLOWED":
            fields = {
                "auth_method": "AUTH_REQUEST",
                "authorization_reference": info.get("authorization_reference"),
            }
            self._start(card.location_id, evse, _connector(evse, None), info["token"], fields)

    # Time

    def tick(self) -> None:
        """Report everything that is due. Raises: OperatorApiError; the rest is reported at the next tick."""
        now = self._clock()
        for held in list(self._reservations.values()):
            if held.expires <= now:
                self._reservations.pop(held.id)
                self._release(held)
        interval = max(UPDATE_S, UPDATE_AT_MOST_EVERY_S * self._speed)
        for charging in list(self._charging.values()):
            if self._elapsed_s(charging) - charging.reported_s >= interval:
                self._report(charging)
                if charging.reported_s >= charging.stays_s:
                    self._finish(charging)

    def _elapsed_s(self, charging: _Charging) -> int:
        now = self._clock()
        elapsed = (now - charging.plugged_in) * self._speed
        return int(min(elapsed, now - charging.begun).total_seconds())

    def _report(self, charging: _Charging) -> None:
        """Report one more charging period: the charging since the last one."""
        seconds = self._elapsed_s(charging) - charging.reported_s
        if seconds <= 0:
            return
        hours = _rounded(seconds / 3600, "0.0001")
        car, kwh = charging.car, Decimal(0)
        if car.is_satisfied:
            dimensions = [{"type": "PARKING_TIME", "volume": hours}]
        else:
            car, taken = charge(car, charging.plug, seconds)
            kwh = _rounded(taken, "0.0001")
            dimensions = [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": hours}]
        period: Document = {"start_date_time": _text(charging.moment()), "dimensions": dimensions}
        if charging.tariff_id is not None:
            period["tariff_id"] = charging.tariff_id
        news = {"kwh": charging.kwh + kwh, "charging_periods": [period]}
        if self._patch_session(charging.session_id, news):
            charging.car = car
            charging.kwh += kwh
            charging.reported_s += seconds
        else:
            self._forget(charging)

    def _start(
        self,
        location_id: str,
        evse: Document,
        connector: Document,
        token: Document,
        fields: Document,
        held: _Reservation | None = None,
    ) -> None:
        plug = Plug(_power_kw(connector), connector["power_type"] == "DC")
        car, stays_s = some_car(self._chance, plug), self._chance.uniform(*STAYS_S)
        now = self._clock().replace(microsecond=0)
        charging = _Charging(
            session_id=held.session_id if held else self._new_session_id(evse["uid"]),
            location_id=location_id,
            evse_uid=evse["uid"],
            plug=plug,
            tariff_id=next(iter(connector.get("tariff_ids") or ()), None),
            car=car,
            stays_s=stays_s,
            plugged_in=now,
            begun=now if held else now - _head_start(stays_s, self._speed),
        )
        session = self._session(location_id, evse, connector, token, charging.begun, "ACTIVE", fields)
        if held is not None:
            self._reservations.pop(held.id, None)
        self._charging[charging.session_id] = charging
        self._memory.add(charging.session_id, location_id, evse["uid"])
        self._door.put("sessions", charging.session_id, body=session)
        self._set_status(location_id, evse["uid"], "CHARGING")

    def _finish(self, charging: _Charging) -> None:
        """End a session, with the charging that was not reported yet."""
        self._report(charging)
        if charging.session_id in self._charging:
            self._end(charging.session_id, charging.location_id, charging.evse_uid, _text(charging.moment()))
            self._forget(charging)

    def _forget(self, charging: _Charging) -> None:
        self._charging.pop(charging.session_id, None)
        self._memory.remove(charging.session_id)

    def _end(
        self, session_id: str, location_id: str, evse_uid: str, end_date_time: str | None = None
    ) -> None:
        end = {"status": "COMPLETED"} | ({"end_date_time": end_date_time} if end_date_time else {})
        self._patch_session(session_id, end)
        self._set_status(location_id, evse_uid, "AVAILABLE")
        self._memory.remove(session_id)
        log.info("session %s has ended", session_id)

    # Reservations

    def _keep_free(self, request: Document, evse: Document) -> None:
        held = _Reservation(
            id=request["reservation_id"],
            session_id=self._new_session_id(evse["uid"]),
            location_id=request["location_id"],
            evse_uid=evse["uid"],
            token=request["token"],
            expires=_moment(request["expiry_date"]),
        )
        fields = {
            "auth_method": "COMMAND",
            "authorization_reference": request.get("authorization_reference"),
        }
        session = self._session(
            held.location_id,
            evse,
            _connector(evse, None),
            request["token"],
            self._clock(),
            "RESERVATION",
            fields,
        )
        self._reservations[held.id] = held
        self._memory.add(held.session_id, held.location_id, held.evse_uid)
        self._door.put("sessions", held.session_id, body=session)
        self._set_status(held.location_id, held.evse_uid, "RESERVED")

    def _release(self, held: _Reservation) -> None:
        self._reservations.pop(held.id, None)
        self._end(held.session_id, held.location_id, held.evse_uid)

    def _reservation_at(self, evse: Document | None, token: Document) -> _Reservation | None:
        """Reservation by which a token may use an EVSE."""
        wanted = (token["party_id"], token["uid"], token["type"])
        for held in self._reservations.values():
            owner = (held.token["party_id"], held.token["uid"], held.token["type"])
            if evse is not None and held.evse_uid == evse["uid"] and owner == wanted:
                return held
        return None

    # The operator API

    def _find_evse(self, request: Document) -> Document | None:
        """The named EVSE, or a free one; None when there is none."""
        if request.get("evse_uid"):
            evse: Document = self._door.get("locations", request["location_id"], request["evse_uid"])
            return evse
        evses = self._door.get("locations", request["location_id"])["evses"]
        return next((each for each in evses if each["status"] == "AVAILABLE"), None)

    def _patch_session(self, session_id: str, news: Document) -> bool:
        """Change a session. Returns False when it has ended already, or does not exist."""
        try:
            self._door.patch("sessions", session_id, body=news)
        except OperatorApiError as error:
            if error.http_status not in _GONE:
                raise
            log.info("session %s cannot be changed: %s", session_id, error)
            return False
        return True

    def _set_status(self, location_id: str, evse_uid: str, status: str) -> None:
        self._door.patch("locations", location_id, evse_uid, body={"status": status})

    def _session(
        self,
        location_id: str,
        evse: Document,
        connector: Document,
        token: Document,
        begun: datetime,
        status: str,
        fields: Document,
    ) -> Document:
        names = ("country_code", "party_id", "uid", "type", "contract_id")
        return {
            "start_date_time": _text(begun),
            "kwh": Decimal(0),
            "cdr_token": {name: token[name] for name in names},
            "location_id": location_id,
            "evse_uid": evse["uid"],
            "connector_id": connector["id"],
            "currency": "EUR",
            "status": status,
            **{name: value for name, value in fields.items() if value is not None},
        }

    def _new_session_id(self, evse_uid: str) -> str:
        return f"{evse_uid[:24]}-{self._chance.randrange(16**8):08x}"


def _unavailable(evse: Document | None) -> str:
    """CommandResultType for an EVSE that cannot be used (CMD-16)."""
    is_broken = evse is not None and evse["status"] in ("INOPERATIVE", "OUTOFORDER", "UNKNOWN", "PLANNED")
    return "EVSE_INOPERATIVE" if is_broken else "EVSE_OCCUPIED"


def _connector(evse: Document, connector_id: str | None) -> Document:
    connectors: list[Document] = evse["connectors"]
    return next((each for each in connectors if each["id"] == connector_id), connectors[0])


def _power_kw(connector: Document) -> float:
    power_w = connector.get("max_electric_power")
    if power_w is None:
        phases = 3 if connector["power_type"] == "AC_3_PHASE" else 1
        power_w = connector["max_voltage"] * connector["max_amperage"] * phases
    return float(power_w) / 1000


def _head_start(stays_s: float, speed: float) -> timedelta:
    """Time between a session's start and now, so that its clock reaches the present when the car leaves.

    >>> _head_start(1000.0, speed=10.0), _head_start(1000.0, speed=1.0)
    (datetime.timedelta(seconds=900), datetime.timedelta(0))
    """
    return timedelta(seconds=round(stays_s * max(0.0, 1 - 1 / speed)))


def _rounded(value: float, step: str) -> Decimal:
    return Decimal(value).quantize(Decimal(step))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> datetime:
    """Read an OCPI DateTime; without a designator it is UTC (TYP-07)."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _nothing() -> None:
    """Do nothing."""
