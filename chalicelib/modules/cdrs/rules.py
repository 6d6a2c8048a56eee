"""Rules for the parts of a CDR other than its price, and for its id: pure functions.

The *id* is computed from the party that makes the CDR, its session, its number among the CDRs of the session,
and a secret key of this node. So two attempts for one session write the same item, and only one of them
succeeds. A partner cannot guess the id and send a CDR under it first. A hub and a CPO never make the same id,
although both make CDRs whose owner is the CPO (CDR-22).

Source: OCPI 2.2.1 mod_cdrs, CDR Object, CdrLocation; CDR-09, CDR-13, CDR-18, TRP-31
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.modules.sessions.objects import RESERVATION
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import fold

NOT_AVAILABLE = "#NA"
_LONGEST_ADDRESS, _LONGEST_STATE = 45, 20
_OF_LOCATION = ("id", "name", "address", "city", "postal_code", "state", "country", "coordinates")
_OF_SESSION = ("cdr_token", "auth_method", "authorization_reference", "meter_id")
_TOKEN_KEY = ("country_code", "party_id", "uid", "type")
_NOT_COMPARED = frozenset({"id", "last_updated"})


def cdr_id(keyed_digest: Callable[[str], str], maker: str, session_pk: str, number: int) -> str:
    """Id of CDR `number` (1 for the first) of a session: 36 characters, with room for a credit CDR's `-C`.

    keyed_digest: `Directory.keyed_digest`. maker: key of the party that makes it. session_pk: pk of the
    session.
    """
    return _id_of(keyed_digest("\x1f".join(("cdr", maker, session_pk, str(number)))))


def keyless_cdr_id(maker: str, session_pk: str, number: int) -> str:
    """Id of the same CDR in earlier releases, without the secret key; corrections still have to find it.

    >>> keyless_cdr_id("PT*ABC", "sessions#PT*ABC#S1", 1)
    'CDR-49A1F42ACC601F6E89E71F5D259583E3'
    """
    return _id_of(hashlib.sha256("\x1f".join((maker, session_pk, str(number))).encode()).hexdigest())


def _id_of(digest: str) -> str:
    return f"CDR-{digest[:32].upper()}"


def place_of(session: Mapping[str, Any]) -> str:
    """Name of the place of a session; it changes when a reservation gets its EVSE."""
    return "\x1f".join(fold(session[name]) for name in ("location_id", "evse_uid", "connector_id"))


def is_reserved(session: Mapping[str, Any]) -> bool:
    """Return whether a session is only reserved and has not begun."""
    return bool(session["status"] == RESERVATION)


def cdr_location(location: Mapping[str, Any], evse: Mapping[str, Any], connector: Document) -> Document:
    """Build the CdrLocation of a connector; address and state are cut to its shorter fields (TRP-31)."""
    copied = {name: location[name] for name in _OF_LOCATION if location.get(name) is not None}
    copied["address"] = copied["address"][:_LONGEST_ADDRESS]
    if "state" in copied:
        copied["state"] = copied["state"][:_LONGEST_STATE]
    return {
        **copied,
        "evse_uid": evse["uid"],
        # Spec: evse_id is optional in an EVSE and required in a CDR; use the uid when it is missing.
        "evse_id": evse.get("evse_id") or evse["uid"],
        "connector_id": connector["id"],
        "connector_standard": connector["standard"],
        "connector_format": connector["format"],
        "connector_power_type": connector["power_type"],
    }


def unused_location(location: Mapping[str, Any], session: Mapping[str, Any]) -> Document:
    """Build the CdrLocation of a reservation that never reached a connector (CDR-18)."""
    connector = {"id": NOT_AVAILABLE, "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "DC"}
    evse = {"uid": session["evse_uid"], "evse_id": NOT_AVAILABLE}
    return cdr_location(location, evse, connector)


def token_of(session: Mapping[str, Any], at_start: Mapping[str, Any] | None) -> Document:
    """Choose the token as recorded at the start, unless the session has another token now (CDR-13)."""
    token: Document = session["cdr_token"]
    if at_start is not None and all(fold(at_start[name]) == fold(token[name]) for name in _TOKEN_KEY):
        return dict(at_start)
    return token


def make_cdr(
    session: Mapping[str, Any],
    start_date_time: str,
    place: Mapping[str, Any],
    token: Mapping[str, Any],
    tariffs: Sequence[Mapping[str, Any]],
    price: Mapping[str, Any],
) -> Document:
    """Build a CDR without `id` and `last_updated`. price: the fields that the pricing engine computed."""
    copied = {name: session[name] for name in _OF_SESSION if session.get(name) is not None}
    return {
        "country_code": session["country_code"],
        "party_id": session["party_id"],
        "start_date_time": start_date_time,
        "end_date_time": session["end_date_time"],
        "session_id": session["id"],
        **copied,
        "cdr_token": token,
        "cdr_location": place,
        "tariffs": list(tariffs),
        **price,
    }


def has_same_content(cdr: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two CDRs are equal apart from `id` and `last_updated`."""
    names = (cdr.keys() | other.keys()) - _NOT_COMPARED
    return all(cdr.get(name) == other.get(name) for name in names)
