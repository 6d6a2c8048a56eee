"""Makes the tariffs and locations of an operator, in the shape of the real network.

The same seed and number give the same network, and a larger number the same sites and more. Ids look like
MOBI.E's (`LSB-00693`, `PT*MOB*E*LSB*00693*1`), a site has 2.5 points on average, some lie in another
municipality than the code in their id, and each carries the hub's own fields (`mobie_*`), which partners must
keep.

Objects are complete OCPI objects. All are published.

Source: OCPI 2.2.1 mod_locations_location_object, mod_tariffs_tariff_object
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.protocol.json_text import Document
from infra.local.municipalities import MUNICIPALITIES, Municipality

COUNTRY_CODE = "PT"
FIRST_CHANGE = datetime(2026, 1, 1, tzinfo=UTC)
CHANGES_OVER = timedelta(days=240)

# Points of a site, and their share in percent: 2.5 on average.
_POINTS = {1: 20, 2: 52, 3: 8, 4: 12, 6: 5, 8: 2, 12: 1}
_STATUSES = {"AVAILABLE": 72, "CHARGING": 20, "OUTOFORDER": 4, "INOPERATIVE": 2, "UNKNOWN": 2}
_STREETS = (
    "Avenida da Liberdade",
    "Rua Direita",
    "Largo da Estação",
    "Rua 25 de Abril",
    "Praça do Município",
)
_HOSTS = ("Parque", "Hotel", "Mercado", "Centro Comercial", "Estação", "Supermercado", "Área de Serviço")
_PARKING = ("ON_STREET", "PARKING_LOT", "PARKING_GARAGE", "UNDERGROUND_GARAGE", "ALONG_MOTORWAY")
_ELSEWHERE = 0.009
"""Share of sites that lie in another municipality than the one of their code."""


@dataclass(frozen=True)
class _Kind:
    """A kind of charging point: its share among a hundred sites, its sockets, its tariffs."""

    share: int
    connectors: tuple[tuple[str, str, str, int, int, int], ...]
    """Each: standard, format, power_type, max_voltage, max_amperage, max_electric_power (W)."""
    tariff_ids: tuple[str, ...]


_KINDS = (
    _Kind(70, (("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 230, 32, 22080),), ("AC-ENERGY", "AC-TIME")),
    _Kind(
        20,
        (
            ("IEC_62196_T2_COMBO", "CABLE", "DC", 500, 125, 50000),
            ("CHADEMO", "CABLE", "DC", 500, 125, 50000),
        ),
        ("DC-DAY-NIGHT",),
    ),
    _Kind(10, (("IEC_62196_T2_COMBO", "CABLE", "DC", 920, 300, 150000),), ("HPC-PARKING",)),
)


@dataclass(frozen=True)
class Network:
    """Tariffs and locations of an operator."""

    tariffs: list[Document]
    locations: list[Document]


def generate(sites: int, *, seed: int = 2026, party_id: str = "ABC") -> Network:
    """Make a network of that many sites."""
    numbers: Counter[str] = Counter()
    weights = [municipality.weight for municipality in MUNICIPALITIES]
    locations = []
    for index in range(sites):
        # One random source per site, so the first sixty are the same in a network of six thousand.
        chance = random.Random(f"{seed}/{index}")
        coded = chance.choices(MUNICIPALITIES, weights)[0]
        # Operators share a municipality's numbers, so the numbers of one operator have gaps.
        numbers[coded.code] += chance.randint(1, 9)
        location_id = f"{coded.code}-{numbers[coded.code]:05d}"
        stands_in = chance.choice(MUNICIPALITIES) if chance.random() < _ELSEWHERE else coded
        locations.append(_location(chance, location_id, stands_in, party_id))
    return Network(tariffs(party_id), locations)


def tariffs(party_id: str = "ABC") -> list[Document]:
    """Make the operator's tariffs: every kind of price, with steps and restrictions."""
    weekdays = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
    return [
        _tariff(party_id, "AC-ENERGY", [_element(_price("FLAT", "0.35", 1), _price("ENERGY", "0.19", 1))]),
        _tariff(party_id, "AC-TIME", [_element(_price("FLAT", "0.20", 1), _price("TIME", "1.20", 60))]),
        _tariff(
            party_id,
            "DC-DAY-NIGHT",
            [
                _element(_price("ENERGY", "0.32", 100), start_time="08:00", end_time="22:00"),
                _element(_price("ENERGY", "0.24", 100), start_time="22:00", end_time="08:00"),
                _element(_price("FLAT", "0.50", 1), _price("TIME", "2.40", 60)),
            ],
        ),
        _tariff(
            party_id,
            "HPC-PARKING",
            [
                _element(_price("ENERGY", "0.45", 1000), day_of_week=weekdays),
                _element(_price("ENERGY", "0.39", 1000), day_of_week=["SATURDAY", "SUNDAY"]),
                _element(_price("PARKING_TIME", "6.00", 300), min_duration=3600),
                _element(_price("FLAT", "1.00", 1)),
            ],
        ),
    ]


def _tariff(party_id: str, tariff_id: str, elements: list[Document]) -> Document:
    return {
        "country_code": COUNTRY_CODE,
        "party_id": party_id,
        "id": tariff_id,
        "currency": "EUR",
        "elements": elements,
        "last_updated": _text(FIRST_CHANGE),
    }


def _element(*prices: Document, **restrictions: Any) -> Document:
    element: Document = {"price_components": list(prices)}
    return {**element, "restrictions": restrictions} if restrictions else element


def _price(dimension: str, price: str, step_size: int) -> Document:
    return {"type": dimension, "price": Decimal(price), "vat": Decimal(23), "step_size": step_size}


def _location(chance: random.Random, location_id: str, town: Municipality, party_id: str) -> Document:
    kind = chance.choices(_KINDS, [kind.share for kind in _KINDS])[0]
    points = chance.choices(list(_POINTS), list(_POINTS.values()))[0]
    changed = FIRST_CHANGE + timedelta(seconds=chance.randrange(int(CHANGES_OVER.total_seconds())))
    street = chance.choice(_STREETS)
    return {
        "country_code": COUNTRY_CODE,
        "party_id": party_id,
        "id": location_id,
        "publish": True,
        "name": f"{chance.choice(_HOSTS)} {town.name} {location_id[-3:]}",
        "address": f"{street} {chance.randint(1, 250)}",
        "city": town.name,
        "postal_code": f"{town.postal_prefix + chance.randint(0, 49)}-{chance.randint(1, 999):03d}",
        "state": town.state,
        "country": "PRT",
        "coordinates": {
            "latitude": f"{town.latitude + chance.uniform(-0.03, 0.03):.6f}",
            "longitude": f"{town.longitude + chance.uniform(-0.03, 0.03):.6f}",
        },
        "parking_type": chance.choice(_PARKING),
        "evses": [
            _evse(chance, location_id, number, kind, changed - timedelta(minutes=chance.randint(0, 600)))
            for number in range(1, points + 1)
        ],
        "operator": {"name": "Alfa Charging"},
        "time_zone": town.time_zone,
        "opening_times": {"twentyfourseven": True},
        "charging_when_closed": True,
        "mobie_cpe": f"PT0002{chance.randrange(10**12):012d}{''.join(chance.choices('ABCDEFGHJK', k=2))}",
        "mobie_voltage_level": "BTN" if kind is _KINDS[0] else chance.choice(("BTE", "MT")),
        "mobie_access_type": chance.choice(("PUBLIC", "PUBLIC", "RESTRICTED")),
        "last_updated": _text(changed),
    }


def _evse(chance: random.Random, location_id: str, number: int, kind: _Kind, changed: datetime) -> Document:
    last_updated = _text(changed)
    return {
        "uid": f"{location_id}-{number}",
        "evse_id": f"PT*MOB*E*{location_id.replace('-', '*')}*{number}",
        "status": chance.choices(list(_STATUSES), list(_STATUSES.values()))[0],
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE", "RESERVABLE", "UNLOCK_CAPABLE"],
        "connectors": [
            {
                "id": f"{location_id}-{number:02d}-{position:02d}",
                "standard": standard,
                "format": shape,
                "power_type": power_type,
                "max_voltage": voltage,
                "max_amperage": amperage,
                "max_electric_power": power_w,
                "tariff_ids": list(kind.tariff_ids),
                "last_updated": last_updated,
            }
            for position, (standard, shape, power_type, voltage, amperage, power_w) in enumerate(
                kind.connectors, start=1
            )
        ],
        "physical_reference": str(number),
        "last_updated": last_updated,
    }


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
