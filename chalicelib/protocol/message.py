"""OCPI's request and reply, without any web framework.

Source: OCPI 2.2.1 transport_and_format
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from chalicelib.errors import InvalidParameters, WrongContentType
from chalicelib.protocol.json_text import check_depth, read_json
from chalicelib.protocol.types import fold

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


@dataclass(frozen=True)
class Request:
    """A request for a handler.

    path: decoded path parameters by name. headers: names in lower case. base_url: `https://…/ocpi`.
    url: absolute URL of this request without its query. version: the OCPI version in the URL, "" where there
    is none. routing: the routing headers, not checked yet. untidy_path: the path had empty segments, which
    were removed.
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
    version: str = ""
    routing: Routing = Routing()
    untidy_path: bool = False

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
