"""Start snapshot: location, connector, tariffs and token of a session, recorded when it begins (CDR-13).

The table's stream takes the snapshot when it first sees the session, and again when a reservation gets its
EVSE. It is an item beside the session, so later changes of location or tariffs do not change the CDR. If
something was unknown at the start (at a hub a session may arrive before its location), it is read when the
CDR is made.

The snapshot also records whether the partner's prices of time are per minute, so that the running cost needs
no read of the partners (`running_cost.py`). The CDR uses the partner's setting at the time when it is made.

Source: OCPI 2.2.1 mod_cdrs_cdr_object, CdrLocation; CDR-13, CDR-18, TRP-31
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.modules.locations.objects import find_connector
from chalicelib.modules.sessions.objects import RESERVATION
from chalicelib.pricing.plausibility import power_kw
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import ObjectStore


NOT_AVAILABLE = "#NA"
_LONGEST_ADDRESS, _LONGEST_STATE = 45, 20
_OF_LOCATION = ("id", "name", "address", "city", "postal_code", "state", "country", "coordinates")


@dataclass(frozen=True)
class StartSnapshot:
    """Data recorded at the start of a session; None, or no tariffs, if unknown.

    max_kw: highest power of the connector. reserved_from: start of the reservation. shown_in: partition of an
    own session, "" for a received one; time_prices_per_minute depends on it (`time_prices.py`).
    """

    place: str
    location: Document | None = None
    time_zone: str | None = None
    tariffs: tuple[Document, ...] = ()
    token: Document | None = None
    reserved_from: str | None = None
    max_kw: Decimal | None = None
    shown_in: str = ""
    time_prices_per_minute: bool = False


def start_snapshot_key(session: Key) -> Key:
    """Key of the start snapshot of a session."""
    return Key(session.pk, "start")


def read_start_snapshot(item: Item | None) -> StartSnapshot | None:
    """Read a start snapshot from its item."""
    if item is None:
        return None
    stored = read_json(item["body"])
    if stored.get("max_kw") is not None:
        stored["max_kw"] = Decimal(stored["max_kw"])
    beside = {"place": item["place"], "shown_in": item.get("shown_in", "")}
    return StartSnapshot(**{**stored, **beside, "tariffs": tuple(stored["tariffs"])})


def preferences_key(session: Key) -> Key:
    """Key of the accepted charging preferences of a session."""
    return Key(session.pk, "preferences")


def read_profile(item: Item | None) -> str | None:
    """Read the preferred `profile_type`; None without preferences."""
    return read_json(item["body"]).get("profile_type") if item else None


def start_snapshot_item(ref: Ref, start: StartSnapshot) -> Item:
    """Item of a start snapshot."""
    key, beside = start_snapshot_key(ref.key), ("place", "shown_in")
    body = {name: value for name, value in vars(start).items() if name not in beside}
    return {**key._asdict(), **{name: getattr(start, name) for name in beside}, "body": write_json(body)}


def take_snapshot(node: Node, ref: Ref, session: Document, named: Iterable[str] = ()) -> StartSnapshot:
    """Read the current location, connector and tariffs of a session.

    named: ids of tariffs in addition to those of the connector.
    """
    location_ref = Ref("locations", ref.country_code, ref.party_id, session["location_id"])
    header = node.locations.get_header(location_ref)
    start = StartSnapshot(place_of(session), token=session["cdr_token"])
    if header is None:
        return replace(start, tariffs=read_tariffs(node.objects, ref, named))
    location = header.document()
    start = replace(start, time_zone=location.get("time_zone"))
    if session["evse_uid"] == NOT_AVAILABLE or session["connector_id"] == NOT_AVAILABLE:
        return replace(start, location=unused_location(location, session))
    found = node.locations.get_evse(location_ref, session["evse_uid"])
    evse = read_json(str(found.body)) if found else None
    connector = find_connector(evse, session["connector_id"]) if evse else None
    if evse is None or connector is None:
        return replace(start, tariffs=read_tariffs(node.objects, ref, named))
    ids = [*(connector.get("tariff_ids") or ()), *named]
    return replace(
        start,
        location=cdr_location(location, evse, connector),
        tariffs=read_tariffs(node.objects, ref, ids),
        max_kw=power_kw(connector),
    )


def read_tariffs(objects: ObjectStore, ref: Ref, ids: Iterable[str]) -> tuple[Document, ...]:
    """Read the current tariffs of the session's owner, in the order of `ids`."""
    refs = list(dict.fromkeys(Ref("tariffs", ref.country_code, ref.party_id, each) for each in ids))
    found = objects.get_many(refs) if refs else {}
    return tuple(read_json(str(found[each].body)) for each in refs if each in found)


def complete_snapshot(node: Node, ref: Ref, session: Document, start: StartSnapshot | None) -> StartSnapshot:
    """Add to a snapshot what was unknown at the start, and the tariffs that the session itself names."""
    named = _named(session)
    if start is None:
        return take_snapshot(node, ref, session, named)
    missing = [each for each in named if fold(each) not in _ids(start.tariffs)]
    if start.location is not None and start.tariffs:
        return replace(start, tariffs=(*start.tariffs, *read_tariffs(node.objects, ref, missing)))
    late = take_snapshot(node, ref, session, named)
    return replace(
        start,
        location=start.location or late.location,
        time_zone=start.time_zone or late.time_zone,
        tariffs=start.tariffs or late.tariffs,
        max_kw=start.max_kw or late.max_kw,
    )


def _named(session: Mapping[str, Any]) -> list[str]:
    periods: Sequence[Mapping[str, Any]] = session.get("charging_periods") or ()
    return list(dict.fromkeys(period["tariff_id"] for period in periods if period.get("tariff_id")))


def _ids(tariffs: Iterable[Document]) -> set[str]:
    return {fold(tariff["id"]) for tariff in tariffs}


# -- the place of a session ---------------------------------------------------------------------------


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
