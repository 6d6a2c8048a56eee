"""Tests of the index that finds active components.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; TAR-09, TAR-10
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.restrictions import Moment, Restrictions
from chalicelib.pricing.tariffs import ENERGY, ParsedComponent, first_match

LISBON = ZoneInfo("Europe/Lisbon")
# The night in which clocks go back.
BEGUN = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)

amounts = st.none() | st.integers(0, 6).map(Decimal)
minutes = st.none() | st.integers(0, 47).map(lambda half_hour: half_hour * 30)
dates = st.none() | st.integers(23, 27).map(lambda day: date(2026, 10, day))
restrictions = st.none() | st.builds(
    Restrictions,
    start_minute=minutes,
    end_minute=minutes,
    start_date=st.none() | dates,
    end_date=st.none() | dates,
    weekdays=st.none() | st.frozensets(st.integers(0, 6), min_size=1),
    min_kwh=amounts,
    max_kwh=amounts,
    min_power=st.none() | amounts,
    max_power=st.none() | amounts,
    min_duration=st.none() | st.integers(0, 7200),
    max_duration=st.none() | st.integers(0, 90_000),
)
moments = st.tuples(
    st.integers(0, 48 * 60 * 60),
    st.decimals(0, 7, places=1),
    st.none() | st.integers(0, 7).map(Decimal),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(restrictions, min_size=9, max_size=20), st.lists(moments, min_size=1, max_size=30), st.booleans()
)
def test_the_index_finds_the_same_component_as_a_linear_search(
    limits: list[Restrictions | None], asked: list[tuple[int, Decimal, Decimal | None]], is_reversed: bool
) -> None:
    components = tuple(
        ParsedComponent(ENERGY, Decimal(number), None, 1, "T1", number, 0, each)
        for number, each in enumerate(limits)
    )
    matcher = Matcher()

    for seconds, kwh, power in reversed(asked) if is_reversed else asked:
        at = BEGUN + timedelta(seconds=seconds)
        moment = Moment(at, LISBON, kwh, seconds * 1_000_000, power, power)
        assert matcher.first(components, moment) is first_match(components, moment)


def test_a_cached_answer_costs_one_look() -> None:
    components = tuple(
        ParsedComponent(
            ENERGY, Decimal(1), None, 1, "T1", number, 0, Restrictions(min_kwh=Decimal(number + 1))
        )
        for number in range(1000)
    )
    matcher = Matcher()
    moment = Moment(BEGUN, None, Decimal("0.5"), 0)
    matcher.first(components, moment)
    before = matcher.work.looks

    for _ in range(100):
        matcher.first(components, moment)

    assert matcher.work.looks - before == 100


def test_answers_are_cached_for_each_power() -> None:
    components = tuple(
        ParsedComponent(ENERGY, Decimal(1), None, 1, "T1", kw, 0, Restrictions(min_power=Decimal(kw)))
        for kw in range(20, 0, -1)
    )
    matcher = Matcher()

    found = []
    for kw in (20, 5, 12):
        component = matcher.first(components, Moment(BEGUN, None, Decimal(0), 0, Decimal(kw), Decimal(kw)))
        found.append(component and component.element)

    assert found == [20, 5, 12]


def test_power_does_not_matter_to_the_cache_if_no_component_depends_on_it() -> None:
    components = tuple(
        ParsedComponent(ENERGY, Decimal(1), None, 1, "T1", number, 0, Restrictions(min_kwh=Decimal(1)))
        for number in range(20)
    )
    matcher = Matcher()
    matcher.first(components, Moment(BEGUN, None, Decimal(2), 0, Decimal(1), Decimal(1)))
    before = matcher.work.looks

    matcher.first(components, Moment(BEGUN, None, Decimal(2), 0, Decimal(2), Decimal(2)))

    assert matcher.work.looks - before == 1
