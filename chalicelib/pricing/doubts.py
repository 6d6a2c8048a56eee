"""Finds what makes the choice of a price component doubtful, so that no odd price goes without a word.

Source: OCPI 2.2.1 mod_cdrs_charging_period; CDR-14
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from chalicelib.pricing.billing import Match
from chalicelib.pricing.local_time import local_instants, passes
from chalicelib.pricing.reading import MICROSECOND, SECOND_US
from chalicelib.pricing.restrictions import Moment
from chalicelib.pricing.tariffs import PriceComponent, Tariff, first_match
from chalicelib.pricing.usage import Period


def unknown_power(match: Match, candidates: Sequence[PriceComponent]) -> str | None:
    """Say which element does not match only because nobody measured power or current."""
    for candidate in candidates:
        if candidate is match.component:
            break
        if candidate.restrictions and (name := candidate.restrictions.missing(match.moment)):
            return f"{name} is not known: element {candidate.element} of {candidate.tariff_id} does not match"
    return None


def may_change_within(period: Period, tariff: Tariff, begin: Moment) -> bool:
    """Tell quickly whether anything that a tariff asks about may change within a period."""
    if tariff.kwh_limits and period.kwh:
        until_kwh = begin.kwh + period.kwh
        if any(begin.kwh < limit < until_kwh for limit in tariff.kwh_limits):
            return True
    if tariff.duration_limits:
        until_us = begin.elapsed_us + (period.end - period.start) // MICROSECOND
        if any(begin.elapsed_us < limit * SECOND_US < until_us for limit in tariff.duration_limits):
            return True
    minutes = tariff.day_minutes
    return bool(minutes) and begin.zone is not None and passes(minutes, begin.local, period.end)


def changes_within(match: Match, candidates: tuple[PriceComponent, ...], tariff: Tariff) -> bool:
    """Tell whether another component becomes active within a period, if energy flows evenly."""
    moments = _moments_within(match.period, tariff, match.moment)
    return any(first_match(candidates, moment) is not match.component for moment in moments)


def _moments_within(period: Period, tariff: Tariff, begin: Moment) -> Iterator[Moment]:
    length_us = (period.end - period.start) // MICROSECOND
    kwh = period.kwh or Decimal(0)
    for limit in tariff.kwh_limits:
        if kwh and begin.kwh < limit < begin.kwh + kwh:
            yield begin.later(int(length_us * (limit - begin.kwh) / kwh), limit)
    durations_us = [seconds * SECOND_US - begin.elapsed_us for seconds in tariff.duration_limits]
    instants = [period.start + timedelta(microseconds=us) for us in durations_us if 0 < us < length_us]
    if begin.zone is not None and tariff.day_minutes:
        instants += local_instants(tariff.day_minutes, period.start, period.end, begin.zone)
    for instant in instants:
        us = (instant - period.start) // MICROSECOND
        if 0 < us < length_us:
            yield begin.later(us, begin.kwh + kwh * us / length_us)
