"""Property tests: rules that hold for every generated session.

Source: OCPI 2.2.1 mod_cdrs, mod_tariffs; TAR-09, TAR-18, CDR-07
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.pricing.costs import Priced, price_usage
from chalicelib.pricing.credit import credit_cdr
from chalicelib.pricing.pricing_input import Period, Usage
from chalicelib.pricing.statement import cdr_fields
from chalicelib.pricing.verification import verify_cdr
from tests.pricing.build import component, element, limit, price, session, tariff

ZONES = ("Europe/Lisbon", "Atlantic/Azores", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns")
QUIET = settings(max_examples=60, deadline=None)

prices = st.decimals(0, 10, places=4)
times = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}")
restrictions = st.fixed_dictionaries(
    {},
    optional={
        "start_time": times,
        "end_time": times,
        "min_kwh": st.decimals(0, 30, places=1),
        "max_kwh": st.decimals(1, 60, places=1),
        "min_duration": st.integers(0, 7200),
        "max_duration": st.integers(60, 20000),
        "day_of_week": st.lists(st.sampled_from(["SATURDAY", "SUNDAY", "MONDAY"]), min_size=1, unique=True),
    },
)
components = st.builds(
    lambda kind, cost, vat, step: component(kind, str(cost), vat, step),
    st.sampled_from(["FLAT", "ENERGY", "TIME", "PARKING_TIME"]),
    prices,
    st.sampled_from([None, "0", "6", "23"]),
    st.sampled_from([0, 1, 60, 500, 900]),
)
elements = st.builds(
    lambda made, limits: element(*made, **limits), st.lists(components, min_size=1, max_size=3), restrictions
)
tariffs = st.lists(elements, min_size=1, max_size=5).map(lambda made: tariff(*made))


@st.composite
def sessions(draw: Any) -> dict[str, Any]:
    """A session on a day with or without a clock change, with meter readings and states."""
    day = draw(st.sampled_from([datetime(2026, 3, 28), datetime(2026, 10, 24), datetime(2026, 6, 5)]))
    start = day.replace(tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 86400)))
    minutes = draw(st.lists(st.integers(1, 1200), min_size=1, max_size=6, unique=True).map(sorted))
    kwh, readings = Decimal(1000), [{"at": moment(start, 0), "kwh": Decimal(1000)}]
    for minute in minutes:
        kwh += draw(st.decimals(0, 20, places=3))
        readings.append({"at": moment(start, minute), "kwh": kwh})
    seen = [
        {
            "at": moment(start, minute),
            "state": draw(st.sampled_from(["Charging", "SuspendedEV", "SuspendedEVSE"])),
        }
        for minute in minutes[:-1]
    ]
    return session(
        minutes[-1],
        start,
        time_zone=draw(st.sampled_from(ZONES)),
        meter_readings=readings,
        charging_states=seen,
    )


def moment(start: datetime, minute: int) -> str:
    return (start + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


@st.composite
def halves(draw: Any, period: Period) -> list[Period]:
    """A period cut in two at any second, with its energy divided in any way."""
    us = (period.end - period.start) // timedelta(seconds=1) * 1_000_000
    # Not at its end: the period that begins there may have another price.
    cut = draw(st.integers(0, max(0, us // 1_000_000 - 1))) * 1_000_000
    share = Decimal(draw(st.integers(0, 100))) / 100
    middle = period.start + timedelta(microseconds=cut)
    kwh = None if period.kwh is None else (period.kwh * share).quantize(Decimal("0.001"))
    first = replace(
        period,
        end=middle,
        kwh=kwh,
        charging_us=cut if period.charging_us else 0,
        parking_us=cut if period.parking_us else 0,
    )
    second = replace(
        period,
        start=middle,
        kwh=None if period.kwh is None or kwh is None else period.kwh - kwh,
        charging_us=period.charging_us - first.charging_us,
        parking_us=period.parking_us - first.parking_us,
    )
    return [first, second]


def amounts(priced: Priced) -> list[Decimal]:
    """All costs, rounded to nine decimals."""
    costs = [priced.total_cost, *priced.costs.values()]
    return [
        round(value, 9) for each in costs for value in (each.excl_vat, each.incl_vat) if value is not None
    ]


@QUIET
@given(tariffs, sessions(), st.data())
def test_cutting_a_period_of_one_price_does_not_change_the_cost(made: Any, stay: Any, data: Any) -> None:
    without_tiers = tariff(*[_without_energy_tiers(each) for each in made["elements"]])
    priced = price(without_tiers, stay)

    finer = [half for period in priced.usage.periods for half in data.draw(halves(period))]

    assert amounts(price_usage(replace(priced.usage, periods=finer))) == amounts(priced)


def _without_energy_tiers(made: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in made.get("restrictions", {}).items() if not key.endswith("_kwh")}
    return {**made, "restrictions": kept}


@QUIET
@given(tariffs, sessions())
def test_the_parts_add_up_to_the_total(made: Any, stay: Any) -> None:
    priced = price(made, stay)

    for side in ("excl_vat", "incl_vat"):
        parts = sum(getattr(each, side) for each in priced.costs.values())
        assert round(parts - getattr(priced.total_cost, side), 18) == 0
    last = Decimal(stay["meter_readings"][-1]["kwh"])
    assert priced.total_energy == last - 1000
    whole_us = sum(period.charging_us + period.parking_us for period in priced.usage.periods)
    assert whole_us == priced.total_time_us


@QUIET
@given(tariffs, sessions(), st.decimals(0, 5, places=2), st.decimals(5, 20, places=2))
def test_a_total_is_between_minimum_and_maximum_price(
    made: Any, stay: Any, least: Decimal, most: Decimal
) -> None:
    limited = {**made, "min_price": limit(str(least)), "max_price": limit(str(most))}

    total = price(limited, stay).total_cost

    assert least <= total.excl_vat <= most
    assert total.incl_vat is not None and total.excl_vat <= total.incl_vat


@QUIET
@given(tariffs, sessions())
def test_the_cdr_of_a_session_verifies_and_its_credit_cdr_cancels_it(made: Any, stay: Any) -> None:
    priced = price(made, stay)
    cdr = {
        "id": "CDR1",
        "start_date_time": stay["start_date_time"],
        "end_date_time": stay["end_date_time"],
        "tariffs": [made],
        **cdr_fields(priced, decimals=9),
    }

    credit = credit_cdr(cdr)

    assert verify_cdr(cdr, stay["time_zone"]).discrepancies == []
    assert verify_cdr(credit, stay["time_zone"]).discrepancies == []
    for side, amount in cdr["total_cost"].items():
        assert credit["total_cost"][side] + amount == 0


@QUIET
@given(
    st.lists(st.decimals(0, 5, places=4), min_size=2, max_size=6),
    st.sampled_from([1, 100, 500, 1000]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_periods_of_one_price_does_not_matter(amounts_kwh: Any, step: int, random: Any) -> None:
    made = tariff(element(component("ENERGY", "0.3217", "23", step)))
    begin = datetime(2026, 1, 14, 10, tzinfo=UTC)
    shuffled = list(amounts_kwh)
    random.shuffle(shuffled)

    totals = []
    for order in (amounts_kwh, shuffled):
        periods = [
            {
                "start_date_time": moment(begin, 10 * number),
                "dimensions": [{"type": "ENERGY", "volume": kwh}],
                "tariff_id": "T1",
            }
            for number, kwh in enumerate(order)
        ]
        totals.append(price(made, session(60, charging_periods=periods)).total_cost)

    assert totals[0] == totals[1]


@QUIET
@given(tariffs, sessions())
def test_periods_follow_one_another_without_a_gap(made: Any, stay: Any) -> None:
    usage: Usage = price(made, stay).usage

    assert usage.periods[0].start == usage.start
    assert usage.periods[-1].end == usage.end
    for before, after in zip(usage.periods, usage.periods[1:], strict=False):
        assert before.end == after.start
        assert before.kwh is not None and before.kwh >= 0
