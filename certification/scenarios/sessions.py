"""Scenarios 6.1 to 6.5: the CPO's sessions reach the eMSP that issued the token, and no other eMSP.

Sessions are written with the CPO's operator API, as its CSMS does it, and read with those of the hub and the
eMSP. A probe eMSP at the hub checks the pushes, and that it gets no session of another eMSP. A probe hub at
the CPO reads the CPO's list, which has to show exactly the sessions of the tokens that came from that hub.
Source: OCPI 2.2.1 mod_sessions; SES-01 to SES-08, SES-11, SES-15, RTE-20
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from certification.crawling import check_pages, crawl_window
from certification.csms import Csms
from certification.drivers import new_uid, take_token
from certification.handshake import join, new_party
from certification.ocpi import Caller, Document, Party
from certification.operator_apis import path_of
from certification.probe_emsp import ProbeEmsp
from certification.samples import as_pushed, charging_period, now, price, session, token, write_datetime
from certification.trial import Trial
from certification.web import below, with_query

FAR_FUTURE = "2099-01-01T00:00:00Z"


def scenario_6_1_start_session(trial: Trial) -> None:
    """The CPO's CSMS writes an ACTIVE session: the hub and the token's eMSP have it, no other eMSP does."""
    csms, own_token = Csms(trial), take_token(trial, "RFID")
    session_id = csms.start(own_token, csms.place())
    started = csms.change(session_id, "PATCH", {"kwh": 1})
    csms.see(started, f"session {session_id}, {started['status']}")
    trial.expect(started["status"] == "ACTIVE", f"the session is ACTIVE, not {started['status']}")

    if trial.has_probe("the push's URL and routing headers, and that another eMSP receives nothing"):
        _check_only_the_emsp_receives(trial, csms, session_id, own_token)


def scenario_6_2_update_session(trial: Trial) -> None:
    """Energy, periods and cost grow: PATCH adds periods, each once; PUT replaces them."""
    csms, own_token = Csms(trial), take_token(trial, "RFID")
    first, second = (charging_period(now(timedelta(minutes=late)), "2.5") for late in (-30, -15))
    cost = price("1.00", "1.23")
    session_id = csms.start(
        own_token, csms.place(), kwh=Decimal("2.5"), charging_periods=[first], total_cost=cost
    )
    before = csms.change(session_id, "PATCH", {"kwh": Decimal("2.6")})
    csms.see(before, "one period")

    news = {"kwh": 5, "charging_periods": [second], "total_cost": price("2.00", "2.46")}
    after = csms.change(session_id, "PATCH", news)
    trial.expect(
        after["charging_periods"] == [first, second],
        f"PATCH adds its period to those that were there, not {after['charging_periods']} (SES-05)",
    )
    trial.expect(
        after["kwh"] > before["kwh"] and after["total_cost"]["excl_vat"] > cost["excl_vat"],
        "kwh and total_cost have risen",
    )
    csms.see(after, "two periods after a PATCH, more kwh and a higher total_cost")
    repeated = csms.change(session_id, "PATCH", {"kwh": 6, "charging_periods": [second]})
    trial.expect(
        repeated["charging_periods"] == [first, second],
        f"a period that is sent again is there once, not {repeated['charging_periods']} (SES-08)",
    )
    csms.see(repeated, "the same period in another PATCH")
    whole = charging_period(first["start_date_time"], "6.0")
    body = {**repeated, "charging_periods": [whole]}
    body.pop("last_updated")
    replaced = csms.change(session_id, "PUT", body)
    trial.expect(
        replaced["charging_periods"] == [whole],
        f"PUT replaces the periods, not {replaced['charging_periods']} (SES-04)",
    )
    csms.see(replaced, "one period after a PUT")

    if trial.has_probe("PATCH at the hub, also one that comes twice"):
        _check_hub_adds_periods_once(trial, own_token)


def scenario_6_3_stop_session(trial: Trial) -> None:
    """The session ends: COMPLETED with end_date_time at the eMSP, and later changes are refused."""
    csms, own_token = Csms(trial), take_token(trial, "RFID")
    session_id = csms.start(own_token, csms.place())
    started = csms.change(session_id, "PATCH", {"kwh": 1})
    csms.see(started, f"session {session_id}, ACTIVE")
    ended = csms.change(session_id, "PATCH", {"kwh": 4, "status": "COMPLETED"})
    trial.expect(
        ended["status"] == "COMPLETED" and ended.get("end_date_time"),
        f"the CPO's operator API shows it COMPLETED with end_date_time, not {ended['status']}",
    )
    csms.see(ended, f"session {session_id}, COMPLETED at {ended['end_date_time']}")
    again = trial.cpo.call("PATCH", path_of("sessions", session_id), {"kwh": 9})
    trial.expect(
        400 <= again.http_status < 500, f"{again}: a COMPLETED session is final and not changed (SES-15)"
    )
    trial.note(f"a change after the end is refused: HTTP {again.http_status}")

    if trial.has_probe("the last push of a session"):
        emsp = ProbeEmsp(trial)
        its_id = csms.start(emsp.new_token("RFID"), csms.place(1))
        its_end = csms.change(its_id, "PATCH", {"kwh": 4, "status": "COMPLETED"})
        trial.eventually(
            "the end of its session is pushed to the probe eMSP",
            lambda: emsp.session(trial.cpo.party, its_id) == its_end,
        )
        _check_pushes(trial, emsp, its_id)


def scenario_6_4_get_all_sessions(trial: Trial) -> None:
    """MOBI.E reads the CPO's sessions by pages: those of its own tokens, each once, and no others."""
    if not trial.has_probe("the pages of the CPO's sessions and their owners"):
        _check_hub_holds(trial)
        return
    csms, reader = Csms(trial), _Reader(trial)
    start = now(timedelta(hours=-1))
    own_ids = [reader.record(csms) for _ in range(5)]
    _record(trial, csms, take_token(trial, "RFID"))
    expected = reader.visible()
    trial.expect(
        {str(each["id"]) for each in expected} >= set(own_ids),
        "the CPO's operator API lists the sessions that it took",
    )
    query = {"date_from": start, "limit": 2}
    pages = reader.caller.crawl(reader.url, query)
    check_pages(trial, pages, expected, query)
    trial.expect(len(pages) > 1, f"{len(expected)} sessions at 2 a page are more than one page")
    others = len(trial.cpo.list_all(with_query("/sessions", {"date_from": start}))) - len(expected)
    trial.expect(others >= 1, "the CPO has sessions of others as well")
    trial.note(
        f"crawled {len(expected)} sessions in {len(pages)} pages: each once, every total right, "
        f"none of the {others} of others"
    )
    reply = reader.caller.call("GET", reader.url)
    trial.expect(
        not reply.is_success, f"{reply}: a list of sessions needs a date_from, without it is refused (SES-03)"
    )
    trial.note(f"without date_from: HTTP {reply.http_status}, {reply.status_code}")
    pushed = {each.segments[-1] for each in reader.partner.received_since(0, "receiver", "sessions")}
    trial.expect(
        pushed <= set(own_ids), f"a hub is pushed the sessions of its own tokens, not {pushed - set(own_ids)}"
    )


def scenario_6_5_get_filtered_sessions(trial: Trial) -> None:
    """MOBI.E reads its own sessions between two dates: the first inclusive, the second exclusive."""
    if not trial.has_probe("the filters of the CPO's sessions"):
        _check_hub_holds(trial)
        return
    csms, reader = Csms(trial), _Reader(trial)
    begin = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(20 * 365 * 86400))
    moments = [write_datetime(begin + timedelta(milliseconds=later)) for later in (0, 1000, 1200, 2000, 3000)]
    for moment in moments:
        reader.record(csms, moment)
    stranger = take_token(trial, "RFID")
    _record(trial, csms, stranger, moments[1])
    _record(trial, csms, stranger, moments[2])
    visible = reader.visible()
    first, second, third, last = moments[0], moments[1], moments[2], moments[-1]
    for window in (
        {"date_from": first, "date_to": third},
        {"date_from": third, "date_to": last},
        {"date_from": second, "date_to": second},
        {"date_from": first},
        {"date_from": FAR_FUTURE},
    ):
        crawl_window(trial, reader.caller, reader.url, visible, window, limit=1)
    trial.note(
        f"sessions of {stranger['uid']}, of another's tokens, lie in the same windows and are not shown"
    )


def _check_only_the_emsp_receives(trial: Trial, csms: Csms, session_id: str, own_token: Document) -> None:
    """Let a driver of another eMSP charge as well, and expect each eMSP to receive only its own session."""
    emsp = ProbeEmsp(trial)
    began = now(timedelta(minutes=-1))
    its_id = csms.start(emsp.new_token("RFID"), csms.place(1))
    its_session = csms.change(its_id, "PATCH", {"kwh": 1})
    trial.all_eventually(
        f"session {its_id} of {emsp.party}'s token",
        {
            "at the hub's operator API": lambda: (
                trial.hub.held("sessions", trial.cpo.party, its_id) == its_session
            ),
            "at the probe eMSP": lambda: emsp.session(trial.cpo.party, its_id) == its_session,
        },
    )
    _check_pushes(trial, emsp, its_id)
    # A change of the eMSP's session is pushed now, while a wrong push to the probe could still arrive.
    csms.see(csms.change(session_id, "PATCH", {"kwh": 2}), f"session {session_id} again")
    trial.expect(
        not emsp.pushes(session_id), f"session {session_id} is pushed to its token's eMSP only (RTE-20)"
    )
    trial.expect(
        trial.emsp.held("sessions", trial.cpo.party, its_id) is None,
        f"the eMSP does not hold session {its_id}, which is of {emsp.party}'s token",
    )
    shown = {str(each["id"]) for each in emsp.crawl_sessions(began)}
    trial.expect(
        shown == {its_id}, f"the hub's list shows an eMSP the sessions of its own tokens, not {shown}"
    )
    trial.note(
        f"{emsp.party} was pushed and shown {its_id} only, {own_token['uid']}'s eMSP {session_id} only"
    )


def _check_pushes(trial: Trial, emsp: ProbeEmsp, session_id: str) -> None:
    """Check every push of a session: the owner in the URL, FROM the CPO TO the eMSP."""
    pushes = emsp.pushes(session_id)
    for push in pushes:
        label = f"{push.method} …/{'/'.join(push.segments[1:])}"
        trial.expect(push.method in ("PUT", "PATCH"), f"{label}: is PUT or PATCH")
        trial.expect(
            push.status_code < 2000 or push.http_status == 404,
            f"{label}: a receiver can accept it, not HTTP {push.http_status}, {push.status_code}",
        )
        trial.expect(
            trial.cpo.party.is_same(*push.party("from")) and emsp.party.is_same(*push.party("to")),
            f"{label}: is FROM the CPO TO the eMSP, not FROM {push.party('from')} TO {push.party('to')}",
        )
    trial.note(
        f"the probe eMSP received {pushes[-1].method} …/{'/'.join(pushes[-1].segments[1:])}, "
        f"FROM {pushes[-1].party('from')} TO {pushes[-1].party('to')}"
    )


def _check_hub_adds_periods_once(trial: Trial, own_token: Document) -> None:
    """Push as a CPO: a PATCH adds a period at the hub, the same PATCH again does not (SES-05, SES-08)."""
    partner, _ = join(trial, trial.hub, "CPO", (("sessions", "SENDER"),))
    caller = partner.caller(trial.hub.party)
    session_id = f"CERT-{secrets.token_hex(8).upper()}"
    url = below(partner.registered_details().url("sessions", "RECEIVER"), *partner.party, session_id)
    first, second = (charging_period(now(timedelta(minutes=late)), "2.5") for late in (-30, -15))
    place = {"location_id": "CERT", "evse_uid": "CERT-1", "connector_id": "1"}
    document = session(own_token, place, kwh=Decimal("2.5"), charging_periods=[first])
    pushed = as_pushed(document, partner.party, session_id)

    def end() -> None:
        caller.call("PATCH", url, {"status": "COMPLETED", "end_date_time": now(), "last_updated": now()})

    reply = caller.call("PUT", url, pushed)
    trial.expect(
        reply.is_success and reply.http_status == 201,
        f"{reply}: PUT of a new session is answered with HTTP 201 and 1000",
    )
    trial.afterwards(f"session {session_id} is COMPLETED", end)
    patch = {"kwh": 5, "charging_periods": [second], "last_updated": now()}
    for _ in range(2):
        reply = caller.call("PATCH", url, patch)
        trial.expect(reply.is_success, f"{reply}: PATCH of a session is answered with 1000")
    held = caller.call("GET", url).object()
    trial.expect(
        held.get("charging_periods") == [first, second],
        f"after a PATCH that came twice the hub holds its period once, not {held.get('charging_periods')}",
    )
    trial.eventually(
        "the eMSP holds the probe CPO's session with both periods, each once",
        lambda: trial.emsp.held("sessions", partner.party, session_id) == held,
    )


def _check_hub_holds(trial: Trial) -> None:
    """Without a probe: expect the hub to have the sessions that are written at the CPO."""
    csms, own_token = Csms(trial), take_token(trial, "RFID")
    ids = {_record(trial, csms, own_token) for _ in range(3)}
    trial.eventually(
        f"the hub's operator API has the CPO's sessions {', '.join(sorted(ids))}",
        lambda: all(trial.hub.held("sessions", trial.cpo.party, each) for each in ids),
    )


def _record(trial: Trial, csms: Csms, driver: Document, last_updated: str | None = None) -> str:
    """Write a session that has ended already, so that none stays open. Returns its id."""
    stamp = {"last_updated": last_updated} if last_updated else {}
    return csms.start(driver, csms.place(), status="COMPLETED", end_date_time=now(), **stamp)


class _Reader:
    """A probe hub at the CPO that pushes a token of an eMSP behind it and reads the CPO's sessions."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        interfaces = (("tokens", "SENDER"), ("sessions", "RECEIVER"))
        self.partner, _ = join(trial, trial.cpo, "HUB", interfaces, {"strict": True})
        self.caller: Caller = self.partner.caller(trial.cpo.party)
        details = self.partner.registered_details()
        self.url = details.url("sessions", "SENDER")
        self._emsp: Party = new_party(trial, "EMSP", ()).party
        names = {"country_code": self._emsp.country_code, "party_id": self._emsp.party_id}
        self._token = {**names, "uid": new_uid(), "type": "RFID", **token(), "last_updated": now()}
        url = below(details.url("tokens", "RECEIVER"), *self._emsp, self._token["uid"])
        reply = self.caller.call("PUT", url, self._token)
        trial.expect(reply.is_success, f"{reply}: PUT of a token by a hub is answered with 1000")
        undo = {"valid": False, "last_updated": now()}
        trial.afterwards("the probe hub's token is not valid", lambda: self.caller.call("PATCH", url, undo))

    def record(self, csms: Csms, last_updated: str | None = None) -> str:
        """Write a session of the hub's token at the CPO."""
        return _record(self._trial, csms, self._token, last_updated)

    def visible(self) -> Sequence[Document]:
        """Return the sessions of the hub's token as the CPO's operator API shows them."""
        return [
            each
            for each in self._trial.cpo.list_all("/sessions")
            if each["cdr_token"]["uid"] == self._token["uid"]
        ]
