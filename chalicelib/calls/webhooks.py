"""Webhooks: calls of this node to the operator's own systems, to notify or to ask them.

A webhook is a URL of the operator with the events that it receives. Each call is a POST of
`{"type", "timestamp", "data"}`, signed as in Standard Webhooks. The signature lets the receiver check the
sender and reject replays. The message id lets it recognise repeated calls. The secret is shown once, when
the webhook is created, and stored encrypted.

The URL belongs to the operator, so it may have a private IP address, as a CSMS often does. It must be
https, except on loopback in the sandbox, and must not be a metadata address.

Source: https://www.standardwebhooks.com, version 1.0; docs/design.md, A command
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.log import log
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import ABSENT
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.table import Item, Key, Table

if TYPE_CHECKING:
    from chalicelib.node import Node

_WEBHOOKS = "webhooks"


@dataclass(frozen=True)
class Webhook:
    """One webhook. sealed_secret: its secret, encrypted by `Directory.seal`."""

    name: str
    url: str
    events: tuple[str, ...]
    sealed_secret: str
    last_updated: str

    def to_item(self) -> Item:
        """Make the item for the table."""
        return {
            "pk": _WEBHOOKS,
            "sk": self.name,
            "url": self.url,
            "events": list(self.events),
            "sealed_secret": self.sealed_secret,
            "last_updated": self.last_updated,
        }


def webhook_key(name: str) -> Key:
    """Key of a webhook's item."""
    return Key(_WEBHOOKS, name)


def read_webhook(item: Item) -> Webhook:
    """Make a webhook from its item."""
    return Webhook(
        item["sk"], item["url"], tuple(item["events"]), item["sealed_secret"], item["last_updated"]
    )


def read_webhooks(table: Table) -> list[Webhook]:
    """Read all webhooks, sorted by name: one call."""
    return [read_webhook(item) for item in table.query_all("#pk = :pk", {"pk": _WEBHOOKS})]


def make_secret(token: str) -> str:
    """Make a signing secret in the format of Standard Webhooks. token: a random secret."""
    return "whsec_" + base64.b64encode(token.encode()).decode()


def notify(
    node: Node, webhook: Webhook, event: str, message_id: str, data: Mapping[str, Any], *, total_s: float
) -> Any:
    """Send an event to a webhook. Returns the JSON of its answer, None when the answer is not JSON.

    message_id: the same for each try. total_s: seconds until the whole answer has arrived.
    Raises: WebhookFailed.
    """
    now = node.clock()
    body = write_json({"type": event, "timestamp": format_datetime(now), "data": data})
    secret = node.directory.unseal(webhook.sealed_secret)
    return node.webhooks.post(webhook.url, secret, message_id, now, body, total_s)


def notify_all(
    node: Node,
    event: str,
    message_id: str,
    data: Mapping[str, Any],
    *,
    total_s: float,
    has_it: Collection[str] = (),
) -> dict[str, str | None]:
    """Send an event to every webhook for it, all in parallel.

    has_it: names of webhooks that are left out, because they have the event. Returns the reason of each
    failure by the name of the webhook, None for a success.
    """
    webhooks = [
        known for known in read_webhooks(node.table) if event in known.events and known.name not in has_it
    ]

    def send(webhook: Webhook) -> str | None:
        try:
            notify(node, webhook, event, message_id, data, total_s=total_s)
        except WebhookFailed as failure:
            return str(failure)
        return None

    with ThreadPoolExecutor(max(len(webhooks), 1), thread_name_prefix="webhook") as pool:
        reasons = list(pool.map(send, webhooks))
    return {webhook.name: reason for webhook, reason in zip(webhooks, reasons, strict=True)}


def ask(node: Node, event: str, message_id: str, data: Mapping[str, Any], *, total_s: float) -> Any:
    """Send an event to the first webhook for it. Returns the JSON of its answer, None when it is not JSON.

    Returns ABSENT when there is no such webhook, or it does not answer 2xx in time.
    """
    webhook = next((known for known in read_webhooks(node.table) if event in known.events), None)
    if webhook is None:
        return ABSENT
    try:
        return notify(node, webhook, event, message_id, data, total_s=total_s)
    except WebhookFailed as failure:
        log.warning("a webhook call failed", extra={"webhook": webhook.name, "reason": str(failure)})
        return ABSENT
