"""A request that a partner sent, as its module sees it: checks, the decision on it, and the answers to it.

A repeated request is recognised by its claims (by X-Request-ID and by response_url) and by the digest of its
content. The partner is an attribute of a claim and not a part of its key. So claims are read together with
the caller's token, before the caller is known.

The timeout in the answer is a little longer than the time that the CSMS has. So the result of a request that
timed out reaches the sender before the sender stops waiting.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; TRN-20, CMD-03, CMD-05, CMD-07, CMD-18, TRP-23
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.async_requests.objects import ACCEPTED, AsyncKind, AsyncRequest, Direction, Response
from chalicelib.calls.client import belongs_to
from chalicelib.calls.urls import UrlPolicy
from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import ABSENT, Party, Reply
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.table import Key

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.errors import OcpiError
    from chalicelib.partners.directory import Partner
    from chalicelib.routes import Call
    from chalicelib.storage.table import Item

TIMEOUT_MARGIN = timedelta(seconds=5)
"""Added to the time of the CSMS to give the timeout that is answered to the sender."""

REPEATED_REQUEST = timedelta(days=1)
"""Time in which the same X-Request-ID means the same request."""

REPEATED_URL = timedelta(minutes=5)
"""Time in which the same response_url means the same request."""


class RequestClaim(NamedTuple):
    """A key by which a repeated request is recognised. lasts: for how long.

    while_open: only as long as the sender waits for an answer or a result. After that the same key and
    content mean a new request.
    """

    key: Key
    lasts: timedelta
    while_open: bool = False


def claims_of(
    kind: AsyncKind, sender: Party | None, request_id: str, response_url: str = ""
) -> tuple[RequestClaim, ...]:
    """The claims of a request: by X-Request-ID, and by response_url if it has one.

    sender: the party in the OCPI-from headers.

    Spec: a unique URL is only recommended (mod_commands_msp_post_method). So its claim is short, and under
    the same URL a request with other content, or one after the end of the first, is a new request.
    """
    name = _digest(sender.key() if sender else "", request_id)
    by_request = RequestClaim(Key(f"{kind.label}-request#{name}"), REPEATED_REQUEST)
    if not response_url:
        return (by_request,)
    by_url = Key(f"{kind.label}-url#{_digest(response_url)}")
    return by_request, RequestClaim(by_url, REPEATED_URL, while_open=True)


def digest_of(name: str, document: Mapping[str, Any]) -> str:
    """Digest of a request's content without its response_url: equal for requests with the same content."""
    return _digest(name, write_json({**document, "response_url": ""}))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Incoming:
    """A valid request that a partner sent."""

    call: Call
    name: str
    document: Mapping[str, Any]
    response_url: str
    sender: Party
    digest: str
    claims: tuple[RequestClaim, ...]

    @classmethod
    def of(
        cls,
        kind: AsyncKind,
        call: Call,
        name: str,
        document: Mapping[str, Any],
        sender: Party,
        came: Mapping[str, Any] | None = None,
    ) -> Incoming:
        """Make it from a request whose body is valid.

        document: has a response_url. sender: the sending party. came: the document before it was repaired, by
        which a repeated request is recognised, because a repair may depend on the time.
        Raises: InvalidParameters when its response_url is on another host than the caller's.
        """
        wire, response_url = call.request, document["response_url"]
        _check_response_url(call, response_url)
        claims = claims_of(kind, wire.routing.sender, wire.request_id, response_url)
        digest = digest_of(name, document if came is None else came)
        return cls(call, name, document, response_url, sender, digest, claims)

    def to_try(self, **fields: Any) -> AsyncRequest:
        """Make the request to store at the node that tries it: answered with ACCEPTED.

        The answer has the seconds until its result, which is due when the time of the CSMS is over.
        """
        node = self.call.node
        timeout_s = math.ceil((node.settings.command_time + TIMEOUT_MARGIN).total_seconds())
        body = write_json({"result": ACCEPTED, "timeout": timeout_s})
        response = Response(result=ACCEPTED, timeout=timeout_s, body=body)
        deadline = node.clock() + node.settings.command_time
        return self.new_request(Direction.RECEIVED, deadline, response=response, **fields)

    def new_request(self, direction: Direction, deadline: datetime, **fields: Any) -> AsyncRequest:
        """Make the request to store."""
        node = self.call.node
        now = format_datetime(node.clock())
        made: dict[str, Any] = {
            "id": node.new_id(),
            "name": self.name,
            "direction": direction,
            "body": write_json(self.document),
            "digest": self.digest,
            "response_url": self.response_url,
            "partner_id": self.call.caller.id,
            "sender": self.sender,
            "correlation_id": self.call.request.correlation_id,
            "received": now,
            "deadline": format_datetime(deadline),
            "last_updated": now,
            **fields,
        }
        return AsyncRequest(**made)


def _check_response_url(call: Call, url: str) -> None:
    """Check that response_url is on one of the caller's own hosts (TRP-23).

    The IP addresses of the host are checked later, when the result is posted.
    Raises: InvalidParameters when it is on another host or the URL policy refuses it.
    """
    UrlPolicy(call.node.settings.allow_loopback).check_unresolved(url, field="response_url")
    if not belongs_to(call.caller, url):
        raise InvalidParameters(
            "must be on a host (and port) of the caller's versions URL or endpoints", field="response_url"
        )


class NewRequest(NamedTuple):
    """Decision to store a request. extra_items: items to write in the same transaction.

    receiver: the partner to send it on to, at a hub.
    """

    request: AsyncRequest
    extra_items: Sequence[Item] = ()
    receiver: Partner | None = None


Decision = NewRequest | Reply
"""Decision on a request that is not repeated: store it, or refuse it with this reply."""


# -- answers -----------------------------------------------------------------------------------------


def refused(result: str, error: OcpiError | None = None) -> Reply:
    """Reply that the request will not be tried, with the error's status code and text if given (CMD-07)."""
    # Spec: `timeout` is required, also where no result follows.
    data = {"result": result, "timeout": 0}
    if error is None:
        return Reply(data=data)
    return Reply(data=data, status_code=error.status_code, status_message=str(error))


def reply_of(response: Response) -> Reply:
    """Reply with a stored answer: this node's earlier one, or the receiver's."""
    data: Any = JsonText(response.body) if response.body else ABSENT
    return Reply(data, response.http_status, response.status_code, response.status_message)
