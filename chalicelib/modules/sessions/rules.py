"""Pure functions that apply changes to a session and answer charging preferences.

**PATCH** adds its charging periods to the stored ones (SES-05). Plain adding is not idempotent, and messages
come twice or late, so the start time identifies a period (SES-08, TRP-09). A period with the start time of a
stored one replaces it; otherwise the same energy would count twice. A PATCH that is older than the stored
session replaces nothing. Its periods are in no other message, so the new ones are inserted in order of time.

**COMPLETED** is final (SES-15). A repeated message is answered with success, a change is refused. Exception:
a bill may be wrong, and a credit CDR cancels it. So a PUT of the whole session with status COMPLETED or
INVALID corrects a COMPLETED session, and so does a newer PATCH that only adds to it: fields that it did not
have, further charging periods, a `total_cost`. A COMPLETED session never opens again (SES-07, CDR-07).

**Tolerated**: a `volume` as text, which becomes a number; and the status RESERVED, which the prose of the
specification uses for the enum's RESERVATION (TRP-24). kWh may go down (TRP-36).

Source: OCPI 2.2.1 mod_sessions, PATCH Method, SessionStatus, ChargingPreferencesResponse; SES-05 … SES-08,
SES-15 … SES-18
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import ChargingPeriod
from chalicelib.modules.sessions.objects import (
    ACTIVE,
    COMPLETED,
    INVALID,
    RESERVATION,
    ChargingPreferences,
    Session,
)
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.patch import merge_patch, replace_fields
from chalicelib.protocol.types import parse_datetime, sort_key, validate

Periods = dict[str, tuple[Document, ...]]
"""Charging periods by their start time, as a sort key."""

Apply = Callable[[Document, Document], Document]
"""Applies a PATCH to fields: `replace_fields` or `merge_patch` (protocol/patch.py)."""

_IDS = ("country_code", "party_id", "id")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
_PROFILES = frozenset({"CHEAP", "FAST", "GREEN", "REGULAR"})


# -- received bodies ---------------------------------------------------------------------------------


def tolerated(document: Document) -> Document:
    """Return a session or PATCH with known deviations corrected (see Tolerated above)."""
    changed: Document = {}
    if document.get("status") == "RESERVED":
        changed["status"] = RESERVATION
    if isinstance(document.get("charging_periods"), list):
        changed["charging_periods"] = [_with_numbers(period) for period in document["charging_periods"]]
    return {**document, **changed}


def _with_numbers(period: Any) -> Any:
    if not isinstance(period, dict) or not isinstance(period.get("dimensions"), list):
        return period
    return {**period, "dimensions": [_with_number(dimension) for dimension in period["dimensions"]]}


def _with_number(dimension: Any) -> Any:
    volume = dimension.get("volume") if isinstance(dimension, dict) else None
    if not isinstance(volume, str) or not _NUMBER.fullmatch(volume):
        return dimension
    return {**dimension, "volume": Decimal(volume)}


# -- changes -----------------------------------------------------------------------------------------


def patch_session(stored: Document, patch: Document) -> Document:
    """Return the session after a PATCH, valid as a whole.

    Ids stay as they were first written.
    Raises: InvalidParameters when the result is not a valid session.
    """
    session = merged(stored, patch, replace_fields)
    validate(Session, session)
    return session


def merged(stored: Document, patch: Document, apply: Apply = merge_patch) -> Document:
    """Return the session with a PATCH applied; only the added periods are validated.

    apply: the way to change its fields, by default the operator's. A `total_cost` is replaced as a whole,
    because its amounts with and without VAT belong together.
    Raises: InvalidParameters when an added period is not valid.
    """
    session = apply(stored, without_periods(patch))
    if patch.get("total_cost") is not None:
        session["total_cost"] = patch["total_cost"]
    added = patch.get("charging_periods")
    if added is not None:
        session["charging_periods"] = with_periods(stored.get("charging_periods") or [], added)
    return {**session, **{name: stored[name] for name in _IDS if name in stored}}


def without_periods(patch: Document) -> Document:
    """Return a PATCH without its charging periods."""
    return {name: value for name, value in patch.items() if name != "charging_periods"}


def with_periods(stored: Sequence[Document], added: object) -> list[Document]:
    """Replace stored periods by those of a PATCH with the same start time, and append new ones (SES-08).

    Raises: InvalidParameters when `added` is not a list of valid periods.
    """
    periods = _by_instant(stored)
    for instant, (period,) in _validated(added).items():
        there = periods.get(instant, ())
        if _comparable(period) not in [_comparable(each) for each in there]:
            periods[instant] = (period,)
    return _listed(periods)


def with_late_periods(stored: Document, patch: Document) -> Document | None:
    """Return the session with the new periods of an older PATCH, None when none is new (SES-08).

    patch: valid.
    """
    there = _by_instant(stored.get("charging_periods") or [])
    late = _validated(patch.get("charging_periods") or [])
    if late.keys() <= there.keys():
        return None
    return {**stored, "charging_periods": _listed(dict(sorted({**late, **there}.items())))}


def _validated(added: object) -> Periods:
    """Return the validated periods of a PATCH; of several with one start time, only the last.

    Raises: InvalidParameters when `added` is not a list of valid periods.
    """
    if not isinstance(added, list):
        raise InvalidParameters("expected a list", field="charging_periods")
    for number, period in enumerate(added):
        validate(ChargingPeriod, period, at=f"charging_periods.{number}")
    return {_instant(period): (period,) for period in added}


def _by_instant(periods: Iterable[Document]) -> Periods:
    """Group stored periods by start time; a PUT may have had several with the same one."""
    found: Periods = {}
    for period in periods:
        found[_instant(period)] = (*found.get(_instant(period), ()), period)
    return found


def _listed(periods: Periods) -> list[Document]:
    return [period for of_instant in periods.values() for period in of_instant]


def _instant(period: Document) -> str:
    return sort_key(period["start_date_time"])


def _comparable(period: Document) -> Document:
    return {**period, "start_date_time": _instant(period)}


def only_adds(stored: Document, patch: Document) -> bool:
    """Return True when a PATCH of a final session only adds: absent fields, later periods, a `total_cost`.

    patch: valid for the session.
    """
    there = _by_instant(stored.get("charging_periods") or [])
    periods = _validated(patch.get("charging_periods") or [])
    replaced = [
        instant
        for instant, (period,) in periods.items()
        if instant in there and _comparable(period) not in [_comparable(each) for each in there[instant]]
    ]
    fields = without_periods(patch).keys() - {"last_updated", "total_cost", *_IDS}
    changed = [name for name in fields if stored.get(name) is not None and patch[name] != stored[name]]
    return not replaced and not changed and patch.get("total_cost", "") is not None


def is_final(session: Mapping[str, Any]) -> bool:
    """Return True when a session can no longer change (SES-15)."""
    return bool(session["status"] == COMPLETED)


def is_correction(session: Mapping[str, Any]) -> bool:
    """Return True when a PUT of this session may replace a COMPLETED one."""
    return session["status"] in (COMPLETED, INVALID)


def refuse_change_of_final() -> InvalidParameters:
    """Return the error for a change of a final session."""
    return InvalidParameters(f"a session that is {COMPLETED} is final", field="status")


# -- preferences -------------------------------------------------------------------------------------


def answer_preferences(
    session: Mapping[str, Any],
    evse: Mapping[str, Any] | None,
    tariffs: Iterable[Mapping[str, Any]],
    preferences: ChargingPreferences,
    now: datetime,
) -> str:
    """Return the ChargingPreferencesResponse to a driver's preferences.

    evse: the EVSE of the session, None when it has none. tariffs: those of its connector. If some of them are
    for a profile, the connector offers only these profiles and REGULAR. The answer is never
    DEPARTURE_REQUIRED or ENERGY_NEED_REQUIRED: preferences without these values are accepted as they are.
    Raises: NotFound when the EVSE cannot take preferences (SES-18).
    """
    if evse is None or _CAPABLE not in (evse.get("capabilities") or ()):
        raise NotFound(f"the EVSE of this session is not {_CAPABLE}")
    if preferences.profile_type not in _offered(tariffs):
        return "PROFILE_TYPE_NOT_SUPPORTED"
    departure = preferences.departure_time
    if session["status"] != ACTIVE or (departure is not None and parse_datetime(departure) <= now):
        return "NOT_POSSIBLE"
    return "ACCEPTED"


def _offered(tariffs: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    types = {str(tariff.get("type")) for tariff in tariffs}
    priced = {kind.removeprefix("PROFILE_") for kind in types if kind.startswith("PROFILE_")}
    return frozenset(priced | {"REGULAR"}) if priced else _PROFILES
