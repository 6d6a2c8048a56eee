"""Tests of the third party itself: two of its partners call each other.

They show that the third party follows the specification, so that a failure in tests/flows/ is a fault of the
node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.third_party import faults
from tests.third_party.connection import Connection, Unusable
from tests.third_party.objects import LATER, Party, connector, evse, location, tariff
from tests.third_party.partner import Partner
from tests.third_party.wire import authorization, read_json, write_json

ALFA = Party("PT", "AAA")
BETA = Party("PT", "BBB")


@pytest.fixture
def start() -> Iterator[Callable[..., Partner]]:
    started: list[Partner] = []

    def start_partner(role_name: str, party: Party, **options: object) -> Partner:
        started.append(Partner(role_name, party, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start_partner
    for partner in started:
        partner.stop()


@pytest.fixture
def cpo(start: Callable[..., Partner]) -> Partner:
    return start("CPO", ALFA)


@pytest.fixture
def emsp(start: Callable[..., Partner]) -> Partner:
    return start("EMSP", BETA)


@pytest.fixture
def line(cpo: Partner, emsp: Partner) -> Connection:
    """The CPO's connection to the eMSP, after the registration."""
    return cpo.register(emsp.versions_url, emsp.invite())


def test_registration_follows_the_diagram(cpo: Partner, emsp: Partner) -> None:
    """Source: CRD-02, CRD-03, CRD-04"""
    token_a = emsp.invite()

    cpo.register(emsp.versions_url, token_a)

    assert [got.module for got in emsp.received] == [
        "versions",
        "details",
        "credentials",
    ]
    assert [got.module for got in cpo.received] == ["versions", "details"]
    assert {got.credentials_token for got in emsp.received} == {token_a}


def test_token_a_is_invalid_after_registration(cpo: Partner, emsp: Partner) -> None:
    """Source: CRD-06"""
    token_a = emsp.invite()
    cpo.register(emsp.versions_url, token_a)

    with pytest.raises(Unusable, match="401"):
        cpo.discover(emsp.versions_url, token_a)


def test_token_a_is_not_valid_for_functional_modules(cpo: Partner, emsp: Partner) -> None:
    """Source: TRN-08"""
    line = cpo.discover(emsp.versions_url, emsp.invite())

    answer = line.put("tariffs", tariff(ALFA, "T1"))

    assert answer.http_status == 401
    assert emsp.held("tariffs", "PT", "AAA", "T1") is None


def test_put_changes_both_tokens(line: Connection, emsp: Partner) -> None:
    """Source: CRD-11, CRD-12"""
    old_in, old_out = set(line.inbound_tokens), line.outbound_token

    answer = line.rotate()

    assert answer.codes == (200, 1000)
    assert line.outbound_token != old_out
    assert not line.inbound_tokens & old_in
    old = authorization(old_out)
    assert line.credentials("GET", headers={"Authorization": old}).http_status == 401
    assert line.credentials("GET").data["token"] == line.outbound_token


def test_credentials_requests_in_the_wrong_state_are_answered_405(cpo: Partner, emsp: Partner) -> None:
    """Source: CRD-08, CRD-09, CRD-10"""
    line = cpo.discover(emsp.versions_url, emsp.invite())
    assert line.credentials("PUT", cpo.credentials("x")).http_status == 405
    assert line.credentials("DELETE").http_status == 405
    line.register()
    assert line.credentials("POST", cpo.credentials("x")).http_status == 405


def test_a_client_whose_versions_fail_is_answered_3001(cpo: Partner, emsp: Partner) -> None:
    """Source: CRD-19"""
    line = cpo.discover(emsp.versions_url, emsp.invite())

    with cpo.misbehaving("versions", faults.answer_500):
        answer = line.register()

    assert answer.codes == (200, 3001)
    assert line.inbound_tokens == set()


def test_a_client_of_another_version_is_answered_3002(cpo: Partner, emsp: Partner) -> None:
    """Source: CRD-21"""
    line = cpo.discover(emsp.versions_url, emsp.invite())

    with cpo.misbehaving("versions", faults.list_only_2_1_1):
        assert line.register().codes == (200, 3002)


def test_unregistering_ends_the_connection(line: Connection) -> None:
    """Source: CRD-14"""
    assert line.unregister().codes == (200, 1000)

    assert line.credentials("GET").http_status == 401


def test_tokens_are_sent_raw_when_both_agree(start: Callable[..., Partner]) -> None:
    """Source: TRN-05"""
    cpo, emsp = (
        start("CPO", ALFA, raw_tokens=True),
        start("EMSP", BETA, raw_tokens=True),
    )

    line = cpo.register(emsp.versions_url, emsp.invite())

    assert line.put("tariffs", tariff(ALFA, "T1")).codes == (201, 1000)
    assert emsp.received[-1].raw_token == line.outbound_token


def test_the_token_is_encoded_as_in_the_specification() -> None:
    """Source: TRN-03"""
    assert authorization("example-token") == "Token ZXhhbXBsZS10b2tlbg=="


def test_a_tariff_is_stored_replaced_and_deleted(line: Connection, emsp: Partner) -> None:
    """Source: TAR-02, TAR-04"""
    assert line.put("tariffs", tariff(ALFA, "T1")).codes == (201, 1000)
    assert line.put("tariffs", tariff(ALFA, "T1", currency="NOK")).codes == (200, 1000)

    assert line.look("tariffs", "PT", "AAA", "T1").data["currency"] == "NOK"

    assert line.push("DELETE", "tariffs", ("PT", "AAA", "T1")).codes == (200, 1000)
    assert line.look("tariffs", "PT", "AAA", "T1").http_status == 404


def test_every_level_of_a_location_can_be_pushed(line: Connection, emsp: Partner) -> None:
    """Source: LOC-05, LOC-06"""
    place = ("PT", "AAA", "L1")
    line.put("locations", location(ALFA, "L1"))

    line.push("PUT", "locations", (*place, "E2"), evse("E2"))
    line.push("PUT", "locations", (*place, "E1", "2"), connector("2"))
    line.push(
        "PATCH",
        "locations",
        (*place, "E1"),
        {"status": "CHARGING", "last_updated": LATER},
    )

    held = emsp.held("locations", *place)
    assert held
    first, second = held["evses"]
    assert (first["status"], second["status"]) == ("CHARGING", "AVAILABLE")
    assert [each["id"] for each in first["connectors"]] == ["1", "2"]
    assert held["last_updated"] == LATER


def test_a_slash_stays_inside_its_segment(line: Connection, emsp: Partner) -> None:
    """Source: TRP-16"""
    line.put("tariffs", tariff(ALFA, "day/night *1"))

    assert emsp.received[-1].target == "/in/prices/PT/AAA/day%2Fnight%20%2A1"
    assert emsp.held("tariffs", "PT", "AAA", "day/night *1")


def test_a_crawl_follows_the_links(emsp: Partner, cpo: Partner) -> None:
    """Source: PAG-12"""
    cpo.offer("tariffs", *(tariff(ALFA, f"T{number}") for number in range(8)))
    line = emsp.register(cpo.versions_url, cpo.invite())

    pages = list(line.pages("tariffs"))

    assert [len(page.data) for page in pages] == [3, 3, 2]
    assert [found["id"] for page in pages for found in page.data] == [f"T{number}" for number in range(8)]


def test_replies_swap_the_routing_headers(line: Connection) -> None:
    """Source: RTE-02, RTE-03"""
    answer = line.put("tariffs", tariff(ALFA, "T1"))

    assert answer.headers["ocpi-to-party-id"] == "AAA"
    assert answer.headers["ocpi-from-party-id"] == "BBB"
    assert not [name for name in line.credentials("GET").headers if name.startswith("ocpi-")]


def test_a_fault_ends_after_its_count(line: Connection, emsp: Partner) -> None:
    with emsp.misbehaving("tariffs", faults.times(2, faults.answer_500)):
        answers = [line.put("tariffs", tariff(ALFA, "T1")).http_status for _ in range(3)]

    assert answers == [500, 500, 201]


def test_decimals_keep_their_digits() -> None:
    """Source: TYP-09"""
    text = write_json({"price": Decimal("0.2500"), "vat": Decimal(23)})

    assert text == b'{"price": 0.2500, "vat": 23}'
    assert str(read_json(text)["price"]) == "0.2500"
