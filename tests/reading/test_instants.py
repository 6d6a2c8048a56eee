"""Tests of lenient instants. Source: OCPI 2.2.1 types, DateTime; TYP-06, TYP-07, TRP-03"""

from __future__ import annotations

import pytest

from chalicelib.protocol.types import parse_datetime
from chalicelib.reading.instants import read_datetime_leniently


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2026-11-29T13:00:00Z", "2026-11-29T13:00:00Z"),
        ("2026-11-29T13:00:00", "2026-11-29T13:00:00Z"),
        ("2026-11-29T13:00Z", "2026-11-29T13:00:00Z"),
        ("2026-11-29 13:00", "2026-11-29T13:00:00Z"),
        ("2026-11-29t13:00:00z", "2026-11-29T13:00:00Z"),
        ("  2026-11-29T13:00:00Z\n", "2026-11-29T13:00:00Z"),
        ("2026-11-29T13:00:00+01:00", "2026-11-29T12:00:00Z"),
        ("2026-11-29T13:00:00+0100", "2026-11-29T12:00:00Z"),
        ("2026-11-29T13:00:00+01", "2026-11-29T12:00:00Z"),
        ("2026-11-29T23:00:00-05:30", "2026-11-30T04:30:00Z"),
        ("2026-11-29T13:00:00-00:00", "2026-11-29T13:00:00Z"),
        ("2026-11-29 13:00:00 +0100", "2026-11-29T12:00:00Z"),
        ("2026-11-29 13:00:00 UTC", "2026-11-29T13:00:00Z"),
        ("2026-11-29 13:00:00 GMT", "2026-11-29T13:00:00Z"),
        ("2026-11-29T13:00:00+00:00Z", "2026-11-29T13:00:00Z"),
        ("2026-11-29T12:19:39.797902", "2026-11-29T12:19:39.797Z"),
        ("2026-11-29T12:19:39.9999999999Z", "2026-11-29T12:19:39.999Z"),
        ("2026-11-29T12:19:39,5Z", "2026-11-29T12:19:39.500Z"),
        ("2026-11-29T12:19:39.000000+00:00", "2026-11-29T12:19:39Z"),
    ],
)
def test_a_form_with_one_meaning_becomes_canonical(text: str, meaning: str) -> None:
    assert read_datetime_leniently(text) == meaning


@pytest.mark.parametrize("text", ["2026-11-29T13:00:00 01:00", "2026-11-29 13:00:00.250000 01:00"])
def test_the_plus_of_an_offset_may_arrive_as_a_space(text: str) -> None:
    assert read_datetime_leniently(text).startswith("2026-11-29T12:00:00")


def test_reading_a_canonical_instant_again_changes_nothing() -> None:
    once = read_datetime_leniently("2026-11-29T13:00:00.123987+01:00")

    assert read_datetime_leniently(once) == once
    assert parse_datetime(once).microsecond == 123_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-29",
        "29.11.2026 13:00",
        "11/29/2026 13:00:00",
        "1764417600",
        "2026-11-29T13",
        "2026-11-29T13:00:00+01:00Z",
        "2026-11-29T13:00:00 CET",
        "2026-11-29T13:00:00+25:00",
        "2026-11-29T13:00:00+01:75",
        "2026-11-29T13:00:00 1",
        "2026-02-30T13:00:00Z",
        "2026-11-29T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２０２６-11-29T13:00:00Z",
        "2026-11-29T13:00:00." + "9" * 5000,
    ],
)
def test_a_text_without_one_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_datetime_leniently(text)
