"""Errors of OCPI requests, one class per status code.

Raise an error where its rule is; `endpoint.py` turns it into an envelope, once. `http_status` is 200
unless the specification requires another one: only bad JSON, missing tokens, missing resources and refused
methods are HTTP errors. A problem of an authenticated caller with an existing resource has HTTP 200 and a
`status_code` (STA-02).

Source: OCPI 2.2.1 status_codes
"""

from __future__ import annotations

from typing import ClassVar


class OcpiError(Exception):
    """Error with a text for the partner's engineer, never with a token or a driver's data.

    field: dotted path of the offending field, such as `elements.0.price_components.1.price`. is_reported: it
    is among the partner's findings already.
    """

    status_code: ClassVar[int] = 3000
    http_status: ClassVar[int] = 200
    default_message: ClassVar[str] = "server error"

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.detail = message or self.default_message
        self.field = field
        self.errors = errors or (((field, self.detail),) if field else ())
        self.is_reported = False
        super().__init__(f"{field}: {self.detail}" if field else self.detail)


class ClientError(OcpiError):
    """2000: the request is wrong, and no other code fits."""

    status_code = 2000
    default_message = "client error"


class InvalidParameters(ClientError):
    """2001: a parameter or a field is missing or wrong."""

    status_code = 2001
    default_message = "invalid or missing parameters"


class NotEnoughInformation(ClientError):
    """2002: the request is valid, but lacks information that is needed to act on it."""

    status_code = 2002
    default_message = "not enough information"


class UnknownLocation(ClientError):
    """2003: a location, EVSE or connector named in a body is not known."""

    status_code = 2003
    default_message = "unknown location"


class UnknownToken(ClientError):
    """2004: the token to authorize is not known; the specification requires HTTP 404 as well (TOK-14)."""

    status_code = 2004
    http_status = 404
    default_message = "unknown token"


class NotFound(InvalidParameters):
    """The object that the URL names does not exist (STA-03, STA-08)."""

    http_status = 404
    default_message = "not found"


class LocationNotFound(UnknownLocation):
    """The location, EVSE or connector that the URL names does not exist (STA-03, LOC-13)."""

    http_status = 404


class MethodNotAllowed(InvalidParameters):
    """The URL exists, but does not offer the method, or not in this state of registration (STA-09)."""

    http_status = 405
    default_message = "method not allowed"


class BadJson(InvalidParameters):
    """The body is not JSON (STA-01)."""

    http_status = 400
    default_message = "the body is not valid JSON"


class WrongContentType(InvalidParameters):
    """The Content-Type of the body is not JSON (TRN-12)."""

    http_status = 415
    default_message = "content type must be application/json"


class Unauthorized(InvalidParameters):
    """The request has no token, or one that is not valid here (TRN-06, TRN-07, TRN-08)."""

    http_status = 401
    default_message = "missing or unknown credentials token"


class ServerError(OcpiError):
    """3000: this node failed."""


class AnswerTooLarge(ServerError):
    """3000: Lambda cannot send an answer of this size (protocol/sizes.py)."""

    default_message = "the answer is too large to send: ask for less, such as one EVSE or a smaller limit"


class UnableToUseClientApi(ServerError):
    """3001: the caller's own API did not answer correctly while we registered it (CRD-19)."""

    status_code = 3001
    default_message = "unable to use the client's API"


class UnsupportedVersion(ServerError):
    """3002: no version in common (CRD-21)."""

    status_code = 3002
    default_message = "unsupported version"


class MissingEndpoints(ServerError):
    """3003: the caller lacks endpoints that we need (CRD-20)."""

    status_code = 3003
    default_message = "no matching endpoints"


class HubError(OcpiError):
    """4000: the hub could not route the message."""

    status_code = 4000
    default_message = "routing failed"


class UnknownReceiver(HubError):
    """4001: no partner of this hub plays the party that OCPI-to names (RTE-27)."""

    status_code = 4001
    default_message = "unknown receiver"


class ReceiverTimeout(HubError):
    """4002: the receiver did not answer in time (RTE-28)."""

    status_code = 4002
    default_message = "timeout on forwarded request"


class ConnectionProblem(HubError):
    """4003: the receiver is not connected (RTE-29)."""

    status_code = 4003
    default_message = "connection problem"
