"""Records of START_SESSION and RESERVE_NOW commands.

Source: OCPI 2.2.1 mod_commands_startsession_object; CMD-10, CMD-11
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.policy.remote_starts import (
    authorized_key,
    begins,
    is_authorized,
    start_items,
    start_keys,
    started,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = {"country_code": "PT", "party_id": "EVI", "uid": "abc", "type": "RFID"}


def test_a_start_is_found_by_token_and_reference_in_any_case() -> None:
    items = start_items(TOKEN, "Ref-1", started("emsp", "c1", NOW, "L1", "E1"), NOW)

    found = {(item["pk"], item["sk"]) for item in items} - {authorized_key("ABC", "RFID")}
    assert len(found) == len(items) - 1
    assert set(start_keys({**TOKEN, "uid": "ABC"}, "REF-1")) == found
    assert not set(start_keys({**TOKEN, "party_id": "XYZ"}, "Ref-1")) & found
    assert not set(start_keys({**TOKEN, "type": "APP_USER"}, "Ref-1")) & found


@pytest.mark.parametrize(
    ("minutes", "location_id", "evse_uid", "expected"),
    [
        (14, "L1", "E1", True),
        (16, "L1", "E1", False),
        (1, "l1", "e1", True),
        (1, "L1", "E2", False),
        (1, "L2", "E1", False),
    ],
)
def test_a_command_authorizes_an_rfid_token_for_15_minutes_at_its_evse(
    minutes: int, location_id: str, evse_uid: str, expected: bool
) -> None:
    start = started("emsp", "c1", NOW, "L1", "E1")

    assert is_authorized(start, "RFID", location_id, evse_uid, NOW + timedelta(minutes=minutes)) is expected


def test_a_command_without_an_evse_authorizes_at_the_whole_location() -> None:
    assert is_authorized(started("emsp", "c1", NOW, "L1", None), "RFID", "L1", "E7", NOW)


def test_an_app_token_needs_no_authorization_after_a_command() -> None:
    start = started("emsp", "c1", NOW, "L1", "E1")

    assert is_authorized(start, "APP_USER", "L2", None, NOW + timedelta(days=2))
    assert not is_authorized(None, "APP_USER", "L1", "E1", NOW)


@pytest.mark.parametrize(
    ("minutes", "location_id", "evse_uid", "expected"),
    [
        (14, "L1", "E1", True),
        (16, "L1", "E1", False),
        (1, "l1", "e1", True),
        (1, "L1", "#NA", True),
        (1, "L1", "E2", False),
        (1, "L2", "E1", False),
    ],
)
def test_a_session_at_the_location_belongs_to_the_command_for_15_minutes(
    minutes: int, location_id: str, evse_uid: str, expected: bool
) -> None:
    """Source: SES-13"""
    start = started("emsp", "c1", NOW, "L1", "E1")

    assert begins(start, location_id, evse_uid, NOW + timedelta(minutes=minutes)) is expected


def test_a_session_belongs_to_a_reservation_until_it_ends() -> None:
    """Source: SES-13"""
    long = started("emsp", "c1", NOW, "L1", "E1", "2026-03-01T14:00:00.000Z")
    short = started("emsp", "c1", NOW, "L1", "E1", "2026-03-01T12:01:00Z")

    moments = [NOW + timedelta(minutes=minutes) for minutes in (14, 119, 121)]
    assert [begins(long, "L1", "E1", moment) for moment in moments] == [True, True, False]
    assert [begins(short, "L1", "E1", moment) for moment in moments] == [True, False, False]
