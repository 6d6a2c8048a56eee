"""Reports what a tariff that fits the schema can still get wrong, with JSON pointers.

An *error* makes a price that nobody can have meant, or none at all; a *warning* is probably not meant;
*info* is advice: it is allowed (the specification's own examples do it), but engines disagree on it or
OCPI advises against it.

Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; TAR-07 … TAR-26
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.choice import TARIFF_TYPES
from chalicelib.pricing.coverage import covers, is_impossible
from chalicelib.pricing.currencies import CURRENCIES
from chalicelib.pricing.findings import ERROR, INFO, WARNING, Finding, in_order
from chalicelib.pricing.reading import Document, Remark, read_object
from chalicelib.pricing.restrictions import WEEKDAYS, Restrictions
from chalicelib.pricing.tariffs import (
    DIMENSIONS,
    FLAT,
    RESERVATIONS,
    PriceComponent,
    Tariff,
    read_tariff,
)
from chalicelib.pricing.units import lint_units
from chalicelib.pricing.unknown_fields import pointer_of

_NO_DAY = ("empty_day_of_week", WARNING)
_UNKNOWN = {
    "unknown_field": ERROR,
    "unknown_restriction": ERROR,
    "unknown_dimension": ERROR,
    "unknown_reservation": ERROR,
    "tax_included": ERROR,
    "ignored_field": WARNING,
}


def lint_tariff(document: object) -> list[Finding]:
    """Look at a tariff document. Raises: InvalidParameters when it cannot be read as a tariff at all."""
    source = read_object(document, "body")
    remarks: list[Remark] = []
    tariff = read_tariff(source, "tariff", remarks)
    return in_order([*_lint_parts(source, tariff, remarks), *_lint_reach(tariff), *_lint_fallbacks(tariff)])


def warn_of_tariff(document: object) -> list[Finding]:
    """Find what is wrong in a tariff that is valid, advice aside; quick, also for a tariff of 1000 elements.

    What a tariff of so many elements can hide in the order of them, `lint_tariff` finds.
    """
    source = read_object(document, "body")
    remarks: list[Remark] = []
    try:
        tariff = read_tariff(source, "tariff", remarks)
    except InvalidParameters as error:
        return [Finding("not_priceable", ERROR, pointer_of(error.field or ""), error.detail)]
    return in_order(each for each in _lint_parts(source, tariff, remarks) if each.severity != INFO)


def _lint_parts(source: Document, tariff: Tariff, remarks: Sequence[Remark]) -> list[Finding]:
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
    """Say what prices and CDRs say of the same fields, in the same words."""
    for remark in remarks:
        if remark.code in _UNKNOWN:
            yield Finding(remark.code, _UNKNOWN[remark.code], pointer_of(remark.field), remark.message)


def _lint_head(tariff: Tariff) -> Iterator[Finding]:
    if tariff.currency not in CURRENCIES:
        told = f"{tariff.currency!r} is not a currency of ISO 4217"
        yield Finding("unknown_currency", ERROR, "/currency", told)
    if tariff.type is not None and tariff.type not in TARIFF_TYPES:
        told = f"{tariff.type!r} is not a type of OCPI: no session will choose this tariff"
        yield Finding("unknown_type", WARNING, "/type", told)
    if tariff.start is not None and tariff.end is not None and tariff.end <= tariff.start:
        yield Finding("never_valid", ERROR, "/end_date_time", "the tariff ends before it starts")


def _lint_price_limits(tariff: Tariff) -> Iterator[Finding]:
    least, most = tariff.min_price, tariff.max_price
    for side in ("excl_vat", "incl_vat"):
        low, high = getattr(least, side, None), getattr(most, side, None)
        if low is not None and high is not None and low > high:
            told = f"min_price {low} is above max_price {high}: the maximum wins"
            yield Finding("price_limits_cross", ERROR, f"/max_price/{side}", told)
    for name, limit in (("min_price", least), ("max_price", most)):
        if limit is None:
            continue
        for side in ("excl_vat", "incl_vat"):
            if (value := getattr(limit, side)) is not None and value < 0:
                yield Finding("negative_limit", ERROR, f"/{name}/{side}", "the limit is negative")
        if limit.incl_vat is None and tariff.has_vat:
            told = "the tariff has VAT and the limit is without: engines disagree on the price including VAT"
            yield Finding("limit_without_incl_vat", WARNING, f"/{name}", told)
        if limit.incl_vat is not None and limit.incl_vat < limit.excl_vat:
            told = "the price including VAT is below the one without"
            yield Finding("limit_vat_negative", ERROR, f"/{name}/incl_vat", told)
        rates = {component.vat for element in tariff.elements for component in element}
        rate = rates.pop() if len(rates) == 1 else None
        if rate is not None and limit.incl_vat is not None and limit.incl_vat >= limit.excl_vat:
            meant = limit.excl_vat * (100 + rate) / 100
            if abs(meant - limit.incl_vat) > Decimal("0.005"):
                told = f"with the tariff's only VAT of {rate} % it would be {meant.normalize():f}"
                yield Finding("limit_vat_differs", WARNING, f"/{name}/incl_vat", told)


def _lint_vat(tariff: Tariff) -> Iterator[Finding]:
    for component, at in _located(tariff):
        vat = component.vat
        if vat is None and tariff.has_vat and component.price != 0:
            told = "VAT is given elsewhere and not here: without it none is applicable, which is not 0 %"
            yield Finding("vat_missing", WARNING, at, told)
        elif vat is not None and not 0 <= vat <= 100:
            yield Finding("vat_out_of_range", ERROR, f"{at}/vat", f"{vat} is not a percentage of VAT")
        elif vat is not None and 0 < vat < 1:
            told = f"{vat} % of VAT: was {vat * 100} % meant?"
            yield Finding("vat_is_a_fraction", WARNING, f"{at}/vat", told)


def _located(tariff: Tariff) -> Iterator[tuple[PriceComponent, str]]:
    for number, element in enumerate(tariff.elements):
        for component in element:
            yield component, f"/elements/{number}/price_components/{component.index}"


def _lint_reach(tariff: Tariff) -> Iterator[Finding]:
    """Find components that are hidden by earlier ones."""
    earlier: dict[str, list[PriceComponent]] = {}
    for number, element in enumerate(tariff.elements):
        found = [(each, _hidden_by(each, earlier.get(each.dimension, ()))) for each in element]
        if all(by is not None for _, by in found):
            told = f"elements before it match whenever it does, element {found[0][1]} first"
            yield Finding("unreachable_element", WARNING, f"/elements/{number}", told)
            continue
        for component, by in found:
            if by is None:
                earlier.setdefault(component.dimension, []).append(component)
                continue
            at = f"/elements/{number}/price_components/{component.index}"
            told = f"element {by} matches whenever this one does"
            yield Finding("unreachable_component", WARNING, at, told)


def _hidden_by(component: PriceComponent, earlier: Sequence[PriceComponent]) -> int | None:
    """The first element that covers a component. earlier: those of its dimension that can be reached."""
    return next((each.element for each in earlier if covers(each.restrictions, component.restrictions)), None)


def _lint_fallbacks(tariff: Tariff) -> Iterator[Finding]:
    for dimension, components in tariff.charging.items():
        if dimension in DIMENSIONS and all(component.restrictions is not None for component in components):
            told = (
                f"{dimension} is free whenever none of its elements matches: a last one without restrictions"
            )
            yield Finding("no_fallback", INFO, "/elements", f"{told} would say so")
        if dimension == FLAT and len(components) > 1:
            at = f"/elements/{components[1].element}/price_components/{components[1].index}"
            told = "only the first flat fee that becomes active is charged, once"
            yield Finding("several_flat_fees", INFO, at, told)
        steps = {component.step_size for component in components}
        if dimension != FLAT and len(steps) > 1:
            told = f"the steps of {dimension} differ, only that of the last active component is used"
            at = f"/elements/{components[-1].element}/price_components/{components[-1].index}/step_size"
            yield Finding("mixed_step_sizes", INFO, at, told)


def _lint_components(element: Sequence[PriceComponent], at: str) -> Iterator[Finding]:
    seen: set[str] = set()
    reservation = element[0].restrictions.reservation if element[0].restrictions else None
    for component in element:
        here = f"{at}/price_components/{component.index}"
        if component.dimension in seen:
            told = f"{component.dimension} is priced twice in one element, only the first counts"
            yield Finding("duplicate_dimension", ERROR, here, told)
        seen.add(component.dimension)
        if component.price < 0:
            yield Finding("negative_price", WARNING, f"{here}/price", "the driver is paid")
        if reservation in RESERVATIONS and component.dimension in ("ENERGY", "PARKING_TIME"):
            told = f"a reservation has FLAT and TIME only, {component.dimension} is never used"
            yield Finding("reservation_dimension", ERROR, f"{here}/type", told)
        yield from _lint_step(component, here)


def _lint_step(component: PriceComponent, at: str) -> Iterator[Finding]:
    step = component.step_size
    if component.dimension == FLAT:
        if step > 1:
            yield Finding("unused_step_size", WARNING, f"{at}/step_size", "a flat fee has no steps")
    elif component.price == 0 and step > 1:
        told = "what a step adds to a price of 0 costs nothing"
        yield Finding("unused_step_size", WARNING, f"{at}/step_size", told)
    elif step == 0:
        told = "a step of 0 is none: 1 says so in all engines"
        yield Finding("zero_step_size", WARNING, f"{at}/step_size", told)
    elif step > 1:
        told = "OCPI advises steps of 1: drivers do not expect more, and OCPI 3.0 has none"
        yield Finding("large_step_size", INFO, f"{at}/step_size", told)


def _lint_restrictions(source: Document, restrictions: Restrictions | None, at: str) -> Iterator[Finding]:
    if restrictions is None:
        told = "the restrictions are empty: the element always matches, leave them out"
        yield Finding("empty_restrictions", WARNING, at, told)
        if source.get("day_of_week") is not None:
            yield Finding(*_NO_DAY, f"{at}/day_of_week", "no day is named: all are meant")
        return
    for code, key, told in is_impossible(restrictions):
        yield Finding(code, ERROR, f"{at}/{key}", told)
    yield from _lint_needless(restrictions, at)
    days = source.get("day_of_week")
    if days is not None and not days:
        yield Finding(*_NO_DAY, f"{at}/day_of_week", "no day is named: all are meant")
    elif days and len(set(days)) < len(days):
        yield Finding("repeated_day_of_week", WARNING, f"{at}/day_of_week", "a day is named twice")
    elif days and len(days) == len(WEEKDAYS):
        yield Finding("needless_day_of_week", INFO, f"{at}/day_of_week", "every day is named")
    yield from _lint_window(restrictions, at)
    reservation = restrictions.reservation
    if reservation in RESERVATIONS:
        for name in ("min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current"):
            if getattr(restrictions, name) is not None:
                told = "nothing is charged during a reservation"
                yield Finding("reservation_restriction", WARNING, f"{at}/{name}", told)


def _lint_needless(restrictions: Restrictions, at: str) -> Iterator[Finding]:
    for name in ("min_kwh", "min_duration"):
        if getattr(restrictions, name) == 0:
            yield Finding("needless_minimum", INFO, f"{at}/{name}", "it always matches")


def _lint_window(restrictions: Restrictions, at: str) -> Iterator[Finding]:
    start, end = restrictions.start_minute, restrictions.end_minute
    if not restrictions.has_window:
        return
    if (start or 0) == (end or 0):
        told = "a window that ends when it starts is the whole day here, and no time at all elsewhere"
        whole_day = (start or 0) == 0
        severity: Any = INFO if whole_day else WARNING
        yield Finding(
            "whole_day_window", severity, f"{at}/{'end' if end is not None else 'start'}_time", told
        )
    elif end and start and end < start and restrictions.weekdays is not None:
        told = "the window runs over midnight: after it, the days are those of the next day"
        yield Finding("window_over_midnight", INFO, f"{at}/day_of_week", told)
