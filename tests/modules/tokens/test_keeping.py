"""Storing a received token without a request. Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.tokens.keeping import keep
from chalicelib.node import Node
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import EMSP
from tests.harness.partners import make_strict, register
from tests.modules.builders import T0, T1, token, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

REF = Ref("tokens", *EMSP, "0102A", "RFID")


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    return node_of("CPO")


def owners(node: Node) -> list[Party]:
    return known_owners(node.table.get_many([owners_key("tokens")]), "tokens")


def test_a_token_from_its_owner_is_stored_and_its_owner_is_remembered(
    node: Node, partner_of: PartnerOf
) -> None:
    """Source: TOK-01, OWN-02"""
    kept = keep(node, partner_of(node, "emsp"), token())

    assert (kept.ref, kept.created, kept.remark) == (REF, True, None)
    item = node.table.get(REF.key)
    assert item is not None
    assert (item["body"], item["src"], item["lp"]) == (write_json(token()), "emsp", "tokens#*")
    assert owners(node) == [EMSP]


def test_an_owner_that_is_known_is_read_and_not_written_again(
    node: Node, partner_of: PartnerOf, in_moto: None
) -> None:
    keep(node, partner_of(node, "emsp"), token())

    with measured(node.table) as spent:
        keep(node, partner_of(node, "emsp"), token(last_updated=T1))

    # The owners, the stored token, and the write.
    assert len(spent.calls) == 3


def test_the_type_in_the_document_is_part_of_the_key(node: Node, partner_of: PartnerOf) -> None:
    """Source: OWN-05, TOK-02"""
    app_user = token(type="APP_USER")

    assert keep(node, partner_of(node, "emsp"), app_user).ref.variant == "APP_USER"
    assert keep(node, partner_of(node, "emsp"), app_user, ref=REF._replace(variant="")).created is False

    item = node.table.get(REF._replace(variant="APP_USER").key)
    assert item is not None and item["body"] == write_json(app_user)
    assert node.table.get(REF.key) is None


@pytest.mark.parametrize(
    ("document", "ref", "field"),
    [
        (without(token(), "type"), None, "type"),
        (token(valid="yes"), None, "valid"),
        (token(uid="x" * 37), None, "uid"),
        (token(), REF._replace(id="0102B"), "uid"),
        (token(), REF._replace(variant="OTHER"), "type"),
    ],
)
def test_an_invalid_token_is_refused_with_its_field(
    node: Node, partner_of: PartnerOf, document: dict[str, Any], ref: Ref | None, field: str
) -> None:
    """Source: TRN-27, TOK-02"""
    with pytest.raises(InvalidParameters) as refused:
        keep(node, make_strict(node, partner_of(node, "emsp")), document, ref=ref)

    assert refused.value.field == field
    assert node.table.get(REF.key) is None


@pytest.mark.parametrize("name", ["other", "cpo"])
def test_a_token_of_another_party_is_refused(node: Node, partner_of: PartnerOf, name: str) -> None:
    """Source: OWN-01, TRN-28"""
    with pytest.raises(NotFound, match="PT/GLP is not a EMSP"):
        keep(node, partner_of(node, name), token())

    assert node.table.get(REF.key) is None
    assert owners(node) == []


def test_a_token_from_one_hub_is_not_changed_by_another(node: Node, partner_of: PartnerOf) -> None:
    """Source: RTE-15"""
    keep(node, partner_of(node, "hub"), token())
    before = node.table.get(REF.key)

    with pytest.raises(NotFound, match="known from another partner"):
        keep(node, register(node, "hub-2", ("HUB", Party("PT", "TWO"))), token(last_updated=T1))

    assert node.table.get(REF.key) == before


def test_an_older_token_changes_nothing_and_has_a_remark(node: Node, partner_of: PartnerOf) -> None:
    """Source: LOC-14's house rule"""
    keep(node, partner_of(node, "emsp"), token(last_updated=T1))
    before = node.table.get(REF.key)

    kept = keep(node, partner_of(node, "emsp"), token(valid=False, last_updated=T0))

    assert kept.change.written is False
    assert kept.remark == f"not changed, since last_updated {T0} is older than the stored {T1}"
    assert node.table.get(REF.key) == before
