"""A node in memory and partners that have lists, for the tests of pulls.

Table, background queue and stores are the node's own code on memory; only HTTP is canned. A partner answers
as a real one would, byte for byte, so its answer is judged as always. Time passes when a test lets it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib.background import handle_messages
from chalicelib.calls.answers import PartnerFault, RawAnswer, judge
from chalicelib.calls.client import Exchange
from chalicelib.partners.directory import Directory, Endpoint, Partner
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.pulling import registrations, schedule
from chalicelib.pulling.objects import Cause, Pull
from chalicelib.pulling.starting import Wanted, start_pulls
from chalicelib.pulling.store import read_pulls
from chalicelib.pushing import liveness
from chalicelib.queues import Queues
from chalicelib.settings import OwnRole, Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Table
from tests.harness.nodes import PARTIES, Clock, make_node
from tests.harness.partners import make_partner
from tests.harness.standard_queue import StandardQueue
from tests.modules import builders
from tests.pushing.memory_aws import MemoryDynamoDb, MemoryQueue, MemorySqs

MODULES = ("locations", "tariffs", "tokens", "sessions", "cdrs")
CPO = Party("DE", "CPX")
EMSP = Party("DE", "FKZ")
HUB = Party("DE", "HBX")


def raw(
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    http_status: int = 200,
    status_code: int = 1000,
) -> RawAnswer:
    """An answer with an envelope."""
    envelope = {"status_code": status_code, "timestamp": "2026-03-01T12:00:00Z", "data": data}
    return raw_text(write_json(envelope), headers, http_status)


def raw_text(body: str, headers: Mapping[str, str] | None = None, http_status: int = 200) -> RawAnswer:
    """An answer with any body."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return RawAnswer(http_status, lower, body.encode(), timedelta())


class PartnerLists:
    """Replacement of `OcpiClient` in which partners answer GETs of their lists.

    objects: the lists, by (partner, module). answers: what a partner answers instead, for the next calls of a
    list; None among them is the proper answer. seconds: how long each call takes. asked: (partner, module,
    query) of each call.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[tuple[str, str], list[Any]] = {}
        self.answers: dict[tuple[str, str], list[RawAnswer | None]] = {}
        self.page = 100
        self.seconds = 0.0
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.exchanges: list[Exchange] = []

    def follow(self, partner: Partner, module: str, role: str, url: str, exchange: Exchange) -> Any:
        assert role == "SENDER"
        self.clock.forward(self.seconds)
        query = dict(parse_qsl(urlsplit(url).query))
        self.asked.append((partner.id, module, query))
        self.exchanges.append(exchange)
        if not url.startswith(f"https://{partner.id}.example/"):
            raise PartnerFault("gave a URL on another host, where our token is not sent")
        waiting = self.answers.get((partner.id, module))
        answer = waiting.pop(0) if waiting else None
        return judge(answer or self._page(partner.id, module, query))

    def probe(self, partner: Partner, **options: Any) -> None:
        raise PartnerFault("does not accept connections", not_connected=True)

    def _page(self, partner_id: str, module: str, query: Mapping[str, str]) -> RawAnswer:
        objects = [
            each
            for each in self.objects.get((partner_id, module), [])
            if not isinstance(each, dict) or each.get("last_updated", "z") >= query.get("date_from", "")
        ]
        offset = int(query.get("offset", 0))
        end = offset + min(self.page, int(query.get("limit", self.page)))
        headers = {"X-Total-Count": str(len(objects))}
        if end < len(objects):
            following = "&".join(f"{name}={value}" for name, value in {**query, "offset": str(end)}.items())
            headers["Link"] = f'<https://{partner_id}.example/{module}?{following}>; rel="next"'
        return raw(objects[offset:end], headers)

    def of(self, partner_id: str, module: str) -> list[dict[str, str]]:
        """The queries of a partner's list, in their order."""
        return [query for who, what, query in self.asked if (who, what) == (partner_id, module)]


class _NoVault:
    def seal(self, secret: str) -> str:
        return secret

    def open(self, sealed: str) -> str:
        return sealed


class World:
    """A node in one role, with its table, background queue, clock and partners."""

    def __init__(self, role: str = "EMSP") -> None:
        self.clock = Clock()
        self.dynamodb = MemoryDynamoDb()
        self.table = Table(self.dynamodb, "memory")
        self.queue = StandardQueue(self.clock)
        self.partners = PartnerLists(self.clock)
        pushes = MemoryQueue(self.clock)
        sqs = MemorySqs({"https://queue/pushes": pushes, "https://queue/background": self.queue})  # type: ignore[dict-item]
        secrets, ids = itertools.count(1), itertools.count(1)
        directory = Directory(self.table, _NoVault(), lambda: f"secret-{next(secrets)}")  # type: ignore[arg-type]
        settings = Settings(
            roles=(OwnRole(role, PARTIES[role], {"name": role}),),
            table="memory",
            broadcasts_queue_url="https://queue/pushes",
            kms_key_id="key",
        )
        self.node = make_node(
            settings, self.table, self.clock, directory=directory,
            queues=Queues(sqs, "https://queue/pushes", background_url="https://queue/background"),
            client=self.partners, new_id=lambda: f"id-{next(ids)}",
        )  # fmt: skip

    # -- events

    def join(self, partner_id: str, *roles: tuple[str, Party], **fields: Any) -> Partner:
        """Register a partner that offers every list."""
        endpoints = tuple(
            Endpoint(identifier=module, role="SENDER", url=f"https://{partner_id}.example/{module}")
            for module in fields.pop("modules", MODULES)
        )
        return self.node.directory.save(make_partner(partner_id, *roles, endpoints=endpoints, **fields))

    def stream(self) -> None:
        """Handle the records of the stream."""
        records = list(self.dynamodb.stream)
        self.dynamodb.stream.clear()
        registrations.note_partners(self.node, records)

    def start(self, partner_id: str, *modules: str, full: bool = False, **fields: Any) -> list[Pull]:
        """Start pulls as the operator does."""
        wanted = Wanted(self.node.new_id(), Cause.OPERATOR, modules, full=full, **fields)
        return start_pulls(self.node, self.partner(partner_id), wanted)

    def work(self) -> int:
        """Handle the messages that are visible now. Returns how many there were."""
        records = self.queue.receive()
        self.queue.settle(records, handle_messages(self.node, records))
        return len(records)

    def settle(self, most: int = 500) -> None:
        """Handle messages, and let time pass until the next one is visible, until there is none."""
        for _ in range(most):
            if not len(self.queue):
                return
            if not self.work():
                self.clock.forward(max(min(self.queue.delays), 1))
        raise AssertionError(f"messages are left: {self.queue.bodies}")

    def tick(self) -> None:
        """Run the timer of the partners."""
        partners = self.node.directory.all()
        schedule.run(self.node, partners)
        liveness.run(self.node, partners)

    # -- what there is

    def partner(self, partner_id: str) -> Partner:
        found = self.node.directory.get(partner_id)
        assert found is not None
        return found

    def pull(self, partner_id: str, module: str) -> Pull:
        return read_pulls(self.table, partner_id)[module]

    def stored(self, module: str) -> dict[str, Any]:
        """The stored objects of a module, by id."""
        objects = [read_json(item["body"]) for item in self._items(module)]
        return {each["uid" if module == "tokens" else "id"]: each for each in objects}

    def _items(self, module: str) -> Sequence[Any]:
        rows = [key for key in self.dynamodb.items if key[0].startswith(f"{module}#") and key[1] == "#"]
        return [item for key in rows if (item := self.table.get(Ref.parse(key[0]).key)) is not None]


def tokens(number: int, owner: Party = EMSP, start: int = 0, **fields: Any) -> list[Any]:
    """Tokens of an owner."""
    return _made(builders.token, "uid", number, owner, start, fields)


def tariffs(number: int, owner: Party = CPO, start: int = 0, **fields: Any) -> list[Any]:
    """Tariffs of an owner."""
    return _made(builders.tariff, "id", number, owner, start, fields)


def locations(number: int, owner: Party = CPO, start: int = 0, **fields: Any) -> list[Any]:
    """Locations of an owner, each with an EVSE."""
    return _made(builders.location, "id", number, owner, start, fields)


def _made(
    build: Callable[..., Any], id_name: str, number: int, owner: Party, start: int, fields: dict[str, Any]
) -> list[Any]:
    ids = {"country_code": owner.country_code, "party_id": owner.party_id}
    return [build(**{**ids, id_name: f"N{each:05}", **fields}) for each in range(start, start + number)]
