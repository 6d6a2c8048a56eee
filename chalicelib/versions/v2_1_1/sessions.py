"""Sessions and CDRs of 2.1.1, with what both contain.

Both name a contract (`auth_id`), not a card, and contain a location with the one EVSE and connector. The
canonical object keeps that `location` as a field that it does not know, so that a partner of 2.1.1 gets it
back as it was.

Source: OCPI 2.1.1 mod_sessions, mod_cdrs; V211-40 … V211-56, X-04
"""

from __future__ import annotations

from typing import Any

from chalicelib.versions.v2_1_1.embedded_locations import (
    cdr_place_down,
    cdr_place_up,
    session_place_down,
    session_place_up,
)
from chalicelib.versions.v2_1_1.fields import (
    Document,
    Down,
    amount_down,
    amount_up,
    convert_list,
    is_one_of,
    ownerless,
    renamed,
    with_owner,
    words,
)
from chalicelib.versions.v2_1_1.tariffs import content_down, reason_of_prices, tariff_up
from chalicelib.versions.version import Known

_SESSION_TIMES = {"start_datetime": "start_date_time", "end_datetime": "end_date_time"}
_OLD_SESSION_NAMES = {"cdr_token": "auth_id", **{new: old for old, new in _SESSION_TIMES.items()}}
_OLD_CDR_NAMES = {"cdr_token": "auth_id", "end_date_time": "stop_date_time"}
_DIMENSIONS = words("ENERGY FLAT MAX_CURRENT MIN_CURRENT PARKING_TIME TIME")
_CDR_FIELDS_NOT_IN_2_1_1 = (
    "session_id", "authorization_reference", "signed_data", "total_fixed_cost", "total_energy_cost",
    "total_time_cost", "total_parking_cost", "total_reservation_cost", "invoice_reference_id",
    "credit_reference_id", "home_charging_compensation",
)  # fmt: skip


# -- up ----------------------------------------------------------------------------------------------


def session_up(document: Document, known: Known) -> Document:
    """A session of 2.1.1.

    Raises: InvalidParameters for a location in a PATCH that does not say which one.
    """
    document = _token_up(renamed(document, _SESSION_TIMES))
    session_place_up(document, known)
    amount_up(document)
    return with_owner(document, known)


def cdr_up(document: Document, known: Known) -> Document:
    """A CDR of 2.1.1."""
    document = _token_up(renamed(document, {"stop_date_time": "end_date_time"}))
    cdr_place_up(document)
    amount_up(document)
    convert_list(document, "tariffs", lambda tariff, at: tariff_up(tariff, known))
    return with_owner(document, known)


def _token_up(document: Document) -> Document:
    """Make a `cdr_token` of the contract; uid, type and owner are looked up by it (V211-41)."""
    if "auth_id" not in document:
        return document
    auth_id, token = document["auth_id"], document.get("cdr_token")
    named = {**(token if isinstance(token, dict) else {}), "contract_id": auth_id}
    return renamed({**document, "auth_id": None if auth_id is None else named}, {"auth_id": "cdr_token"})


# -- down --------------------------------------------------------------------------------------------


def session_down(work: Down, document: Document) -> Document:
    """A session for 2.1.1; held if its location is not known."""
    work.need_whole(document, "location_id", "evse_uid", "connector_id", "charging_periods")
    document = session_place_down(work, document)
    document = work.without(ownerless(document), "", "authorization_reference")
    _token_down(work, document)
    work.instead(document, "", "auth_method", {"COMMAND": "AUTH_REQUEST"})
    work.instead(document, "", "status", {"RESERVATION": "PENDING"})
    convert_list(document, "charging_periods", lambda period, at: _period_down(work, period, at))
    amount_down(work, document)
    return renamed(document, _OLD_SESSION_NAMES)


def cdr_down(work: Down, document: Document) -> Document:
    """A CDR for 2.1.1. A credit CDR is held, and so is the CDR that replaces a credited one (V211-52)."""
    if document.pop("credit", None):
        work.hold("2.1.1 has no credit CDRs: a negative amount would be taken for an invoice")
    if work.known.is_replacement(document):
        work.hold("it replaces a CDR whose credit CDR 2.1.1 cannot express: it would be paid twice")
    document = cdr_place_down(work, document)
    document = work.without(ownerless(document), "", *_CDR_FIELDS_NOT_IN_2_1_1)
    _token_down(work, document)
    work.instead(document, "", "auth_method", {"COMMAND": "AUTH_REQUEST"})
    convert_list(document, "charging_periods", lambda period, at: _period_down(work, period, at))
    if document.get("charging_periods") == []:
        work.hold("2.1.1 has none of the quantities of its charging periods")
    convert_list(document, "tariffs", lambda tariff, at: _tariff_of_cdr(work, tariff, at))
    amount_down(work, document)
    return renamed(document, _OLD_CDR_NAMES)


def _token_down(work: Down, document: Document) -> None:
    """Put the contract in the place of the token; the field is renamed at the end."""
    token = document.get("cdr_token")
    if not isinstance(token, dict):
        return
    for name in ("uid", "type"):
        if token.get(name) is not None:
            work.lose(f"/cdr_token/{name}", "2.1.1 has the contract of a token only")
    document["cdr_token"] = token.get("contract_id")


def _period_down(work: Down, period: Document, at: str) -> Document | None:
    """A charging period, None if 2.1.1 has none of its quantities."""

    def dimension_down(dimension: Document, at: str) -> Document | None:
        if is_one_of(dimension.get("type"), _DIMENSIONS):
            return dimension
        work.lose(at, f"2.1.1 does not have {dimension.get('type')}")
        return None

    period = work.without(period, at, "tariff_id")
    convert_list(period, "dimensions", dimension_down, at)
    return None if period.get("dimensions") == [] else period


def _tariff_of_cdr(work: Down, tariff: Document, at: str) -> Any:
    """A tariff as it counted for the session, None if its prices cannot be expressed."""
    if reason := reason_of_prices(tariff):
        work.lose(at, reason)
        return None
    return content_down(work, tariff, at)
