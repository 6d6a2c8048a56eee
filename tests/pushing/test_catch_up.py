"""Catch-up: finding and queueing the pending objects of a partner.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing import catch_up
from chalicelib.pushing.catch_up import (
    RECHECK_DELAY,
    count_pending,
    find_pending,
    run_rechecks,
    run_step,
    schedule_recheck,
    schedule_recheck_at,
    version_at,
)
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, key_of, read_deliveries, write_delivery
from chalicelib.queues import CatchUp
from chalicelib.storage.table import Key
from tests.pushing.pushing import World, partner, refuse

CPO = Party("PT", "XYZ")


@pytest.fixture
def world() -> World:
    """A CPO whose partner has received three tariffs and two locations."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    for number in range(3):
        world.put_tariff(f"T{number}")
    for number in range(2):
        world.put_location(f"L{number}")
    world.settle()
    return world


def pending(world: World, partner_id: str = "one") -> set[str]:
    """Take every message of a catch-up out of the queue. Returns the ids of its objects."""
    begin(world, partner_id, f"pending at {world.clock()}")
    world.catch_up()
    found = {body["ref"].rpartition("#")[2] for body in world.queue.take(lambda _: True)}
    rows = read_deliveries(world.table, partner_id)
    assert len(found) == count_pending(world.node, world.partner(partner_id), rows)
    return found


def begin(world: World, partner_id: str = "one", cause: str = "test") -> None:
    world.node.queues.send_broadcasts([CatchUp(what="CATCH_UP", partner_id=partner_id, cause=cause)])


def forget_messages(world: World) -> None:
    """Drop the messages of the changes, as if the partner was OFFLINE."""
    world.dynamodb.stream.clear()


def test_a_partner_that_received_every_object_has_none_pending(world: World) -> None:
    assert pending(world) == set()


def test_objects_created_changed_or_deleted_meanwhile_are_pending(world: World) -> None:
    world.put_tariff("T1", currency="NOK")
    world.put_tariff("T9")
    world.delete_tariff(world.put_tariff("T0"))
    world.put_evse(world.put_location("L9"), "E0")
    forget_messages(world)

    assert pending(world) == {"T0", "T1", "T9", "L9"}


def test_a_location_that_was_pushed_evse_by_evse_is_not_pending(world: World) -> None:
    ref = world.put_location("L0")
    for number in range(5):
        world.put_evse(ref, f"E{number % 2}", marker=number)
        world.settle()

    assert pending(world) == set()


def test_a_missed_change_of_an_evse_makes_its_location_pending_whatever_followed(world: World) -> None:
    ref = world.put_location("L0")
    world.settle()
    world.put_evse(ref, "E0", status="CHARGING")
    forget_messages(world)
    world.put_evse(ref, "E1", status="CHARGING")
    world.settle()

    assert pending(world) == {"L0"}


def test_a_refused_object_is_not_pending_until_it_changes(world: World) -> None:
    world.partners.faults["one"] = refuse()
    world.put_tariff("T1", currency="NOK")
    world.settle()

    assert world.delivery("one", world.put_tariff("T0")).status == DeliveryStatus.DELIVERED
    forget_messages(world)
    assert pending(world) == {"T0"}


@pytest.mark.parametrize(
    "changes",
    [
        {"outbound_token": "new"},
        {"version": "2.2"},
        {"endpoints": partner("EMSP", "two").endpoints},
    ],
    ids=["token", "version", "endpoints"],
)
def test_a_refused_object_is_sent_again_when_endpoints_or_token_change(
    world: World, changes: dict[str, object]
) -> None:
    world.partners.faults["one"] = refuse()
    ref = world.put_tariff("T1", currency="NOK")
    world.delete_tariff(world.put_tariff("T2"))
    world.settle()
    assert world.delivery("one", ref).status == DeliveryStatus.REFUSED
    del world.partners.faults["one"]
    before = world.partner("one")

    world.node.directory.save(before.model_copy(update=changes), before)
    world.settle()

    assert world.held("one", ref) == world.stored(ref)
    assert world.held("one", ref._replace(id="T2")) is None


def test_an_object_refused_before_the_first_catch_up_is_not_sent_again_at_once() -> None:
    """The step that its registration queued may run late."""
    world = World("CPO")
    world.node.directory.save(partner("EMSP", "one"))
    world.stream()
    steps = world.queue.take(lambda body: "what" in body)
    world.partners.faults["one"] = refuse()
    world.put_tariff("T1")
    world.settle()

    for step in steps:
        run_step(world.node, CatchUp.model_validate(step))
    world.settle()

    assert len(world.partners.sent) == 1


def test_an_outage_is_no_reason_to_send_a_refused_object_again(world: World) -> None:
    world.partners.faults["one"] = refuse()
    ref = world.put_tariff("T1", currency="NOK")
    world.settle()
    for connection in ("OFFLINE", "CONNECTED"):
        before = world.partner("one")
        world.node.directory.save(before.model_copy(update={"connection": connection}), before)
        world.settle()

    assert world.delivery("one", ref).status == DeliveryStatus.REFUSED
    assert len([sent for sent in world.partners.sent if sent.segments[-1] == "T1"]) == 2


def test_a_step_takes_few_calls_whatever_was_missed(world: World) -> None:
    for number in range(30):
        world.put_tariff(f"M{number}")
    forget_messages(world)
    world.dynamodb.calls.clear()

    run_step(world.node, CatchUp(what="CATCH_UP", partner_id="one", cause="test"))

    assert len(world.queue) == 30
    # GetItem: the partner. Query: tariffs, two lists of locations, rows of tariffs. BatchGetItem: which of
    # those tariffs still exist, and the rows.
    assert sorted(world.dynamodb.calls) == ["BatchGetItem"] * 2 + ["GetItem"] + ["Query"] * 4


def test_very_many_objects_are_queued_step_by_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is bounded in time for any number of objects, and names the position of the next step."""
    monkeypatch.setattr(catch_up, "OBJECTS_PER_STEP", 10)
    missed = {f"M{number}" for number in range(35)}
    for each in missed:
        world.put_tariff(each)
    forget_messages(world)
    for each in ("T0", "T1"):
        world.delete_tariff(world.put_tariff(each))
    forget_messages(world)
    begin(world)
    queued: list[str] = []
    while steps := world.queue.take(lambda body: "what" in body):
        run_step(world.node, CatchUp.model_validate(steps[0]))
        found = world.queue.take(lambda body: "what" not in body)
        assert len(steps) == 1 and len(found) <= 10
        queued += [body["ref"].rpartition("#")[2] for body in found]

    assert sorted(queued) == sorted({*missed, "T0", "T1"})


def test_a_step_killed_after_it_queued_its_messages_leaves_no_object_out(world: World) -> None:
    world.put_tariff("T1", currency="NOK")
    forget_messages(world)
    step = CatchUp(what="CATCH_UP", partner_id="one", cause="test")

    for _ in range(2):
        run_step(world.node, step)

    assert len(world.queue) == 1


def test_a_step_fails_when_the_queue_refuses_messages(world: World) -> None:
    world.put_tariff("T1", currency="NOK")
    forget_messages(world)
    world.queue.broken = 1

    with pytest.raises(RuntimeError):
        run_step(world.node, CatchUp(what="CATCH_UP", partner_id="one", cause="test"))


@pytest.mark.parametrize("fields", [{"connection": "OFFLINE"}, {"status": "UNREGISTERED"}])
def test_the_catch_up_of_a_partner_that_goes_offline_or_leaves_ends(
    world: World, fields: dict[str, str]
) -> None:
    world.put_tariff("T1", currency="NOK")
    forget_messages(world)
    before = world.partner("one")
    world.node.directory.save(before.model_copy(update=fields), before)

    run_step(world.node, CatchUp(what="CATCH_UP", partner_id="one", cause="test"))

    assert len(world.queue) == 0


def test_the_delivery_rows_of_a_partner_that_left_are_deleted_step_by_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "OBJECTS_PER_STEP", 2)
    step = CatchUp(what="FORGET", partner_id="one", cause="test")

    run_step(world.node, step)
    assert len(read_deliveries(world.table, "one")) == 3
    world.catch_up()

    assert read_deliveries(world.table, "one") == {}


def test_a_partner_that_is_back_while_its_rows_are_deleted_gets_a_recheck(world: World) -> None:
    """Its catch-up may have used rows that were deleted afterwards."""
    world.table.delete(Key("catch-up", "one"))

    run_step(world.node, CatchUp(what="FORGET", partner_id="one", cause="test"))
    world.catch_up()

    assert [look["sk"] for look in world.table.query("#pk = :pk", {"pk": "catch-up"}).items] == ["one"]


def test_a_step_ends_when_its_list_no_longer_concerns_the_partner(world: World) -> None:
    """The partner changed, which starts a new catch-up."""
    world.put_tariff("T1", currency="NOK")
    forget_messages(world)

    run_step(world.node, CatchUp(what="CATCH_UP", partner_id="one", cause="test", place="sessions#PT*XYZ"))

    assert len(world.queue) == 0


def test_an_object_is_not_pending_for_the_partner_that_owns_it() -> None:
    """Source: RTE-17"""
    world = World("HUB")
    world.join(partner(("CPO", "EMSP"), "xyz"))
    world.join(partner("EMSP", "one"))
    world.put_tariff("T1", owner=CPO, source="xyz")
    forget_messages(world)

    assert pending(world, "xyz") == set()
    assert pending(world, "one") == {"T1"}


def test_a_withdrawal_is_pending_only_at_a_display_that_received_the_location() -> None:
    """Source: LOC-16"""
    world = World("CPO")
    world.join(partner("NSP", "nsp"))
    world.put_location("SHOWN", publish=True)
    world.settle()
    world.put_location("SHOWN", publish=False)
    world.put_location("NEVER", publish=False)
    forget_messages(world)

    assert pending(world, "nsp") == {"SHOWN"}

    begin(world, "nsp")
    world.settle()
    assert pending(world, "nsp") == set()


# -- rechecks


def test_a_recheck_finds_what_a_lagging_index_hid() -> None:
    world = World("CPO")
    ref = world.put_tariff()
    forget_messages(world)
    world.dynamodb.hidden_from_indexes.add(ref.key.pk)
    world.join(partner("EMSP", "one"))
    world.settle()
    assert world.held("one", ref) is None
    world.dynamodb.hidden_from_indexes.clear()

    world.clock.forward(RECHECK_DELAY.total_seconds())
    run_rechecks(world.node, {"one": world.partner("one")})
    world.settle()

    assert world.held("one", ref) == world.stored(ref)


def test_a_recheck_runs_once_and_not_too_soon(world: World) -> None:
    partners = {"one": world.partner("one")}
    world.table.delete(Key("catch-up", "one"))
    schedule_recheck(world.node, "one")
    world.put_tariff("T9")
    forget_messages(world)

    run_rechecks(world.node, partners)
    assert len(world.queue) == 0
    world.clock.forward(RECHECK_DELAY.total_seconds())
    run_rechecks(world.node, partners)
    assert len(world.queue) == 1
    world.dynamodb.calls.clear()
    run_rechecks(world.node, partners)
    assert world.dynamodb.calls == ["Query"]


@pytest.mark.parametrize("fields", [{"connection": "OFFLINE"}, {"status": "UNREGISTERED"}])
def test_a_partner_that_is_offline_or_left_gets_no_recheck(world: World, fields: dict[str, str]) -> None:
    world.put_tariff("T9")
    forget_messages(world)
    world.clock.forward(RECHECK_DELAY.total_seconds())

    run_rechecks(world.node, {"one": partner("EMSP", "one", **fields)})

    assert len(world.queue) == 0
    assert not world.table.query("#pk = :pk", {"pk": "catch-up"}).items


def test_of_two_scheduled_rechecks_the_earlier_one_is_kept(world: World) -> None:
    now = world.clock()
    first, second, third = (format_datetime(now + timedelta(minutes=minutes)) for minutes in (5, 9, 2))

    kept = []
    for at in (first, second, third):
        schedule_recheck_at(world.node, "one", at)
        looks = world.table.query("#pk = :pk", {"pk": "catch-up"}).items
        kept += [look["at"] for look in looks if look["sk"] != "one"]

    assert kept == [first, first, third]


def test_a_scheduled_recheck_runs_at_its_time_and_not_before(world: World) -> None:
    partners = {"one": world.partner("one")}
    world.table.delete(Key("catch-up", "one"))
    schedule_recheck_at(world.node, "one", format_datetime(world.clock() + timedelta(seconds=20)))

    queued = []
    for seconds in (19.9, 0.1, 1):
        world.clock.forward(seconds)
        run_rechecks(world.node, partners)
        queued.append(len(world.queue))

    assert queued == [0, 1, 1]
    assert not world.table.query("#pk = :pk", {"pk": "catch-up"}).items


@pytest.mark.parametrize(
    ("newest_less", "status", "is_pending"),
    [
        (0, None, True),
        (1, None, False),
        (1, DeliveryStatus.MISSED, True),
        (1, DeliveryStatus.DEAD, True),
        (1, DeliveryStatus.WAITING, False),
        (None, None, True),
    ],
)
def test_an_object_changed_after_the_start_of_a_catch_up_is_left_to_its_own_message(
    world: World, newest_less: int | None, status: DeliveryStatus | None, is_pending: bool
) -> None:
    ref = world.put_tariff("NEW")
    forget_messages(world)
    version = world.table.get(ref.key)["v"]  # type: ignore[index]
    if status is not None:
        write_delivery(world.table, key_of("one", ref.key.pk), Delivery(), Delivery(str(ref), status))
    newest = 0 if newest_less is None else version - newest_less

    run_step(world.node, CatchUp(what="CATCH_UP", partner_id="one", cause="test", newest=newest))

    queued = [body["ref"] for body in world.queue.take(lambda body: "ref" in body)]
    assert queued == ([str(ref)] if is_pending else [])


@pytest.mark.parametrize(("wait_s", "is_pending"), [(1, False), (0, True), (-1, True)])
def test_a_given_up_object_waits_for_its_retry_and_a_recheck_is_scheduled_for_it(
    world: World, wait_s: int, is_pending: bool
) -> None:
    ref = world.put_tariff("DEAD")
    forget_messages(world)
    retry_at = format_datetime(world.clock() + timedelta(seconds=wait_s))
    dead = Delivery(str(ref), DeliveryStatus.DEAD, retry_at=retry_at)
    write_delivery(world.table, key_of("one", ref.key.pk), Delivery(), dead)

    assert pending_refs(world) == ([str(ref)] if is_pending else [])
    looks = world.table.query("#pk = :pk", {"pk": "catch-up"}).items
    assert [look["at"] for look in looks if look["sk"] != "one"] == ([] if is_pending else [retry_at])
    assert pending_refs(world, refused_too=True) == [str(ref)]


def pending_refs(world: World, refused_too: bool = False) -> list[str]:
    """Take the messages of one step out of the queue. Returns their references."""
    cause = f"refused too: {refused_too}"
    step = CatchUp(what="CATCH_UP", partner_id="one", cause=cause, refused_too=refused_too)
    run_step(world.node, step)
    return [body["ref"] for body in world.queue.take(lambda body: "ref" in body)]


def test_a_pending_object_is_searched_for_in_a_few_steps_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "OBJECTS_PER_STEP", 1)
    one = world.partner("one")
    assert find_pending(world.node, one) == []
    ref = world.put_tariff("NEW")
    forget_messages(world)

    found = {}
    for steps in (0, 1, 2, 30):
        monkeypatch.setattr(catch_up, "STEPS_TO_FIND", steps)
        found[steps] = [each.ref for each in find_pending(world.node, one)]

    assert (found[0], found[1], found[30]) == ([], [], [str(ref)])


def test_an_evse_that_was_missed_arrives_though_another_one_changed_just_before_the_step(
    world: World,
) -> None:
    """The message of that change is about its own EVSE only."""
    ref = world.put_location()
    world.settle()
    world.put_evse(ref, "E0", status="CHARGING")
    world.dynamodb.stream.clear()  # nobody was told: the partner was OFFLINE
    step = CatchUp(what="CATCH_UP", partner_id="one", cause="back", newest=version_at(world.clock()))
    world.put_evse(ref, "E1", status="BLOCKED")
    world.settle()

    run_step(world.node, step)
    world.settle()

    held = world.held("one", ref)
    assert held is not None
    assert [each["status"] for each in held["evses"]] == ["CHARGING", "BLOCKED"]
