"""Privacy of sessions: no list, GET, count or push shows a partner the sessions of another partner.

Tests a CPO with two eMSPs and a hub, and a hub with three eMSPs, by the routes, the stream and the queue.

Source: OCPI 2.2.1 mod_sessions; SES-11, RTE-20, docs/design.md, Visibility
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.sessions import receiver, sender
from chalicelib.modules.sessions.own_sessions import patch_own_session, put_own_session
from chalicelib.partners.directory import Endpoint, HeldToken, Partner
from chalicelib.policy.visibility import Viewer, list_partitions, viewers
from chalicelib.protocol.message import Party, Routing
from chalicelib.pushing.catch_up import count_pending
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import PartnerApi
from tests.modules.builders import without
from tests.modules.sessions.builders import cdr_token, session
from tests.pushing.pushing import OWN, World, partner

FIRST, SECOND, THIRD = "one", "two", "thr"
PARTY = {name: Party("PT", name.upper()) for name in (FIRST, SECOND, THIRD)}
CPO = Party("PT", "XYZ")
SINCE = "date_from=2026-01-01T00:00:00Z"


def join(world: World, role: str, partner_id: str, **fields: Any) -> Partner:
    """Register a partner that can call the node and receives pushes of sessions."""
    made = partner(role, partner_id, **fields)
    held = HeldToken(fingerprint=world.node.directory.fingerprint(f"token-of-{partner_id}"), kind="C")
    url = f"https://{partner_id}.example/sessions"
    endpoint = Endpoint(identifier="sessions", role="RECEIVER", url=url)
    return world.join(replace_fields(made, held_tokens=(held,), endpoints=(*made.endpoints, endpoint)))


def replace_fields(made: Partner, **fields: Any) -> Partner:
    return made.model_copy(update=fields)


@pytest.fixture
def at_cpo() -> World:
    """A CPO with two eMSPs, and a third one behind a hub; each of the three has two sessions."""
    world = World("CPO")
    join(world, "EMSP", FIRST)
    join(world, "EMSP", SECOND)
    join(world, "HUB", THIRD)
    for owner in (PARTY[FIRST], PARTY[SECOND], Party("ES", "BEH")):
        for number in (1, 2):
            document = session(cdr_token=cdr_token(owner), last_updated="2026-03-01T12:00:00Z")
            written = without(document, "country_code", "party_id", "id")
            put_own_session(world.node, OWN["CPO"], f"{owner.party_id}-{number}", written)
    return world


@pytest.fixture
def at_hub() -> World:
    """A hub with three eMSPs; a CPO has pushed two sessions for each."""
    world = World("HUB")
    join(world, "CPO", "xyz")
    for name in (FIRST, SECOND, THIRD):
        join(world, "EMSP", name)
    cpo = PartnerApi(world.node, receiver.INTERFACE, world.partner("xyz"))
    for name in (FIRST, SECOND, THIRD):
        for number in (1, 2):
            session_id = f"{name.upper()}-{number}"
            document = session(
                CPO, id=session_id, cdr_token=cdr_token(PARTY[name]), last_updated="2026-03-01T12:00:00Z"
            )
            assert cpo.call("PUT", *CPO, session_id, document=document).codes == (201, 1000)
    return world


SHOWN_AT_CPO = {FIRST: {"ONE-1", "ONE-2"}, SECOND: {"TWO-1", "TWO-2"}, THIRD: {"BEH-1", "BEH-2"}}
SHOWN_AT_HUB = {FIRST: {"ONE-1", "ONE-2"}, SECOND: {"TWO-1", "TWO-2"}, THIRD: {"THR-1", "THR-2"}}


@pytest.fixture(params=["CPO", "HUB"])
def stage(request: pytest.FixtureRequest) -> tuple[World, dict[str, set[str]]]:
    if request.param == "CPO":
        return request.getfixturevalue("at_cpo"), SHOWN_AT_CPO
    return request.getfixturevalue("at_hub"), SHOWN_AT_HUB


Stage = tuple[World, dict[str, set[str]]]


def as_(world: World, name: str) -> PartnerApi:
    return PartnerApi(world.node, sender.INTERFACE, world.partner(name))


def addressed(world: World) -> Party:
    return world.node.settings.roles[0].party


def test_no_list_shows_the_session_of_another_partner(stage: Stage) -> None:
    world, shown = stage
    for name, expected in shown.items():
        for query in (
            SINCE,
            f"{SINCE}&limit=1",
            f"{SINCE}&offset=1",
            f"{SINCE}&limit=1&date_to=2027-01-01T00:00:00Z",
        ):
            pages = as_(world, name).pages(query, to=addressed(world))
            listed = {one["id"] for page in pages for one in page}
            assert listed <= expected
        assert {
            one["id"] for page in as_(world, name).pages(SINCE, to=addressed(world)) for one in page
        } == expected


def test_the_page_link_of_another_partner_shows_no_foreign_session(stage: Stage) -> None:
    """A cursor grants no access: another partner that uses it gets its own sessions only."""
    world, shown = stage
    for name in shown:
        link = as_(world, name).call("GET", query=f"{SINCE}&limit=1", to=addressed(world)).headers["Link"]
        query = link[1:].partition(">")[0].partition("?")[2]
        for other in set(shown) - {name}:
            answer = as_(world, other).call("GET", query=query, to=addressed(world))
            assert {one["id"] for one in answer.data} <= shown[other]


def test_no_count_includes_the_session_of_another_partner(stage: Stage) -> None:
    world, shown = stage
    for name in shown:
        for query in (
            SINCE,
            f"{SINCE}&limit=1",
            f"{SINCE}&date_to=2026-03-01T12:00:01Z",
            f"{SINCE}&offset=1&limit=1",
        ):
            assert (
                as_(world, name).call("GET", query=query, to=addressed(world)).headers["X-Total-Count"] == "2"
            )


def test_no_request_for_one_session_reaches_the_session_of_another_partner(stage: Stage) -> None:
    """Tries the requests with a session id of both interfaces: the answer is as for an unknown session."""
    world, shown = stage
    document = {"profile_type": "FAST"}
    unknown = as_(world, FIRST).call("PUT", "NO-SUCH", "charging_preferences", document=document)
    for name in shown:
        for other in set(shown) - {name}:
            for session_id in shown[other]:
                answer = as_(world, name).call("PUT", session_id, "charging_preferences", document=document)
                assert (answer.codes, answer.data, answer.message) == (unknown.codes, None, unknown.message)
                owner = CPO if world.node.settings.plays("HUB") else OWN["CPO"]
                if world.node.settings.plays("HUB"):
                    got = PartnerApi(world.node, receiver.INTERFACE, world.partner(name)).call(
                        "GET", *owner, session_id
                    )
                    assert (got.codes, got.data) == ((404, 2001), None)


def test_no_push_has_the_session_of_another_partner(stage: Stage) -> None:
    world, shown = stage
    world.settle()

    for name, expected in shown.items():
        pushed = [sent for sent in world.partners.to(name) if sent.module == "sessions"]
        assert {sent.segments[2] for sent in pushed} == expected
        assert {sent.document["id"] for sent in pushed} == expected
        assert {sent.method for sent in pushed} == {"PUT"}
    assert {sent.partner_id for sent in world.partners.sent} == set(shown)


def test_changes_are_pushed_to_the_same_partner_only(at_cpo: World) -> None:
    at_cpo.settle()
    at_cpo.partners.sent.clear()
    at_cpo.clock.forward(1)

    patch_own_session(at_cpo.node, OWN["CPO"], "ONE-1", {"kwh": 3})
    patch_own_session(at_cpo.node, OWN["CPO"], "BEH-1", {"kwh": 4})
    at_cpo.settle()

    assert sorted(
        (sent.partner_id, sent.segments, sent.document["kwh"]) for sent in at_cpo.partners.sent
    ) == [
        (FIRST, ("PT", "ABC", "ONE-1"), 3),
        (THIRD, ("PT", "ABC", "BEH-1"), 4),
    ]


def test_catch_up_after_offline_pushes_the_partners_own_sessions_only(stage: Stage) -> None:
    """Source: TRN-32"""
    world, shown = stage
    for name in shown:
        world.node.directory.update(
            name, lambda it: it.model_copy(update={"connection": "OFFLINE", "offline_since": it.last_updated})
        )
    world.settle()
    assert world.partners.sent == []

    for name in shown:
        world.node.directory.update(
            name, lambda it: it.model_copy(update={"connection": "CONNECTED", "offline_since": None})
        )
    world.settle()

    for name, expected in shown.items():
        assert {sent.segments[2] for sent in world.partners.to(name)} == expected


def test_a_hub_pushes_a_session_in_the_owners_name(at_hub: World) -> None:
    """Source: RTE-20, RTE-23, SES-11"""
    at_hub.settle()

    routings = {sent.partner_id: sent.routing for sent in at_hub.partners.sent}
    assert routings == {name: Routing(CPO, PARTY[name]) for name in (FIRST, SECOND, THIRD)}


def test_a_cpo_never_addresses_a_session_to_a_hub(at_cpo: World) -> None:
    """A CPO uses open routing: the hub finds the receiver by the token. Source: RTE-20, RTE-22"""
    at_cpo.settle()

    routings = {sent.partner_id: sent.routing for sent in at_cpo.partners.sent}
    assert routings == {
        FIRST: Routing(OWN["CPO"], PARTY[FIRST]),
        SECOND: Routing(OWN["CPO"], PARTY[SECOND]),
        THIRD: Routing(OWN["CPO"], None),
    }


@pytest.mark.parametrize("to", [None, OWN["HUB"], PARTY[FIRST], PARTY[SECOND]])
def test_a_hub_stores_a_session_and_pushes_it_to_the_tokens_emsp_for_any_address(to: Party | None) -> None:
    """Source: RTE-20, RTE-23, SES-11"""
    world = World("HUB")
    join(world, "CPO", "xyz")
    for name in (FIRST, SECOND):
        join(world, "EMSP", name)
    api = PartnerApi(world.node, receiver.INTERFACE, world.partner("xyz"))

    answer = api.call("PUT", *CPO, "S1", document=session(CPO, cdr_token=cdr_token(PARTY[FIRST])), to=to)
    world.settle()

    assert answer.codes == (201, 1000)
    assert [(sent.partner_id, sent.segments) for sent in world.partners.sent] == [(FIRST, (*CPO, "S1"))]


def test_a_session_is_not_pushed_back_to_its_cpo() -> None:
    """Here the CPO is an eMSP too, and the driver is its own customer."""
    world = World("HUB")
    both = join(world, "CPO", "xyz")
    role = both.roles[0].model_copy(update={"role": "EMSP"})
    world.node.directory.save(replace_fields(both, roles=(*both.roles, role)), both)
    api = PartnerApi(world.node, receiver.INTERFACE, world.partner("xyz"))
    document = session(CPO, cdr_token=cdr_token(CPO))
    api.call("PUT", *CPO, "S1", document=document)
    world.settle()

    assert world.partners.sent == []


@pytest.mark.parametrize(("node_role", "receivers"), [("EMSP", []), ("HUB", [FIRST])])
def test_a_received_session_is_pushed_on_by_a_hub_and_not_by_an_emsp(
    node_role: str, receivers: list[str]
) -> None:
    """An eMSP does not push it, although the eMSP of the session's token is its partner."""
    world = World(node_role)
    join(world, "CPO", "xyz")
    join(world, "EMSP", FIRST)
    api = PartnerApi(world.node, receiver.INTERFACE, world.partner("xyz"))
    answer = api.call("PUT", *CPO, "S1", document=session(CPO, cdr_token=cdr_token(PARTY[FIRST])))
    world.settle()

    assert answer.codes == (201, 1000)
    assert [sent.partner_id for sent in world.partners.sent] == receivers


def test_a_session_with_a_new_emsp_is_no_longer_pushed_to_the_former_one(at_cpo: World) -> None:
    at_cpo.settle()
    at_cpo.partners.sent.clear()
    at_cpo.clock.forward(1)

    patch_own_session(at_cpo.node, OWN["CPO"], "ONE-1", {"cdr_token": cdr_token(PARTY[SECOND])})
    at_cpo.settle()

    assert [(sent.partner_id, sent.segments[2]) for sent in at_cpo.partners.sent] == [(SECOND, "ONE-1")]
    assert as_(at_cpo, FIRST).call("GET", query=SINCE).headers["X-Total-Count"] == "1"
    assert as_(at_cpo, SECOND).call("GET", query=SINCE).headers["X-Total-Count"] == "3"


def test_a_partner_that_registers_again_is_shown_its_earlier_sessions(at_hub: World) -> None:
    """The partner has a new id at this node."""
    before = at_hub.partner(FIRST)
    at_hub.node.directory.remove(before)
    again = replace_fields(before, id="again", revision=0)
    at_hub.node.directory.save(again)

    api = PartnerApi(at_hub.node, sender.INTERFACE, replace_fields(again, id=FIRST))
    listed = api.call("GET", query=SINCE, to=OWN["HUB"])

    assert {one["id"] for one in listed.data} == SHOWN_AT_HUB[FIRST]


def test_old_sessions_are_not_pushed_to_a_partner_that_has_just_registered(at_hub: World) -> None:
    """The partner can pull them. Source: mod_sessions, Pull model"""
    assert count_pending(at_hub.node, at_hub.partner(FIRST), {}) == 2

    at_hub.clock.forward(8 * 24 * 3600)

    assert count_pending(at_hub.node, at_hub.partner(FIRST), {}) == 0


def test_a_partner_is_a_viewer_of_sessions_in_its_roles_emsp_and_hub() -> None:
    many = partner(("CPO", "EMSP", "HUB", "NSP", "NAP", "SCSP", "OTHER"), "one")

    assert viewers(many) == [Viewer(Party("PT", "ONE"), "EMSP"), Viewer(Party("PT", "ONE"), "HUB")]
    assert list_partitions(World("EMSP").node, "sessions", many) == []
    assert list_partitions(World("CPO").node, "sessions", None) == []


def test_partitions_before_authentication_follow_the_routing_headers() -> None:
    node = World("CPO").node

    assert list_partitions(node, "sessions", None, Routing(sender=PARTY[FIRST])) == [
        "sessions#PT*ABC#PT*ONE#EMSP",
        "sessions#PT*ABC#PT*ONE#HUB",
    ]


def test_a_received_session_is_stored_under_its_owner(at_hub: World) -> None:
    stored = at_hub.node.objects.get(Ref("sessions", *CPO, "ONE-1"))

    assert stored is not None
    assert (stored.source, stored.partition) == ("xyz", "sessions#*#PT*ONE#EMSP")
