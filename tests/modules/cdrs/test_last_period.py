"""Sessions that end after their last charging period. Source: SES-14, CDR-14, CDR-16"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.assembly import CdrDraft, draft_cdr
from chalicelib.modules.cdrs.running_cost import running_cost
from chalicelib.modules.cdrs.start_snapshots import StartSnapshot
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, parse_datetime
from tests.modules.builders import T0, T1, component, element, tariff
from tests.modules.cdrs.test_running_cost import part, start
from tests.modules.sessions.builders import session

BY_ENERGY_AND_TIME = tariff(
    elements=[
        element(component(price=Decimal("0.25"), vat=23), component("TIME", price=Decimal("1.2"), vat=23))
    ]
)


def after(minutes: float) -> str:
    return format_datetime(parse_datetime(T0) + timedelta(minutes=minutes))


def draft(
    ends: float, *, kwh: object, periods: list[Document], begun: StartSnapshot | None = None
) -> CdrDraft:
    """Draft the CDR of a session that ends so many minutes after its start."""
    ended = session(kwh=kwh, charging_periods=periods, status="COMPLETED", end_date_time=after(ends))
    return draft_cdr(ended, begun or start(BY_ENERGY_AND_TIME))


def codes(made: CdrDraft) -> set[str]:
    return {each["code"] for each in made.why["warnings"]}


QUARTER = Decimal("0.25")
FIRST = part(T0, Decimal("3.2"), QUARTER, tariff_id="T1")
POWER = {"type": "MAX_POWER", "volume": 11}


@pytest.mark.parametrize(
    ("ends", "kwh", "periods", "costs"),
    [
        # The example in the manual: a period of 15 of 20 minutes, and 1 kWh after it.
        (20, "4.2", [FIRST], "1.45"),
        # A minute and a little energy more.
        (16, "3.25", [FIRST], "1.1325"),
        # A period that names no tariff.
        (20, "4.2", [part(T0, Decimal("3.2"), QUARTER)], "1.45"),
        (40, "8.4", [FIRST, part(after(15), Decimal("3.2"), QUARTER, tariff_id="T1")], "2.9"),
        # The last period has no hours: it lasts until the end.
        (20, "4.2", [{**FIRST, "dimensions": FIRST["dimensions"][:1]}], "1.45"),
        # The session ends at the end of the last period.
        (15, "4.2", [FIRST], "1.35"),
        # Periods with power are priced as they are.
        (20, "4.2", [{**FIRST, "dimensions": [*FIRST["dimensions"], POWER]}], "1.45"),
        # A later period lacks ENERGY: the rest was charged in it.
        (30, "6", [FIRST, part(after(15), None, QUARTER, tariff_id="T1")], "2.1"),
        # Energy after a time of parking.
        (
            40,
            "4.2",
            [FIRST, part(after(15), None, QUARTER, "PARKING_TIME", tariff_id="T1")],
            "1.55",
        ),
    ],
)
def test_energy_after_the_last_period_is_priced_with_a_warning(
    ends: float, kwh: str, periods: list[Document], costs: str
) -> None:
    made = draft(ends, kwh=Decimal(kwh), periods=periods)

    assert made.cdr["total_cost"]["excl_vat"] == Decimal(costs)
    assert made.cdr["total_energy"] == Decimal(kwh)
    assert made.cdr["total_time"] == (Decimal(int(ends)) / 60).quantize(Decimal("0.0001")).normalize()
    assert "energy_after_periods" in codes(made)


def test_energy_after_the_last_period_has_the_price_that_is_active_then() -> None:
    """Source: CDR-14, TAR-09"""
    dear = element(component(price=1), restrictions={"min_duration": 900})
    priced = start(tariff(elements=[dear, element(component(price=Decimal("0.5")))]))

    made = draft(30, kwh=6, periods=[part(T0, 4, QUARTER)], begun=priced)

    assert made.cdr["total_cost"]["excl_vat"] == 4
    assert [each["start_date_time"] for each in made.cdr["charging_periods"]] == [T0, after(15)]


def test_time_after_the_last_period_costs_nothing_without_energy() -> None:
    made = draft(20, kwh=Decimal("3.2"), periods=[FIRST])

    assert made.cdr["total_cost"]["excl_vat"] == Decimal("1.1")
    assert (made.cdr["end_date_time"], made.cdr["total_time"]) == (after(20), Decimal("0.3333"))
    assert codes(made) == {"time_after_periods"}


def test_rounded_hours_add_no_charging_period() -> None:
    made = draft(20, kwh=4, periods=[part(T0, 4, Decimal("0.33"))])

    assert made.cdr["total_time_cost"]["excl_vat"] == Decimal("0.4")
    assert len(made.cdr["charging_periods"]) == 1


def test_a_rest_of_energy_that_several_periods_may_have_makes_the_session_unpriceable() -> None:
    lacking = [{"start_date_time": at, "dimensions": [POWER]} for at in (T0, after(15))]

    with pytest.raises(InvalidParameters, match="lack ENERGY"):
        draft(30, kwh=6, periods=lacking)


def test_a_session_with_less_energy_than_its_periods_has_no_price() -> None:
    with pytest.raises(InvalidParameters, match="3.2 kWh"):
        draft(20, kwh=3, periods=[FIRST])


def test_the_tolerance_for_energy_grows_by_one_rounding_for_each_period() -> None:
    """Numbers have four decimals (TYP-09): with two periods, up to 0.0003 kWh may be rounding."""
    two = [part(T0, 1, QUARTER), part(after(15), 1, QUARTER)]

    assert "energy_after_periods" not in codes(draft(30, kwh=Decimal("2.0003"), periods=two))
    assert "energy_after_periods" in codes(draft(30, kwh=Decimal("2.0004"), periods=two))


def test_a_reserved_session_with_energy_is_not_priced_as_an_expired_reservation() -> None:
    """Reserved from its start on and charged: the reservation was used (SES-16)."""
    fee = element(component("FLAT", price=9), restrictions={"reservation": "RESERVATION_EXPIRES"})
    reserved = start(tariff(elements=[fee, element()]), reserved_from=T0)
    ended = session(kwh=4, status="COMPLETED", end_date_time=T1)

    assert draft_cdr(ended, reserved).cdr["total_cost"]["excl_vat"] == 1
    assert draft_cdr({**ended, "kwh": 0}, reserved).cdr["total_cost"]["excl_vat"] == 9


def test_a_reserved_session_with_charging_periods_is_not_priced_as_an_expired_reservation() -> None:
    """The car was there although it took no energy (SES-16)."""
    fee = element(component("FLAT", price=9), restrictions={"reservation": "RESERVATION_EXPIRES"})
    reserved = start(tariff(elements=[fee, element(component("PARKING_TIME", price=4))]), reserved_from=T0)
    parked = {"start_date_time": T0, "dimensions": [{"type": "PARKING_TIME", "volume": Decimal(1)}]}
    ended = session(kwh=0, status="COMPLETED", end_date_time=T1, charging_periods=[parked])

    assert draft_cdr(ended, reserved).cdr["total_cost"]["excl_vat"] == 4


def test_a_period_with_charging_and_parking_is_priced_as_it_is() -> None:
    """Source: CDR-16"""
    both = part(T0, 4, QUARTER)
    both["dimensions"].append({"type": "PARKING_TIME", "volume": QUARTER})
    parking = tariff(elements=[element(component("PARKING_TIME", price=4), component("TIME", price=2))])

    made = draft(30, kwh=4, periods=[both], begun=start(parking))

    assert made.cdr["total_cost"]["excl_vat"] == Decimal("1.5")
    assert made.cdr["total_parking_time"] == QUARTER


CHANGES = st.lists(
    st.tuples(
        st.integers(1, 3600),
        st.integers(0, 20_000),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["TIME", "TIME", "PARKING_TIME"]),
    ),
    min_size=1,
    max_size=6,
)
TARIFF = tariff(
    elements=[
        element(component(price=1), restrictions={"start_time": "08:20", "end_time": "08:50"}),
        element(component("TIME", price=3, step_size=300), restrictions={"min_kwh": 2}),
        element(
            component(price=Decimal("0.3"), step_size=100),
            component("TIME", price=2, step_size=60),
            component("PARKING_TIME", price=4, step_size=60),
            component("FLAT", price=1),
        ),
    ]
)


@settings(max_examples=200, deadline=None)
@given(CHANGES, st.booleans())
def test_after_every_change_the_running_cost_is_that_of_the_cdr(
    changes: list[tuple[int, int, bool, bool, bool, str]], has_power: bool
) -> None:
    """Updates have kwh alone, or a period with or without hours and energy. Source: SES-14, CDR-10"""
    begun = start(TARIFF)
    now = period_from = parse_datetime(T0)
    kwh = in_periods = Decimal(0)
    periods: list[Document] = []
    for seconds, wh, has_period, has_hours, has_energy, kind in changes:
        now += timedelta(seconds=seconds)
        kwh += Decimal(wh) / 10_000
        if has_period:
            hours = (Decimal((now - period_from).seconds) / 3600).quantize(Decimal("0.0001"))
            new = part(format_datetime(period_from), kwh - in_periods if has_energy else None, hours, kind)
            new["dimensions"] = new["dimensions"] if has_hours else new["dimensions"][:1]
            new["dimensions"] += [POWER] if has_power else []
            in_periods += kwh - in_periods if has_energy else 0
            periods, period_from = [*periods, new], now
        moment = format_datetime(now)
        running = session(kwh=kwh, charging_periods=periods, last_updated=moment)
        ended = {**running, "status": "COMPLETED", "end_date_time": moment}

        try:
            expected = draft_cdr(ended, begun).cdr["total_cost"]
        except InvalidParameters:
            expected = None

        assert running_cost(running, begun) == expected == running_cost(ended, begun)
        assert expected is not None or has_power
