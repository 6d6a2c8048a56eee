"""Source: OCPI 2.2.1 mod_locations, Object description and Data types; LOC-15 … LOC-21, TYP-*"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters
from chalicelib.modules.locations.objects import Connector, Evse, Location, find_connector
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.types import OcpiObject, validate
from tests.modules.builders import T0, T1, connector, evse, location, without

REQUIRED_OF_LOCATION = [
    "country_code", "party_id", "id", "publish", "address", "city", "country", "coordinates", "time_zone",
    "last_updated",
]  # fmt: skip
REQUIRED_OF_EVSE = ["uid", "status", "connectors", "last_updated"]
REQUIRED_OF_CONNECTOR = [
    "id", "standard", "format", "power_type", "max_voltage", "max_amperage", "last_updated",
]  # fmt: skip

IMAGE = {"url": "https://alfa.pt/1.png", "category": "CHARGER", "type": "png", "width": 800, "height": 600}
DIRECTIONS = [{"language": "pt", "text": "À esquerda"}]
FULL_CONNECTOR = connector(
    max_electric_power=22000, tariff_ids=["T1", "T2"], terms_and_conditions="https://alfa.pt/terms"
)
FULL_EVSE = evse(
    evse_id="PT*MOB*E*LSB*00693*1",
    status_schedule=[
        {"period_begin": T0, "period_end": T1, "status": "INOPERATIVE"},
        {"period_begin": T1, "status": "AVAILABLE"},
    ],
    capabilities=["RFID_READER", "RESERVABLE"],
    connectors=[FULL_CONNECTOR, connector("2")],
    floor_level="-1",
    coordinates={"latitude": "38.7200000", "longitude": "-9.15000"},
    physical_reference="3",
    directions=DIRECTIONS,
    parking_restrictions=["EV_ONLY"],
    images=[IMAGE],
)
HOURS = {
    "twentyfourseven": False,
    "regular_hours": [{"weekday": 7, "period_begin": "08:00", "period_end": "20:00"}],
    "exceptional_openings": [{"period_begin": T0, "period_end": T1}],
    "exceptional_closings": [{"period_begin": T0, "period_end": T1}],
}
BUSINESS = {"name": "Alfa Charging", "website": "https://alfa.pt", "logo": IMAGE}
FULL_LOCATION = location(
    publish=False,
    publish_allowed_to=[
        {"uid": "0102", "type": "RFID"},
        {"visual_number": "DF000", "issuer": "NewMotion"},
        {"group_id": "G1"},
    ],
    name="São João",
    postal_code="1250-001",
    state="Lisboa",
    related_locations=[{"latitude": "38.72000", "longitude": "-9.15000", "name": DIRECTIONS[0]}],
    parking_type="ON_STREET",
    evses=[FULL_EVSE],
    directions=DIRECTIONS,
    operator=BUSINESS,
    suboperator=BUSINESS,
    owner=BUSINESS,
    facilities=["HOTEL", "WIFI"],
    opening_times=HOURS,
    charging_when_closed=True,
    images=[IMAGE],
    energy_mix={
        "is_green_energy": False,
        "energy_sources": [
            {"source": "WIND", "percentage": Decimal("35.5")},
            {"source": "GAS", "percentage": 64},
        ],
        "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": Decimal("372.25")}],
        "supplier_name": "E",
        "energy_product_name": "Verde",
    },
)


def field_refused(model: type[OcpiObject], document: Any) -> str | None:
    with pytest.raises(InvalidParameters) as refused:
        validate(model, document)
    assert (refused.value.status_code, refused.value.http_status) == (2001, 200)
    return refused.value.field


def with_hours(**fields: Any) -> dict[str, Any]:
    return location(opening_times={"twentyfourseven": True, **fields})


def with_regular_hours(**fields: Any) -> dict[str, Any]:
    entry = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00", **fields}
    return location(opening_times={"twentyfourseven": False, "regular_hours": [entry]})


def with_publish_token(**fields: Any) -> dict[str, Any]:
    return location(publish=False, publish_allowed_to=[fields])


def at(latitude: Any, longitude: Any = "-9.15000") -> dict[str, Any]:
    return location(coordinates={"latitude": latitude, "longitude": longitude})


def test_the_smallest_and_the_fullest_location_are_valid() -> None:
    assert validate(Location, location()).evses
    assert validate(Location, without(location(), "evses")).evses is None
    assert validate(Location, FULL_LOCATION).name == "São João"


@pytest.mark.parametrize("name", REQUIRED_OF_LOCATION)
def test_a_location_without_a_required_field_is_refused(name: str) -> None:
    """Source: LOC-15"""
    assert field_refused(Location, without(location(), name)) == name
    assert field_refused(Location, location(**{name: None})) == name


@pytest.mark.parametrize("name", REQUIRED_OF_EVSE)
def test_an_evse_without_a_required_field_is_refused(name: str) -> None:
    """Source: LOC-21"""
    assert field_refused(Evse, without(evse(), name)) == name
    assert field_refused(Location, location(evses=[evse("E0"), without(evse(), name)])) == f"evses.1.{name}"


@pytest.mark.parametrize("name", REQUIRED_OF_CONNECTOR)
def test_a_connector_without_a_required_field_is_refused(name: str) -> None:
    """Source: LOC-21"""
    assert field_refused(Connector, without(connector(), name)) == name


def test_an_error_names_every_wrong_field() -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate(Location, without(location(evses=[evse(status=1)]), "city", "time_zone"))

    assert [field for field, _ in refused.value.errors] == ["city", "evses.0.status", "time_zone"]


OPTIONAL_LISTS = [
    "publish_allowed_to", "related_locations", "evses", "directions", "facilities", "images",
]  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL_LISTS)
def test_an_optional_list_may_be_null_or_empty(name: str) -> None:
    """Source: TYP-12"""
    validate(Location, location(**{name: None}))
    validate(Location, location(**{name: []}))


def test_every_optional_field_may_be_null() -> None:
    """Source: TYP-12"""
    optional = [name for name in FULL_LOCATION if name not in REQUIRED_OF_LOCATION]

    validate(Location, {**location(), **dict.fromkeys(optional)})


TOO_LONG: list[tuple[str, type[OcpiObject], Any]] = [
    ("id", Location, location(id="L" * 37)),
    ("name", Location, location(name="n" * 256)),
    ("address", Location, location(address="a" * 256)),
    ("city", Location, location(city="c" * 46)),
    ("postal_code", Location, location(postal_code="1" * 11)),
    ("state", Location, location(state="s" * 46)),
    ("country_code", Location, location(country_code="PRT")),
    ("party_id", Location, location(party_id="ABCD")),
    ("operator.name", Location, location(operator={"name": "n" * 101})),
    ("operator.website", Location, location(operator={"name": "n", "website": "https://a.pt/" + "w" * 243})),
    ("directions.0.text", Location, location(directions=[{"language": "pt", "text": "t" * 513}])),
    ("directions.0.language", Location, location(directions=[{"language": "por", "text": "t"}])),
    (
        "energy_mix.supplier_name",
        Location,
        location(energy_mix={"is_green_energy": True, "supplier_name": "s" * 65}),
    ),
    ("images.0.type", Location, location(images=[{**IMAGE, "type": "image"}])),
    ("images.0.width", Location, location(images=[{**IMAGE, "width": 100000}])),
    ("publish_allowed_to.0.uid", Location, with_publish_token(uid="u" * 37, type="RFID")),
    ("publish_allowed_to.0.visual_number", Location, with_publish_token(visual_number="v" * 65, issuer="i")),
    ("uid", Evse, evse("E" * 37)),
    ("evse_id", Evse, evse(evse_id="e" * 49)),
    ("floor_level", Evse, evse(floor_level="-1000")),
    ("physical_reference", Evse, evse(physical_reference="p" * 17)),
    ("id", Connector, connector("c" * 37)),
    ("tariff_ids.1", Connector, connector(tariff_ids=["T1", "t" * 37])),
]


@pytest.mark.parametrize(("field", "model", "document"), TOO_LONG)
def test_a_field_that_is_too_long_is_refused(field: str, model: type[OcpiObject], document: Any) -> None:
    """Source: TYP-05"""
    assert field_refused(model, document) == field


def test_the_lengths_of_the_erratum_of_2026_are_allowed() -> None:
    """Source: OCPI 2.2.1 mod_locations_location_object, NOTE on earlier releases; TYP-05"""
    validate(Location, location(address="a" * 255, state="s" * 45, city="c" * 45))


WRONG: list[tuple[str, type[OcpiObject], Any]] = [
    ("id", Location, location(id="é")),  # TYP-02
    ("id", Location, location(id="a\tb")),
    ("id", Location, location(id="")),
    ("id", Location, location(id=1)),
    ("name", Location, location(name="a\nb")),  # TYP-03
    ("publish", Location, location(publish="true")),
    ("publish", Location, location(publish=1)),
    ("country", Location, location(country="PT")),  # TYP-16
    ("country_code", Location, location(country_code="P1")),
    ("time_zone", Location, location(time_zone="Lisbon")),
    ("time_zone", Location, location(time_zone="Europe/Atlantis")),
    ("last_updated", Location, location(last_updated="2026-11-24T08:00:00+00:00")),  # TYP-07
    ("last_updated", Location, location(last_updated="2026-11-24")),
    ("last_updated", Location, location(last_updated=1764000000)),
    ("evses", Location, location(evses={})),
    ("evses.0", Location, location(evses=["E1"])),
    ("facilities.0", Location, location(facilities=["hotel"])),
    ("parking_type", Location, location(parking_type="On_Street")),
    ("directions.0.text", Location, location(directions=[{"language": "pt", "text": "<b>x</b>"}])),  # TYP-11
    ("energy_mix.is_green_energy", Location, location(energy_mix={})),
    (
        "energy_mix.energy_sources.0.percentage",
        Location,
        location(
            energy_mix={"is_green_energy": True, "energy_sources": [{"source": "WIND", "percentage": 101}]}
        ),
    ),
    (
        "energy_mix.environ_impact.0.amount",
        Location,
        location(
            energy_mix={
                "is_green_energy": True,
                "environ_impact": [{"category": "NUCLEAR_WASTE", "amount": "0.5"}],
            }
        ),
    ),
    ("images.0.url", Location, location(images=[{**IMAGE, "url": "javascript:alert(1)"}])),
    ("status", Evse, evse(status="available")),  # TYP-04
    ("status", Evse, evse(status="not a status")),
    ("connectors", Evse, evse(connectors=[])),  # TYP-12
    ("connectors", Evse, evse(connectors=None)),
    ("physical_reference", Evse, evse(physical_reference=3)),  # TRP-40
    ("standard", Connector, connector(standard="iec_62196_t2")),
    ("max_voltage", Connector, connector(max_voltage=Decimal("230.5"))),  # TYP-09
    ("max_voltage", Connector, connector(max_voltage="230")),
    ("max_amperage", Connector, connector(max_amperage=True)),
    ("max_amperage", Connector, connector(max_amperage=-1)),
    ("tariff_ids", Connector, connector(tariff_ids="T1")),
    ("body", Location, []),
    ("body", Evse, None),
]


@pytest.mark.parametrize(("field", "model", "document"), WRONG)
def test_a_wrong_value_is_refused_and_the_error_names_its_field(
    field: str, model: type[OcpiObject], document: Any
) -> None:
    assert field_refused(model, document) == field


UNLIKELY_COORDINATES = [
    38.72, "38.7200", "38.72000000", "38,72000", "+38.72000", "138.72000", "90.00001", "٣٨.72000",
    "38.72000\n", "",
]  # fmt: skip


@pytest.mark.parametrize("latitude", UNLIKELY_COORDINATES)
def test_a_latitude_is_a_string_of_degrees_with_five_to_seven_decimals(latitude: Any) -> None:
    """Source: LOC-19, TRP-26"""
    assert field_refused(Location, at(latitude)) == "coordinates.latitude"


@pytest.mark.parametrize("longitude", ["180.00001", "-1234.00000", "9.1500"])
def test_a_longitude_has_up_to_three_digits(longitude: str) -> None:
    """Source: LOC-19"""
    assert field_refused(Location, at("38.72000", longitude)) == "coordinates.longitude"


def test_negative_coordinates_may_have_seven_decimals() -> None:
    """The specification's lengths are one character too short for its own regexes. Source: LOC-19"""
    validate(Location, at("-38.1234567", "-123.1234567"))


def test_publish_allowed_to_is_refused_for_a_published_location() -> None:
    """Source: LOC-16"""
    tokens = [{"group_id": "G1"}]

    assert field_refused(Location, location(publish=True, publish_allowed_to=tokens)) == "publish_allowed_to"
    validate(Location, location(publish=False, publish_allowed_to=tokens))


INCOMPLETE_TOKENS = [
    ("publish_allowed_to.0", {}),
    ("publish_allowed_to.0", {"type": "RFID", "issuer": "i"}),
    ("publish_allowed_to.0.type", {"uid": "0102"}),
    ("publish_allowed_to.0.issuer", {"visual_number": "1"}),
    ("publish_allowed_to.0.issuer", {"visual_number": "1", "issuer": None, "group_id": "G1"}),
]


@pytest.mark.parametrize(("field", "token"), INCOMPLETE_TOKENS)
def test_an_incomplete_token_in_publish_allowed_to_is_refused(field: str, token: dict[str, Any]) -> None:
    """Source: LOC-17"""
    assert field_refused(Location, with_publish_token(**token)) == field


WRONG_HOURS = [
    ("opening_times.twentyfourseven", location(opening_times={})),
    ("opening_times.regular_hours", location(opening_times={"twentyfourseven": False})),
    ("opening_times.regular_hours", with_hours(twentyfourseven=False, regular_hours=[])),
    (
        "opening_times.regular_hours",
        with_hours(regular_hours=[{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]),
    ),
    ("opening_times.regular_hours.0.weekday", with_regular_hours(weekday=0)),
    ("opening_times.regular_hours.0.weekday", with_regular_hours(weekday=8)),
    ("opening_times.regular_hours.0.period_begin", with_regular_hours(period_begin="8:00")),
    ("opening_times.regular_hours.0.period_end", with_regular_hours(period_end="24:00")),
    ("opening_times.regular_hours.0.period_end", with_regular_hours(period_end="08:00")),
    (
        "opening_times.exceptional_closings.0.period_begin",
        with_hours(exceptional_closings=[{"period_end": T0}]),
    ),
]


@pytest.mark.parametrize(("field", "document"), WRONG_HOURS)
def test_hours_that_contradict_themselves_are_refused(field: str, document: dict[str, Any]) -> None:
    """Source: LOC-20"""
    assert field_refused(Location, document) == field


def test_ids_that_differ_only_in_case_are_refused_among_siblings() -> None:
    """Source: OWN-03, TYP-01"""
    assert field_refused(Location, location(evses=[evse("e1"), evse("E1")])) == "evses"
    assert field_refused(Evse, evse(connectors=[connector("a"), connector("A")])) == "connectors"
    validate(Location, location(evses=[evse("E1"), evse("E2")]))


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (Evse, evse(status="UNDER_REPAIR")),
        (Evse, evse(capabilities=["PLUG_AND_CHARGE"])),
        (Connector, connector(standard="MCS")),
        (Connector, connector(power_type="DC_2")),
        (Location, location(facilities=["CINEMA"])),
        (Location, with_publish_token(uid="0102", type="EMAID")),
    ],
)
def test_unknown_enum_values_in_capitals_are_kept(model: type[OcpiObject], document: Any) -> None:
    """Source: TYP-15"""
    assert validate(model, document).model_dump(exclude_unset=True) == document


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
unknown_fields = st.dictionaries(
    st.from_regex(r"mobie_[a-z_]{1,12}", fullmatch=True), json_values, max_size=3
)


@given(unknown_fields, unknown_fields, unknown_fields)
def test_unknown_fields_on_every_level_are_kept(
    of_location: dict[str, Any], of_evse: dict[str, Any], of_connector: dict[str, Any]
) -> None:
    """Source: TYP-14"""
    document = location(
        evses=[evse(connectors=[connector(**of_connector)], **of_evse)],
        **of_location,
    )

    seen = validate(Location, read_json(write_json(document)))

    assert seen.model_dump(exclude_unset=True) == document


def test_a_connector_is_found_case_insensitively() -> None:
    """Source: TYP-01"""
    place = evse(connectors=[connector("a"), connector("B")])

    assert find_connector(place, "b") == connector("B")
    assert find_connector(place, "c") is None
