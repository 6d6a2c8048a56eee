"""Registration between a node and a partner who read nothing but the specification.

From either side, at every role; with the call back while the POST is open; token A and what it opens; 405 by
state; rotation of both tokens; unregistration from both sides. Handshakes that break are in
`test_broken_handshakes.py`.
Chapter: OCPI 2.2.1 credentials; CRD-01 .. CRD-28, VER, TRN-03 .. TRN-09.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flows.conftest import Guests, name_of
from tests.third_party.connection import Unusable
from tests.third_party.objects import Party, role, tariff
from tests.third_party.operator_door import Node
from tests.third_party.waiting import eventually
from tests.third_party.wire import Answer, authorization

MEETINGS = [
    ("cpo", "EMSP"),
    ("cpo", "HUB"),
    ("hub", "CPO"),
    ("hub", "EMSP"),
    ("emsp", "CPO"),
    ("emsp", "HUB"),
]
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
TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
at_every_role = pytest.mark.parametrize(("at", "as_role"), MEETINGS)


def no_routing_headers(answer: Answer) -> bool:
    return not [name for name in answer.headers if name.startswith("ocpi-")]


@at_every_role
def test_a_partner_registers(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-02, CRD-04, CRD-05, CRD-07, CRD-15, CRD-24, RTE-03, VER-05, VER-07, VER-10"""
    node, partner = nodes[at], guests.partner(as_role)
    line = guests.knock(partner, node)
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
def test_the_operator_sees_who_registered(
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

    answer = node.register_with(name_of(partner), partner.versions_url, token_a)

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


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_version_details_list_what_the_role_mounts(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """Source: VER-01, VER-02, VER-04, VER-05, VER-06, RTE-35"""
    line = guests.join("CPO" if at == "emsp" else "EMSP", nodes[at])

    versions = line.call("GET", nodes[at].versions_url)
    details = line.call("GET", line.details_url)

    assert {"version": "2.2.1", "url": line.details_url} in versions.data
    assert details.data["version"] == "2.2.1"
    listed = [(entry["identifier"], entry["role"]) for entry in details.data["endpoints"]]
    assert len(listed) == len(set(listed))
    assert set(listed) >= MOUNTED[at]
    assert [identifier for identifier, _ in listed].count("credentials") == 1
    urls = [entry["url"] for entry in details.data["endpoints"]]
    assert len(urls) == len(set(urls))
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


def test_a_cpo_offers_no_receiver_of_its_own_objects(cpo: Node, emsp: Node, guests: Guests) -> None:
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


def test_a_partner_that_sends_raw_tokens_is_answered_in_kind(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    partner = guests.partner("EMSP", raw_tokens=True)

    line = guests.connect(partner, cpo)

    (token_b,) = line.inbound_tokens
    assert [got.raw_token for got in partner.received[:2]] == [token_b, token_b]
    assert line.credentials("GET").data["token"] == line.outbound_token


def test_a_node_registers_with_raw_tokens_where_its_operator_says_so(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    partner = guests.partner("EMSP", raw_tokens=True)
    guests.expect(partner, cpo)

    answer = cpo.register_with(name_of(partner), partner.versions_url, partner.invite(), token_encoding="raw")

    assert answer.http_status == 201, answer
    assert partner.connections[0].credentials("GET").codes == (200, 1000)


def test_a_raw_token_is_refused_from_a_partner_without_the_flag(cpo: Node, guests: Guests) -> None:
    """Source: TRN-05"""
    line = guests.join("EMSP", cpo)

    raw = line.credentials("GET", headers={"Authorization": authorization(line.outbound_token, raw=True)})

    assert raw.http_status == 401


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
def test_token_a_opens_versions_and_credentials_only(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """Source: TRN-08, VER-03"""
    line = guests.knock(guests.partner("CPO" if at == "emsp" else "EMSP"), nodes[at])

    modules = [key for key in line.endpoints if key[0] != "credentials"]

    assert modules
    for module, interface in modules:
        segments = () if interface == "SENDER" else ("PT", "XAA", "1")
        assert line.call("GET", line.url(module, interface, *segments)).codes == (401, 2001)


@pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
def test_token_a_is_dead_after_registration(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """Source: CRD-06"""
    partner = guests.partner("CPO" if at == "emsp" else "EMSP")
    versions_url, token_a = guests.invitation(partner, nodes[at])
    line = partner.register(versions_url, token_a)
    with_a = {"Authorization": authorization(token_a)}

    with pytest.raises(Unusable, match="401"):
        partner.knock(versions_url, token_a)
    assert line.credentials("POST", partner.credentials("another-token"), headers=with_a).codes == (401, 2001)
    assert line.credentials("GET").codes == (200, 1000)


def test_of_two_posts_with_one_token_a_one_succeeds(hub: Node, guests: Guests) -> None:
    """Two at once, and one registration: the token must not be good twice. Source: CRD-06, CRD-08"""
    partner = guests.partner("EMSP")
    versions_url, token_a = guests.invitation(partner, hub)
    lines = [partner.knock(versions_url, token_a) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda line: line.register(), lines))

    won = [line for line, answer in zip(lines, answers, strict=True) if answer.status_code == 1000]
    assert len(won) == 1, answers
    assert all(answer.http_status < 500 for answer in answers)
    assert won[0].credentials("GET").codes == (200, 1000)
    assert hub.status_of(name_of(partner)) == "REGISTERED"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_is_not_registered_may_neither_update_nor_unregister(
    hub: Node, guests: Guests, method: str
) -> None:
    """Source: CRD-09, CRD-10"""
    partner = guests.partner("EMSP")
    line = guests.knock(partner, hub)
    body = partner.credentials(partner.new_token()) if method == "PUT" else None

    assert line.credentials(method, body).codes == (405, 2001)

    assert hub.status_of(name_of(partner)) == "INVITED"
    assert line.register().status_code == 1000


def test_who_is_not_registered_sees_the_token_it_came_with(hub: Node, guests: Guests) -> None:
    """The text is silent; it tells the caller nothing new. Source: CRD-28"""
    line = guests.knock(guests.partner("EMSP"), hub)

    answer = line.credentials("GET")

    assert answer.codes == (200, 1000)
    assert answer.data["token"] == line.outbound_token
    assert hub.status_of(name_of(line.partner)) == "INVITED"


def test_who_is_registered_may_not_post_again(hub: Node, guests: Guests) -> None:
    """Source: CRD-08"""
    line = guests.join("EMSP", hub)
    before = hub.partner(name_of(line.partner))
    calls = len(line.partner.received)

    answer = line.credentials("POST", line.partner.credentials(line.partner.new_token()))

    assert answer.codes == (405, 2001)
    assert hub.partner(name_of(line.partner)) == before
    assert len(line.partner.received) == calls
    assert line.credentials("GET").codes == (200, 1000)


@at_every_role
def test_put_changes_both_tokens(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-11, CRD-12, CRD-13"""
    line = guests.join(as_role, nodes[at])
    partner = line.partner
    (old_b,), old_c = line.inbound_tokens, line.outbound_token
    seen = len(partner.received)

    answer = line.rotate()

    assert answer.codes == (200, 1000)
    called_back = partner.received[seen:]
    (new_b,) = line.inbound_tokens
    assert [(got.module, got.credentials_token) for got in called_back[:2]] == [
        ("versions", new_b),
        ("details", new_b),
    ]
    assert line.outbound_token not in (old_b, old_c, new_b)
    assert line.credentials("GET", headers={"Authorization": authorization(old_c)}).http_status == 401
    assert line.credentials("GET").data["token"] == line.outbound_token


def test_put_replaces_endpoints_and_roles(cpo: Node, guests: Guests) -> None:
    """The next push goes to the new address, with the new token. Source: CRD-13"""
    line = guests.join("EMSP", cpo)
    partner = line.partner
    partner.paths["tariffs", "RECEIVER"] = "/moved/tariffs"
    del partner.paths["locations", "RECEIVER"]
    partner.roles = [role("EMSP", partner.party, trade_name="Renamed"), role("NSP", partner.party)]

    assert line.rotate().codes == (200, 1000)

    known = cpo.partner(name_of(partner))
    assert known
    assert [entry["role"] for entry in known["roles"]] == ["EMSP", "NSP"]
    assert known["roles"][0]["business_details"]["name"] == "Renamed"
    assert "locations" not in {entry["identifier"] for entry in known["endpoints"]}
    tariff_id = f"MOVED-{partner.party.party_id}"
    cpo.offer(tariff_id)
    push = partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert push.target.startswith("/moved/tariffs/")
    assert {push.credentials_token} == line.inbound_tokens


def test_three_parties_of_one_platform_are_all_accepted(hub: Node, guests: Guests) -> None:
    """Source: CRD-25"""
    partners = [guests.partner("CPO") for _ in range(3)]
    white_label = partners[0]
    white_label.roles = [role("CPO", partner.party) for partner in partners]

    line = guests.connect(white_label, hub)

    for owner in (partner.party for partner in partners):
        assert line.put("tariffs", tariff(owner, "WL"), headers=from_party(owner)).codes == (201, 1000)
        assert line.look("tariffs", *owner, "WL", headers=from_party(owner)).codes == (200, 1000)


def from_party(party: Party) -> dict[str, str | None]:
    return {"OCPI-from-country-code": party.country_code, "OCPI-from-party-id": party.party_id}


@at_every_role
def test_a_partner_unregisters(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-14"""
    node, line = nodes[at], guests.join(as_role, nodes[at])

    answer = line.unregister()

    assert answer.codes == (200, 1000)
    assert line.call("GET", node.versions_url).http_status == 401
    assert line.credentials("GET").http_status == 401
    assert line.credentials("DELETE").http_status in (401, 405)
    assert node.status_of(name_of(line.partner)) in ("UNREGISTERED", None)


def test_nothing_is_pushed_to_a_partner_that_left(cpo: Node, guests: Guests) -> None:
    """A partner that stayed gets the change; by then the one that left would have had it. Source: CRD-14"""
    left, stayed = guests.join("EMSP", cpo), guests.join("EMSP", cpo)
    left.unregister()
    seen = len(left.partner.received)
    tariff_id = f"LEFT-{left.partner.party.party_id}"

    cpo.offer(tariff_id)

    stayed.partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert left.partner.received[seen:] == []


def test_a_partner_that_left_comes_back_by_a_new_invitation(hub: Node, guests: Guests) -> None:
    """Source: CRD-14, CRD-25"""
    line = guests.join("EMSP", hub)
    line.unregister()

    again = guests.connect(line.partner, hub)

    assert again.credentials("GET").codes == (200, 1000)


@at_every_role
def test_a_node_unregisters_at_a_partner(
    nodes: dict[str, Node], guests: Guests, at: str, as_role: str
) -> None:
    """The partner is told with the token it gave out; then both tokens are dead. Source: CRD-14, CRD-17"""
    node, line = nodes[at], guests.join(as_role, nodes[at])
    partner = line.partner
    known = node.partner(name_of(partner))
    assert known

    node.ask("DELETE", "partners", known["id"])

    told = partner.server.wait_for(lambda got: (got.module, got.method) == ("credentials", "DELETE"))
    assert told.credentials_token
    assert partner.connections == []
    assert line.credentials("GET").http_status == 401
    assert node.status_of(name_of(partner)) in ("UNREGISTERED", None)


@at_every_role
def test_a_node_rotates_its_tokens(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-11, CRD-12, CRD-17, CRD-27"""
    node, line = nodes[at], guests.join(as_role, nodes[at])
    partner = line.partner
    (old_b,), old_c = line.inbound_tokens, line.outbound_token
    known = node.partner(name_of(partner))
    assert known

    node.ask("PUT", "partners", known["id"], "credentials", document={})

    put = partner.server.wait_for(lambda got: (got.module, got.method) == ("credentials", "PUT"))
    assert put.credentials_token == old_b
    assert line.outbound_token == put.document["token"] != old_c
    assert line.credentials("GET").data["token"] == line.outbound_token
    assert line.credentials("GET", headers={"Authorization": authorization(old_c)}).http_status == 401
    assert not line.inbound_tokens & {old_b}


def test_a_node_that_rotated_uses_the_token_it_was_given(cpo: Node, guests: Guests) -> None:
    """Source: CRD-07, CRD-12"""
    line = guests.join("EMSP", cpo)
    known = cpo.partner(name_of(line.partner))
    assert known
    cpo.ask("PUT", "partners", known["id"], "credentials", document={})
    tariff_id = f"ROT-{line.partner.party.party_id}"

    cpo.offer(tariff_id)

    push = line.partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert {push.credentials_token} == line.inbound_tokens


def test_a_hub_reports_itself_only(hub: Node, guests: Guests) -> None:
    """However many parties are connected to it. Source: CRD-26"""
    guests.join("CPO", hub)
    line = guests.join("EMSP", hub)

    roles = line.credentials("GET").data["roles"]

    assert [(entry["role"], entry["party_id"]) for entry in roles] == [("HUB", hub.party.party_id)]


def test_a_party_belongs_to_one_partner(hub: Node, guests: Guests) -> None:
    """A second platform that claims it is refused, in whatever case it writes the ids.

    Source: CRD-25, TYP-01
    """
    line = guests.join("CPO", hub)
    owner = line.partner.party
    for claimed in (owner, Party(owner.country_code.lower(), owner.party_id.lower())):
        intruder = guests.partner("CPO")
        knock = guests.knock(intruder, hub)
        intruder.roles = [role("CPO", claimed)]

        answer = knock.register()

        assert answer.http_status < 500
        assert 2000 <= answer.status_code < 4000
        assert hub.status_of(name_of(intruder)) == "INVITED"
    assert line.credentials("GET").codes == (200, 1000)


def test_a_party_belongs_to_one_partner_also_when_the_node_registers(hub: Node, guests: Guests) -> None:
    """Source: CRD-25"""
    line = guests.join("CPO", hub)
    intruder = guests.partner("CPO")
    intruder.roles = line.partner.roles
    guests.expect(intruder, hub)

    answer = hub.register_with(name_of(intruder), intruder.versions_url, intruder.invite())

    assert 400 <= answer.http_status < 600
    assert answer.headers["content-type"] == "application/problem+json"
    assert hub.status_of(name_of(intruder)) != "REGISTERED"
    assert line.credentials("GET").codes == (200, 1000)


def test_one_party_may_play_two_roles_at_two_partners(hub: Node, guests: Guests) -> None:
    """The triple with the role is what is unique. Source: CRD-25"""
    line = guests.join("CPO", hub)

    assert guests.join("EMSP", hub, party=line.partner.party).credentials("GET").codes == (200, 1000)


def test_a_put_may_not_take_over_the_party_of_another(hub: Node, guests: Guests) -> None:
    """Source: CRD-22, CRD-25"""
    line, other = guests.join("CPO", hub), guests.join("CPO", hub)
    other.partner.roles = [*other.partner.roles, *line.partner.roles]

    answer = other.rotate()

    assert answer.http_status < 500
    assert 2000 <= answer.status_code < 4000
    assert other.credentials("GET").codes == (200, 1000)
    assert other.put("tariffs", tariff(line.partner.party, "STOLEN")).status_code != 1000


@pytest.mark.parametrize("at", ["hub", "emsp"])
def test_nobody_speaks_for_another_party(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """FROM must be one of the caller's own parties. Source: RTE-32"""
    line, victim = guests.join("CPO", nodes[at]), guests.join("CPO", nodes[at])
    stolen = tariff(victim.partner.party, "SPOOFED")

    answer = line.put("tariffs", stolen, headers=from_party(victim.partner.party))

    assert answer.codes == (200, 2001)
    assert victim.look("tariffs", *victim.partner.party, "SPOOFED").http_status == 404


def test_the_operator_does_not_see_any_token(hub: Node, guests: Guests) -> None:
    """Nor whoever looks over his shoulder."""
    line = guests.join("EMSP", hub)

    seen = hub.call("GET", "partners").text

    for token in (line.outbound_token, *line.inbound_tokens):
        assert token not in seen


def test_polling_versions_changes_nothing(hub: Node, guests: Guests) -> None:
    """Source: VER-11"""
    line = guests.join("EMSP", hub)
    before = hub.partner(name_of(line.partner))

    for _ in range(20):
        assert line.call("GET", hub.versions_url).codes == (200, 1000)

    assert eventually(lambda: hub.partner(name_of(line.partner)) == before)
