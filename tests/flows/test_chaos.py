"""Chaos test: thousands of changes at a hub during failures of every kind; every partner must end right.

The tariffs and locations of two CPOs change at random. The push worker is killed before and after its HTTP
request, before and after it records the result, and before its messages are deleted. Messages are delivered
twice, also while the first worker still has them. The stream repeats records. The queue refuses messages.
Partners fail, or are away for long. Only the order within one group is kept, as SQS FIFO keeps it.

OCPI_CHAOS_CHANGES sets the number of changes, OCPI_CHAOS_SEED the sequence of events.
Source: docs/design.md, A broadcast; TRN-32, TRP-10
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.log import log
from chalicelib.protocol.message import Party
from chalicelib.pushing import broadcasts, liveness, outbox
from chalicelib.storage.keys import Ref
from tests.pushing.memory_aws import Record
from tests.pushing.pushing import Sent, World, partner

CHANGES = int(os.environ.get("OCPI_CHAOS_CHANGES", "4000"))
ROUNDS = 12
"""How often everything comes to rest and is compared, so that a later change cannot cover up an error."""

SEED = int(os.environ.get("OCPI_CHAOS_SEED", "1"))
OWNERS = (Party("PT", "AAA"), Party("PT", "BBB"))
LISTENERS = ("em1", "em2", "nsp")


class Killed(BaseException):
    """The process is gone: none of its code runs any more."""


QueueRefused = RuntimeError
"""What `send_broadcasts` raises; a timer that fails is tried again in the next minute."""


class InTurn:
    """Replacement of the thread pool that runs tasks one by one, so that a seed repeats the same events."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function: Any, items: Any) -> Any:
        return [function(item) for item in items]


class Chaos:
    """A hub, its partners and a random generator."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World("HUB", freshness=20)
        self.world.queue.random = random.Random(seed + 1)
        self.refs: dict[Ref, str] = {}
        self.deadly = False
        self.troubled = True
        self.deaths = 0
        self.nested = False
        self.overlapped = False
        self.in_hand: list[Record] = []
        self.shown: list[tuple[str, ...]] = []
        for number, owner in enumerate(OWNERS):
            self.world.join(partner("CPO", owner.party_id, endpoints=()))
            for each in range(10):
                self.refs[Ref("tariffs", *owner, f"T{each}")] = OWNERS[number].party_id
            for each in range(6):
                self.refs[Ref("locations", *owner, f"L{each}")] = OWNERS[number].party_id
        for name, role in zip(LISTENERS, ("EMSP", "EMSP", "NSP"), strict=True):
            self.world.join(partner(role, name))
            self.world.partners.faults[name] = self.trouble
        self._wrap()

    def _wrap(self) -> None:
        partners, dynamodb = self.world.partners, self.world.dynamodb
        take, put = partners._take, dynamodb.put_item

        def take_or_die(sent: Sent) -> None:
            self.perhaps_die(0.01)
            self.perhaps_overlap(Ref(sent.module, *sent.segments[:3]))
            self.check_visible(sent)
            take(sent)
            self.perhaps_die(0.03)

        def put_or_die(**request: Any) -> None:
            is_row = request["Item"]["pk"]["S"].startswith("delivery#")
            self.perhaps_die(0.01 if is_row else 0)
            put(**request)
            self.perhaps_die(0.01 if is_row else 0)

        partners._take = take_or_die  # type: ignore[method-assign]
        dynamodb.put_item = put_or_die  # type: ignore[method-assign]

    # -- failures

    def perhaps_die(self, chance: float) -> None:
        if self.deadly and not self.overlapped and self.dice.random() < chance:
            self.deaths += 1
            raise Killed

    def perhaps_overlap(self, ref: Ref) -> None:
        """Deliver the message again while its request is running, and change the object.

        SQS does that only when the first worker ran far longer than it may. One row cannot also cover that
        this worker dies after its older request arrived last, so the test leaves that out.
        """
        if not self.deadly or not self.troubled or self.nested or self.dice.random() > 0.02:
            return
        self.nested = True
        try:
            self.change(ref)
            self.world.queue.deliver_again(self.in_hand)
            self.work()
        finally:
            self.nested, self.overlapped = False, True

    def trouble(self, sent: Sent) -> Exception | None:
        if self.deadly and self.troubled and self.dice.random() < 0.03:
            return PartnerFault("answered with HTTP 500", http_status=500)
        return None

    # -- events

    def change(self, ref: Ref | None = None) -> None:
        ref = ref or self.dice.choice(list(self.refs))
        owner, source = Party(ref.country_code, ref.party_id), self.refs[ref]
        marker = self.dice.randrange(10**9)
        if ref.module == "tariffs":
            if self.dice.random() < 0.4:
                self.world.delete_tariff(ref)
            else:
                self.world.put_tariff(ref.id, owner, source, marker=marker)
        elif self.dice.random() < 0.2 or self.world.stored(ref) is None:
            number, publish = self.dice.randrange(4), self.dice.random() < 0.7
            self.world.put_location(ref.id, number, owner, source, marker=marker, publish=publish)
        else:
            uid = f"E{self.dice.randrange(5)}"
            self.world.put_evse(ref, uid, source, marker=marker)

    def stream(self) -> None:
        """Deliver a batch of the stream, some records for the second time."""
        stream = self.world.dynamodb.stream
        records = [stream.popleft() for _ in range(min(self.dice.randrange(1, 30), len(stream)))]
        if self.deadly and self.dice.random() < 0.02:
            self.world.queue.broken = 1
        if self.deadly and self.dice.random() < 0.05:
            outbox.handle_stream(self.world.node, records)
            stream.extendleft(reversed(records))
            return
        answer = outbox.handle_stream(self.world.node, records)
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        if failed:
            again = [record for record in records if record["dynamodb"]["SequenceNumber"] >= failed[0]]
            stream.extendleft(reversed(again))

    def work(self) -> None:
        """Handle a batch of messages, unless killed."""
        queue = self.world.queue
        records = queue.receive()
        self.in_hand = records
        try:
            self.overlapped = False
            answer = broadcasts.handle_messages(self.world.node, records, self.world.limit)
            self.perhaps_die(0.03)
        except Killed:
            if self.dice.random() < 0.5:
                queue.deliver_again(records)
            return
        queue.finish(records, answer)

    def come_and_go(self) -> None:
        away = self.world.partners.away
        name = self.dice.choice(LISTENERS)
        if name in away or self.dice.random() < 0.3:
            away ^= {name}

    def minute(self) -> None:
        """Run the timer, which probes partners that are OFFLINE and runs rechecks."""
        if not self.troubled:
            return
        try:
            liveness.run(self.world.node, self.world.node.directory.all())
        except (Killed, QueueRefused):
            return

    def run(self, number: int) -> None:
        self.deadly = True
        last_minute = self.world.clock()
        for _ in range(number):
            self.change()
            if self.dice.random() < 0.4:
                self.stream()
            if self.dice.random() < 0.6:
                self.work()
            if self.troubled and self.dice.random() < 0.002:
                self.come_and_go()
            self.world.clock.forward(self.dice.random() * 0.6)
            if (self.world.clock() - last_minute).total_seconds() > 60:
                self.minute()
                last_minute = self.world.clock()

    def calm_down(self) -> None:
        """End all failures, and run every worker until all is done."""
        self.deadly = False
        self.world.queue.broken = 0
        self.world.partners.away.clear()
        for _ in range(6):
            self.minute()
            self.world.settle(seconds=60)

    # -- checks

    def check_visible(self, sent: Sent) -> None:
        """Check that a display gets an unpublished location only to remove one that it has (LOC-16)."""
        is_hidden = len(sent.segments) == 3 and (sent.document or {}).get("publish") is False
        if (
            sent.partner_id == "nsp"
            and is_hidden
            and self.world.held("nsp", Ref(sent.module, *sent.segments)) is None
        ):
            self.shown.append(sent.segments)

    def wrong(self) -> list[str]:
        """List the objects that a partner has in a wrong state, or should never have received."""
        found = [f"nsp was shown {shown}, which was never published to it" for shown in self.shown]
        for name in LISTENERS:
            for ref in self.refs:
                have, want = self.world.held(name, ref), self.world.stored(ref)
                if not self._may_hold(name, ref):
                    if have is not None and have["publish"] is not False:
                        found.append(f"{name} shows {ref}, which is not published")
                elif have != want:
                    found.append(f"{name} has another {ref}: {self.world.delivery(name, ref)}")
        return found

    def _may_hold(self, name: str, ref: Ref) -> bool:
        """Tell whether a partner may have an object, by the specification.

        The rule is written independently of the node's code, so that both cannot be wrong together. eMSPs may
        charge at an unpublished location, an NSP only displays it. Source: LOC-16
        """
        stored = self.world.stored(ref)
        is_hidden = stored is not None and stored.get("publish") is False
        return not (is_hidden and name == "nsp")


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chaos]:
    monkeypatch.setattr(broadcasts, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(liveness, "ThreadPoolExecutor", InTurn)
    level = log.log_level
    log.setLevel("CRITICAL")
    yield Chaos(SEED)
    log.setLevel(level)


def test_every_partner_ends_with_the_final_state_of_every_object(chaos: Chaos) -> None:
    """With kills, repeated messages and changes of order. Source: TRN-32, TRP-10"""
    for _ in range(ROUNDS):
        chaos.run(CHANGES // ROUNDS)
        chaos.calm_down()
        assert (len(chaos.world.queue), chaos.world.queue.dead, chaos.wrong()) == (0, [], [])

    assert chaos.deaths > CHANGES / 50


def test_when_only_workers_die_every_object_arrives_without_the_timer(chaos: Chaos) -> None:
    """No partner is away and the timer never runs: the messages alone deliver every object."""
    chaos.troubled = False
    for _ in range(ROUNDS):
        chaos.run(CHANGES // ROUNDS // 4)
        chaos.calm_down()
        assert (len(chaos.world.queue), chaos.world.queue.dead, chaos.wrong()) == (0, [], [])

    assert chaos.deaths > CHANGES / 200
