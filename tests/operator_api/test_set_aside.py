"""The operator reads what was left out of a received object.

Source: docs/operator-api.md, On a hub or an eMSP
"""

from __future__ import annotations

import pytest

from chalicelib.node import Node
from chalicelib.protocol.json_text import Document
from tests.operator_api.caller import OperatorApi
from tests.reading.receiver import PLACES, node_with_partners, partner_at, push, stored
from tests.reading.shapes import whole

LOGO = {"url": 7, "category": "OPERATOR", "type": "png"}


@pytest.fixture
def node() -> Node:
    return node_with_partners("HUB")


def aside(node: Node, path: str) -> Document:
    found: Document = OperatorApi(node).ask("GET", f"{path}?set_aside=true")
    return found


def test_what_was_left_out_of_a_location_is_shown_until_it_is_replaced(node: Node) -> None:
    place, odd = PLACES["location"], {**whole.location(), "images": [LOGO]}
    assert push(place, node, odd).codes == (201, 1000)
    assert aside(node, "/locations/L1") == {"images.0": LOGO}
    assert "images" not in OperatorApi(node).ask("GET", "/locations/L1")

    patch = {"name": "Porto", "last_updated": "2026-12-01T10:00:00Z"}
    assert partner_at(place, node).call("PATCH", *place.ids, document=patch).codes == (200, 1000)
    assert aside(node, "/locations/L1") == {"images.0": LOGO}

    whole_again = {**whole.location(), "last_updated": "2026-12-01T11:00:00Z"}
    assert push(place, node, whole_again).codes == (200, 1000)
    assert aside(node, "/locations/L1") == {}


def test_what_was_left_out_of_an_evse_is_shown_with_the_evse(node: Node) -> None:
    assert push(PLACES["evse"], node, {**whole.evse(), "images": [LOGO]}).codes[1] == 1000

    assert aside(node, "/locations/L1/E1") == {"images.0": LOGO}
    assert aside(node, "/locations/L1") == {}


@pytest.mark.parametrize(
    ("kind", "path"), [("tariff", "/tariffs/T1"), ("token", "/tokens/0102A"), ("session", "/sessions/S1")]
)
def test_what_was_left_out_of_an_object_is_shown(node: Node, kind: str, path: str) -> None:
    field = {"tariff": "energy_mix", "token": "energy_contract", "session": "meter_id"}[kind]
    document = {**PLACES[kind].make(), field: [1, 2]}
    if kind == "token":
        node = node_with_partners("CPO")

    assert push(PLACES[kind], node, document).codes[1] == 1000

    assert aside(node, path) == {field: [1, 2]}
    assert field not in OperatorApi(node).ask("GET", path)


def test_a_partner_never_reads_what_was_left_out(node: Node) -> None:
    place = PLACES["location"]
    assert push(place, node, {**whole.location(), "images": [LOGO]}).codes == (201, 1000)

    answer = partner_at(place, node).call("GET", *place.ids, query="set_aside=true")

    assert answer.data == stored(place, node)
    assert "images" not in answer.data


def test_another_value_than_true_or_false_is_refused(node: Node) -> None:
    assert push(PLACES["tariff"], node, whole.tariff()).codes == (201, 1000)

    answer = OperatorApi(node).call("GET", "/tariffs/T1?set_aside=maybe")

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["set_aside"]
