"""Storing a received location without a request.

Source: OCPI 2.2.1 mod_locations, Receiver Interface; LOC-04, LOC-14, LOC-16
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.locations.keeping import keep
from chalicelib.modules.locations.reservation import reservation_key
from chalicelib.node import Node
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, OTHER_CPO
from tests.harness.partners import make_strict, register
from tests.modules import builders
from tests.modules.builders import T0, T1, evse, without
from tests.modules.conftest import NodeOf, PartnerOf

REF = Ref("locations", *CPO, "L1")


def location(**fields: Any) -> dict[str, Any]:
    return builders.location(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


@pytest.fixture(params=["HUB", "EMSP"])
def node(request: pytest.FixtureRequest, node_of: NodeOf) -> Node:
    return node_of(request.param)


def stored(node: Node) -> Any:
    body = node.locations.get(REF)
    return None if body is None else read_json(str(body))


@pytest.mark.parametrize(
    ("publish", "partition"), [(True, "locations#*"), (False, "locations#*#unpublished")]
)
def test_a_location_from_its_owner_is_stored_with_its_evses(
    node: Node, partner_of: PartnerOf, publish: bool, partition: str
) -> None:
    """Source: LOC-04, LOC-16"""
    document = location(publish=publish, evses=[evse("E1"), evse("E2")], mobie_x="é")

    kept = keep(node, partner_of(node, "cpo"), document)

    assert (kept.ref, kept.created, kept.remark) == (REF, True, None)
    assert stored(node) == document
    item = node.table.get(REF.key)
    assert item is not None
    assert (item["src"], item["lp"], item["n"]) == ("cpo", partition, 2)


@pytest.mark.parametrize(
    ("document", "ref", "field"),
    [
        (without(location(), "city"), None, "city"),
        (location(evses=[without(evse(), "status")]), None, "evses.0.status"),
        (location(), REF._replace(id="L2"), "id"),
        (location(), REF._replace(country_code="ES"), "country_code"),
    ],
)
def test_an_invalid_location_is_refused_with_its_field(
    node: Node, partner_of: PartnerOf, document: dict[str, Any], ref: Ref | None, field: str
) -> None:
    """Source: TRN-27"""
    with pytest.raises(InvalidParameters) as refused:
        keep(node, make_strict(node, partner_of(node, "cpo")), document, ref=ref)

    assert refused.value.field == field
    assert stored(node) is None


@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_location_of_another_party_is_refused(node: Node, partner_of: PartnerOf, name: str) -> None:
    """Source: OWN-01, TRN-28"""
    with pytest.raises(NotFound, match="PT/EDP is not a CPO"):
        keep(node, partner_of(node, name), location())

    assert stored(node) is None


def test_a_location_from_one_hub_is_not_changed_by_another(node: Node, partner_of: PartnerOf) -> None:
    """Source: RTE-15"""
    keep(node, partner_of(node, "hub"), location())

    with pytest.raises(NotFound, match="known from another partner"):
        keep(node, register(node, "hub-2", ("HUB", Party("PT", "TWO"))), location(name="x", last_updated=T1))

    assert stored(node) == location()


def test_an_older_location_changes_nothing_and_has_a_remark(node: Node, partner_of: PartnerOf) -> None:
    """Source: LOC-14"""
    keep(node, partner_of(node, "cpo"), location(last_updated=T1))
    before = node.table.get(REF.key)

    kept = keep(node, partner_of(node, "cpo"), location(name="old", last_updated=T0))

    assert (kept.created, kept.change.written) == (False, False)
    assert kept.remark == f"not changed, since last_updated {T0} is older than the stored {T1}"
    assert node.table.get(REF.key) == before


def test_an_id_that_another_party_reserved_is_refused(node: Node, partner_of: PartnerOf) -> None:
    """Source: docs/mobie.md, Location ids"""
    node.table.put({"pk": reservation_key("L1").pk, "sk": "#", "owner": OTHER_CPO.key()})

    with pytest.raises(InvalidParameters, match="reserved by another party"):
        keep(node, partner_of(node, "cpo"), location())

    assert stored(node) is None
