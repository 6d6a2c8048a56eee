"""Builders of tariffs, sessions and CDRs: a test gives only the fields that it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.pricing.costs import Priced
from chalicelib.pricing.json_fields import write_moment
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.tariffs import Amount

# A Wednesday in winter, when Lisbon has UTC.
START = datetime(2026, 1, 14, 10, 0, tzinfo=UTC)


def number(text: str | int | Decimal) -> Decimal:
    return Decimal(text)


def component(kind: str, price: str, vat: str | None = None, step: int = 1) -> dict[str, Any]:
    made: dict[str, Any] = {"type": kind, "price": Decimal(price), "step_size": step}
    return made if vat is None else made | {"vat": Decimal(vat)}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """An element of a tariff with its restrictions."""
    made: dict[str, Any] = {"price_components": list(components)}
    return made | {"restrictions": restrictions} if restrictions else made


def tariff(*elements: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "T1",
        "currency": "EUR",
        "elements": list(elements),
        "last_updated": "2026-01-01T00:00:00Z",
    } | fields


def limit(excl_vat: str, incl_vat: str | None = None) -> dict[str, Any]:
    made = {"excl_vat": Decimal(excl_vat)}
    return made if incl_vat is None else made | {"incl_vat": Decimal(incl_vat)}


def at(minutes: float = 0, start: datetime = START) -> str:
    """The time this many minutes after the start, as in JSON."""
    return write_moment(start + timedelta(minutes=minutes))


def period(
    minutes: float, tariff_id: str | None = "T1", start: datetime = START, **volumes: str
) -> dict[str, Any]:
    """A charging period that starts this many minutes after the session."""
    made: dict[str, Any] = {
        "start_date_time": at(minutes, start),
        "dimensions": [{"type": kind, "volume": Decimal(volume)} for kind, volume in volumes.items()],
    }
    return made if tariff_id is None else made | {"tariff_id": tariff_id}


def session(minutes: float = 60, start: datetime = START, **fields: Any) -> dict[str, Any]:
    """A session of this many minutes in Lisbon."""
    return {
        "start_date_time": at(0, start),
        "end_date_time": at(minutes, start),
        "time_zone": "Europe/Lisbon",
    } | fields


def meter(*readings: tuple[float, str], start: datetime = START) -> list[dict[str, Any]]:
    """Meter readings: minutes after the start, kWh."""
    return [{"at": at(minutes, start), "kwh": Decimal(kwh)} for minutes, kwh in readings]


def states(*seen: tuple[float, str], start: datetime = START) -> list[dict[str, Any]]:
    """Charging states: minutes after the start, the state."""
    return [{"at": at(minutes, start), "state": state} for minutes, state in seen]


def powers(*seen: tuple[float, str], start: datetime = START) -> list[dict[str, Any]]:
    """Power readings: minutes after the start, kW."""
    return [{"at": at(minutes, start), "kw": Decimal(kw)} for minutes, kw in seen]


def price(tariffs: Any, session: Any) -> Priced:
    """Price a session with one tariff or a list of them."""
    return price_request({"tariffs": tariffs if isinstance(tariffs, list) else [tariffs], "session": session})


def cost(excl_vat: str, incl_vat: str | None = None) -> Amount:
    """A price; without VAT both are the same."""
    return Amount(Decimal(excl_vat), Decimal(excl_vat if incl_vat is None else incl_vat))


def codes(priced: Priced) -> set[str]:
    return {remark.code for remark in priced.remarks}
