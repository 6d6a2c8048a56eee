"""A partner that leaves and comes back is sent what changed meanwhile, and nothing twice.

Source: CRD-14; docs/decisions.md
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.credentials import called_side
from chalicelib.partners.directory import Partner
from chalicelib.partners.roles import with_claimed
from chalicelib.partners.settings import PartnerSettings
from chalicelib.pushing.deliveries import read_deliveries
from chalicelib.storage.keys import Ref
from tests.pushing.pushing import OWN, World, partner


@pytest.fixture
def world() -> World:
    world = World()
    world.join(partner("EMSP", "one"))
    for tariff_id in ("KEPT", "CHANGED", "DELETED"):
        world.put_tariff(tariff_id)
    world.settle()
    return world


def leave(world: World) -> Partner:
    """The partner sends DELETE credentials."""
    called_side.forget(world.node, world.partner("one"))
    world.settle(seconds=60)
    return world.partner("one")


def come_back(world: World, before: Partner) -> None:
    """The partner is invited again by its id, and registers."""
    invited, _ = called_side.invite(world.node, PartnerSettings(name="one"), returning=world.partner("one"))
    world.settle()
    registered: dict[str, Any] = {
        "status": "REGISTERED",
        "endpoints": before.endpoints,
        **with_claimed(invited, before.roles),
        "outbound_token": "another",
    }
    world.node.directory.update("one", lambda current: current.model_copy(update=registered))
    world.settle(seconds=60)


def sent(world: World) -> list[tuple[str, str]]:
    """Method and id of each push since the last look."""
    pushes = [(push.method, push.segments[-1]) for push in world.partners.sent]
    world.partners.sent.clear()
    return sorted(pushes)


def test_a_partner_that_comes_back_is_sent_exactly_what_changed(world: World) -> None:
    before = world.partner("one")
    assert len(sent(world)) == 3
    leave(world)
    world.put_tariff("CHANGED", currency="NOK")
    world.put_tariff("NEW")
    world.delete_tariff(Ref("tariffs", *OWN["CPO"], "DELETED"))
    world.settle(seconds=60)
    assert sent(world) == []

    come_back(world, before)

    assert sent(world) == [("DELETE", "DELETED"), ("PUT", "CHANGED"), ("PUT", "NEW")]


def test_nothing_is_sent_when_nothing_changed(world: World) -> None:
    before = world.partner("one")
    sent(world)

    leave(world)
    come_back(world, before)

    assert sent(world) == []


def test_a_partner_that_is_removed_by_the_operator_is_forgotten(world: World) -> None:
    assert len(read_deliveries(world.table, "one")) == 3
    left = leave(world)
    assert len(read_deliveries(world.table, "one")) == 3

    world.node.directory.remove(left)
    world.settle(seconds=60)

    assert read_deliveries(world.table, "one") == {}
