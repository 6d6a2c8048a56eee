"""Test network: a CPO's node under a hub that makes the CDRs, and a receiver of its webhook events."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.calls.webhook_events import RECONCILIATION
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import Webhook
from chalicelib.modules.cdrs import compiler, session_changes
from chalicelib.modules.reconciliation import noted_cdrs, reconciler
from chalicelib.modules.reconciliation.entries import partition_of
from chalicelib.modules.reconciliation.noted_cdrs import DUE
from chalicelib.modules.reconciliation.verdicts import ReconciliationState
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.pagination import PageQuery
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.modules.builders import T1
from tests.modules.cdrs.world import CPO, Network


class Csms:
    """Operator's system that receives webhook events; replaces `WebhookSender`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Document]] = []
        self.away: set[str] = set()

    def post(self, url: str, secret: str, message_id: str, now: datetime, body: str, total_s: float) -> None:
        self.calls.append((url, message_id, read_json(body)))
        if url in self.away:
            raise WebhookFailed("answered HTTP 500")

    @property
    def received(self) -> list[Document]:
        return [event["data"] for _, _, event in self.calls]


class UnderHub(Network):
    """A CPO's node under a hub that makes the CDRs."""

    def __init__(self, **hub: Any) -> None:
        super().__init__("CPO")
        self.csms = Csms()
        self.node = replace(self.node, webhooks=self.csms)  # type: ignore[arg-type]
        self.world.node = self.node
        self.join("mob", "HUB", **hub)
        self.open_site()

    def watch(self, *names: str) -> None:
        for name in names:
            hook = Webhook(name, f"https://{name}.example", (RECONCILIATION,), "whsec_c2VjcmV0", T1)
            self.node.table.put(hook.to_item())

    def stream(self) -> None:
        while self.world.dynamodb.stream:
            records = list(self.world.dynamodb.stream)
            session_changes.note_sessions(self.node, records)
            noted_cdrs.note_cdrs(self.node, records)
            self.world.stream()

    def compile(self) -> Document:
        """Make our CDR. Returns the latest that is no credit CDR."""
        self.stream()
        compiler.run(self.node)
        return [cdr for cdr in self.cdrs() if not cdr.get("credit")][-1]

    def cdrs(self, offset: int = 0) -> list[Document]:
        """List our own CDRs, oldest first, a hundred at most."""
        query = PageQuery(offset=offset, limit=100)
        page = self.node.objects.page([partition_for_viewer("cdrs", CPO, None)], query)
        return [read_json(str(body)) for body in page.bodies]

    def receive(self, cdr: Document) -> None:
        """Store a CDR as the receiver does when the hub sends it."""
        ref = Ref("cdrs", *CPO, cdr["id"])
        write = Write(JsonText(write_json(cdr)), cdr["last_updated"])
        partition = partition_for_viewer("cdrs", None, None)
        self.node.objects.change(ref, lambda _: write, partition=partition, source="mob")

    def reconcile(self, after_s: float = 0) -> None:
        self.world.clock.forward(after_s)
        self.stream()
        reconciler.run(self.node)
        self.stream()

    def entries(self, *states: ReconciliationState) -> list[Document]:
        lists = [partition_of(CPO, state) for state in states or ReconciliationState]
        return [read_json(str(body)) for body in self.node.objects.page(lists, PageQuery(limit=100)).bodies]

    def entry(self) -> Document:
        (entry,) = self.entries()
        return entry

    def due(self) -> list[str]:
        return [item["sk"] for item in self.node.table.query_all("#pk = :pk", {"pk": DUE})]


def of_hub(cdr: Document, cdr_id: str = "MOB-1", **fields: Any) -> Document:
    """Build the hub's CDR of a session: equal to ours except for its id and the given fields."""
    return {**cdr, "id": cdr_id, **fields}
