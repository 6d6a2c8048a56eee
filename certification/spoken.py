"""The OCPI version that a run speaks: its calls use it, and its probes offer no other."""

from __future__ import annotations

VERSIONS = ("2.2.1", "2.2")

_spoken = [VERSIONS[0]]


def spoken_version() -> str:
    """The version of this run, 2.2.1 unless `speak` was called."""
    return _spoken[0]


def speak(version: str) -> None:
    """Set the version of this run."""
    _spoken[0] = version


def fields_of_start() -> frozenset[str]:
    """The fields of START_SESSION that name a place; OCPI 2.2 has no connector_id."""
    names = {"location_id", "evse_uid"}
    return frozenset(names if spoken_version() == "2.2" else {*names, "connector_id"})
