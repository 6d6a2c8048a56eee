"""Tests of joining charging periods: the cost stays the same. Source: CDR-14, TAR-09"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.pricing.costs import price_usage
from chalicelib.pricing.joining import join_same_prices
from tests.pricing.build import component, element, period, price, session, tariff
from tests.pricing.test_properties import amounts

KINDS = st.sampled_from(["FLAT", "ENERGY", "TIME", "PARKING_TIME"])
COMPONENTS = st.builds(component, KINDS, st.sampled_from(["1", "2"]), st.none(), st.sampled_from([1, 900]))
RESTRICTIONS = st.fixed_dictionaries(
    {},
    optional={
        "min_kwh": st.integers(1, 6).map(Decimal),
        "max_duration": st.integers(1, 60).map(lambda minutes: minutes * 60),
        "min_power": st.sampled_from([Decimal(5), Decimal(11)]),
        "max_power": st.sampled_from([Decimal(8), Decimal(20)]),
    },
)
ELEMENTS = st.builds(
    lambda made, limits: element(*made, **limits), st.lists(COMPONENTS, min_size=1, max_size=2), RESTRICTIONS
)
PERIODS = st.lists(
    st.tuples(
        st.integers(0, 3).map(str),
        st.sampled_from([None, "4", "7", "12"]),
        st.sampled_from(["TIME", "TIME", "PARKING_TIME"]),
    ),
    min_size=1,
    max_size=12,
)


def periods_of(rows: list[tuple[str, str | None, str]]) -> list[dict[str, Any]]:
    """Charging periods of five minutes each, from kWh, kW (None if unknown) and kind of time."""
    return [
        period(
            5 * number,
            ENERGY=kwh,
            **{kind: "0.0833"},
            **({} if kw is None else {"MIN_POWER": kw, "MAX_POWER": kw}),
        )
        for number, (kwh, kw, kind) in enumerate(rows)
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(ELEMENTS, min_size=1, max_size=4), PERIODS)
def test_joined_periods_cost_the_same(elements: Any, rows: Any) -> None:
    stay = session(5 * len(rows), charging_periods=periods_of(rows))
    priced = price(tariff(*elements), stay)

    joined = join_same_prices(priced)

    assert amounts(price_usage(joined.usage)) == amounts(priced)
    assert joined.total_energy == priced.total_energy
    assert joined.total_parking_us == priced.total_parking_us
    for before, after in zip(joined.usage.periods, joined.usage.periods[1:], strict=False):
        assert before.end == after.start


def test_periods_of_one_price_become_one_period() -> None:
    rows: list[tuple[str, str | None, str]] = [("1", "4", "TIME"), ("2", "7", "TIME"), ("1", None, "TIME")]
    stay = session(15, charging_periods=periods_of(rows))
    priced = price(tariff(element(component("ENERGY", "1"), component("FLAT", "1"))), stay)

    (one,) = join_same_prices(priced).usage.periods

    assert (one.start, one.end, one.kwh) == (priced.usage.start, priced.usage.end, 4)
    assert (one.min_power, one.max_power) == (None, None)


def test_periods_of_equal_prices_that_depend_on_power_are_not_joined() -> None:
    slow, fast = (
        element(component("ENERGY", "1"), **{name: Decimal(10)}) for name in ("max_power", "min_power")
    )
    stay = session(10, charging_periods=periods_of([("1", "4", "TIME"), ("2", "12", "TIME")]))
    priced = price(tariff(slow, fast), stay)

    joined = join_same_prices(priced)

    assert len(joined.usage.periods) == 2
    assert price_usage(replace(joined.usage)).total_cost == priced.total_cost


def test_a_fee_that_depends_on_power_is_still_charged_after_joining() -> None:
    """The fee is due in the second period, where the power is known; in the third it is unknown."""
    fee = element(component("FLAT", "1"), max_power=Decimal(8), min_kwh=Decimal(1))
    rows: list[tuple[str, str | None, str]] = [("1", None, "TIME"), ("1", "4", "TIME"), ("1", None, "TIME")]
    priced = price(tariff(fee), session(15, charging_periods=periods_of(rows)))

    joined = join_same_prices(priced)

    assert price_usage(joined.usage).total_cost == priced.total_cost
    assert priced.total_cost.excl_vat == 1


def test_a_period_whose_fee_depends_on_power_is_not_joined() -> None:
    """A joined period would have another power, so the fee would no longer match."""
    rows: list[tuple[str, str | None, str]] = [("0", "7", "TIME"), ("0", None, "TIME"), ("0", None, "TIME")]
    stay = session(15, charging_periods=periods_of(rows))
    priced = price(tariff(element(component("FLAT", "1"), min_power=Decimal(5))), stay)

    joined = join_same_prices(priced)

    assert amounts(price_usage(joined.usage)) == amounts(priced)
    assert len(joined.usage.periods) == 2
