"""OCPI 2.1.1: one party and one role on each side, no hub, and older forms of almost every object.

Up, nothing that a partner says is lost: what 2.2.1 has no word for stays as a field that it does not know.
Down, what 2.1.1 does not have is left out or sent in its own words, and each loss is named. What would
mislead about money or privacy is held (X-04). What came with 2.3.0 is left out as for 2.2.

Source: OCPI 2.1.1 and 2.2.1, object descriptions; V211-11 … V211-85
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import format_datetime
from chalicelib.versions import v2_2_1
from chalicelib.versions.v2_1_1.commands import (
    answer_down,
    command_down,
    command_up,
    response_up,
    result_up,
)
from chalicelib.versions.v2_1_1.credentials import credentials_down, credentials_up
from chalicelib.versions.v2_1_1.fields import Document, Down, owner_of
from chalicelib.versions.v2_1_1.locations import (
    NO_CONNECTOR,
    connector_down,
    connector_up,
    evse_down,
    evse_up,
    location_down,
    location_up,
)
from chalicelib.versions.v2_1_1.sessions import cdr_down, cdr_up, session_down, session_up
from chalicelib.versions.v2_1_1.tariffs import tariff_down, tariff_up
from chalicelib.versions.v2_1_1.tokens import authorization_down, authorization_up, token_down, token_up
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known

_SAME = frozenset((Kind.LOCATION_REFERENCES, Kind.STOP_SESSION, Kind.UNLOCK_CONNECTOR))
"""Kinds that are equal in both versions, but for fractions of seconds."""

_UP: dict[Kind, Callable[[Document, Known], Document]] = {
    Kind.LOCATION: location_up,
    Kind.EVSE: evse_up,
    Kind.CONNECTOR: connector_up,
    Kind.TARIFF: tariff_up,
    Kind.TOKEN: token_up,
    Kind.AUTHORIZATION_INFO: authorization_up,
    Kind.SESSION: session_up,
    Kind.CDR: cdr_up,
    Kind.START_SESSION: command_up,
    Kind.RESERVE_NOW: command_up,
    Kind.COMMAND_RESPONSE: response_up,
    Kind.COMMAND_RESULT: result_up,
    Kind.CREDENTIALS: credentials_up,
    **dict.fromkeys(_SAME, lambda document, known: document),
}


def _evse_alone(work: Down, document: Document) -> Document | None:
    return evse_down(work, document, owner_of({}, work.known))


def _connector_alone(work: Down, document: Document) -> Document | None:
    return connector_down(work, document, owner_of({}, work.known))


_DOWN: dict[Kind, Callable[[Down, Document], Document | None]] = {
    Kind.LOCATION: location_down,
    Kind.EVSE: _evse_alone,
    Kind.CONNECTOR: _connector_alone,
    Kind.TARIFF: tariff_down,
    Kind.TOKEN: token_down,
    Kind.AUTHORIZATION_INFO: authorization_down,
    Kind.SESSION: session_down,
    Kind.CDR: cdr_down,
    Kind.START_SESSION: command_down,
    Kind.RESERVE_NOW: command_down,
    Kind.COMMAND_RESPONSE: answer_down,
    Kind.COMMAND_RESULT: answer_down,
    Kind.CREDENTIALS: credentials_down,
    **dict.fromkeys(_SAME, lambda work, document: document),
}

_CODES = frozenset((1000, 2000, 2001, 2002, 2003, 3000, 3001, 3002, 3003))


def up(kind: Kind, document: Mapping[str, object], known: Known = NOTHING_KNOWN) -> Document:
    """Convert a document of 2.1.1 to the canonical form. A PATCH without a time gets one (V211-09).

    Raises: InvalidParameters for a field that cannot be converted, and for a kind that 2.1.1 does not have.
    """
    convert = _UP.get(kind)
    if convert is None:
        raise InvalidParameters(f"OCPI 2.1.1 has no {kind}", field="body")
    converted = convert(dict(document), known)
    if known.is_patch and known.now is not None and converted.get("last_updated") is None:
        converted["last_updated"] = format_datetime(known.now)
    return converted


def down(kind: Kind, document: Mapping[str, object], known: Known = NOTHING_KNOWN) -> Converted:
    """Convert a canonical document to 2.1.1: what that does not have is lost or, if it misleads, held."""
    convert = _DOWN.get(kind)
    if convert is None:
        return Converted({}, held=f"2.1.1 has no {kind}")
    first = v2_2_1.down(kind, document, known)
    if first.held:
        return first
    work = Down(known, first.losses)
    converted = convert(work, first.document)
    return Converted({}, held=NO_CONNECTOR) if converted is None else work.result(converted)


def status_code(code: int) -> int:
    """The code itself if 2.1.1 has it, else the general one of its kind; a hub's is a server's (V211-11)."""
    if code in _CODES:
        return code
    return {1: 1000, 2: 2000}.get(code // 1000, 3000)
