"""Prices charging periods: finds the active price component of each quantity and adds up the costs.

A CDR and the running cost of a session are both computed here, so they agree. The component of a dimension
is chosen at the start of each period. `billing.py` then adds up quantities and costs.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; mod_cdrs, CDR Object; TAR-09 … TAR-21, CDR-16
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.billing import FIXED, RESERVED, Charge, Match, bill, sum_prices
from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.json_fields import MICROSECOND, Remark
from chalicelib.pricing.price_limits import AppliedLimit, apply_limits
from chalicelib.pricing.price_warnings import changes_within, may_change_within, undecided, unknown_power
from chalicelib.pricing.pricing_input import Period, Usage
from chalicelib.pricing.restrictions import Moment
from chalicelib.pricing.tariffs import (
    ENERGY,
    FLAT,
    PARKING_TIME,
    TIME,
    Amount,
    Candidates,
    ParsedComponent,
    ParsedTariff,
)
from chalicelib.pricing.unknown_fields import pointer_of
from chalicelib.pricing.work_limits import refuse_pieces

_NONE = Decimal(0)


@dataclass(frozen=True)
class Priced:
    """Cost of a session and the reasons for it. Times are in microseconds; `tariff` is the one at the start.

    undecided: parts of its tariffs that cannot be judged and could have changed the cost, each with the id
    of its tariff. If there are any, the cost is shown to a person and no CDR is made of it.
    """

    usage: Usage
    tariff: ParsedTariff | None
    matches: Sequence[Match]
    charges: Sequence[Charge]
    total_cost: Amount
    limits: Sequence[AppliedLimit]
    has_vat: bool
    remarks: Sequence[Remark]
    undecided: Mapping[Remark, str] = field(default_factory=dict)

    @cached_property
    def costs(self) -> dict[str, Amount]:
        """The cost of each kind: ENERGY, TIME, PARKING_TIME, FIXED and RESERVATION."""
        return {
            total: sum_prices(charge.cost for charge in self.charges if charge.total == total)
            for total in (ENERGY, TIME, PARKING_TIME, FIXED, RESERVED)
        }

    def matches_of(self, period: Period) -> Sequence[Match]:
        """Return the matches of one of its periods, in the order in which they were priced."""
        return self._matches_by_period.get(id(period), ())

    @cached_property
    def _matches_by_period(self) -> dict[int, list[Match]]:
        found: dict[int, list[Match]] = {}
        for match in self.matches:
            found.setdefault(id(match.period), []).append(match)
        return found

    @property
    def total_energy(self) -> Decimal:
        """All energy in kWh, priced or not."""
        return sum((period.kwh for period in self.usage.periods if period.kwh is not None), _NONE)

    @property
    def total_time_us(self) -> int:
        """Duration of the session in microseconds, without its reservation."""
        return (self.usage.end - self.usage.start) // MICROSECOND

    @property
    def total_parking_us(self) -> int:
        """All parking in microseconds, priced or not."""
        return sum(period.parking_us for period in self.usage.periods)


def price_usage(usage: Usage, remarks: Iterable[Remark] = (), matcher: Matcher | None = None) -> Priced:
    """Price a session or a reservation that is cut into periods.

    matcher: finds active components and limits the work of this session.

    Raises: InvalidParameters when its tariffs have different currencies; NotEnoughInformation when the
    local time matters and the time zone is not known.
    """
    refuse_pieces(len(usage.periods), "charging_periods")
    pricing = _Pricing(usage, remarks, matcher or Matcher())
    for period in usage.periods:
        pricing.add(period)
    return pricing.close()


def refuse_undecided(priced: Priced) -> None:
    """Refuse to bill an undecided cost. Raises: InvalidParameters naming the field that cannot be judged."""
    for remark, tariff_id in priced.undecided.items():
        text = f"tariff {tariff_id}, {pointer_of(remark.field)}: {remark.message}"
        raise InvalidParameters(text, field=remark.field)


class _Pricing:
    """State of one pricing run; periods are added in order of time."""

    def __init__(self, usage: Usage, remarks: Iterable[Remark], matcher: Matcher) -> None:
        self._matcher = matcher
        self._usage = usage
        self._remarks = list(remarks)
        self._kwh = _NONE
        self._matches: list[Match] = []
        self._tariffs: dict[str, ParsedTariff] = {}
        self._reserved_from: datetime | None = None
        self._flat_is_due = True
        self._reservation_flat_is_due = True
        self._is_power_doubted = False
        self._undecided: dict[Remark, str] = {}
        self._may_change: bool | None = None

    def add(self, period: Period) -> None:
        """Match each quantity of the next period with its active component."""
        tariff = period.tariff
        self._may_change = None
        if tariff is not None:
            self._tariffs.setdefault(tariff.id, tariff)
            if period.is_reserved:
                self._add_reserved(period, tariff)
            else:
                self._add_charging(period, tariff)
        if period.kwh is not None:
            self._kwh += period.kwh

    def _add_reserved(self, period: Period, tariff: ParsedTariff) -> None:
        self._reserved_from = self._reserved_from or period.start
        candidates = tariff.expired if self._usage.is_expired else tariff.reserved
        elapsed_us = (period.start - self._reserved_from) // MICROSECOND
        moment = Moment(period.start, self._usage.zone, _NONE, elapsed_us)
        if tariff.has_doubts:
            asked = [FLAT] if self._reservation_flat_is_due else []
            asked += [TIME] if period.reserved_us else []
            self._note_undecided(period, moment, tariff, candidates, asked)
        if self._reservation_flat_is_due:
            self._reservation_flat_is_due = not self._add_flat(period, moment, candidates, RESERVED)
        if period.reserved_us:
            self._match(period, moment, candidates, TIME, RESERVED, Decimal(period.reserved_us))

    def _add_charging(self, period: Period, tariff: ParsedTariff) -> None:
        elapsed_us = (period.start - self._usage.start) // MICROSECOND
        moment = Moment(
            period.start,
            self._usage.zone,
            self._kwh,
            elapsed_us,
            period.min_power,
            period.max_power,
            period.min_current,
            period.max_current,
        )
        candidates = tariff.charging
        if tariff.has_doubts:
            asked = [FLAT, *_quantities(period)] if self._flat_is_due else _quantities(period)
            self._note_undecided(period, moment, tariff, candidates, asked)
        if self._flat_is_due:
            self._flat_is_due = not self._add_flat(period, moment, candidates, FIXED)
        if period.kwh:
            self._match(period, moment, candidates, ENERGY, ENERGY, period.kwh)
        if period.charging_us:
            self._match(period, moment, candidates, TIME, TIME, Decimal(period.charging_us))
        if period.parking_us:
            self._match(period, moment, candidates, PARKING_TIME, PARKING_TIME, Decimal(period.parking_us))

    def _note_undecided(
        self,
        period: Period,
        moment: Moment,
        tariff: ParsedTariff,
        candidates: Candidates,
        asked: Iterable[str],
    ) -> None:
        found = undecided(period, moment, tariff, candidates, asked, self._matcher.work)
        self._undecided.update(dict.fromkeys((*tariff.doubts, *found), tariff.id))

    def _add_flat(self, period: Period, moment: Moment, candidates: Candidates, total: str) -> bool:
        # Spec: silent on several flat fees; the first one that becomes active is charged, once.
        component = self._matcher.first(candidates.get(FLAT, ()), moment)
        if component is None:
            return False
        self._matches.append(Match(period, moment, FLAT, total, Decimal(1), component))
        return True

    def _match(
        self,
        period: Period,
        moment: Moment,
        candidates: Candidates,
        dimension: str,
        total: str,
        quantity: Decimal,
    ) -> None:
        found = candidates.get(dimension, ())
        match = Match(period, moment, dimension, total, quantity, self._matcher.first(found, moment))
        self._matches.append(match)
        if len(found) > 1 or (found and found[0].restrictions is not None):
            self._doubt(match, found)

    def _doubt(self, match: Match, candidates: tuple[ParsedComponent, ...]) -> None:
        period, tariff = match.period, match.period.tariff
        assert tariff is not None
        if tariff.asks_power and not self._is_power_doubted:
            self._doubt_power(match, candidates)
        if self._usage.is_compiled:
            return
        if self._may_change is None:
            self._may_change = may_change_within(period, tariff, match.moment)
        if self._may_change and changes_within(match, candidates, tariff, self._matcher):
            # Spec: the CPO SHALL start a new period there; if it did not, the price at the start is used.
            text = f"the price of {match.dimension} changes within the period, the one at its start is taken"
            self._remarks.append(Remark("period_spans_price_change", period.at, text))

    def _doubt_power(self, match: Match, candidates: tuple[ParsedComponent, ...]) -> None:
        self._matcher.work.spend(len(candidates) + 1)
        text = unknown_power(match, candidates)
        if text is not None:
            self._is_power_doubted = True
            where = match.period.at or "session.power_readings"
            self._remarks.append(Remark("unknown_power", where, text))

    def close(self) -> Priced:
        """Add up the costs, round up to steps, apply minimum and maximum price."""
        charges = bill(self._matches)
        tariffs = list(self._tariffs.values())
        currencies = {tariff.currency for tariff in tariffs}
        if len(currencies) > 1:
            raise InvalidParameters(
                f"the tariffs of one session have different currencies: {', '.join(sorted(currencies))}",
                field="tariffs",
            )
        cost = sum_prices(charge.cost for charge in charges)
        limits: tuple[AppliedLimit, ...] = ()
        # Spec: limits hold for a Charging Session "with this tariff": the tariff at its start. An expired
        # reservation is not a session, so the minimum price does not apply.
        if tariffs:
            cost, limits = apply_limits(cost, tariffs[0], is_session=not self._usage.is_expired)
        return Priced(
            self._usage,
            tariffs[0] if tariffs else None,
            self._matches,
            charges,
            cost,
            limits,
            any(each.has_vat or each.is_gross for each in tariffs) or any(each.has_vat for each in limits),
            self._remarks,
            self._undecided,
        )


def _quantities(period: Period) -> list[str]:
    """The dimensions that a charging period has to be priced for."""
    amounts = {ENERGY: period.kwh, TIME: period.charging_us, PARKING_TIME: period.parking_us}
    return [dimension for dimension, amount in amounts.items() if amount]
