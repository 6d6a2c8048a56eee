"""Session and ChargingPreferences.

Source: OCPI 2.2.1 mod_sessions, Object description and Data types; SES-10, SES-14, SES-16, SES-17
"""

from __future__ import annotations

from typing import Any

from chalicelib.modules.cdrs.objects import AuthMethod, CdrToken, ChargingPeriod
from chalicelib.modules.locations.objects import Id, String255
from chalicelib.modules.tariffs.objects import Price
from chalicelib.protocol.types import (
    CountryCode2,
    Currency,
    DateTime,
    Number,
    OcpiObject,
    PartyId,
    open_enum,
)

ACTIVE, COMPLETED, PENDING, RESERVATION = "ACTIVE", "COMPLETED", "PENDING", "RESERVATION"
INVALID = "INVALID"

SessionStatus: Any = open_enum("SessionStatus", "ACTIVE COMPLETED INVALID PENDING RESERVATION")
ProfileType: Any = open_enum("ProfileType", "CHEAP FAST GREEN REGULAR")


class Session(OcpiObject):
    """One charging session (SES-10).

    `evse_uid` and `connector_id` are `#NA` while a reservation has no EVSE yet (SES-16). An absent
    `total_cost` means that the price is not known; a free session has the `total_cost` 0 (SES-14).
    """

    country_code: CountryCode2
    party_id: PartyId
    id: Id
    start_date_time: DateTime
    end_date_time: DateTime | None = None
    kwh: Number
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Id | None = None
    location_id: Id
    evse_uid: Id
    connector_id: Id
    meter_id: String255 | None = None
    currency: Currency
    charging_periods: list[ChargingPeriod] | None = None
    total_cost: Price | None = None
    status: SessionStatus
    last_updated: DateTime


class ChargingPreferences(OcpiObject):
    """A driver's wishes for an ongoing session: `energy_need` in kWh until `departure_time` (SES-17)."""

    profile_type: ProfileType
    departure_time: DateTime | None = None
    energy_need: Number | None = None
    discharge_allowed: bool | None = None
