"""Every way in which a request at the operator's door can go wrong, as RFC 9457 problem documents.

The rules below the door raise OCPI's errors, whose HTTP status says little: OCPI tells most of them
in an envelope with 200. Here the HTTP status *is* the error, so each is translated once:

| status | when |
|---|---|
| 400 | the body is not JSON, or the query cannot be read |
| 401, 404, 405, 413, 415 | as HTTP has them |
| 409 | the request is right, but not in the state that things are in |
| 422 | the body is JSON, but not a valid object |
| 502 | a partner refused, or could not be reached; `partner` tells what it said |
| 500 | our fault; the story is in the log |

`errors` names the fields, each with the dotted path that the rules use and, where the field stands in
the body, with a JSON pointer.

Source: RFC 9457; RFC 6901, section 6
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.errors import (
    BadJson,
    ClientError,
    HubError,
    InvalidParameters,
    MissingEndpoints,
    NotFound,
    OcpiError,
    UnableToUseClientApi,
    Unauthorized,
    UnknownLocation,
    UnknownToken,
    UnsupportedVersion,
    WrongContentType,
)
from chalicelib.modules.credentials.handshake import HandshakeFailed
from chalicelib.partners.answers import PartnerError
from chalicelib.storage.table import Conflict

QUERY_FIELDS = frozenset({"party", "partner", "emsp", "date_from", "date_to", "offset", "limit", "cursor"})
"""Fields of the query; no body that the door takes has one of these names at its top."""

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    502: "Bad Gateway",
}

_PATH_FIELDS = frozenset({"tariff_id", "location_id", "evse_uid", "connector_id", "token_uid", "session_id"})

_OF_A_PARTNER = (UnableToUseClientApi, UnsupportedVersion, MissingEndpoints, HubError)


class Problem(Exception):
    """An answer that is not what the operator asked for.

    errors: (dotted field, what is wrong with it). members: more members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def document(self) -> dict[str, Any]:
        """The problem document."""
        document = {
            "type": "about:blank",
            "title": _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if self.errors:
            document["errors"] = [_error_entry(field, text, self.status) for field, text in self.errors]
        return document


def unauthorized(detail: str) -> Problem:
    """No key, or one that is not valid here."""
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def bad_query(field: str, text: str) -> Problem:
    """A part of the query that cannot be read, or that is missing."""
    return Problem(400, f"{field}: {text}", errors=[(field, text)])


def not_offered(detail: str, allowed: Sequence[str]) -> Problem:
    """The path exists, the method is not for it."""
    return Problem(405, detail, headers={"Allow": ", ".join(sorted(allowed))})


def problem_of(error: Exception) -> Problem | None:
    """What an error from below means to the operator; None for an unforeseen one."""
    match error:
        case Problem():
            return error
        case HandshakeFailed() | PartnerError():
            return _partner_problem(error)
        case Conflict():
            return Problem(409, "somebody else changed this at the same time, try again")
        case OcpiError():
            return Problem(_status_of(error), str(error), errors=error.errors)
    return None


def _status_of(error: OcpiError) -> int:
    match error:
        case Unauthorized() | NotFound() | BadJson() | WrongContentType():
            return error.http_status
        case UnknownLocation() | UnknownToken():
            return 404
        case InvalidParameters():
            return 400 if error.field in QUERY_FIELDS else 422
        case ClientError():
            return 409
        case _:
            return 502 if isinstance(error, _OF_A_PARTNER) else 500


def _partner_problem(error: HandshakeFailed | PartnerError) -> Problem:
    """What the partner said, as far as it said something; its data may be a driver's, so it stays away."""
    said = {
        name: getattr(error, name)
        for name in ("http_status", "status_code", "status_message")
        if getattr(error, name, None) is not None
    }
    return Problem(502, str(error), members={"partner": said})


def _error_entry(field: str, text: str, status: int) -> dict[str, str]:
    entry = {"field": field, "detail": text}
    # A field of the query, such as `type`, may have the name of one in a body; then the status tells.
    if status == 400 or field.partition(".")[0] in QUERY_FIELDS | _PATH_FIELDS:
        return entry
    return {**entry, "pointer": pointer_of(field)}


def pointer_of(field: str) -> str:
    """A dotted path as a JSON pointer in a URI fragment, as RFC 9457 writes it.

    >>> pointer_of("elements.0.price_components.1.price")
    '#/elements/0/price_components/1/price'
    >>> pointer_of("body")
    '#'
    """
    if field == "body":
        return "#"
    return "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in field.split("."))
