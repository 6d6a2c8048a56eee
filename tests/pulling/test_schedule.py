"""Pulls by the clock: every night, every hour, and after an outage of this node. Source: TRN-32"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import app
from chalicelib.protocol.message import Party
from chalicelib.pulling.objects import Cause
from chalicelib.pulling.schedule import NIGHT_BEGINS_H, NIGHT_MINUTES, due_modules
from tests.harness.partners import make_partner
from tests.pulling.world import EMSP, World, tokens

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY_MINUTE = {
    **dict.fromkeys(("version", "account", "region", "time", "source", "id", "detail-type"), ""),
    "detail": {},
    "resources": [],
}
HALVES = {"liveness": "pushing", "schedule": "pulling"}


@pytest.fixture
def world() -> World:
    """A CPO that has read the tokens of its eMSP, and whose timer runs."""
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    world.stream()
    world.settle()
    world.tick()
    world.partners.asked.clear()
    return world


def run_for(world: World, **duration: float) -> list[datetime]:
    """Run the timer every five minutes. Returns when tokens were asked for."""
    end, times = world.clock() + timedelta(**duration), []
    while world.clock() < end:
        world.clock.forward(300)
        before = len(world.partners.asked)
        world.tick()
        world.work()
        world.work()
        times += [world.clock()] * (len(world.partners.asked) - before)
    return times


def test_a_partner_s_lists_are_read_once_a_night(world: World) -> None:
    times = run_for(world, days=2)

    assert len(times) == 2
    assert times[1] - times[0] == timedelta(days=1)
    begins = times[0].replace(hour=NIGHT_BEGINS_H, minute=0, second=0)
    assert begins <= times[0] <= begins + NIGHT_MINUTES * MINUTE
    assert all("date_from" in query for query in world.partners.of("emsp", "tokens"))
    assert world.pull("emsp", "tokens").cause == Cause.SCHEDULE


@pytest.mark.parametrize(("how", "number"), [("off", 0), ("hourly", 24), ("nightly", 1)])
def test_the_operator_decides_how_often_a_list_is_read(world: World, how: str, number: int) -> None:
    partner = world.partner("emsp")
    world.node.directory.save(partner.model_copy(update={"pull": {"tokens": how}}), partner)

    assert len(run_for(world, days=1)) == number


@pytest.mark.parametrize("late", [1, 7])
def test_a_timer_that_runs_late_leaves_nothing_out_and_does_nothing_twice(late: int) -> None:
    partner = make_partner("emsp", ("EMSP", EMSP), pull={"tokens": "hourly"})
    times = [MIDNIGHT + number * late * MINUTE for number in range(1440 // late + 1)]

    due = [
        now
        for before, now in zip(times, times[1:], strict=False)
        if due_modules(partner, ["tokens"], before, now)
    ]

    assert len(due) == 24


def test_the_pulls_of_a_night_are_spread_over_the_partners() -> None:
    partners = [make_partner(f"p{number}", ("EMSP", EMSP)) for number in range(60)]
    step = 10 * MINUTE
    times = [MIDNIGHT + number * step for number in range(144)]

    due = [sum(bool(due_modules(each, ["tokens"], now, now + step)) for each in partners) for now in times]

    assert (sum(due), max(due) <= 12) == (60, True)


@pytest.mark.parametrize(("minutes", "number"), [(9, 0), (11, 1), (3000, 1)])
def test_after_an_outage_of_this_node_the_lists_are_read_from_before_it(
    world: World, minutes: int, number: int
) -> None:
    last = world.clock()
    world.clock.forward(minutes=minutes)
    world.partners.objects["emsp", "tokens"] = tokens(3, last_updated="2026-03-01T12:05:00Z")

    world.tick()
    world.settle()

    asked = [query["date_from"] for query in world.partners.of("emsp", "tokens")]
    assert asked[:1] == [(last - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")] * number
    assert len(world.stored("tokens")) == 3 * number


def test_an_outage_is_found_again_when_the_queue_failed_to_take_the_pulls(world: World) -> None:
    world.clock.forward(minutes=30)
    world.queue.broken = 1

    world.tick()
    assert not len(world.queue)
    world.clock.forward(60)
    world.tick()
    world.settle()

    assert world.pull("emsp", "tokens").cause == Cause.OUTAGE


def test_the_first_run_of_a_node_is_after_no_outage() -> None:
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))

    world.tick()

    assert not len(world.queue)


@pytest.mark.parametrize("fails", ["liveness", "schedule"])
def test_of_the_two_halves_of_the_timer_one_that_fails_stops_not_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Partners that hang may take all the time of the function: the heartbeat is written before."""
    ran = []

    def half(name: str) -> Callable[..., None]:
        def run(*args: object) -> None:
            ran.append(name)
            if name == fails:
                raise TimeoutError

        return run

    monkeypatch.setattr(app, "current_node", lambda: world.node)
    for name in ("liveness", "schedule"):
        monkeypatch.setattr(f"chalicelib.{HALVES[name]}.{name}.run", half(name))

    with pytest.raises(TimeoutError):
        app.look_after_partners(EVERY_MINUTE, None)

    assert ran == ["schedule", "liveness"]


def test_the_clock_costs_one_write_a_minute_whatever_the_number_of_partners(world: World) -> None:
    for number in range(30):
        world.join(f"p{number}", ("EMSP", Party("DE", f"P{number:02}")))
    world.clock.forward(60)
    world.dynamodb.calls.clear()

    world.tick()

    assert world.dynamodb.calls.count("UpdateItem") == 1
    assert [call for call in world.dynamodb.calls if call not in ("Query", "UpdateItem")] == []
    assert len(world.dynamodb.calls) == 4
