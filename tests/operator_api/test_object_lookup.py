"""Owner of the requested object: nodes of several parties, and nodes that have received objects only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.partners.directory import PartnerRole
from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.operator_api.caller import OperatorApi
from tests.operator_api.objects import evse, location, tariff
from tests.operator_api.received import receive_location, receive_tariff

ABC, XYZ = Party("PT", "ABC"), Party("PT", "XYZ")


# -- writing -----------------------------------------------------------------------------------------


def test_without_a_party_the_first_own_party_is_the_owner(two_parties: OperatorApi) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1", tariff())["party_id"] == "ABC"


def test_the_query_can_name_the_owner(two_parties: OperatorApi) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1?party=pt*xyz", tariff())["party_id"] == "XYZ"
    assert two_parties.ask("PUT", "/locations/L1?party=PT*XYZ", location())["party_id"] == "XYZ"
    assert (
        two_parties.ask("PATCH", "/locations/L1/E1?party=PT*XYZ", {"status": "BLOCKED"})["status"]
        == "BLOCKED"
    )
    assert two_parties.call("PATCH", "/locations/L1/E1", {"status": "BLOCKED"}).status == 404


def test_the_body_can_name_the_owner(two_parties: OperatorApi) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1", tariff(party_id="XYZ"))["party_id"] == "XYZ"
    assert (
        two_parties.ask("PUT", "/locations/L1", location(country_code="PT", party_id="xyz"))["party_id"]
        == "XYZ"
    )


def test_two_parties_can_have_tariffs_with_the_same_id(two_parties: OperatorApi) -> None:
    """Source: OWN-02"""
    two_parties.ask("PUT", "/tariffs/T1", tariff())
    two_parties.ask("PUT", "/tariffs/T1?party=PT*XYZ", tariff())

    answer = two_parties.call("GET", "/tariffs/T1")

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["party"]
    assert "PT*ABC, PT*XYZ" in answer.json["detail"]
    assert two_parties.ask("GET", "/tariffs/T1?party=PT*XYZ")["party_id"] == "XYZ"
    two_parties.ask("DELETE", "/tariffs/T1?party=PT*XYZ")
    assert two_parties.ask("GET", "/tariffs/T1")["party_id"] == "ABC"


def test_a_list_shows_the_objects_of_all_parties_or_of_one(two_parties: OperatorApi) -> None:
    two_parties.ask("PUT", "/tariffs/T1", tariff())
    two_parties.ask("PUT", "/tariffs/T2?party=PT*XYZ", tariff())

    assert [found["id"] for found in two_parties.ask("GET", "/tariffs")] == ["T1", "T2"]
    assert [found["id"] for found in two_parties.ask("GET", "/tariffs?party=PT*XYZ")] == ["T2"]


@pytest.mark.parametrize("party", ["PT*NOT", "PTABC", "PT*ABCD", "*", "PT-ABC"])
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/tariffs/T1"), ("PATCH", "/locations/L1/E1"), ("GET", "/tariffs")]
)
def test_a_party_of_another_node_is_refused(cpo: OperatorApi, method: str, path: str, party: str) -> None:
    answer = cpo.call(method, f"{path}?party={party}", None if method == "GET" else {})

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["party"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"party_id": "NOT"}, "party_id"),
        ({"country_code": "ES"}, "country_code"),
        ({"party_id": 7}, "party_id"),
        ({"country_code": ["PT"]}, "country_code"),
    ],
)
def test_a_body_of_another_party_is_refused(cpo: OperatorApi, fields: dict[str, object], named: str) -> None:
    """Source: TRN-27"""
    answer = cpo.call("PUT", "/tariffs/T1", tariff(**fields))

    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == f"#/{named}"
    assert cpo.ask("GET", "/tariffs") == []


def test_a_body_must_not_contradict_the_query(two_parties: OperatorApi) -> None:
    answer = two_parties.call("PUT", "/tariffs/T1?party=PT*XYZ", tariff(party_id="ABC"))

    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == "party_id"


@pytest.mark.parametrize("role", ["hub", "emsp"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/tariffs/T1"),
        ("PATCH", "/tariffs/T1"),
        ("DELETE", "/tariffs/T1"),
        ("PUT", "/locations/L1"),
        ("PATCH", "/locations/L1/E1"),
        ("POST", "/location-ids"),
    ],
)
def test_a_node_without_the_owner_role_cannot_write(
    apis: dict[str, OperatorApi], role: str, method: str, path: str
) -> None:
    receive_tariff(apis[role], ABC, "T1")

    answer = apis[role].call(method, path, None if method == "DELETE" else tariff())

    assert answer.status == 405
    assert "Allow" in answer.headers
    assert "no CPO" in answer.json["detail"]
    assert len(apis[role].ask("GET", "/tariffs")) == 1


# -- reading received objects ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["hub", "emsp"])
def test_received_objects_are_listed_and_found_by_id(apis: dict[str, OperatorApi], role: str) -> None:
    api = apis[role]
    price = receive_tariff(api, ABC, "T1")
    site = receive_location(api, XYZ, "L1")

    assert api.ask("GET", "/tariffs") == [price]
    assert api.ask("GET", "/tariffs/t1") == price
    assert api.ask("GET", "/locations") == [site]
    assert api.ask("GET", "/locations/L1") == site
    assert api.ask("GET", "/locations/L1/E1") == site["evses"][0]
    assert api.ask("GET", "/locations/L1/E1/1") == site["evses"][0]["connectors"][0]


def test_an_id_that_two_owners_have_needs_the_party(hub: OperatorApi) -> None:
    """Source: OWN-02"""
    receive_tariff(hub, ABC, "T1")
    theirs = receive_tariff(hub, XYZ, "T1")

    answer = hub.call("GET", "/tariffs/T1")

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["party"]
    assert hub.ask("GET", "/tariffs/T1?party=PT*XYZ") == theirs
    assert hub.call("GET", "/tariffs/T1?party=PT*NOT").status == 404


def test_an_object_of_an_owner_that_is_not_recorded_yet_is_found_by_the_partners_parties(
    hub: OperatorApi,
) -> None:
    hub.ask("POST", "/partners/invitations", {"name": "CPO"})
    partner = hub.node.directory.all()[0]
    role = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    hub.node.directory.save(partner.model_copy(update={"status": "REGISTERED", "roles": (role,)}), partner)
    price = receive_tariff(hub, ABC, "T1", remember=False)

    assert hub.ask("GET", "/tariffs/T1") == price


@pytest.mark.parametrize(
    "path", ["/tariffs/NOPE", "/locations/NOPE", "/locations/L1/NOPE", "/locations/L1/E1/NOPE"]
)
def test_an_object_that_was_never_received_is_not_found(emsp: OperatorApi, path: str) -> None:
    receive_location(emsp, ABC, "L1")

    assert emsp.call("GET", path).status == 404


def test_a_list_of_received_objects_cannot_be_filtered_by_party(hub: OperatorApi) -> None:
    assert hub.call("GET", "/tariffs?party=PT*ABC").status == 400


def test_a_node_with_two_roles_shows_own_and_received_objects(cpo: OperatorApi) -> None:
    roles = (*cpo.node.settings.roles, OwnRole("EMSP", Party("PT", "EVI"), {"name": "Both"}))
    both = OperatorApi(replace(cpo.node, settings=replace(cpo.node.settings, roles=roles)))
    both.ask("PUT", "/locations/MINE", location(evses=[evse()]))
    theirs = receive_location(both, XYZ, "THEIRS")

    assert [found["id"] for found in both.ask("GET", "/locations")] == ["MINE", "THEIRS"]
    assert both.ask("GET", "/locations/THEIRS") == theirs
    assert both.ask("GET", "/locations/MINE")["party_id"] == "ABC"
