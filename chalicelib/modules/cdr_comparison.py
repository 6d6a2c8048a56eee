"""Comparison of two CDRs of one session, our own and the hub's, field by field.

These fields are compared: times, place, token, energy, hours, amounts and the ids of the tariffs. These are
left out: ids and `last_updated`, because each side sets its own; texts for people; and the charging periods,
because the price is the same however finely a session is cut.

A field that only one side has is listed in `not_judged`: most fields are optional in OCPI. The total cost is
always compared; a missing `incl_vat` counts as equal to `excl_vat`.

A difference that rounding can cause is ignored, even if the tolerances of the deployment are 0: numbers are
sent with four decimals, a part of a cost may be rounded up or down so that the parts add up, and a currency
without cents has whole amounts.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from chalicelib.pricing.currencies import decimals_of
from chalicelib.pricing.json_fields import JsonObject
from chalicelib.protocol.types import fold, parse_datetime
from chalicelib.settings import Tolerance

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Allowed difference of start and end times: some platforms cut fractions of a second, others round them."""

_ROUNDED = Decimal("0.0002")
"""Largest difference of two roundings (one up, one down) of the same number to four decimals."""

_TEXTS = (
    "currency",
    "cdr_token.country_code",
    "cdr_token.party_id",
    "cdr_token.uid",
    "cdr_token.type",
    "cdr_token.contract_id",
    "cdr_location.id",
    "cdr_location.evse_uid",
    "cdr_location.evse_id",
    "cdr_location.connector_id",
    "auth_method",
    "authorization_reference",
    "meter_id",
)
_SIDES = ("excl_vat", "incl_vat")
_TIMES = ("start_date_time", "end_date_time")
_PARTIAL_COSTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)

FieldValue = Decimal | str | int | None
Pair = tuple[str, FieldValue, FieldValue, bool]


@dataclass(frozen=True)
class Difference:
    """A field in which two CDRs differ.

    field: dotted path. ours, theirs: the two values; None when that side lacks the field.
    """

    field: str
    ours: FieldValue
    theirs: FieldValue


@dataclass(frozen=True)
class Comparison:
    """Result of comparing two CDRs. not_judged: the fields that only one of the two has."""

    differences: tuple[Difference, ...]
    not_judged: tuple[str, ...]


def compare(ours: JsonObject, theirs: JsonObject, tolerance: Tolerance) -> Comparison:
    """Compare two valid CDRs."""
    tolerance = _with_rounding(tolerance, ours)
    pairs = [*_pairs(ours, theirs, tolerance)]
    differences = [
        Difference(field, one, other)
        for field, one, other, is_equal in pairs
        if None not in (one, other) and not is_equal
    ]
    not_judged = [field for field, one, other, _ in pairs if (one is None) != (other is None)]
    return Comparison((*compare_total_cost(ours, theirs, tolerance), *differences), tuple(not_judged))


def compare_total_cost(ours: JsonObject, theirs: JsonObject, tolerance: Tolerance) -> Iterator[Difference]:
    """Compare the `total_cost` of two CDRs, or of sessions that have one."""
    one, other = ours["total_cost"], theirs["total_cost"]
    allowed = _with_rounding(tolerance, ours).money
    for side in _SIDES:
        is_given = one.get(side) is not None or other.get(side) is not None
        if is_given and not _is_near(_amount(one, side), _amount(other, side), allowed):
            yield Difference(f"total_cost.{side}", one.get(side), other.get(side))


def _with_rounding(tolerance: Tolerance, ours: JsonObject) -> Tolerance:
    decimals = decimals_of(str(ours.get("currency")).upper())
    half_a_unit = Decimal(5).scaleb(-1 - decimals) if decimals == 0 else _ROUNDED
    return Tolerance(
        max(tolerance.money, half_a_unit), max(tolerance.kwh, _ROUNDED), max(tolerance.hours, _ROUNDED)
    )


def _amount(price: JsonObject, side: str) -> Decimal:
    amount = price.get(side)
    return Decimal(price["excl_vat"] if amount is None else amount)


def _pairs(ours: JsonObject, theirs: JsonObject, tolerance: Tolerance) -> Iterator[Pair]:
    """Yield each field with both values, and whether both are present and equal."""
    quantities = {
        "total_energy": tolerance.kwh,
        "total_time": tolerance.hours,
        "total_parking_time": tolerance.hours,
    }
    quantities |= {f"{cost}.{side}": tolerance.money for cost in _PARTIAL_COSTS for side in _SIDES}
    for field, allowed in quantities.items():
        one, other = _value(ours, field), _value(theirs, field)
        yield field, one, other, None not in (one, other) and _is_near(one, other, allowed)
    for field in _TIMES:
        one, other = ours[field], theirs[field]
        yield field, one, other, abs(parse_datetime(one) - parse_datetime(other)) <= CLOCK_TOLERANCE
    for field in _TEXTS:
        one, other = _value(ours, field), _value(theirs, field)
        yield field, one, other, None not in (one, other) and fold(one) == fold(other)
    one, other = _tariffs(ours), _tariffs(theirs)
    yield "tariffs", one, other, None not in (one, other) and fold(one) == fold(other)


def _is_near(ours: Decimal, theirs: Decimal, allowed: Decimal) -> bool:
    """Return whether two numbers agree. Computes with ours only: theirs may be too large for arithmetic."""
    return ours - allowed <= theirs <= ours + allowed


def _value(document: JsonObject, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if value is not None else None
    return value


def _tariffs(cdr: JsonObject) -> Any:
    """Ids of a CDR's tariffs, sorted and joined by commas; None when it has no tariffs."""
    ids = sorted((tariff["id"] for tariff in cdr.get("tariffs") or ()), key=fold)
    return ", ".join(ids) or None
