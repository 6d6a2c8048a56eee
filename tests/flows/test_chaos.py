"""Ten thousand changes at a hub, while all that can go wrong goes wrong, and every partner ends up right.

Two CPOs' tariffs and locations change at random. The push worker is killed before and after its HTTP request,
before and after it recorded the outcome, and before its messages are deleted; messages are handed out twice,
also while the first worker still has them; the stream tells records again; the queue refuses messages;
partners break down and go away for long. Only the order within one group, which SQS FIFO keeps, is kept.

The number of changes is that of OCPI_CHAOS_CHANGES, the sequence of events that of OCPI_CHAOS_SEED.
Source: docs/design.md, A broadcast; TRN-32, TRP-10
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.log import log
from chalicelib.partners import broadcasts, changes, liveness
from chalicelib.partners.answers import PartnerFault
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.partners.memory_aws import Record
from tests.partners.pushing import Sent, World, partner

CHANGES = int(os.environ.get("OCPI_CHAOS_CHANGES", "10000"))
ROUNDS = 25
"""How often everything comes to rest and is compared, so that a later change cannot cover up an error."""

SEED = int(os.environ.get("OCPI_CHAOS_SEED", "1"))
OWNERS = (Party("PT", "AAA"), Party("PT", "BBB"))
LISTENERS = ("em1", "em2", "nsp")


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


QueueRefused = RuntimeError
"""What `send_broadcasts` raises; a timer that fails is tried again in the next minute."""


class InTurn:
    """In place of a pool of threads: one after the other, so that a seed always tells the same story."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function: Any, items: Any) -> Any:
        return [function(item) for item in items]


class Chaos:
    """A hub, its partners, and the dice."""

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
            self.note_shown(sent)
            take(sent)
            self.perhaps_die(0.03)

        def put_or_die(**request: Any) -> None:
            is_row = request["Item"]["pk"]["S"].startswith("delivery#")
            self.perhaps_die(0.01 if is_row else 0)
            put(**request)
            self.perhaps_die(0.01 if is_row else 0)

        partners._take = take_or_die  # type: ignore[method-assign]
        dynamodb.put_item = put_or_die  # type: ignore[method-assign]

    # -- what goes wrong

    def perhaps_die(self, chance: float) -> None:
        if self.deadly and not self.overlapped and self.dice.random() < chance:
            self.deaths += 1
            raise Killed

    def perhaps_overlap(self, ref: Ref) -> None:
        """The message is handed out again while its request is under way, and the object changes.

        SQS does that only when the first worker took far longer than it may run. That it dies on top of
        that, after its older request arrived last, is one failure more than one row can tell.
        """
        if not self.deadly or not self.troubled or self.nested or self.dice.random() > 0.02:
            return
        self.nested = True
        try:
            self.change(ref)
            self.world.queue.hand_out_again(self.in_hand)
            self.work()
        finally:
            self.nested, self.overlapped = False, True

    def trouble(self, sent: Sent) -> Exception | None:
        if self.deadly and self.troubled and self.dice.random() < 0.03:
            return PartnerFault("answered with HTTP 500", http_status=500)
        return None

    # -- what happens

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
        """Hand out a batch of the stream, some of it for the second time."""
        stream = self.world.dynamodb.stream
        records = [stream.popleft() for _ in range(min(self.dice.randrange(1, 30), len(stream)))]
        if self.deadly and self.dice.random() < 0.02:
            self.world.queue.broken = 1
        if self.deadly and self.dice.random() < 0.05:
            changes.handle_stream(self.world.node, records)
            stream.extendleft(reversed(records))
            return
        answer = changes.handle_stream(self.world.node, records)
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
                queue.hand_out_again(records)
            return
        queue.finish(records, answer)

    def come_and_go(self) -> None:
        away = self.world.partners.away
        name = self.dice.choice(LISTENERS)
        if name in away or self.dice.random() < 0.3:
            away ^= {name}

    def minute(self) -> None:
        """The timer, which looks after partners that were away and takes second looks."""
        if not self.troubled:
            return
        try:
            liveness.run(self.world.node)
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
        """Everybody is well again, and what is under way comes to its end."""
        self.deadly = False
        self.world.queue.broken = 0
        self.world.partners.away.clear()
        for _ in range(6):
            self.minute()
            self.world.settle(seconds=60)

    # -- what must be

    def note_shown(self, sent: Sent) -> None:
        """Who only displays locations gets one that is not published only to take it off its map (LOC-16)."""
        is_hidden = len(sent.segments) == 3 and (sent.document or {}).get("publish") is False
        if (
            sent.partner_id == "nsp"
            and is_hidden
            and self.world.held("nsp", Ref(sent.module, *sent.segments)) is None
        ):
            self.shown.append(sent.segments)

    def wrong(self) -> list[str]:
        """Where a partner has something else than it should, or was shown what it should never have seen."""
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
        """By the specification and not by our code, so that both cannot be wrong together.

        eMSPs charge guests at what is not published, an NSP only displays it. Source: LOC-16
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
    """Whatever was killed, told twice or out of order. Source: TRN-32, TRP-10"""
    for _ in range(ROUNDS):
        chaos.run(CHANGES // ROUNDS)
        chaos.calm_down()
        assert (len(chaos.world.queue), chaos.world.queue.dead, chaos.wrong()) == (0, [], [])

    assert chaos.deaths > CHANGES / 50


def test_a_dying_worker_alone_needs_nobody_to_look_after_partners(chaos: Chaos) -> None:
    """No partner is away, the timer never runs: the messages by themselves bring everything home."""
    chaos.troubled = False
    for _ in range(ROUNDS):
        chaos.run(CHANGES // ROUNDS // 4)
        chaos.calm_down()
        assert (len(chaos.world.queue), chaos.world.queue.dead, chaos.wrong()) == (0, [], [])

    assert chaos.deaths > CHANGES / 200
