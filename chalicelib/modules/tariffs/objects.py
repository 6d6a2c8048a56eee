"""Tariff and the classes it is made of.

These models check and read a document. The node stores and relays the document itself, with its unknown
fields and the digits of its prices.

Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; types_price_class; TAR-07, TAR-15, TAR-22
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chalicelib.modules.locations.objects import Count, DisplayText, EnergyMix, Id, TimeOfDay
from chalicelib.protocol.types import (
    CountryCode2,
    Currency,
    DateTime,
    Number,
    OcpiObject,
    PartyId,
    Url,
    closed_enum,
    matching,
    open_enum,
)

TariffType: Any = open_enum("TariffType", "AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR")
TariffDimensionType: Any = open_enum("TariffDimensionType", "ENERGY FLAT PARKING_TIME TIME")
ReservationRestrictionType: Any = open_enum("ReservationRestrictionType", "RESERVATION RESERVATION_EXPIRES")
# Closed: there are no other days, and a restriction to an unknown day could never be priced.
DayOfWeek: Any = closed_enum("DayOfWeek", "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY")


def _day_of_calendar(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("no such day") from error
    return value


_DateForm: Any = matching(
    r"([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", "a date such as 2015-12-24", "date"
)
# Spec: the regex allows 31 February. It is refused here, because no price can follow from it.
LocalDate: Any = Annotated[_DateForm, AfterValidator(_day_of_calendar)]


class Price(OcpiObject):
    """An amount of money; `incl_vat` is absent when the VAT is not known (TYP-10)."""

    excl_vat: Number
    incl_vat: Number | None = None


class PriceComponent(OcpiObject):
    """The price of one dimension, excluding VAT.

    `step_size` is in Wh or seconds; 0 is accepted, because free tariffs have it (TAR-22).
    """

    type: TariffDimensionType
    price: Number
    vat: Number | None = None
    step_size: Count


class TariffRestrictions(OcpiObject):
    """Conditions under which an element is active: all that are set must match (TAR-11)."""

    start_time: TimeOfDay | None = None
    end_time: TimeOfDay | None = None
    start_date: LocalDate | None = None
    end_date: LocalDate | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Count | None = None
    max_duration: Count | None = None
    day_of_week: list[DayOfWeek] | None = None
    reservation: ReservationRestrictionType | None = None


class TariffElement(OcpiObject):
    """Price components with the same restrictions."""

    price_components: Annotated[list[PriceComponent], Field(min_length=1)]
    restrictions: TariffRestrictions | None = None

    @field_validator("restrictions")
    @classmethod
    def _allow_reservation(
        cls, value: TariffRestrictions | None, info: ValidationInfo
    ) -> TariffRestrictions | None:
        dimensions = {component.type for component in info.data.get("price_components", ())}
        if value and value.reservation and not dimensions <= {"FLAT", "TIME"}:
            raise ValueError("an element with a reservation restriction has FLAT and TIME only (TAR-15)")
        return value


class Tariff(OcpiObject):
    """The prices for charging at the connectors that refer to it (TAR-07)."""

    country_code: CountryCode2
    party_id: PartyId
    id: Id
    currency: Currency
    type: TariffType | None = None
    tariff_alt_text: list[DisplayText] | None = None
    tariff_alt_url: Url | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Annotated[list[TariffElement], Field(min_length=1)]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime
