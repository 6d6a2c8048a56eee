"""Policies allow each function the calls of its main paths.

Locally every call is allowed, so a missing right would show on AWS only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.pushing import liveness
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.queues import Lane
from infra import stages
from tests.pulling import world as pulls
from tests.pushing.pushing import World, break_down, partner, refuse


class Recorder:
    """A client that records the rights that its calls need."""

    def __init__(self, client: Any, service: str) -> None:
        self._client = client
        self._service = service
        self.needed: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._client, name)

        def recorded(**request: Any) -> Any:
            self.needed |= self._rights(name, request)
            return call(**request)

        return recorded

    def _rights(self, name: str, request: dict[str, Any]) -> set[str]:
        if name == "transact_write_items":
            members = {kind for member in request["TransactItems"] for kind in member}
            names = {"ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item" for kind in members}
        else:
            names = {"".join(part.title() for part in name.removesuffix("_batch").split("_"))}
        target = request.get("QueueUrl", "").rpartition("/")[2]
        target = "index" if "IndexName" in request else target
        return {f"{self._service}:{each} {target}".strip() for each in names}


def granted(function: str) -> set[str]:
    """Rights of a policy, with the queue or the index that they are for."""
    policy = json.loads((stages.CONFIG.parent / f"policy-{function}.json").read_text())
    rights = set()
    for statement in policy["Statement"]:
        resource = statement["Resource"]
        target = "index" if resource.endswith("/index/*") else ""
        if ":sqs:" in resource:
            target = next(
                name for name in ("dead", "catch-up", "broadcasts", "background") if name in resource
            )
        rights |= {f"{action} {target}".strip() for action in statement["Action"]}
    return rights


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A CPO with an OFFLINE partner that missed a location, a tariff and its deletion."""
    world = World("CPO", two_lanes=True)
    world.join(partner("EMSP", "one"))
    gone = world.put_tariff("T0")
    world.put_location()
    world.settle()
    away = world.partner("one")
    world.node.directory.save(away.model_copy(update={"connection": "OFFLINE"}), away)
    world.put_location()
    world.put_tariff("T1")
    world.delete_tariff(gone)
    world.settle()
    return world


def record(world: World) -> tuple[Recorder, Recorder]:
    queues = world.node.queues
    client = queues._sqs._client if isinstance(queues._sqs, Recorder) else queues._sqs
    table, queue = Recorder(world.dynamodb, "dynamodb"), Recorder(client, "sqs")
    world.table._client = table
    queues._sqs = queue
    return table, queue


@pytest.mark.parametrize("fault", [None, refuse(), break_down], ids=["taken", "refused", "failed"])
def test_the_timer_may_probe_catch_up_and_send_refused_pushes_again(world: World, fault: Any) -> None:
    table, queue = record(world)
    if fault is not None:
        world.partners.faults["one"] = fault

    for _ in range(3):
        world.clock.forward(3700)
        liveness.run(world.node, world.node.directory.all())

    assert "dynamodb:Query index" in table.needed or fault is None
    assert table.needed | queue.needed <= granted("look_after_partners")


def test_both_workers_may_record_a_refusal() -> None:
    world = World("CPO", two_lanes=True)
    before = [world.put_tariff("T0"), world.put_location()]
    world.stream()
    world.node.directory.save(partner("EMSP", "one"))
    world.partners.faults["one"] = refuse()
    world.stream()
    world.clock.forward(1)
    after = world.put_tariff("T1")
    world.stream()

    for lane, function in ((Lane.LIVE, "push_broadcasts"), (Lane.CATCH_UP, "push_catch_up")):
        table, queue = record(world)
        while (world.queue if lane is Lane.LIVE else world.catch_ups).bodies:
            world.work(lane)
        assert {"dynamodb:PutItem", "dynamodb:BatchGetItem"} <= table.needed
        assert table.needed | queue.needed <= granted(function)
    assert "dynamodb:Query index" in table.needed
    assert [world.delivery("one", ref).status for ref in (*before, after)] == [DeliveryStatus.REFUSED] * 3


@pytest.mark.parametrize(
    ("role", "partner", "make"),
    [("CPO", ("EMSP", pulls.EMSP), pulls.tokens), ("EMSP", ("HUB", pulls.HUB), pulls.locations)],
)
def test_the_background_worker_may_pull_and_find_what_vanished(role: str, partner: Any, make: Any) -> None:
    world = pulls.World(role)
    world.join("them", partner)
    module = "tokens" if role == "CPO" else "locations"
    table, queue = record(world)  # type: ignore[arg-type]
    for number in (30, 20):
        world.partners.objects["them", module] = make(number, x_change=number)
        world.partners.answers["them", module] = [pulls.raw(http_status=503)]
        world.start("them", module, full=True)
        world.settle()
        world.clock.forward(days=1)

    assert world.pull("them", module).vanished == 10
    assert {"dynamodb:Query index", "dynamodb:BatchWriteItem"} <= table.needed
    assert table.needed | queue.needed <= granted("run_background")


def test_the_timer_may_start_pulls() -> None:
    world = pulls.World("CPO")
    world.join("them", ("EMSP", pulls.EMSP))
    world.tick()
    world.clock.forward(hours=1)
    table, queue = record(world)  # type: ignore[arg-type]

    world.tick()

    assert queue.needed == {"sqs:SendMessage background"}
    assert table.needed | queue.needed <= granted("look_after_partners")
