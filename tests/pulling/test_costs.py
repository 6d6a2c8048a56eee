"""DynamoDB calls of a pull: a page costs the same wherever it is in the list.

Source: docs/design.md, A pull
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.pulling.world import CPO, EMSP, HUB, World, locations, tariffs, tokens

PAGES, OBJECTS = 4, 25


def calls_of_pages(world: World, partner_id: str, module: str) -> list[list[str]]:
    """Read a list in full. Returns the calls of each page, from its answer to the next request."""
    follow, marks = world.partners.follow, [len(world.dynamodb.calls)]

    def noted(*args: Any) -> Any:
        marks.append(len(world.dynamodb.calls))
        return follow(*args)

    world.partners.follow = noted  # type: ignore[method-assign]
    world.start(partner_id, module, full=True)
    world.settle()
    world.partners.follow = follow  # type: ignore[method-assign]
    return [world.dynamodb.calls[start:end] for start, end in zip(marks[1:-1], marks[2:], strict=True)]


CASES = {
    "tokens of an eMSP": ("CPO", ("EMSP", EMSP), "tokens", tokens),
    "tokens of a hub": ("CPO", ("HUB", HUB), "tokens", tokens),
    "tariffs of a CPO": ("EMSP", ("CPO", CPO), "tariffs", tariffs),
    "tariffs of a hub": ("EMSP", ("HUB", HUB), "tariffs", tariffs),
    "locations of a CPO": ("EMSP", ("CPO", CPO), "locations", locations),
    "locations of a hub": ("EMSP", ("HUB", HUB), "locations", locations),
}

Case = tuple[str, Any, str, Callable[..., list[Any]]]


@pytest.fixture(params=CASES.values(), ids=CASES)
def world(request: pytest.FixtureRequest) -> tuple[World, str, list[Any]]:
    """A node and a partner with some pages of objects of one module."""
    role, partner, module, make = request.param
    world = World(role)
    world.join("them", partner)
    objects = make(OBJECTS * PAGES)
    world.partners.page = OBJECTS
    world.partners.objects["them", module] = objects
    return world, module, objects


def test_a_page_of_unchanged_objects_costs_reads_for_all_together(
    world: tuple[World, str, list[Any]],
) -> None:
    node, module, _ = world
    calls_of_pages(node, "them", module)
    node.clock.forward(days=1)

    pages = calls_of_pages(node, "them", module)

    assert len(pages) == PAGES - 1
    assert node.pull("them", module).unchanged == OBJECTS * PAGES
    for calls in pages:
        assert set(calls) == {"BatchGetItem", "PutItem"}
        assert calls.count("BatchGetItem") <= 3
        # What the page had, and where the pull stands.
        assert calls.count("PutItem") == 2


def test_a_page_of_new_objects_costs_two_calls_more_for_each(world: tuple[World, str, list[Any]]) -> None:
    node, module, _ = world

    pages = calls_of_pages(node, "them", module)

    assert node.pull("them", module).kept == OBJECTS * PAGES
    for calls in pages[1:]:
        assert calls == pages[1]
        assert len(calls) <= 2 * OBJECTS + 3 + 2


def test_a_page_of_changed_objects_costs_one_call_more_for_each(world: tuple[World, str, list[Any]]) -> None:
    node, module, objects = world
    calls_of_pages(node, "them", module)
    node.clock.forward(days=1)
    changed = [{**each, "last_updated": "2026-03-01T08:00:01Z", "x_new": 1} for each in objects]
    node.partners.objects["them", module] = changed

    pages = calls_of_pages(node, "them", module)

    assert node.pull("them", module).kept == len(objects)
    for calls in pages:
        assert calls == pages[0]
        # A changed location reads its EVSEs.
        assert len(calls) <= (2 if module == "locations" else 1) * OBJECTS + 3 + 2


def test_a_step_reads_the_pull_and_the_partner_once() -> None:
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    world.partners.objects["emsp", "tokens"] = tokens(400)
    world.start("emsp", date_from="2026-01-01T00:00:00Z")
    world.dynamodb.calls.clear()

    world.work()

    assert world.dynamodb.calls.count("GetItem") == 2
