"""Source: OCPI 2.2.1 mod_locations, Receiver Interface; LOC-04 … LOC-14"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.modules.locations.receiver import INTERFACE
from chalicelib.modules.locations.reservation import reservation_key
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO, PartnerApi
from tests.harness.partners import make_strict
from tests.modules import builders
from tests.modules.builders import T0, T1, T2, T3, connector, evse, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

L1 = (*CPO, "L1")
E1 = (*L1, "E1")
C1 = (*E1, "1")
AsPartner = Callable[[str], PartnerApi]


def location(**fields: Any) -> dict[str, Any]:
    return builders.location(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


@pytest.fixture
def as_partner(node_of: NodeOf, partner_of: PartnerOf) -> AsPartner:
    """Returns a hub's interface as the partner with this name calls it."""
    node = node_of("HUB")
    return lambda name: PartnerApi(node, INTERFACE, partner_of(node, name))


@pytest.fixture
def cpo(as_partner: AsPartner) -> PartnerApi:
    return as_partner("cpo")


@pytest.fixture
def known(cpo: PartnerApi) -> PartnerApi:
    """The CPO, whose location L1 with E1 and E2 is stored."""
    assert cpo.call("PUT", *L1, document=location(evses=[evse("E1"), evse("E2")])).codes == (201, 1000)
    return cpo


def test_put_of_a_new_location_creates_it(cpo: PartnerApi) -> None:
    """Source: LOC-04, STA-05, TYP-14, TRP-26"""
    document = location(
        name="São João",
        mobie_cpe="PT0002",
        evses=[evse(mobie_x=[{"a": None}], connectors=[connector(standard="MCS")])],
    )

    answer = cpo.call("PUT", *L1, document=document)

    assert (answer.codes, answer.has_data) == ((201, 1000), False)
    assert cpo.call("GET", *L1).data == document


def test_put_of_a_known_location_replaces_all_of_it(known: PartnerApi) -> None:
    """Source: LOC-04, STA-04, TRN-23"""
    document = location(evses=[evse("E2"), evse("E3")], last_updated=T1)

    assert known.call("PUT", *L1, document=document).codes == (200, 1000)

    assert known.call("GET", *L1).data == document
    assert known.call("GET", *E1).codes == (404, 2003)


def test_a_patch_replaces_a_nested_object_as_a_whole_and_merges_evses_by_their_uid(known: PartnerApi) -> None:
    """Source: TRN-24, LOC-08"""
    first = {"operator": {"name": "A", "website": "https://a.example"}, "last_updated": T1}
    known.call("PATCH", *L1, document=first)
    second = {
        "operator": {"name": "B"},
        "evses": [{"uid": "E2", "status": "BLOCKED"}],
        "last_updated": T2,
    }

    assert known.call("PATCH", *L1, document=second).codes == (200, 1000)

    stored = known.call("GET", *L1).data
    assert stored["operator"] == {"name": "B"}
    assert [each["status"] for each in stored["evses"]] == ["AVAILABLE", "BLOCKED"]


def test_a_location_without_evses_is_stored(cpo: PartnerApi) -> None:
    """Source: LOC-15"""
    document = without(location(), "evses")

    assert cpo.call("PUT", *L1, document=document).codes == (201, 1000)
    assert cpo.call("GET", *L1).data == document


def test_an_emsp_stores_locations_of_a_hub(node_of: NodeOf, partner_of: PartnerOf) -> None:
    """Source: RTE-15"""
    node = node_of("EMSP")
    from_hub = PartnerApi(node, INTERFACE, partner_of(node, "hub"))

    assert from_hub.call("PUT", *L1, document=location()).codes == (201, 1000)
    assert from_hub.call("GET", *L1).data == location()


def test_a_location_an_evse_and_a_connector_can_be_read(known: PartnerApi) -> None:
    """Source: LOC-12, TYP-01"""
    assert known.call("GET", *E1).data == evse("E1")
    assert known.call("GET", *C1).data == connector("1")
    assert known.call("GET", "pt", "edp", "l1", "e1", "1").data == connector("1")


def test_the_hub_answers_from_its_own_copy_when_it_is_addressed(known: PartnerApi) -> None:
    """Source: LOC-12, RTE-19"""
    assert known.call("GET", *L1, to=known.node.settings.roles[0].party).codes == (200, 1000)


UNKNOWN: list[tuple[str, tuple[str, ...], Any]] = [
    ("GET", (*CPO, "L9"), None),
    ("GET", (*CPO, "L9", "E1"), None),
    ("GET", (*L1, "E9"), None),
    ("GET", (*L1, "E9", "1"), None),
    ("GET", (*E1, "9"), None),
    ("PATCH", (*CPO, "L9"), {"name": "x", "last_updated": T1}),
    ("PATCH", (*CPO, "L9", "E1"), {"status": "CHARGING", "last_updated": T1}),
    ("PATCH", (*L1, "E9"), {**evse("E9"), "last_updated": T1}),
    ("PATCH", (*L1, "E9", "1"), {"max_voltage": 400, "last_updated": T1}),
    ("PATCH", (*E1, "9"), connector("9", last_updated=T1)),
    ("PUT", (*CPO, "L9", "E1"), evse("E1", last_updated=T1)),
    ("PUT", (*L1, "E9", "1"), connector("1", last_updated=T1)),
]


@pytest.mark.parametrize(("method", "ids", "document"), UNKNOWN)
def test_an_unknown_location_evse_or_connector_is_answered_404_with_2003(
    known: PartnerApi, method: str, ids: tuple[str, ...], document: Any
) -> None:
    """Source: STA-03, STA-08, LOC-13"""
    assert known.call(method, *ids, document=document).codes == (404, 2003)
    assert known.call("GET", *L1).data == location(evses=[evse("E1"), evse("E2")])


def test_put_of_a_new_evse_adds_it(known: PartnerApi) -> None:
    """Source: LOC-05"""
    new = evse("E3", last_updated=T1)

    assert known.call("PUT", *L1, "E3", document=new).codes == (201, 1000)

    assert known.call("GET", *L1).data == location(evses=[evse("E1"), evse("E2"), new], last_updated=T1)


def test_put_of_a_known_evse_replaces_only_that_evse(known: PartnerApi) -> None:
    """Source: LOC-05, LOC-03"""
    new = evse("E1", physical_reference="7", last_updated=T1)

    assert known.call("PUT", *E1, document=new).codes == (200, 1000)

    assert known.call("GET", *L1).data == location(evses=[new, evse("E2")], last_updated=T1)


def test_put_of_a_connector_adds_or_replaces_only_that_connector(known: PartnerApi) -> None:
    """Source: LOC-05, LOC-03"""
    replaced, added = connector("1", max_amperage=63, last_updated=T1), connector("2", last_updated=T2)

    assert known.call("PUT", *C1, document=replaced).codes == (200, 1000)
    assert known.call("PUT", *E1, "2", document=added).codes == (201, 1000)

    changed = evse("E1", connectors=[replaced, added], last_updated=T2)
    assert known.call("GET", *L1).data == location(evses=[changed, evse("E2")], last_updated=T2)


def test_a_patch_changes_each_level_and_raises_last_updated_of_its_parents(known: PartnerApi) -> None:
    """Source: LOC-06, LOC-03, TRN-24"""
    assert known.call("PATCH", *L1, document={"name": "Alfa", "last_updated": T1}).codes == (200, 1000)
    assert known.call("PATCH", *E1, document={"status": "CHARGING", "last_updated": T2}).codes == (200, 1000)
    assert known.call("PATCH", *C1, document={"tariff_ids": ["T1"], "last_updated": T3}).codes == (200, 1000)

    changed = evse(
        "E1", status="CHARGING", connectors=[connector(tariff_ids=["T1"], last_updated=T3)], last_updated=T3
    )
    assert known.call("GET", *L1).data == location(name="Alfa", evses=[changed, evse("E2")], last_updated=T3)


def test_a_patch_with_evses_merges_them(known: PartnerApi) -> None:
    """Source: LOC-08"""
    patch = {"evses": [{"uid": "E2", "status": "CHARGING"}], "last_updated": T1}

    assert known.call("PATCH", *L1, document=patch).codes == (200, 1000)

    changed = evse("E2", status="CHARGING", last_updated=T1)
    assert known.call("GET", *L1).data == location(evses=[evse("E1"), changed], last_updated=T1)


def test_null_in_a_patch_removes_an_optional_field_and_is_refused_for_a_required_one(
    known: PartnerApi,
) -> None:
    known.call("PATCH", *L1, document={"name": "Alfa", "last_updated": T1})

    assert known.call("PATCH", *L1, document={"name": None, "last_updated": T2}).codes == (200, 1000)
    assert known.call("PATCH", *L1, document={"city": None, "last_updated": T2}).codes == (200, 2001)

    expected = location(evses=[evse("E1"), evse("E2")], last_updated=T2)
    assert known.call("GET", *L1).data == expected


def test_an_older_push_is_answered_with_success_and_ignored(known: PartnerApi) -> None:
    """Source: LOC-14"""
    known.call("PATCH", *C1, document={"tariff_ids": ["T1"], "last_updated": T2})
    before = known.call("GET", *L1).data

    for method, ids, document in (
        ("PUT", L1, location(name="Old", last_updated=T1)),
        ("PATCH", L1, {"name": "Old", "last_updated": T1}),
        ("PUT", E1, evse(status="BLOCKED", last_updated=T1)),
        ("PATCH", E1, {"status": "BLOCKED", "last_updated": T1}),
        ("PUT", C1, connector(max_voltage=400, last_updated=T1)),
        ("PATCH", C1, {"max_voltage": 400, "last_updated": T1}),
    ):
        assert known.call(method, *ids, document=document).codes == (200, 1000)

    assert known.call("GET", *L1).data == before


def test_an_update_of_one_evse_does_not_make_an_update_of_another_look_old(known: PartnerApi) -> None:
    """Source: LOC-14"""
    known.call("PATCH", *E1, document={"status": "CHARGING", "last_updated": T2})

    known.call("PATCH", *L1, "E2", document={"status": "BLOCKED", "last_updated": T1})

    location_now = known.call("GET", *L1).data
    assert [one["status"] for one in location_now["evses"]] == ["CHARGING", "BLOCKED"]
    assert location_now["last_updated"] == T2


def test_a_removed_evse_stays_in_the_location(known: PartnerApi) -> None:
    """Source: LOC-09, LOC-11"""
    for uid in ("E1", "E2"):
        known.call("PATCH", *L1, uid, document={"status": "REMOVED", "last_updated": T1})

    assert [one["status"] for one in known.call("GET", *L1).data["evses"]] == ["REMOVED", "REMOVED"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
@pytest.mark.parametrize("ids", [L1, E1, C1])
def test_delete_and_post_are_refused(known: PartnerApi, method: str, ids: tuple[str, ...]) -> None:
    """Source: LOC-10, STA-09"""
    assert known.call(method, *ids).codes == (405, 2001)
    assert known.call("GET", *L1).codes == (200, 1000)


def test_two_owners_may_have_locations_of_one_id(known: PartnerApi, as_partner: AsPartner) -> None:
    """Source: OWN-02"""
    other = {**location(name="Other"), "country_code": "NL", "party_id": "TNM"}

    assert as_partner("other").call("PUT", *OTHER_CPO, "L1", document=other).codes == (201, 1000)

    assert as_partner("other").call("GET", *OTHER_CPO, "L1").data == other
    assert "name" not in known.call("GET", *L1).data


FOREIGN: list[tuple[str, tuple[str, ...], Any]] = [
    ("GET", L1, None),
    ("PUT", L1, location(last_updated=T1)),
    ("PATCH", L1, {"name": "x", "last_updated": T1}),
    ("GET", E1, None),
    ("PUT", E1, evse(last_updated=T1)),
    ("PATCH", E1, {"status": "BLOCKED", "last_updated": T1}),
    ("GET", C1, None),
    ("PUT", C1, connector(last_updated=T1)),
    ("PATCH", C1, {"max_voltage": 400, "last_updated": T1}),
]


@pytest.mark.parametrize(("method", "ids", "document"), FOREIGN)
def test_a_partner_cannot_read_or_change_another_party_s_location(
    known: PartnerApi, as_partner: AsPartner, method: str, ids: tuple[str, ...], document: Any
) -> None:
    """Source: OWN-01, TRN-28"""
    for name in ("other", "emsp"):
        assert as_partner(name).call(method, *ids, document=document).codes == (404, 2001)

    assert known.call("GET", *L1).data == location(evses=[evse("E1"), evse("E2")])


def test_a_hub_pushes_for_its_clients(as_partner: AsPartner) -> None:
    """Source: RTE-15, TRP-18"""
    hub = as_partner("hub")
    assert hub.call("PUT", *L1, document=location(evses=[evse("E1")])).codes == (201, 1000)
    patch = {"status": "CHARGING", "last_updated": T1}

    assert hub.call("PATCH", *E1, document=patch).codes == (200, 1000)

    assert hub.call("GET", *E1).data["status"] == "CHARGING"


def test_a_hub_cannot_push_for_a_party_that_is_a_partner_itself(
    known: PartnerApi, as_partner: AsPartner
) -> None:
    """The role HUB alone gives no right to push. Source: OWN-01"""
    patch = {"status": "CHARGING", "last_updated": T1}

    assert as_partner("hub").call("PATCH", *E1, document=patch).codes == (404, 2001)

    assert known.call("GET", *E1).data["status"] == "AVAILABLE"


def test_a_location_of_an_emsp_is_refused(as_partner: AsPartner) -> None:
    """Source: OWN-01"""
    document = {**location(), "party_id": EMSP.party_id}

    assert as_partner("emsp").call("PUT", *EMSP, "L1", document=document).codes == (404, 2001)


def test_an_id_that_another_party_reserved_is_refused(known: PartnerApi, as_partner: AsPartner) -> None:
    """Source: docs/mobie.md, Location ids and scenario 3.1"""
    key = reservation_key("PRT-00001")
    known.node.table.put({"pk": key.pk, "sk": key.sk, "owner": OTHER_CPO.key()})
    ours = location(id="PRT-00001")
    theirs = {**ours, "country_code": "NL", "party_id": "TNM"}

    assert known.call("PUT", *CPO, "PRT-00001", document=ours).codes == (200, 2001)
    assert as_partner("other").call("PUT", *OTHER_CPO, "PRT-00001", document=theirs).codes == (201, 1000)


BAD: list[tuple[str, tuple[str, ...], dict[str, Any], tuple[int, int]]] = [
    ("PUT", L1, {"document": without(location(last_updated=T1), "time_zone")}, (200, 2001)),
    ("PUT", L1, {"document": location(id="L2", last_updated=T1)}, (200, 2001)),
    ("PUT", L1, {"document": {**location(last_updated=T1), "party_id": "TNM"}}, (200, 2001)),
    ("PUT", L1, {"document": {**location(last_updated=T1), "country_code": "NL"}}, (200, 2001)),
    ("PUT", L1, {"document": location(evses="E1", last_updated=T1)}, (200, 2001)),
    ("PUT", L1, {"document": location(coordinates={"latitude": 1, "longitude": 2})}, (200, 2001)),
    ("PUT", L1, {"body": "{"}, (400, 2001)),
    ("PUT", L1, {}, (400, 2001)),
    ("PUT", L1, {"body": "[]"}, (200, 2001)),
    ("PUT", L1, {"document": location(), "headers": {"content-type": "application/xml"}}, (415, 2001)),
    ("PUT", L1, {"document": location(x="x" * (2 * 1024 * 1024))}, (200, 2001)),
    ("PATCH", L1, {"document": {"name": "x"}}, (200, 2001)),
    ("PATCH", L1, {"document": {"name": 5, "last_updated": T1}}, (200, 2001)),
    ("PATCH", L1, {"document": {"id": "L2", "last_updated": T1}}, (200, 2001)),
    ("PATCH", L1, {"document": {"evses": None, "last_updated": T1}}, (200, 2001)),
    ("PATCH", L1, {"body": "nonsense"}, (400, 2001)),
    ("PATCH", L1, {"body": '"text"'}, (200, 2001)),
    ("PUT", E1, {"document": without(evse(last_updated=T1), "status")}, (200, 2001)),
    ("PUT", E1, {"document": evse("E2", last_updated=T1)}, (200, 2001)),
    ("PUT", E1, {"document": evse(connectors=[], last_updated=T1)}, (200, 2001)),
    ("PUT", E1, {"document": evse(last_updated="now")}, (200, 2001)),
    ("PUT", E1, {"body": "{"}, (400, 2001)),
    ("PATCH", E1, {"document": {"status": "available", "last_updated": T1}}, (200, 2001)),
    ("PATCH", E1, {"document": {"status": "CHARGING"}}, (200, 2001)),
    ("PATCH", E1, {"document": {"uid": "E2", "last_updated": T1}}, (200, 2001)),
    ("PATCH", E1, {"document": {"connectors": [], "last_updated": T1}}, (200, 2001)),
    ("PATCH", E1, {"document": {"connectors": None, "last_updated": T1}}, (200, 2001)),
    ("PATCH", E1, {"body": "null"}, (200, 2001)),
    ("PUT", C1, {"document": without(connector(last_updated=T1), "standard")}, (200, 2001)),
    ("PUT", C1, {"document": connector("2", last_updated=T1)}, (200, 2001)),
    ("PUT", C1, {"document": connector(max_voltage="230", last_updated=T1)}, (200, 2001)),
    ("PUT", C1, {"body": "}"}, (400, 2001)),
    ("PATCH", C1, {"document": {"max_voltage": None, "last_updated": T1}}, (200, 2001)),
    ("PATCH", C1, {"document": {"max_voltage": 400}}, (200, 2001)),
    ("PATCH", C1, {"document": {"id": "2", "last_updated": T1}}, (200, 2001)),
    ("PATCH", C1, {"document": {"id": 1, "last_updated": T1}}, (200, 2001)),
    ("PUT", (*CPO, "x" * 3000), {"document": location(id="x" * 3000)}, (200, 2001)),
    ("PUT", (*L1, "é"), {"document": evse("é")}, (200, 2001)),
    ("GET", (*L1, "x" * 3000), {}, (404, 2003)),
    ("GET", (*E1, "\ufffd"), {}, (404, 2003)),
]


@pytest.mark.parametrize(("method", "ids", "sent", "codes"), BAD)
def test_bad_input_is_refused_and_changes_nothing(
    known: PartnerApi, method: str, ids: tuple[str, ...], sent: dict[str, Any], codes: tuple[int, int]
) -> None:
    """Source: TRN-22, TRN-27, STA-01, STA-02, STA-07, LOC-07"""
    make_strict(known.node, known.caller)
    assert known.call(method, *ids, **sent).codes == codes

    assert known.call("GET", *L1).data == location(evses=[evse("E1"), evse("E2")])


COSTS: list[tuple[str, tuple[str, ...], Any, int]] = [
    ("GET", L1, None, 2),
    ("GET", E1, None, 2),
    ("GET", C1, None, 2),
    ("PUT", L1, location(last_updated=T1), 2),
    ("PUT", (*CPO, "L2"), location(id="L2"), 2),
    ("PATCH", L1, {"name": "x", "last_updated": T1}, 2),
    ("PUT", E1, evse(last_updated=T1), 3),
    ("PATCH", E1, {"status": "CHARGING", "last_updated": T1}, 3),
    ("PATCH", C1, {"tariff_ids": ["T1"], "last_updated": T1}, 3),
]


@pytest.mark.parametrize(("method", "ids", "document", "calls"), COSTS)
def test_each_request_stays_within_its_number_of_table_calls(
    known: PartnerApi,
    method: str,
    ids: tuple[str, ...],
    document: Any,
    calls: int,
    in_moto: None,
) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    with measured(known.node.table) as spent:
        assert known.call(method, *ids, document=document).codes[1] == 1000

    assert len(spent.calls) <= calls, spent.calls


def test_a_location_changes_its_partition_with_publish(known: PartnerApi) -> None:
    """Source: LOC-16"""

    def partition_now() -> str:
        header = known.node.locations.get_header(Ref("locations", *L1))
        assert header
        return header.partition

    shown = partition_now()
    known.call("PATCH", *L1, document={"publish": False, "last_updated": T1})
    hidden = partition_now()
    known.call("PUT", *L1, document=location(last_updated=T2))

    assert shown != hidden
    assert partition_now() == shown


def test_a_repeated_patch_adds_its_evse_once(known: PartnerApi) -> None:
    patch = {"evses": [evse("E3")], "last_updated": T1}

    for _ in range(2):
        assert known.call("PATCH", *L1, document=patch).codes == (200, 1000)

    assert [one["uid"] for one in known.call("GET", *L1).data["evses"]] == ["E1", "E2", "E3"]
    assert known.call("GET", *L1).data["evses"][0] == evse("E1", last_updated=T0)
