"""Locations, EVSEs and connectors of 2.1.1.

A `type` that 2.2.1 has no word for stays in the canonical location as a field that it does not know, so that
a partner of 2.1.1 gets it back.

Source: OCPI 2.1.1 mod_locations; V211-20 … V211-33
"""

from __future__ import annotations

from typing import Any

from chalicelib.protocol.message import Party
from chalicelib.versions.v2_1_1.fields import (
    Document,
    Down,
    convert_list,
    is_one_of,
    mix_down,
    mix_up,
    owner_of,
    ownerless,
    renamed,
    with_owner,
    words,
)
from chalicelib.versions.v2_1_1.tariffs import reason_to_hold
from chalicelib.versions.version import Known

STANDARDS = words(
    """CHADEMO DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H
    DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L IEC_60309_2_single_16 IEC_60309_2_three_16
    IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2
    IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C TESLA_R TESLA_S"""
)
POWER_TYPES = {"AC_2_PHASE": "AC_1_PHASE", "AC_2_PHASE_SPLIT": "AC_1_PHASE"}

_CAPABILITIES = words(
    """CHARGING_PROFILE_CAPABLE CREDIT_CARD_PAYABLE REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER
    UNLOCK_CAPABLE"""
)
_FACILITIES = words(
    """HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BUS_STOP TAXI_STAND
    TRAIN_STATION AIRPORT CARPOOL_PARKING FUEL_STATION WIFI"""
)
_PARKING_RESTRICTIONS = words("EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES")
_SAME_TYPES = words("ON_STREET PARKING_GARAGE UNDERGROUND_GARAGE PARKING_LOT")
_OF_2_3_0 = ("parking_places", "help_phone", "parking", "accepted_service_providers")
_OTHER, _UNKNOWN = "OTHER", "UNKNOWN"

_LONGEST_ADDRESS = 45
_RATINGS = {"voltage": "max_voltage", "amperage": "max_amperage"}
_OLD_NAMES = {"tariff_ids": "tariff_id", **{new: old for old, new in _RATINGS.items()}}

NO_CONNECTOR = "2.1.1 has a type for none of its connectors"


# -- up ----------------------------------------------------------------------------------------------


def location_up(document: Document, known: Known) -> Document:
    """A location of 2.1.1, which is always published (V211-20)."""
    document = _with_parking_type(document, known)
    if not known.is_patch:
        document.setdefault("publish", True)
    hours = document.get("opening_times")
    if isinstance(hours, dict) and hours.get("regular_hours") and "twentyfourseven" not in hours:
        document["opening_times"] = {"twentyfourseven": False, **hours}
    mix_up(document)
    convert_list(document, "evses", lambda evse, at: evse_up(evse, known))
    return with_owner(document, known)


def _with_parking_type(document: Document, known: Known) -> Document:
    """Call the `type` `parking_type`, if it is one of 2.2.1 (V211-21)."""
    if "type" not in document:
        return document
    is_same = is_one_of(document["type"], _SAME_TYPES)
    converted = renamed(document, {"type": "parking_type"}) if is_same else document
    other = {"type" if is_same else "parking_type": None}
    return {**converted, **other} if known.is_patch else converted


def evse_up(document: Document, known: Known) -> Document:
    """An EVSE of 2.1.1."""
    convert_list(document, "connectors", lambda connector, at: connector_up(connector, known))
    return document


def connector_up(document: Document, known: Known) -> Document:
    """A connector of 2.1.1: its one tariff becomes a list (V211-27)."""
    if "tariff_id" in document:
        tariff_id = document["tariff_id"]
        document = {**document, "tariff_id": None if tariff_id is None else [tariff_id]}
    return renamed(document, {**_RATINGS, "tariff_id": "tariff_ids"})


# -- down --------------------------------------------------------------------------------------------


def location_down(work: Down, document: Document) -> Document:
    """A location for 2.1.1, held if it is not published: the partner could not hide it (V211-20)."""
    if document.get("publish") is False:
        work.hold("a location that is not published would be shown to everybody")
    work.need_whole(document, "publish")
    return place_down(work, document)


def place_down(work: Down, document: Document) -> Document:
    """A location for 2.1.1, published or not."""
    owner = owner_of(document, work.known) if document.get("evses") else None
    document = work.without(ownerless(document), "", "publish_allowed_to", "state", *_OF_2_3_0)
    document.pop("publish", None)
    document = _typed(work, document)
    work.cut(document, "", "address", _LONGEST_ADDRESS)
    _require_postal_code(work, document)
    _choose_hours(document)
    work.only(document, "", "facilities", _FACILITIES)
    mix_down(document)
    _round_points(work, document)
    convert_list(document, "related_locations", work.point)
    convert_list(document, "evses", lambda evse, at: _evse_in_location(work, evse, owner, at))
    return document


def _typed(work: Down, document: Document) -> Document:
    """Call the `parking_type` `type`; where there is none, the `type` of a partner of 2.1.1 may be."""
    place = document.get("parking_type")
    if place is not None:
        if not is_one_of(place, _SAME_TYPES):
            work.instead(document, "", "parking_type", {str(place): _OTHER})
        return renamed(document, {"parking_type": "type"})
    if not work.known.is_patch or "parking_type" in document:
        document["type"] = document.get("type") or _UNKNOWN
    document.pop("parking_type", None)
    return document


def _require_postal_code(work: Down, document: Document) -> None:
    """Send an empty postal code where there is none: 2.1.1 requires the field (V211-22)."""
    is_there = "postal_code" in document or not work.known.is_patch
    if is_there and document.get("postal_code") is None:
        work.lose("/postal_code", "2.1.1 requires it, so it is sent empty")
        document["postal_code"] = ""


def _choose_hours(document: Document) -> None:
    """Send `regular_hours` or `twentyfourseven`: 2.1.1 has one of the two (V211-25)."""
    hours = document.get("opening_times")
    if isinstance(hours, dict) and hours.get("regular_hours") and hours.get("twentyfourseven") is False:
        document["opening_times"] = {
            name: value for name, value in hours.items() if name != "twentyfourseven"
        }


def _round_points(work: Down, document: Document, at: str = "") -> None:
    if isinstance(document.get("coordinates"), dict):
        document["coordinates"] = work.point(dict(document["coordinates"]), f"{at}/coordinates")


def _evse_in_location(work: Down, document: Document, owner: Party | None, at: str) -> Document | None:
    converted = evse_down(work, document, owner, at)
    if converted is None:
        work.lose(at, NO_CONNECTOR)
    return converted


def evse_down(work: Down, document: Document, owner: Party | None, at: str = "") -> Document | None:
    """An EVSE for 2.1.1, None if that has a type for none of its connectors."""
    document = work.without(document, at, *_OF_2_3_0)
    work.only(document, at, "capabilities", _CAPABILITIES)
    work.only(document, at, "parking_restrictions", _PARKING_RESTRICTIONS)
    _round_points(work, document, at)
    convert_list(document, "connectors", lambda each, at: connector_down(work, each, owner, at), at)
    return None if document.get("connectors") == [] else document


def connector_down(work: Down, document: Document, owner: Party | None, at: str = "") -> Document | None:
    """A connector for 2.1.1, None if that has no type for its plug (V211-30)."""
    if "standard" in document and not is_one_of(document["standard"], STANDARDS):
        work.lose(at, f"2.1.1 does not have the connector type {document['standard']}")
        return None
    return rated(work, document, owner, at)


def rated(work: Down, document: Document, owner: Party | None, at: str) -> Document:
    """A connector for 2.1.1, whatever its plug."""
    work.instead(document, at, "power_type", POWER_TYPES)
    document = work.without(document, at, "max_electric_power", "capabilities")
    if "tariff_ids" in document:
        ids = document["tariff_ids"]
        chosen = _choose_tariff(work, ids, owner, f"{at}/tariff_ids") if isinstance(ids, list) else None
        document["tariff_ids"] = chosen
        if chosen is None and not work.known.is_patch:
            del document["tariff_ids"]
            document.pop("tariff_id", None)
    return renamed(document, _OLD_NAMES)


def _choose_tariff(work: Down, ids: list[Any], owner: Party | None, at: str) -> Any:
    """The one tariff of a connector: the first that 2.1.1 can express, else the first that is not known."""
    found = [None if owner is None else work.known.find("tariffs", owner, str(each)) for each in ids]
    held = ["" if tariff is None else reason_to_hold(tariff, work.known)[0] for tariff in found]
    usable = [place for place in range(len(ids)) if not held[place]]
    usable.sort(key=lambda place: found[place] is None)
    for place in range(len(ids)):
        if place not in usable[:1]:
            work.lose(f"{at}/{place}", held[place] or "2.1.1 has one tariff for a connector")
    return ids[usable[0]] if usable else None
