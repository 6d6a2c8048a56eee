"""The objects of the Commands module: the five commands, CommandResponse and CommandResult.

CommandResponse (the immediate answer) and CommandResult (the outcome, posted later) have different enums
(CMD-04, CMD-16). Unknown values from partners are accepted, because a hub relays values that it does not
understand. A result from this node's own operator must have a value of the specification, so that every
partner understands it.

Source: OCPI 2.2.1 mod_commands, Object description and Data types; CMD-02 … CMD-04, CMD-09, CMD-16, CMD-19
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from chalicelib.modules.locations.objects import DisplayText, Id, TokenType
from chalicelib.modules.tokens.objects import RFID, Token
from chalicelib.protocol.types import DateTime, Int, OcpiObject, Url, closed_enum, open_enum

RESPONSE_TYPES = "ACCEPTED NOT_SUPPORTED REJECTED UNKNOWN_SESSION"
RESULT_TYPES = """ACCEPTED CANCELED_RESERVATION EVSE_INOPERATIVE EVSE_OCCUPIED FAILED NOT_SUPPORTED REJECTED
TIMEOUT UNKNOWN_RESERVATION"""

CommandResponseType: Any = open_enum("CommandResponseType", RESPONSE_TYPES)
CommandResultType: Any = open_enum("CommandResultType", RESULT_TYPES)
OwnCommandResultType: Any = closed_enum("CommandResultType", RESULT_TYPES)

CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
"""The capability of an EVSE that cannot be started without a connector_id (CMD-09)."""

NEEDED_CAPABILITIES = {
    "START_SESSION": frozenset({"REMOTE_START_STOP_CAPABLE", CONNECTOR_REQUIRED}),
    "RESERVE_NOW": frozenset({"RESERVABLE"}),
    "UNLOCK_CONNECTOR": frozenset({"UNLOCK_CAPABLE"}),
}
"""Capabilities of an EVSE, one of which a command needs. CONNECTOR_REQUIRED implies a remote start."""

NOT_SUPPORTED = "NOT_SUPPORTED"
REJECTED, UNKNOWN_SESSION = "REJECTED", "UNKNOWN_SESSION"
CANCELED_RESERVATION, UNKNOWN_RESERVATION = "CANCELED_RESERVATION", "UNKNOWN_RESERVATION"


class CancelReservation(OcpiObject):
    """Request to cancel a reservation. reservation_id: the id that the sender chose."""

    response_url: Url
    reservation_id: Id


class ReserveNow(OcpiObject):
    """Request to reserve an EVSE for a token until expiry_date."""

    response_url: Url
    token: Token
    expiry_date: DateTime
    reservation_id: Id
    location_id: Id
    evse_uid: Id | None = None
    authorization_reference: Id | None = None


class StartSession(OcpiObject):
    """Request to start charging for a token."""

    response_url: Url
    token: Token
    location_id: Id
    evse_uid: Id | None = None
    connector_id: Id | None = None
    authorization_reference: Id | None = None

    @field_validator("connector_id")
    @classmethod
    def _has_its_evse(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("evse_uid", "") is None:
            raise ValueError("a connector is named together with its evse_uid (CMD-09)")
        return value


class StopSession(OcpiObject):
    """Request to end a session."""

    response_url: Url
    session_id: Id


class UnlockConnector(OcpiObject):
    """Request of a help desk to unlock a connector whose cable is stuck (CMD-19)."""

    response_url: Url
    location_id: Id
    evse_uid: Id
    connector_id: Id


class TokenName(OcpiObject):
    """Reference of the operator to one of its own tokens."""

    uid: Id
    type: TokenType = RFID


COMMANDS: dict[str, type[OcpiObject]] = {
    "CANCEL_RESERVATION": CancelReservation,
    "RESERVE_NOW": ReserveNow,
    "START_SESSION": StartSession,
    "STOP_SESSION": StopSession,
    "UNLOCK_CONNECTOR": UnlockConnector,
}
"""Class of the request body of each command."""


class CommandResponse(OcpiObject):
    """Immediate answer: whether the command will be tried. timeout: seconds until the result (CMD-03)."""

    result: CommandResponseType
    timeout: Annotated[Int, Field(ge=0)]
    message: list[DisplayText] | None = None


class CommandResult(OcpiObject):
    """Outcome of a command, as a partner posts it."""

    result: CommandResultType
    message: list[DisplayText] | None = None


class OwnCommandResult(OcpiObject):
    """Outcome of a command, as the CSMS reports it. message may be a plain text."""

    result: OwnCommandResultType
    message: list[DisplayText] | Annotated[str, Field(max_length=512)] | None = None
