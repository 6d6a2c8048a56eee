"""Comparison of two CDRs. Source: OCPI 2.2.1 mod_cdrs_cdr_object; docs/design.md, A CDR"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.modules.cdr_comparison import Difference, compare
from chalicelib.protocol.json_text import Document
from chalicelib.settings import Tolerance
from tests.modules.builders import T1, tariff, without
from tests.modules.reconciliation.under_hub import UnderHub, of_hub


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


@pytest.mark.parametrize(
    "fields",
    [
        {"total_cost": {"excl_vat": Decimal("3.51")}},
        {"total_cost": {"excl_vat": Decimal("3.5"), "incl_vat": Decimal("3.5")}},
        {"total_energy": Decimal("10.001")},
        {"total_time": Decimal("1.999")},
        {"end_date_time": "2026-03-01T10:00:00.9Z"},
        {"last_updated": "2026-03-02T00:00:00Z", "remark": "made by the hub"},
        {"charging_periods": [{"start_date_time": T1, "dimensions": [{"type": "ENERGY", "volume": 10}]}]},
    ],
)
def test_values_within_the_tolerance_and_fields_that_are_left_out_agree(
    cpo: UnderHub, fields: Document
) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), **fields))

    cpo.reconcile()

    assert (cpo.entry()["state"], cpo.entry()["differences"]) == ("AGREED", [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"total_cost": {"excl_vat": Decimal("3.511")}}, ["total_cost.excl_vat"]),
        (
            {"total_cost": {"excl_vat": Decimal("3.5"), "incl_vat": Decimal("4.31")}},
            ["total_cost.incl_vat"],
        ),
        ({"total_energy_cost": {"excl_vat": Decimal("2.6")}}, ["total_energy_cost.excl_vat"]),
        ({"total_energy": Decimal("10.0011")}, ["total_energy"]),
        ({"total_time": Decimal("1.99")}, ["total_time"]),
        ({"end_date_time": "2026-03-01T10:00:01.1Z"}, ["end_date_time"]),
        ({"currency": "USD"}, ["currency"]),
        ({"tariffs": [tariff(id="T2")]}, ["tariffs"]),
        ({"auth_method": "COMMAND"}, ["auth_method"]),
    ],
)
def test_values_beyond_the_tolerance_are_differences(
    cpo: UnderHub, fields: Document, expected: list[str]
) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), **fields))

    cpo.reconcile()

    assert [each["field"] for each in cpo.entry()["differences"]] == expected


ZERO = Tolerance(Decimal(0), Decimal(0), Decimal(0))
AMOUNTS = {
    "total_cost": {"excl_vat": Decimal("3.5"), "incl_vat": Decimal("4.305")},
    "total_energy_cost": {"excl_vat": Decimal("2.5")},
    "total_energy": Decimal("10"),
    "total_time": Decimal("2"),
}


def own(currency: str = "EUR") -> Document:
    times = {"start_date_time": T1, "end_date_time": T1}
    return {**times, "currency": currency, "cdr_token": {}, "cdr_location": {}, **AMOUNTS}


@pytest.mark.parametrize(
    ("currency", "fields", "differs"),
    [
        ("EUR", {"total_energy_cost": {"excl_vat": Decimal("2.5002")}}, []),
        ("EUR", {"total_energy_cost": {"excl_vat": Decimal("2.5003")}}, ["total_energy_cost.excl_vat"]),
        ("EUR", {"total_energy": Decimal("9.9998"), "total_time": Decimal("2.0001")}, []),
        ("EUR", {"total_energy": Decimal("9.9997")}, ["total_energy"]),
        ("JPY", {"total_cost": {"excl_vat": Decimal(4), "incl_vat": Decimal(4)}}, []),
        (
            "JPY",
            {"total_cost": {"excl_vat": Decimal("4.1"), "incl_vat": Decimal(4)}},
            ["total_cost.excl_vat"],
        ),
    ],
)
def test_differences_from_rounding_are_ignored_even_with_a_tolerance_of_0(
    currency: str, fields: Document, differs: list[str]
) -> None:
    """Source: types_number_type"""
    comparison = compare(own(currency), {**own(currency), **fields}, ZERO)

    assert [each.field for each in comparison.differences] == differs


def test_a_number_that_is_too_large_for_arithmetic_is_a_difference(cpo: UnderHub) -> None:
    """A value of a double is accepted although it exceeds the precision of our decimals. Source: TYP-09"""
    cpo.end()
    huge = Decimal("1e308")
    cpo.receive(of_hub(cpo.compile(), total_energy=huge, total_cost={"excl_vat": huge, "incl_vat": huge}))

    cpo.reconcile()

    fields = [each["field"] for each in cpo.entry()["differences"]]
    assert fields == ["total_cost.excl_vat", "total_cost.incl_vat", "total_energy"]
    assert cpo.due() == []


def test_place_and_token_are_compared_case_insensitively(cpo: UnderHub) -> None:
    """Source: TYP-01"""
    cpo.end()
    own = cpo.compile()
    place = {**own["cdr_location"], "evse_uid": "e1", "connector_id": "2"}
    token = {**own["cdr_token"], "uid": "OTHER", "contract_id": own["cdr_token"]["contract_id"].lower()}
    cpo.receive(of_hub(own, cdr_location=place, cdr_token=token))

    cpo.reconcile()

    assert cpo.entry()["differences"] == [
        {"field": "cdr_token.uid", "ours": "012345", "theirs": "OTHER"},
        {"field": "cdr_location.connector_id", "ours": "1", "theirs": "2"},
    ]


def test_a_field_that_one_side_lacks_is_listed_as_not_judged(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.receive(without(of_hub(own, authorization_reference="A1"), "tariffs", "total_parking_time"))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["state"], entry["differences"]) == ("AGREED", [])
    assert entry["not_judged"] == ["total_parking_time", "authorization_reference", "tariffs"]


def test_the_tolerance_comes_from_the_settings_of_the_deployment(cpo: UnderHub) -> None:
    tolerance = replace_tolerance(cpo, money=Decimal("1"))
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_cost={"excl_vat": Decimal("4.5")}))

    cpo.reconcile()

    assert (tolerance, cpo.entry()["state"]) == (1, "AGREED")


def replace_tolerance(cpo: UnderHub, money: Decimal) -> Decimal:
    settings = replace(cpo.node.settings, tolerance=cpo.node.settings.tolerance._replace(money=money))
    cpo.node = cpo.world.node = replace(cpo.node, settings=settings)
    return cpo.node.settings.tolerance.money


# -- pure functions ---------------------------------------------------------------------------------

TEXTS = (
    "currency", "cdr_token.country_code", "cdr_token.party_id", "cdr_token.uid", "cdr_token.type",
    "cdr_token.contract_id", "cdr_location.id", "cdr_location.evse_uid", "cdr_location.evse_id",
    "cdr_location.connector_id", "auth_method", "authorization_reference", "meter_id",
)  # fmt: skip


def with_text(field: str, value: str | None) -> Document:
    parent, _, name = field.rpartition(".")
    document = own()
    if parent:
        return {**document, parent: {name: value}}
    return {**document, name: value}


@pytest.mark.parametrize("field", TEXTS)
def test_each_text_is_compared_case_insensitively(field: str) -> None:
    """Source: TYP-01"""
    ours = with_text(field, "Eur")

    assert compare(ours, with_text(field, "eUR"), ZERO).differences == ()
    assert compare(ours, with_text(field, "NOK"), ZERO).differences == (Difference(field, "Eur", "NOK"),)


@pytest.mark.parametrize("field", TEXTS[1:])
def test_a_text_is_listed_as_not_judged_only_if_exactly_one_side_lacks_it(field: str) -> None:
    with_value, without_value = with_text(field, "X"), with_text(field, None)

    assert field in compare(with_value, without_value, ZERO).not_judged
    assert field in compare(without_value, with_value, ZERO).not_judged
    assert field not in compare(without_value, without_value, ZERO).not_judged


@pytest.mark.parametrize("field", ["start_date_time", "end_date_time"])
@pytest.mark.parametrize(
    ("time", "differs"),
    [
        ("2026-03-01T09:00:01Z", False),
        ("2026-03-01T08:59:59Z", False),
        ("2026-03-01T09:00:01.001Z", True),
        ("2026-03-01T08:59:58.999Z", True),
    ],
)
def test_times_may_differ_by_one_second(field: str, time: str, differs: bool) -> None:
    found = compare(own(), {**own(), field: time}, ZERO).differences

    assert [each.field for each in found] == ([field] if differs else [])


@pytest.mark.parametrize(
    ("ours", "theirs", "differs"),
    [
        ({"excl_vat": Decimal(2)}, {"excl_vat": Decimal(2)}, []),
        ({"excl_vat": Decimal(2), "incl_vat": Decimal(3)}, {"excl_vat": Decimal(2)}, ["incl_vat"]),
        ({"excl_vat": Decimal(2)}, {"excl_vat": Decimal(2), "incl_vat": Decimal(3)}, ["incl_vat"]),
        ({"excl_vat": Decimal(2), "incl_vat": Decimal(2)}, {"excl_vat": Decimal(2)}, []),
        ({"excl_vat": Decimal(2)}, {"excl_vat": Decimal(0), "incl_vat": Decimal(2)}, ["excl_vat"]),
        ({"excl_vat": Decimal(2), "incl_vat": Decimal(0)}, {"excl_vat": Decimal(2)}, ["incl_vat"]),
    ],
)
def test_a_missing_total_cost_with_vat_counts_as_equal_to_that_without_vat(
    ours: Document, theirs: Document, differs: list[str]
) -> None:
    found = compare({**own(), "total_cost": ours}, {**own(), "total_cost": theirs}, ZERO).differences

    assert [each.field for each in found] == [f"total_cost.{side}" for side in differs]


@pytest.mark.parametrize("field", ["total_energy", "total_time", "total_parking_time"])
def test_a_quantity_has_its_own_tolerance_in_both_directions(field: str) -> None:
    ours = {**own(), field: Decimal(10)}
    loose = {"total_energy": ZERO._replace(kwh=Decimal(1))}.get(field, ZERO._replace(hours=Decimal(1)))

    def differs(value: str, tolerance: Tolerance) -> bool:
        found = compare(ours, {**ours, field: Decimal(value)}, tolerance).differences
        return [each.field for each in found] == [field]

    assert not differs("11", loose) and not differs("9", loose)
    assert differs("11.001", loose) and differs("8.999", loose)
    assert differs("11", ZERO._replace(money=Decimal(1)))


def test_tariffs_are_compared_in_any_order_and_case() -> None:
    ours, theirs = [tariff(id="a"), tariff(id="B")], [tariff(id="b"), tariff(id="A")]

    assert compare({**own(), "tariffs": ours}, {**own(), "tariffs": theirs}, ZERO).differences == ()
    assert compare({**own(), "tariffs": ours}, {**own(), "tariffs": ours[:1]}, ZERO).differences == (
        Difference("tariffs", "a, B", "a"),
    )


def test_a_currency_without_cents_is_recognised_in_lower_case() -> None:
    theirs = {**own("jpy"), "total_cost": {"excl_vat": Decimal(4), "incl_vat": Decimal(4)}}

    assert compare(own("jpy"), theirs, ZERO).differences == ()
