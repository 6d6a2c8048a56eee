"""An asynchronous request as it is stored, and what differs between the modules that have such requests.

In OCPI some requests are answered at once (whether they will be tried) and have a result later, which is
posted to the `response_url` of the request. Commands are such requests, and charging profiles.

The direction of a request is RECEIVED (at a CPO, for its CSMS), RELAYED (at a hub) or SENT (by this node's
operator). Its state is

- PENDING: waiting for its answer or its result;
- COMPLETED: a result came in time, or at the node that sent it after it timed out;
- TIMED_OUT: no result came in time. The sender gets a result that says so;
- REFUSED: the request was not accepted, so no result will follow.

A module that has asynchronous requests describes them with an `AsyncKind` in its descriptor and names them
to `AsyncRequests.accept` (at the node that tries them) or `forwarding.relay` (at a hub). Storing, repeated
requests, delivery to the CSMS, deadlines and the posting of results are the same for all.

Source: docs/design.md, A command; CMD-05, CMD-15 … CMD-18, RTE-33
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import OcpiObject, format_datetime, parse_datetime

ACCEPTED = "ACCEPTED"


class Direction(StrEnum):
    """Direction of a request, seen from this node."""

    RECEIVED = "RECEIVED"
    RELAYED = "RELAYED"
    SENT = "SENT"


class RequestState(StrEnum):
    """State of a request; the module docstring explains each."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    TIMED_OUT = "TIMED_OUT"
    REFUSED = "REFUSED"


class PostStatus(StrEnum):
    """State of the posting of a result."""

    WAITING = "WAITING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Post(_Frozen):
    """Posting of a result to the response_url. not_before: end of a worker's hold; "" when none holds it."""

    status: PostStatus = PostStatus.WAITING
    tries: int = 0
    not_before: str = ""
    reason: str = ""


class Outcome(_Frozen):
    """A result. body: its JSON text as it arrived. post: None when it is not to be posted."""

    result: str
    body: str
    at: str
    post: Post | None = None


class Response(_Frozen):
    """Immediate answer to a request. body: JSON text of the answer's object, "" when there was none."""

    result: str = ""
    timeout: int = 0
    body: str = ""
    status_code: int = 1000
    status_message: str | None = None
    http_status: int = 200


class AsyncRequest(_Frozen):
    """A request with its state, answer and results.

    name: what is requested, such as START_SESSION. body: JSON text of the request's object as it arrived.
    response_url: URL to post the result to, "" for a request of this node. sender, addressee: the parties of
    the OCPI-from and OCPI-to headers. partner_id: the partner that sent it; receiver_id: the partner it was
    sent on to; both are "" for the operator of this node. own_id: the id for the CSMS of the thing that the
    request makes, where the sender chooses one that is not unique (CMD-14). digest: equal for requests with
    the same content. late_result: a result that came too late. follow_up: a second result that is posted
    after the first (CMD-15). problem: why it could not be delivered.

    Fields are stored under their names, except the three that were stored before they had these names.
    """

    id: str
    name: str = Field(validation_alias="command", serialization_alias="command")
    direction: Direction
    state: RequestState = RequestState.PENDING
    body: str
    digest: str
    response_url: str = ""
    partner_id: str = ""
    receiver_id: str = ""
    sender: Party | None = None
    addressee: Party | None = None
    correlation_id: str
    received: str
    deadline: str
    last_updated: str
    own_id: Annotated[str, Field(validation_alias="reservation_id", serialization_alias="reservation_id")] = (
        ""
    )
    delivered_to: tuple[str, ...] = ()
    response: Response | None = None
    result: Outcome | None = None
    late_result: Outcome | None = None
    follow_up: Annotated[
        Outcome | None, Field(validation_alias="cancellation", serialization_alias="cancellation")
    ] = None
    problem: str = ""

    @property
    def is_overdue_at(self) -> datetime:
        """The time at which it ends without a result."""
        return parse_datetime(self.deadline)

    def document(self) -> dict[str, Any]:
        """The request's object, parsed."""
        parsed: dict[str, Any] = read_json(self.body)
        return parsed

    def changed(self, now: datetime, **fields: Any) -> AsyncRequest:
        """Copy it with other values, and `now` as last_updated."""
        return self.model_copy(update={**fields, "last_updated": format_datetime(now)})


class Outgoing(NamedTuple):
    """A request to a partner's receiver interface. path: decoded segments. takes: the document's kind."""

    method: str
    path: Sequence[str]
    document: Mapping[str, Any] | None = None
    query: Mapping[str, str | int | None] | None = None
    takes: Kind | None = None


@dataclass(frozen=True)
class AsyncKind:
    """The asynchronous requests of one module.

    module: the ModuleID, first part of the keys and lists of its requests. label: the word for one request
    in keys, JSON, log fields and error texts. event: the webhook event that delivers one to the CSMS.
    outgoing: the request to send on to a partner, with a response_url of this node. response, result: classes
    of the immediate answer and of the result of a partner; both have a `result`, the answer a `timeout`.
    response_kind, result_kind: their kinds, for other OCPI versions.
    timeout_result: the result of a request whose deadline is over. own_id_name: the field that `own_id`
    replaces for the CSMS. follow_up: name of a request, and the second result that may follow its ACCEPTED.
    """

    module: str
    label: str
    event: str
    outgoing: Callable[[AsyncRequest, str], Outgoing]
    response: type[OcpiObject]
    result: type[OcpiObject]
    response_kind: Kind | None = None
    result_kind: Kind | None = None
    timeout_result: str = "TIMEOUT"
    own_id_name: str = ""
    follow_up: tuple[str, str] | None = None
