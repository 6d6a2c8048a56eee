"""Pushes to partners that fail: retries, OFFLINE, probes and catch-up.

A fault (500, 3xxx, HTTP 4xx without an envelope, no answer) is retried. A refusal (an envelope with 2xxx) is
not repeated at once. After an outage a partner receives the present state of each object, not old messages.
One partner's outage does not affect the others.
Chapter: OCPI 2.2.1 transport_and_format_offline_behaviour, status_codes; TRN-32, STA-15, TRP-10.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from tests.flows.conftest import FRESHNESS_SECONDS, Guests, name_of
from tests.third_party import faults
from tests.third_party.faults import Fault
from tests.third_party.objects import location
from tests.third_party.operator_door import Node, plain
from tests.third_party.partner import Partner
from tests.third_party.server import Received, Reply
from tests.third_party.waiting import eventually

PASSING: dict[str, Fault] = {
    "500": faults.answer_500,
    "3000": faults.refuse_3000,
    "3999": faults.answer_code(3999),
    "503": faults.answer_code(3000, 503),
    "429": faults.answer_code(2000, 429),
    "401": faults.refuse_401,
    "a web page": faults.answer_web_page,
    "a page with 400": faults.answer_page(400),
    "a page with 403": faults.answer_page(403),
    "a page with 404": faults.answer_page(404),
    "a page with 413": faults.answer_page(413),
    "404 and 1000": faults.answer_code(1000, 404),
    "a bare list": faults.answer_bare_list,
    "a hang-up": faults.hang_up,
}
FINAL: dict[str, Fault] = {
    "2001": faults.refuse_2001,
    "2999": faults.answer_code(2999),
    "405": faults.refuse_405,
}
TAKEN: dict[str, tuple[Fault, str]] = {
    "204": (faults.take_and_answer(204, b""), "EMPTY_BODY"),
    "an empty 200": (faults.take_and_answer(200, b""), "EMPTY_BODY"),
    "OK": (faults.take_and_answer(200, b"OK"), "PLAIN_TEXT"),
    "{}": (faults.take_and_answer(200, b"{}"), "NO_STATUS_CODE"),
    "1000 as text": (faults.take_and_answer(200, b'{"status_code": "1000"}'), "STATUS_CODE_MISWRITTEN"),
}
UNTIL_OFFLINE = FRESHNESS_SECONDS + 20


def currency(partner: Partner, key: tuple[str, ...]) -> str | None:
    return (partner.held("tariffs", *key) or {}).get("currency")


def once(key: tuple[str, ...], fault: Fault) -> Fault:
    """Fail the first push of one tariff."""
    return faults.only(lambda got: got.segments == key, faults.times(1, fault))


def attempts(partner: Partner, key: tuple[str, ...]) -> list[Received]:
    return [got for got in partner.pushes("tariffs") if got.segments == key]


def broadcasts(node: Node, partner: Partner) -> dict[str, Any]:
    known = node.partner(name_of(partner))
    assert known
    return node.broadcasts_to(known["id"])


def test_a_fault_is_retried_until_it_passes(cpo: Node, guests: Guests) -> None:
    """Each partner fails in a different way; every attempt is a new request. Source: TRN-17, TRN-32"""
    partners = {name: guests.join("EMSP", cpo).partner for name in PASSING}
    key = (*cpo.party, "FAULT")
    with ExitStack() as stack:
        for name, partner in partners.items():
            stack.enter_context(partner.misbehaving("tariffs", once(key, PASSING[name])))
        cpo.offer(key[2])
        for name, partner in partners.items():
            eventually(partial(partner.held, "tariffs", *key), what=name)

    for name, partner in partners.items():
        tries = attempts(partner, key)
        assert len(tries) >= 2, name
        assert len({got.headers["x-request-id"] for got in tries}) == len(tries), name
        assert cpo.status_of(name_of(partner)) == "REGISTERED", name


@pytest.mark.parametrize("fault", FINAL.values(), ids=list(FINAL))
def test_a_refusal_is_recorded_and_not_repeated_at_once(cpo: Node, guests: Guests, fault: Fault) -> None:
    """The object is sent again when it changes, or when the operator replays it. Source: STA-15"""
    partner = guests.join("EMSP", cpo).partner
    with partner.misbehaving("tariffs", fault):
        key = cpo.offer(f"R-{partner.party.party_id}")
        partner.wait_for_push("tariffs", *key)
        eventually(lambda: broadcasts(cpo, partner)["refused"], what="the refusal on the operator API")

    assert partner.held("tariffs", *key) is None
    cpo.offer(key[2], currency="NOK")
    eventually(lambda: currency(partner, key) == "NOK")
    assert len(attempts(partner, key)) == 2
    assert cpo.status_of(name_of(partner)) == "REGISTERED"


def test_a_refused_object_is_sent_again_when_the_operator_replays_it(cpo: Node, guests: Guests) -> None:
    partner = guests.join("EMSP", cpo).partner
    with partner.misbehaving("tariffs", faults.refuse_2001):
        key = cpo.offer(f"A-{partner.party.party_id}")
        eventually(lambda: broadcasts(cpo, partner)["refused"], what="the refusal on the operator API")
    known = cpo.partner(name_of(partner))
    assert known

    answer = cpo.call("POST", "broadcasts", known["id"], "replay", document={"module": "tariffs"})

    assert answer.http_status == 202
    eventually(partial(partner.held, "tariffs", *key), what="the tariff")


def test_any_2xx_without_an_error_is_delivered_once(cpo: Node, guests: Guests) -> None:
    """If it counted as a fault, such partners would be OFFLINE again and again and get every object again."""
    partners = {name: guests.join("EMSP", cpo).partner for name in TAKEN}
    with ExitStack() as stack:
        for name, partner in partners.items():
            stack.enter_context(partner.misbehaving("tariffs", TAKEN[name][0]))
        key = cpo.offer("ODD")
        for name, partner in partners.items():
            eventually(partial(_has_delivered, cpo, partner), what=name)

    for name, partner in partners.items():
        known = cpo.partner(name_of(partner))
        assert known and known["odd_answers"] == [TAKEN[name][1]], name
        assert partner.held("tariffs", *key), name
        assert len(attempts(partner, key)) == 1, name


def _has_delivered(node: Node, partner: Partner) -> bool:
    report = broadcasts(node, partner)
    return report["delivered"] > 0 and not report["waiting"]


def test_success_depends_on_the_status_code_only(cpo: Node, guests: Guests) -> None:
    """Other 1xxx codes and unexpected data are successes too. Source: STA-13, STA-15, TRN-15"""
    partner = guests.join("EMSP", cpo).partner

    def answer(_: Partner, received: Received) -> Reply:
        return partner.reply(received, 1901, data=["anything"])

    with partner.misbehaving("tariffs", answer):
        key = cpo.offer(f"S-{partner.party.party_id}")
        partner.wait_for_push("tariffs", *key)
        eventually(lambda: broadcasts(cpo, partner)["delivered"])

    assert not broadcasts(cpo, partner)["refused"]
    assert len(attempts(partner, key)) == 1


def test_a_partner_that_lost_a_location_is_sent_it_whole(cpo: Node, guests: Guests) -> None:
    """The partner answers a push of an EVSE with 404/2003. Source: LOC-13, TRN-25"""
    partner = guests.join("EMSP", cpo).partner
    place = (*cpo.party, f"LOST-{partner.party.party_id}")
    cpo.ask("PUT", "locations", place[2], document=plain(location(cpo.party, place[2])))
    eventually(lambda: partner.held("locations", *place))
    eventually(lambda: broadcasts(cpo, partner)["delivered"] >= len(cpo.all("locations")))
    partner.shelves["locations"].held.pop(place)

    cpo.ask("PATCH", "locations", place[2], "E1", document={"status": "CHARGING"})

    eventually(lambda: partner.held("locations", *place) == cpo.ask("GET", "locations", place[2]))


def test_after_an_outage_a_partner_has_the_present_state(cpo: Node, guests: Guests) -> None:
    """OFFLINE after the freshness window; nothing is sent meanwhile; then what was missed, as it is now.

    Source: TRN-32, TRP-10
    """
    partner = guests.join("EMSP", cpo).partner
    mine = partner.party.party_id
    kept = cpo.offer(f"KEPT-{mine}")
    deleted = cpo.offer(f"DEL-{mine}")
    eventually(lambda: partner.held("tariffs", *kept) and partner.held("tariffs", *deleted))
    place = f"L-{mine}"
    with partner.misbehaving("*", faults.answer_500):
        cpo.offer(kept[2], currency="NOK")
        eventually(lambda: cpo.status_of(name_of(partner)) == "OFFLINE", within=UNTIL_OFFLINE)
        pushed = len(partner.pushes("tariffs"))
        cpo.offer(kept[2], currency="SEK")
        cpo.offer(kept[2], currency="DKK")
        cpo.ask("DELETE", "tariffs", deleted[2])
        cpo.ask("PUT", "locations", place, document=plain(location(cpo.party, place)))
        cpo.ask("PATCH", "locations", place, "E1", document={"status": "CHARGING"})
        partner.server.wait_for(lambda got: got.module == "versions" and got.method == "GET", count=3)
        assert len(partner.pushes("tariffs")) == pushed

    eventually(lambda: cpo.status_of(name_of(partner)) == "REGISTERED")
    eventually(lambda: currency(partner, kept) == "DKK")
    eventually(lambda: partner.held("tariffs", *deleted) is None)
    eventually(lambda: partner.held("locations", *cpo.party, place) == cpo.ask("GET", "locations", place))
    late = [got.document["currency"] for got in attempts(partner, kept) if got.body][-1:]
    assert late == ["DKK"]
    assert "SEK" not in [got.document.get("currency") for got in attempts(partner, kept)]


def test_an_offline_partner_may_still_pull(cpo: Node, guests: Guests) -> None:
    """Pulling is another way to catch up. Source: TRN-32"""
    line = guests.join("EMSP", cpo)
    partner = line.partner
    with partner.misbehaving("*", faults.answer_500):
        key = cpo.offer(f"PULL-{partner.party.party_id}")
        eventually(lambda: cpo.status_of(name_of(partner)) == "OFFLINE", within=UNTIL_OFFLINE)

        assert key[2] in {found["id"] for found in line.pull("tariffs", limit=50)}


def test_an_outage_of_one_partner_delays_no_other(cpo: Node, guests: Guests) -> None:
    """Neither a partner that never answers nor one that answers with invalid data."""
    silent, broken = guests.join("EMSP", cpo).partner, guests.join("EMSP", cpo).partner
    well = guests.join("EMSP", cpo).partner
    mine = well.party.party_id

    with (
        silent.misbehaving("tariffs", faults.stay_silent),
        broken.misbehaving("tariffs", faults.answer_web_page),
    ):
        keys = [cpo.offer(f"W{number}-{mine}") for number in range(10)]
        for key in keys:
            well.wait_for_push("tariffs", *key, within=7)


def test_changes_during_a_push_become_one_push(cpo: Node, guests: Guests) -> None:
    """The partner ends with the last state, without a push of each state in between."""
    partner = guests.join("EMSP", cpo).partner
    currencies = [f"X{letter}{other}" for letter in "AB" for other in "ABCDEFGHIJ"]
    key = (*cpo.party, f"G-{partner.party.party_id}")
    with partner.misbehaving("tariffs", once(key, faults.answer_500)):
        cpo.offer(key[2])
        partner.wait_for_push("tariffs", *key)
        for each in currencies:
            cpo.offer(key[2], currency=each)

    eventually(lambda: currency(partner, key) == currencies[-1])
    assert len(attempts(partner, key)) < len(currencies)


class SlowInbox:
    """Takes a short while for each push of an object, and counts simultaneous pushes."""

    def __init__(self, object_id: str) -> None:
        self.object_id = object_id
        self.most_at_once = 0
        self._inside = 0
        self._lock = threading.Lock()
        self._never = threading.Event()

    def __call__(self, partner: Partner, received: Received) -> Reply | None:
        if self.object_id not in received.segments:
            return None
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        self._never.wait(0.15)
        with self._lock:
            self._inside -= 1
        return None


def test_pushes_of_one_object_never_overtake_each_other(cpo: Node, guests: Guests) -> None:
    """The next push waits until a slow one has ended, for any number of changes meanwhile."""
    partner = guests.join("EMSP", cpo).partner
    place = f"O-{partner.party.party_id}"
    inbox = partner.faults["locations"] = SlowInbox(place)
    cpo.ask("PUT", "locations", place, document=plain(location(cpo.party, place)))
    for number in range(15):
        cpo.ask("PATCH", "locations", place, "E1", document={"floor_level": str(number)})

    eventually(lambda: partner.held("locations", *cpo.party, place) == cpo.ask("GET", "locations", place))
    times = [got.document["last_updated"] for got in partner.pushes("locations") if got.segments[2] == place]
    assert times == sorted(times)
    assert inbox.most_at_once == 1


def test_a_delivered_object_is_no_longer_waiting(cpo: Node, guests: Guests) -> None:
    partner = guests.join("EMSP", cpo).partner
    key = cpo.offer(f"D-{partner.party.party_id}")
    partner.wait_for_push("tariffs", *key)

    eventually(lambda: broadcasts(cpo, partner)["delivered"])

    report = broadcasts(cpo, partner)
    assert not report["waiting"]
    assert not report["refused"]
    assert not report["dead"]
