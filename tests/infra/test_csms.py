"""The simulated CSMS executes commands at its own sites, ignores others, and reports plausible sessions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from chalicelib.protocol.json_text import Document
from cli.operator_client import OperatorApiError, OperatorClient
from infra.local import csms
from infra.local.charge_points import Card, ChargePoints
from infra.local.charging_curve import Car, Plug, charge, power_kw, some_car
from infra.local.csms_memory import Memory
from infra.local.drivers import DRIVERS, seed_tokens
from infra.local.sandbox import CPO, EMSP, HUB, Sandbox
from tests.infra.polling import eventually

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


# -- commands ----------------------------------------------------------------------------------------


def test_a_remote_start_gives_its_result_and_a_session_with_its_reference(stand: Stand) -> None:
    """Source: CMD-16, SES-10, SES-13"""
    result = stand.start(connector_id=f"{EVSE}-2", authorization_reference="a-1")

    assert result == "ACCEPTED"
    assert stand.session["status"] == "ACTIVE" and stand.session["connector_id"] == f"{EVSE}-2"
    assert stand.session["authorization_reference"] == "a-1"
    assert stand.session["auth_method"] == "COMMAND"
    assert stand.session["cdr_token"] == {name: TOKEN[name] for name in TOKEN if name != "valid"}
    assert stand.status() == "CHARGING"


def test_without_an_evse_a_free_one_is_taken(stand: Stand) -> None:
    stand.start()

    assert stand.start(evse_uid=None) == "ACCEPTED"
    assert stand.status(f"{SITE}-2") == "CHARGING"


@pytest.mark.parametrize(
    ("status", "result"),
    [("CHARGING", "EVSE_OCCUPIED"), ("RESERVED", "EVSE_OCCUPIED"), ("OUTOFORDER", "EVSE_INOPERATIVE")],
)
def test_an_evse_that_cannot_be_used_gives_the_reason(stand: Stand, status: str, result: str) -> None:
    stand.door.evses[EVSE]["status"] = status

    assert stand.start() == result
    assert stand.door.sessions == {}


def test_two_starts_at_one_evse_start_one_session(stand: Stand) -> None:
    assert [stand.start(), stand.start()] == ["ACCEPTED", "EVSE_OCCUPIED"]
    assert len(stand.door.sessions) == 1


def test_a_result_that_comes_too_late_starts_no_session(stand: Stand) -> None:
    stand.door.refusals["commands"] = 409

    stand.start()

    assert (stand.door.sessions, stand.status()) == ({}, "AVAILABLE")


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("START_SESSION", {"location_id": "PRT-00001", "token": TOKEN}),
        ("UNLOCK_CONNECTOR", {"location_id": "PRT-00001", "evse_uid": "E", "connector_id": "1"}),
        ("STOP_SESSION", {"session_id": "another's"}),
        ("CANCEL_RESERVATION", {"reservation_id": "another's"}),
    ],
)
def test_another_site_is_ignored(stand: Stand, name: str, request_: Document) -> None:
    assert stand.obey(name, **request_) is None
    assert stand.door.results == []


def test_a_stop_reports_the_rest_and_ends_the_session(stand: Stand) -> None:
    """Source: SES-15"""
    stand.start()
    stand.pass_time(40)

    assert stand.obey("STOP_SESSION", session_id=stand.session_id) == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")
    assert stand.session["end_date_time"] == "2026-03-01T12:00:40Z"
    assert stand.points.busy == 0


def test_unlocking_ends_the_session_at_that_connector(stand: Stand) -> None:
    stand.start()

    result = stand.obey("UNLOCK_CONNECTOR", location_id=SITE, evse_uid=EVSE, connector_id=f"{EVSE}-1")

    assert (result, stand.session["status"]) == ("ACCEPTED", "COMPLETED")


# -- reservations ------------------------------------------------------------------------------------


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


def test_a_reservation_keeps_the_evse_for_its_token(stand: Stand) -> None:
    """Source: SES-16"""
    assert reserve(stand) == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("RESERVATION", "RESERVED")

    assert stand.start(token={**TOKEN, "uid": "another"}) == "EVSE_OCCUPIED"
    assert stand.start(authorization_reference="a-2") == "ACCEPTED"
    assert (stand.session["status"], stand.session["authorization_reference"]) == ("ACTIVE", "a-2")


def test_a_reservation_ends_when_it_is_cancelled(stand: Stand) -> None:
    reserve(stand)

    assert stand.obey("CANCEL_RESERVATION", reservation_id="r") == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")


def test_a_repeated_reservation_lasts_longer(stand: Stand) -> None:
    """Source: CMD-13"""
    reserve(stand, minutes=1)
    reserve(stand, minutes=3)

    stand.pass_time(120)
    assert stand.status() == "RESERVED"
    stand.pass_time(61)
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")


# -- cards -------------------------------------------------------------------------------------------


def test_a_card_is_authorized_before_it_charges(stand: Stand) -> None:
    stand.points.hold_up(Card("04A1", "RFID", SITE, EVSE))

    assert stand.door.authorizations == [("tokens", "04A1", "authorize", "RFID")]
    assert (stand.session["auth_method"], stand.session["authorization_reference"]) == (
        "AUTH_REQUEST",
        "r-1",
    )


def test_a_card_that_is_not_allowed_starts_no_session(stand: Stand) -> None:
    stand.door.allowed = "BLOCKED"

    stand.points.hold_up(Card("04A1", "RFID", SITE, EVSE))

    assert (stand.door.sessions, stand.status()) == ({}, "AVAILABLE")


# -- time --------------------------------------------------------------------------------------------


def test_a_session_grows_period_by_period_until_the_car_leaves(stand: Stand) -> None:
    """Source: SES-05, CDR-15, CDR-16"""
    stand.start()
    stand.pass_time(3100)

    periods = stand.session["charging_periods"]
    energy = sum(
        dimension["volume"]
        for period in periods
        for dimension in period["dimensions"]
        if dimension["type"] == "ENERGY"
    )
    starts = [period["start_date_time"] for period in periods]
    assert stand.session["status"] == "COMPLETED"
    assert energy == stand.session["kwh"] > 1
    assert starts[:2] == ["2026-03-01T12:00:00Z", "2026-03-01T12:00:15Z"]
    assert starts == sorted(set(starts)) and starts[-1] < stand.session["end_date_time"]
    assert {period["tariff_id"] for period in periods} == {"AC-ENERGY"}


def test_time_runs_at_the_given_speed(tmp_path: Path) -> None:
    stand = Stand(tmp_path, speed=60)
    stand.start()

    stand.pass_time(3)

    assert [period["start_date_time"] for period in stand.session["charging_periods"]] == [
        stand.session["start_date_time"]
    ]
    (hours,) = [each["volume"] for each in stand.session["charging_periods"][0]["dimensions"]][1:]
    assert hours == Decimal("0.0333")  # two minutes after two seconds


@pytest.mark.parametrize("speed", [1, 10, 60])
def test_a_session_ends_at_the_present_at_any_speed(tmp_path: Path, speed: float) -> None:
    """The node makes no CDR of a session that ends in the future."""
    stand = Stand(tmp_path, speed=speed)
    stand.start()

    while stand.session["status"] == "ACTIVE":
        stand.pass_time(1)

    end = datetime.fromisoformat(stand.session["end_date_time"])
    assert stand.now - timedelta(seconds=4 * speed) < end <= stand.now
    assert stand.now - START < timedelta(seconds=3000 / speed + 15)


def test_a_reserved_session_starts_and_ends_no_later_than_the_present(tmp_path: Path) -> None:
    stand = Stand(tmp_path, speed=60)
    reserve(stand)
    stand.pass_time(5)

    stand.start()
    stand.pass_time(20)
    stand.obey("STOP_SESSION", session_id=stand.session_id)

    assert stand.session["start_date_time"] == "2026-03-01T12:00:05Z"
    assert stand.session["end_date_time"] == "2026-03-01T12:00:25Z"


def test_a_failed_report_is_sent_later(stand: Stand) -> None:
    stand.start()
    stand.door.refusals["sessions"] = 0
    stand.now += timedelta(seconds=20)
    with pytest.raises(OperatorApiError):
        stand.points.tick()
    del stand.door.refusals["sessions"]

    stand.pass_time(20)

    assert [period["start_date_time"] for period in stand.session["charging_periods"]][0] == (
        "2026-03-01T12:00:00Z"
    )
    assert stand.session["kwh"] > 0


def test_a_session_that_was_ended_elsewhere_is_over(stand: Stand) -> None:
    stand.start()
    stand.door.refusals["sessions"] = 422

    stand.pass_time(20)

    assert stand.points.busy == 0


def test_sessions_of_an_earlier_run_are_ended(tmp_path: Path) -> None:
    before = Stand(tmp_path)
    before.start()
    after = Stand(tmp_path)
    after.door = before.door
    after.points = ChargePoints(before.door, [SITE], 1.0, after.memory, lambda: START, random.Random(7))

    after.points.end_left_over()

    assert (after.session["status"], after.status()) == ("COMPLETED", "AVAILABLE")
    assert Memory(tmp_path / "csms.json").running == {}


def test_a_session_that_cannot_be_ended_does_not_stop_the_start(tmp_path: Path) -> None:
    before = Stand(tmp_path)
    before.start()
    after = Stand(tmp_path)
    after.door.refusals = {"sessions": 404, "locations": 404}

    after.points.end_left_over()

    assert Memory(tmp_path / "csms.json").running == {}


# -- the curve ---------------------------------------------------------------------------------------


def test_power_falls_as_the_battery_fills() -> None:
    plug = Plug(150.0, is_dc=True)
    powers = [power_kw(Car(60.0, part / 10, 1.0, 11.0, 100.0), plug) for part in range(11)]

    assert powers[0] == powers[5] == 100.0
    assert powers[5:] == sorted(powers[5:], reverse=True) and powers[-1] == 0.0


def test_no_car_takes_more_than_it_wants_or_the_plug_gives() -> None:
    chance = random.Random(1)
    for plug in (Plug(22.0, is_dc=False), Plug(150.0, is_dc=True)):
        for _ in range(50):
            car = some_car(chance, plug)
            after, kwh = charge(car, plug, 600)
            assert 0 < kwh <= plug.power_kw / 6
            assert after.charge <= 1.0


# -- the webhook -------------------------------------------------------------------------------------


def call(secret: str, inbox: csms.Inbox, message_id: str = "m1", body: str | None = None) -> int:
    event = json.dumps({"type": "command", "timestamp": "now", "data": {"id": message_id}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, event),
    }
    return csms.take_call(SECRET, (body or event).encode(), headers, inbox)


def test_a_signed_call_is_taken_once() -> None:
    inbox = csms.Inbox()

    assert [call(SECRET, inbox), call(SECRET, inbox)] == [204, 204]
    assert [inbox.next(0), inbox.next(0)] == [{"id": "m1"}, None]


@pytest.mark.parametrize(
    ("secret", "body"), [("whsec_" + "YW5vdGhlcg==", None), (SECRET, '{"type": "command", "data": {}}')]
)
def test_a_call_that_is_not_from_the_node_is_refused(secret: str, body: str | None) -> None:
    inbox = csms.Inbox()

    assert call(secret, inbox, body=body) == 401
    assert inbox.next(0) is None


# -- in the sandbox ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed_sites=4, csms_speed=120) as running:
        eventually(lambda: list(running.door(CPO).all("webhooks")))
        eventually(lambda: running.door(EMSP).count("locations") == 4)
        yield running


def test_the_secret_is_kept_for_this_user_only(sandbox: Sandbox) -> None:
    file = sandbox.state_dir / "csms.json"

    assert json.loads(file.read_text())["secret"].startswith("whsec_")
    assert file.stat().st_mode & 0o077 == 0


def test_the_drivers_tokens_reach_the_cpo_once(sandbox: Sandbox) -> None:
    cpo, emsp = sandbox.door(CPO), sandbox.door(EMSP)
    wanted = {(driver.uid, driver.type) for driver in DRIVERS}
    eventually(lambda: {(each["uid"], each["type"]) for each in cpo.all("tokens")} >= wanted)
    before = list(emsp.all("tokens"))

    seed_tokens(emsp)

    assert list(emsp.all("tokens")) == before


def test_a_simulated_driver_charges_and_all_three_nodes_see_it(sandbox: Sandbox) -> None:
    """The session has a cost, although the CSMS sends none. Source: SES-14"""
    doors = [sandbox.door(player) for player in (CPO, HUB, EMSP)]

    def has_ended(session: Document) -> bool:
        cost = session.get("total_cost", {"excl_vat": 0})["excl_vat"]
        return bool(session["status"] == "COMPLETED" and session["kwh"] > 0 and cost > 0)

    def ended() -> bool:
        return all(any(has_ended(each) for each in door.all("sessions")) for door in doors)

    assert eventually(ended, seconds=120)


def test_a_remote_start_and_stop_are_executed(sandbox: Sandbox) -> None:
    emsp = sandbox.door(EMSP)
    location_id, evse = eventually(lambda: _free(emsp))
    token = {"uid": DRIVERS[3].uid, "type": DRIVERS[3].type}

    started = emsp.post(
        "commands",
        "START_SESSION",
        body={"location_id": location_id, "evse_uid": evse["uid"], "token": token},
    )
    reference = started["request"]["authorization_reference"]
    assert eventually(lambda: _result(emsp, started)) == "ACCEPTED"
    session = eventually(lambda: _session(emsp, reference, "ACTIVE"))
    assert (session["location_id"], session["evse_uid"]) == (location_id, evse["uid"])
    stopped = emsp.post("commands", "STOP_SESSION", body={"session_id": session["id"]})

    assert eventually(lambda: _result(emsp, stopped)) == "ACCEPTED"
    assert eventually(lambda: _session(emsp, reference, "COMPLETED"))


def _free(emsp: OperatorClient) -> tuple[str, Document] | None:
    for location in emsp.all("locations"):
        for evse in location["evses"]:
            if evse["status"] == "AVAILABLE":
                return location["id"], evse
    return None


def _result(door: OperatorClient, command: Document) -> str | None:
    result = door.get("commands", command["id"]).get("result")
    return str(result["result"]) if result else None


def _session(door: OperatorClient, reference: str, status: str) -> Document | None:
    for session in door.all("sessions"):
        if session.get("authorization_reference") == reference and session["status"] == status:
            return dict(session)
    return None
