"""Slow retries of refused pushes. Source: TRN-32"""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.protocol.types import format_datetime
from chalicelib.pushing import liveness, retries
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus
from chalicelib.pushing.pushes import push
from chalicelib.pushing.retries import RefusalRetry, next_retry, queue_due_retries
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item
from tests.harness.nodes import START
from tests.logged import Logged
from tests.logged import logged as logged
from tests.pushing.pushing import World, broadcast, partner, refuse


@pytest.fixture
def world() -> World:
    """A CPO whose partner refuses everything."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = refuse()
    return world


def pending(world: World) -> list[Item]:
    return list(world.table.query_all("#pk = :pk", {"pk": "retries"}))


def pass_time(world: World, **span: float) -> None:
    """Move the clock and run the timer."""
    world.clock.forward(timedelta(**span).total_seconds())
    liveness.run(world.node, world.node.directory.all())
    world.settle()


def times_sent(world: World, ref: Ref) -> int:
    return len([sent for sent in world.partners.sent if sent.segments[-1:] == (ref.id,)])


def test_a_refusal_is_retried_after_an_hour_and_after_a_day_and_then_is_final(world: World) -> None:
    ref = world.put_tariff()
    world.settle()

    counts = []
    for span in ({"minutes": 59}, {"minutes": 2}, {"hours": 23}, {"hours": 2}, {"days": 30}):
        pass_time(world, **span)
        counts.append(times_sent(world, ref))

    assert counts == [1, 2, 2, 3, 3]
    assert pending(world) == []
    assert world.delivery("one", ref).status == DeliveryStatus.REFUSED


def test_a_retry_that_the_partner_takes_is_delivered(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    world.partners.faults.clear()

    pass_time(world, minutes=61)

    assert world.held("one", ref) == world.stored(ref)
    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED
    assert pending(world) == []


def test_an_object_delivered_meanwhile_is_not_sent_again(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    world.partners.faults.clear()
    world.put_tariff(currency="NOK")
    world.settle()

    pass_time(world, minutes=61)

    assert times_sent(world, ref) == 2


def test_an_object_refused_with_every_change_has_one_retry(world: World) -> None:
    for number in range(20):
        world.put_tariff(currency=("EUR", "NOK")[number % 2])
        world.settle(seconds=60)

    assert len(pending(world)) == 1


def test_a_refused_deletion_and_a_refused_evse_are_retried_in_their_present_state(world: World) -> None:
    world.partners.faults.clear()
    tariff, location = world.put_tariff(), world.put_location()
    world.settle()
    world.partners.faults["one"] = refuse()
    world.delete_tariff(tariff)
    world.put_evse(location, "E1", status="CHARGING")
    world.settle()
    assert world.held("one", tariff) is not None
    assert world.held("one", location) != world.stored(location)
    world.partners.faults.clear()

    pass_time(world, minutes=61)

    assert world.held("one", tariff) is None
    assert world.held("one", location) == world.stored(location)


def test_a_retry_due_during_an_outage_is_sent_when_the_partner_is_back(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    world.partners.faults.clear()
    offline = world.partner("one")
    world.node.directory.save(offline.model_copy(update={"connection": "OFFLINE"}), offline)
    world.clock.forward(3601)
    queue_due_retries(world.node)
    world.settle()
    assert times_sent(world, ref) == 1

    back = world.partner("one")
    world.node.directory.save(back.model_copy(update={"connection": "CONNECTED"}), back)
    world.settle()

    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize(
    ("before", "tried", "hours"),
    [
        (DeliveryStatus.REFUSED, 0, 1),
        (DeliveryStatus.REFUSED, 1, 24),
        (DeliveryStatus.REFUSED, 2, None),
        (DeliveryStatus.DELIVERED, 2, 1),
        (DeliveryStatus.MISSED, 1, 1),
        (None, 0, 1),
    ],
)
def test_a_first_refusal_starts_a_new_count_of_retries(
    before: DeliveryStatus | None, tried: int, hours: int | None
) -> None:
    message = broadcast(Ref("tariffs", "PT", "ABC", "T1"), again=True, tried=tried)

    retry = next_retry(message, Delivery(status=before), DeliveryStatus.REFUSED, START)

    assert (retry and retry.at - START) == (hours and timedelta(hours=hours))


def test_a_change_at_the_time_of_the_last_retry_starts_a_new_count(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    world.clock.forward(100_000)
    last = broadcast(ref, again=True, tried=2, cause="retry")

    push(world.node, [last, broadcast(ref, cause="change")])

    assert world.delivery("one", ref).again_at == format_datetime(world.clock() + timedelta(hours=1))


# -- costs


def test_a_refusal_costs_two_calls_and_so_does_the_timer_whatever_was_delivered(world: World) -> None:
    world.partners.faults.clear()
    for number in range(50):
        world.put_tariff(f"T{number}")
    world.settle()
    world.partners.faults["one"] = refuse()
    world.put_tariff("T1", currency="NOK")
    world.stream()
    world.dynamodb.calls.clear()

    world.work()
    assert world.dynamodb.calls == ["BatchGetItem", "TransactWriteItems"]
    world.dynamodb.calls.clear()
    queue_due_retries(world.node)
    assert world.dynamodb.calls == ["Query"]
    world.clock.forward(3601)
    world.dynamodb.calls.clear()
    queue_due_retries(world.node)
    assert world.dynamodb.calls == ["Query", "BatchWriteItem"]


def test_very_many_retries_are_queued_in_several_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "MOST_PER_RUN", 3)
    for number in range(7):
        world.put_tariff(f"T{number}")
    world.settle()
    world.clock.forward(3601)

    queued = []
    for _ in range(4):
        queue_due_retries(world.node)
        queued.append(len(world.queue))

    assert queued == [3, 6, 7, 7]


def test_when_the_queue_refuses_messages_no_retry_is_lost(world: World) -> None:
    world.put_tariff()
    world.settle()
    world.clock.forward(3601)
    world.queue.broken = 1

    with pytest.raises(RuntimeError):
        queue_due_retries(world.node)

    assert len(pending(world)) == 1


def test_a_refusal_is_counted_each_time_and_one_of_a_tariff_raises_no_alarm(
    world: World, logged: Logged
) -> None:
    world.put_tariff()
    world.settle()
    pass_time(world, minutes=61)

    assert [line["PushesRefused"] for line in logged.measured("PushesRefused")] == [[1.0], [1.0]]
    assert logged.measured("SessionsAndCdrsRefused") == []


TARIFF = Ref("tariffs", "PT", "ABC", "T1")


@pytest.mark.parametrize(
    ("again_at", "is_new"),
    [(-1, True), (0, True), (1, False), (3600, False), (3601, True), (None, True)],
)
def test_a_retry_is_scheduled_unless_an_earlier_one_is(again_at: int | None, is_new: bool) -> None:
    noted = "" if again_at is None else format_datetime(START + timedelta(seconds=again_at))
    before = Delivery(status=DeliveryStatus.REFUSED, again_at=noted)

    retry = next_retry(broadcast(TARIFF), before, DeliveryStatus.REFUSED, START)

    assert retry == (RefusalRetry(START + timedelta(hours=1), 1) if is_new else None)


@pytest.mark.parametrize(
    "status", [DeliveryStatus.DELIVERED, DeliveryStatus.MISSED, DeliveryStatus.DEAD, None]
)
def test_only_refused_pushes_have_slow_retries(status: DeliveryStatus | None) -> None:
    assert next_retry(broadcast(TARIFF), Delivery(status=DeliveryStatus.REFUSED), status, START) is None


def test_each_retry_counts_those_before_it() -> None:
    before = Delivery(status=DeliveryStatus.REFUSED)

    retries = [
        next_retry(broadcast(TARIFF, tried=tried), before, DeliveryStatus.REFUSED, START)
        for tried in range(3)
    ]

    assert [retry and retry.tried for retry in retries] == [1, 2, None]
