"""Finds mistakes in a tariff that fits the schema, each with a JSON pointer.

An *error* leads to an absurd price or to none. A *warning* is probably a mistake. *Info* is advice: it is
allowed (the specification's own examples do it), but pricing engines disagree on it or OCPI advises against
it.

Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; TAR-07 … TAR-26
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.coverage import covers, is_impossible
from chalicelib.pricing.currencies import CURRENCIES
from chalicelib.pricing.findings import ERROR, INFO, WARNING, Finding, in_order
from chalicelib.pricing.json_fields import JsonObject, Remark, read_object
from chalicelib.pricing.restrictions import WEEKDAYS, Restrictions
from chalicelib.pricing.tariff_choice import TARIFF_TYPES
from chalicelib.pricing.tariffs import (
    DIMENSIONS,
    FLAT,
    RESERVATIONS,
    Amount,
    ParsedComponent,
    ParsedTariff,
    read_tariff,
)
from chalicelib.pricing.units import lint_units
from chalicelib.pricing.unknown_fields import pointer_of

_SIDES = ("excl_vat", "incl_vat")
_NO_DAY = ("empty_day_of_week", WARNING)
_UNKNOWN = {
    "unknown_field": ERROR,
    "unknown_restriction": ERROR,
    "unknown_dimension": ERROR,
    "unknown_reservation": ERROR,
    "tax_included": ERROR,
    "unknown_taxes": ERROR,
    "vat_not_applicable": WARNING,
    "ignored_field": WARNING,
}


def lint_tariff(document: object) -> list[Finding]:
    """Find mistakes and advice, the worst first. Raises: InvalidParameters when the document is no tariff."""
    source = read_object(document, "body")
    remarks: list[Remark] = []
    tariff = read_tariff(source, "tariff", remarks)
    return in_order([*_lint_parts(source, tariff, remarks), *_lint_reach(tariff), *_lint_fallbacks(tariff)])


def warn_of_tariff(document: object) -> list[Finding]:
    """Find mistakes in a valid tariff, without advice; fast even for a tariff of 1000 elements.

    Leaves out the slow check for elements that earlier ones hide; `lint_tariff` has it.
    """
    source = read_object(document, "body")
    remarks: list[Remark] = []
    try:
        tariff = read_tariff(source, "tariff", remarks)
    except InvalidParameters as error:
        return [Finding("not_priceable", ERROR, pointer_of(error.field or ""), error.detail)]
    return in_order(each for each in _lint_parts(source, tariff, remarks) if each.severity != INFO)


def _lint_parts(source: JsonObject, tariff: ParsedTariff, remarks: Sequence[Remark]) -> list[Finding]:
    findings = [
        *_lint_unknown(remarks),
        *_lint_head(tariff),
        *_lint_price_limits(tariff),
        *_lint_vat(tariff),
        *lint_units(tariff),
    ]
    for number, element in enumerate(tariff.elements):
        at = f"/elements/{number}"
        findings += _lint_components(element, at)
        restrictions = source["elements"][number].get("restrictions")
        if restrictions is not None:
            findings += _lint_restrictions(restrictions, element[0].restrictions, f"{at}/restrictions")
    return findings


def _lint_unknown(remarks: Sequence[Remark]) -> Iterator[Finding]:
    """Report the fields that pricing warns of, with the same texts."""
    for remark in remarks:
        if remark.code in _UNKNOWN:
            yield Finding(remark.code, _UNKNOWN[remark.code], pointer_of(remark.field), remark.message)


def _lint_head(tariff: ParsedTariff) -> Iterator[Finding]:
    if tariff.currency not in CURRENCIES:
        text = f"{tariff.currency!r} is not a currency of ISO 4217"
        yield Finding("unknown_currency", ERROR, "/currency", text)
    if tariff.type is not None and tariff.type not in TARIFF_TYPES:
        text = f"{tariff.type!r} is not a type of OCPI: no session will choose this tariff"
        yield Finding("unknown_type", WARNING, "/type", text)
    if tariff.start is not None and tariff.end is not None and tariff.end <= tariff.start:
        yield Finding("never_valid", ERROR, "/end_date_time", "the tariff ends before it starts")


def _lint_price_limits(tariff: ParsedTariff) -> Iterator[Finding]:
    least, most = tariff.min_price, tariff.max_price
    yield from _lint_crossing(least, most)
    for limit, at in ((least, "/min_price"), (most, "/max_price")):
        if limit is not None:
            yield from _lint_limit(limit, tariff, at)


def _lint_crossing(least: Amount | None, most: Amount | None) -> Iterator[Finding]:
    for side in _SIDES:
        low, high = getattr(least, side, None), getattr(most, side, None)
        if low is not None and high is not None and low > high:
            text = f"min_price {low} is above max_price {high}: the maximum wins"
            yield Finding("price_limits_cross", ERROR, f"/max_price/{side}", text)


def _lint_limit(limit: Amount, tariff: ParsedTariff, at: str) -> Iterator[Finding]:
    for side in _SIDES:
        if (value := getattr(limit, side)) is not None and value < 0:
            yield Finding("negative_limit", ERROR, f"{at}/{side}", "the limit is negative")
    if limit.incl_vat is not None:
        yield from _lint_limit_vat(limit.excl_vat, limit.incl_vat, tariff, at)
    elif tariff.has_vat:
        text = "the tariff has VAT and the limit is without: engines disagree on the price including VAT"
        yield Finding("limit_without_incl_vat", WARNING, at, text)


def _lint_limit_vat(excl_vat: Decimal, incl_vat: Decimal, tariff: ParsedTariff, at: str) -> Iterator[Finding]:
    if incl_vat < excl_vat:
        text = "the price including VAT is below the one without"
        yield Finding("limit_vat_negative", ERROR, f"{at}/incl_vat", text)
        return
    rates = {component.vat for component in tariff.components}
    rate = rates.pop() if len(rates) == 1 else None
    if rate is None:
        return
    meant = excl_vat * (100 + rate) / 100
    if abs(meant - incl_vat) > Decimal("0.005"):
        text = f"with the tariff's only VAT of {rate} % it would be {meant.normalize():f}"
        yield Finding("limit_vat_differs", WARNING, f"{at}/incl_vat", text)


def _lint_vat(tariff: ParsedTariff) -> Iterator[Finding]:
    for component, at in _located(tariff):
        vat = component.vat
        if vat is None and tariff.has_vat and component.price != 0:
            text = "VAT is missing here but given elsewhere: no VAT is not the same as 0 %"
            yield Finding("vat_missing", WARNING, at, text)
        elif vat is not None and not 0 <= vat <= 100:
            yield Finding("vat_out_of_range", ERROR, f"{at}/vat", f"{vat} is not a percentage of VAT")
        elif vat is not None and 0 < vat < 1:
            text = f"{vat} % of VAT: was {vat * 100} % meant?"
            yield Finding("vat_is_a_fraction", WARNING, f"{at}/vat", text)


def _located(tariff: ParsedTariff) -> Iterator[tuple[ParsedComponent, str]]:
    for number, element in enumerate(tariff.elements):
        for component in element:
            yield component, f"/elements/{number}/price_components/{component.index}"


def _lint_reach(tariff: ParsedTariff) -> Iterator[Finding]:
    """Find components that can never be active because earlier ones always match first."""
    earlier: dict[str, list[ParsedComponent]] = {}
    for number, element in enumerate(tariff.elements):
        found = [(each, _hidden_by(each, earlier.get(each.dimension, ()))) for each in element]
        if all(by is not None for _, by in found):
            text = f"elements before it match whenever it does, element {found[0][1]} first"
            yield Finding("unreachable_element", WARNING, f"/elements/{number}", text)
            continue
        for component, by in found:
            if by is None:
                earlier.setdefault(component.dimension, []).append(component)
                continue
            at = f"/elements/{number}/price_components/{component.index}"
            text = f"element {by} matches whenever this one does"
            yield Finding("unreachable_component", WARNING, at, text)


def _hidden_by(component: ParsedComponent, earlier: Sequence[ParsedComponent]) -> int | None:
    """Number of the first element that hides a component. earlier: reachable ones of its dimension."""
    return next((each.element for each in earlier if covers(each.restrictions, component.restrictions)), None)


def _lint_fallbacks(tariff: ParsedTariff) -> Iterator[Finding]:
    for dimension, components in tariff.charging.items():
        if dimension in DIMENSIONS and all(component.restrictions is not None for component in components):
            text = (
                f"{dimension} is free when none of its elements matches: add a last one without restrictions"
            )
            yield Finding("no_fallback", INFO, "/elements", f"{text} to state its price")
        if dimension == FLAT and len(components) > 1:
            at = f"/elements/{components[1].element}/price_components/{components[1].index}"
            text = "only the first flat fee that becomes active is charged, once"
            yield Finding("several_flat_fees", INFO, at, text)
        steps = {component.step_size for component in components}
        if dimension != FLAT and len(steps) > 1:
            text = f"the steps of {dimension} differ, only that of the last active component is used"
            at = f"/elements/{components[-1].element}/price_components/{components[-1].index}/step_size"
            yield Finding("mixed_step_sizes", INFO, at, text)


def _lint_components(element: Sequence[ParsedComponent], at: str) -> Iterator[Finding]:
    seen: set[str] = set()
    reservation = element[0].restrictions.reservation if element[0].restrictions else None
    for component in element:
        here = f"{at}/price_components/{component.index}"
        if component.dimension in seen:
            text = f"{component.dimension} is priced twice in one element, only the first counts"
            yield Finding("duplicate_dimension", ERROR, here, text)
        seen.add(component.dimension)
        if component.price < 0:
            yield Finding("negative_price", WARNING, f"{here}/price", "the driver is paid")
        if reservation in RESERVATIONS and component.dimension in ("ENERGY", "PARKING_TIME"):
            text = f"a reservation has FLAT and TIME only, {component.dimension} is never used"
            yield Finding("reservation_dimension", ERROR, f"{here}/type", text)
        yield from _lint_step(component, here)


def _lint_step(component: ParsedComponent, at: str) -> Iterator[Finding]:
    step = component.step_size
    if component.dimension == FLAT:
        if step > 1:
            yield Finding("unused_step_size", WARNING, f"{at}/step_size", "a flat fee has no steps")
    elif component.price == 0 and step > 1:
        text = "what a step adds to a price of 0 costs nothing"
        yield Finding("unused_step_size", WARNING, f"{at}/step_size", text)
    elif step == 0:
        text = "a step of 0 means no steps: write 1, which all engines understand"
        yield Finding("zero_step_size", WARNING, f"{at}/step_size", text)
    elif step > 1:
        text = "OCPI advises steps of 1: drivers do not expect larger ones, and OCPI 3.0 has no steps"
        yield Finding("large_step_size", INFO, f"{at}/step_size", text)


def _lint_restrictions(source: JsonObject, restrictions: Restrictions | None, at: str) -> Iterator[Finding]:
    if restrictions is None:
        text = "the restrictions are empty: the element always matches, leave them out"
        yield Finding("empty_restrictions", WARNING, at, text)
        if source.get("day_of_week") is not None:
            yield Finding(*_NO_DAY, f"{at}/day_of_week", "the list of days is empty: all days are meant")
        return
    for code, key, text in is_impossible(restrictions):
        yield Finding(code, ERROR, f"{at}/{key}", text)
    yield from _lint_needless(restrictions, at)
    days = source.get("day_of_week")
    if days is not None and not days:
        yield Finding(*_NO_DAY, f"{at}/day_of_week", "the list of days is empty: all days are meant")
    elif days and len(set(days)) < len(days):
        yield Finding("repeated_day_of_week", WARNING, f"{at}/day_of_week", "a day is named twice")
    elif days and len(days) == len(WEEKDAYS):
        yield Finding("needless_day_of_week", INFO, f"{at}/day_of_week", "every day is named")
    yield from _lint_window(restrictions, at)
    reservation = restrictions.reservation
    if reservation in RESERVATIONS:
        for name in ("min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current"):
            if getattr(restrictions, name) is not None:
                text = "nothing is charged during a reservation"
                yield Finding("reservation_restriction", WARNING, f"{at}/{name}", text)


def _lint_needless(restrictions: Restrictions, at: str) -> Iterator[Finding]:
    for name in ("min_kwh", "min_duration"):
        if getattr(restrictions, name) == 0:
            yield Finding("needless_minimum", INFO, f"{at}/{name}", "it always matches")


def _lint_window(restrictions: Restrictions, at: str) -> Iterator[Finding]:
    start, end = restrictions.start_minute, restrictions.end_minute
    if not restrictions.has_window:
        return
    if (start or 0) == (end or 0):
        text = "the window ends when it starts: here that is the whole day, in other engines no time at all"
        whole_day = (start or 0) == 0
        severity: Any = INFO if whole_day else WARNING
        yield Finding(
            "whole_day_window", severity, f"{at}/{'end' if end is not None else 'start'}_time", text
        )
    elif end and start and end < start and restrictions.weekdays is not None:
        text = "the window runs over midnight: after midnight, day_of_week is that of the next day"
        yield Finding("window_over_midnight", INFO, f"{at}/day_of_week", text)
