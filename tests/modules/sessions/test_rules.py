"""Source: OCPI 2.2.1 mod_sessions; SES-05 … SES-08, SES-15 … SES-18, TRP-09, TRP-24"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.sessions.objects import ChargingPreferences
from chalicelib.modules.sessions.rules import (
    answer_preferences,
    has_same_token,
    is_final,
    patch_session,
    tolerated,
    with_late_periods,
    with_periods,
)
from chalicelib.protocol.patch import check_time
from chalicelib.protocol.types import validate
from tests.modules.builders import T0, T1, T2, T3, evse, tariff
from tests.modules.sessions.builders import cdr_token, period, session

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CAPABLE = evse(capabilities=["RFID_READER", "CHARGING_PREFERENCES_CAPABLE"])


# -- what came


def test_a_volume_as_text_becomes_the_number_with_its_digits() -> None:
    """Source: docs/mobie.md, Payloads"""
    read = tolerated(session(charging_periods=[period(volume="12.340"), period(volume="-2")]))

    volumes = [each["dimensions"][0]["volume"] for each in read["charging_periods"]]
    assert [str(volume) for volume in volumes] == ["12.340", "-2"]
    assert all(isinstance(volume, Decimal) for volume in volumes)


@pytest.mark.parametrize("volume", ["", "1,5", "NaN", "1e400", " 1", "9" * 40, "٣"])
def test_a_volume_that_is_no_number_stays_as_it_came(volume: str) -> None:
    assert tolerated(session(charging_periods=[period(volume=volume)])) == session(
        charging_periods=[period(volume=volume)]
    )


@pytest.mark.parametrize(
    "periods",
    ["x", [1], [{}], [{"dimensions": 5}], [{"dimensions": [5]}], [{"dimensions": [{"volume": []}]}]],
)
def test_periods_that_are_none_are_left_to_be_judged(periods: Any) -> None:
    assert tolerated({"charging_periods": periods}) == {"charging_periods": periods}


def test_reserved_is_read_as_reservation() -> None:
    """Source: TRP-24"""
    assert tolerated({"status": "RESERVED"}) == {"status": "RESERVATION"}
    assert tolerated({"status": "ACTIVE", "kwh": 1}) == {"status": "ACTIVE", "kwh": 1}


@pytest.mark.parametrize("patch", [{}, {"last_updated": None}, {"last_updated": 5}, {"last_updated": "now"}])
def test_a_patch_has_to_say_when_it_is_of(patch: dict[str, Any]) -> None:
    """Source: SES-06"""
    with pytest.raises(InvalidParameters) as raised:
        check_time(patch)

    assert raised.value.field == "last_updated"


# -- periods


def test_a_patch_adds_its_periods_behind_the_others() -> None:
    """Source: SES-05"""
    stored = session(charging_periods=[period(T0), period(T1)])

    patched = patch_session(stored, {"charging_periods": [period(T2)], "last_updated": T2})

    assert patched["charging_periods"] == [period(T0), period(T1), period(T2)]


@pytest.mark.parametrize("patch", [{}, {"charging_periods": []}, {"charging_periods": None}])
def test_a_patch_without_periods_changes_none(patch: dict[str, Any]) -> None:
    """Source: SES-05, TYP-12"""
    stored = session(charging_periods=[period(T0)])

    assert patch_session(stored, {**patch, "last_updated": T1})["charging_periods"] == [period(T0)]


def test_the_same_patch_twice_adds_its_periods_once() -> None:
    """Source: SES-08, TRP-09"""
    patch = {"charging_periods": [period(T1), period(T2, tariff_id="T1")], "last_updated": T2}

    once = patch_session(session(charging_periods=[period(T0)]), patch)

    assert patch_session(once, patch) == once
    assert len(once["charging_periods"]) == 3


def test_a_period_is_the_same_however_its_instant_and_its_numbers_are_written() -> None:
    """Source: SES-08, TYP-07"""
    stored = [period("2026-03-01T08:00:00Z", Decimal("1.50"))]

    assert with_periods(stored, [period("2026-03-01T08:00:00.000Z", Decimal("1.5"))]) == stored


@pytest.mark.parametrize("other", [period(T0, Decimal("1.6")), period(T0, tariff_id="T2")])
def test_a_period_of_the_same_instant_takes_the_place_of_the_stored_one(other: dict[str, Any]) -> None:
    """Source: SES-08"""
    stored = [period(T0, tariff_id="T1"), period(T1)]

    assert with_periods(stored, [other, period(T2)]) == [other, period(T1), period(T2)]


def test_one_patch_with_an_instant_twice_adds_its_last_period() -> None:
    """Source: SES-08"""
    assert with_periods([], [period(T0), period(T0)]) == [period(T0)]
    assert with_periods([], [period(T0), period(T0, tariff_id="T1")]) == [period(T0, tariff_id="T1")]


def test_periods_of_one_instant_in_a_put_are_left_alone_by_a_patch_of_another() -> None:
    """Source: SES-04"""
    stored = [period(T0), period(T0, tariff_id="T1")]

    assert with_periods(stored, [period(T1)]) == [*stored, period(T1)]
    assert with_periods(stored, [period(T0)]) == stored


class Watched:
    """A field of a period that knows how often it was compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Watched.compared += 1
        return True


def test_a_period_is_compared_with_those_of_its_instant_alone() -> None:
    """A long session has thousands of them."""
    minutes = [f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z" for minute in range(400)]
    stored, added = (
        [{"x": Watched(), **period(minute)} for minute in some] for some in (minutes[:250], minutes[200:])
    )

    periods = with_periods(stored, added)

    assert [each["start_date_time"] for each in periods] == minutes
    assert Watched.compared <= len(minutes)


def test_a_patch_that_was_overtaken_adds_what_is_not_there_in_the_order_of_time() -> None:
    """Source: SES-08"""
    stored = session(kwh=9, charging_periods=[period(T0, tariff_id="T1"), period(T2)], last_updated=T3)
    late = {"kwh": 1, "charging_periods": [period(T1), period(T0)], "last_updated": T1}

    added = with_late_periods(stored, late)

    periods = [period(T0, tariff_id="T1"), period(T1), period(T2)]
    assert added == {**stored, "charging_periods": periods}


@pytest.mark.parametrize("periods", [None, [], [period(T0, tariff_id="T1")]])
def test_a_patch_that_was_overtaken_and_has_no_new_period_changes_nothing(periods: Any) -> None:
    """Source: LOC-14's house rule"""
    stored = session(charging_periods=[period(T0)], last_updated=T3)

    assert with_late_periods(stored, {"kwh": 9, "charging_periods": periods, "last_updated": T1}) is None


@pytest.mark.parametrize(
    ("added", "field"),
    [
        ({}, "charging_periods"),
        ("", "charging_periods"),
        (0, "charging_periods"),
        ([5], "charging_periods.0"),
        ([period(T0), {"start_date_time": T0}], "charging_periods.1.dimensions"),
        ([period("soon")], "charging_periods.0.start_date_time"),
    ],
)
def test_wrong_periods_are_told_by_their_place_in_the_patch(added: Any, field: str) -> None:
    with pytest.raises(InvalidParameters) as raised:
        with_periods([period(T0)], added)

    assert raised.value.field == field


# -- other fields


def test_a_patch_changes_what_it_names_and_keeps_the_ids_as_they_were_written() -> None:
    """Source: TRN-24, TYP-01"""
    patched = patch_session(
        session(), {"id": "s1", "kwh": Decimal("2.5"), "meter_id": "M", "last_updated": T1}
    )

    assert patched == session(kwh=Decimal("2.5"), meter_id="M", last_updated=T1)


def test_a_cost_is_replaced_as_a_whole() -> None:
    """The price with VAT belongs to the one without. Source: SES-14"""
    stored = session(total_cost={"excl_vat": Decimal("4.00"), "incl_vat": Decimal("4.92")})

    patched = patch_session(stored, {"total_cost": {"excl_vat": Decimal("5.00")}, "last_updated": T1})

    assert patched["total_cost"] == {"excl_vat": Decimal("5.00")}


def test_free_of_charge_is_not_the_same_as_unknown() -> None:
    """Source: SES-14, TRP-37"""
    free = patch_session(session(), {"total_cost": {"excl_vat": 0}, "last_updated": T1})

    assert free["total_cost"] == {"excl_vat": 0}
    assert "total_cost" not in patch_session(free, {"total_cost": None, "last_updated": T1})


def test_a_patch_that_leaves_no_session_is_refused() -> None:
    with pytest.raises(InvalidParameters) as raised:
        patch_session(session(), {"currency": None, "last_updated": T1})

    assert raised.value.field == "currency"


def test_only_a_completed_session_is_final() -> None:
    """Source: SES-15"""
    statuses = ("ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION")

    assert [status for status in statuses if is_final({"status": status})] == ["COMPLETED"]


def test_a_token_is_the_same_in_any_case_and_another_by_any_part_of_its_key() -> None:
    """Source: TYP-01, OWN-05"""
    lower = session(cdr_token=cdr_token(country_code="pt", party_id="glp", contract_id="other"))

    assert has_same_token(session(), lower)
    for name, value in (("uid", "9"), ("type", "APP_USER"), ("party_id", "EVI"), ("country_code", "ES")):
        assert not has_same_token(session(), session(cdr_token=cdr_token(**{name: value})))


# -- preferences


def answer(
    preferences: dict[str, Any], place: dict[str, Any] | None = CAPABLE, *tariff_types: str, **fields: Any
) -> str:
    read = validate(ChargingPreferences, preferences)
    return answer_preferences(
        session(**fields), place, [tariff(type=each) for each in tariff_types], read, NOW
    )


def test_preferences_at_a_capable_evse_are_accepted() -> None:
    """Source: SES-17"""
    wanted = {"profile_type": "FAST", "departure_time": T2, "energy_need": 40, "discharge_allowed": True}

    assert answer(wanted) == "ACCEPTED"
    assert answer({"profile_type": "REGULAR"}) == "ACCEPTED"


@pytest.mark.parametrize("place", [None, evse(), evse(capabilities=["RFID_READER"]), evse(capabilities=None)])
def test_an_evse_that_takes_no_preferences_is_not_found(place: dict[str, Any] | None) -> None:
    """Source: SES-18"""
    with pytest.raises(NotFound):
        answer({"profile_type": "FAST"}, place)


@pytest.mark.parametrize("status", ["PENDING", "RESERVATION", "COMPLETED", "INVALID"])
def test_nothing_can_be_preferred_unless_the_session_is_active(status: str) -> None:
    assert answer({"profile_type": "FAST"}, status=status) == "NOT_POSSIBLE"


def test_a_departure_that_is_over_is_not_possible() -> None:
    assert answer({"profile_type": "FAST", "departure_time": T0}) == "NOT_POSSIBLE"
    assert answer({"profile_type": "FAST", "departure_time": T1}) == "NOT_POSSIBLE"


def test_where_profiles_have_tariffs_the_others_are_not_supported() -> None:
    """Source: mod_sessions_charging_preferences_object, profile_type"""
    assert answer({"profile_type": "GREEN"}, CAPABLE, "PROFILE_GREEN", "REGULAR") == "ACCEPTED"
    assert answer({"profile_type": "REGULAR"}, CAPABLE, "PROFILE_GREEN") == "ACCEPTED"
    assert answer({"profile_type": "FAST"}, CAPABLE, "PROFILE_GREEN") == "PROFILE_TYPE_NOT_SUPPORTED"
    assert answer({"profile_type": "FAST"}, CAPABLE, "REGULAR") == "ACCEPTED"


def test_an_unknown_profile_is_not_supported() -> None:
    """Source: TYP-15"""
    assert answer({"profile_type": "TURBO"}) == "PROFILE_TYPE_NOT_SUPPORTED"
