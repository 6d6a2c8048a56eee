"""Checks the totals of a CDR against those computed from its own tariffs and charging periods.

Money may differ by half of the currency's smallest unit, so it may be rounded to that unit or to more
decimals. OCPI leaves rounding to laws and contracts, so two more ways are accepted:

- a total that is the sum of parts rounded one by one;
- amounts that are all cut off, or all rounded up, if at least two of them show it. (A single one counts as a
  difference.)

Quantities may be rounded, cut off or rounded up to the decimals that they have, at least two. Only fields
that the CDR has are checked. Costs are reported as not judged if the CDR has no tariffs, or if an unknown
field of a tariff could change them.

Taxes that no tariff names (OCPI 2.3.0 in North America) are not judged: where prices are without taxes, a
cost that lists its taxes is judged without them; where prices include taxes, with them.

Source: OCPI 2.2.1 mod_cdrs, CDR Object; mod_tariffs, Tariff Object (note on rounding); CDR-07, CDR-15,
CDR-16, TAR-23; V23-17
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.billing import FIXED, RESERVED
from chalicelib.pricing.costs import Priced, price_usage
from chalicelib.pricing.countries import zone_of
from chalicelib.pricing.currencies import decimals_of
from chalicelib.pricing.json_fields import (
    HOUR_US,
    MICROSECOND,
    JsonObject,
    Remark,
    read_flag,
    read_list,
    read_object,
    read_optional_decimal,
    read_span,
    read_text,
    read_zone,
    round_number,
)
from chalicelib.pricing.periods import SESSION_ONLY, read_periods, remark_missing
from chalicelib.pricing.plausibility import find_impossible, usual_power_kw
from chalicelib.pricing.price_request import read_tariffs, tariffs_by_id, usage_of, with_tariff
from chalicelib.pricing.pricing_input import Telemetry, Usage
from chalicelib.pricing.tariff_choice import Wish
from chalicelib.pricing.tariffs import ENERGY, PARKING_TIME, TIME, Amount, ParsedTariff
from chalicelib.pricing.taxes import UNKNOWN_TAXES

_COARSE_QUANTITIES = {2: Decimal("0.01"), 3: Decimal("0.001")}
_QUANTITY_TOLERANCE = Decimal("0.0005")

_WITHOUT, _WITH = _SIDES = ("excl_vat", "incl_vat")
_QUANTITIES = ("total_energy", "total_time", "total_parking_time")
_COSTS = {
    "total_fixed_cost": FIXED,
    "total_energy_cost": ENERGY,
    "total_time_cost": TIME,
    "total_parking_cost": PARKING_TIME,
    "total_reservation_cost": RESERVED,
}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A field of a CDR with a wrong value; `field` is a dotted path, `computed` has nine decimals."""

    field: str
    claimed: Decimal | str
    computed: Decimal | str


@dataclass(frozen=True)
class Verification:
    """Result of checking a CDR; `priced` is the computed price.

    judged: the fields that were compared. not_judged: fields of the CDR that could not be computed; the
    remarks have the reason.
    """

    discrepancies: Sequence[Discrepancy]
    remarks: Sequence[Remark]
    priced: Priced
    not_judged: Sequence[str] = ()
    judged: Sequence[str] = ()


def verify_cdr(
    document: object,
    time_zone: str | None = None,
    tolerance: Decimal | None = None,
    time_prices_per_minute: bool = False,
    now: datetime | None = None,
) -> Verification:
    """Compute a CDR again and report the fields that differ.

    time_zone: of the location; default is that of the CDR's country. tolerance: of money; default is half of
    the currency's smallest unit. time_prices_per_minute: true if its tariffs price time per minute.
    now: given to detect an end in the future.
    Raises: InvalidParameters for a bad field; NotEnoughInformation when the time zone is needed and missing.
    """
    cdr = read_object(document, "body")
    remarks: list[Remark] = []
    tariffs = read_tariffs(cdr.get("tariffs"), remarks, time_prices_per_minute)
    usage = _read_usage(cdr, tariffs, time_zone, remarks)
    _remark_impossible(cdr, usage, now, remarks)
    priced = price_usage(usage, remarks)
    if tolerance is None:
        tolerance = Decimal(5).scaleb(-1 - decimals_of(str(cdr.get("currency"))))
    found = [*_judge_quantities(cdr, usage, priced)]
    warnings = list(priced.remarks)
    costs = [field for field in ("total_cost", *_COSTS) if _is_claimed(cdr, field)]
    judged = [field for field in _QUANTITIES if cdr.get(field) is not None]
    if not tariffs:
        warnings.append(Remark("no_tariffs", "tariffs", "the CDR has no tariffs: its costs are not judged"))
    elif any(remark.code != UNKNOWN_TAXES for remark in priced.undecided):
        found = [*_judge_currency(cdr, priced), *found]
    else:
        found = [*_judge_currency(cdr, priced), *_judge_costs(cdr, priced, tolerance), *found]
        return Verification(found, warnings, priced, judged=[*costs, *judged])
    return Verification(found, warnings, priced, costs, judged)


def write_verification(verification: Verification) -> dict[str, Any]:
    """Write a verification as plain JSON; `not_judged` is left out if every field could be judged."""
    written: dict[str, Any] = {
        "discrepancies": [
            {"field": each.field, "claimed": each.claimed, "computed": each.computed}
            for each in verification.discrepancies
        ],
        "warnings": [remark.to_document() for remark in verification.remarks],
    }
    if verification.not_judged or not verification.judged:
        written["not_judged"] = list(verification.not_judged)
    return written


def _read_usage(
    cdr: JsonObject, tariffs: Sequence[ParsedTariff], time_zone: str | None, remarks: list[Remark]
) -> Usage:
    start, end = read_span(cdr)
    periods = read_periods(
        cdr.get("charging_periods"),
        start,
        end,
        tariffs_by_id(tariffs, start) if tariffs else None,
        "charging_periods",
        remarks,
    )
    if not periods:
        raise InvalidParameters("a CDR needs at least one charging period", field="charging_periods")
    _remark_session_only(cdr, remarks)
    if tariffs:
        # A CDR lists the tariffs that it uses. If there is only one, it is the tariff of the session.
        wish = Wish(tariffs[0].id if len(tariffs) == 1 else None)
        periods = with_tariff(periods, tariffs, start, wish, remarks)
        remark_missing(periods, remarks, "charging_periods")
    zone = _zone(cdr, tariffs, time_zone, remarks)
    is_expired = all(period.is_reserved for period in periods)
    return usage_of(periods, Telemetry(start, end, zone), is_expired)


def _zone(
    cdr: JsonObject, tariffs: Sequence[ParsedTariff], time_zone: str | None, remarks: list[Remark]
) -> ZoneInfo | None:
    if time_zone is not None:
        return read_zone(time_zone, "time_zone")
    if not any(tariff.day_minutes for tariff in tariffs):
        return None
    zone, is_certain = zone_of(cdr)
    if zone is None:
        raise InvalidParameters(
            "the tariff depends on the local time and the country has no known time zone: use --time-zone",
            field="cdr_location.country",
        )
    if not is_certain:
        text = f"the country has several time zones, {zone} is taken"
        remarks.append(Remark("time_zone_guessed", "cdr_location.country", text))
    return read_zone(zone, "time_zone")


def _remark_impossible(cdr: JsonObject, usage: Usage, now: datetime | None, remarks: list[Remark]) -> None:
    """Warn of impossible quantities (`plausibility.py`)."""
    place = cdr.get("cdr_location")
    max_kw = usual_power_kw(place.get("connector_power_type") if isinstance(place, dict) else None)
    kwh = read_optional_decimal(cdr.get("total_energy"), "total_energy") or Decimal(0)
    known = {remark.code for remark in remarks}
    found = find_impossible(cdr, kwh, max_kw, now=now)
    named = (replace(each, field="total_energy") if each.field == "kwh" else each for each in found)
    remarks += [remark for remark in named if remark.code not in known]


def _remark_session_only(cdr: JsonObject, remarks: list[Remark]) -> None:
    for number, period in enumerate(cdr["charging_periods"]):
        for index, dimension in enumerate(read_list(period.get("dimensions"), "charging_periods")):
            if (kind := dimension.get("type")) in SESSION_ONLY:
                where = f"charging_periods.{number}.dimensions.{index}.type"
                text = f"{kind} is for sessions, not for CDRs (CDR-15)"
                remarks.append(Remark("session_only_dimension", where, text))


def _judge_currency(cdr: JsonObject, priced: Priced) -> Iterator[Discrepancy]:
    claimed = cdr.get("currency")
    if claimed is not None and priced.tariff is not None and claimed != priced.tariff.currency:
        yield Discrepancy("currency", read_text(claimed, "currency"), priced.tariff.currency)


def _judge_costs(cdr: JsonObject, priced: Priced, tolerance: Decimal) -> Iterator[Discrepancy]:
    claims = [*_claims_of_costs(cdr, priced)]
    wrong = [each for each in claims if abs(each.claimed - each.computed) > tolerance]
    if len(wrong) > 1 and _are_rounded_one_way(claims, tolerance * 2):
        return
    for each in wrong:
        if (
            each.field != "total_cost"
            or priced.limits
            or not _is_sum_of_rounded(cdr, priced, each.side, each.claimed, tolerance)
        ):
            values = (each.sign * each.claimed, round_number(each.sign * each.computed))
            yield Discrepancy(f"{each.field}.{each.side}", *values)


class _Claim(NamedTuple):
    """An amount of money that a CDR claims; `claimed` is without its `sign` (-1 in a credit CDR)."""

    field: str
    side: str
    sign: int
    claimed: Decimal
    computed: Decimal


def _claims_of_costs(cdr: JsonObject, priced: Priced) -> Iterator[_Claim]:
    sign = -1 if read_flag(cdr.get("credit"), "credit") else 1
    for side in _sides(cdr, "total_cost", priced):
        if (claimed := _claimed(cdr, "total_cost", side)) is not None:
            yield _Claim("total_cost", side, sign, sign * claimed, _side(priced.total_cost, side))
    for field, kind in _COSTS.items():
        if cdr.get(field) is None:
            continue
        for side in _sides(cdr, field, priced):
            if (claimed := _claimed(cdr, field, side)) is not None:
                yield _Claim(field, side, 1, claimed, _side(priced.costs[kind], side))


def _sides(cdr: JsonObject, field: str, priced: Priced) -> Sequence[str]:
    """The sides of a cost that its tariffs tell."""
    if priced.undecided:
        return (_WITH,)
    claimed = cdr.get(field)
    has_other_taxes = not priced.has_vat and isinstance(claimed, Mapping) and bool(claimed.get("taxes"))
    return (_WITHOUT,) if has_other_taxes else _SIDES


def _are_rounded_one_way(claims: Sequence[_Claim], unit: Decimal) -> bool:
    """Check whether all amounts are cut off, or all are rounded up, to the currency's smallest unit."""
    if any(each.claimed % unit for each in claims):
        return False
    above = [each.claimed - each.computed for each in claims]
    return all(-unit < each <= 0 for each in above) or all(0 <= each < unit for each in above)


def _claimed(cdr: JsonObject, field: str, side: str) -> Decimal | None:
    if cdr.get(field) is None:
        return None
    return read_optional_decimal(read_object(cdr[field], field).get(side), f"{field}.{side}")


def _is_claimed(cdr: JsonObject, field: str) -> bool:
    return any(_claimed(cdr, field, side) is not None for side in _SIDES)


def _side(price: Amount, side: str) -> Decimal:
    return price.with_vat if side == _WITH else price.excl_vat


def _is_sum_of_rounded(
    cdr: JsonObject, priced: Priced, side: str, claimed: Decimal, tolerance: Decimal
) -> bool:
    """Check whether a total is the sum of the CDR's own parts, each of them correctly rounded."""
    whole = Decimal(0)
    for field, kind in _COSTS.items():
        part, computed = _claimed(cdr, field, side), _side(priced.costs[kind], side)
        if part is None and computed == 0:
            continue
        if part is None or abs(part - computed) > tolerance:
            return False
        whole += part
    return whole == claimed


def _judge_quantities(cdr: JsonObject, usage: Usage, priced: Priced) -> Iterator[Discrepancy]:
    whole_us = (usage.end - usage.periods[0].start) // MICROSECOND
    for field, computed in (
        ("total_energy", priced.total_energy),
        ("total_time", Decimal(priced.total_time_us) / HOUR_US),
        ("total_parking_time", Decimal(priced.total_parking_us) / HOUR_US),
    ):
        claimed = read_optional_decimal(cdr.get(field), field)
        if claimed is None or _is_about(claimed, computed):
            continue
        # Spec: unclear on whether the reservation is part of the session's time; both are accepted.
        if field == "total_time" and _is_about(claimed, Decimal(whole_us) / HOUR_US):
            continue
        yield Discrepancy(field, claimed, round_number(computed))


def _is_about(claimed: Decimal, computed: Decimal) -> bool:
    """Check whether a claimed quantity is right within its own decimals."""
    difference = abs(claimed - computed)
    coarse = _COARSE_QUANTITIES.get(max(2, -int(claimed.as_tuple().exponent)))
    return difference <= _QUANTITY_TOLERANCE or (coarse is not None and difference < coarse)
