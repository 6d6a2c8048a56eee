"""Odd tariffs. A price, a restriction or a currency that cannot be read is refused, for it is money."""

from __future__ import annotations

from decimal import Decimal

from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants, missing


def tariffs(arrived: str) -> list[Shape]:
    """Make the shapes of a tariff. arrived: the time of its arrival."""
    return [
        *_frame(),
        *_prices(),
        *_restrictions(),
        *instants(),
        *missing(arrived),
        *instants("start_date_time"),
    ]


def _frame() -> list[Shape]:
    return [
        read_as("country_code and party_id missing", {"country_code": GONE, "party_id": GONE}),
        read_as("id missing", {"id": GONE}),
        read_as("currency in small letters", {"currency": "eur"}),
        refused("currency as a sign", {"currency": "€"}, "currency"),
        refused("currency missing", {"currency": GONE}, "currency"),
        read_as("type in small letters", {"type": "regular"}),
        aside("type empty", {"type": ""}),
        aside("tariff_alt_url empty", {"tariff_alt_url": ""}),
        aside("tariff_alt_url relative", {"tariff_alt_url": "/tariffs/T1"}),
        aside("tariff_alt_text as a text", {"tariff_alt_text": "25 cent por kWh"}),
        read_as("tariff_alt_text as an object",
                {"tariff_alt_text": {"language": "PT", "text": "25 cent por kWh"}}),
        aside("end_date_time empty", {"end_date_time": ""}),
        refused("end_date_time that is none", {"end_date_time": "for ever"}, "end_date_time"),
        aside("energy_mix as a text", {"energy_mix": "green"}),
        read_as('is_green_energy "true"', {"energy_mix.is_green_energy": "TRUE"}),
        kept("unknown fields", {"x_margin": Decimal("0.10")}),
    ]  # fmt: skip


def _prices() -> list[Shape]:
    first = "elements.0.price_components.0"
    return [
        read_as("step_size missing", {f"{first}.step_size": GONE}),
        read_as("step_size as text", {f"{first}.step_size": "1"}),
        read_as("step_size 1.0", {f"{first}.step_size": Decimal("1.0")}),
        read_as("price as text", {f"{first}.price": "0.2500"}),
        refused("price null", {f"{first}.price": None}, f"{first}.price"),
        refused("price with a sign", {f"{first}.price": "0.25 €"}, f"{first}.price"),
        refused("price with a comma", {f"{first}.price": "0,25"}, f"{first}.price"),
        read_as("vat as text", {f"{first}.vat": "23.0"}),
        read_as("dimension in small letters", {f"{first}.type": "energy"}),
        read_as("price_components as an object",
                {"elements.1.price_components": {"type": "FLAT", "price": 1, "step_size": 1}}),
        refused("elements empty", {"elements": []}, "elements"),
        read_as("min_price as a number, as in 2.1.1", {"min_price": Decimal("0.50")},
                {"min_price": {"excl_vat": Decimal("0.50")}}),
        aside("min_price with nulls only", {"min_price": {"excl_vat": None, "incl_vat": None}}),
        refused("min_price without excl_vat", {"min_price.excl_vat": None}, "min_price.excl_vat"),
        read_as("max_price as text", {"max_price": "50.00"}),
        read_as("max_price with texts", {"max_price": {"excl_vat": "50.00"}}),
    ]  # fmt: skip


def _restrictions() -> list[Shape]:
    of = "elements.0.restrictions"
    return [
        read_as("start_time 8:00", {f"{of}.start_time": "8:00"}),
        read_as("start_time with seconds", {f"{of}.start_time": "08:00:00", f"{of}.end_time": "22:00:00"}),
        read_as("end_time 24:00", {f"{of}.end_time": "24:00"}, {f"{of}.end_time": "00:00"}),
        refused("start_time that is none", {f"{of}.start_time": "morning"}, f"{of}.start_time"),
        read_as("start_date with a time", {f"{of}.start_date": "2026-01-01T00:00:00Z"}),
        read_as("day_of_week in small letters", {f"{of}.day_of_week": ["monday", "Tuesday"]}),
        read_as("day_of_week as one text", {f"{of}.day_of_week": "MONDAY"},
                {f"{of}.day_of_week": ["MONDAY"]}),
        refused("day_of_week as a number", {f"{of}.day_of_week": [0]}, f"{of}.day_of_week.0"),
        read_as("min_kwh as text", {f"{of}.min_kwh": "1"}),
        aside("max_kwh empty", {f"{of}.max_kwh": ""}),
        read_as("max_duration as text", {f"{of}.max_duration": "7200"}),
        read_as("max_duration 7200.0", {f"{of}.max_duration": Decimal("7200.0")}),
        read_as("restrictions in a list", {"elements.1.restrictions": [{"min_kwh": 1}]},
                {"elements.1.restrictions": {"min_kwh": 1}}),
    ]  # fmt: skip
