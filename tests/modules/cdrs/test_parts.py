"""The parts and the id of a CDR. Source: OCPI 2.2.1 mod_cdrs; CDR-09, CDR-13, CDR-18, TRP-31"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.cdrs.assembly import make_cdr, token_of
from chalicelib.modules.cdrs.earlier_cdrs import cdr_id
from chalicelib.modules.cdrs.new_cdrs import has_same_content
from chalicelib.modules.cdrs.start_snapshots import cdr_location, is_reserved, place_of, unused_location
from tests.harness.partner_api import EMSP
from tests.modules.builders import T0, T1, connector, evse, location, without
from tests.modules.sessions.builders import cdr_token, session

AT_START = cdr_token(contract_id="PT-GLP-OLD")


def test_a_cdr_has_the_token_as_recorded_at_the_start() -> None:
    assert token_of(session(), AT_START) == AT_START


def test_a_token_with_the_same_uid_of_another_emsp_is_another_token() -> None:
    """Source: OWN-05"""
    token = cdr_token(EMSP._replace(party_id="XYZ"))

    assert token_of(session(cdr_token=token), AT_START) == token


@pytest.mark.parametrize(
    "fields", [{"uid": "OTHER"}, {"type": "APP_USER"}, {"country_code": "ES"}, {"party_id": "XYZ"}]
)
def test_a_token_that_differs_in_any_part_of_its_key_is_another_one(fields: dict[str, Any]) -> None:
    token = cdr_token(**fields)

    assert token_of(session(cdr_token=token), AT_START) == token


def test_the_token_at_the_start_is_matched_case_insensitively() -> None:
    """Source: TYP-01"""
    assert token_of(session(cdr_token=cdr_token(party_id="glp", uid="012345")), AT_START) == AT_START


def test_without_a_token_at_the_start_a_cdr_has_the_token_of_the_session() -> None:
    assert token_of(session(), None) == cdr_token()


# -- ids ---------------------------------------------------------------------------------------------


def test_an_id_depends_on_maker_session_and_number_only_and_leaves_room_for_a_credit_suffix() -> None:
    def digest(text: str) -> str:
        return text.encode().hex().rjust(64, "a")[-64:]

    of_first = cdr_id(digest, "PT*ABC", "sessions#PT*ABC#S1", 1)

    assert cdr_id(digest, "PT*ABC", "sessions#PT*ABC#S1", 1) == of_first
    assert (len(of_first), of_first[:4], of_first) == (36, "CDR-", of_first.upper())


@pytest.mark.parametrize("other", [("PT*MOB", "S1", 1), ("PT*ABC", "S2", 1), ("PT*ABC", "S1", 2)])
def test_another_maker_session_or_number_gives_another_digest(other: tuple[str, str, int]) -> None:
    asked: list[str] = []

    def digest(text: str) -> str:
        asked.append(text)
        return "0" * 64

    cdr_id(digest, "PT*ABC", "S1", 1)
    cdr_id(digest, *other)

    assert asked[0] != asked[1]


# -- place -------------------------------------------------------------------------------------------


def test_a_cdr_location_has_the_fields_and_lengths_that_a_cdr_allows() -> None:
    """Source: TRP-31"""
    long = location(address="a" * 46, state="s" * 21, name=None, parking_type="ON_STREET")

    copied = cdr_location(long, evse(evse_id="PT*ABC*E1"), connector())

    assert (copied["address"], copied["state"]) == ("a" * 45, "s" * 20)
    assert copied["evse_id"] == "PT*ABC*E1"
    assert not {"name", "parking_type", "evses"} & copied.keys()


def test_a_cdr_location_uses_the_uid_of_an_evse_without_evse_id_and_omits_a_missing_state() -> None:
    copied = cdr_location(location(), evse("E7"), connector("2", power_type="DC"))

    assert "state" not in copied
    assert (copied["evse_uid"], copied["evse_id"]) == ("E7", "E7")
    assert (copied["connector_id"], copied["connector_power_type"]) == ("2", "DC")
    assert (copied["connector_standard"], copied["connector_format"]) == ("IEC_62196_T2", "SOCKET")


def test_the_cdr_location_of_an_unused_reservation_has_no_connector() -> None:
    """Source: CDR-18"""
    copied = unused_location(location(), session(evse_uid="E7"))

    assert (copied["evse_uid"], copied["evse_id"], copied["connector_id"]) == ("E7", "#NA", "#NA")


@pytest.mark.parametrize("name", ["location_id", "evse_uid", "connector_id"])
def test_a_session_with_another_location_evse_or_connector_has_another_place(name: str) -> None:
    assert place_of(session(**{name: "other"})) != place_of(session())
    assert place_of(session(evse_uid="e1")) == place_of(session(evse_uid="E1"))


def test_only_a_session_with_status_reservation_is_reserved() -> None:
    assert is_reserved(session(status="RESERVATION"))
    assert not is_reserved(session(status="ACTIVE"))


# -- CDR ---------------------------------------------------------------------------------------------


def made(**fields: Any) -> dict[str, Any]:
    ended = session(end_date_time=T1, **fields)
    return make_cdr(ended, T0, {"id": "L1"}, AT_START, [{"id": "T1"}], {"total_cost": {"excl_vat": 1}})


def test_a_cdr_copies_the_fields_that_its_session_has() -> None:
    cdr = made(authorization_reference="A1", meter_id=None)

    assert (cdr["session_id"], cdr["start_date_time"], cdr["end_date_time"]) == ("S1", T0, T1)
    assert (cdr["country_code"], cdr["party_id"]) == ("PT", "EDP")
    assert (cdr["cdr_token"], cdr["cdr_location"], cdr["tariffs"]) == (AT_START, {"id": "L1"}, [{"id": "T1"}])
    assert (cdr["authorization_reference"], cdr["total_cost"]) == ("A1", {"excl_vat": 1})
    assert "meter_id" not in cdr


def test_two_cdrs_have_the_same_content_if_only_id_and_last_updated_differ() -> None:
    one = made(authorization_reference="A1") | {"id": "C1", "last_updated": T0}

    assert has_same_content(one, one | {"id": "C2", "last_updated": T1})
    assert not has_same_content(one, one | {"end_date_time": T0})
    assert not has_same_content(one, without(one, "authorization_reference"))
    assert not has_same_content(without(one, "authorization_reference"), one)
