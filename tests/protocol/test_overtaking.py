"""Tests of the order of updates. Source: OCPI 2.2.1 mod_locations, last_updated; LOC-14"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.protocol.overtaking import instant_of, is_ahead, is_overtaken, order_key, stamps_ahead

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ARRIVED = "2026-11-24T12:00:00.000000"


@pytest.mark.parametrize(
    ("stamp", "ahead"),
    [
        ("2026-11-24T12:05:00Z", False),
        ("2026-11-24T12:04:59.9", False),
        ("2026-11-24T12:05:01Z", True),
        ("2062-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00Z", False),
    ],
)
def test_a_last_updated_more_than_five_minutes_in_the_future_is_ahead(stamp: str, ahead: bool) -> None:
    assert is_ahead(stamp, NOON) is ahead
    assert (order_key(stamp, NOON) == ARRIVED) is ahead


@pytest.mark.parametrize(
    ("stored", "came", "overtaken"),
    [
        ("2026-11-24T11:00:00Z", "2026-11-24T10:59:59.999Z", True),
        ("2026-11-24T11:00:00Z", "2026-11-24T11:00:00Z", False),
        # A little ahead of our clock is normal.
        ("2026-11-24T12:04:00Z", "2026-11-24T12:03:00Z", True),
        # Stored at noon with a `last_updated` in the future.
        ("2062-01-01T00:00:00Z", "2026-11-24T12:00:01Z", False),
        ("2062-01-01T00:00:00Z", "2026-11-24T11:59:00Z", False),
        ("2062-01-01T00:00:00Z", "2026-11-24T11:54:59Z", True),
        ("2062-01-01T00:00:00Z", "2061-01-01T00:00:00Z", False),
        ("2026-11-24T13:00:00Z", "2026-11-24T12:30:00Z", False),
    ],
)
def test_a_stored_last_updated_in_the_future_is_compared_by_arrival(
    stored: str, came: str, overtaken: bool
) -> None:
    assert is_overtaken(came, stored, NOON) is overtaken


def test_without_an_arrival_the_two_last_updated_are_compared() -> None:
    assert is_overtaken("2026-11-24T12:00:00Z", "2062-01-01T00:00:00Z", None)


def test_a_version_gives_the_time_of_its_write() -> None:
    assert instant_of(int(NOON.timestamp() * 1_000_000)) == NOON
    assert instant_of(7) is None


def test_last_updated_of_location_evses_and_connectors_is_checked() -> None:
    document = {
        "last_updated": "2026-11-24T12:00:00Z",
        "evses": [
            {"last_updated": "2031-01-01T00:00:00Z", "connectors": [{"last_updated": "2032-01-01T00:00:00Z"}]}
        ],
        "connectors": "a partner's own",
        "tariff": {"last_updated": "2033-01-01T00:00:00Z"},
    }

    assert list(stamps_ahead(document, NOON)) == ["2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z"]
    assert list(stamps_ahead({"last_updated": "9999", "evses": [5]}, NOON)) == []
