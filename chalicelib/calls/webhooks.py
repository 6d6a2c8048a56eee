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
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook as Signer

from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.calls.connections import Connections
from chalicelib.calls.urls import Unresolvable, UrlPolicy, split_url
from chalicelib.errors import BadJson, InvalidParameters
from chalicelib.log import log
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import ABSENT
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.table import Item, Key, Table

if TYPE_CHECKING:
    from chalicelib.node import Node

COMMAND, AUTHORIZE, RECONCILIATION = "command", "authorize", "reconciliation"
ROLES_PENDING = "partner_roles_pending"
EVENTS = (COMMAND, AUTHORIZE, RECONCILIATION, ROLES_PENDING)
"""The events: a command for the CSMS; a token to authorize, where the answer decides; a CDR of the hub that
differs from the node's own; roles of a partner that wait for approval."""

_WEBHOOKS = "webhooks"
_CONNECT_S = 3.0


class WebhookFailed(Exception):
    """Error for a webhook that could not be reached or did not answer 2xx; the text has the reason."""


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


class WebhookSender:
    """HTTP client for webhooks; safe for threads."""

    def __init__(self, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._policy = UrlPolicy(allow_loopback, allow_private=True)
        self._connections = Connections()

    def check(self, url: str, field: str) -> None:
        """Check the text of a URL. Its host name is resolved and its IP addresses are checked at each call.

        Raises: InvalidParameters when the policy refuses the URL.
        """
        policy = UrlPolicy(self._allow_loopback, resolve=lambda *_, **__: (), allow_private=True)
        with suppress(Unresolvable):
            policy.check(url, field=field)

    def post(self, url: str, secret: str, message_id: str, now: datetime, body: str, total_s: float) -> Any:
        """POST a signed message. Returns the JSON of the answer, None when the answer is not JSON.

        Raises: WebhookFailed.
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ocpi-serverless",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(secret).sign(message_id, now, body),
        }
        answer = self._post(url, headers, body.encode(), time.monotonic() + total_s)
        if not 200 <= answer.http_status < 300:
            raise WebhookFailed(f"answered HTTP {answer.http_status}")
        try:
            return read_json(answer.body)
        except BadJson:
            return None

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> RawAnswer:
        left = min(_CONNECT_S, deadline - time.monotonic())
        try:
            target = self._policy.check(url, timeout_s=left)
            _, path = split_url(url)
            return self._connections.request(
                target, "POST", path, headers, body, connect_s=_CONNECT_S, deadline=deadline
            )
        except InvalidParameters as error:
            raise WebhookFailed(error.detail) from error
        except PartnerFault as fault:
            raise WebhookFailed(fault.reason) from fault
