"""Tests of the rules of visibility.

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; mod_locations
"""

from __future__ import annotations

import pytest

from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.policy.visibility import (
    Subject,
    all_partitions,
    audience,
    is_hidden,
    is_hidden_partition,
    is_pushed_to,
    list_partitions,
    may_see,
    partition_for_own,
    partition_for_received,
)
from chalicelib.protocol.message import Party, Routing
from chalicelib.settings import OwnRole, Settings
from tests.pushing.pushing import OWN, World, partner

ROLES = ("CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP")
OTHERS_CPO = Party("PT", "XYZ")
PUBLISHED, HIDDEN = {"publish": True}, {"publish": False}


def settings(*roles: tuple[str, Party]) -> Settings:
    return Settings(tuple(OwnRole(role, party, {}) for role, party in roles), "t", "q", "k")


def receivers_of(role: str, subject: Subject) -> set[str]:
    """The roles of the partners to which a node of this role pushes an object."""
    partners = [partner(each, each) for each in ROLES]
    return {each.id for each in audience(settings((role, OWN[role])), partners, subject)}


@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_own_data_goes_to_the_opposite_roles_and_to_hubs(module: str) -> None:
    """Source: RTE-17"""
    assert receivers_of("CPO", Subject(module, OWN["CPO"], source="")) == {
        "EMSP",
        "HUB",
        "NAP",
        "NSP",
        "OTHER",
    }


def test_a_hub_passes_on_to_the_opposite_roles_but_not_to_hubs() -> None:
    """In a ring of hubs an object would travel for ever. Source: RTE-17"""
    assert receivers_of("HUB", Subject("tariffs", OTHERS_CPO, source="cpo")) == {
        "EMSP",
        "NAP",
        "NSP",
        "OTHER",
    }


def test_an_emsp_passes_nothing_on() -> None:
    assert receivers_of("EMSP", Subject("tariffs", OTHERS_CPO, source="cpo")) == set()


def test_an_object_is_not_pushed_to_its_source_or_its_owner() -> None:
    """Also if the source or the owner plays other roles as well. Source: RTE-17"""
    hub = settings(("HUB", OWN["HUB"]))
    both = partner(("CPO", "EMSP"), "xyz")
    source = partner(("HUB", "EMSP"), "src")
    other = partner("EMSP", "emp")

    receivers = audience(hub, [both, source, other], Subject("tariffs", Party("pt", "xyz"), source="src"))

    assert receivers == [other]


def test_only_partners_that_offer_the_receiver_are_pushed_to() -> None:
    """Source: RTE-18"""
    without = partner("EMSP", "one", endpoints=partner().endpoints[:1])

    assert is_pushed_to(settings(("CPO", OWN["CPO"])), without, Subject("tariffs", OWN["CPO"], ""))
    assert not is_pushed_to(settings(("CPO", OWN["CPO"])), without, Subject("locations", OWN["CPO"], ""))


@pytest.mark.parametrize("status", ["INVITED", "REGISTERING", "UNREGISTERED"])
def test_only_registered_partners_are_pushed_to(status: str) -> None:
    not_yet = partner("EMSP", status=status)

    assert not is_pushed_to(settings(("CPO", OWN["CPO"])), not_yet, Subject("tariffs", OWN["CPO"], ""))


def test_an_unpublished_location_is_pushed_to_emsps_and_hubs_only() -> None:
    """Use cases 3 to 5 of `publish`. Source: LOC-16"""
    assert receivers_of("CPO", Subject("locations", OWN["CPO"], "", hidden=True)) == {"EMSP", "HUB"}
    assert receivers_of("HUB", Subject("locations", OTHERS_CPO, "cpo", hidden=True)) == {"EMSP"}


SHOWN = {
    ("locations", False): {"EMSP", "HUB", "NAP", "NSP", "OTHER"},
    ("locations", True): {"EMSP", "HUB"},
    ("tariffs", False): {"EMSP", "HUB", "NAP", "NSP", "OTHER"},
    ("tokens", False): {"CPO", "HUB"},
}
"""The roles that may see a module's objects; hidden: unpublished locations."""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("module", "hidden"), list(SHOWN))
@pytest.mark.parametrize("node_role", ["CPO", "HUB", "EMSP"])
def test_each_role_sees_exactly_the_objects_meant_for_it(
    node_role: str, module: str, hidden: bool, role: str
) -> None:
    """List, single GET and push are all compared with one table. Source: RTE-17, LOC-16, OWN-01"""
    owner_role = "EMSP" if module == "tokens" else "CPO"
    document = HIDDEN if hidden else PUBLISHED
    is_shown = role in SHOWN[module, hidden]

    assert may_see(partner(role), module, document) is is_shown
    if node_role not in (owner_role, "HUB"):
        return
    is_own = node_role == owner_role
    own = partition_for_own(module, OWN[owner_role], hidden)
    place = own if is_own else partition_for_received(module, hidden)
    assert (place in list_partitions(World(node_role).node, module, partner(role))) is is_shown
    subject = Subject(module, OWN[owner_role] if is_own else OTHERS_CPO, "" if is_own else "src", hidden)
    endpoint = Endpoint(identifier=module, role="RECEIVER", url="https://x.example/receiver")
    pushed = is_pushed_to(
        settings((node_role, OWN[node_role])), partner(role, "one", endpoints=(endpoint,)), subject
    )
    assert pushed is (is_shown and (is_own or role != "HUB"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_waits_for_approval_sees_nothing(role: str) -> None:
    """Source: CRD-25"""
    claimed = partner(role)
    waiting = claimed.model_copy(update={"roles": (), "pending_roles": claimed.roles})

    for module in ("locations", "tariffs", "tokens", "sessions", "cdrs"):
        assert list_partitions(World("HUB").node, module, waiting) == []
        assert not may_see(waiting, module, PUBLISHED)
        assert not is_pushed_to(settings(("CPO", OWN["CPO"])), waiting, Subject(module, OWN["CPO"], ""))
    assert not waiting.is_hub


@pytest.mark.parametrize(("node_role", "is_pushed"), [("HUB", True), ("EMSP", False), ("CPO", False)])
def test_only_a_hub_passes_on_private_objects(node_role: str, is_pushed: bool) -> None:
    """A session goes to the eMSP that its token names, and never back. Source: RTE-20, SES-11"""
    endpoint = Endpoint(identifier="sessions", role="RECEIVER", url="https://one.example/sessions")
    emsp = partner("EMSP", "one", endpoints=(endpoint,))
    viewed_by = f"sessions#*#{emsp.roles[0].party.key()}#EMSP"
    subject = Subject("sessions", OTHERS_CPO, source="cpo", partition=viewed_by)

    assert is_pushed_to(settings((node_role, OWN[node_role])), emsp, subject) is is_pushed
    assert not is_pushed_to(settings((node_role, OWN[node_role])), emsp, subject._replace(source="one"))
    another = subject._replace(partition="sessions#*#PT*ZZZ#EMSP")
    assert not is_pushed_to(settings((node_role, OWN[node_role])), emsp, another)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("document", [PUBLISHED, HIDDEN], ids=["published", "hidden"])
@pytest.mark.parametrize("node_role", ["CPO", "HUB"])
def test_a_single_get_and_the_list_show_the_same_objects(
    role: str, document: dict[str, bool], node_role: str
) -> None:
    world = World(node_role)
    hidden = is_hidden("locations", document)
    place = partition_for_own("locations", OWN["CPO"], hidden)
    if node_role == "HUB":
        place = partition_for_received("locations", hidden)

    listed = place in list_partitions(world.node, "locations", partner(role))

    assert listed == may_see(partner(role), "locations", document) == (role in SHOWN["locations", hidden])


@pytest.mark.parametrize("role", ROLES)
def test_a_partner_that_is_pushed_our_objects_can_also_read_them(role: str) -> None:
    world = World("CPO")
    for hidden in (False, True):
        pushed = is_pushed_to(
            world.node.settings, partner(role), Subject("locations", OWN["CPO"], "", hidden)
        )
        shown = partition_for_own("locations", OWN["CPO"], hidden) in list_partitions(
            world.node, "locations", partner(role)
        )
        assert pushed == shown == (role in SHOWN["locations", hidden])


def test_a_request_to_one_of_our_parties_lists_only_its_objects() -> None:
    """Source: RTE-06"""
    world = World("CPO")
    two = settings(("CPO", Party("PT", "ABC")), ("CPO", Party("PT", "DEF")))
    object.__setattr__(world.node, "settings", two)

    assert list_partitions(world.node, "tariffs", partner()) == ["tariffs#PT*ABC", "tariffs#PT*DEF"]
    one = list_partitions(world.node, "tariffs", partner(), Routing(receiver=Party("pt", "def")))
    assert one == ["tariffs#PT*DEF"]


def test_a_request_to_the_hub_s_party_lists_all_received_objects() -> None:
    """Source: RTE-26"""
    hub = World("HUB").node

    assert list_partitions(hub, "tariffs", partner(), Routing(receiver=OWN["HUB"])) == ["tariffs#*"]
    assert list_partitions(hub, "tariffs", partner(), Routing(receiver=OTHERS_CPO)) == []


def test_before_the_caller_is_known_every_list_is_read_ahead() -> None:
    assert list_partitions(World("CPO").node, "locations", None) == [
        "locations#PT*ABC",
        "locations#PT*ABC#unpublished",
    ]


def test_the_operator_sees_every_list_that_the_node_keeps() -> None:
    assert all_partitions(settings(("EMSP", OWN["EMSP"])), "locations") == [
        "locations#*",
        "locations#*#unpublished",
    ]
    assert all_partitions(settings(("CPO", OWN["CPO"])), "tariffs") == ["tariffs#PT*ABC"]


def test_only_locations_can_be_unpublished() -> None:
    assert is_hidden("locations", HIDDEN)
    assert not is_hidden("tariffs", HIDDEN)
    assert is_hidden_partition(partition_for_own("locations", OWN["CPO"], hidden=True))
    assert not is_hidden_partition(partition_for_received("locations"))


def test_a_partner_with_two_roles_sees_the_objects_of_both() -> None:
    both: Partner = partner(("NSP", "EMSP"))

    assert may_see(both, "locations", HIDDEN)
