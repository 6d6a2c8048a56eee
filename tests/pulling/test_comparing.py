"""Objects that a full list no longer has are shown, and nothing is deleted.

Source: docs/decisions.md, What vanished from a full pull
"""

from __future__ import annotations

import pytest

from chalicelib.modules.registry import load_keeping
from chalicelib.protocol.message import Party
from chalicelib.pulling import comparing
from chalicelib.pulling.objects import PullState
from chalicelib.pulling.store import read_vanished
from tests.pulling.world import CPO, EMSP, HUB, World, locations, raw, tariffs, tokens

TOKENS = ("emsp", "tokens")


@pytest.fixture
def world() -> World:
    """A CPO that has read 20 tokens of its eMSP."""
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    world.partners.objects[TOKENS] = tokens(20)
    world.start("emsp", full=True)
    world.settle()
    world.clock.forward(days=1)
    return world


def pull_again(world: World, full: bool = True) -> list[str]:
    """Read the list again. Returns the ids of what vanished."""
    world.start("emsp", full=full)
    world.settle()
    pull = world.pull("emsp", "tokens")
    assert pull.state == PullState.DONE
    names = read_vanished(world.table, pull)
    assert len(names) == (pull.vanished or 0)
    return sorted(name.split("#")[2] for name in names)


def test_nothing_vanished_while_the_list_is_the_same(world: World) -> None:
    assert pull_again(world) == []
    assert world.pull("emsp", "tokens").vanished == 0


def test_what_a_full_list_no_longer_has_is_named_and_kept(world: World) -> None:
    del world.partners.objects[TOKENS][3:5]

    assert pull_again(world) == ["N00003", "N00004"]
    assert len(world.stored("tokens")) == 20


def test_a_pull_with_a_date_compares_nothing(world: World) -> None:
    world.partners.objects[TOKENS].clear()

    assert pull_again(world, full=False) == []
    assert world.pull("emsp", "tokens").vanished is None


def test_a_pull_that_lasts_longer_than_its_digests_compares_nothing(world: World) -> None:
    """Otherwise all that the first pages had would count as vanished."""
    retry = raw(http_status=429, headers={"Retry-After": "86400"})
    world.partners.answers["emsp", "tokens"] = [retry] * 15

    world.start("emsp", full=True)
    world.settle(3000)

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.vanished) == ("DONE", None)


def test_a_listed_object_that_is_refused_has_not_vanished(world: World) -> None:
    world.partners.objects[TOKENS][3] = world.partners.objects[TOKENS][3] | {"valid": []}

    assert pull_again(world) == []
    assert world.pull("emsp", "tokens").refused == 1


def test_what_is_pushed_during_the_pull_has_not_vanished(world: World) -> None:
    world.start("emsp", full=True)
    world.clock.forward(1)
    load_keeping("tokens").keep(world.node, world.partner("emsp"), tokens(1, start=90)[0])
    world.settle()

    assert len(world.stored("tokens")) == 21
    assert world.pull("emsp", "tokens").vanished == 0


def test_objects_of_other_partners_and_invalid_tokens_are_left_out(world: World) -> None:
    other = Party("DE", "OTH")
    world.join("other", ("EMSP", other))
    world.partners.objects["other", "tokens"] = tokens(5, other)
    world.partners.objects[TOKENS][3]["valid"] = False
    world.start("other", full=True)
    pull_again(world)
    world.clock.forward(days=1)
    world.partners.objects[TOKENS].clear()

    gone = pull_again(world)

    assert len(gone) == 19 and "N00003" not in gone


def test_a_hub_s_list_is_compared_with_what_came_from_the_hub() -> None:
    world = World("EMSP")
    world.join("hub", ("HUB", HUB))
    world.join("direct", ("CPO", CPO))
    behind = Party("DE", "BHN")
    world.partners.objects["hub", "tariffs"] = tariffs(5, behind)
    world.partners.objects["direct", "tariffs"] = tariffs(5, CPO)
    for partner in ("hub", "direct"):
        world.start(partner, "tariffs", full=True)
    world.settle()
    world.clock.forward(days=1)
    del world.partners.objects["hub", "tariffs"][0]

    world.start("hub", "tariffs", full=True)
    world.settle()

    assert read_vanished(world.table, world.pull("hub", "tariffs")) == ["tariffs#DE*BHN#N00000"]


def test_unpublished_locations_are_compared_as_well() -> None:
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO))
    both = [*locations(2), *locations(2, start=10, publish=False)]
    world.partners.objects["cpo", "locations"] = both
    world.start("cpo", "locations", full=True)
    world.settle()
    world.clock.forward(days=1)
    world.partners.objects["cpo", "locations"] = []

    world.start("cpo", "locations", full=True)
    world.settle()

    assert world.pull("cpo", "locations").vanished == 4


def test_a_comparison_goes_in_steps_and_survives_a_killed_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "ENTRIES_PER_CALL", 3)
    del world.partners.objects[TOKENS][::2]
    read = world.node.objects.some_versions
    calls = 0

    def slow(*args: object) -> object:
        nonlocal calls
        calls += 1
        world.clock.forward(11)
        if calls == 5:
            raise SystemExit("killed")
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(world.node.objects, "some_versions", slow)
    world.start("emsp", full=True)
    with pytest.raises(SystemExit):
        world.settle()
    world.clock.forward(100)
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.vanished) == (PullState.DONE, 10)
    assert len(read_vanished(world.table, pull)) == 10


def test_nothing_but_the_result_is_left_of_a_pull(world: World) -> None:
    pull_again(world)

    left = {pk for pk, _ in world.dynamodb.items if pk.startswith(("pull", "vanished"))}
    assert left == {"pulls#emsp"}
