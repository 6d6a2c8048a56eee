"""World of the push tests: a node in memory with canned partners.

The store, the queue and the stream run the node's own code on `memory_aws.py`. Only HTTP is canned: a partner
stores the objects that it receives, as an OCPI receiver does, and fails on demand.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from chalicelib.calls.answers import Answer, PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.partners.directory import Directory, Endpoint, HeldToken, Partner
from chalicelib.policy.visibility import is_hidden, partition_for_own, partition_for_received
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import fold, format_datetime
from chalicelib.pushing import broadcasts, outbox
from chalicelib.pushing.catch_up import run_step
from chalicelib.pushing.concurrency_limit import ConcurrencyLimit
from chalicelib.pushing.deliveries import Delivery, key_of, read_delivery
from chalicelib.queues import Broadcast, CatchUp, Lane, Queues
from chalicelib.settings import OwnRole, Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteEvse, WriteLocation
from chalicelib.storage.objects import Remove, Write
from chalicelib.storage.table import Table
from chalicelib.versions.supported import express
from tests.harness.nodes import PARTIES, Clock, make_node
from tests.harness.partners import make_partner
from tests.pushing.memory_aws import MemoryDynamoDb, MemoryQueue, MemorySqs, Record

OWN = PARTIES


class Sent(NamedTuple):
    """One request that a partner received."""

    partner_id: str
    method: str
    module: str
    segments: tuple[str, ...]
    document: Any
    routing: Routing
    query: Mapping[str, Any] = {}


Fault = Callable[[Sent], Exception | None]


class CannedPartners:
    """Replacement of `OcpiClient` in which every partner accepts each push.

    faults: how a partner fails, by partner id. held: objects of each partner, by (module, folded ids).
    patience: allowed seconds of each request, with the partner id.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.held: dict[str, dict[tuple[str, ...], Document]] = {}
        self.faults: dict[str, Fault] = {}
        self.away: set[str] = set()
        self.probes: list[str] = []
        self.patience: list[tuple[str, float]] = []
        self._lock = threading.RLock()

    def send(
        self,
        partner: Partner,
        module: str,
        role: str,
        path_segments: Sequence[str],
        exchange: Exchange,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        document, losses = express(partner.version, exchange.takes, exchange.document, exchange.known)
        sent = Sent(
            partner.id,
            exchange.method,
            module,
            tuple(path_segments),
            document and read_json(str(document)),
            exchange.routing,
            query or {},
        )
        with self._lock:
            self.sent.append(sent)
            self.patience.append((partner.id, exchange.total_s or 0.0))
        if partner.id in self.away:
            raise PartnerFault("does not accept connections", not_connected=True)
        fault = self.faults.get(partner.id)
        problem = fault(sent) if fault else None
        if problem is not None:
            if isinstance(problem, PartnerError):
                problem.losses = losses
            raise problem
        with self._lock:
            self._take(sent)
        return Answer(200, 1000, None, None, {}, timedelta(), losses=losses)

    def probe(self, partner: Partner, **options: Any) -> None:
        self.probes.append(partner.id)
        if partner.id in self.away:
            raise PartnerFault("does not accept connections", not_connected=True)

    def _take(self, sent: Sent) -> None:
        objects = self.held.setdefault(sent.partner_id, {})
        key = (sent.module, *map(fold, sent.segments[:3]))
        if sent.method == "DELETE":
            if key not in objects:
                raise PartnerRefusal("answered 2001 with HTTP 404", http_status=404, status_code=2001)
            del objects[key]
        elif sent.method == "POST":
            # A CDR of 2.1.1 does not name its owner.
            owner = [sent.document.get(name, "") for name in ("country_code", "party_id")]
            objects[(sent.module, *map(fold, (*owner, sent.document["id"])))] = sent.document
        elif len(sent.segments) == 3:
            objects[key] = sent.document
        elif key not in objects:
            raise PartnerRefusal("answered 2003 with HTTP 404", http_status=404, status_code=2003)
        else:
            _put_evse(objects[key], sent.document)

    def to(self, partner_id: str) -> list[Sent]:
        """Every request that a partner received."""
        return [sent for sent in self.sent if sent.partner_id == partner_id]


def _put_evse(location: Document, evse: Document) -> None:
    """Insert or replace an EVSE as a receiver does, and raise the location's `last_updated` (LOC-03)."""
    evses = location.setdefault("evses", [])
    place = next((n for n, known in enumerate(evses) if fold(known["uid"]) == fold(evse["uid"])), len(evses))
    evses[place : place + 1] = [evse]
    location["last_updated"] = max(location["last_updated"], evse["last_updated"])


class _NoVault:
    def seal(self, secret: str) -> str:
        return secret

    def open(self, sealed: str) -> str:
        return sealed


class World:
    """A node in one role, with its table, queues, clock and partners."""

    def __init__(self, role: str = "CPO", freshness: float = 60.0, two_lanes: bool = False) -> None:
        self.clock = Clock()
        self.dynamodb = MemoryDynamoDb()
        self.queue = MemoryQueue(self.clock)
        self.catch_ups = MemoryQueue(self.clock) if two_lanes else self.queue
        self.partners = CannedPartners()
        self.limit = self.new_limit()
        self.catch_up_limit = self.new_limit()
        urls = {"https://queue/broadcasts": self.queue, "https://queue/catch-up": self.catch_ups}
        queues = (
            Queues(MemorySqs(urls), "https://queue/broadcasts", "", "https://queue/catch-up")
            if two_lanes
            else Queues(self.queue, "https://queue/broadcasts")
        )
        self.table = Table(self.dynamodb, "memory")
        numbers = itertools.count(1)
        directory = Directory(self.table, _NoVault(), lambda: f"secret-{next(numbers)}")  # type: ignore[arg-type]
        settings = Settings(
            roles=(OwnRole(role, OWN[role], {"name": role}),),
            table="memory",
            broadcasts_queue_url="https://queue/broadcasts",
            kms_key_id="key",
            freshness=timedelta(seconds=freshness),
        )
        self.node = make_node(
            settings, self.table, self.clock, directory=directory, queues=queues, client=self.partners
        )

    def new_limit(self) -> ConcurrencyLimit:
        """The concurrency limit of another process."""
        return ConcurrencyLimit(lambda: self.clock().timestamp())

    # -- events

    def join(self, partner: Partner) -> Partner:
        """Register a partner, handle the stream and run its catch-up."""
        saved = self.node.directory.save(partner)
        self.stream()
        self.catch_up()
        return saved

    def put_tariff(
        self, tariff_id: str = "T1", owner: Party | None = None, source: str = "", **fields: Any
    ) -> Ref:
        self.clock.forward(0.01)
        owner = owner or OWN["CPO"]
        document = {**tariff(owner, tariff_id), "last_updated": format_datetime(self.clock()), **fields}
        ref = Ref("tariffs", *owner, tariff_id)
        write = Write(JsonText(write_json(document)), document["last_updated"])
        self.node.objects.change(
            ref, lambda _: write, partition=self._list("tariffs", owner, source), source=source
        )
        return ref

    def delete_tariff(self, ref: Ref) -> None:
        self.clock.forward(0.01)
        self.node.objects.change(ref, lambda _: Remove(), partition="tariffs#PT*ABC", source="")

    def put_location(
        self,
        location_id: str = "L1",
        evses: int = 2,
        owner: Party | None = None,
        source: str = "",
        **fields: Any,
    ) -> Ref:
        self.clock.forward(0.01)
        owner = owner or OWN["CPO"]
        now = format_datetime(self.clock())
        document = {**location(owner, location_id), "last_updated": now, **fields}
        children = [{**evse(f"E{number}"), "last_updated": now} for number in range(evses)]
        ref = Ref("locations", *owner, location_id)
        partition = self._list("locations", owner, source, is_hidden("locations", document))
        write = WriteLocation(document, children)
        self.node.locations.change(ref, lambda _: write, partition=partition, source=source)
        return ref

    def put_evse(self, ref: Ref, uid: str = "E0", source: str = "", **fields: Any) -> None:
        self.clock.forward(0.01)
        write = WriteEvse({**evse(uid), "last_updated": format_datetime(self.clock()), **fields})
        self.node.locations.change_evse(ref, uid, lambda *_: write, source=source)

    def put_token(
        self,
        uid: str = "A1",
        token_type: str = "RFID",
        owner: Party | None = None,
        source: str = "",
        **fields: Any,
    ) -> Ref:
        self.clock.forward(0.01)
        owner = owner or OWN["EMSP"]
        now = format_datetime(self.clock())
        document = {**token(owner, uid, token_type), "last_updated": now, **fields}
        ref = Ref("tokens", *owner, uid, token_type)
        write = Write(JsonText(write_json(document)), now)
        self.node.objects.change(
            ref, lambda _: write, partition=self._list("tokens", owner, source), source=source
        )
        return ref

    def _list(self, module: str, owner: Party, source: str, hidden: bool = False) -> str:
        return partition_for_received(module, hidden) if source else partition_for_own(module, owner, hidden)

    # -- workers

    def stream(self) -> None:
        """Handle every record of the stream."""
        while self.dynamodb.stream:
            records = [self.dynamodb.stream.popleft() for _ in range(min(100, len(self.dynamodb.stream)))]
            assert outbox.handle_stream(self.node, records) == {"batchItemFailures": []}

    def work(self, lane: Lane = Lane.LIVE, limit: ConcurrencyLimit | None = None) -> list[Record]:
        """Handle one batch of messages. Returns those that are retried."""
        queue = self.queue if lane is Lane.LIVE else self.catch_ups
        limit = limit or (self.limit if lane is Lane.LIVE else self.catch_up_limit)
        records = queue.receive()
        answer = broadcasts.handle_messages(self.node, records, limit, lane=lane)
        queue.finish(records, answer)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [record for record in records if record["messageId"] in failed]

    def catch_up(self) -> None:
        """Run the queued steps of catch-ups, without pushing."""
        while steps := self.catch_ups.take(lambda body: "what" in body):
            for step in steps:
                run_step(self.node, CatchUp.model_validate(step))

    def settle(self, seconds: float = 0.0) -> None:
        """Run every worker until all is done that is due within some seconds."""
        deadline = self.clock() + timedelta(seconds=seconds)
        while True:
            self.stream()
            while self._work_all():
                self.stream()
            if self.clock() >= deadline:
                return
            self.clock.forward(0.5)

    def _work_all(self) -> bool:
        """Handle a batch of each queue. Returns whether there was one."""
        handled = False
        for lane, queue in {Lane.LIVE: self.queue, Lane.CATCH_UP: self.catch_ups}.items():
            limit = self.limit if lane is Lane.LIVE or queue is self.queue else self.catch_up_limit
            if records := queue.receive():
                answer = broadcasts.handle_messages(self.node, records, limit, lane=lane)
                queue.finish(records, answer)
                handled = True
        return handled

    # -- results

    def delivery(self, partner_id: str, ref: Ref) -> Delivery:
        return read_delivery(self.table.get(key_of(partner_id, ref.key.pk)))

    def partner(self, partner_id: str) -> Partner:
        found = self.node.directory.get(partner_id)
        assert found
        return found

    def held(self, partner_id: str, ref: Ref) -> Document | None:
        key = (ref.module, *map(fold, (ref.country_code, ref.party_id, ref.id)))
        return self.partners.held.get(partner_id, {}).get(key)

    def stored(self, ref: Ref) -> Document | None:
        if ref.module == "locations":
            text = self.node.locations.get(ref)
        else:
            found = self.node.objects.get(ref)
            text = found.body if found else None
        return read_json(str(text)) if text else None


def partner(role: str | Sequence[str] = "EMSP", partner_id: str = "one", **fields: Any) -> Partner:
    """A registered partner with every RECEIVER interface; its party is made from its id."""
    roles = [role] if isinstance(role, str) else list(role)
    party = Party("PT", partner_id[:3].upper())
    made: Mapping[str, Any] = {
        "versions_url": f"https://{partner_id}.example/versions",
        "version": "2.2.1",
        "endpoints": tuple(
            Endpoint(identifier=module, role="RECEIVER", url=f"https://{partner_id}.example/{module}")
            for module in ("tariffs", "locations", "tokens")
        ),
        "outbound_token": f"token-of-{partner_id}",
        "held_tokens": (HeldToken(fingerprint=f"print-{partner_id}", kind="C"),),
        **fields,
    }
    return make_partner(partner_id, *((each, party) for each in roles), **made)


def broadcast(ref: Ref, partner_id: str = "one", **fields: Any) -> Broadcast:
    """A message about a whole object."""
    made = {"sk": "#", "cause": "test", **fields}
    return Broadcast(partner_id=partner_id, module=ref.module, pk=ref.key.pk, ref=str(ref), **made)


def tariff(owner: Party, tariff_id: str) -> Document:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": tariff_id,
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
        "last_updated": "2026-03-01T12:00:00Z",
    }


def token(owner: Party, uid: str, token_type: str) -> Document:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": token_type,
        "contract_id": "C1",
        "issuer": "Evia",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": "2026-03-01T12:00:00Z",
    }


def location(owner: Party, location_id: str) -> Document:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": location_id,
        "publish": True,
        "address": "Rua 1",
        "last_updated": "2026-03-01T12:00:00Z",
    }


def evse(uid: str) -> Document:
    return {"uid": uid, "status": "AVAILABLE", "last_updated": "2026-03-01T12:00:00Z"}


def refuse(http_status: int = 200, status_code: int = 2001, message: str | None = None) -> Fault:
    return lambda sent: PartnerRefusal(
        f"answered {status_code}", http_status=http_status, status_code=status_code, status_message=message
    )


def break_down(sent: Sent) -> Exception:
    return PartnerFault("answered with HTTP 500", http_status=500)


def reject_token(sent: Sent) -> Exception:
    return PartnerFault("our token is not accepted", http_status=401, not_connected=True)


def stay_silent(sent: Sent) -> Exception:
    return PartnerFault("did not answer in time", timed_out=True)
