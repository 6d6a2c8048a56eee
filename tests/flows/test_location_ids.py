"""Reservation of location ids at the hub, by CPOs with the profile `ptmob` and by one without.

An extension of OCPI: `POST {locations receiver}/{country_code}/{party_id}` -> `data: {"id"}`. All operators
share the numbers of a municipality, so no two of them may get the same id.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flows.conftest import Guests
from tests.third_party.connection import Connection
from tests.third_party.objects import location
from tests.third_party.operator_door import Node
from tests.third_party.wire import Answer

SITE = {"address": "Rua do Teste 1", "city": "Lisboa", "country": "PRT", "postal_code": "1000-001"}


def reserve(line: Connection, request_id: str | None = None, **changes: object) -> Answer:
    headers = {"X-Request-ID": request_id or str(uuid.uuid4())}
    return line.push("POST", "locations", line.partner.party, SITE | changes, headers=headers)


@pytest.fixture
def cpos(hub: Node, guests: Guests) -> list[Connection]:
    """Two CPOs with the profile `ptmob`."""
    partners = [guests.partner("CPO") for _ in range(2)]
    return [guests.connect(partner, hub, profiles=["ptmob"]) for partner in partners]


def test_a_reserved_id_can_be_used(cpos: list[Connection]) -> None:
    answer = reserve(cpos[0])

    assert answer.codes == (200, 1000)
    place = location(cpos[0].partner.party, answer.data["id"])
    assert cpos[0].put("locations", place).codes == (201, 1000)
    assert cpos[0].look("locations", *cpos[0].partner.party, answer.data["id"]).data == place


def test_ids_reserved_in_parallel_are_unique(cpos: list[Connection]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: reserve(cpos[number % 2]), range(24)))

    assert {answer.codes for answer in answers} == {(200, 1000)}
    assert len({answer.data["id"] for answer in answers}) == 24


def test_the_same_request_gets_the_same_id(cpos: list[Connection]) -> None:
    """Checks repetitions in sequence and in parallel."""
    first, again = reserve(cpos[0], "request-1"), reserve(cpos[0], "request-1")
    with ThreadPoolExecutor(6) as pool:
        at_once = list(pool.map(lambda _: reserve(cpos[0], "request-2"), range(6)))

    assert again.data == first.data
    assert len({answer.data["id"] for answer in at_once}) == 1
    assert at_once[0].data != first.data
    assert reserve(cpos[1], "request-1").data != first.data


def test_an_id_that_another_party_reserved_is_refused(cpos: list[Connection]) -> None:
    """Upper and lower case make no difference."""
    owner, other = cpos
    reserved: str = reserve(owner).data["id"]

    for written in (reserved, reserved.lower()):
        answer = other.put("locations", location(other.partner.party, written))

        assert answer.codes == (200, 2001)
        assert other.look("locations", *other.partner.party, written).http_status == 404
    assert owner.put("locations", location(owner.partner.party, reserved)).codes == (201, 1000)


def test_an_id_in_use_is_not_assigned(cpos: list[Connection]) -> None:
    """The hub skips a number under which a CPO has pushed a location without a reservation."""
    owner, other = cpos
    prefix, number = reserve(owner).data["id"].rsplit("-", 1)
    following = f"{prefix}-{int(number) + 1:05d}"
    assert other.put("locations", location(other.partner.party, following)).codes == (201, 1000)

    assert reserve(owner).data["id"] != following


def test_a_cpo_can_reserve_ids_for_its_own_party_only(cpos: list[Connection]) -> None:
    owner, other = cpos

    answer = owner.push("POST", "locations", other.partner.party, SITE)

    assert answer.http_status == 404
    assert answer.status_code // 1000 == 2


def test_a_partner_without_the_profile_cannot_reserve_ids(hub: Node, guests: Guests) -> None:
    answer = reserve(guests.join("CPO", hub))

    assert answer.http_status in (404, 405)
    assert answer.status_code // 1000 == 2


def test_a_cpo_node_reserves_at_its_hub(cpo: Node) -> None:
    """Two reservations give two different ids."""
    ids = [cpo.ask("POST", "location-ids", document=SITE)["id"] for _ in range(2)]

    assert len(set(ids)) == 2
    assert all(ids)
