"""Tests of refusals and faults of a push.

Source: OCPI 2.2.1 transport_and_format; TRN-32, TRP-10
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.partners.directory import Endpoint
from chalicelib.policy.visibility import Viewer, partition_for_viewer
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing import liveness
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.push_faults import MessageRetry
from chalicelib.pushing.pushes import push
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from chalicelib.storage.table import Key
from tests.logged import Logged
from tests.logged import logged as logged
from tests.pushing.counted import calls_of
from tests.pushing.pushing import (
    OWN,
    World,
    break_down,
    broadcast,
    partner,
    refuse,
    reject_token,
    stay_silent,
)


@pytest.mark.parametrize(("http_status", "status_code"), [(200, 2001), (200, 2999), (400, 2001), (405, 2000)])
def test_a_refusal_is_recorded_with_its_reason_and_not_repeated_at_once(
    world: World, http_status: int, status_code: int
) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse(http_status, status_code)

    assert push(world.node, [broadcast(ref)]) is None
    assert push(world.node, [broadcast(ref)]) is None

    row = world.delivery("one", ref)
    assert (row.status, row.code, row.http) == (DeliveryStatus.REFUSED, status_code, http_status)
    assert row.reason == f"answered {status_code}"
    assert len(world.partners.sent) == 1


def test_the_next_change_of_a_refused_object_is_sent(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse()
    world.settle()
    del world.partners.faults["one"]

    world.put_tariff(currency="NOK")
    world.settle()

    assert world.held("one", ref) == world.stored(ref)
    assert world.delivery("one", ref).reason == ""


def test_after_a_rejected_token_the_object_is_sent_again(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = reject_token

    assert push(world.node, [broadcast(ref)]) == MessageRetry(1, unreachable=False)
    assert world.delivery("one", ref).status == DeliveryStatus.WAITING
    world.partners.faults.clear()
    world.clock.forward(1)

    assert push(world.node, [broadcast(ref)]) is None
    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize("http_status", [400, 401, 403, 404, 405, 413])
def test_a_lasting_4xx_of_a_gateway_makes_the_partner_offline_and_loses_no_object(
    world: World, http_status: int
) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = lambda sent: PartnerFault("answered HTML", http_status=http_status)

    assert push(world.node, [broadcast(ref)]) == MessageRetry(1, unreachable=False)
    world.clock.forward(61)
    assert push(world.node, [broadcast(ref)]) is None
    assert world.delivery("one", ref).status == DeliveryStatus.MISSED
    assert world.partner("one").connection == "OFFLINE"
    world.partners.faults.clear()
    come_back(world)

    assert world.held("one", ref) == world.stored(ref)


def test_a_module_that_a_gateway_blocks_for_a_while_loses_no_object(world: World) -> None:
    """The partner takes other objects meanwhile, so it does not become OFFLINE."""
    location, tariff = world.put_location(), world.put_tariff()
    world.settle()
    gone = PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404)
    world.partners.faults["one"] = lambda sent: gone if sent.module == "locations" else None
    world.put_evse(location, "E1", status="CHARGING")
    for number in range(40):
        world.put_tariff(currency=("EUR", "NOK")[number % 2])
        world.settle(seconds=2)
    assert world.delivery("one", location).status == DeliveryStatus.DEAD
    assert world.partner("one").connection == "CONNECTED"
    world.partners.faults.clear()

    world.clock.forward(61)
    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", location) == world.stored(location)
    assert world.held("one", tariff) == world.stored(tariff)


def test_a_404_without_an_envelope_to_a_deletion_is_a_fault(world: World) -> None:
    """The answer may be that of a gateway, which does not know the tariffs of the partner."""
    ref = world.put_tariff()
    world.settle()
    world.partners.faults["one"] = lambda sent: PartnerFault("answered HTML", http_status=404)
    world.delete_tariff(ref)
    world.settle()
    assert world.delivery("one", ref).status == DeliveryStatus.WAITING
    world.partners.faults.clear()

    world.settle(seconds=10)

    assert world.held("one", ref) is None
    assert world.delivery("one", ref).status == DeliveryStatus.DELETED


@pytest.mark.parametrize(("fault", "unreachable"), [(break_down, False), (stay_silent, True)])
def test_a_fault_is_retried(world: World, fault: Any, unreachable: bool) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = fault

    assert push(world.node, [broadcast(ref)]) == MessageRetry(1, unreachable)

    row = world.delivery("one", ref)
    assert (row.status, row.since) == (DeliveryStatus.WAITING, row.at)


def test_delays_grow_and_end_with_the_freshness_window(world: World) -> None:
    """Source: TRP-10"""
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    delays = []
    for _ in range(20):
        retry = push(world.node, [broadcast(ref)])
        if retry is None:
            break
        delays.append(retry.seconds)
        world.clock.forward(retry.seconds)

    assert delays == [1, 2, 4, 8, 16, 29]
    assert sum(delays) == 60
    assert world.partner("one").connection == "OFFLINE"
    assert world.partner("one").offline_since == "2026-03-01T12:01:00.010Z"
    assert world.delivery("one", ref).status == DeliveryStatus.MISSED


def test_a_new_message_starts_a_new_window(world: World) -> None:
    """The fault of an earlier message does not count against a new one."""
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    push(world.node, [broadcast(ref)])
    world.clock.forward(1000)

    assert push(world.node, [broadcast(ref, cause="another")]) is not None
    assert world.partner("one").connection == "CONNECTED"


def test_an_object_that_an_offline_partner_misses_is_recorded_and_not_sent(world: World) -> None:
    """Source: HCI-09"""
    world.join(partner("EMSP", "two", connection="OFFLINE"))
    ref = world.put_tariff()

    assert calls_of(world, ref, partner_id="two") == ["BatchGetItem", "PutItem"]
    assert calls_of(world, ref, partner_id="two") == ["BatchGetItem"]

    assert world.partners.sent == []
    assert world.delivery("two", ref).status == DeliveryStatus.MISSED


def come_back(world: World) -> None:
    """Set the partner to CONNECTED, as the timer does."""
    before = world.partner("one")
    world.node.directory.save(before.model_copy(update={"connection": "CONNECTED"}), before)
    world.settle()


def test_an_object_that_a_partner_cannot_take_does_not_make_the_partner_offline(world: World) -> None:
    """The partner takes others meanwhile, so the object is given up and retried later."""
    world.table.delete(Key("catch-up", "one"))
    poison, fine = world.put_tariff("POISON"), world.put_tariff("FINE")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    push(world.node, [broadcast(poison)])
    world.clock.forward(59)
    push(world.node, [broadcast(fine)])
    world.clock.forward(2)

    assert push(world.node, [broadcast(poison)]) is None

    assert world.delivery("one", poison).status == DeliveryStatus.DEAD
    assert world.partner("one").connection == "CONNECTED"
    assert world.table.query("#pk = :pk", {"pk": "catch-up"}).items


@pytest.mark.parametrize("status", ["UNREGISTERED", "INVITED"])
def test_a_message_for_a_partner_that_left_is_dropped(world: World, status: str) -> None:
    world.join(partner("EMSP", "two", status=status))
    ref = world.put_tariff()

    for partner_id in ("two", "nobody"):
        assert calls_of(world, ref, partner_id=partner_id) == ["BatchGetItem"]
    assert world.partners.sent == []


def test_an_id_that_cannot_stand_in_a_url_is_a_refusal(world: World) -> None:
    ref = world.put_tariff("..")
    world.partners.faults["one"] = lambda sent: PartnerRefusal(
        "an id that is only dots cannot stand in a URL"
    )

    assert push(world.node, [broadcast(ref)]) is None
    assert world.delivery("one", ref).reason == "an id that is only dots cannot stand in a URL"


def test_a_fault_of_the_location_sent_instead_of_an_evse_is_retried(
    world: World,
) -> None:
    ref = world.put_location()
    world.stream()
    world.queue._groups.clear()
    world.put_evse(ref, "E1")
    world.stream()
    answers = {
        4: PartnerRefusal("answered 2003", status_code=2003),
        3: PartnerFault("broke down", http_status=500),
    }
    world.partners.faults["one"] = lambda sent: answers[len(sent.segments)]

    assert len(world.work()) == 1
    world.partners.faults.clear()
    world.settle(seconds=5)

    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize(
    ("http_status", "code", "expected"),
    [
        (404, 2001, DeliveryStatus.DELETED),
        (404, 2003, DeliveryStatus.DELETED),
        (200, 2003, DeliveryStatus.REFUSED),
    ],
)
def test_a_deletion_is_done_when_the_answer_is_an_envelope_with_http_404(
    world: World, http_status: int, code: int, expected: DeliveryStatus
) -> None:
    ref = world.put_tariff()
    world.settle()
    world.delete_tariff(ref)
    world.partners.faults["one"] = lambda _: PartnerRefusal("no", http_status=http_status, status_code=code)

    push(world.node, [broadcast(ref, version=2**60)])

    row = world.delivery("one", ref)
    assert (row.status, row.method, row.version) == (expected, "DELETE", 2**60)


def test_a_refused_object_is_sent_again_when_one_message_of_a_batch_asks_for_it(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse()
    push(world.node, [broadcast(ref)])
    world.partners.faults.clear()

    push(world.node, [broadcast(ref, again=True), broadcast(ref)])

    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED


def test_a_refusal_is_recorded_with_the_status_codes_of_the_answer(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = lambda _: PartnerRefusal("no", http_status=422, status_code=2004)

    push(world.node, [broadcast(ref)])

    row = world.delivery("one", ref)
    assert (row.code, row.http, row.reason, row.evse_uid, row.since) == (2004, 422, "no", "", "")
    assert row.ref == str(ref)


def test_a_session_refused_again_for_the_same_reason_raises_one_alarm(logged: Logged) -> None:
    world = World("CPO")
    endpoint = Endpoint(identifier="sessions", role="RECEIVER", url="https://one.example/sessions")
    one = world.join(partner("EMSP", "one", endpoints=(endpoint,)))
    place = partition_for_viewer("sessions", OWN["CPO"], Viewer(one.parties("EMSP")[0], "EMSP"))
    ref = Ref("sessions", *OWN["CPO"], "S1")
    body = JsonText(f'{{"id": "S1", "last_updated": "{format_datetime(world.clock())}"}}')
    write = Write(body, format_datetime(world.clock()))
    world.node.objects.change(ref, lambda _: write, partition=place, source="")

    for code in (2001, 2001, 2003):
        world.partners.faults["one"] = lambda _, code=code: PartnerRefusal(  # type: ignore[misc]
            "no", http_status=200, status_code=code
        )
        push(world.node, [broadcast(ref, again=True)])

    assert world.delivery("one", ref).code == 2003
    assert [line["PushesRefused"] for line in logged.measured("PushesRefused")] == [[1.0]] * 3
    assert len(logged.measured("SessionsAndCdrsRefused")) == 2
