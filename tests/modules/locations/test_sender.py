"""Source: OCPI 2.2.1 mod_locations, Sender Interface; LOC-01, LOC-02, RTE-06, RTE-24, RTE-26"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.modules.locations import receiver
from chalicelib.modules.locations.own_locations import patch_own_evse, put_own_location
from chalicelib.modules.locations.sender import INTERFACE
from chalicelib.node import Node
from chalicelib.policy.received_parties import remember_owners
from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, OTHER_CPO, PartnerApi
from tests.modules.builders import T0, T1, T2, connector, evse, location
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

ABC, XYZ = Party("PT", "ABC"), Party("PT", "XYZ")


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    """A CPO node with two parties: PT/ABC with L1, and PT/XYZ with L1 and L2."""
    one_party = node_of("CPO")
    second = OwnRole("CPO", XYZ, {"name": "Second"})
    node = replace(one_party, settings=replace(one_party.settings, roles=(*one_party.settings.roles, second)))
    put(node, ABC, "L1", name="of ABC")
    put(node, XYZ, "L1", name="of XYZ")
    put(node, XYZ, "L2", publish=False)
    return node


def put(node: Node, party: Party, location_id: str, **fields: Any) -> None:
    document = location(country_code=party.country_code, party_id=party.party_id, id=location_id, **fields)
    put_own_location(node, party, location_id, document)


@pytest.fixture
def hub_side(node: Node, partner_of: PartnerOf) -> PartnerApi:
    """The node's locations, called by its hub."""
    return PartnerApi(node, INTERFACE, partner_of(node, "hub"))


def test_the_list_has_locations_with_their_evses(hub_side: PartnerApi) -> None:
    """Source: LOC-01"""
    answer = hub_side.call("GET", to=ABC)

    assert answer.data == [location(name="of ABC")]
    assert answer.headers["X-Total-Count"] == "1"


def test_the_list_has_only_locations_of_the_party_in_ocpi_to(hub_side: PartnerApi) -> None:
    """Source: RTE-06"""
    assert [one["id"] for one in hub_side.call("GET", to=XYZ).data] == ["L1", "L2"]
    assert len(hub_side.call("GET").data) == 3


def test_every_location_is_on_one_page(hub_side: PartnerApi) -> None:
    """Source: PAG-04, PAG-06"""
    pages = hub_side.pages("limit=1")

    assert [len(page) for page in pages] == [1, 1, 1]
    assert {(one["party_id"], one["id"]) for page in pages for one in page} == {
        ("ABC", "L1"),
        ("XYZ", "L1"),
        ("XYZ", "L2"),
    }


def test_a_changed_evse_puts_its_location_into_the_date_window(hub_side: PartnerApi) -> None:
    """Source: LOC-03; docs/mobie.md, scenario 3.6"""
    assert hub_side.call("GET", query=f"date_from={T1}", to=ABC).data == []

    patch_own_evse(hub_side.node, ABC, "L1", "E1", {"status": "CHARGING", "last_updated": T2})

    assert len(hub_side.call("GET", query=f"date_from={T2}", to=ABC).data) == 1


def test_a_location_an_evse_and_a_connector_can_be_read(hub_side: PartnerApi) -> None:
    """Source: LOC-02, TYP-01"""
    assert hub_side.call("GET", "L1", to=ABC).data == location(name="of ABC")
    assert hub_side.call("GET", "l1", "e1", to=ABC).data == evse()
    assert hub_side.call("GET", "L1", "E1", "1", to=ABC).data == connector()


def test_the_owner_is_the_party_in_ocpi_to(hub_side: PartnerApi) -> None:
    """Source: RTE-06, OWN-02"""
    assert hub_side.call("GET", "L1", to=XYZ).data["name"] == "of XYZ"
    assert hub_side.call("GET", "L2", to=ABC).codes == (404, 2003)


def test_an_id_of_two_parties_is_refused_without_ocpi_to(hub_side: PartnerApi) -> None:
    """Source: OWN-02, TRP-17"""
    answer = hub_side.call("GET", "L1")

    assert answer.codes == (200, 2001)
    assert "OCPI-to" in answer.message


@pytest.mark.parametrize("ids", [("L9",), ("L1", "E9"), ("L1", "E1", "9"), ("L2", "1"), ("x" * 40,), ("é",)])
def test_an_unknown_object_is_not_found(hub_side: PartnerApi, ids: tuple[str, ...]) -> None:
    """Source: STA-03, LOC-02"""
    assert hub_side.call("GET", *ids, to=ABC).codes[0] == 404


@pytest.mark.parametrize("ids", [(), ("L1",), ("L1", "E1"), ("L1", "E1", "1")])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_write_methods_are_refused(hub_side: PartnerApi, method: str, ids: tuple[str, ...]) -> None:
    """Source: STA-09"""
    assert hub_side.call(method, *ids, document=location()).codes == (405, 2001)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "offset=x", "date_from=yesterday", f"date_from={T1}&date_to={T0}"]
)
def test_an_invalid_query_is_refused(hub_side: PartnerApi, query: str) -> None:
    """Source: PAG-14"""
    assert hub_side.call("GET", query=query).codes == (200, 2001)


def test_a_cpo_sees_no_locations_of_another_cpo(node: Node, partner_of: PartnerOf) -> None:
    """Source: RTE-17"""
    as_cpo = PartnerApi(node, INTERFACE, partner_of(node, "cpo"))

    assert (as_cpo.call("GET").data, as_cpo.call("GET").headers["X-Total-Count"]) == ([], "0")
    assert as_cpo.call("GET", "L1", to=ABC).codes == (404, 2003)


@pytest.mark.parametrize(("ids", "calls"), [(("L1",), 2), (("L1", "E1"), 2), (("L1", "E1", "1"), 2), ((), 4)])
def test_each_request_stays_within_its_number_of_table_calls(
    hub_side: PartnerApi,
    ids: tuple[str, ...],
    calls: int,
    in_moto: None,
) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    with measured(hub_side.node.table) as spent:
        assert hub_side.call("GET", *ids, to=ABC).data

    assert len(spent.calls) <= calls, spent.calls


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A hub's locations, called by an eMSP: L1 of two CPOs, L2 of one."""
    node = node_of("HUB")
    for name, party, location_id in (
        ("cpo", CPO, "L1"),
        ("other", OTHER_CPO, "L1"),
        ("other", OTHER_CPO, "L2"),
    ):
        document = location(country_code=party.country_code, party_id=party.party_id, id=location_id)
        api = PartnerApi(node, receiver.INTERFACE, partner_of(node, name))
        assert api.call("PUT", *party, location_id, document=document).codes == (201, 1000)
        remember_owners(node.table, [Ref("locations", *party, location_id)])
    return PartnerApi(node, INTERFACE, partner_of(node, "emsp"))


def test_a_hub_lists_the_locations_of_all_owners(hub: PartnerApi) -> None:
    """Source: RTE-26, RTE-24"""
    own = hub.node.settings.roles[0].party

    assert [(one["party_id"], one["id"]) for page in hub.pages("limit=2", to=own) for one in page] == [
        ("EDP", "L1"),
        ("TNM", "L1"),
        ("TNM", "L2"),
    ]
    assert hub.call("GET").data == hub.call("GET", to=own).data


def test_a_hub_finds_the_owner_of_a_location_by_its_id(hub: PartnerApi) -> None:
    """Source: RTE-24"""
    own = hub.node.settings.roles[0].party

    assert hub.call("GET", "L2").data["party_id"] == "TNM"
    assert hub.call("GET", "l2", "E1", to=own).data == evse()
    assert hub.call("GET", "L1").codes == (200, 2001)
    assert hub.call("GET", "L9").codes == (404, 2003)
