"""OCPI's request and reply, and the routes and interfaces that handle them, without any web framework.

Source: OCPI 2.2.1 transport_and_format
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chalicelib.errors import InvalidParameters, WrongContentType
from chalicelib.protocol.json_text import check_depth, read_json
from chalicelib.protocol.types import fold

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.table import Item, Key

InterfaceRole = Literal["SENDER", "RECEIVER"]

ABSENT: Any = object()
"""Marks a reply without `data` in the envelope (TRN-15)."""


class Party(NamedTuple):
    """One party on a platform; upper and lower case are equal."""

    country_code: str
    party_id: str

    def key(self) -> str:
        """The form used in keys and comparisons: `PT*ABC`."""
        return f"{fold(self.country_code)}*{fold(self.party_id)}"

    def same_as(self, other: Party | None) -> bool:
        """Return whether both name the same party (TYP-01)."""
        return other is not None and self.key() == other.key()


class Routing(NamedTuple):
    """Sender and receiver of a request: the four OCPI-from-* and OCPI-to-* headers.

    relays: number of hubs that have relayed the request so far.
    """

    sender: Party | None = None
    receiver: Party | None = None
    relays: int = 0

    def swapped(self) -> Routing:
        """The routing of the answer (RTE-02)."""
        return Routing(self.receiver, self.sender)


@dataclass(frozen=True)
class Request:
    """A request for a handler.

    path: decoded path parameters by name. headers: names in lower case. base_url: `https://…/ocpi`.
    url: absolute URL of this request without its query. snapshot: the stored items that the route's
    `keys` asked for, read in the same call as the caller's token.
    """

    method: str
    url: str
    base_url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str | None
    request_id: str
    correlation_id: str
    routing: Routing = Routing()
    partner: Partner | None = None
    token: str | None = None
    snapshot: Mapping[Key, Item] = field(default_factory=dict)

    @property
    def caller(self) -> Partner:
        """The partner that calls; the endpoint has set it before a handler runs."""
        assert self.partner is not None
        return self.partner

    @property
    def used_token(self) -> str:
        """The credentials token that the caller used, decoded."""
        assert self.token is not None
        return self.token

    def with_(self, **changes: Any) -> Request:
        """Return a copy with other values."""
        return replace(self, **changes)

    def json(self) -> Any:
        """The parsed body.

        Raises: WrongContentType (TRN-12), BadJson (STA-01).
        """
        media_type = self.headers.get("content-type", "application/json").split(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise WrongContentType(f"content type {media_type[:60]!r} is not application/json")
        document = read_json(self.body or "")
        check_depth(document)
        return document

    def json_object(self) -> dict[str, Any]:
        """The parsed body, which must be a JSON object.

        Raises: InvalidParameters when it is JSON but no object.
        """
        document = self.json()
        if not isinstance(document, dict):
            raise InvalidParameters("expected a JSON object", field="body")
        return document


@dataclass(frozen=True)
class Reply:
    """A handler's answer, before it is wrapped in an envelope.

    too_large: key and size of each object that is too large for a page (`sizes.py`), for the alarm.
    """

    data: Any = ABSENT
    http_status: int = 200
    status_code: int = 1000
    status_message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    too_large: tuple[tuple[str, int], ...] = ()


Handler = Callable[["Node", Request], Reply]


@dataclass(frozen=True)
class Route:
    """One method on one path of an interface.

    path: relative to the interface, "" or "/{location_id}/{evse_uid}". keys: the stored items to
    read together with the caller's token, so that a request costs one read.
    """

    method: str
    path: str
    handler: Handler
    keys: Callable[[Node, Request], Sequence[Key]] | None = None


@dataclass(frozen=True)
class Interface:
    """One side of a module: SENDER answers for the data owner, RECEIVER accepts pushes.

    functional: False for configuration modules, which have no routing headers (RTE-03). hands_on: at a hub,
    the handlers themselves pass on a request for another party, because they have to store data of it;
    otherwise such a request is relayed unchanged (`hub/relay.py`).
    """

    module: str
    role: InterfaceRole
    routes: tuple[Route, ...]
    functional: bool = True
    hands_on: bool = False
