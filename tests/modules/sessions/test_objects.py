"""Source: OCPI 2.2.1 mod_sessions, Session Object; SES-10, SES-14, SES-16"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.sessions.objects import ChargingPreferences, Session
from chalicelib.protocol.types import validate
from tests.modules.builders import without
from tests.modules.sessions.builders import cdr_token, period, session

REQUIRED = [*session()]
"""The builder sets the required fields only."""

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("kwh", {"kwh": "1.5"}),
    ("kwh", {"kwh": True}),
    ("cdr_token", {"cdr_token": "012345"}),
    ("cdr_token.contract_id", {"cdr_token": without(cdr_token(), "contract_id")}),
    ("cdr_token.type", {"cdr_token": cdr_token(type="rfid")}),
    ("auth_method", {"auth_method": "whitelist"}),
    ("status", {"status": "active"}),
    ("status", {"status": None}),
    ("start_date_time", {"start_date_time": "2026-11-24 08:00"}),
    ("end_date_time", {"end_date_time": 5}),
    ("currency", {"currency": "EURO"}),
    ("authorization_reference", {"authorization_reference": "x" * 37}),
    ("evse_uid", {"evse_uid": ""}),
    ("total_cost", {"total_cost": 4}),
    ("total_cost.excl_vat", {"total_cost": {"incl_vat": 1}}),
    ("charging_periods", {"charging_periods": {}}),
    ("charging_periods.1.dimensions", {"charging_periods": [period(), without(period(), "dimensions")]}),
    ("meter_id", {"meter_id": "m" * 256}),
    ("last_updated", {"last_updated": "yesterday"}),
]  # fmt: skip


@pytest.mark.parametrize("name", REQUIRED)
def test_a_session_without_a_required_field_is_refused(name: str) -> None:
    """Source: SES-10"""
    with pytest.raises(InvalidParameters) as raised:
        validate(Session, without(session(), name))

    assert (raised.value.field, raised.value.detail) == (name, "required")


@pytest.mark.parametrize(("field", "fields"), WRONG)
def test_a_wrong_value_is_refused_and_the_error_names_its_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as raised:
        validate(Session, session(**fields))

    assert raised.value.field == field


def test_a_reservation_may_have_no_evse_yet() -> None:
    """Source: SES-16"""
    validate(Session, session(status="RESERVATION", evse_uid="#NA", connector_id="#NA"))


def test_negative_kwh_and_unknown_fields_are_valid() -> None:
    """Source: TRP-36, TYP-14, docs/mobie.md"""
    validate(Session, session(kwh=Decimal("-3.2"), pdgr_x={"a": [1]}, charging_periods=None))


@pytest.mark.parametrize(
    ("field", "document"),
    [
        ("profile_type", {}),
        ("profile_type", {"profile_type": "fast"}),
        ("departure_time", {"profile_type": "FAST", "departure_time": "soon"}),
        ("energy_need", {"profile_type": "FAST", "energy_need": "40"}),
        ("discharge_allowed", {"profile_type": "FAST", "discharge_allowed": "yes"}),
    ],
)
def test_wrong_preferences_are_refused_and_the_error_names_the_field(
    field: str, document: dict[str, Any]
) -> None:
    """Source: SES-17"""
    with pytest.raises(InvalidParameters) as raised:
        validate(ChargingPreferences, document)

    assert raised.value.field == field
