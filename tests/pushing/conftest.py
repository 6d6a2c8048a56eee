"""A CPO with one eMSP, whose initial catch-up is done."""

from __future__ import annotations

import pytest

from tests.pushing.pushing import World, partner


@pytest.fixture
def world() -> World:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    return world
