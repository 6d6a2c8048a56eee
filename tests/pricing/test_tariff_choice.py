"""Tests of the choice of the tariff that prices a session.

Source: OCPI 2.2.1 mod_tariffs, TariffType; TAR-08, TAR-24
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from tests.pricing.build import at, codes, component, cost, element, meter, period, price, session, tariff


def named(tariff_id: str, **fields: Any) -> dict[str, Any]:
    return tariff(element(component("ENERGY", "1")), id=tariff_id, **fields)


def chosen(*tariffs: dict[str, Any], **fields: Any) -> str:
    stay = session(60, meter_readings=meter((0, "0"), (60, "1")), **fields)
    priced = price(list(tariffs), stay)
    assert priced.tariff is not None
    return priced.tariff.id


ALL = (
    named("any"),
    named("regular", type="REGULAR"),
    named("cheap", type="PROFILE_CHEAP"),
    named("ad hoc", type="AD_HOC_PAYMENT"),
)


@pytest.mark.parametrize(
    ("fields", "tariff_id"),
    [
        ({}, "regular"),
        ({"charging_preferences": {"profile_type": "REGULAR"}}, "regular"),
        ({"charging_preferences": {"profile_type": "CHEAP"}}, "cheap"),
        ({"charging_preferences": {"profile_type": "FAST"}}, "any"),
        ({"ad_hoc_payment": True}, "ad hoc"),
        ({"ad_hoc_payment": False}, "regular"),
        ({"tariff_id": "CHEAP"}, "cheap"),
    ],
)
def test_the_tariff_of_the_type_that_the_driver_wishes_is_chosen(
    fields: dict[str, Any], tariff_id: str
) -> None:
    assert chosen(*ALL, **fields) == tariff_id


def test_a_tariff_without_type_is_taken_if_no_regular_one_exists() -> None:
    assert chosen(ALL[3], ALL[0]) == "any"


def test_a_profile_without_tariff_is_priced_as_regular_with_a_remark() -> None:
    stay = session(
        60, meter_readings=meter((0, "0"), (60, "1")), charging_preferences={"profile_type": "GREEN"}
    )

    priced = price([ALL[1]], stay)

    assert codes(priced) == {"no_profile_tariff"}


@pytest.mark.parametrize(
    ("start", "end", "is_valid"),
    [(0, 60, True), (-60, 0, False), (1, 60, False), (-60, 1, True), (-60, 30, True)],
)
def test_a_tariff_is_valid_from_its_start_until_before_its_end(start: int, end: int, is_valid: bool) -> None:
    dated = named("dated", start_date_time=at(start), end_date_time=at(end))

    assert chosen(dated, named("after", type=None)) == ("dated" if is_valid else "after")


@pytest.mark.parametrize("tariffs", [[], [named("old", end_date_time=at(-1))], [ALL[3]]])
def test_a_session_without_a_valid_tariff_is_refused(tariffs: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidParameters) as refused:
        price(tariffs, session(60))

    assert refused.value.field == "tariffs"


def test_a_session_that_names_an_unknown_tariff_is_refused() -> None:
    with pytest.raises(InvalidParameters) as refused:
        price(list(ALL), session(60, tariff_id="none"))

    assert refused.value.field == "session.tariff_id"


def test_a_named_tariff_that_is_not_valid_has_a_remark() -> None:
    stay = session(60, meter_readings=meter((0, "0"), (60, "1")), tariff_id="old")

    assert codes(price([named("old", end_date_time=at(-1))], stay)) == {"tariff_not_valid"}


def test_of_two_tariffs_with_one_id_the_one_valid_at_the_start_is_used() -> None:
    """Source: OCPI 2.2.1 mod_tariffs, Tariff Object, start_date_time; TAR-24."""
    old = tariff(element(component("ENERGY", "1")), end_date_time=at(0))
    new = tariff(element(component("ENERGY", "2")), start_date_time=at(0))
    stay = session(60, charging_periods=[period(0, ENERGY="3")])

    assert price([old, new], stay).total_cost == cost("6")
    assert price([new, old], stay).total_cost == cost("6")


def test_a_period_with_a_tariff_that_was_not_valid_has_a_remark() -> None:
    old = tariff(element(component("ENERGY", "1")), end_date_time=at(0))
    late = tariff(element(component("ENERGY", "1")), start_date_time=at(30))

    early, later = (session(60, charging_periods=[period(each, ENERGY="3")]) for each in (0, 30))
    assert codes(price(old, early)) == {"tariff_not_valid"}
    assert codes(price(late, later)) == {"gap_before_periods"}
