"""Sample objects that the scenarios create, in the shape of MOBI.E's network.

They are as an operator writes them: without country_code, party_id, id and last_updated, which the operator
API fills in. `as_pushed` adds those for a probe that pushes by OCPI.
Source: OCPI 2.2.1 mod_tariffs_tariff_object, mod_locations_location_object, mod_tokens_token_object,
mod_sessions_session_object, mod_cdrs_cdr_object
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from certification.ocpi import Document, Party

SITE_NAME = "Certification site"


def new_tariff_id() -> str:
    return f"CERT-{secrets.token_hex(4).upper()}"


def now(later: timedelta = timedelta()) -> str:
    """Write the present instant as an OCPI DateTime, with milliseconds."""
    return write_datetime(datetime.now(UTC) + later)


def write_datetime(moment: datetime) -> str:
    """Write an instant as an OCPI DateTime.

    >>> write_datetime(datetime(2026, 1, 2, 3, 4, 5, 60000, UTC))
    '2026-01-02T03:04:05.060Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def read_datetime(text: str) -> datetime:
    """Read an OCPI DateTime; without a designator it is UTC (TYP-07).

    >>> read_datetime("2026-01-02T03:04:05.06Z") == read_datetime("2026-01-02T03:04:05.060")
    True
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def tariff(price: str = "0.25") -> Document:
    """A tariff with a flat fee, energy and time; `price` is the price of a kWh."""
    components = [
        {"type": "FLAT", "price": Decimal("0.35"), "vat": Decimal("23.0"), "step_size": 1},
        {"type": "ENERGY", "price": Decimal(price), "vat": Decimal("23.0"), "step_size": 1},
        {"type": "TIME", "price": Decimal("1.2"), "vat": Decimal("23.0"), "step_size": 60},
    ]
    return {"currency": "EUR", "type": "REGULAR", "elements": [{"price_components": components}]}


def connector(connector_id: str, last_updated: str, tariff_ids: list[str] | None = None) -> Document:
    return {
        "id": connector_id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        **({"tariff_ids": tariff_ids} if tariff_ids else {}),
        "last_updated": last_updated,
    }


def evse(uid: str, last_updated: str, status: str = "AVAILABLE") -> Document:
    """An EVSE with two connectors, so that a test sees that a change of one leaves the other alone."""
    connectors = [connector(f"{uid}-{number:02d}", last_updated) for number in (1, 2)]
    return {"uid": uid, "status": status, "connectors": connectors, "last_updated": last_updated}


def location(location_id: str, publish: bool = True, status: str = "AVAILABLE") -> Document:
    """A site with two EVSEs; their uids are made from the location's id, as in MOBI.E's network."""
    stamp = now()
    return {
        "publish": publish,
        "name": f"{SITE_NAME} {location_id}",
        "address": "Rua da Certificação 1",
        "city": "Lisboa",
        "postal_code": "1000-001",
        "country": "PRT",
        "coordinates": {"latitude": "38.736946", "longitude": "-9.142685"},
        "time_zone": "Europe/Lisbon",
        "evses": [evse(f"{location_id}-{number}", stamp, status) for number in (1, 2)],
    }


def place_to_reserve() -> Document:
    """The part of a site that is known before it has an id: the body of a reservation."""
    site = location("")
    return {name: site[name] for name in ("address", "city", "postal_code", "country", "coordinates")}


def token(valid: bool = True) -> Document:
    """A token that a CPO must authorize each time (whitelist NEVER)."""
    return {
        "contract_id": "PT-CERT-C00000001",
        "issuer": "Certification",
        "valid": valid,
        "whitelist": "NEVER",
    }


def cdr_token(token: Document) -> Document:
    """The fields of a token that a session carries."""
    return {name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


def session(token: Document, place: Document, **fields: object) -> Document:
    """A session that has just begun; `place`: location_id, evse_uid and connector_id."""
    return {
        "start_date_time": now(),
        "kwh": Decimal("0"),
        "cdr_token": cdr_token(token),
        "auth_method": "AUTH_REQUEST",
        **place,
        "currency": "EUR",
        "status": "ACTIVE",
        **fields,
    }


def cdr(token: Document, place: Document, tariff: Document, kwh: Decimal) -> Document:
    """A CDR of an hour that has just ended, as a CPO makes it; its costs are made up."""
    begun = now(timedelta(hours=-1))
    return {
        "start_date_time": begun,
        "end_date_time": now(),
        "session_id": f"CERT-{secrets.token_hex(8).upper()}",
        "cdr_token": cdr_token(token),
        "auth_method": "AUTH_REQUEST",
        "cdr_location": {
            **place_to_reserve(),
            "id": place["location_id"],
            "evse_uid": place["evse_uid"],
            "evse_id": "PT*CER*E1",
            "connector_id": place["connector_id"],
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [tariff],
        "charging_periods": [charging_period(begun, str(kwh))],
        "total_cost": price("9.00", "11.07"),
        "total_energy": kwh,
        "total_time": 1,
    }


def charging_period(start_date_time: str, kwh: str) -> Document:
    """A charging period of a session, with its energy in kWh."""
    return {
        "start_date_time": start_date_time,
        "dimensions": [
            {"type": "ENERGY", "volume": Decimal(kwh)},
            {"type": "TIME", "volume": Decimal("0.25")},
        ],
    }


def price(excl_vat: str, incl_vat: str) -> Document:
    return {"excl_vat": Decimal(excl_vat), "incl_vat": Decimal(incl_vat)}


def as_pushed(document: Document, owner: Party, object_id: str, last_updated: str | None = None) -> Document:
    """Complete a document as its owner pushes it."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": object_id,
        **document,
        "last_updated": last_updated or now(),
    }
