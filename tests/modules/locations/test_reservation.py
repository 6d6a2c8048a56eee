"""Reservation of location ids at a hub. Source: docs/mobie.md, Location ids and scenario 3.1"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.modules.locations import receiver, reservation
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.policy.received_parties import remember_owners
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key, Table
from tests.emulator import dynamodb, emulator, table  # noqa: F401 (fixtures)
from tests.harness.nodes import Answer, Host
from tests.harness.partner_api import CPO, OTHER_CPO, token_of
from tests.modules.builders import location
from tests.modules.conftest import NodeOf, PartnerOf

PARTIAL = {"address": "Rua A", "city": "Lisboa", "country": "PRT"}


@pytest.fixture
def hub(node_of: NodeOf) -> Node:
    return node_of("HUB")


@pytest.fixture
def cpo(hub: Node, partner_of: PartnerOf) -> Partner:
    return _with_profile(hub, partner_of(hub, "cpo"))


@pytest.fixture
def other(hub: Node, partner_of: PartnerOf) -> Partner:
    return _with_profile(hub, partner_of(hub, "other"))


def _with_profile(hub: Node, partner: Partner) -> Partner:
    changed = hub.directory.update(partner.id, lambda p: p.model_copy(update={"profiles": ("ptmob",)}))
    assert changed is not None
    return changed


def _reserve(hub: Node, caller: Partner, request_id: str, party: Any = CPO, body: Any = None) -> Answer:
    host = Host(hub, (reservation.INTERFACE, receiver.INTERFACE))
    path = f"/ocpi/2.2.1/receiver/locations/{party.country_code}/{party.party_id}"
    return host.call(
        "POST", path, token_of(caller), PARTIAL if body is None else body, X_Request_ID=request_id
    )


def _id(answer: Answer) -> str:
    assert (answer.status, answer.json["status_code"]) == (200, 1000), answer.text
    return str(answer.json["data"]["id"])


def test_each_request_gets_a_new_id_and_a_repeated_request_the_same_id(hub: Node, cpo: Partner) -> None:
    first, second = _id(_reserve(hub, cpo, "a")), _id(_reserve(hub, cpo, "b"))

    assert first != second
    assert _id(_reserve(hub, cpo, "a")) == first


def test_two_partners_with_the_same_request_id_get_different_ids(
    hub: Node, cpo: Partner, other: Partner
) -> None:
    assert _id(_reserve(hub, cpo, "a")) != _id(_reserve(hub, other, "a", OTHER_CPO))


def test_an_id_in_use_without_a_reservation_is_skipped(hub: Node, cpo: Partner, other: Partner) -> None:
    host = Host(hub, (receiver.INTERFACE,))
    document = location(country_code="NL", party_id="TNM", id="PRT-00001")
    path = "/ocpi/2.2.1/receiver/locations/NL/TNM/PRT-00001"
    assert host.call("PUT", path, token_of(other), document).status == 201
    remember_owners(hub.table, [Ref("locations", "NL", "TNM", "PRT-00001")])

    assert _id(_reserve(hub, cpo, "a")) == "PRT-00002"


def test_a_location_under_an_id_that_another_party_reserved_is_refused(
    hub: Node, cpo: Partner, other: Partner
) -> None:
    reserved = _id(_reserve(hub, cpo, "a"))
    host = Host(hub, (receiver.INTERFACE,))

    theirs = location(country_code="NL", party_id="TNM", id=reserved.lower())
    refused = host.call(
        "PUT", f"/ocpi/2.2.1/receiver/locations/NL/TNM/{reserved.lower()}", token_of(other), theirs
    )
    own = location(country_code=CPO.country_code, party_id=CPO.party_id, id=reserved)
    accepted = host.call("PUT", f"/ocpi/2.2.1/receiver/locations/PT/EDP/{reserved}", token_of(cpo), own)

    assert (refused.status, refused.json["status_code"]) == (200, 2001)
    assert refused.json["status_message"].startswith("id:")
    assert accepted.status == 201


@pytest.mark.parametrize(
    ("party", "body", "status", "code"),
    [
        (OTHER_CPO, None, 404, 2001),
        (CPO, "{", 400, 2001),
        (CPO, "[]", 200, 2001),
    ],
)
def test_a_wrong_request_is_refused_and_reserves_no_id(
    hub: Node, cpo: Partner, party: Any, body: Any, status: int, code: int
) -> None:
    answer = _reserve(hub, cpo, "a", party, body)

    assert (answer.status, answer.json["status_code"]) == (status, code)
    assert _id(_reserve(hub, cpo, "b")) == "PRT-00001"


def test_a_partner_without_the_profile_cannot_reserve_ids(hub: Node, partner_of: PartnerOf) -> None:
    """Source: VER-08"""
    answer = _reserve(hub, partner_of(hub, "cpo"), "a")

    assert (answer.status, answer.json["status_code"]) == (404, 2001)


def test_requests_at_the_same_time_get_different_ids(hub: Node, table: Table) -> None:  # noqa: F811
    """Uses an emulator, because moto loses updates with threads."""
    node = replace(hub, table=table)

    def hand_out(number: int) -> str:
        return reservation._hand_out(node, CPO, Key(f"location-id-request#x#{number % 12}"))

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(hand_out, range(24)))

    assert len(set(ids)) == 12, "each request was sent twice"
