"""Source: OCPI 2.2.1 mod_tokens, Push model; TOK-05, TOK-06, OWN-04, OWN-05"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.tokens.own_tokens import OwnKey, patch_own_token, put_own_token
from chalicelib.node import Node
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from tests.modules.builders import token, without
from tests.modules.conftest import NodeOf
from tests.storage.capacity import measured

EVI = Party("PT", "EVI")
PLAIN = without(token(), "country_code", "party_id", "uid", "type", "last_updated")


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    return node_of("EMSP")


def put(node: Node, token_type: str = "RFID", **fields: Any) -> Any:
    return put_own_token(node, OwnKey(EVI, "0102A", token_type), {**PLAIN, **fields})


def stored(node: Node, token_type: str = "RFID") -> Any:
    found = node.objects.get(Ref("tokens", *EVI, "0102A", token_type))
    return read_json(str(found.body)) if found else None


def later(node: Node) -> str:
    node.clock.forward(minutes=1)  # type: ignore[attr-defined]
    return format_datetime(node.clock())


def test_ids_and_time_that_the_operator_leaves_out_are_filled_in(node: Node) -> None:
    written = put(node)

    assert written.created
    assert (
        written.document == stored(node) == token(party_id="EVI", last_updated=format_datetime(node.clock()))
    )


def test_a_token_is_replaced_as_a_whole_with_a_new_time(node: Node) -> None:
    """Source: TRP-08"""
    before = put(node, visual_number="1").document
    moment = later(node)

    written = put_own_token(
        node, OwnKey(EVI, "0102a", "RFID"), {**without(before, "visual_number"), "valid": False}
    )

    assert not written.created
    assert stored(node) == token(party_id="EVI", valid=False, last_updated=moment)


def test_an_unchanged_token_is_not_written_again(node: Node, in_moto: None) -> None:
    read = put(node).document
    later(node)

    with measured(node.table) as spent:
        assert put(node) == (read, False)

    assert spent.write_units == 0


def test_a_patch_changes_only_the_fields_in_it(node: Node) -> None:
    put(node, visual_number="1")
    moment = later(node)

    patch_own_token(node, OwnKey(EVI, "0102A", "RFID"), {"valid": False, "visual_number": None})

    assert stored(node) == token(party_id="EVI", valid=False, last_updated=moment)


def test_one_uid_may_have_tokens_of_two_types(node: Node) -> None:
    """Source: OWN-05"""
    put(node)
    assert put(node, "APP_USER").created

    patch_own_token(node, OwnKey(EVI, "0102A", "APP_USER"), {"valid": False})

    assert (stored(node)["valid"], stored(node, "APP_USER")["valid"]) == (True, False)


def test_a_patch_of_an_unknown_token_is_not_found(node: Node) -> None:
    put(node)

    with pytest.raises(NotFound):
        patch_own_token(node, OwnKey(EVI, "0102A", "OTHER"), {"valid": False})


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("uid", {"uid": "0102B"}),
        ("type", {"type": "OTHER"}),
        ("party_id", {"party_id": "XYZ"}),
        ("valid", {"valid": "yes"}),
        ("valid", {"valid": None}),
        ("whitelist", {"whitelist": "sometimes"}),
        ("energy_contract.supplier_name", {"energy_contract": {}}),
        ("last_updated", {"last_updated": "now"}),
    ],
)
def test_a_wrong_token_is_refused_and_the_error_names_its_field(
    node: Node, field: str, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        put(node, **change)

    assert refused.value.field == field
    assert stored(node) is None
