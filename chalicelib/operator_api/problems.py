"""Errors of the operator API, as RFC 9457 problem documents.

The rules of the OCPI modules raise OCPI errors. OCPI answers most of them with HTTP 200 and a status code in
the envelope. In the operator API the HTTP status is the error, so each error is translated here, once:

| status | when |
|---|---|
| 400 | the body is not JSON, or the query cannot be read |
| 401, 404, 405, 413, 415 | as HTTP has them |
| 409 | the request is valid, but conflicts with the current state |
| 422 | the body is JSON, but not a valid object |
| 502 | a partner refused, or could not be reached; `partner` has its answer |
| 500 | our fault; the log has the details |

`errors` names the fields: each with the dotted path that the rules use and, for a field of the body, with a
JSON pointer.

Source: RFC 9457; RFC 6901, section 6
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.calls.answers import PartnerError
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
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.storage.table import Conflict

QUERY_FIELDS = frozenset(
    {"party", "partner", "emsp", "kind", "date_from", "date_to", "offset", "limit", "cursor"}
)
"""Parameters of the query. No request body of the API has a top-level field with one of these names."""

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
    """An error answer.

    errors: pairs of a dotted field and what is wrong with it. members: more members of the document.
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
    """Error 401: the key is missing, or not valid here."""
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def bad_query(field: str, text: str) -> Problem:
    """Error 400: a query parameter is invalid, or is missing."""
    return Problem(400, f"{field}: {text}", errors=[(field, text)])


def not_offered(detail: str, allowed: Sequence[str]) -> Problem:
    """Error 405: the path exists, but not with this method. allowed: the methods that it has."""
    return Problem(405, detail, headers={"Allow": ", ".join(sorted(allowed))})


def problem_of(error: Exception) -> Problem | None:
    """Translate an error into a problem; None for an unexpected error."""
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
    """Error 502 with the partner's status and message, if it answered.

    The `data` of its answer is left out, because it may hold personal data of a driver.
    """
    reported = {
        name: getattr(error, name)
        for name in ("http_status", "status_code", "status_message")
        if getattr(error, name, None) is not None
    }
    return Problem(502, str(error), members={"partner": reported})


def _error_entry(field: str, text: str, status: int) -> dict[str, str]:
    entry = {"field": field, "detail": text}
    # A query parameter, such as `type`, may have the same name as a field of a body; 400 means the query.
    if status == 400 or field.partition(".")[0] in QUERY_FIELDS | _PATH_FIELDS:
        return entry
    return {**entry, "pointer": pointer_of(field)}


def pointer_of(field: str) -> str:
    """Turn a dotted path into a JSON pointer in a URI fragment, as RFC 9457 writes it.

    >>> pointer_of("elements.0.price_components.1.price")
    '#/elements/0/price_components/1/price'
    >>> pointer_of("body")
    '#'
    """
    if field == "body":
        return "#"
    return "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in field.split("."))
