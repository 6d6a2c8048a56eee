"""Benchmark of conversions between OCPI versions (`python -m bench.conversions`).

It prints the CPU time from JSON text to JSON text, the best of many rounds: *down* to a partner's version and
*up* from it. The objects have every optional field. A session for 2.1.1 contains its location, which has four
EVSEs here; reading it from the table is not in the figure. The aim is 50 µs for a session down to a version.

On one core of the build machine (December 2026), µs for a session down and up: 2.3.0 9 and 10, 2.2 8 and 6,
2.1.1 45 and 20; it was 78 for 2.1.1 before its conversions changed their own copies in place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from timeit import repeat
from typing import Any

from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.versions.supported import CANONICAL, VERSIONS, express, to_canonical
from chalicelib.versions.version import Known
from tests.reading.shapes import whole

MOST_US = 50
_EVSES = ("E1", "E2", "E3", "E4")
_LOCATION = {**whole.location(), "evses": [{**whole.evse(), "uid": uid} for uid in _EVSES]}
_OBJECTS = {
    Kind.LOCATION: _LOCATION,
    Kind.TARIFF: {**whole.tariff(), "start_date_time": None, "end_date_time": None},
    Kind.SESSION: whole.session(),
    Kind.CDR: {name: value for name, value in whole.cdr().items() if name != "credit"},
    Kind.TOKEN: whole.token(),
}


def _find(module: str, owner: Party, object_id: str) -> dict[str, Any] | None:
    return _LOCATION if module == "locations" else None


KNOWN = Known(now=datetime(2026, 3, 1, tzinfo=UTC), owner=Party("PT", "EDP"), find=_find)


def measure(rounds: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Times in µs, down and up, by version and kind. rounds: of 100 conversions each."""
    return {
        (version, kind.value): _times(version, kind, rounds)
        for version in VERSIONS
        if version != CANONICAL
        for kind in _OBJECTS
    }


def _times(version: str, kind: Kind, rounds: int) -> tuple[float, float]:
    text = JsonText(write_json(_OBJECTS[kind]))
    converted = express(version, kind, text, KNOWN).data
    return (
        _best(partial(express, version, kind, text, KNOWN), rounds),
        _best(partial(to_canonical, version, kind, converted, KNOWN), rounds),
    )


def _best(work: Callable[[], object], rounds: int) -> float:
    return round(min(repeat(work, number=100, repeat=rounds)) * 1e4, 1)


def main() -> None:
    """Measure and print."""
    for (version, kind), (down, up) in measure(100).items():
        print(f"{version:<6} {kind:<12} down {down:>6} µs  up {up:>6} µs")
    print(f"aim: a session down in {MOST_US} µs")


if __name__ == "__main__":
    main()
