"""The workload of both sides: the same requests with the same bodies.

First, sixty locations with two or three EVSEs (as in the network), two locations with ten EVSEs and a tariff
are pushed. Then each operation is repeated with bodies that differ in status and `last_updated` only.
`last_updated` grows within one day, so each write replaces a stored object and changes no counter of a day.

This file runs in our environment and in the peer's, so it uses the standard library only.

Source: OCPI 2.2.1 mod_locations_location_object, mod_tariffs_tariff_object
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

COUNTRY_CODE, PARTY_ID = "PT", "ABC"
TOKEN = "a-token-of-the-benchmark"
LISTED_LOCATIONS = 60
EVSES = 10
PAGE = 50
_START = datetime(2026, 3, 1)
_OWNER = f"/{COUNTRY_CODE}/{PARTY_ID}"
_REPLACED, _CHANGED = "LSB-99998", "LSB-99999"


@dataclass(frozen=True)
class Call:
    """One request. interface: "receiver/locations", "" for the versions; path: below the interface."""

    method: str
    interface: str
    path: str = ""
    query: str = ""
    body: str | None = None


@dataclass(frozen=True)
class Operation:
    """A measured operation. call: makes the request of a repetition. share: of the usual repetitions."""

    name: str
    title: str
    call: Callable[[int], Call]
    share: float = 1


def stored_before() -> Iterator[Call]:
    """The pushes before the measurement."""
    for number in range(1, LISTED_LOCATIONS + 1):
        yield _put_location(make_location(f"LSB-{number:05}", 2 + number % 2, 0))
    for location_id in (_REPLACED, _CHANGED):
        yield _put_location(make_location(location_id, EVSES, 0))
    yield put_tariff(0)


def put_location(second: int) -> Call:
    """Push a location with ten EVSEs in its state at a second of the day."""
    return _put_location(make_location(_REPLACED, EVSES, second))


def _put_location(document: dict[str, Any]) -> Call:
    return Call("PUT", "receiver/locations", f"{_OWNER}/{document['id']}", body=json.dumps(document))


def patch_evse(second: int) -> Call:
    """Push the status of one of ten EVSEs."""
    patch = {"status": "CHARGING" if second % 2 else "AVAILABLE", "last_updated": _time(second)}
    path = f"{_OWNER}/{_CHANGED}/{_CHANGED}-{EVSES // 2}"
    return Call("PATCH", "receiver/locations", path, body=json.dumps(patch))


def get_locations(second: int) -> Call:
    """Get the first page."""
    return Call("GET", "sender/locations", query=f"offset=0&limit={PAGE}")


def put_tariff(second: int) -> Call:
    """Push a tariff of three elements."""
    document = make_tariff(second)
    return Call("PUT", "receiver/tariffs", f"{_OWNER}/{document['id']}", body=json.dumps(document))


OPERATIONS = (
    Operation("versions", "GET versions", lambda second: Call("GET", "")),
    Operation("put_location", f"PUT Location of {EVSES} EVSEs", put_location),
    Operation("patch_evse", "PATCH EVSE status", patch_evse),
    Operation("get_locations", f"GET of {PAGE} locations", get_locations, share=0.2),
    Operation("put_tariff", "PUT tariff", put_tariff),
)


def make_location(location_id: str, evses: int, second: int) -> dict[str, Any]:
    """A location like those of the network."""
    return {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": location_id,
        "publish": True,
        "name": "Parque da Avenida",
        "address": "Avenida da Liberdade 110",
        "city": "Lisboa",
        "postal_code": "1250-096",
        "country": "PRT",
        "coordinates": {"latitude": "38.7205300", "longitude": "-9.1459800"},
        "parking_type": "ON_STREET",
        "evses": [_make_evse(location_id, number, second) for number in range(1, evses + 1)],
        "operator": {"name": "Alfa Charging"},
        "time_zone": "Europe/Lisbon",
        "opening_times": {"twentyfourseven": True},
        "last_updated": _time(second),
    }


def _make_evse(location_id: str, number: int, second: int) -> dict[str, Any]:
    return {
        "uid": f"{location_id}-{number}",
        "evse_id": f"PT*ABC*E{number:03}",
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        "connectors": [
            {
                "id": "1",
                "standard": "IEC_62196_T2",
                "format": "SOCKET",
                "power_type": "AC_3_PHASE",
                "max_voltage": 230,
                "max_amperage": 32,
                "max_electric_power": 22080,
                "tariff_ids": ["AC-ENERGY"],
                "last_updated": _time(second),
            }
        ],
        "coordinates": {"latitude": "38.7205300", "longitude": "-9.1459800"},
        "physical_reference": str(number),
        "last_updated": _time(second),
    }


def make_tariff(second: int) -> dict[str, Any]:
    """A tariff with a price by day, a price by night and a fee."""
    return {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": "AC-ENERGY",
        "currency": "EUR",
        "type": "REGULAR",
        "tariff_alt_text": [{"language": "pt", "text": "0,32 EUR/kWh de dia, 0,24 EUR/kWh de noite"}],
        "elements": [
            _make_element("ENERGY", 0.32, {"start_time": "08:00", "end_time": "22:00"}),
            _make_element("ENERGY", 0.24, {"start_time": "22:00", "end_time": "08:00"}),
            _make_element("FLAT", 0.5, {}),
        ],
        "last_updated": _time(second),
    }


def _make_element(kind: str, price: float, restrictions: dict[str, Any]) -> dict[str, Any]:
    element: dict[str, Any] = {
        "price_components": [{"type": kind, "price": price, "vat": 23.0, "step_size": 1}]
    }
    return {**element, "restrictions": restrictions} if restrictions else element


def _time(second: int) -> str:
    return f"{(_START + timedelta(seconds=second)).isoformat()}Z"
