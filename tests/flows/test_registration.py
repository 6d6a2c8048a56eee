"""Registration of a partner, written from the specification alone, at a node, and of a node at the partner.

Tests both directions at every role, the call back while the POST is open, the rights of token A, and the 405
answers of each state. For failures see `test_broken_handshakes.py`, for later changes
`test_registration_changes.py`.
Chapter: OCPI 2.2.1 credentials_registration; CRD-01 .. CRD-10, CRD-15, CRD-28, TRN-03 .. TRN-09.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flows.conftest import MEETINGS, Guests, name_of
from tests.third_party.connection import Unusable
from tests.third_party.operator_door import Node
from tests.third_party.wire import Answer, authorization

TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
at_every_role = pytest.mark.parametrize(("at", "as_role"), MEETINGS)


def no_routing_headers(answer: Answer) -> bool:
    return not [name for name in answer.headers if name.startswith("ocpi-")]


@at_every_role
def test_a_partner_registers(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-02, CRD-04, CRD-05, CRD-07, CRD-15, CRD-24, RTE-03, VER-05, VER-07, VER-10"""
    node, partner = nodes[at], guests.partner(as_role)
    line = guests.discover(partner, node)
    token_a = line.outbound_token

    answer = line.register()

    assert answer.codes in ((200, 1000), (201, 1000))
    token_b = partner.received[0].credentials_token
    assert [(got.module, got.credentials_token) for got in partner.received[:2]] == [
        ("versions", token_b),
        ("details", token_b),
    ]
    assert token_b in line.inbound_tokens
    assert answer.data["token"] not in (token_a, token_b)
    assert TOKEN.fullmatch(answer.data["token"])
    assert answer.data["url"] == node.versions_url
    assert [entry["role"] for entry in answer.data["roles"]] == [at.upper()]
    assert line.peer == node.party
    assert line.roles[0]["business_details"]["name"]
    assert no_routing_headers(answer)
    for got in partner.received[:2]:
        assert not [name for name in got.headers if name.startswith("ocpi-")]
        assert got.headers["x-request-id"]
        assert got.headers["x-correlation-id"]
    assert line.credentials("GET").data["token"] == line.outbound_token


@at_every_role
def test_the_operator_api_shows_a_registered_partner(
    nodes: dict[str, Node], guests: Guests, at: str, as_role: str
) -> None:
    node, partner = nodes[at], guests.partner(as_role)

    guests.connect(partner, node)

    known = node.partner(name_of(partner))
    assert known
    assert known["status"] == "REGISTERED"
    assert known["version"] == "2.2.1"
    assert known["versions_url"] == partner.versions_url
    assert [(entry["role"], entry["party_id"]) for entry in known["roles"]] == [
        (as_role, partner.party.party_id)
    ]
    urls = {(entry["identifier"], entry["role"]): entry["url"] for entry in known["endpoints"]}
    assert urls["credentials", "RECEIVER"] == partner.url("credentials", "RECEIVER")


@at_every_role
def test_a_node_registers_at_a_partner(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """The partner calls the node back while the node's POST is open.

    Source: CRD-02, CRD-03, CRD-07, CRD-17
    """
    node, partner = nodes[at], guests.partner(as_role)
    token_a = partner.invite()
    guests.expect(partner, node)

    answer = node.register_with(name_of(partner), partner.versions_url, token_a, hub=partner.role == "HUB")

    assert answer.http_status == 201, answer
    assert answer.document["status"] == "REGISTERED"
    handshake = partner.received[:3]
    assert [got.module for got in handshake] == ["versions", "details", "credentials"]
    assert {got.credentials_token for got in handshake} == {token_a}
    sent = handshake[2].document
    assert sent["url"] == node.versions_url
    assert [entry["role"] for entry in sent["roles"]] == [at.upper()]
    assert TOKEN.fullmatch(sent["token"])
    (line,) = partner.connections
    assert line.outbound_token == sent["token"]
    assert line.credentials("GET").data["token"] == sent["token"]


def test_a_partner_that_sends_raw_tokens_gets_raw_tokens(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    partner = guests.partner("EMSP", raw_tokens=True)

    line = guests.connect(partner, cpo)

    (token_b,) = line.inbound_tokens
    assert [got.raw_token for got in partner.received[:2]] == [token_b, token_b]
    assert line.credentials("GET").data["token"] == line.outbound_token


def test_a_node_registers_with_raw_tokens_when_its_operator_asks_for_it(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    partner = guests.partner("EMSP", raw_tokens=True)
    guests.expect(partner, cpo)

    answer = cpo.register_with(name_of(partner), partner.versions_url, partner.invite(), token_encoding="raw")

    assert answer.http_status == 201, answer
    assert partner.connections[0].credentials("GET").codes == (200, 1000)


def test_a_raw_token_is_refused_from_a_strict_partner_without_the_flag(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    line = guests.join("EMSP", cpo)
    raw = {"Authorization": authorization(line.outbound_token, raw=True)}
    known = cpo.partner(name_of(line.partner))
    assert known is not None

    lenient = line.credentials("GET", headers=raw)
    cpo.ask("PATCH", "partners", known["id"], document={"strict": True})
    strict = line.credentials("GET", headers=raw)

    assert (lenient.http_status, strict.http_status) == (200, 401)


def test_every_invitation_has_a_token_of_its_own(hub: Node, guests: Guests) -> None:
    """Source: CRD-01"""
    one, other = guests.partner("CPO"), guests.partner("CPO")

    tokens = {guests.invitation(partner, hub)[1] for partner in (one, other)}

    assert len(tokens) == 2
    assert all(TOKEN.fullmatch(token) for token in tokens)
    assert hub.status_of(name_of(one)) == "INVITED"


def test_every_partner_has_a_token_of_its_own(hub: Node, guests: Guests) -> None:
    """Source: TRN-09"""
    lines = [guests.join("CPO", hub) for _ in range(2)]

    assert lines[0].outbound_token != lines[1].outbound_token
    for line in lines:
        assert line.credentials("GET").data["token"] == line.outbound_token


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_token_a_is_valid_for_versions_and_credentials_only(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: TRN-08, VER-03"""
    line = guests.discover(guests.partner("CPO" if at == "emsp" else "EMSP"), nodes[at])

    modules = [key for key in line.endpoints if key[0] != "credentials"]

    assert modules
    for module, interface in modules:
        method, segments = _a_path_of(module, interface)
        assert line.call(method, line.url(module, interface, *segments)).codes == (401, 2001)


def _a_path_of(module: str, interface: str) -> tuple[str, tuple[str, ...]]:
    if module == "commands":
        return "POST", ("START_SESSION",) if interface == "RECEIVER" else ("START_SESSION", "1")
    return "GET", () if interface == "SENDER" else ("PT", "XAA", "1")


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_token_a_is_invalid_after_registration(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """Source: CRD-06"""
    partner = guests.partner("CPO" if at == "emsp" else "EMSP")
    versions_url, token_a = guests.invitation(partner, nodes[at])
    line = partner.register(versions_url, token_a)
    with_a = {"Authorization": authorization(token_a)}

    with pytest.raises(Unusable, match="401"):
        partner.discover(versions_url, token_a)
    assert line.credentials("POST", partner.credentials("another-token"), headers=with_a).codes == (401, 2001)
    assert line.credentials("GET").codes == (200, 1000)


def test_of_two_parallel_posts_with_one_token_a_one_succeeds(hub: Node, guests: Guests) -> None:
    """Two POSTs in parallel make one registration: the token must be valid once. Source: CRD-06, CRD-08"""
    partner = guests.partner("EMSP")
    versions_url, token_a = guests.invitation(partner, hub)
    lines = [partner.discover(versions_url, token_a) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda line: line.register(), lines))

    won = [line for line, answer in zip(lines, answers, strict=True) if answer.status_code == 1000]
    assert len(won) == 1, answers
    assert all(answer.http_status < 500 for answer in answers)
    assert won[0].credentials("GET").codes == (200, 1000)
    assert hub.status_of(name_of(partner)) == "REGISTERED"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_partner_that_is_not_registered_can_neither_update_nor_unregister(
    hub: Node, guests: Guests, method: str
) -> None:
    """Source: CRD-09, CRD-10"""
    partner = guests.partner("EMSP")
    line = guests.discover(partner, hub)
    body = partner.credentials(partner.new_token()) if method == "PUT" else None

    assert line.credentials(method, body).codes == (405, 2001)

    assert hub.status_of(name_of(partner)) == "INVITED"
    assert line.register().status_code == 1000


def test_credentials_before_registration_show_the_callers_own_token(hub: Node, guests: Guests) -> None:
    """The specification does not define this GET; the answer has only what the caller has. Source: CRD-28"""
    line = guests.discover(guests.partner("EMSP"), hub)

    answer = line.credentials("GET")

    assert answer.codes == (200, 1000)
    assert answer.data["token"] == line.outbound_token
    assert hub.status_of(name_of(line.partner)) == "INVITED"


def test_a_registered_partner_cannot_post_again(hub: Node, guests: Guests) -> None:
    """Source: CRD-08"""
    line = guests.join("EMSP", hub)
    before = hub.partner(name_of(line.partner))
    calls = len(line.partner.received)

    answer = line.credentials("POST", line.partner.credentials(line.partner.new_token()))

    assert answer.codes == (405, 2001)
    assert hub.partner(name_of(line.partner)) == before
    assert len(line.partner.received) == calls
    assert line.credentials("GET").codes == (200, 1000)


def test_the_operator_api_shows_no_token(hub: Node, guests: Guests) -> None:
    """Checks all answers about partners."""
    line = guests.join("EMSP", hub)

    seen = hub.call("GET", "partners").text

    for token in (line.outbound_token, *line.inbound_tokens):
        assert token not in seen
