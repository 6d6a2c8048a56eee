"""Source: OCPI 2.2.1 mod_tariffs, Sender Interface; TAR-01, PAG-01 … PAG-14"""

from __future__ import annotations

import pytest

from chalicelib.modules.tariffs import receiver
from chalicelib.modules.tariffs.own_tariffs import put_own_tariff
from chalicelib.modules.tariffs.sender import INTERFACE
from chalicelib.node import Node
from tests.harness.partner_api import CPO, OTHER_CPO, PartnerApi
from tests.modules.builders import T0, T1, T2, tariff, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured


@pytest.fixture
def cpo(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A CPO node's tariffs, called by its hub."""
    node = node_of("CPO")
    return PartnerApi(node, INTERFACE, partner_of(node, "hub"))


def put(node: Node, tariff_id: str, last_updated: str = T0) -> None:
    party = node.settings.roles[0].party
    document = without(tariff(last_updated=last_updated), "country_code", "party_id", "id")
    put_own_tariff(node, party, tariff_id, document)


def test_the_list_is_empty_when_there_are_none(cpo: PartnerApi) -> None:
    """Source: TRN-14, PAG-10"""
    answer = cpo.call("GET")

    assert (answer.codes, answer.data) == ((200, 1000), [])
    assert answer.headers["X-Total-Count"] == "0"
    assert "Link" not in answer.headers


def test_every_tariff_is_on_one_page(cpo: PartnerApi) -> None:
    """Source: TAR-01, PAG-04, PAG-06, PAG-08"""
    for number in range(5):
        put(cpo.node, f"T{number}")

    pages = cpo.pages("limit=2")

    assert [[one["id"] for one in page] for page in pages] == [["T0", "T1"], ["T2", "T3"], ["T4"]]
    assert cpo.call("GET", query="limit=2").headers["X-Total-Count"] == "5"


def test_dates_limit_the_list(cpo: PartnerApi) -> None:
    """Source: PAG-02, PAG-03"""
    for number, moment in enumerate([T0, T1, T2]):
        put(cpo.node, f"T{number}", moment)

    answer = cpo.call("GET", query=f"date_from={T1}&date_to={T2}")

    assert [one["id"] for one in answer.data] == ["T1"]
    assert answer.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=abc",
        "offset=-1",
        "offset=1.5",
        "date_from=yesterday",
        "date_to=2026-11-24",
        f"date_from={T1}&date_to={T0}",
    ],
)
def test_an_invalid_query_is_refused(cpo: PartnerApi, query: str) -> None:
    """Source: PAG-14"""
    assert cpo.call("GET", query=query).codes == (200, 2001)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_write_methods_are_refused(cpo: PartnerApi, method: str) -> None:
    """Source: TAR-01, STA-09"""
    assert cpo.call(method, document=tariff()).codes == (405, 2001)


def test_a_page_makes_at_most_four_table_calls(cpo: PartnerApi, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    for number in range(5):
        put(cpo.node, f"T{number}", T1)

    for query in ("", "limit=2&offset=2", f"date_from={T0}", f"limit=2&offset=2&date_from={T0}"):
        with measured(cpo.node.table) as spent:
            assert cpo.call("GET", query=query).data
        assert len(spent.calls) <= 4, (query, spent.calls)


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A hub's tariffs, called by an eMSP: T1 of two CPOs."""
    node = node_of("HUB")
    for name, party in (("cpo", CPO), ("other", OTHER_CPO)):
        document = tariff(country_code=party.country_code, party_id=party.party_id)
        PartnerApi(node, receiver.INTERFACE, partner_of(node, name)).call(
            "PUT", *party, "T1", document=document
        )
    return PartnerApi(node, INTERFACE, partner_of(node, "emsp"))


def test_a_hub_lists_the_tariffs_of_all_owners(hub: PartnerApi) -> None:
    """Source: RTE-26"""
    pages = hub.pages("limit=1", to=hub.node.settings.roles[0].party)

    assert [(one["country_code"], one["party_id"], one["id"]) for page in pages for one in page] == [
        (*CPO, "T1"),
        (*OTHER_CPO, "T1"),
    ]


def test_a_list_without_ocpi_to_is_the_hub_s_own_and_required_of_a_strict_partner(hub: PartnerApi) -> None:
    """Source: RTE-24, RTE-26"""
    own = hub.node.settings.roles[0].party

    assert hub.call("GET").data == hub.call("GET", to=own).data != []
    strict = hub.node.directory.update(
        hub.caller.id, lambda current: current.model_copy(update={"strict": True})
    )
    assert strict is not None
    assert PartnerApi(hub.node, INTERFACE, strict).call("GET").codes == (200, 2001)


def test_a_cpo_sees_no_tariffs_of_other_cpos(hub: PartnerApi, partner_of: PartnerOf) -> None:
    """Source: RTE-17"""
    as_cpo = PartnerApi(hub.node, INTERFACE, partner_of(hub.node, "cpo"))

    answer = as_cpo.call("GET", to=hub.node.settings.roles[0].party)

    assert (answer.data, answer.headers["X-Total-Count"]) == ([], "0")
