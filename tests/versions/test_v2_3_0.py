"""OCPI 2.3.0: money, taxes and hubs in the words of 2.2.1 and back, and its new fields kept.

Source: V23-04 … V23-07, V23-12 … V23-30
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.tokens.objects import Token
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import validate
from chalicelib.versions import v2_2, v2_2_1, v2_3_0
from chalicelib.versions.supported import Inexpressible, from_canonical
from tests.reading.shapes import whole

Document = dict[str, Any]

_PARKING = {
    "id": "P1",
    "vehicle_types": ["TRUCK_WITH_TRAILER", "DISABLED"],
    "restricted_to_type": False,
    "reservation_required": True,
    "max_vehicle_length": 1850,
}
_QST = {"name": "QST", "percentage": Decimal("9.975"), "amount": Decimal("0.50")}
_GST = {"name": "GST", "account_number": "RT0001", "percentage": 5, "amount": Decimal("0.25")}


def up(kind: Kind, document: Document) -> Document:
    return v2_3_0.up(kind, document)


def down(kind: Kind, document: Document) -> Document:
    return v2_3_0.down(kind, document).document


def tariff(*components: Document, **fields: Any) -> Document:
    """A canonical tariff of one element."""
    return {**whole.tariff(), "elements": [{"price_components": list(components)}], **fields}


def energy(price: str, **fields: Any) -> Document:
    return {"type": "ENERGY", "price": Decimal(price), "step_size": 1, **fields}


# -- what both versions can say


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Kind.LOCATION, whole.location()),
        (Kind.EVSE, whole.evse()),
        (Kind.CONNECTOR, whole.connector()),
        (Kind.TARIFF, whole.tariff()),
        (Kind.TOKEN, whole.token()),
        (Kind.SESSION, whole.session()),
        (Kind.CDR, whole.cdr()),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else "",
)
def test_a_document_of_2_2_1_comes_back_with_the_same_bytes(kind: Kind, document: Document) -> None:
    """Source: V23-12"""
    converted = v2_3_0.down(kind, document)

    assert converted.losses == ()
    assert write_json(up(kind, converted.document)) == write_json(document)


def test_no_word_of_2_2_1_for_money_is_left() -> None:
    """Source: V23-12, V23-14, V23-15, V23-19"""
    for kind, document in ((Kind.CDR, whole.cdr()), (Kind.SESSION, whole.session())):
        text = write_json(down(kind, document))

        assert "excl_vat" not in text
        assert "incl_vat" not in text
    assert '"tax_included":"NO"' in write_json(down(Kind.CDR, whole.cdr()))


# -- prices and taxes


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"excl_vat": Decimal("4.00")}, {"before_taxes": Decimal("4.00")}),
        (
            {"excl_vat": Decimal("3.13"), "incl_vat": Decimal("3.85")},
            {"before_taxes": Decimal("3.13"), "taxes": [{"name": "VAT", "amount": Decimal("0.72")}]},
        ),
        (
            {"excl_vat": Decimal("5.00"), "incl_vat": Decimal("5.75"), "taxes": [_QST, _GST]},
            {"before_taxes": Decimal("5.00"), "taxes": [_QST, _GST]},
        ),
        (
            {"excl_vat": Decimal("-1.50"), "incl_vat": Decimal("-1.50"), "x_note": "credit"},
            {
                "before_taxes": Decimal("-1.50"),
                "taxes": [{"name": "VAT", "amount": Decimal("0.00")}],
                "x_note": "credit",
            },
        ),
        (
            {"excl_vat": Decimal(10**30), "incl_vat": Decimal(f"1{'0' * 30}.01")},
            {"before_taxes": Decimal(10**30), "taxes": [{"name": "VAT", "amount": Decimal("0.01")}]},
        ),
    ],
    ids=["no taxes", "one VAT", "two taxes", "a VAT of nothing", "more than 28 digits"],
)
def test_a_price_has_exact_sums_in_both_versions(ours: Document, theirs: Document) -> None:
    """Source: V23-12, V23-13"""
    for kind in (Kind.SESSION, Kind.CDR):
        assert down(kind, {"total_cost": ours}) == {"total_cost": theirs}
        assert up(kind, {"total_cost": theirs}) == {"total_cost": ours}


def test_each_cost_of_a_cdr_is_converted() -> None:
    """Source: V23-12"""
    kinds = ("", "_fixed", "_energy", "_time", "_parking", "_reservation")
    cdr = {f"total{kind}_cost": {"before_taxes": 1} for kind in kinds}

    assert up(Kind.CDR, cdr) == {name: {"excl_vat": 1} for name in cdr}


def test_taxes_that_no_longer_add_up_become_one() -> None:
    """Source: V23-13"""
    changed = {"excl_vat": Decimal("-5.00"), "incl_vat": Decimal("-5.75"), "taxes": [_QST, _GST]}

    price = down(Kind.CDR, {"total_cost": changed})["total_cost"]

    assert price["taxes"] == [{"name": "VAT", "amount": Decimal("-0.75")}]


@pytest.mark.parametrize("taxes", [None, []])
def test_without_taxes_there_is_no_price_with_them(taxes: object) -> None:
    """Source: V23-12"""
    assert up(Kind.SESSION, {"total_cost": {"before_taxes": 5, "taxes": taxes}}) == {
        "total_cost": {"excl_vat": 5}
    }


@pytest.mark.parametrize(
    ("price", "field"),
    [
        ({"before_taxes": 1, "taxes": [{"name": "VAT"}]}, "total_cost.taxes.0.amount"),
        ({"before_taxes": 1, "taxes": [{"name": "VAT", "amount": True}]}, "total_cost.taxes.0.amount"),
        ({"before_taxes": 1, "taxes": ["VAT"]}, "total_cost.taxes.0"),
        ({"before_taxes": "free", "taxes": [_GST]}, "total_cost.before_taxes"),
    ],
)
def test_taxes_that_cannot_be_added_are_refused(price: Document, field: str) -> None:
    """Source: V23-12"""
    with pytest.raises(InvalidParameters) as caught:
        up(Kind.CDR, {"total_cost": price})
    assert caught.value.field == field


def test_a_patch_converts_the_fields_that_it_has() -> None:
    """Source: V23-12, X-06"""
    patch = {"kwh": 5, "last_updated": "2026-03-01T12:00:00Z"}

    assert up(Kind.SESSION, patch) == patch
    assert down(Kind.SESSION, patch) == patch
    assert up(Kind.SESSION, {**patch, "total_cost": {"before_taxes": 2}})["total_cost"] == {"excl_vat": 2}


def test_names_of_taxes_are_lost_in_2_2() -> None:
    """Source: V23-13"""
    price = {"excl_vat": Decimal("5.00"), "incl_vat": Decimal("5.75"), "taxes": [_QST, _GST]}

    converted = v2_2.down(Kind.SESSION, {"total_cost": price})

    assert "taxes" not in converted.document["total_cost"]
    assert [loss.pointer for loss in converted.losses] == ["/total_cost/taxes"]


# -- tariffs


@pytest.mark.parametrize("value", ["YES", "NO", "N/A"])
def test_a_tariff_of_2_3_0_comes_back_as_it_was(value: str) -> None:
    """Source: V23-14, V23-15"""
    limits = {
        "min_price": {"before_taxes": 1, "after_taxes": Decimal("1.21")},
        "max_price": {"before_taxes": 9},
    }
    theirs = tariff(energy("0.49", vat=21), tax_included=value, **limits)

    ours = up(Kind.TARIFF, theirs)

    assert ours["min_price"] == {"excl_vat": 1, "incl_vat": Decimal("1.21")}
    assert ours.get("tax_included") == (None if value == "NO" else value)
    assert down(Kind.TARIFF, ours) == theirs


@pytest.mark.parametrize("value", [None, "MAYBE", True, ["YES"]])
def test_a_tariff_without_tax_included_is_refused(value: object) -> None:
    """Source: V23-14"""
    theirs = {name: each for name, each in whole.tariff().items() if not name.endswith("_price")}

    with pytest.raises(InvalidParameters) as caught:
        up(Kind.TARIFF, theirs if value is None else {**theirs, "tax_included": value})
    assert caught.value.field == "tax_included"


def test_a_tariff_of_a_cdr_may_leave_it_out_as_the_specification_does() -> None:
    """Source: V23-19"""
    assert "tax_included" not in up(Kind.CDR, {"tariffs": [tariff(energy("0.25"))]})["tariffs"][0]


@pytest.mark.parametrize(
    ("gross", "vat", "net", "is_exact"),
    [("0.30", 20, "0.2500", True), ("0.49", 21, "0.4050", False), ("2", Decimal("5.5"), "1.8957", False)],
)
def test_a_gross_price_is_sent_to_2_2_1_without_taxes(gross: str, vat: Any, net: str, is_exact: bool) -> None:
    """Source: V23-14, V23-16"""
    ours = tariff(energy(gross, vat=vat), tax_included="YES")
    text = JsonText(write_json(ours))

    for number in ("2.2.1", "2.2"):
        sent = read_json(str(from_canonical(number, Kind.TARIFF, text)))

        assert sent["elements"][0]["price_components"] == [energy(net, vat=vat)]
        assert "tax_included" not in sent
    losses = v2_2_1.down(Kind.TARIFF, ours).losses
    assert [loss.pointer for loss in losses] == ([] if is_exact else ["/elements/0/price_components/0/price"])


def test_a_gross_price_of_unknown_vat_is_not_sent_to_2_2_1() -> None:
    """Source: V23-14, X-04"""
    unknown, known = (
        tariff(energy("2.10"), tax_included="YES"),
        tariff(energy("0", step_size=0), tax_included="YES"),
    )

    for number in ("2.2.1", "2.2"):
        with pytest.raises(Inexpressible, match="does not say how much"):
            from_canonical(number, Kind.TARIFF, JsonText(write_json(unknown)))
        assert len(from_canonical(number, Kind.TARIFF, [unknown, known])) == 1
    assert down(Kind.TARIFF, unknown)["tax_included"] == "YES"


@pytest.mark.parametrize("elements", [None, "x", [1], [{"price_components": [{"price": "x"}]}]])
def test_a_gross_tariff_that_cannot_be_read_is_not_sent(elements: object) -> None:
    """Source: V23-14"""
    ours = {**whole.tariff(), "elements": elements}

    assert v2_2_1.down(Kind.TARIFF, {**ours, "tax_included": "YES"}).held
    assert v2_2_1.down(Kind.TARIFF, {**ours, "tax_included": "N/A"}).document["elements"] == elements


def test_where_no_taxes_are_applicable_2_2_1_gets_no_vat() -> None:
    """Source: V23-14"""
    with_vat = tariff(energy("0.25", vat=21), tax_included="N/A")
    text = JsonText(write_json(tariff(energy("0.25"), tax_included="N/A")))

    converted = v2_2_1.down(Kind.TARIFF, with_vat)

    assert converted.document["elements"][0]["price_components"] == [energy("0.25")]
    assert [loss.pointer for loss in converted.losses] == ["/elements/0/price_components/0/vat"]
    assert read_json(str(from_canonical("2.2.1", Kind.TARIFF, text))) == read_json(str(text))


def test_the_tariffs_of_a_cdr_are_without_taxes_in_2_2_1_or_left_out() -> None:
    """Source: V23-14, V23-19"""
    known, unknown = tariff(energy("0.30", vat=20)), tariff(energy("2.10"))
    gross = [{**each, "tax_included": "YES"} for each in (unknown, known)]

    converted = v2_2_1.down(Kind.CDR, {**whole.cdr(), "tariffs": gross})

    assert [each["elements"] for each in converted.document["tariffs"]] == [
        [{"price_components": [energy("0.2500", vat=20)]}]
    ]
    assert [loss.pointer for loss in converted.losses] == ["/tariffs/0"]


# -- locations


def test_fields_of_2_3_0_are_kept_and_left_out_for_2_2() -> None:
    """Source: V23-20, V23-22, V23-24, V23-25, V23-26, V23-27, V23-28"""
    location = whole.location()
    connector = {**whole.connector(), "capabilities": ["ISO_15118_20_PLUG_AND_CHARGE"]}
    evse = {
        **whole.evse(),
        "connectors": [connector],
        "parking": [{"parking_id": "P1", "evse_position": "LEFT"}],
        "accepted_service_providers": ["Sol"],
        "parking_restrictions": ["EV_ONLY", "TAXIS"],
    }
    newer = {**location, "evses": [evse], "parking_places": [_PARKING], "help_phone": "+351 21 000 000"}

    assert up(Kind.LOCATION, newer) == down(Kind.LOCATION, newer) == newer
    assert v2_2.down(Kind.LOCATION, newer).document == location
    assert [loss.pointer for loss in v2_2.down(Kind.LOCATION, newer).losses] == [
        "/parking_places",
        "/help_phone",
        "/evses/0/parking",
        "/evses/0/accepted_service_providers",
        "/evses/0/parking_restrictions/1",
        "/evses/0/connectors/0/capabilities",
    ]


@pytest.mark.parametrize("standard", ["MCS", "SAE_J3400"])
def test_new_connectors_are_kept_and_left_out_for_2_2(standard: str) -> None:
    """Source: V23-04, V23-29"""
    location = whole.location()
    location["evses"][0]["connectors"].append({**whole.connector(), "id": "2", "standard": standard})

    validate(Location, location)
    assert from_canonical("2.2.1", Kind.LOCATION, location) == location
    assert [each["id"] for each in v2_2.down(Kind.LOCATION, location).document["evses"][0]["connectors"]] == [
        "1"
    ]


# -- tokens


@pytest.mark.parametrize("number", ["2.2.1", "2.2"])
def test_the_type_emaid_is_other_in_older_versions(number: str) -> None:
    """Source: V23-30"""
    token = {**whole.token(), "type": "EMAID"}
    validate(Token, token)
    for kind, document, read in (
        (Kind.SESSION, {**whole.session(), "cdr_token": token}, lambda sent: sent["cdr_token"]),
        (Kind.CDR, {**whole.cdr(), "cdr_token": token}, lambda sent: sent["cdr_token"]),
        (Kind.START_SESSION, {"token": token}, lambda sent: sent["token"]),
        (Kind.AUTHORIZATION_INFO, {"allowed": "ALLOWED", "token": token}, lambda sent: sent["token"]),
    ):
        text = JsonText(write_json(document))

        assert read(read_json(str(from_canonical(number, kind, text))))["type"] == "OTHER"
        assert read(down(kind, document))["type"] == "EMAID"
        assert read(from_canonical(number, kind, document))["type"] == "OTHER"
    with pytest.raises(Inexpressible, match="no tokens of this type"):
        from_canonical(number, Kind.TOKEN, JsonText(write_json(token)))


# -- credentials

_HUB = {"country_code": "PT", "party_id": "MOB", "business_details": {"name": "Mobi"}}
_CLIENTS = [
    {"role": role, "country_code": "PT", "party_id": party, "business_details": {"name": party}}
    for role, party in (("CPO", "EDP"), ("EMSP", "GLP"))
]


def credentials(*roles: Document, **fields: Any) -> Document:
    return {"token": "T", "url": "https://hub.example/versions", "roles": list(roles), **fields}


def test_a_hub_names_itself_and_lists_its_clients() -> None:
    """Source: V23-05, V23-06, V23-07"""
    ours = credentials({"role": "HUB", **_HUB}, hub_clients=_CLIENTS)

    theirs = down(Kind.CREDENTIALS, ours)

    assert theirs == credentials(*_CLIENTS, hub_party_id="PTMOB")
    assert up(Kind.CREDENTIALS, theirs) == {
        **ours,
        "roles": [{"role": "HUB", **_HUB, "business_details": {"name": "PTMOB"}}],
    }


def test_a_hub_without_clients_has_one_role() -> None:
    """Source: V23-06, V23-07"""
    theirs = down(Kind.CREDENTIALS, credentials({"role": "HUB", **_HUB}))

    assert theirs == credentials({"role": "OTHER", **_HUB}, hub_party_id="PTMOB")
    assert up(Kind.CREDENTIALS, theirs) == credentials({"role": "HUB", **_HUB}, hub_clients=[])


def test_credentials_without_a_hub_are_the_same_in_both_versions() -> None:
    """Source: V23-05"""
    ours = credentials(*_CLIENTS)

    assert up(Kind.CREDENTIALS, ours) == down(Kind.CREDENTIALS, ours) == ours


@pytest.mark.parametrize("hub", ["MOB", "PT*MOB", 5, ["PTMOB"]])
def test_a_hub_party_that_is_none_is_refused(hub: object) -> None:
    """Source: V23-05"""
    with pytest.raises(InvalidParameters, match="such as PTMOB"):
        up(Kind.CREDENTIALS, credentials(*_CLIENTS, hub_party_id=hub))
