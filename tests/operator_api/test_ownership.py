"""Whose object is meant: nodes of several parties, and nodes that only received what they have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.partners.directory import PartnerRole
from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.operator_api.caller import Door
from tests.operator_api.objects import evse, location, tariff
from tests.operator_api.received import receive_location, receive_tariff

ABC, XYZ = Party("PT", "ABC"), Party("PT", "XYZ")


# -- writing -----------------------------------------------------------------------------------------


def test_without_a_party_the_first_one_is_meant(two_parties: Door) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1", tariff())["party_id"] == "ABC"


def test_the_query_names_the_party(two_parties: Door) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1?party=pt*xyz", tariff())["party_id"] == "XYZ"
    assert two_parties.ask("PUT", "/locations/L1?party=PT*XYZ", location())["party_id"] == "XYZ"
    assert (
        two_parties.ask("PATCH", "/locations/L1/E1?party=PT*XYZ", {"status": "BLOCKED"})["status"]
        == "BLOCKED"
    )
    assert two_parties.call("PATCH", "/locations/L1/E1", {"status": "BLOCKED"}).status == 404


def test_the_body_names_the_party(two_parties: Door) -> None:
    assert two_parties.ask("PUT", "/tariffs/T1", tariff(party_id="XYZ"))["party_id"] == "XYZ"
    assert (
        two_parties.ask("PUT", "/locations/L1", location(country_code="PT", party_id="xyz"))["party_id"]
        == "XYZ"
    )


def test_two_parties_may_have_tariffs_of_one_id(two_parties: Door) -> None:
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


def test_a_list_shows_all_parties_or_one(two_parties: Door) -> None:
    two_parties.ask("PUT", "/tariffs/T1", tariff())
    two_parties.ask("PUT", "/tariffs/T2?party=PT*XYZ", tariff())

    assert [found["id"] for found in two_parties.ask("GET", "/tariffs")] == ["T1", "T2"]
    assert [found["id"] for found in two_parties.ask("GET", "/tariffs?party=PT*XYZ")] == ["T2"]


@pytest.mark.parametrize("party", ["PT*NOT", "PTABC", "PT*ABCD", "*", "PT-ABC"])
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/tariffs/T1"), ("PATCH", "/locations/L1/E1"), ("GET", "/tariffs")]
)
def test_a_party_that_is_not_the_nodes_own_is_refused(cpo: Door, method: str, path: str, party: str) -> None:
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
def test_a_body_of_another_party_is_refused(cpo: Door, fields: dict[str, object], named: str) -> None:
    """Source: TRN-27"""
    answer = cpo.call("PUT", "/tariffs/T1", tariff(**fields))

    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == f"#/{named}"
    assert cpo.ask("GET", "/tariffs") == []


def test_a_body_must_not_contradict_the_query(two_parties: Door) -> None:
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
def test_a_node_that_owns_nothing_writes_nothing(
    doors: dict[str, Door], role: str, method: str, path: str
) -> None:
    receive_tariff(doors[role], ABC, "T1")

    answer = doors[role].call(method, path, None if method == "DELETE" else tariff())

    assert answer.status == 405
    assert "Allow" in answer.headers
    assert "no CPO" in answer.json["detail"]
    assert len(doors[role].ask("GET", "/tariffs")) == 1


# -- reading what was received -----------------------------------------------------------------------


@pytest.mark.parametrize("role", ["hub", "emsp"])
def test_what_was_received_is_listed_and_found_by_its_id(doors: dict[str, Door], role: str) -> None:
    door = doors[role]
    price = receive_tariff(door, ABC, "T1")
    site = receive_location(door, XYZ, "L1")

    assert door.ask("GET", "/tariffs") == [price]
    assert door.ask("GET", "/tariffs/t1") == price
    assert door.ask("GET", "/locations") == [site]
    assert door.ask("GET", "/locations/L1") == site
    assert door.ask("GET", "/locations/L1/E1") == site["evses"][0]
    assert door.ask("GET", "/locations/L1/E1/1") == site["evses"][0]["connectors"][0]


def test_an_id_that_two_owners_have_needs_the_party(hub: Door) -> None:
    """Source: OWN-02"""
    receive_tariff(hub, ABC, "T1")
    theirs = receive_tariff(hub, XYZ, "T1")

    answer = hub.call("GET", "/tariffs/T1")

    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["party"]
    assert hub.ask("GET", "/tariffs/T1?party=PT*XYZ") == theirs
    assert hub.call("GET", "/tariffs/T1?party=PT*NOT").status == 404


def test_an_owner_that_is_not_remembered_yet_is_found_among_the_partners(hub: Door) -> None:
    hub.ask("POST", "/partners/invitations", {"name": "CPO"})
    partner = hub.node.directory.all()[0]
    role = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    hub.node.directory.save(partner.model_copy(update={"status": "REGISTERED", "roles": (role,)}), partner)
    price = receive_tariff(hub, ABC, "T1", remember=False)

    assert hub.ask("GET", "/tariffs/T1") == price


@pytest.mark.parametrize(
    "path", ["/tariffs/NOPE", "/locations/NOPE", "/locations/L1/NOPE", "/locations/L1/E1/NOPE"]
)
def test_what_was_never_received_is_not_found(emsp: Door, path: str) -> None:
    receive_location(emsp, ABC, "L1")

    assert emsp.call("GET", path).status == 404


def test_a_received_list_is_not_narrowed_to_one_party(hub: Door) -> None:
    assert hub.call("GET", "/tariffs?party=PT*ABC").status == 400


def test_a_node_of_both_kinds_shows_its_own_and_what_it_received(cpo: Door) -> None:
    roles = (*cpo.node.settings.roles, OwnRole("EMSP", Party("PT", "EVI"), {"name": "Both"}))
    both = Door(replace(cpo.node, settings=replace(cpo.node.settings, roles=roles)))
    both.ask("PUT", "/locations/MINE", location(evses=[evse()]))
    theirs = receive_location(both, XYZ, "THEIRS")

    assert [found["id"] for found in both.ask("GET", "/locations")] == ["MINE", "THEIRS"]
    assert both.ask("GET", "/locations/THEIRS") == theirs
    assert both.ask("GET", "/locations/MINE")["party_id"] == "ABC"
