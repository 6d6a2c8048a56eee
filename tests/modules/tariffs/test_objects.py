"""Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; TAR-07, TAR-15, TAR-22, TYP-*"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.types import validate
from tests.modules.builders import T0, T1, component, element, tariff, without

REQUIRED = ["country_code", "party_id", "id", "currency", "elements", "last_updated"]
RESTRICTIONS = {
    "start_time": "13:30",
    "end_time": "00:00",
    "start_date": "2026-12-24",
    "end_date": "2026-12-27",
    "min_kwh": 20,
    "max_kwh": Decimal("50.5"),
    "min_current": 5,
    "max_current": 20,
    "min_power": 5,
    "max_power": 20,
    "min_duration": 1800,
    "max_duration": 3600,
    "day_of_week": ["MONDAY", "SUNDAY"],
}
FULL = tariff(
    type="REGULAR",
    tariff_alt_text=[{"language": "pt", "text": "Mais informação"}],
    tariff_alt_url="https://alfa.pt/t/1",
    min_price={"excl_vat": Decimal("0.50"), "incl_vat": Decimal("0.61")},
    max_price={"excl_vat": 10},
    elements=[
        element(component("FLAT", vat=Decimal("23.0")), component("ENERGY"), restrictions=RESTRICTIONS),
        element(component("TIME"), component("PARKING_TIME")),
        element(component("TIME"), component("FLAT"), restrictions={"reservation": "RESERVATION_EXPIRES"}),
    ],
    start_date_time=T0,
    end_date_time=T1,
    energy_mix={"is_green_energy": True},
)


def field_refused(document: Any) -> str | None:
    with pytest.raises(InvalidParameters) as refused:
        validate(Tariff, document)
    assert (refused.value.status_code, refused.value.http_status) == (2001, 200)
    return refused.value.field


def restricted(**restrictions: Any) -> dict[str, Any]:
    return tariff(elements=[element(restrictions=restrictions)])


def test_the_smallest_and_the_fullest_tariff_are_valid() -> None:
    assert validate(Tariff, tariff()).elements[0].price_components[0].price == Decimal("0.25")
    assert validate(Tariff, FULL).type == "REGULAR"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_tariff_without_a_required_field_is_refused(name: str) -> None:
    """Source: TAR-07"""
    assert field_refused(without(tariff(), name)) == name
    assert field_refused(tariff(**{name: None})) == name


@pytest.mark.parametrize("name", ["type", "price", "step_size"])
def test_a_price_component_without_a_required_field_is_refused(name: str) -> None:
    """Source: TAR-07"""
    document = tariff(elements=[element(without(component(), name))])

    assert field_refused(document) == f"elements.0.price_components.0.{name}"


def test_every_optional_field_may_be_null() -> None:
    """Source: TYP-12"""
    optional = [name for name in FULL if name not in REQUIRED]

    validate(Tariff, {**tariff(), **dict.fromkeys(optional)})
    validate(Tariff, restricted(**dict.fromkeys([*RESTRICTIONS, "reservation"])))
    validate(Tariff, tariff(elements=[element(component(vat=None), restrictions=None)]))


WRONG: list[tuple[str, Any]] = [
    ("id", tariff(id="T" * 37)),
    ("id", tariff(id=12)),
    ("currency", tariff(currency="EURO")),
    ("currency", tariff(currency="€")),
    ("country_code", tariff(country_code="PRT")),
    ("party_id", tariff(party_id="A*C")),
    ("type", tariff(type="regular")),
    ("elements", tariff(elements=[])),
    ("elements", tariff(elements=element())),
    ("elements.0.price_components", tariff(elements=[{"price_components": []}])),
    ("elements.0.price_components.0.type", tariff(elements=[element(component("energy"))])),
    ("elements.0.price_components.0.price", tariff(elements=[element(component(price="0.25"))])),
    ("elements.0.price_components.0.price", tariff(elements=[element(component(price=True))])),
    ("elements.0.price_components.0.vat", tariff(elements=[element(component(vat="23"))])),
    (
        "elements.0.price_components.0.step_size",
        tariff(elements=[element(component(step_size=Decimal("1.5")))]),
    ),
    ("elements.0.price_components.0.step_size", tariff(elements=[element(component(step_size="1"))])),
    ("elements.0.price_components.0.step_size", tariff(elements=[element(component(step_size=-1))])),
    ("min_price.excl_vat", tariff(min_price={"incl_vat": 1})),
    ("max_price", tariff(max_price=10)),
    ("tariff_alt_url", tariff(tariff_alt_url="alfa")),
    ("tariff_alt_text.0.text", tariff(tariff_alt_text=[{"language": "pt", "text": "<i>x</i>"}])),
    ("tariff_alt_text.0.language", tariff(tariff_alt_text=[{"language": "PT", "text": "x"}])),
    ("start_date_time", tariff(start_date_time="2026-11-24T08:00")),
    ("energy_mix.is_green_energy", tariff(energy_mix={"is_green_energy": "yes"})),
    ("elements.0.restrictions.start_time", restricted(start_time="24:00")),
    ("elements.0.restrictions.end_time", restricted(end_time="9:00")),
    ("elements.0.restrictions.start_date", restricted(start_date="2026-13-01")),
    ("elements.0.restrictions.end_date", restricted(end_date="2026-02-30")),
    ("elements.0.restrictions.min_kwh", restricted(min_kwh="20")),
    ("elements.0.restrictions.max_duration", restricted(max_duration=Decimal("0.5"))),
    ("elements.0.restrictions.day_of_week.1", restricted(day_of_week=["MONDAY", "HOLIDAY"])),
    ("elements.0.restrictions.reservation", restricted(reservation="Reservation")),
    ("body", "tariff"),
]


@pytest.mark.parametrize(("field", "document"), WRONG)
def test_a_wrong_value_is_refused_and_the_error_names_its_field(field: str, document: Any) -> None:
    """Source: TYP-04, TYP-05, TYP-07, TYP-09 … TYP-11, TYP-16"""
    assert field_refused(document) == field


@pytest.mark.parametrize("dimension", ["ENERGY", "PARKING_TIME"])
@pytest.mark.parametrize("reservation", ["RESERVATION", "RESERVATION_EXPIRES"])
def test_a_reservation_is_priced_by_flat_and_time_only(dimension: str, reservation: str) -> None:
    """Source: TAR-15"""
    priced = element(component("FLAT"), component(dimension), restrictions={"reservation": reservation})

    assert field_refused(tariff(elements=[priced])) == "elements.0.restrictions"


def test_a_step_size_of_zero_is_valid() -> None:
    """Source: TAR-22"""
    validate(Tariff, tariff(elements=[element(component("FLAT", price=0, step_size=0))]))


def test_unknown_enum_values_in_capitals_are_kept() -> None:
    """Source: TYP-15"""
    document = tariff(type="PROFILE_NIGHT", elements=[element(component("REACTIVE_ENERGY"))])

    assert validate(Tariff, document).model_dump(exclude_unset=True) == document


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**6, places=4),
    st.dictionaries(st.from_regex(r"mobie_[a-z]{1,8}", fullmatch=True), st.text(max_size=8), max_size=3),
)
def test_digits_and_unknown_fields_are_kept(price: Decimal, unknown: dict[str, str]) -> None:
    """Source: TYP-09, TYP-14"""
    text = write_json(tariff(elements=[element(component(price=price, **unknown), **unknown)], **unknown))

    document = read_json(text)
    validate(Tariff, document)

    assert write_json(document) == text
    assert document["elements"][0]["price_components"][0]["price"] == price
