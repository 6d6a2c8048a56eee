"""Storing a received tariff without a request. Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.tariffs.keeping import keep
from chalicelib.node import Node
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO
from tests.harness.partners import register
from tests.modules import builders
from tests.modules.builders import T0, T1, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

REF = Ref("tariffs", *CPO, "T1")


def tariff(**fields: Any) -> dict[str, Any]:
    return builders.tariff(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    return node_of("EMSP")


def test_a_tariff_from_its_owner_is_stored(node: Node, partner_of: PartnerOf) -> None:
    """Source: TAR-02"""
    document = tariff(mobie_x={"a": [1, None]})

    kept = keep(node, partner_of(node, "cpo"), document)

    assert (kept.ref, kept.created, kept.change.written, kept.remark) == (REF, True, True, None)
    item = node.table.get(REF.key)
    assert item is not None
    assert (item["body"], item["src"], item["lp"]) == (write_json(document), "cpo", "tariffs#*")
    assert (item["ref"], item["lu"]) == ("tariffs#PT*EDP#T1", "2026-03-01T08:00:00.000000")


def test_a_newer_tariff_replaces_the_stored_one(node: Node, partner_of: PartnerOf) -> None:
    keep(node, partner_of(node, "cpo"), tariff())

    kept = keep(node, partner_of(node, "cpo"), tariff(currency="SEK", last_updated=T1))

    assert (kept.created, kept.change.written) == (False, True)
    assert kept.change.before is not None and kept.change.after is not None
    assert kept.change.after.body == write_json(tariff(currency="SEK", last_updated=T1))


def test_an_older_tariff_changes_nothing_and_has_a_remark(node: Node, partner_of: PartnerOf) -> None:
    """Source: LOC-14's house rule"""
    keep(node, partner_of(node, "cpo"), tariff(last_updated=T1))
    before = node.table.get(REF.key)

    kept = keep(node, partner_of(node, "cpo"), tariff(currency="SEK", last_updated=T0))

    assert (kept.created, kept.change.written) == (False, False)
    assert kept.remark == f"not changed, since last_updated {T0} is older than the stored {T1}"
    assert node.table.get(REF.key) == before


@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_tariff_of_another_party_is_refused(node: Node, partner_of: PartnerOf, name: str) -> None:
    """Source: OWN-01, TRN-28"""
    with pytest.raises(NotFound, match="PT/EDP is not a CPO"):
        keep(node, partner_of(node, name), tariff())

    assert node.table.get(REF.key) is None


def test_a_tariff_from_one_hub_is_not_changed_by_another(node: Node, partner_of: PartnerOf) -> None:
    """Source: RTE-15"""
    assert keep(node, partner_of(node, "hub"), tariff()).created
    before = node.table.get(REF.key)

    with pytest.raises(NotFound, match="known from another partner"):
        keep(node, register(node, "hub-2", ("HUB", Party("PT", "TWO"))), tariff(last_updated=T1))

    assert node.table.get(REF.key) == before


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (without(tariff(), "currency"), "currency"),
        (without(tariff(), "party_id"), "party_id"),
        (tariff(elements=[]), "elements"),
        (tariff(last_updated="yesterday"), "last_updated"),
    ],
)
def test_an_invalid_tariff_is_refused_with_its_field(
    node: Node, partner_of: PartnerOf, document: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        keep(node, partner_of(node, "cpo"), document)

    assert refused.value.field == field
    assert node.table.get(REF.key) is None


def test_a_tariff_with_other_ids_than_its_url_is_refused(node: Node, partner_of: PartnerOf) -> None:
    """Source: TRN-27"""
    with pytest.raises(InvalidParameters) as refused:
        keep(node, partner_of(node, "cpo"), tariff(), ref=REF._replace(id="T2"))

    assert refused.value.field == "id"


def test_a_tariff_that_came_with_a_url_has_the_name_that_the_url_spells(
    node: Node, partner_of: PartnerOf
) -> None:
    """Source: TYP-01"""
    kept = keep(node, partner_of(node, "cpo"), tariff(), ref=REF._replace(id="t1"))

    assert kept.ref.id == "t1"
    item = node.table.get(REF.key)
    assert item is not None and item["ref"] == "tariffs#PT*EDP#t1"


def test_items_that_are_known_are_not_read_again(node: Node, partner_of: PartnerOf, in_moto: None) -> None:
    partner = partner_of(node, "cpo")
    known = node.table.read(node.objects.keys_for_change(REF, "tariffs#*"))

    with measured(node.table) as spent:
        keep(node, partner, tariff(), known)

    assert len(spent.calls) == 1
