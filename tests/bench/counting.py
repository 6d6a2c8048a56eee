"""Counts the DynamoDB request units of a CPO's operations, on a node over the emulator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from bench.costs import Units
from chalicelib.modules.cdrs import compiler, due_sessions, session_changes
from chalicelib.modules.cdrs.running_cost import cost_so_far, keys_to_price
from chalicelib.modules.locations import own_locations as locations
from chalicelib.modules.reconciliation import reconciler
from chalicelib.modules.sessions import own_sessions as sessions
from chalicelib.node import Node
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.types import parse_datetime
from chalicelib.pulling import schedule
from chalicelib.pushing import liveness
from chalicelib.pushing.outbox import handle_stream
from chalicelib.pushing.pushes import push
from chalicelib.queues import Broadcast
from chalicelib.settings import read_settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import LocationStore
from chalicelib.storage.objects import ObjectStore
from chalicelib.storage.table import Key
from chalicelib.storage.values import encode_item
from tests.emulator import make_table
from tests.harness.nodes import START
from tests.modules.builders import T0, T2, T3
from tests.modules.cdrs.world import CPO, EVI, Network
from tests.modules.sessions.builders import cdr_token
from tests.pushing.pushing import partner
from tests.storage.capacity import measured
from tests.test_settings import NEEDED


class Counted(Network):
    """A CPO with its eMSP, over a table that counts request units."""

    def __init__(self, dynamodb: Any) -> None:
        super().__init__("CPO")
        self.world.clock.moment = START
        table = make_table(dynamodb)
        world = self.world
        directory = world.node.directory
        directory._table = table
        retention = read_settings(NEEDED).retention
        world.table = table
        world.node = self.node = dataclasses.replace(
            world.node,
            table=table,
            objects=ObjectStore(table, world.clock, retention),
            locations=LocationStore(table, world.clock),
            queues=_NoQueues(),  # type: ignore[arg-type]
        )

    def units(self, *operations: Callable[[], object]) -> Units:
        """The request units of some operations together."""
        with measured(self.node.table) as spent:
            for operation in operations:
                operation()
        return Units(spent.write_units, spent.read_units)

    def record(self, key: Key, before: Any = None) -> dict[str, Any]:
        """The DynamoDB stream record of an item in its current state."""
        item = self.node.table.get(key)
        assert item is not None
        change = {
            "Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}},
            "SequenceNumber": "1",
            "NewImage": encode_item(item),
            **({"OldImage": encode_item(before)} if before else {}),
        }
        return {"eventID": "e", "eventName": "MODIFY" if before else "INSERT", "dynamodb": change}

    def follow(self, *records: dict[str, Any]) -> None:
        """Handle a batch of records as the stream function does."""
        session_changes.note_sessions(self.node, records)
        handle_stream(self.node, records)


class _NoQueues:
    def send_broadcasts(self, broadcasts: Iterable[Any]) -> None:
        """Drop the broadcasts: a test pushes its own."""


def count(dynamodb: Any) -> dict[str, Units]:
    """Request units of each operation, by its name in `bench.costs`."""
    network = Counted(dynamodb)
    world, node = network.world, network.node
    node.directory.save(_partner())
    node.directory.keyed_digest("")  # A process reads the key once; it is not counted here.
    network.open_site()
    site, session = Ref("locations", *CPO, "L1"), Ref("sessions", *CPO, "S1")
    message = _message(site)
    push(node, [message])
    evse = next(
        row for row in node.table.query_all("#pk = :pk", {"pk": site.key.pk}) if row["sk"].startswith("E#")
    )
    counted: dict[str, Units] = {}

    world.clock.forward(60)
    counted["status"] = network.units(
        lambda: locations.patch_own_evse(node, CPO, "L1", "E1", {"status": "CHARGING"})
    )
    changed = network.record(Key(evse["pk"], evse["sk"]), evse)
    counted["stream"] = network.units(lambda: network.follow(changed))
    after = node.table.get(Key(evse["pk"], evse["sk"]))
    header = node.table.get(site.key)
    assert after and header
    message = message.model_copy(update={"sk": evse["sk"], "version": after["v"], "after": evse["v"]})
    counted["push"] = network.units(lambda: push(node, [message]))

    world.clock.forward(60)
    counted["new session"] = network.units(lambda: network.put("S1"))
    created = network.record(session.key)
    counted["session begins"] = network.units(lambda: session_changes.note_sessions(node, [created]))
    world.clock.forward(60)
    before = node.table.get(session.key)
    # The test clock is behind the session, so the session is priced up to the end of its period.
    hour = [{"type": "ENERGY", "volume": 12}, {"type": "TIME", "volume": 1}]
    news = {"kwh": 12, "charging_periods": [{"start_date_time": T0, "dimensions": hour}]}
    counted["session"] = network.units(lambda: _patch_session(node, session, news))
    world.clock.forward(60)
    before = node.table.get(session.key)
    world.clock.moment = parse_datetime(T3)
    network.put("S1", status="COMPLETED", end_date_time=T2, cdr_token=cdr_token(EVI))
    ended = network.record(session.key, before)
    counted["cdr"] = network.units(
        lambda: session_changes.note_sessions(node, [ended]), lambda: compiler.run(node)
    )
    assert not list(due_sessions.read_due_sessions(node.table)) and not due_sessions.sessions_set_aside(
        node.table
    )
    counted["minute"] = network.units(
        lambda: _look_after(node),
        lambda: compiler.run(node),
        lambda: reconciler.run(node),
    )
    world.clock.forward(401 * 86_400)
    counted["session forgotten"] = network.units(lambda: node.objects.expire(session.key.pk))
    assert node.objects.get(session) is None
    return counted


def _look_after(node: Node) -> None:
    """Run the timer of the partners."""
    partners = node.directory.all()
    schedule.run(node, partners)
    liveness.run(node, partners)


def _patch_session(node: Node, session: Ref, patch: dict[str, Any]) -> None:
    """Patch a session as the operator API does."""
    read = node.table.get_many([*sessions.keys_to_change(CPO, session.id), *keys_to_price(session)])
    patched = sessions.patch_own_session(
        node, CPO, session.id, patch, read, partial(cost_so_far, session, read)
    )
    assert patched.document["total_cost"]


def _partner() -> Partner:
    modules = ("tariffs", "locations", "sessions", "cdrs")
    endpoints = tuple(
        Endpoint(identifier=module, role="RECEIVER", url=f"https://evi.example/{module}")
        for module in modules
    )
    return partner("EMSP", "evi", endpoints=endpoints)


def _message(ref: Ref) -> Broadcast:
    return Broadcast(partner_id="evi", module=ref.module, pk=ref.key.pk, sk="#", ref=str(ref), cause="c")
