"""What may become of a session, and what a driver's preferences are answered: pure functions.

**PATCH** adds its charging periods to those that are there (SES-05). That is not idempotent, and messages
come twice, so a period that is there already, the same instant and all of it equal, is not added again
(SES-08, TRP-09). Of periods that begin at one instant and differ, both are kept: only a PUT corrects.

**COMPLETED** is final (SES-15). What repeats it is answered like any other, what would change it is refused.

**Tolerated**: a `volume` as text, which becomes a number; and the status RESERVED, which the prose of the
specification has for the enum's RESERVATION (TRP-24). kWh may go down (TRP-36).

Source: OCPI 2.2.1 mod_sessions, PATCH Method, SessionStatus, ChargingPreferencesResponse; SES-05 … SES-08,
SES-15 … SES-18
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import CdrToken, ChargingPeriod
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED, RESERVATION, ChargingPreferences, Session
from chalicelib.protocol.patch import merge_patch
from chalicelib.protocol.types import fold, parse_datetime, sort_key, validate

Document = dict[str, Any]

_IDS = ("country_code", "party_id", "id")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
_PROFILES = frozenset({"CHEAP", "FAST", "GREEN", "REGULAR"})


# -- what came ---------------------------------------------------------------------------------------


def tolerated(document: Document) -> Document:
    """A session or a PATCH of one, with what is known to be meant put right."""
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
    """The session after a PATCH, valid as a whole.

    Ids stay as they were first written. A `total_cost` is replaced as a whole: what it is with VAT belongs
    to what it is without.
    Raises: InvalidParameters when the result is no session.
    """
    session = merged(stored, patch)
    validate(Session, session)
    return session


def merged(stored: Document, patch: Document) -> Document:
    """The session with a PATCH applied, not judged yet but for its periods.

    Raises: InvalidParameters when a period is none.
    """
    fields = {name: value for name, value in patch.items() if name != "charging_periods"}
    session = merge_patch(stored, fields)
    if patch.get("total_cost") is not None:
        session["total_cost"] = patch["total_cost"]
    added = patch.get("charging_periods")
    if added is not None:
        session["charging_periods"] = with_periods(stored.get("charging_periods") or [], added)
    return {**session, **{name: stored[name] for name in _IDS if name in stored}}


def with_periods(stored: Sequence[Document], added: object) -> list[Document]:
    """The periods that are there, and behind them those of a PATCH that are not there yet (SES-08).

    Raises: InvalidParameters for what is no list of periods.
    """
    if not isinstance(added, list):
        raise InvalidParameters("expected a list", field="charging_periods")
    periods = list(stored)
    known = [_comparable(period) for period in periods]
    for number, period in enumerate(added):
        validate(ChargingPeriod, period, at=f"charging_periods.{number}")
        if _comparable(period) not in known:
            periods.append(period)
            known.append(_comparable(period))
    return periods


def _comparable(period: Document) -> Document:
    return {**period, "start_date_time": sort_key(period["start_date_time"])}


def is_final(session: Mapping[str, Any]) -> bool:
    """Tell whether nothing of a session changes any more (SES-15)."""
    return bool(session["status"] == COMPLETED)


def refuse_change_of_final() -> InvalidParameters:
    """The error for a change of a session that is final."""
    return InvalidParameters(f"a session that is {COMPLETED} is final", field="status")


def with_cdr_token(session: Document) -> Document:
    """The session with a CdrToken where it has a whole Token, as a command brings it (SES-11)."""
    token = session.get("cdr_token")
    if not isinstance(token, dict) or "whitelist" not in token:
        return session
    kept = {name: value for name, value in token.items() if name in CdrToken.model_fields}
    return {**session, "cdr_token": kept}


def has_same_token(session: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two versions of a session are of one token, so that the same partner hears of it."""
    names = ("country_code", "party_id", "uid", "type")
    return all(fold(session["cdr_token"][name]) == fold(other["cdr_token"][name]) for name in names)


# -- preferences -------------------------------------------------------------------------------------


def answer_preferences(
    session: Mapping[str, Any],
    evse: Mapping[str, Any] | None,
    tariffs: Iterable[Mapping[str, Any]],
    preferences: ChargingPreferences,
    now: datetime,
) -> str:
    """The ChargingPreferencesResponse to what a driver prefers.

    evse: where the session is, None when it has none. tariffs: those of its connector; where some are for
    a profile, only these profiles, and REGULAR, are offered there. DEPARTURE_REQUIRED and
    ENERGY_NEED_REQUIRED are never answered: what is wanted without them is handed on as it is.
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
