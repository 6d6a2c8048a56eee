"""Versions and version details, as a partner reads them: the modules that each role offers.

Chapter: OCPI 2.2.1 version_information_endpoint; VER-01 .. VER-11, RTE-35.
"""

from __future__ import annotations

import pytest

from tests.flows.conftest import Guests, name_of
from tests.third_party.operator_door import Node
from tests.third_party.waiting import eventually
from tests.third_party.wire import Answer

MOUNTED = {
    "cpo": {("credentials", "SENDER"), ("locations", "SENDER"), ("tariffs", "SENDER")},
    "emsp": {("credentials", "SENDER"), ("locations", "RECEIVER"), ("tariffs", "RECEIVER")},
    "hub": {
        ("credentials", "SENDER"),
        ("locations", "SENDER"),
        ("tariffs", "SENDER"),
        ("locations", "RECEIVER"),
        ("tariffs", "RECEIVER"),
    },
}


def no_routing_headers(answer: Answer) -> bool:
    return not [name for name in answer.headers if name.startswith("ocpi-")]


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_version_details_list_the_modules_of_the_role(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: VER-01, VER-02, VER-04, VER-05, VER-06, RTE-35"""
    line = guests.join("CPO" if at == "emsp" else "EMSP", nodes[at])

    versions = line.call("GET", nodes[at].versions_url)
    details = line.call("GET", line.details_url)

    assert {"version": "2.2.1", "url": line.details_url} in versions.data
    assert details.data["version"] == "2.2.1"
    listed = [(entry["identifier"], entry["role"]) for entry in details.data["endpoints"]]
    assert len(listed) == len(set(listed))
    assert set(listed) >= MOUNTED[at]
    assert {role for identifier, role in listed if identifier == "credentials"} == {"SENDER", "RECEIVER"}
    urls = [entry["url"] for entry in details.data["endpoints"]]
    assert len(urls) == len(set(urls)) + 1
    standard = {
        "credentials",
        "locations",
        "tariffs",
        "sessions",
        "cdrs",
        "tokens",
        "commands",
        "hubclientinfo",
    }
    assert {identifier for identifier, _ in listed} <= standard | {"chargingprofiles"}
    assert no_routing_headers(versions)
    assert no_routing_headers(details)


def test_a_cpo_offers_no_receiver_interface_for_its_own_objects(
    cpo: Node, emsp: Node, guests: Guests
) -> None:
    """Source: VER-06"""
    to_cpo, to_emsp = guests.join("EMSP", cpo), guests.join("CPO", emsp)

    assert ("locations", "RECEIVER") not in to_cpo.endpoints
    assert ("tariffs", "RECEIVER") not in to_cpo.endpoints
    assert ("locations", "SENDER") not in to_emsp.endpoints
    assert ("tariffs", "SENDER") not in to_emsp.endpoints


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_versions_answer_with_and_without_a_trailing_slash(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    line = guests.join("CPO" if at == "emsp" else "EMSP", nodes[at])

    for url in (nodes[at].versions_url, line.details_url, line.credentials_url):
        assert line.call("GET", url.rstrip("/")).codes == (200, 1000)
        assert line.call("GET", url.rstrip("/") + "/").codes == (200, 1000)


def test_polling_versions_changes_nothing(hub: Node, guests: Guests) -> None:
    """Source: VER-11"""
    line = guests.join("EMSP", hub)
    before = hub.partner(name_of(line.partner))

    for _ in range(5):
        assert line.call("GET", hub.versions_url).codes == (200, 1000)

    assert eventually(lambda: hub.partner(name_of(line.partner)) == before)
