"""Tests of sessions that are set aside: without a price, impossible, or with an id that is taken.

Source: docs/design.md, A CDR; SES-10, CDR-16, TRP-32
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.modules.cdrs import due_sessions
from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.modules.cdrs.due_sessions import read_due_sessions, sessions_set_aside
from chalicelib.protocol.json_text import Document
from chalicelib.storage.keys import Ref
from tests.modules.builders import T0, T1, T2
from tests.modules.cdrs.world import CPO, MAX_POWER, Network
from tests.modules.sessions.builders import period

ENERGY_10 = {"type": "ENERGY", "volume": 10}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"connector_id": "9"}, "location_id"),
        ({"currency": "USD"}, "currency"),
        ({"charging_periods": [period(T0, Decimal("12"))]}, "kwh"),
        ({"start_date_time": "2026-03-01T12:00:00Z"}, "end_date_time"),
        ({"start_date_time": T2}, "kwh"),
        ({"kwh": Decimal("-3")}, "kwh"),
        (
            {"charging_periods": [{"start_date_time": at, "dimensions": [MAX_POWER]} for at in (T0, T1)]},
            "charging_periods",
        ),
    ],
)
def test_a_session_without_a_price_is_set_aside_with_the_reason(
    cpo: Network, fields: Document, field: str
) -> None:
    cpo.end(**fields)

    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert (aside["session_id"], aside["field"]) == ("S1", field)
    assert cpo.cdrs() == []
    assert list(read_due_sessions(cpo.node.table)) == []


IMPOSSIBLE: list[tuple[Document, str]] = [
    # Wh instead of kWh: in the session alone, and in its periods too.
    ({"kwh": 21_400}, "kwh"),
    ({"kwh": 21_400, "charging_periods": [period(T0, 21_400)]}, "kwh"),
    # More than the 22 kW of the connector.
    ({"kwh": 58}, "kwh"),
    ({"charging_periods": [period(T0, 100), period(T1, -90)]}, "kwh"),
    ({"end_date_time": "2026-03-01T11:06:00Z"}, "end_date_time"),
    ({"charging_periods": [period("2026-03-01T07:54:00Z", 10)]}, "charging_periods.0.start_date_time"),
    (
        {"charging_periods": [period(T0, 9), period("2026-03-01T10:06:00Z", 1)]},
        "charging_periods.1.start_date_time",
    ),
    # Minutes instead of hours.
    (
        {"charging_periods": [period(dimensions=[{"type": "TIME", "volume": 120}, ENERGY_10])]},
        "charging_periods",
    ),
]


@pytest.mark.parametrize("role", ["CPO", "HUB"])
@pytest.mark.parametrize(("fields", "field"), IMPOSSIBLE)
def test_a_session_with_impossible_quantities_gets_no_cdr_until_the_operator_releases_it(
    role: str, fields: Document, field: str
) -> None:
    """Source: SES-10, CDR-16, TRP-32"""
    network = Network(role)
    network.join("evi", "EMSP")
    network.join("abc", "CPO")
    network.open_site()
    network.put(**{"status": "COMPLETED", "end_date_time": T2, **fields})
    network.compile()
    (aside,) = sessions_set_aside(network.node.table)
    unbilled, unsent = network.cdrs(), network.sent("evi")

    stored = network.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None
    due_sessions.make_due(network.node, stored, is_released=True)
    network.compile()

    assert (aside["field"], aside["can_release"], unbilled, unsent) == (field, True, [], [])
    (cdr,) = network.cdrs()
    kept = network.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert kept is not None
    assert "released_by_operator" in {each["code"] for each in read_reasons(kept.extra["why"])["warnings"]}
    assert (sessions_set_aside(network.node.table), network.sent("evi")) == ([], [cdr])


@pytest.mark.parametrize(
    "fields",
    [
        {"kwh": 57},
        {"end_date_time": "2026-03-01T11:04:00Z"},
        {"kwh": 1, "end_date_time": "2026-03-01T08:00:10Z"},
    ],
)
def test_small_errors_of_clocks_and_meters_are_accepted(cpo: Network, fields: Document) -> None:
    cpo.put(**{"status": "COMPLETED", "end_date_time": T2, **fields})

    cpo.compile()

    assert len(cpo.cdrs()) == 1


def test_a_release_is_valid_for_one_version_of_a_session(cpo: Network) -> None:
    cpo.end(kwh=21_400)
    cpo.compile()
    stored = cpo.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None
    due_sessions.make_due(cpo.node, stored, is_released=True)

    cpo.end(kwh=99_999)
    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert "99999 kWh" in aside["reason"]
    assert cpo.cdrs() == []


def test_a_session_that_was_set_aside_gets_a_cdr_after_its_correction(cpo: Network) -> None:
    cpo.end(currency="USD")
    cpo.compile()

    cpo.end()
    cpo.compile()

    assert sessions_set_aside(cpo.node.table) == []
    assert len(cpo.cdrs()) == 1
