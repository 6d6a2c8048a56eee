"""Tests of finding the viewer of a session.

Source: OCPI 2.2.1 mod_sessions_session_object; SES-11, CMD-10, RTE-20
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.policy.remote_starts import start_items, started
from chalicelib.policy.session_viewers import find_viewer
from chalicelib.policy.visibility import Viewer
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.modules.sessions.builders import cdr_token, session, token
from tests.pushing.pushing import OWN, World, partner

EMSP = Party("PT", "EVI")
SESSION = session(OWN["CPO"], cdr_token=cdr_token(EMSP))
AS_EMSP, AS_HUB = Viewer(EMSP, "EMSP"), Viewer(Party("PT", "HUB"), "HUB")


def world(*partners: tuple[str, str]) -> World:
    """A CPO with partners of an id and a role."""
    world = World("CPO")
    for partner_id, role in partners:
        world.join(partner(role, partner_id))
    return world


def know_token(world: World, source: str) -> None:
    document = token(EMSP)
    write = Write(JsonText(write_json(document)), document["last_updated"])
    ref = Ref("tokens", *EMSP, document["uid"], "RFID")
    world.node.objects.change(ref, lambda _: write, partition="tokens#*", source=source)


def command(world: World, partner_id: str, reference: str | None = None) -> None:
    start = started(partner_id, "command-1", world.clock(), "L1", "E1")
    for item in start_items(SESSION["cdr_token"], reference, start, world.clock()):
        world.table.put(item)


def test_the_session_of_a_known_token_goes_to_the_partner_that_sent_the_token() -> None:
    """Also if its eMSP is connected directly, and in any case of its letters."""
    both = world(("evi", "EMSP"), ("hub", "HUB"))
    know_token(both, "hub")

    assert find_viewer(both.node, SESSION) == AS_HUB
    folded = {**SESSION, "cdr_token": cdr_token(Party("pt", "evi"), uid="012345")}
    assert find_viewer(both.node, folded) == AS_HUB

    know_token(both, "evi")
    assert find_viewer(both.node, SESSION) == AS_EMSP


def test_the_session_of_an_unknown_token_goes_to_the_partner_that_plays_its_emsp() -> None:
    assert find_viewer(world(("evi", "EMSP"), ("hub", "HUB")).node, SESSION) == AS_EMSP


def test_a_partner_with_the_emsp_s_party_in_another_role_is_not_the_emsp() -> None:
    """Source: ocpi#284"""
    assert find_viewer(world(("evi", "CPO"), ("hub", "HUB")).node, SESSION) == AS_HUB


def test_the_session_of_a_command_s_token_goes_to_the_partner_that_sent_the_command() -> None:
    """Source: CMD-10"""
    two_hubs = world(("hub", "HUB"), ("zzz", "HUB"))
    assert find_viewer(two_hubs.node, SESSION) == AS_HUB

    command(two_hubs, "zzz")

    assert find_viewer(two_hubs.node, SESSION) == Viewer(Party("PT", "ZZZ"), "HUB")


def test_the_session_of_an_unknown_emsp_goes_to_the_hub() -> None:
    assert find_viewer(world(("oth", "EMSP"), ("hub", "HUB")).node, SESSION) == AS_HUB


def test_the_session_of_an_unknown_emsp_has_no_viewer_without_a_hub() -> None:
    assert find_viewer(world(("oth", "EMSP"), ("xyz", "CPO")).node, SESSION) is None


def test_the_session_of_a_token_from_a_partner_that_left_goes_to_the_hub() -> None:
    gone = world(("hub", "HUB"))
    know_token(gone, "somebody-else")

    assert find_viewer(gone.node, SESSION) == AS_HUB


def test_an_unregistered_partner_receives_no_session() -> None:
    left = World("CPO")
    left.join(partner("HUB", "hub", status="UNREGISTERED", roles=()))

    assert find_viewer(left.node, SESSION) is None


def test_sessions_of_the_node_s_own_drivers_have_no_viewer() -> None:
    own = world(("hub", "HUB"))
    roles: Any = (*own.node.settings.roles, OwnRole("EMSP", EMSP, {}))
    object.__setattr__(own.node.settings, "roles", roles)

    assert find_viewer(own.node, SESSION) is None


@pytest.mark.parametrize("status", ["INVITED", "REGISTERING", "UNREGISTERED"])
@pytest.mark.parametrize("role", ["HUB", "EMSP"])
def test_a_partner_during_its_handshake_receives_no_session(status: str, role: str) -> None:
    """Both as the only hub and as the partner that sent the token."""
    pending = World("CPO")
    pending.join(partner(role, "hub", status=status))
    assert find_viewer(pending.node, SESSION) is None

    know_token(pending, "hub")

    assert find_viewer(pending.node, SESSION) is None


def test_a_partner_that_sent_another_emsp_s_token_is_the_viewer_as_hub() -> None:
    """If it plays that eMSP itself, it is the viewer as eMSP."""
    both = World("CPO")
    both.join(partner(("EMSP", "HUB"), "mob"))
    know_token(both, "mob")
    assert find_viewer(both.node, SESSION) == Viewer(Party("PT", "MOB"), "HUB")

    plays_it = World("CPO")
    plays_it.join(partner(("HUB", "EMSP"), "evi"))
    know_token(plays_it, "evi")
    assert find_viewer(plays_it.node, SESSION) == AS_EMSP


@pytest.mark.parametrize("role", [OwnRole("EMSP", Party("PT", "OWN"), {}), OwnRole("CPO", EMSP, {})])
def test_only_sessions_of_the_node_s_own_emsp_have_no_viewer(role: OwnRole) -> None:
    """An own eMSP with another party, or an own CPO with the same party, changes nothing."""
    own = world(("hub", "HUB"))
    object.__setattr__(own.node.settings, "roles", (*own.node.settings.roles, role))

    assert find_viewer(own.node, SESSION) == AS_HUB
