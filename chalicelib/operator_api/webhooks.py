"""Webhooks in the operator API: URLs of the operator's own systems, which this node notifies of events.

The secret that signs the calls is shown once, in the answer that creates the webhook. To get a new secret,
delete the webhook and create it again.

Source: https://www.standardwebhooks.com; docs/design.md, A command
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from chalicelib.calls.webhooks import Webhook, make_secret, read_webhook, read_webhooks, webhook_key
from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.registry import webhook_events
from chalicelib.node import Node
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import OcpiObject, closed_enum, format_datetime, validate
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Conflict

_LIST = "/webhooks"
_ONE = f"{_LIST}/{{name}}"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

Event: Any = closed_enum("the events that there are", " ".join(webhook_events()))


class WantedWebhook(OcpiObject):
    """The body of a PUT: the URL to call, and the events to send to it."""

    model_config = ConfigDict(extra="forbid")
    url: Annotated[str, StringConstraints(strict=True, min_length=1)]
    events: Annotated[list[Event], Field(min_length=1)]


def list_webhooks(call: OperatorCall) -> Reply:
    """List all webhooks, without their secrets."""
    return whole_list_reply(call.request, [show(webhook) for webhook in read_webhooks(call.node.table)])


def get_webhook(call: OperatorCall) -> Reply:
    """One webhook, without its secret."""
    return Reply(data=show(_find(call.node, _name(call.request))))


def put_webhook(call: OperatorCall) -> Reply:
    """Create a webhook, or change its URL and events. Only the answer to its creation has the secret."""
    name = _name(call.request)
    wanted = validate(WantedWebhook, call.request.json_object())
    call.node.webhooks.check(wanted.url, field="url")
    known = call.node.table.get(webhook_key(name))
    webhook = Webhook(
        name=name,
        url=wanted.url,
        events=tuple(dict.fromkeys(wanted.events)),
        sealed_secret=known["sealed_secret"] if known else "",
        last_updated=format_datetime(call.node.clock()),
    )
    if known:
        call.node.table.put(webhook.to_item(), "#sealed_secret = :known", {"known": webhook.sealed_secret})
        return Reply(data=show(webhook))
    secret = make_secret(call.node.directory.new_token())
    webhook = replace(webhook, sealed_secret=call.node.directory.seal(secret))
    call.node.table.put(webhook.to_item(), "attribute_not_exists(#pk)")
    return Reply(data={**show(webhook), "secret": secret}, http_status=201)


def delete_webhook(call: OperatorCall) -> Reply:
    """Delete a webhook."""
    name = _name(call.request)
    try:
        call.node.table.delete(webhook_key(name), "attribute_exists(#pk)")
    except Conflict as error:
        raise NotFound("unknown webhook") from error
    return Reply(http_status=204)


def show(webhook: Webhook) -> dict[str, Any]:
    """A webhook as the operator may see it, without its secret."""
    return {
        "name": webhook.name,
        "url": webhook.url,
        "events": list(webhook.events),
        "last_updated": webhook.last_updated,
    }


def _find(node: Node, name: str) -> Webhook:
    item = node.table.get(webhook_key(name))
    if item is None:
        raise NotFound("unknown webhook")
    return read_webhook(item)


def _name(request: Request) -> str:
    name = request.path["name"]
    if not _NAME.fullmatch(name):
        text = "expected 1 to 40 lower case letters, digits, - or _"
        if request.method == "GET":
            raise NotFound(text)
        raise InvalidParameters(text, field="name")
    return name


ROUTES = (
    OperatorRoute("GET", _LIST, list_webhooks),
    OperatorRoute("GET", _ONE, get_webhook),
    OperatorRoute("PUT", _ONE, put_webhook),
    OperatorRoute("DELETE", _ONE, delete_webhook),
)
