"""Compares two CDRs of one session, our own and the hub's, field by field.

Compared is what a session was and what it costs: times, place, token, energy, hours, money, and which
tariffs were used. Not compared are ids and `last_updated`, which every maker gives anew, texts for people,
and the charging periods: how finely a session is cut changes no price.

A field that only one side has is not judged, since OCPI requires few of them, and is named as such. The
total cost is always judged; without VAT, `incl_vat` is `excl_vat`.

However small the tolerances of a deployment are, rounding is no difference: numbers leave with four decimals,
parts of a cost may be rounded the other way so that they add up, and amounts of a currency without cents are
whole.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from chalicelib.pricing.currencies import decimals_of
from chalicelib.protocol.types import fold, parse_datetime
from chalicelib.settings import Tolerance

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Start and end of a session may differ by so much: some platforms drop fractions, others round them."""

_ROUNDED = Decimal("0.0002")
"""Two numbers that differ by so much may be the same one, rounded both ways to four decimals."""

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

Document = Mapping[str, Any]
Value = Decimal | str | int | None
Pair = tuple[str, Value, Value, bool]


@dataclass(frozen=True)
class Difference:
    """What two CDRs tell differently; field is a dotted path, None what a side does not have."""

    field: str
    ours: Value
    theirs: Value


@dataclass(frozen=True)
class Comparison:
    """not_judged: the fields that only one of the two has."""

    differences: tuple[Difference, ...]
    not_judged: tuple[str, ...]


def compare(ours: Document, theirs: Document, tolerance: Tolerance) -> Comparison:
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


def compare_total_cost(ours: Document, theirs: Document, tolerance: Tolerance) -> Iterator[Difference]:
    """Compare the `total_cost` of two CDRs, or of sessions that have one."""
    one, other = ours["total_cost"], theirs["total_cost"]
    allowed = _with_rounding(tolerance, ours).money
    for side in _SIDES:
        is_told = one.get(side) is not None or other.get(side) is not None
        if is_told and not _is_near(_amount(one, side), _amount(other, side), allowed):
            yield Difference(f"total_cost.{side}", one.get(side), other.get(side))


def _with_rounding(tolerance: Tolerance, ours: Document) -> Tolerance:
    decimals = decimals_of(str(ours.get("currency")).upper())
    half_a_unit = Decimal(5).scaleb(-1 - decimals) if decimals == 0 else _ROUNDED
    return Tolerance(
        max(tolerance.money, half_a_unit), max(tolerance.kwh, _ROUNDED), max(tolerance.hours, _ROUNDED)
    )


def _amount(price: Document, side: str) -> Decimal:
    amount = price.get(side)
    return Decimal(price["excl_vat"] if amount is None else amount)


def _pairs(ours: Document, theirs: Document, tolerance: Tolerance) -> Iterator[Pair]:
    """Each field with both values, and whether they are equal when both are there."""
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
    """Tell whether two numbers agree. Only ours is reckoned with: theirs may be too large for that."""
    return ours - allowed <= theirs <= ours + allowed


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if value is not None else None
    return value


def _tariffs(cdr: Document) -> Any:
    """The ids of a CDR's tariffs, in their order by name; None when it names none."""
    ids = sorted((tariff["id"] for tariff in cdr.get("tariffs") or ()), key=fold)
    return ", ".join(ids) or None
