"""Source: OCPI 2.2.1 mod_sessions; SES-05 … SES-08, SES-15 … SES-18, TRP-09, TRP-24"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.sessions.objects import ChargingPreferences
from chalicelib.modules.sessions.proposals import has_same_token
from chalicelib.modules.sessions.rules import (
    answer_preferences,
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


# -- received bodies


def test_a_volume_as_text_becomes_the_number_with_its_digits() -> None:
    """Source: docs/mobie.md, Payloads"""
    read = tolerated(session(charging_periods=[period(volume="12.340"), period(volume="-2")]))

    volumes = [each["dimensions"][0]["volume"] for each in read["charging_periods"]]
    assert [str(volume) for volume in volumes] == ["12.340", "-2"]
    assert all(isinstance(volume, Decimal) for volume in volumes)


@pytest.mark.parametrize("volume", ["", "1,5", "NaN", "1e400", " 1", "9" * 40, "٣"])
def test_a_volume_that_is_not_a_number_stays_unchanged(volume: str) -> None:
    assert tolerated(session(charging_periods=[period(volume=volume)])) == session(
        charging_periods=[period(volume=volume)]
    )


@pytest.mark.parametrize(
    "periods",
    ["x", [1], [{}], [{"dimensions": 5}], [{"dimensions": [5]}], [{"dimensions": [{"volume": []}]}]],
)
def test_malformed_periods_are_left_to_the_validation(periods: Any) -> None:
    assert tolerated({"charging_periods": periods}) == {"charging_periods": periods}


def test_reserved_is_read_as_reservation() -> None:
    """Source: TRP-24"""
    assert tolerated({"status": "RESERVED"}) == {"status": "RESERVATION"}
    assert tolerated({"status": "ACTIVE", "kwh": 1}) == {"status": "ACTIVE", "kwh": 1}


@pytest.mark.parametrize("patch", [{}, {"last_updated": None}, {"last_updated": 5}, {"last_updated": "now"}])
def test_a_patch_without_a_valid_last_updated_is_refused(patch: dict[str, Any]) -> None:
    """Source: SES-06"""
    with pytest.raises(InvalidParameters) as raised:
        check_time(patch)

    assert raised.value.field == "last_updated"


# -- periods


def test_a_patch_appends_its_periods() -> None:
    """Source: SES-05"""
    stored = session(charging_periods=[period(T0), period(T1)])

    patched = patch_session(stored, {"charging_periods": [period(T2)], "last_updated": T2})

    assert patched["charging_periods"] == [period(T0), period(T1), period(T2)]


@pytest.mark.parametrize("patch", [{}, {"charging_periods": []}, {"charging_periods": None}])
def test_a_patch_without_periods_keeps_the_stored_ones(patch: dict[str, Any]) -> None:
    """Source: SES-05, TYP-12"""
    stored = session(charging_periods=[period(T0)])

    assert patch_session(stored, {**patch, "last_updated": T1})["charging_periods"] == [period(T0)]


def test_a_repeated_patch_adds_its_periods_once() -> None:
    """Source: SES-08, TRP-09"""
    patch = {"charging_periods": [period(T1), period(T2, tariff_id="T1")], "last_updated": T2}

    once = patch_session(session(charging_periods=[period(T0)]), patch)

    assert patch_session(once, patch) == once
    assert len(once["charging_periods"]) == 3


def test_a_period_is_the_same_in_another_notation_of_its_start_and_numbers() -> None:
    """Source: SES-08, TYP-07"""
    stored = [period("2026-03-01T08:00:00Z", Decimal("1.50"))]

    assert with_periods(stored, [period("2026-03-01T08:00:00.000Z", Decimal("1.5"))]) == stored


@pytest.mark.parametrize("other", [period(T0, Decimal("1.6")), period(T0, tariff_id="T2")])
def test_a_period_replaces_the_stored_one_with_the_same_start(other: dict[str, Any]) -> None:
    """Source: SES-08"""
    stored = [period(T0, tariff_id="T1"), period(T1)]

    assert with_periods(stored, [other, period(T2)]) == [other, period(T1), period(T2)]


def test_of_two_periods_with_one_start_in_a_patch_the_last_one_counts() -> None:
    """Source: SES-08"""
    assert with_periods([], [period(T0), period(T0)]) == [period(T0)]
    assert with_periods([], [period(T0), period(T0, tariff_id="T1")]) == [period(T0, tariff_id="T1")]


def test_a_patch_keeps_stored_periods_that_have_the_same_start() -> None:
    """Source: SES-04"""
    stored = [period(T0), period(T0, tariff_id="T1")]

    assert with_periods(stored, [period(T1)]) == [*stored, period(T1)]
    assert with_periods(stored, [period(T0)]) == stored


class Watched:
    """A field of a period that counts its comparisons."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Watched.compared += 1
        return True


def test_a_period_is_compared_only_with_those_of_the_same_start() -> None:
    """A long session has thousands of periods."""
    minutes = [f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z" for minute in range(400)]
    stored, added = (
        [{"x": Watched(), **period(minute)} for minute in some] for some in (minutes[:250], minutes[200:])
    )

    periods = with_periods(stored, added)

    assert [each["start_date_time"] for each in periods] == minutes
    assert Watched.compared <= len(minutes)


def test_an_older_patch_inserts_its_new_periods_in_order_of_time() -> None:
    """Source: SES-08"""
    stored = session(kwh=9, charging_periods=[period(T0, tariff_id="T1"), period(T2)], last_updated=T3)
    late = {"kwh": 1, "charging_periods": [period(T1), period(T0)], "last_updated": T1}

    added = with_late_periods(stored, late)

    periods = [period(T0, tariff_id="T1"), period(T1), period(T2)]
    assert added == {**stored, "charging_periods": periods}


@pytest.mark.parametrize("periods", [None, [], [period(T0, tariff_id="T1")]])
def test_an_older_patch_without_new_periods_changes_nothing(periods: Any) -> None:
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
def test_wrong_periods_are_refused_and_the_error_names_their_place_in_the_patch(
    added: Any, field: str
) -> None:
    with pytest.raises(InvalidParameters) as raised:
        with_periods([period(T0)], added)

    assert raised.value.field == field


# -- other fields


def test_a_patch_changes_the_fields_in_it_and_keeps_ids_as_first_written() -> None:
    """Source: TRN-24, TYP-01"""
    patched = patch_session(
        session(), {"id": "s1", "kwh": Decimal("2.5"), "meter_id": "M", "last_updated": T1}
    )

    assert patched == session(kwh=Decimal("2.5"), meter_id="M", last_updated=T1)


def test_a_cost_is_replaced_as_a_whole() -> None:
    """The amounts with and without VAT belong together. Source: SES-14"""
    stored = session(total_cost={"excl_vat": Decimal("4.00"), "incl_vat": Decimal("4.92")})

    patched = patch_session(stored, {"total_cost": {"excl_vat": Decimal("5.00")}, "last_updated": T1})

    assert patched["total_cost"] == {"excl_vat": Decimal("5.00")}


def test_free_of_charge_is_not_the_same_as_unknown() -> None:
    """Source: SES-14, TRP-37"""
    free = patch_session(session(), {"total_cost": {"excl_vat": 0}, "last_updated": T1})

    assert free["total_cost"] == {"excl_vat": 0}
    assert "total_cost" not in patch_session(free, {"total_cost": None, "last_updated": T1})


def test_a_patch_is_refused_when_the_resulting_session_is_not_valid() -> None:
    with pytest.raises(InvalidParameters) as raised:
        patch_session(session(), {"currency": None, "last_updated": T1})

    assert raised.value.field == "currency"


def test_only_a_completed_session_is_final() -> None:
    """Source: SES-15"""
    statuses = ("ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION")

    assert [status for status in statuses if is_final({"status": status})] == ["COMPLETED"]


def test_tokens_are_compared_by_every_part_of_their_key_without_case() -> None:
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
def test_preferences_for_an_evse_without_the_capability_are_not_found(place: dict[str, Any] | None) -> None:
    """Source: SES-18"""
    with pytest.raises(NotFound):
        answer({"profile_type": "FAST"}, place)


@pytest.mark.parametrize("status", ["PENDING", "RESERVATION", "COMPLETED", "INVALID"])
def test_preferences_are_not_possible_unless_the_session_is_active(status: str) -> None:
    assert answer({"profile_type": "FAST"}, status=status) == "NOT_POSSIBLE"


def test_a_departure_time_in_the_past_is_not_possible() -> None:
    assert answer({"profile_type": "FAST", "departure_time": T0}) == "NOT_POSSIBLE"
    assert answer({"profile_type": "FAST", "departure_time": T1}) == "NOT_POSSIBLE"


def test_only_profiles_with_a_tariff_are_supported_when_one_has_a_tariff() -> None:
    """Source: mod_sessions_charging_preferences_object, profile_type"""
    assert answer({"profile_type": "GREEN"}, CAPABLE, "PROFILE_GREEN", "REGULAR") == "ACCEPTED"
    assert answer({"profile_type": "REGULAR"}, CAPABLE, "PROFILE_GREEN") == "ACCEPTED"
    assert answer({"profile_type": "FAST"}, CAPABLE, "PROFILE_GREEN") == "PROFILE_TYPE_NOT_SUPPORTED"
    assert answer({"profile_type": "FAST"}, CAPABLE, "REGULAR") == "ACCEPTED"


def test_an_unknown_profile_is_not_supported() -> None:
    """Source: TYP-15"""
    assert answer({"profile_type": "TURBO"}) == "PROFILE_TYPE_NOT_SUPPORTED"
