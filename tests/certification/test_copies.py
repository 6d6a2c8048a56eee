"""The probe keeps copies by the rules of an OCPI receiver."""

from __future__ import annotations

from decimal import Decimal

from certification.copies import Copies
from certification.ocpi import Party
from certification.samples import as_pushed, cdr, charging_period, evse, location, session, tariff, token

OWNER = Party("PT", "ABC")
EARLIER, LATER = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"


def copies_with_a_site() -> Copies:
    copies = Copies()
    copies.answer("PUT", "locations", (*OWNER, "L1"), as_pushed(location("L1"), OWNER, "L1", EARLIER))
    return copies


def test_put_creates_then_replaces() -> None:
    copies = Copies()

    first = copies.answer("PUT", "tariffs", (*OWNER, "T1"), as_pushed(tariff("0.10"), OWNER, "T1"))
    second = copies.answer("PUT", "tariffs", (*OWNER, "T1"), as_pushed(tariff("0.20"), OWNER, "T1", LATER))

    assert (first.http_status, second.http_status) == (201, 200)
    held = copies.get("tariffs", OWNER, "t1")  # ids are CiStrings: TYP-01
    assert held is not None and held["last_updated"] == LATER


def test_put_under_another_owner_is_refused() -> None:
    """Source: OCPI 2.2.1 transport_and_format_errors; TRN-27"""
    outcome = Copies().answer("PUT", "tariffs", ("PT", "MOB", "T1"), as_pushed(tariff(), OWNER, "T1"))

    assert outcome.status_code == 2001


def test_delete_is_for_tariffs_only() -> None:
    """Source: OCPI 2.2.1 mod_locations; LOC-10, TAR-04"""
    copies = copies_with_a_site()
    copies.answer("PUT", "tariffs", (*OWNER, "T1"), as_pushed(tariff(), OWNER, "T1"))

    assert copies.answer("DELETE", "tariffs", (*OWNER, "T1"), None).http_status == 200
    assert copies.answer("DELETE", "tariffs", (*OWNER, "T1"), None).http_status == 404
    assert copies.answer("DELETE", "locations", (*OWNER, "L1"), None).http_status == 405


def test_put_of_an_evse_leaves_its_sibling_and_lifts_the_location() -> None:
    """Source: OCPI 2.2.1 mod_locations_put_method; LOC-05"""
    copies = copies_with_a_site()

    copies.answer("PUT", "locations", (*OWNER, "L1", "L1-1"), evse("L1-1", LATER, "CHARGING"))

    site = copies.get("locations", OWNER, "L1")
    assert site is not None and site["last_updated"] == LATER
    assert [each["status"] for each in site["evses"]] == ["CHARGING", "AVAILABLE"]


def test_patch_of_a_connector_changes_its_fields_and_lifts_both_parents() -> None:
    """Source: OCPI 2.2.1 mod_locations_patch_method; LOC-06"""
    copies = copies_with_a_site()
    change = {"tariff_ids": ["T1"], "last_updated": LATER}

    copies.answer("PATCH", "locations", (*OWNER, "L1", "L1-1", "L1-1-01"), change)

    site = copies.get("locations", OWNER, "L1")
    assert site is not None
    plug = site["evses"][0]["connectors"][0]
    assert plug["tariff_ids"] == ["T1"] and plug["standard"] == "IEC_62196_T2"
    assert {site["last_updated"], site["evses"][0]["last_updated"], plug["last_updated"]} == {LATER}


def test_patch_without_last_updated_is_refused() -> None:
    """Source: OCPI 2.2.1 mod_locations_patch_method; LOC-07"""
    outcome = copies_with_a_site().answer("PATCH", "locations", (*OWNER, "L1"), {"name": "x"})

    assert outcome.status_code == 2001


def test_a_child_of_an_unknown_location_is_404() -> None:
    """Source: LOC-13"""
    outcome = Copies().answer("PUT", "locations", (*OWNER, "L9", "E1"), evse("E1", LATER))

    assert (outcome.http_status, outcome.status_code) == (404, 2003)


def test_a_token_of_another_type_is_another_token() -> None:
    """Source: OCPI 2.2.1 mod_tokens; TOK-01, TOK-02, OWN-05"""
    copies = Copies()
    card = {"country_code": "PT", "party_id": "ABC", "uid": "U1", **token(), "last_updated": EARLIER}

    user = copies.answer("PUT", "tokens", (*OWNER, "U1"), {**card, "valid": False}, "APP_USER")
    rfid = copies.answer("PUT", "tokens", (*OWNER, "U1"), card)

    assert (user.http_status, rfid.http_status) == (201, 201)
    assert copies.get("tokens", OWNER, "u1") == card
    held = copies.get("tokens", OWNER, "U1", "APP_USER")
    assert held is not None and held["valid"] is False


def test_a_cdr_is_posted_once_and_never_changes() -> None:
    """Source: OCPI 2.2.1 mod_cdrs; CDR-02, CDR-05, CDR-06"""
    copies = Copies()
    driver = {"country_code": "PT", "party_id": "EVI", "uid": "U1", "type": "RFID", "contract_id": "C"}
    place = {"location_id": "L1", "evse_uid": "L1-1", "connector_id": "1"}
    sent = as_pushed(cdr(driver, place, tariff(), Decimal(3)), OWNER, "C1")

    first = copies.answer("POST", "cdrs", (), sent)
    again = copies.answer("POST", "cdrs", (), sent)
    other = copies.answer("POST", "cdrs", (), {**sent, "total_energy": 4})
    put = copies.answer("PUT", "cdrs", (*OWNER, "C1"), {**sent, "total_energy": 4})
    nameless = copies.answer("POST", "cdrs", (), {})

    assert [each.status_code for each in (first, again, other, nameless)] == [1000, 1000, 2001, 2001]
    assert put.http_status == 405
    assert copies.get("cdrs", OWNER, "c1") == sent
    assert copies.answer("GET", "cdrs", (*OWNER, "C1"), None).data == sent


def test_patch_of_a_session_adds_its_periods_once() -> None:
    """Source: OCPI 2.2.1 mod_sessions_patch_method; SES-05, SES-08"""
    copies, first, second = Copies(), charging_period(EARLIER, "1"), charging_period(LATER, "2")
    driver = {"country_code": "PT", "party_id": "EVI", "uid": "U1", "type": "RFID", "contract_id": "C"}
    started = as_pushed(session(driver, {"location_id": "L1"}, charging_periods=[first]), OWNER, "S1")
    copies.answer("PUT", "sessions", (*OWNER, "S1"), started)
    patch = {"kwh": 3, "charging_periods": [second], "last_updated": LATER}

    outcomes = [copies.answer("PATCH", "sessions", (*OWNER, "S1"), patch) for _ in range(2)]

    held = copies.get("sessions", OWNER, "S1")
    assert [outcome.status_code for outcome in outcomes] == [1000, 1000]
    assert held is not None and held["charging_periods"] == [first, second] and held["kwh"] == 3
