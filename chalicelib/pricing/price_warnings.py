"""Finds reasons to doubt the choice of a price component, so that every uncertain price has a warning.

A component with an unknown field cannot be judged (`unknown_fields.py`). It *could have applied* if, at some
moment of a charging period, no earlier component of its dimension matches. Then the price is undecided: it is
shown, and no CDR is made of it.

Source: OCPI 2.2.1 mod_cdrs_charging_period; CDR-14, TAR-09
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from chalicelib.pricing.billing import Match
from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.json_fields import MICROSECOND, SECOND_US, Remark
from chalicelib.pricing.local_time import local_instants, passes
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.restrictions import Moment
from chalicelib.pricing.tariffs import (
    DIMENSIONS,
    FLAT,
    Candidates,
    ParsedComponent,
    ParsedTariff,
    first_match,
)
from chalicelib.pricing.work_limits import Work

_MOST_LOOKS = 100_000
"""Limit of component checks in one period; above it, every doubtful component counts as applicable."""


def unknown_power(match: Match, candidates: Sequence[ParsedComponent]) -> str | None:
    """Explain which element fails to match only because power or current was not measured."""
    for candidate in candidates:
        if candidate is match.component:
            break
        if candidate.restrictions and (name := candidate.restrictions.missing(match.moment)):
            return f"{name} is not known: element {candidate.element} of {candidate.tariff_id} does not match"
    return None


def undecided(
    period: Period,
    begin: Moment,
    tariff: ParsedTariff,
    candidates: Candidates,
    dimensions: Iterable[str],
    work: Work,
) -> Iterator[Remark]:
    """Find the components that cannot be judged and could have applied in a period.

    begin: the start of the period. dimensions: of the quantities that have to be priced in it.
    A component of an unknown dimension could have applied whenever its element matches; a flat fee could
    have applied only until one is due.
    """
    asked = {*dimensions, *(candidates.keys() - DIMENSIONS)}
    found = [candidates[dimension] for dimension in candidates if dimension in asked]
    found = [components for components in found if any(map(_is_doubted, components))]
    if not found:
        return
    days = (period.end - period.start).days + 2
    limits = len(tariff.kwh_limits) + len(tariff.duration_limits) + days * (len(tariff.day_minutes) + 1)
    looks = (limits + 1) * sum(map(len, found))
    work.spend(min(looks, _MOST_LOOKS))
    if looks > _MOST_LOOKS:
        yield from (remark for components in found for each in components for remark in _doubts(each))
        return
    moments = (begin, *_moments_within(period, tariff, begin))
    fees = candidates.get(FLAT, ())
    for components in found:
        is_due = components is fees and first_match(fees, begin) is not None
        for moment in moments[:1] if is_due else moments:
            yield from _reached(components, moment)


def _reached(components: Sequence[ParsedComponent], moment: Moment) -> Iterator[Remark]:
    for component in components:
        restrictions = component.restrictions
        if restrictions is None or restrictions.may_match(moment):
            yield from _doubts(component)
            if restrictions is None or not restrictions.doubts:
                return


def _doubts(component: ParsedComponent) -> tuple[Remark, ...]:
    of_element = component.restrictions.doubts if component.restrictions else ()
    return of_element + component.doubts


def _is_doubted(component: ParsedComponent) -> bool:
    return bool(_doubts(component))


def may_change_within(period: Period, tariff: ParsedTariff, begin: Moment) -> bool:
    """Check quickly whether a restriction of a tariff may start or stop matching within a period."""
    if period.kwh and _kwh_within(period, tariff, begin):
        return True
    if _durations_within(period, tariff, begin):
        return True
    minutes = tariff.day_minutes
    return bool(minutes) and begin.zone is not None and passes(minutes, begin.local, period.end)


def changes_within(
    match: Match, candidates: tuple[ParsedComponent, ...], tariff: ParsedTariff, matcher: Matcher
) -> bool:
    """Check whether another component becomes active within a period, if energy flows evenly."""
    moments = _moments_within(match.period, tariff, match.moment)
    return any(matcher.first(candidates, moment) is not match.component for moment in moments)


def _kwh_within(period: Period, tariff: ParsedTariff, begin: Moment) -> Sequence[Decimal]:
    """The limits of energy that are passed within a period."""
    limits = tariff.kwh_limits
    until = begin.kwh + (period.kwh or Decimal(0))
    return limits[bisect_right(limits, begin.kwh) : bisect_left(limits, until)]


def _durations_within(period: Period, tariff: ParsedTariff, begin: Moment) -> Sequence[int]:
    """The limits of duration, in seconds since the start, that are passed within a period."""
    limits = tariff.duration_limits
    until_us = begin.elapsed_us + (period.end - period.start) // MICROSECOND
    # Whole seconds: the first after the start of the period, and the first that is not before its end.
    first = bisect_right(limits, begin.elapsed_us // SECOND_US)
    return limits[first : bisect_left(limits, -(-until_us // SECOND_US))]


def _moments_within(period: Period, tariff: ParsedTariff, begin: Moment) -> Iterator[Moment]:
    length_us = (period.end - period.start) // MICROSECOND
    kwh = period.kwh or Decimal(0)
    for limit in _kwh_within(period, tariff, begin) if kwh else ():
        yield begin.later(int(length_us * (limit - begin.kwh) / kwh), limit)
    passed = _durations_within(period, tariff, begin)
    instants = [period.start + timedelta(microseconds=each * SECOND_US - begin.elapsed_us) for each in passed]
    if begin.zone is not None and tariff.day_minutes:
        instants += local_instants(tariff.day_minutes, period.start, period.end, begin.zone)
    for instant in instants:
        us = (instant - period.start) // MICROSECOND
        if 0 < us < length_us:
            yield begin.later(us, begin.kwh + kwh * us / length_us)
