"""Tests of partners that name the time of the next call. Source: RFC 9110, section 10.2.3; TRN-32"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.liveness import run
from tests.pushing.pushing import Sent, World, partner


def slow_down(*seconds: int) -> Iterator[Exception | None]:
    """A fault for each number of seconds, then success."""
    for each in seconds:
        yield PartnerFault("answered HTTP 429", http_status=429, retry_after_s=each)
    while True:
        yield None


def busy(world: World, *seconds: int, partner_id: str = "one") -> None:
    answers = slow_down(*seconds)
    world.partners.faults[partner_id] = lambda sent: next(answers)


@pytest.fixture(params=[False, True], ids=["one lane", "two lanes"])
def world(request: pytest.FixtureRequest) -> World:
    world = World("CPO", two_lanes=request.param)
    world.join(partner("EMSP", "one"))
    world.join(partner("EMSP", "two"))
    return world


def test_no_object_is_sent_before_the_time_that_the_partner_named(world: World) -> None:
    busy(world, 100)
    refs = [world.put_tariff("T1")]
    world.settle(seconds=1)
    refs += [world.put_tariff("T2"), world.put_location("L1")]

    world.settle(seconds=90)
    assert len(world.partners.to("one")) == 1

    world.settle(seconds=30)
    assert all(world.held("one", ref) for ref in refs)
    assert world.partner("one").connection == "CONNECTED"
    assert len(world.partners.to("one")) == 1 + len(refs)


def test_other_partners_are_not_delayed(world: World) -> None:
    busy(world, 100)
    world.put_tariff("T1")
    world.settle()

    ref = world.put_tariff("T2")
    world.settle(seconds=3)

    assert world.held("two", ref) and not world.held("one", ref)


def test_another_process_does_not_call_the_partner_either(world: World) -> None:
    """The time stands in the partner's record."""
    busy(world, 100)
    world.put_tariff("T1")
    world.settle()
    world.limit, world.catch_up_limit = world.new_limit(), world.new_limit()

    world.put_tariff("T2")
    world.settle(seconds=60)

    assert len(world.partners.to("one")) == 1


def test_a_partner_may_ask_for_longer_again_and_is_not_offline(world: World) -> None:
    """It has a quarter of an hour in place of the freshness window."""
    busy(world, 70, 70, 70)
    ref = world.put_tariff("T1")

    world.settle(seconds=240)

    assert world.held("one", ref)
    assert len(world.partners.to("one")) == 4
    assert world.partner("one").connection == "CONNECTED"


def test_after_a_quarter_of_an_hour_the_partner_is_offline_and_probed_as_it_asks(world: World) -> None:
    busy(world, *[300] * 4)
    ref = world.put_tariff("T1")
    world.settle(seconds=920)
    assert world.partner("one").connection == "OFFLINE"
    assert world.delivery("one", ref).status == DeliveryStatus.MISSED

    run(world.node, world.node.directory.all())
    assert world.partners.probes == []

    world.clock.forward(300)
    run(world.node, world.node.directory.all())
    world.settle(seconds=5)
    assert world.held("one", ref)


def test_a_wait_of_a_day_is_cut_to_a_quarter_of_an_hour(world: World) -> None:
    busy(world, 86_400)
    ref = world.put_tariff("T1")

    world.settle(seconds=905)

    assert world.held("one", ref)


def test_zero_seconds_are_no_wait(world: World) -> None:
    busy(world, 0)
    ref = world.put_tariff("T1")

    world.settle(seconds=5)

    assert world.held("one", ref)


def test_an_object_that_was_given_up_before_waits_as_well(world: World) -> None:
    def only_t1(sent: Sent) -> Exception | None:
        return PartnerFault("answered HTTP 500", http_status=500) if sent.segments[-1] == "T1" else None

    world.partners.faults["one"] = only_t1
    ref = world.put_tariff("T1")
    for number in range(80):
        world.put_tariff("T2", currency="EUR" if number % 2 else "SEK")
        world.settle(seconds=1)
    assert world.delivery("one", ref).status == DeliveryStatus.DEAD

    busy(world, 100)
    world.put_tariff("T1", currency="NOK")
    world.settle(seconds=120)

    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED
