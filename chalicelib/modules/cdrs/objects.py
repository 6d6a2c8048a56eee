"""CDR and its parts, with the classes that sessions also use (CdrToken, ChargingPeriod).

The classes validate and read. Stored and relayed is the document as received (TYP-14, TYP-15).

Source: OCPI 2.2.1 mod_cdrs, Object description and Data types; SES-11, CDR-08 … CDR-21
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from chalicelib.modules.locations.objects import (
    ConnectorFormat,
    ConnectorType,
    EvseId,
    GeoLocation,
    Id,
    PowerType,
    String10,
    String45,
    String255,
    TokenType,
)
from chalicelib.modules.tariffs.objects import Price, Tariff
from chalicelib.protocol.types import (
    LENIENT,
    CountryCode2,
    CountryCode3,
    Currency,
    DateTime,
    Number,
    OcpiObject,
    PartyId,
    ci_string,
    ocpi_string,
    open_enum,
    sort_key,
)

CdrId: Any = ci_string(39)
Nature: Any = ci_string(32)
String20: Any = ocpi_string(20)
String512: Any = ocpi_string(512)
String5000: Any = ocpi_string(5000)

AuthMethod: Any = open_enum("AuthMethod", "AUTH_REQUEST COMMAND WHITELIST")
CdrDimensionType: Any = open_enum(
    "CdrDimensionType",
    """CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MAX_POWER MIN_CURRENT MIN_POWER PARKING_TIME
    POWER RESERVATION_TIME STATE_OF_CHARGE TIME""",
)


class CdrToken(OcpiObject):
    """Token that a session was started with; the session is sent to the token's owner (SES-11)."""

    country_code: CountryCode2
    party_id: PartyId
    uid: Id
    type: TokenType
    contract_id: Id


class CdrDimension(OcpiObject):
    """Measured quantity: energy in kWh, power in kW, current in A, times in hours (CDR-16)."""

    type: CdrDimensionType
    volume: Number


class ChargingPeriod(OcpiObject):
    """Part of a session; it ends where the next one starts."""

    start_date_time: DateTime
    dimensions: Annotated[list[CdrDimension], Field(min_length=1)]
    tariff_id: Id | None = None


_SESSION_ONLY = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})
_LONGEST_ID = 36


class CdrLocation(OcpiObject):
    """Place of a session at its start. Address and state are shorter than a Location's (CDR-18)."""

    id: Id
    name: String255 | None = None
    address: String45
    city: String45
    postal_code: String10 | None = None
    state: String20 | None = None
    country: CountryCode3
    coordinates: GeoLocation
    evse_uid: Id
    evse_id: EvseId
    connector_id: Id
    connector_standard: ConnectorType
    connector_format: ConnectorFormat
    connector_power_type: PowerType


class SignedValue(OcpiObject):
    """Value that the meter signed."""

    nature: Nature
    plain_data: String5000
    signed_data: String5000


class SignedData(OcpiObject):
    """Signed meter values, with which a driver can check the meter (CDR-21)."""

    encoding_method: Id
    encoding_method_version: int | None = None
    public_key: String512 | None = None
    signed_values: Annotated[list[SignedValue], Field(min_length=1)]
    url: String512 | None = None


class Cdr(OcpiObject):
    """Charge Detail Record: final cost and quantities of a session (CDR-10). Hours and kWh (CDR-16)."""

    country_code: CountryCode2
    party_id: PartyId
    id: CdrId
    start_date_time: DateTime
    end_date_time: DateTime
    session_id: Id | None = None
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Id | None = None
    cdr_location: CdrLocation
    meter_id: String255 | None = None
    currency: Currency
    tariffs: list[Tariff] | None = None
    charging_periods: Annotated[list[ChargingPeriod], Field(min_length=1)]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Number
    total_energy_cost: Price | None = None
    total_time: Number
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: String255 | None = None
    invoice_reference_id: CdrId | None = None
    credit: bool | None = None
    credit_reference_id: CdrId | None = Field(default=None, validate_default=True)
    home_charging_compensation: bool | None = None
    last_updated: DateTime

    @field_validator("end_date_time")
    @classmethod
    def _is_not_before_the_start(cls, value: str, info: ValidationInfo) -> str:
        start = info.data.get("start_date_time")
        if start is not None and sort_key(value) < sort_key(start):
            raise ValueError("the end is before the start")
        return value

    @field_validator("charging_periods")
    @classmethod
    def _have_no_session_only_dimension(cls, value: list[ChargingPeriod]) -> list[ChargingPeriod]:
        found = {dimension.type for period in value for dimension in period.dimensions} & _SESSION_ONLY
        if found:
            raise ValueError(f"{', '.join(sorted(found))} may stand in sessions only (CDR-15)")
        return value

    @field_validator("credit_reference_id")
    @classmethod
    def _belongs_to_a_credit_cdr(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("credit") and value is None:
            raise ValueError("required in a credit CDR (CDR-08)")
        # A longer id identifies its CDR as well, so only what is judged by the letter is refused.
        is_strict = info.context != LENIENT
        if is_strict and not info.data.get("credit") and len(info.data.get("id", "")) > _LONGEST_ID:
            raise ValueError(f"the id of a CDR that is no credit CDR has at most {_LONGEST_ID} characters")
        return value
