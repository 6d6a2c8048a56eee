"""The DynamoDB calls of a push."""

from __future__ import annotations

from typing import Any

from chalicelib.pushing.pushes import push
from tests.pushing.pushing import World, broadcast


def calls_of(world: World, ref: Any, **fields: Any) -> list[str]:
    world.dynamodb.calls.clear()
    assert push(world.node, [broadcast(ref, **fields)]) is None
    return world.dynamodb.calls
