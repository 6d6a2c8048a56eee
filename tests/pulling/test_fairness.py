"""A step ends in time, and so a slow partner delays no other. Source: docs/reliability.md"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import background
from chalicelib.modules.registry import load_keeping
from chalicelib.pulling import lists, steps
from infra import resources, stages
from tests.pulling.world import EMSP, World, tokens


def test_a_step_ends_before_its_function_does() -> None:
    """Twenty seconds, then one call that began at their end, then the objects of its page."""
    config = stages.functions(stages.read_config())["run_background"]
    queue = resources.read_template()["Resources"]["Background"]["Properties"]

    longest = background.STEP_S + lists.CALL_S + steps.KEEP_S
    assert longest < config["lambda_timeout"] < queue["VisibilityTimeout"]


@pytest.mark.parametrize("answer_s", [0.1, 5.0, 19.9, lists.CALL_S])
def test_a_step_with_slow_pages_and_slow_objects_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, answer_s: float
) -> None:
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    world.partners.objects["emsp", "tokens"] = tokens(300)
    world.partners.seconds = answer_s
    keeping = load_keeping("tokens")
    keep = keeping.keep

    def slow(*args: Any) -> Any:
        world.clock.forward(0.5)
        return keep(*args)

    monkeypatch.setattr(keeping, "keep", slow)
    world.start("emsp")

    longest = 0.0
    while len(world.queue):
        began = world.clock()
        world.work()
        longest = max(longest, (world.clock() - began).total_seconds())

    assert len(world.stored("tokens")) == 300
    assert longest <= 51
