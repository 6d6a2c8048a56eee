"""Instants, as JSON libraries and databases write them; every DateTime of every object may come so."""

from __future__ import annotations

from tests.reading.shapes.shape import GONE, Shape, read_as

_HOUR = "2026-03-01T08:00:00Z"
"""The instant that all of them name."""

_MILLISECONDS = "2026-03-01T08:00:00.123Z"

_SAME_HOUR = {
    "with an offset": "2026-03-01T09:00:00+01:00",
    "with an offset to the west": "2026-03-01T03:30:00-04:30",
    "with the offset +00:00": "2026-03-01T08:00:00+00:00",
    "with an offset without a colon": "2026-03-01T10:00:00+0200",
    "with an offset of hours only": "2026-03-01T10:00:00+02",
    "with a space": "2026-03-01 08:00:00",
    "with a space and Z": "2026-03-01 08:00:00Z",
    "with a space and an offset": "2026-03-01 09:00:00 +01:00",
    "in small letters": "2026-03-01t08:00:00z",
    "with spaces around it": " 2026-03-01T08:00:00Z ",
    "without seconds": "2026-03-01T08:00Z",
    "with the word UTC": "2026-03-01 08:00:00 UTC",
    "with seven zeros, as .NET writes it": "2026-03-01T08:00:00.0000000Z",
}
_WITH_FRACTION = {
    "with microseconds": "2026-03-01T08:00:00.123456Z",
    "with microseconds and no Z, as Python writes it": "2026-03-01T08:00:00.123456",
    "with microseconds and +00:00, as Python writes it": "2026-03-01T08:00:00.123456+00:00",
    "with seven digits, as .NET writes it": "2026-03-01T08:00:00.1234567Z",
    "with nanoseconds, as Go and Java write it": "2026-03-01T08:00:00.123456789Z",
    "with a comma": "2026-03-01T08:00:00,123Z",
}


def instants(at: str = "last_updated") -> list[Shape]:
    """Make the shapes of a field whose valid value is 08:00 on 1 March 2026."""
    return [
        *(read_as(f"{at} {odd}", {at: text}) for odd, text in _SAME_HOUR.items()),
        *(read_as(f"{at} {odd}", {at: text}, {at: _MILLISECONDS}) for odd, text in _WITH_FRACTION.items()),
    ]


def missing(arrived: str, at: str = "last_updated") -> list[Shape]:
    """Make the shapes of an object without a time. arrived: the time of its arrival."""
    return [
        read_as(f"{at} missing", {at: GONE}, {at: arrived}),
        read_as(f"{at} null", {at: None}, {at: arrived}),
        read_as(f"{at} empty", {at: ""}, {at: arrived}),
    ]
