"""Tests of how a CDR reaches its partners, once and in its order.

Source: OCPI 2.2.1 mod_cdrs, Push model; TRN-32
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.pushing import liveness
from chalicelib.pushing.catch_up import count_pending
from chalicelib.pushing.replays import push_again, replay, replay_object
from chalicelib.pushing.retries import queue_due_retries
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Key
from tests.modules.builders import T2
from tests.modules.cdrs.world import CPO, Network
from tests.pushing.pushing import Sent, break_down, refuse


def test_a_refused_cdr_is_a_dead_letter_and_can_be_pushed_again(hub: Network) -> None:
    """Source: TRN-32"""
    hub.world.partners.faults["evi"] = refuse()
    hub.end()
    hub.compile()
    (cdr,) = hub.cdrs()
    (letter,) = hub.world.queue.dead
    ref = Ref("cdrs", *CPO, cdr["id"])
    items = hub.node.table.get_many([ref.key, ref._replace(variant="CPO").key])

    del hub.world.partners.faults["evi"]
    asked = push_again(hub.node, items.values())
    hub.world.settle()

    assert read_json(letter.body)["pk"] == ref.key.pk
    assert [partner.id for partner in asked] == ["evi"]
    assert hub.sent("evi") == [cdr, cdr]
    assert hub.sent("abc") == [cdr]
    assert hub.world.held("evi", ref) == cdr
    assert push_again(hub.node, items.values()) == []


def test_a_cdr_that_is_accepted_during_a_repeated_push_is_not_pushed_twice(
    hub: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eMSP accepts the first push after its delivery row was read and before the repetition is queued."""
    hub.world.partners.faults["evi"] = break_down
    hub.end()
    hub.compile()
    (cdr,) = hub.cdrs()
    item = hub.node.table.get(Ref("cdrs", *CPO, cdr["id"]).key)
    assert item is not None
    read, sent = hub.node.table.get_many, len(hub.sent("evi"))

    def answered_meanwhile(keys: Iterable[Key], *more: Any) -> Any:
        rows = read(keys, *more)
        monkeypatch.undo()
        del hub.world.partners.faults["evi"]
        hub.world.settle(seconds=60)
        return rows

    monkeypatch.setattr(hub.node.table, "get_many", answered_meanwhile)
    push_again(hub.node, [item])
    hub.world.settle(seconds=60)

    assert hub.sent("evi")[sent:] == [cdr]


@pytest.mark.parametrize("http_status", [401, 403, 404, 400, 405, 413])
def test_session_and_cdr_arrive_after_a_gateway_answered_with_error_pages(
    cpo: Network, http_status: int
) -> None:
    """Regression: 404 pages for twenty seconds lost the session and its CDR permanently."""
    cpo.put()
    cpo.stream()
    page = PartnerFault("answered HTTP without an OCPI envelope", http_status=http_status)
    cpo.world.partners.faults["evi"] = lambda sent: page
    cpo.end()
    cpo.compile()
    cpo.world.settle(seconds=20)

    del cpo.world.partners.faults["evi"]
    cpo.world.settle(seconds=60)

    (cdr,) = cpo.cdrs()
    assert cpo.world.held("evi", Ref("cdrs", *CPO, cdr["id"])) == cdr
    held = cpo.world.held("evi", Ref("sessions", *CPO, "S1"))
    assert held is not None and held["status"] == "COMPLETED"


def test_a_cdr_that_the_partner_refuses_as_known_exists_once(cpo: Network) -> None:
    """The answer to the first POST was lost. The partner refuses the second because it has the CDR."""
    taken: list[Document] = []

    def take(sent: Sent) -> Exception | None:
        if sent.module != "cdrs":
            return None
        if sent.document in taken:
            return PartnerRefusal("answered 2001: already known", status_code=2001, http_status=200)
        taken.append(sent.document)
        return PartnerFault("did not answer in time", timed_out=True)

    cpo.world.partners.faults["evi"] = take
    cpo.end()
    cpo.compile()
    cpo.world.settle(seconds=10)
    for _ in range(3):
        cpo.world.clock.forward(90_000)
        queue_due_retries(cpo.node)
        cpo.world.settle()

    (cdr,) = cpo.cdrs()
    assert taken == [cdr]
    assert cpo.sent("evi") == [cdr] * 4


def test_a_newly_registered_partner_gets_cdrs_of_any_age(cpo: Network) -> None:
    """A new partner gets only recent sessions, but all CDRs, because a missing CDR is never replaced."""
    cpo.end()
    cpo.compile()
    cpo.world.clock.forward(8 * 86_400)
    evi = cpo.node.directory.get("evi")
    assert evi is not None

    assert count_pending(cpo.node, evi.model_copy(update={"id": "anew"}), {}) == count_pending(
        cpo.node, evi.model_copy(update={"endpoints": without_cdrs(evi)}), {}
    ) + len(cpo.cdrs())


def without_cdrs(known: Partner) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in known.endpoints if endpoint.identifier != "cdrs")


def test_a_cdr_that_the_partner_accepted_is_not_posted_again(cpo: Network) -> None:
    """A CDR is sent by POST, so a repetition could create it twice."""
    cpo.end()
    cpo.compile()
    (cdr,) = cpo.cdrs()
    evi = cpo.node.directory.get("evi")
    assert evi is not None

    replay(cpo.node, evi, "cdrs")
    assert replay_object(cpo.node, evi, [Ref("cdrs", *CPO, cdr["id"])]) is False
    cpo.world.settle()

    assert cpo.sent("evi") == [cdr]


def test_a_credit_cdr_is_pushed_after_the_cdr_that_it_credits(hub: Network) -> None:
    """Source: CDR-07"""
    hub.world.partners.faults["evi"] = lambda sent: None if sent.document.get("credit") else break_down(sent)
    hub.end()
    hub.compile()
    hub.put(status="INVALID", end_date_time=T2)
    hub.compile()
    waiting = hub.sent("evi")

    del hub.world.partners.faults["evi"]
    hub.world.settle(seconds=60)

    assert [bool(cdr.get("credit")) for cdr in waiting] == [False] * len(waiting)
    assert [bool(cdr.get("credit")) for cdr in hub.sent("evi")[len(waiting) :]] == [False, True]


def break_down_with_credits(sent: Sent) -> Exception | None:
    """A partner that does not answer when it gets a credit CDR."""
    return break_down(sent) if sent.document.get("credit") else None


def kinds(cdrs: Iterable[Document]) -> list[tuple[bool, object]]:
    """Of each CDR, whether it is a credit CDR, and its energy."""
    return [(bool(cdr.get("credit")), cdr["total_energy"]) for cdr in cdrs]


@pytest.mark.parametrize("partner_id", ["evi", "abc"])
def test_a_cdr_that_replaces_another_one_is_pushed_after_the_credit_cdr(
    hub: Network, partner_id: str
) -> None:
    """The eMSP gets the CDRs of the hub, and the CPO their copies. Source: CDR-07"""
    hub.end(kwh=10)
    hub.compile()
    hub.world.partners.faults[partner_id] = break_down_with_credits
    hub.end(kwh=12)
    hub.compile()
    waiting = kinds(hub.sent(partner_id))

    del hub.world.partners.faults[partner_id]
    hub.world.settle(seconds=60)

    assert set(waiting) == {(False, 10), (True, 10)}
    assert kinds(hub.sent(partner_id))[len(waiting) :] == [(True, 10), (False, 12)]


def test_a_credit_cdr_that_is_refused_does_not_keep_the_new_cdr(hub: Network) -> None:
    refusal = refuse()
    hub.end(kwh=10)
    hub.compile()
    hub.world.partners.faults["evi"] = lambda sent: refusal(sent) if sent.document.get("credit") else None
    hub.end(kwh=12)
    hub.compile()
    hub.world.settle(seconds=60)

    assert kinds(hub.sent("evi")) == [(False, 10), (True, 10), (False, 12)]


def speak(cpo: Network, version: str) -> None:
    """The eMSP changes its OCPI version."""
    cpo.world.clock.forward(1)
    cpo.node.directory.update("evi", lambda known: known.model_copy(update={"version": version}))
    cpo.world.settle()


def test_held_credit_and_new_cdr_are_sent_once_and_in_order_when_the_partner_changes_its_version(
    cpo: Network,
) -> None:
    """2.1.1 has no credit CDRs, so neither was sent. Source: V211-52, CDR-07"""
    speak(cpo, "2.1.1")
    cpo.end(kwh=10)
    cpo.compile()
    cpo.end(kwh=12)
    cpo.compile()
    before = len(cpo.sent("evi"))

    cpo.world.partners.faults["evi"] = break_down_with_credits
    speak(cpo, "2.2.1")
    waiting = kinds(cpo.sent("evi"))[before:]
    del cpo.world.partners.faults["evi"]
    cpo.world.settle(seconds=60)
    replay(cpo.node, cpo.world.partner("evi"))
    cpo.world.settle(seconds=60)

    assert before == 1
    assert set(waiting) == {(True, 10)}
    assert kinds(cpo.sent("evi"))[before + len(waiting) :] == [(True, 10), (False, 12)]


def test_a_cdr_reaches_a_partner_that_was_offline(hub: Network) -> None:
    """Source: TRN-32"""
    hub.world.partners.away.add("evi")
    hub.end()
    hub.compile()
    hub.world.settle(seconds=90)
    assert hub.world.partner("evi").connection == "OFFLINE"

    hub.world.partners.away.clear()
    liveness.run(hub.node, hub.node.directory.all())
    hub.world.settle(seconds=1)

    (cdr,) = hub.cdrs()
    assert hub.world.held("evi", Ref("cdrs", *CPO, cdr["id"])) == cdr
