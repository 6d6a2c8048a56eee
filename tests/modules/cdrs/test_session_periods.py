"""Tests of how the charging periods of a session go into its CDR.

Source: OCPI 2.2.1 mod_cdrs; CDR-14, CDR-16
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.modules.cdrs.due_sessions import sessions_set_aside
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from tests.modules.builders import T0, T1, component, element
from tests.modules.cdrs.world import CPO, MAX_POWER, Network
from tests.modules.sessions.builders import period


def test_charging_periods_are_cut_where_the_price_changes(cpo: Network) -> None:
    """Source: CDR-14"""
    dear = element(
        component(price=Decimal("0.50")), restrictions={"start_time": "09:00", "end_time": "23:00"}
    )
    cpo.world.put_tariff("T1", elements=[dear, element(component(price=Decimal("0.20")))])
    cpo.end(charging_periods=[period(T0, Decimal("10"))])

    cpo.compile()

    (cdr,) = cpo.cdrs()
    assert [each["start_date_time"] for each in cdr["charging_periods"]] == [T0, T1]
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


def test_periods_with_the_same_start_lose_no_energy(cpo: Network) -> None:
    """Source: SES-08"""
    cpo.end(charging_periods=[period(T0, 4), period(T1, 5), period(T1, 1)])

    cpo.compile()

    assert [cdr["total_energy"] for cdr in cpo.cdrs()] == [10]


@pytest.mark.parametrize(
    ("periods", "code", "field"),
    [
        ([("2026-03-01T07:57:00Z", {"ENERGY": 10})], "period_outside_session", "0.start_date_time"),
        (
            [(T0, {"ENERGY": 9}), ("2026-03-01T10:03:00Z", {"ENERGY": 1})],
            "period_outside_session",
            "1.start_date_time",
        ),
        ([(T0, {"ENERGY": 9, "TIME": 2}), (T1, {"ENERGY": 1})], "volume_disagrees", "0.dimensions.1.volume"),
        ([(T0, {"ENERGY": 12}), (T1, {"ENERGY": -2})], "negative_energy", "1.dimensions.0.volume"),
    ],
)
def test_periods_that_contradict_clock_or_meter_are_priced_with_a_warning(
    cpo: Network, periods: list[tuple[str, Document]], code: str, field: str
) -> None:
    """Source: CDR-14, CDR-16, TRP-36"""
    given = [
        {
            "start_date_time": start,
            "dimensions": [{"type": each, "volume": volumes[each]} for each in volumes],
        }
        for start, volumes in periods
    ]
    cpo.end(charging_periods=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    warnings = {each["code"]: each["field"] for each in read_reasons(stored.extra["why"])["warnings"]}
    assert warnings[code] == f"charging_periods.{field}"


def test_hours_rounded_to_four_decimals_cause_no_warning(cpo: Network) -> None:
    """Source: CDR-16"""
    energy, time = {"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": Decimal("0.3333")}
    cpo.put(
        status="COMPLETED",
        end_date_time="2026-03-01T08:20:00Z",
        charging_periods=[{"start_date_time": T0, "dimensions": [energy, time]}],
    )

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None and read_reasons(stored.extra["why"])["warnings"] == []


def test_a_session_with_1440_periods_is_stored_with_its_explanation(cpo: Network) -> None:
    """Periods with power are priced as they are, and each is explained (CDR-14)."""
    begun = parse_datetime(T0)
    given = [
        period(
            format_datetime(begun + timedelta(minutes=minute)),
            dimensions=[{"type": "ENERGY", "volume": Decimal("0.01")}, MAX_POWER],
        )
        for minute in range(1440)
    ]
    end = format_datetime(begun + timedelta(days=1))
    cpo.world.clock.forward(86_400)
    cpo.put(status="COMPLETED", end_date_time=end, kwh=Decimal("14.4"), charging_periods=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None and len(read_reasons(stored.extra["why"])["breakdown"]["periods"]) == 1440
    assert sessions_set_aside(cpo.node.table) == []
