"""Values that must be relayed unchanged: unusual ids, unknown fields and values, zeros and digits.

They go from the CPO node, or a CPO partner, through the hub node to an eMSP partner.
Chapters: OCPI 2.2.1 types, transport_and_format; TYP-01 .. TYP-03, TYP-09, TYP-14, TYP-15, LOC-19, RTE-11,
TRP-16.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.flows.conftest import Guests
from tests.third_party.connection import Connection
from tests.third_party.objects import LATER, connector, evse, location, tariff
from tests.third_party.operator_door import Node
from tests.third_party.waiting import eventually

ODD_IDS = [
    "LSB-00693",
    "PT*MOB*E*LSB*00693*1",
    "day and night",
    "day/night",
    "100%",
    "a%2Fb",
    "1+1=2",
    "tilde~dot.dash-under_score",
    "?query#fragment",
    "quote\"and'quote",
    "semi;colon,comma:at@",
    "(brackets)[square]{curly}<angle>",
    "back\\slash|pipe^caret`tick",
    " leading and trailing ",
    "...",
    "x" * 36,
]


@pytest.fixture(scope="module")
def owner(nodes: dict[str, Node], module_guests: Guests) -> Connection:
    """A CPO partner at the hub."""
    return module_guests.join("CPO", nodes["hub"])


@pytest.fixture(scope="module")
def listener(nodes: dict[str, Node], module_guests: Guests) -> Connection:
    """An eMSP partner at the hub."""
    return module_guests.join("EMSP", nodes["hub"])


@pytest.mark.parametrize("odd", ODD_IDS)
def test_a_tariff_with_an_unusual_id_is_relayed(owner: Connection, listener: Connection, odd: str) -> None:
    """Pushed, read back, listed, broadcast and deleted. Source: TRP-16, TYP-02"""
    key = (*owner.partner.party, odd)
    sent = tariff(owner.partner.party, odd)

    assert owner.put("tariffs", sent).codes == (201, 1000)

    assert owner.look("tariffs", *key).data == sent
    assert listener.partner.wait_for_push("tariffs", *key).document == sent
    assert sent in listener.pull("tariffs", limit=50)
    assert owner.push("DELETE", "tariffs", key).codes == (200, 1000)
    listener.partner.wait_for_push("tariffs", *key, method="DELETE")


@pytest.mark.parametrize("odd", ODD_IDS)
def test_a_location_with_unusual_ids_is_relayed(owner: Connection, listener: Connection, odd: str) -> None:
    """Checks every level. Source: TRP-16, TYP-02"""
    key = (*owner.partner.party, odd)
    sent = location(owner.partner.party, odd, evses=[evse(odd, connectors=[connector(odd)])])

    assert owner.put("locations", sent).codes == (201, 1000)
    patch = {"tariff_ids": [odd], "last_updated": LATER}
    assert owner.push("PATCH", "locations", (*key, odd, odd), patch).codes == (200, 1000)

    assert owner.look("locations", *key, odd, odd).data == {**connector(odd), **patch}
    eventually(lambda: listener.partner.held("locations", *key) == owner.look("locations", *key).data)


def test_unusual_ids_from_the_operator_reach_the_emsp_node(cpo: Node, emsp: Node) -> None:
    """From the CPO node through the hub node to the eMSP node; the deletion is pushed too."""
    for odd in ODD_IDS:
        cpo.offer(odd)
        assert cpo.ask("GET", "tariffs", odd)["id"] == odd

    eventually(lambda: set(ODD_IDS) <= {found["id"] for found in emsp.all("tariffs")})
    cpo.withdraw()
    eventually(lambda: not set(ODD_IDS) & {found["id"] for found in emsp.all("tariffs")})


@pytest.mark.parametrize("at", ["hub", "emsp"])
def test_ids_are_found_in_any_case_and_keep_their_original_case(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: TYP-01"""
    line = guests.join("CPO", nodes[at])
    owner = line.partner.party
    line.put("locations", location(owner, "Loc1", evses=[evse("Evse-a", connectors=[connector("Con-b")])]))

    lower = (owner.country_code.lower(), owner.party_id.lower())
    assert line.look("locations", *lower, "loc1").data["id"] == "Loc1"
    assert line.look("locations", *owner, "LOC1", "EVSE-A").data["uid"] == "Evse-a"
    assert line.look("locations", *owner, "LOC1", "evse-A", "CON-B").data["id"] == "Con-b"


@pytest.mark.parametrize("at", ["hub", "emsp"])
def test_the_same_id_in_another_case_is_the_same_object(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: TYP-01"""
    line = guests.join("CPO", nodes[at])
    owner = line.partner.party

    assert line.put("tariffs", tariff(owner, "Night")).codes == (201, 1000)
    assert line.put("tariffs", tariff(owner, "NIGHT", currency="NOK", last_updated=LATER)).codes == (
        200,
        1000,
    )

    mine = [found for found in nodes[at].all("tariffs") if found["party_id"] == owner.party_id]
    assert [found["currency"] for found in mine] == ["NOK"]
    patch = {"uid": "e1", "status": "BLOCKED", "last_updated": LATER}
    line.put("locations", location(owner, "L1"))
    line.push("PATCH", "locations", (*owner, "L1", "e1"), patch)
    assert len(line.look("locations", *owner, "L1").data["evses"]) == 1


@pytest.mark.parametrize("at", ["hub", "emsp"])
def test_url_and_body_may_write_an_id_in_different_case(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: TYP-01, TRN-27"""
    line = guests.join("CPO", nodes[at])
    owner = line.partner.party

    answer = line.push(
        "PUT", "tariffs", (owner.country_code, owner.party_id.lower(), "night"), tariff(owner, "NIGHT")
    )

    assert answer.codes == (201, 1000)
    assert line.look("tariffs", *owner, "NIGHT").data["id"] == "NIGHT"


def location_with_unknown_fields(owner: Any, object_id: str) -> dict[str, Any]:
    """A location with fields and values that OCPI 2.2.1 does not have, at every level."""
    outlet = connector("1", standard="MCS", mobie_plug={"turns": Decimal("1.50")})
    point = evse(
        "E1", connectors=[outlet], status="ASLEEP", capabilities=["TELEPATHY"], x_list=[1, None, "a"]
    )
    return location(
        owner,
        object_id,
        evses=[point],
        facilities=["LIGHTHOUSE"],
        mobie_cpe="PT0002000012345678AB",
        mobie_voltage_level="BTE",
        mobie_access_type={"public": True, "since": None, "tariff": Decimal("0.10")},
    )


def test_unknown_fields_and_values_are_relayed(owner: Connection, listener: Connection) -> None:
    """Source: TYP-14, TYP-15"""
    sent = location_with_unknown_fields(owner.partner.party, "NEW")

    assert owner.put("locations", sent).codes == (201, 1000)

    assert owner.look("locations", *owner.partner.party, "NEW").data == sent
    assert listener.partner.wait_for_push("locations", *owner.partner.party, "NEW").document == sent
    assert sent in listener.pull("locations", limit=20)


def test_unknown_fields_from_the_operator_reach_the_emsp_partner(cpo: Node, listener: Connection) -> None:
    """From the CPO node through the hub node to the partner. Source: TYP-14, TYP-15, RTE-11"""
    location_id = f"NEW-{listener.partner.party.party_id}"

    cpo.ask("PUT", "locations", location_id, document=location_with_unknown_fields(cpo.party, location_id))

    eventually(lambda: listener.partner.held("locations", *cpo.party, location_id))
    assert listener.partner.held("locations", *cpo.party, location_id) == cpo.ask(
        "GET", "locations", location_id
    )


PRICES = [
    "0.10",
    "0.2500",
    "0.1234",
    "1",
    "1.0",
    "0",
    "0.0000",
    "123456789.1234",
    "0.30000000000000004",
    "-1.50",
]


@pytest.mark.parametrize("price", PRICES)
def test_a_price_keeps_its_digits_end_to_end(cpo: Node, listener: Connection, price: str) -> None:
    """From the CPO's operator through the hub to the eMSP, as text. Source: TYP-09, TRP-27"""
    tariff_id = f"PRICE {price}"
    elements = tariff(cpo.party, tariff_id)["elements"]
    elements[0]["price_components"][0] |= {"price": Decimal(price), "vat": Decimal("23.0")}

    cpo.offer(tariff_id, elements=elements)

    push = listener.partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    component = push.document["elements"][0]["price_components"][0]
    assert (str(component["price"]), str(component["vat"])) == (price, "23.0")
    for text in (push.body, listener.call("GET", listener.url("tariffs", "SENDER"), routed=True).body):
        assert b'"price":"' not in text.replace(b" ", b"")


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("38.7000000", "-9.1000000"), ("0.00000", "-0.00000"), ("9.00000", "100.0000000")],
)
def test_coordinates_keep_their_zeros(
    owner: Connection, listener: Connection, latitude: str, longitude: str
) -> None:
    """Source: LOC-19, TRP-26"""
    coordinates = {"latitude": latitude, "longitude": longitude}

    owner.put("locations", location(owner.partner.party, f"ZERO {latitude}", coordinates=coordinates))

    push = listener.partner.wait_for_push("locations", *owner.partner.party, f"ZERO {latitude}")
    assert push.document["coordinates"] == coordinates
    assert (
        owner.look("locations", *owner.partner.party, f"ZERO {latitude}").data["coordinates"] == coordinates
    )


@pytest.mark.parametrize(
    "last_updated",
    [
        "2026-01-10T08:00:00",
        "2026-01-10T08:00:00Z",
        "2026-01-10T08:00:00.2Z",
        "2026-01-10T08:00:00.123",
        "2026-01-10T08:00:00.000Z",
    ],
)
def test_a_timestamp_is_relayed_unchanged(owner: Connection, listener: Connection, last_updated: str) -> None:
    """Source: TYP-06, TYP-07, TYP-08, RTE-11"""
    sent = tariff(owner.partner.party, last_updated, last_updated=last_updated)

    assert owner.put("tariffs", sent).codes == (201, 1000)

    assert listener.partner.wait_for_push("tariffs", *owner.partner.party, last_updated).document == sent
    assert owner.look("tariffs", *owner.partner.party, last_updated).data["last_updated"] == last_updated


def test_text_in_every_script_is_relayed(owner: Connection, listener: Connection) -> None:
    """Source: TYP-03"""
    name = "São João · Straße · Ωμέγα · 充电 · 🔌"

    owner.put("locations", location(owner.partner.party, "NAME", name=name))

    assert listener.partner.wait_for_push("locations", *owner.partner.party, "NAME").document["name"] == name


def test_an_absent_list_may_be_null(hub: Node, guests: Guests) -> None:
    """Source: TYP-12"""
    line = guests.join("CPO", hub)
    owner = line.partner.party

    places: tuple[dict[str, Any], ...] = (
        {"evses": None},
        {"evses": []},
        {"name": None, "images": None, "operator": None},
    )
    for place in places:
        sent = location(owner, "NULL", **place)
        assert line.put("locations", sent).status_code == 1000
    without = {name: value for name, value in location(owner, "NONE").items() if name != "evses"}
    assert line.put("locations", without).codes == (201, 1000)
    assert line.look("locations", *owner, "NONE").data == without
