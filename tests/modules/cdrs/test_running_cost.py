"""Running cost of a session. Source: OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14"""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.modules.cdrs.assembly import draft_cdr
from chalicelib.modules.cdrs.running_cost import cost_so_far, keys_to_price, running_cost
from chalicelib.modules.cdrs.start_snapshots import (
    StartSnapshot,
    cdr_location,
    place_of,
    read_start_snapshot,
    start_snapshot_item,
    start_snapshot_key,
)
from chalicelib.policy.time_prices import TIME_PRICES_PER_MINUTE
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from tests.modules.builders import T0, T1, T2, component, connector, element, evse, location, tariff
from tests.modules.cdrs.world import CPO, XYZ, Network
from tests.modules.sessions.builders import cdr_token, session

REF = Ref("sessions", "PT", "ABC", "S1")
LIST = "sessions#PT*ABC#PT*EVI#EMSP"
PER_KWH_AND_HOUR = tariff(elements=[element(component(price=Decimal("0.25")), component("TIME", price=2))])


def start(*tariffs: Document, **fields: Any) -> StartSnapshot:
    """Build the start snapshot of a session at a connector with these tariffs."""
    plug = connector(tariff_ids=[each["id"] for each in tariffs])
    place = cdr_location(location(), evse(connectors=[plug]), plug)
    known = {"location": place, "time_zone": "Europe/Lisbon", "tariffs": tariffs, "token": cdr_token()}
    return StartSnapshot(place_of(session()), **{**known, **fields})


def cost_so_far_excl_vat(*fields_of_tariff: Document, **fields: Any) -> Decimal | None:
    """Running cost of a session without VAT."""
    cost = running_cost(session(**fields), start(*(fields_of_tariff or (PER_KWH_AND_HOUR,))))
    return None if cost is None else cost["excl_vat"]


def part(begins: str, kwh: object, hours: object, kind: str = "TIME", **fields: Any) -> Document:
    """Build a charging period with its length in hours."""
    dimensions = [{"type": "ENERGY", "volume": kwh}] if kwh is not None else []
    return {"start_date_time": begins, "dimensions": [*dimensions, {"type": kind, "volume": hours}], **fields}


@pytest.mark.parametrize(
    ("fields", "costs"),
    [
        ({"kwh": 4, "last_updated": T1}, 3),
        ({"kwh": 0, "last_updated": T0}, 0),
        # A later update without more energy adds no time.
        ({"kwh": 4, "charging_periods": [part(T0, 4, 1)], "last_updated": T2}, 3),
        # `kwh` beyond the energy of the periods was charged after them.
        ({"kwh": 6, "charging_periods": [part(T0, 4, 1)], "last_updated": T2}, Decimal("5.5")),
        # The clock of the CSMS is ahead of ours.
        ({"kwh": 4, "charging_periods": [part(T0, 4, 1)], "last_updated": T0}, 3),
        ({"kwh": 4, "charging_periods": [part(T0, 2, 1), part(T1, 2, 1)], "last_updated": T2}, 5),
        # A period without hours lasts until now.
        (
            {
                "kwh": 4,
                "charging_periods": [
                    {"start_date_time": T0, "dimensions": [{"type": "ENERGY", "volume": 4}]}
                ],
                "last_updated": T2,
            },
            5,
        ),
        # Parking has no price.
        (
            {
                "kwh": 4,
                "charging_periods": [part(T0, 4, 1), part(T1, None, 1, "PARKING_TIME")],
                "last_updated": T2,
            },
            3,
        ),
        ({"kwh": 4, "status": "COMPLETED", "end_date_time": T1, "last_updated": T2}, 3),
    ],
)
def test_the_running_cost_is_the_cost_at_the_last_update_of_the_session(
    fields: Document, costs: Decimal
) -> None:
    """Source: SES-14, CDR-16"""
    assert cost_so_far_excl_vat(**fields) == costs


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "PENDING"},
        {"status": "RESERVATION"},
        {"status": "INVALID"},
        {"status": "PAUSED_BY_VENDOR"},
        {"currency": "USD"},
        {"kwh": 1, "charging_periods": [part(T0, 4, 1)]},
        {"charging_periods": [part(T0, 4, 1, tariff_id="T9")]},
        {"charging_periods": [part(T0, 4, Decimal("1E+15"))]},
        {"start_date_time": T2, "last_updated": T0},
    ],
)
def test_a_session_that_cannot_be_priced_has_no_running_cost(fields: Document) -> None:
    """Source: SES-14"""
    assert cost_so_far_excl_vat(**{"kwh": 4, "last_updated": T1, **fields}) is None


def test_a_session_without_tariff_has_no_running_cost_and_one_with_a_free_tariff_costs_0() -> None:
    """Source: SES-14"""
    charged = session(kwh=4, last_updated=T1)
    free = tariff(elements=[element(component(price=0))])

    assert running_cost(charged, start()) is None
    assert running_cost(charged, start(free, location=None)) is None
    assert running_cost(charged, start(free)) == {"excl_vat": 0}


def test_the_running_cost_uses_charging_preferences_and_prices_per_minute() -> None:
    green = tariff(id="T2", type="PROFILE_GREEN", elements=[element(component("TIME", price=1))])
    regular = tariff(type="REGULAR", elements=[element(component("TIME", price=2))])
    charged, begun = session(kwh=4, last_updated=T1), start(regular, green)

    assert running_cost(charged, begun, "GREEN") == {"excl_vat": 1}
    assert running_cost(charged, begun, "REGULAR") == {"excl_vat": 2}
    by_the_minute = start(regular, time_prices_per_minute=True)
    assert running_cost(charged, by_the_minute) == {"excl_vat": 120}


def test_a_reservation_in_use_is_not_priced_as_expired() -> None:
    """Source: SES-16, TAR-14"""
    expired = element(component("FLAT", price=9), restrictions={"reservation": "RESERVATION_EXPIRES"})
    reserved = start(tariff(elements=[expired, element()]), reserved_from=T0)

    assert running_cost(session(last_updated=T1), reserved) is None
    assert running_cost(session(kwh=4, start_date_time=T1, last_updated=T2), reserved) == {"excl_vat": 1}


def test_the_running_cost_of_an_ended_session_is_that_of_its_cdr() -> None:
    """Source: SES-14, CDR-10"""
    periods = [part(T0, Decimal("2.5"), 1), part(T1, Decimal("1.5"), 1)]
    ended = session(kwh=4, charging_periods=periods, status="COMPLETED", end_date_time=T2)
    vat = tariff(
        elements=[element(component(vat=23, step_size=500), component("TIME", price=1, vat=6))],
        min_price={"excl_vat": 1},
    )

    cost = running_cost(ended, start(vat))

    assert cost == draft_cdr(ended, start(vat)).cdr["total_cost"]
    assert cost is not None and cost["incl_vat"] > cost["excl_vat"] > 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3600), st.integers(0, 20_000), st.booleans()), min_size=2, max_size=8),
    st.integers(1, 5000),
    st.booleans(),
)
def test_the_running_cost_never_falls_while_the_energy_rises(
    news: list[tuple[int, int, bool]], step_size: int, has_hours: bool
) -> None:
    """For both kinds of updates: kwh alone, or with a charging period. Source: SES-14"""
    prices = component(price=Decimal("0.31"), step_size=step_size), component("TIME", price=2, step_size=60)
    begun = start(tariff(elements=[element(*prices, component("FLAT", price=1))]))
    moment = period_from = parse_datetime(T0)
    kwh = in_periods = Decimal(0)
    periods: list[Document] = []
    costs = []
    for seconds, wh, is_period in news:
        moment += timedelta(seconds=seconds)
        kwh += Decimal(wh) / 10_000
        if is_period:
            hours = (Decimal((moment - period_from).seconds) / 3600).quantize(Decimal("0.0001"))
            new = part(format_datetime(period_from), kwh - in_periods, hours)
            new["dimensions"] = new["dimensions"] if has_hours else new["dimensions"][:1]
            periods, period_from, in_periods = [*periods, new], moment, kwh
        running = session(kwh=kwh, charging_periods=periods, last_updated=format_datetime(moment))
        cost = running_cost(running, begun)
        assert cost is not None
        costs.append(cost["excl_vat"])

    assert all(before <= after for before, after in pairwise(costs))


def test_a_bug_in_pricing_gives_no_running_cost_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    start_at, _ = keys_to_price(REF)
    broken = {start_at: {"place": place_of(session()), "shown_in": LIST, "body": "{}"}}

    assert cost_so_far(REF, broken, session(kwh=4), LIST) is None
    assert "cannot be priced" in caplog.text


def test_a_session_in_another_partition_or_place_has_no_running_cost_until_its_snapshot_is_updated() -> None:
    kept = start_snapshot_item(REF, start(PER_KWH_AND_HOUR, shown_in=LIST))
    start_at, _ = keys_to_price(REF)
    cost = partial(cost_so_far, REF, {start_at: kept})

    assert cost(session(kwh=4, last_updated=T1), LIST) == {"excl_vat": 3}
    assert cost(session(kwh=4, last_updated=T1), LIST + "2") is None
    assert cost(session(kwh=4, last_updated=T1, evse_uid="E2"), LIST) is None
    assert cost_so_far(REF, {}, session(kwh=4, last_updated=T1), LIST) is None


def test_the_start_snapshot_records_whether_the_partner_s_time_prices_are_per_minute() -> None:
    cpo = Network("CPO")
    cpo.join("evi", "EMSP")
    cpo.join("xyz", "EMSP", profiles=(TIME_PRICES_PER_MINUTE,))
    cpo.open_site()
    cpo.put()
    cpo.stream()
    before = kept(cpo)

    cpo.open_site("9.99")
    cpo.put(cdr_token=cdr_token(XYZ))
    cpo.stream()
    after = kept(cpo)

    assert (before.shown_in, before.time_prices_per_minute) == (LIST, False)
    assert (after.shown_in, after.time_prices_per_minute) == (LIST.replace("EVI", "XYZ"), True)
    assert after.tariffs == before.tariffs


def kept(network: Network) -> StartSnapshot:
    found = read_start_snapshot(network.node.table.get(start_snapshot_key(Ref("sessions", *CPO, "S1").key)))
    assert found is not None
    return found


def test_the_running_cost_takes_a_few_milliseconds_at_most() -> None:
    """About 0.9 ms in measurements; the limit finds work that grows, not a slow machine."""
    periods = [
        part(format_datetime(parse_datetime(T0) + timedelta(minutes=15 * number)), 1, Decimal("0.25"))
        for number in range(4)
    ]
    running, begun = session(kwh=4, charging_periods=periods, last_updated=T1), start(PER_KWH_AND_HOUR)

    def timed() -> float:
        began = time.thread_time()
        assert running_cost(running, begun) is not None
        return time.thread_time() - began

    assert min(timed() for _ in range(200)) < 0.005
