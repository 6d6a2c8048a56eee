"""Joins neighbouring charging periods that have the same prices, so that a CDR fits into one DynamoDB item.

OCPI asks for a new charging period only where the price changes. A CSMS that sends a period every few
minutes for weeks makes a CDR that is too large to store together with its tariffs. Two periods are joined
only if the same prices are active at the start of both, so the cost of the CDR stays the same.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; CDR-14
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from chalicelib.pricing.billing import Match
from chalicelib.pricing.costs import Priced
from chalicelib.pricing.pricing_input import Period, join_periods
from chalicelib.pricing.tariffs import FLAT, ParsedComponent


def join_same_prices(priced: Priced) -> Priced:
    """Join neighbouring periods of the same prices; a flat fee begins a new one. The cost stays the same."""
    joined: list[Period] = []
    before: Hashable = None
    for period in priced.usage.periods:
        own = priced.matches_of(period)
        prices = _prices(period, own)
        is_same = prices == before and not any(match.dimension == FLAT for match in own)
        if joined and is_same and joined[-1].end == period.start:
            joined[-1] = join_periods(joined[-1], period)
        else:
            joined.append(period)
        # A fee that depends on power needs the power of its own period: do not join others to it.
        before = None if _has_fee_by_power(own) else prices
    return replace(priced, usage=replace(priced.usage, periods=joined))


def _has_fee_by_power(matches: Sequence[Match]) -> bool:
    return any(
        match.dimension == FLAT and match.component is not None and match.component.asks_power
        for match in matches
    )


def _prices(period: Period, matches: Sequence[Match]) -> Hashable:
    """A key that is equal for two periods exactly if they have the same prices."""
    found = frozenset(
        (match.dimension, _price(match.component)) for match in matches if match.dimension != FLAT
    )
    return period.tariff, period.is_reserved, period.kwh is None, found


def _price(component: ParsedComponent | None) -> Hashable:
    # One that depends on power equals only itself: joined power might not match it, even at the same price.
    if component is None or component.asks_power:
        return component
    return component.price, component.vat, component.step_size, component.per_minute
