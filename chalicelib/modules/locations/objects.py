"""Location, EVSE, Connector, and the classes they are made of.

These models check and read a document. The node stores and relays the document itself, so unknown fields
(`mobie_*`) and unknown enum values survive (TYP-14, TYP-15). Every enum is open: new connectors and
capabilities appear faster than versions of OCPI.

A rule about two fields is checked on the later of the two, so that the error names a field.

Source: OCPI 2.2.1 mod_locations, Object description and Data types; LOC-15 … LOC-21, TYP-*
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import (
    CountryCode2,
    CountryCode3,
    DateTime,
    Int,
    Language,
    Number,
    OcpiObject,
    PartyId,
    Shape,
    TimeZone,
    Url,
    ci_string,
    fold,
    matching,
    ocpi_string,
    open_enum,
    plain_text,
)

Id: Any = ci_string(36)
EvseId: Any = ci_string(48)
ImageType: Any = ci_string(4)
String4: Any = ocpi_string(4)
String10: Any = ocpi_string(10)
String16: Any = ocpi_string(16)
String45: Any = ocpi_string(45)
String64: Any = ocpi_string(64)
String100: Any = ocpi_string(100)
String255: Any = ocpi_string(255)
DisplayedText: Any = plain_text(512)
TimeOfDay: Any = matching(r"([0-1][0-9]|2[0-3]):[0-5][0-9]", "a time of day such as 18:15", "time")
Weekday = Annotated[Int, Field(ge=1, le=7)]
Count = Annotated[Int, Field(ge=0)]
Pixels = Annotated[Int, Field(ge=0, le=99999)]
Percentage = Annotated[Number, Field(ge=0, le=100)]


def _degrees(whole_digits: int, largest: int) -> Any:
    # Spec: string(10) for latitude and string(11) for longitude are one character too short for a negative
    # value with seven decimals, which the regexes of the specification allow. The regexes count here.
    pattern = re.compile(rf"-?[0-9]{{1,{whole_digits}}}\.[0-9]{{5,7}}")

    def check(value: str) -> str:
        if not pattern.fullmatch(value) or abs(float(value)) > largest:
            raise ValueError(f"expected degrees up to {largest} with 5 to 7 decimals, as a string")
        return value

    return Annotated[str, StringConstraints(strict=True), AfterValidator(check), Shape("degrees")]


Latitude: Any = _degrees(2, 90)
Longitude: Any = _degrees(3, 180)

Capability: Any = open_enum(
    "Capability",
    """CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT
    CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER
    START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE""",
)
ConnectorFormat: Any = open_enum("ConnectorFormat", "SOCKET CABLE")
ConnectorType: Any = open_enum(
    "ConnectorType",
    """CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H
    DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC
    IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1
    IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30
    NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R
    TESLA_S""",
)
EnergySourceCategory: Any = open_enum(
    "EnergySourceCategory", "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER"
)
EnvironmentalImpactCategory: Any = open_enum("EnvironmentalImpactCategory", "NUCLEAR_WASTE CARBON_DIOXIDE")
Facility: Any = open_enum(
    "Facility",
    """HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING BUS_STOP
    TAXI_STAND TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT CARPOOL_PARKING FUEL_STATION WIFI""",
)
ImageCategory: Any = open_enum("ImageCategory", "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER")
ParkingRestriction: Any = open_enum("ParkingRestriction", "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES")
ParkingType: Any = open_enum(
    "ParkingType", "ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE"
)
PowerType: Any = open_enum("PowerType", "AC_1_PHASE AC_2_PHASE AC_2_PHASE_SPLIT AC_3_PHASE DC")
Status: Any = open_enum(
    "Status", "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN"
)
TokenType: Any = open_enum("TokenType", "AD_HOC_USER APP_USER OTHER RFID")

MIDNIGHT = "00:00"

REMOVED = "REMOVED"
"""The status of an EVSE that was taken away; an EVSE is never deleted (LOC-09)."""


class DisplayText(OcpiObject):
    """A text for people in one language; no markup (TYP-11)."""

    language: Language
    text: DisplayedText


class GeoLocation(OcpiObject):
    """A point in WGS 84, as strings, so that trailing zeros stay (LOC-19)."""

    latitude: Latitude
    longitude: Longitude


class AdditionalGeoLocation(GeoLocation):
    """A related point, such as the entrance of a garage."""

    name: DisplayText | None = None


class Image(OcpiObject):
    """A reference to an image."""

    url: Url
    thumbnail: Url | None = None
    category: ImageCategory
    type: ImageType
    width: Pixels | None = None
    height: Pixels | None = None


class BusinessDetails(OcpiObject):
    """A company that operates or owns a location."""

    name: String100
    website: Url | None = None
    logo: Image | None = None


class EnergySource(OcpiObject):
    """The share of one source in an energy mix."""

    source: EnergySourceCategory
    percentage: Percentage


class EnvironmentalImpact(OcpiObject):
    """The environmental impact of the energy, in g/kWh."""

    category: EnvironmentalImpactCategory
    amount: Number


class EnergyMix(OcpiObject):
    """The sources and the environmental impact of the energy."""

    is_green_energy: bool
    energy_sources: list[EnergySource] | None = None
    environ_impact: list[EnvironmentalImpact] | None = None
    supplier_name: String64 | None = None
    energy_product_name: String64 | None = None


class ExceptionalPeriod(OcpiObject):
    """An opening or closing on given dates, in UTC."""

    period_begin: DateTime
    period_end: DateTime


class RegularHours(OcpiObject):
    """Opening hours of a weekday, Monday = 1, in local time (LOC-20)."""

    weekday: Weekday
    period_begin: TimeOfDay
    period_end: TimeOfDay

    @field_validator("period_end")
    @classmethod
    def _is_later(cls, value: str, info: ValidationInfo) -> str:
        # Midnight ends the day, as it does in a tariff (TAR-12); OCPI has no other way to say so.
        if value != MIDNIGHT and value <= info.data.get("period_begin", ""):
            raise ValueError("must be later than period_begin")
        return value


class Hours(OcpiObject):
    """Opening hours of a location (LOC-20)."""

    twentyfourseven: bool
    regular_hours: list[RegularHours] | None = Field(default=None, validate_default=True)
    exceptional_openings: list[ExceptionalPeriod] | None = None
    exceptional_closings: list[ExceptionalPeriod] | None = None

    @field_validator("regular_hours")
    @classmethod
    def _belong_to_limited_hours(
        cls, value: list[RegularHours] | None, info: ValidationInfo
    ) -> list[RegularHours] | None:
        always_open = info.data.get("twentyfourseven")
        if always_open is True and value:
            raise ValueError("only to be used when twentyfourseven is false")
        if always_open is False and not value:
            raise ValueError("needs at least one entry when twentyfourseven is false")
        return value


class PublishTokenType(OcpiObject):
    """A token whose holder may see a location that is not published (LOC-17)."""

    uid: Id | None = None
    type: TokenType | None = Field(default=None, validate_default=True)
    visual_number: String64 | None = None
    issuer: String64 | None = Field(default=None, validate_default=True)
    group_id: Id | None = None

    @field_validator("type", "issuer")
    @classmethod
    def _completes(cls, value: str | None, info: ValidationInfo) -> str | None:
        number = {"type": "uid", "issuer": "visual_number"}[str(info.field_name)]
        if value is None and info.data.get(number) is not None:
            raise ValueError(f"required when {number} is set")
        return value

    @model_validator(mode="after")
    def _identifies(self) -> Self:
        if self.uid is None and self.visual_number is None and self.group_id is None:
            raise ValueError("at least one of uid, visual_number and group_id is required")
        return self


class StatusSchedule(OcpiObject):
    """A planned status; `period_end` is absent when it is not known."""

    period_begin: DateTime
    period_end: DateTime | None = None
    status: Status


class Connector(OcpiObject):
    """A socket, or a cable with its plug (LOC-21)."""

    id: Id
    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    max_voltage: Count
    max_amperage: Count
    max_electric_power: Count | None = None
    tariff_ids: list[Id] | None = None
    terms_and_conditions: Url | None = None
    last_updated: DateTime


class Evse(OcpiObject):
    """The part of a charge point that charges one vehicle at a time (LOC-21)."""

    uid: Id
    evse_id: EvseId | None = None
    status: Status
    status_schedule: list[StatusSchedule] | None = None
    capabilities: list[Capability] | None = None
    connectors: Annotated[list[Connector], Field(min_length=1)]
    floor_level: String4 | None = None
    coordinates: GeoLocation | None = None
    physical_reference: String16 | None = None
    directions: list[DisplayText] | None = None
    parking_restrictions: list[ParkingRestriction] | None = None
    images: list[Image] | None = None
    last_updated: DateTime

    @field_validator("connectors")
    @classmethod
    def _have_ids_of_their_own(cls, value: list[Connector]) -> list[Connector]:
        _refuse_repeated("id", (connector.id for connector in value))
        return value


class Location(OcpiObject):
    """A place with EVSEs (LOC-15)."""

    country_code: CountryCode2
    party_id: PartyId
    id: Id
    publish: bool
    publish_allowed_to: list[PublishTokenType] | None = None
    name: String255 | None = None
    address: String255
    city: String45
    postal_code: String10 | None = None
    state: String45 | None = None
    country: CountryCode3
    coordinates: GeoLocation
    related_locations: list[AdditionalGeoLocation] | None = None
    parking_type: ParkingType | None = None
    evses: list[Evse] | None = None
    directions: list[DisplayText] | None = None
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: list[Facility] | None = None
    time_zone: TimeZone
    opening_times: Hours | None = None
    charging_when_closed: bool | None = None
    images: list[Image] | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @field_validator("publish_allowed_to")
    @classmethod
    def _only_when_not_published(
        cls, value: list[PublishTokenType] | None, info: ValidationInfo
    ) -> list[PublishTokenType] | None:
        if value and info.data.get("publish") is True:
            raise ValueError("only to be used when publish is false (LOC-16)")
        return value

    @field_validator("evses")
    @classmethod
    def _have_uids_of_their_own(cls, value: list[Evse] | None) -> list[Evse] | None:
        _refuse_repeated("uid", (evse.uid for evse in value or ()))
        return value


def _refuse_repeated(name: str, ids: Iterable[str]) -> None:
    """Refuse ids that repeat among siblings; case does not count (OWN-03, TYP-01)."""
    seen: set[str] = set()
    for one in ids:
        if fold(one) in seen:
            raise ValueError(f"{name} {one!r} is repeated")
        seen.add(fold(one))


def find_connector(evse: Mapping[str, Any], connector_id: str) -> Document | None:
    """Return the connector of an EVSE with this id, None when there is none."""
    connectors: list[Document] = evse["connectors"]
    return next((one for one in connectors if fold(one["id"]) == fold(connector_id)), None)
