"""What a CDR is made of besides its price, and which id it gets: pure functions.

The *id* follows from who makes the CDR, from its session, from which CDR of the session it is, and from a key
that only this node has. So whoever compiles a session twice, or two at once, write the same item, and only
one of them does; and no partner can send a CDR under an id that ours is going to have. A hub and a CPO never
make the same id, although both make CDRs of the CPO's (CDR-22).

Source: OCPI 2.2.1 mod_cdrs, CDR Object, CdrLocation; CDR-09, CDR-13, CDR-18, TRP-31
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.modules.sessions.objects import RESERVATION
from chalicelib.protocol.types import fold

Document = dict[str, Any]

NOT_AVAILABLE = "#NA"
_LONGEST_ADDRESS, _LONGEST_STATE = 45, 20
_OF_LOCATION = ("id", "name", "address", "city", "postal_code", "state", "country", "coordinates")
_OF_SESSION = ("cdr_token", "auth_method", "authorization_reference", "meter_id")
_TOKEN_KEY = ("country_code", "party_id", "uid", "type")
_NOT_COMPARED = frozenset({"id", "last_updated"})


def cdr_id(keyed_digest: Callable[[str], str], maker: str, session_pk: str, number: int) -> str:
    """The id of a session's first, second … CDR: 36 characters, with room for a credit CDR's `-C`.

    keyed_digest: `Directory.keyed_digest`. maker: key of the party that makes it. session_pk: key of the
    session.
    """
    return _id_of(keyed_digest("\x1f".join(("cdr", maker, session_pk, str(number)))))


def former_cdr_id(maker: str, session_pk: str, number: int) -> str:
    """The id that such a CDR got before ids had a key; a correction still has to find it.

    >>> former_cdr_id("PT*ABC", "sessions#PT*ABC#S1", 1)
    'CDR-49A1F42ACC601F6E89E71F5D259583E3'
    """
    return _id_of(hashlib.sha256("\x1f".join((maker, session_pk, str(number))).encode()).hexdigest())


def _id_of(digest: str) -> str:
    return f"CDR-{digest[:32].upper()}"


def place_of(session: Mapping[str, Any]) -> str:
    """Names where a session is; another one once a reservation has got its EVSE."""
    return "\x1f".join(fold(session[name]) for name in ("location_id", "evse_uid", "connector_id"))


def is_reserved(session: Mapping[str, Any]) -> bool:
    """Tell whether a session has not begun but is reserved."""
    return bool(session["status"] == RESERVATION)


def find_connector(evse: Mapping[str, Any], connector_id: str) -> Document | None:
    """The connector of an EVSE, None when it has none of this id."""
    return next((each for each in evse["connectors"] if fold(each["id"]) == fold(connector_id)), None)


def cdr_location(location: Mapping[str, Any], evse: Mapping[str, Any], connector: Document) -> Document:
    """What a CDR tells of a place; address and state are cut, they have less room there (TRP-31)."""
    told = {name: location[name] for name in _OF_LOCATION if location.get(name) is not None}
    told["address"] = told["address"][:_LONGEST_ADDRESS]
    if "state" in told:
        told["state"] = told["state"][:_LONGEST_STATE]
    return {
        **told,
        "evse_uid": evse["uid"],
        # Spec: an EVSE may have no evse_id, and a CDR must: then its uid is the name that it has.
        "evse_id": evse.get("evse_id") or evse["uid"],
        "connector_id": connector["id"],
        "connector_standard": connector["standard"],
        "connector_format": connector["format"],
        "connector_power_type": connector["power_type"],
    }


def unused_location(location: Mapping[str, Any], session: Mapping[str, Any]) -> Document:
    """As `cdr_location`, for a reservation that never got as far as a connector (CDR-18)."""
    connector = {"id": NOT_AVAILABLE, "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "DC"}
    evse = {"uid": session["evse_uid"], "evse_id": NOT_AVAILABLE}
    return cdr_location(location, evse, connector)


def token_of(session: Mapping[str, Any], at_start: Mapping[str, Any] | None) -> Document:
    """The token as it was at the start, unless another one has taken over (CDR-13)."""
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
    """A CDR without its id and time. price: the fields that the price gives."""
    told = {name: session[name] for name in _OF_SESSION if session.get(name) is not None}
    return {
        "country_code": session["country_code"],
        "party_id": session["party_id"],
        "start_date_time": start_date_time,
        "end_date_time": session["end_date_time"],
        "session_id": session["id"],
        **told,
        "cdr_token": token,
        "cdr_location": place,
        "tariffs": list(tariffs),
        **price,
    }


def is_same_bill(cdr: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two CDRs differ in nothing but their names and times."""
    names = (cdr.keys() | other.keys()) - _NOT_COMPARED
    return all(cdr.get(name) == other.get(name) for name in names)
