"""Repairs that concern several values of a document together.

Source: docs/interop.md; OCPI 2.2.1 mod_locations RegularHours, mod_cdrs CdrDimension; LOC-20, CDR-15
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chalicelib.reading.fields import Field, Path

_MIDNIGHT = "00:00"
_SESSION_ONLY = frozenset(("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"))


class Combined(NamedTuple):
    """A repaired part of a document. at: its path. removed: what was left out, None for nothing."""

    at: Path
    value: Any
    kind: str
    removed: Any = None


def repair_combination(field: Field, path: Path, document: Any) -> Combined | None:
    """The repaired part around a value that is valid only by itself; None if there is no such repair."""
    try:
        return _repair(field, path, document)
    except (LookupError, TypeError, AttributeError):
        return None


def _repair(field: Field, path: Path, document: Any) -> Combined | None:
    if field.key == ("RegularHours", "period_end"):
        return _split_at_midnight(path, document)
    if field.key == ("Cdr", "charging_periods"):
        return _without_session_dimensions(path, document)
    return None


def _split_at_midnight(path: Path, document: Any) -> Combined | None:
    """Opening hours past midnight, as hours until midnight and hours of the next day."""
    whole = _value_at(document, path[:-2])
    if not isinstance(whole, list):
        return None
    split = [part for hours in whole for part in _until_midnight(hours)]
    return Combined(path[:-2], split, "PAST_MIDNIGHT") if len(split) > len(whole) else None


def _until_midnight(hours: Any) -> list[Any]:
    begin, end, weekday = hours.get("period_begin"), hours.get("period_end"), hours.get("weekday")
    is_read = isinstance(begin, str) and isinstance(end, str) and type(weekday) is int
    if not is_read or end == _MIDNIGHT or end >= begin:
        return [hours]
    first = {**hours, "period_end": _MIDNIGHT}
    return [first, {**hours, "weekday": weekday % 7 + 1, "period_begin": _MIDNIGHT}]


def _without_session_dimensions(path: Path, document: Any) -> Combined | None:
    """Charging periods of a CDR without the dimensions that only sessions have."""
    periods = _value_at(document, path)
    if not isinstance(periods, list) or not all(_dimensions(period) for period in periods):
        return None
    kept = [
        {
            **period,
            "dimensions": [each for each in period["dimensions"] if each.get("type") not in _SESSION_ONLY],
        }
        for period in periods
    ]
    removed = [
        [each for each in period["dimensions"] if each.get("type") in _SESSION_ONLY] for period in periods
    ]
    if not any(removed) or not all(period["dimensions"] for period in kept):
        return None
    return Combined(path, kept, "SESSION_DIMENSION", removed)


def _dimensions(period: Any) -> bool:
    dimensions = period.get("dimensions") if isinstance(period, dict) else None
    return isinstance(dimensions, list) and all(isinstance(each, dict) for each in dimensions)


def _value_at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document
