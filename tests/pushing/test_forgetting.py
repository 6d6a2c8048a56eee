"""Expired objects: deleted here with all their rows, and not deleted at partners.

Source: docs/retention.md; RTE-12, TOK-05
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from chalicelib.errors import ServerError
from chalicelib.modules.cdrs import due_sessions, session_changes
from chalicelib.pushing import outbox
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import ObjectStore
from chalicelib.storage.table import Senseless
from tests.modules.cdrs.world import Network
from tests.pushing.pushing import World, partner

DAY = 86_400


def keep(world: World, **days: float) -> None:
    """Set how long a world's node keeps objects."""
    retention = {kind: timedelta(days=number) for kind, number in days.items()}
    world.node = dataclasses.replace(world.node, objects=ObjectStore(world.table, world.clock, retention))


def live(world: World, days: float) -> None:
    """Move the clock by days, delete expired items as DynamoDB does, and handle the stream."""
    world.clock.forward(days * DAY)
    for key, item in list(world.dynamodb.items.items()):
        if "expires_at" in item and int(item["expires_at"]["N"]) <= world.clock().timestamp():
            world.dynamodb._set(key, None)
    outbox.delete_expired(world.node, list(world.dynamodb.stream))
    session_changes.note_sessions(world.node, list(world.dynamodb.stream))
    world.settle()


@pytest.fixture
def emsp() -> World:
    world = World("EMSP")
    keep(world, tokens=90)
    world.join(partner("CPO", "one"))
    return world


def put_token(world: World, uid: str, valid: bool) -> Ref:
    """Write a token as the operator of the eMSP does."""
    from chalicelib.modules.tokens.own_tokens import OwnKey, put_own_token
    from chalicelib.protocol.message import Party

    own = OwnKey(Party("PT", "EVI"), uid, "RFID")
    put_own_token(
        world.node, own, {"contract_id": "C1", "issuer": "Evia", "valid": valid, "whitelist": "NEVER"}
    )
    world.settle()
    return own.ref


def test_an_invalid_token_is_deleted_and_no_partner_is_notified(emsp: World) -> None:
    gone, kept = put_token(emsp, "A1", valid=False), put_token(emsp, "A2", valid=True)
    sent = len(emsp.partners.sent)
    assert emsp.delivery("one", gone).status == DeliveryStatus.DELIVERED

    live(emsp, days=91)

    assert emsp.node.objects.get(gone) is None
    assert emsp.node.objects.get(kept) is not None
    assert len(emsp.partners.sent) == sent
    assert emsp.delivery("one", gone).status is None
    assert emsp.delivery("one", kept).status == DeliveryStatus.DELIVERED
    assert not any("A1" in key[0] + key[1] for key in emsp.dynamodb.items)


def test_an_object_that_cannot_be_deleted_blocks_no_other(
    emsp: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, free = put_token(emsp, "A1", valid=False), put_token(emsp, "A2", valid=False)
    expire = ObjectStore.expire

    def refuse_one(store: ObjectStore, pk: str) -> None:
        if pk == stuck.key.pk:
            raise Senseless("the item is invalid")
        expire(store, pk)

    monkeypatch.setattr(ObjectStore, "expire", refuse_one)
    live(emsp, days=91)

    assert emsp.node.objects.get(stuck) is not None
    assert emsp.node.objects.get(free) is None


def test_a_batch_is_retried_when_aws_fails_to_delete(emsp: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put_token(emsp, "A1", valid=False)

    def fail(store: ObjectStore, pk: str) -> None:
        raise ServerError("the table is not reachable")

    monkeypatch.setattr(ObjectStore, "expire", fail)
    with pytest.raises(ServerError):
        live(emsp, days=91)


def test_a_token_that_is_valid_again_is_kept(emsp: World) -> None:
    ref = put_token(emsp, "A1", valid=False)
    put_token(emsp, "A1", valid=True)

    live(emsp, days=91)

    assert emsp.node.objects.get(ref) is not None


def test_a_later_catch_up_sends_no_expired_object(emsp: World) -> None:
    put_token(emsp, "A1", valid=False)
    live(emsp, days=91)
    sent = len(emsp.partners.sent)

    emsp.join(partner("CPO", "two"))
    emsp.settle(seconds=60)

    assert len(emsp.partners.sent) == sent


def test_a_session_expires_with_its_start_snapshot_and_its_cdr_is_kept() -> None:
    network = Network("CPO")
    keep(network.world, sessions=400, cdrs=3660)
    network.node = network.world.node
    network.join("evi", "EMSP")
    network.open_site()
    network.end("S1")
    network.end("S2", currency="NOK")
    network.compile()
    sent = len(network.world.partners.sent)
    assert len(due_sessions.sessions_set_aside(network.node.table)) == 1

    live(network.world, days=401)

    assert [key for key in network.world.dynamodb.items if key[0].startswith("sessions#")] == []
    assert due_sessions.sessions_set_aside(network.node.table) == []
    assert list(due_sessions.read_due_sessions(network.node.table)) == []
    assert len(network.world.partners.sent) == sent
    assert len(network.cdrs()) == 1
