"""The interface of an OCPI version: conversion to and from the canonical form.

Objects are stored in the form of the canonical version, with fields that it does not know kept. A partner has
a version, an object has none. `up` makes a partner's document canonical, `down` makes a canonical document
one of the partner's version.

Source: docs/design.md, Versions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party


class Loss(NamedTuple):
    """A part of a document that a version cannot express.

    pointer: JSON pointer into the canonical document, such as `/tariff_alt_url`.
    """

    pointer: str
    reason: str


class Converted(NamedTuple):
    """A document in the form of a version, and what was left out of it.

    held: the reason why it is not sent at all, "" if it is.
    held_until: the DateTime at which it may be sent, "" where time alone changes nothing.
    whole_needed: it is a PATCH that the version cannot express. The document here is not to be sent: the
    whole object has to be sent by PUT instead.
    text: the document as JSON text, where the conversion has written it anyway.
    """

    document: dict[str, Any]
    losses: tuple[Loss, ...] = ()
    held: str = ""
    held_until: str = ""
    whole_needed: bool = False
    text: JsonText | None = None


Find = Callable[[str, Party, str], Mapping[str, Any] | None]
"""Returns a stored canonical object by its module (`locations`, `tariffs`), owner and id, None if unknown."""


def _find_nothing(module: str, owner: Party, object_id: str) -> None:
    return None


def _is_no_replacement(cdr: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True)
class Known:
    """Facts for a conversion that the document does not contain; only 2.1.1 needs them.

    Each is optional. Without it, the conversion leaves a gap that reading may fill, or holds the document:

    is_patch: the document is a PATCH. False: what the form requires is added where it is missing.
    now: the time of the conversion. Up, a PATCH without `last_updated` gets it; None: it stays without. Down,
    a tariff that is not valid now is held; None: every tariff with a start or an end is held.
    role: the partner's role on this connection, `CPO` or `EMSP`. Up, its credentials get it; "": the role is
    a gap, and reading refuses them. Down, our entry of the opposite role is sent; "": the first one.
    owner: from the URL, or the partner's only party. Up, None: `country_code` and `party_id` are gaps. Down,
    the owner of an EVSE or a connector that is sent alone, for `find`; None: its tariffs are not looked up.
    token: what an authorization was asked for, canonical. Up, None: AuthorizationInfo has no `token`.
    find: looks up locations and tariffs. Location unknown: its session is held, and its CDR has no voltage,
    unless they have kept the `location` that a partner of 2.1.1 sent. Tariffs unknown: a connector has the
    first of them. It may be called often: let it look into a dict of what was read together.
    is_replacement: tells whether a CDR replaces a credited one. Such a CDR is held as its credit CDR is,
    because the partner would pay twice.

    A gap that is always left: a session or CDR of 2.1.1 names a contract only, so its `cdr_token` has
    `contract_id` and nothing else.
    """

    is_patch: bool = False
    now: datetime | None = None
    role: str = ""
    owner: Party | None = None
    token: Mapping[str, Any] | None = None
    find: Find = _find_nothing
    is_replacement: Callable[[Mapping[str, Any]], bool] = _is_no_replacement


NOTHING_KNOWN = Known()


class Traits(NamedTuple):
    """Properties of a version apart from its documents; the defaults are those of the canonical version.

    has_roles: endpoints and credentials name roles. Without, a connection is of one role of the partner, and
    of the opposite role of ours. is_routed: requests and answers have the routing headers. needs_facts: its
    conversions need what `Known` has. patches_tariffs: a tariff may be changed by PATCH. has_publish: a
    location may be hidden from the partner's users. has_token_types: the URL of a token names its type.
    has_fractions: DateTimes may have fractions of a second. lists_clients: the credentials of a hub name the
    parties that it connects. has_emaid: a token may have the type EMAID. sends_raw_tokens: it does not ask
    for Base64. requires_time_zone: of a location. has_credit_cdrs: a CDR may credit another one. Which
    modules a version has is said by the modules (`first_version`).
    """

    has_roles: bool = True
    is_routed: bool = True
    needs_facts: bool = False
    patches_tariffs: bool = False
    has_publish: bool = True
    has_token_types: bool = True
    has_fractions: bool = True
    lists_clients: bool = False
    has_emaid: bool = False
    sends_raw_tokens: bool = False
    requires_time_zone: bool = True
    has_credit_cdrs: bool = True


class Version(Protocol):
    """One OCPI version. A module with these functions implements it."""

    def up(self, kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> dict[str, Any]:
        """Convert a partner's document to the canonical form; one with some fields only, as in a PATCH, too.

        Raises: InvalidParameters naming the field that cannot be converted.
        """

    def status_code(self, code: int) -> int:
        """The status code of an answer for one of the canonical version."""

    def down(self, kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
        """Convert a canonical document to the form of this version."""
