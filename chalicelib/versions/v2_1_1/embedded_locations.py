"""The location inside a session or CDR of 2.1.1, with the one EVSE and connector of the session.

Down, the location that a partner of 2.1.1 sent is used if the object has kept it, otherwise the stored
location. It is sent even if it is not published: the driver has been there.

Source: OCPI 2.1.1 mod_sessions, mod_cdrs; V211-16, V211-42, V211-50
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import fold
from chalicelib.versions.v2_1_1.fields import Document, Down, is_one_of, objects, owner_of
from chalicelib.versions.v2_1_1.locations import POWER_TYPES, STANDARDS, evse_down, place_down, rated
from chalicelib.versions.version import Known

NOT_ASSIGNED = "#NA"
"""An id of 2.2.1 that is not known. 2.1.1 has no such value (V211-16)."""

_NO_CONNECTOR = {"id": NOT_ASSIGNED, "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "DC"}
"""The connector of a CDR that has none: 2.2.1 requires its fields, and they are to be ignored."""

_PLACE = ("id", "name", "address", "city", "postal_code", "country", "coordinates")
_OF_CONNECTOR = {
    "connector_standard": "standard",
    "connector_format": "format",
    "connector_power_type": "power_type",
}


# -- up ----------------------------------------------------------------------------------------------


def session_place_up(document: Document, known: Known) -> None:
    """Take the ids from the location; several EVSEs or connectors say nothing.

    Raises: InvalidParameters for a location in a PATCH that is not whole.
    """
    location = document.get("location")
    if not isinstance(location, dict):
        return
    evse = _only(location.get("evses"))
    connector = _only(evse.get("connectors"))
    ids = {
        "location_id": location.get("id"),
        "evse_uid": evse.get("uid"),
        "connector_id": connector.get("id"),
    }
    if known.is_patch and None in ids.values():
        text = "a location in a PATCH needs its id, its EVSE and its connector: send the session by PUT"
        raise InvalidParameters(text, field="location")
    document |= {name: value for name, value in ids.items() if value is not None}


def cdr_place_up(document: Document) -> None:
    """Make a `cdr_location` of the location. Without a connector it is that of an unused reservation."""
    location = document.get("location")
    if not isinstance(location, dict):
        return
    evse = _only(location.get("evses")) or {"uid": NOT_ASSIGNED, "evse_id": NOT_ASSIGNED}
    connector = _only(evse.get("connectors")) or _NO_CONNECTOR
    place = {name: location[name] for name in _PLACE if location.get(name) not in (None, "")}
    place |= {
        "evse_uid": evse.get("uid"),
        "evse_id": evse.get("evse_id"),
        "connector_id": connector.get("id"),
    }
    place |= {new: connector.get(old) for new, old in _OF_CONNECTOR.items()}
    document["cdr_location"] = {name: value for name, value in place.items() if value is not None}


def _only(values: Any) -> Mapping[str, Any]:
    """The only object of a list, an empty one if there is none or several."""
    found = objects(values)
    return found[0] if len(found) == 1 else {}


# -- down --------------------------------------------------------------------------------------------


def session_place_down(work: Down, document: Document) -> Document:
    """A session with its location in place of the ids; held if the location is not known."""
    if work.known.is_patch or "location_id" not in document:
        return document
    ids = [document.pop(name, None) for name in ("location_id", "evse_uid", "connector_id")]
    kept = document.get("location")
    if _is_of(kept, *ids[:2]):
        return document
    stored = _find(work, document, ids[0])
    if stored is None:
        work.hold("2.1.1 has the location inside of a session, and it is not known here")
        return document
    location = _with_connector(work, stored, ids[1], ids[2], _tariff_of(document))
    if "evses" in location:
        _check_standard(work, location["evses"][0]["connectors"][0], "/connector_id")
    elif _is_assigned(ids[1]):
        work.lose("/evse_uid", "2.1.1 has the EVSE inside of a session, and it is not known here")
    document["location"] = location
    return document


def cdr_place_down(work: Down, document: Document) -> Document:
    """A CDR with a location; the stored location has what a `cdr_location` lacks."""
    place = document.pop("cdr_location", None)
    if not isinstance(place, dict):
        return document
    evse_uid, connector_id = place.get("evse_uid"), place.get("connector_id")
    if _is_of(document.get("location"), place.get("id"), evse_uid):
        return document
    stored = _find(work, document, place.get("id"))
    found = (
        {} if stored is None else _with_connector(work, stored, evse_uid, connector_id, _tariff_of(document))
    )
    location = {
        "type": "UNKNOWN",
        "last_updated": document.get("last_updated"),
        **found,
        **_fields_of_place(work, place, found),
    }
    if _is_assigned(evse_uid):
        location["evses"] = [_evse_of_cdr(work, place, _only(found.get("evses")), location["last_updated"])]
    return {**document, "location": location}


def _fields_of_place(work: Down, place: Mapping[str, Any], found: Mapping[str, Any]) -> Document:
    """The fields of a `cdr_location` that belong to the location itself, as they were then."""
    at = "/cdr_location"
    fields = {name: place[name] for name in _PLACE if place.get(name)}
    work.without(dict(place), at, "state")
    if not (fields.get("postal_code") or found.get("postal_code")):
        work.lose(f"{at}/postal_code", "2.1.1 requires it, so it is sent empty")
        fields["postal_code"] = ""
    if isinstance(fields.get("coordinates"), dict):
        fields["coordinates"] = work.point(dict(fields["coordinates"]), f"{at}/coordinates")
    return fields


def _evse_of_cdr(work: Down, place: Mapping[str, Any], found: Mapping[str, Any], moment: Any) -> Document:
    """The EVSE of a CDR. Its connector is never left out: the CDR would have to be."""
    at, place = "/cdr_location", dict(place)
    work.instead(place, at, "connector_power_type", POWER_TYPES)
    connector = {"id": place.get("connector_id"), "last_updated": moment, **_only(found.get("connectors"))}
    connector |= {old: place[new] for new, old in _OF_CONNECTOR.items() if new in place}
    _check_standard(work, connector, f"{at}/connector_standard")
    if "voltage" not in connector:
        work.lose(f"{at}/connector_id", "2.1.1 requires voltage and amperage, which are not known here")
    evse_id = {"evse_id": place["evse_id"]} if _is_assigned(place.get("evse_id")) else {}
    evse = {"status": "UNKNOWN", "last_updated": moment, **found, "uid": place["evse_uid"], **evse_id}
    return {**evse, "connectors": [connector]}


def _check_standard(work: Down, connector: Mapping[str, Any], at: str) -> None:
    if not is_one_of(connector.get("standard"), STANDARDS):
        work.lose(
            at, f"2.1.1 does not have the connector type {connector.get('standard')}, it is sent as it is"
        )


def _find(work: Down, document: Document, location_id: Any) -> Mapping[str, Any] | None:
    owner = owner_of(document, work.known)
    return None if owner is None else work.known.find("locations", owner, str(location_id))


def _tariff_of(document: Mapping[str, Any]) -> Any:
    """The tariff that all charging periods name, None if they name none or several."""
    named = [period.get("tariff_id") for period in objects(document.get("charging_periods"))]
    return named[0] if named and all(each == named[0] for each in named) else None


def _with_connector(
    work: Down, stored: Mapping[str, Any], evse_uid: Any, connector_id: Any, tariff_id: Any
) -> Document:
    """A stored location for 2.1.1 with one EVSE and connector; what it loses is no loss of the object.

    tariff_id: the tariff that the session was charged by, None for that of the connector.
    """
    inner, owner = Down(work.known), owner_of(stored, work.known)
    location = dict(stored)
    evse = _named(location.pop("evses", None), "uid", evse_uid)
    location = place_down(inner, location)
    connector = _named(evse.get("connectors"), "id", connector_id)
    if not _is_assigned(connector_id):
        connector = _only(evse.get("connectors"))
    if not connector:
        return location
    bare = dict(evse)
    del bare["connectors"]
    sent = dict(connector)
    if tariff_id is not None:
        sent.pop("tariff_ids", None)
        sent["tariff_id"] = tariff_id
    connectors = [rated(inner, sent, owner, "")]
    location["evses"] = [{**(evse_down(inner, bare, owner) or {}), "connectors": connectors}]
    return location


def _named(values: Any, name: str, wanted: Any) -> Mapping[str, Any]:
    """The object of a list with this id, an empty one if there is none."""
    found = objects(values)
    same = (each for each in found if each.get(name) == wanted)
    alike = (each for each in found if fold(str(each.get(name))) == fold(str(wanted)))
    return next(same, None) or next(alike, {})


def _is_of(location: Any, location_id: Any, evse_uid: Any) -> bool:
    """Tell whether an object has kept the location of 2.1.1 with which it came."""
    if not isinstance(location, dict) or location.get("id") != location_id:
        return False
    return not _is_assigned(evse_uid) or _only(location.get("evses")).get("uid") in (None, evse_uid)


def _is_assigned(evse_uid: Any) -> bool:
    return evse_uid not in (None, NOT_ASSIGNED)
