"""Network of nodes that send each other commands.

The nodes run their real code on moto. A request goes to the other node by a function call, without HTTP.
The commands queue is in memory and follows the test clock, so a deadline comes when a test moves the clock.
The CSMS is a fake webhook. Tests with real HTTP are in tests/flows.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.async_requests.objects import AsyncRequest
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.worker import handle_messages
from chalicelib.calls.answers import RawAnswer, judge
from chalicelib.calls.client import Exchange
from chalicelib.calls.urls import Target, split_url
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import Webhook
from chalicelib.modules.commands import receiver, sender
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.registry import async_kinds, offers
from chalicelib.modules.versions import routes as versions
from chalicelib.node import Node
from chalicelib.partners.directory import Endpoint
from chalicelib.policy.received_parties import remember_owners
from chalicelib.policy.visibility import partition_for_own, partition_for_received
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.queues import Queues
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteLocation
from chalicelib.storage.objects import Write
from chalicelib.versions.supported import CANONICAL
from infra import resources
from tests.harness.account import Account
from tests.harness.nodes import Answer, Clock, DirectClient, Host, make_network
from tests.harness.partners import register
from tests.modules import builders
from tests.modules.builders import T0, evse

ABC, MOB, EVI, XYZ = Party("PT", "ABC"), Party("PT", "MOB"), Party("PT", "EVI"), Party("PT", "XYZ")
PARTIES = {"cpo": ("CPO", ABC), "hub": ("HUB", MOB), "emsp": ("EMSP", EVI), "other": ("EMSP", XYZ)}
INTERFACES = (receiver.INTERFACE, sender.INTERFACE, versions.INTERFACE)

_COMMANDS_QUEUE = resources.read_template()["Resources"]["Commands"]["Properties"]
MOST_RECEIVES = _COMMANDS_QUEUE["RedrivePolicy"]["maxReceiveCount"]

_PREFIX = "commands#*#"

Fault = Callable[[str, str], RawAnswer | Exception | None]
"""Fault of a call, by method and URL: an answer to return, an error to raise, or None for the real call."""


@dataclass
class CommandsQueue:
    """Fake of botocore's SQS client for a standard queue, with the methods that `Queues` uses."""

    clock: Clock
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    is_broken: bool = False
    breaks_after: int | None = None

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if self.is_broken or self.breaks_after == 0:
            return {"Failed": list(Entries)}
        self.breaks_after = None if self.breaks_after is None else self.breaks_after - 1
        for entry in Entries:
            name = f"message-{next(self.numbers)}"
            visible_at = self.clock().timestamp() + entry["DelaySeconds"]
            self.waiting[name] = {"body": entry["MessageBody"], "visible_at": visible_at, "count": 0}
        return {}

    def change_message_visibility_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> None:
        for entry in Entries:
            visible_at = self.clock().timestamp() + entry["VisibilityTimeout"]
            self.waiting[entry["ReceiptHandle"]]["visible_at"] = visible_at

    def receive(self) -> list[dict[str, Any]]:
        now = self.clock().timestamp()
        due = [(name, m) for name, m in self.waiting.items() if m["visible_at"] <= now][:10]
        for name, message in due:
            message["count"] += 1
            if message["count"] > MOST_RECEIVES:
                self.dead.append(self.waiting.pop(name)["body"])
        due = [(name, message) for name, message in due if name in self.waiting]
        return [
            {
                "messageId": name,
                "receiptHandle": name,
                "body": message["body"],
                "attributes": {"ApproximateReceiveCount": str(message["count"])},
            }
            for name, message in due
        ]

    def tasks(self) -> list[str]:
        """Kinds of the waiting tasks, such as `DEADLINE`."""
        return [json.loads(message["body"])["what"] for message in self.waiting.values()]


@dataclass
class Csms:
    """Fake CSMS that receives commands by webhook. failures: number of calls that it still fails.

    meeting: barrier where calls wait for each other, for a test of parallel calls.
    """

    received: list[Document] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    failures: int = 0
    meeting: threading.Barrier | None = None

    def check(self, url: str, field: str) -> None:
        pass

    def post(self, url: str, secret: str, message_id: str, now: Any, body: str, total_s: float) -> Any:
        if self.meeting is not None:
            self.meeting.wait(timeout=5)
        if self.failures:
            self.failures -= 1
            raise WebhookFailed("answered HTTP 500")
        self.ids.append(message_id)
        self.received.append(read_json(body)["data"])
        return None


class WiredClient(DirectClient):
    """The real client, except that a request goes straight to the node of the URL's host."""

    faults: list[Fault]
    requests: list[tuple[str, str, dict[str, str], Any]]

    def _check(self, url: str, deadline: float) -> Target:
        return Target(url, split_url(url)[0], ("192.0.2.1",))

    def _call(self, target: Target, url: str, headers: dict[str, str], exchange: Exchange, *_: Any) -> Any:
        method, document = exchange.method, exchange.document
        text = document if isinstance(document, str) else write_json(document)
        lower = {name.lower(): value for name, value in headers.items()} | {
            "content-type": "application/json"
        }
        self.requests.append((method, url, lower, read_json(str(text))))
        for fault in self.faults:
            outcome = fault(method, url)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is not None:
                return judge(outcome)
        public, path = url[: url.index("/", 8)], url[url.index("/", 8) :]
        return judge(self._hosts[public].receive(method, path, lower, str(text)).raw)


@dataclass
class Member:
    """One node of the network."""

    name: str
    host: Host
    clock: Clock
    queue: CommandsQueue
    csms: Csms
    client: WiredClient

    @property
    def node(self) -> Node:
        return self.host.node

    def call(
        self,
        caller: Member,
        method: str,
        path: str,
        document: object,
        *,
        version: str = CANONICAL,
        **headers: str,
    ) -> Answer:
        """Send a request of another member to a path below `/ocpi/{version}`."""
        token = token_at(caller, self)
        return self.host.call(method, f"/ocpi/{version}{path}", token, document, **headers)

    def command(self, command_id: str) -> AsyncRequest:
        found = AsyncRequests(self.node, COMMAND).find(command_id)
        assert found
        return found

    def commands(self) -> list[AsyncRequest]:
        """All commands of this node, in any order."""
        items = self.node.table._client.scan(TableName=self.node.table.name)["Items"]
        keys = [item["pk"]["S"] for item in items]
        return [self.command(key.removeprefix(_PREFIX)) for key in keys if key.startswith(_PREFIX)]

    def the_command(self) -> AsyncRequest:
        (command,) = self.commands()
        return command

    def sent(self, part: str) -> list[tuple[str, dict[str, str], Any]]:
        """URL, headers and body of the requests that this node sent to URLs with this part."""
        return [(url, headers, body) for _, url, headers, body in self.client.requests if part in url]


class Network:
    """Network of one or more of a CPO, a hub, an eMSP and another eMSP."""

    def __init__(self, account: Account, number: int, *names: str) -> None:
        roles = {f"{name}{number}": PARTIES[name][0] for name in names}
        hosts = make_network(account, INTERFACES, **roles)
        self.members = {name: self._member(name, hosts[f"{name}{number}"]) for name in names}

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def _member(self, name: str, host: Host) -> Member:
        clock = host.node.clock
        assert isinstance(clock, Clock)
        queue, csms = CommandsQueue(clock), Csms()
        old = host.node.client
        assert isinstance(old, DirectClient)
        wired = WiredClient(host.node.directory, host.node.new_id, old._hosts)
        wired.faults, wired.requests = [], []
        own = host.node.settings.roles[0]
        settings = replace(host.node.settings, roles=(replace(own, party=PARTIES[name][1]),))
        host.node = replace(
            host.node,
            settings=settings,
            client=wired,
            queues=Queues(queue, "broadcasts", "commands"),
            webhooks=csms,  # type: ignore[arg-type]
        )
        return Member(name, host, clock, queue, csms, wired)

    def link(self, one: str, other: str) -> None:
        """Register two nodes at each other."""
        _register(self[one], self[other])
        _register(self[other], self[one])

    def run_due(self, seconds: float = 0) -> None:
        """Run all tasks that are due within so many seconds."""
        for _ in range(int(seconds) + 1):
            while sum(self._work(member) for member in self.members.values()):
                pass
            if seconds:
                for member in self.members.values():
                    member.clock.forward(seconds=1)

    def _work(self, member: Member) -> bool:
        """Handle the due messages one by one, because moto loses parallel writes of threads."""
        records = member.queue.receive()
        for record in records:
            if not handle_messages(member.node, async_kinds(), [record])["batchItemFailures"]:
                del member.queue.waiting[record["messageId"]]
        return bool(records)


def token_at(caller: Member, node: Member) -> str:
    return f"token-of-{caller.name}-at-{node.name}"


def _register(node: Member, partner: Member) -> None:
    role, party = PARTIES[partner.name]
    public = partner.node.settings.public_url
    register(
        node.node,
        partner.name,
        (role, party),
        token=token_at(partner, node),
        versions_url=f"{public}/ocpi/versions",
        version=CANONICAL,
        endpoints=tuple(
            Endpoint(identifier=o.identifier, role=o.role, url=f"{public}/ocpi/{CANONICAL}{o.path}")
            for o in offers([role], CANONICAL)
        ),
        outbound_token=node.node.directory.seal(token_at(node, partner)),
    )


# -- locations, sessions and commands ----------------------------------------------------------------


def keep_location(member: Member, location_id: str = "L1", source: str = "", *evses: Document) -> None:
    """Store a location of the CPO. source: the partner that it came from, "" for the node's own."""
    document = builders.location(id=location_id)
    children = list(evses) or [evse()]
    header = {name: value for name, value in document.items() if name != "evses"}
    ref = Ref("locations", *ABC, location_id)
    partition = partition_for_received("locations") if source else partition_for_own("locations", ABC)
    write = WriteLocation(header, children)
    member.node.locations.change(ref, lambda _: write, partition=partition, source=source)
    if source:
        remember_owners(member.node.table, [ref])


def keep_session(member: Member, partition: str, source: str = "", **fields: Any) -> None:
    """Store a session of the CPO in a partition."""
    document = {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "S1",
        "status": "ACTIVE",
        "last_updated": T0,
        **fields,
    }
    write = Write(JsonText(write_json(document)), T0)
    ref = Ref("sessions", *ABC, document["id"])
    member.node.objects.change(ref, lambda _: write, partition=partition, source=source)
    if source:
        remember_owners(member.node.table, [ref])


def add_webhook(member: Member, name: str = "csms") -> None:
    """Add a webhook for commands to a node."""
    webhook = Webhook(
        name, "https://csms.example/", (COMMAND.event,), member.node.directory.seal("whsec_c2VjcmV0"), T0
    )
    member.node.table.put(webhook.to_item())


def token(**fields: Any) -> Document:
    """APP_USER token of PT/EVI that was never pushed to a partner."""
    return builders.token(**{"party_id": "EVI", "uid": "APP-1", "type": "APP_USER", **fields})


def start(member: Member, response_id: str = "1", **fields: Any) -> Document:
    """START_SESSION with a response_url of a member."""
    return {
        "response_url": response_url(member, "START_SESSION", response_id),
        "token": token(),
        "location_id": "L1",
        "evse_uid": "E1",
        **fields,
    }


def response_url(member: Member, command: str = "START_SESSION", response_id: str = "1") -> str:
    return f"{member.node.settings.public_url}/ocpi/{CANONICAL}/sender/commands/{command}/{response_id}"
