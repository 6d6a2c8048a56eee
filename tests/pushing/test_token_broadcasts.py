"""Broadcasts of tokens: from eMSPs to CPOs, through hubs.

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push, mod_tokens; RTE-12 … RTE-20, TOK-01
"""

from __future__ import annotations

import logging

import pytest

from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.visibility import (
    Subject,
    all_partitions,
    audience,
    list_partitions,
    may_see,
    partition_for_own,
    partition_for_received,
)
from chalicelib.protocol.message import Party, Routing
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.delivery_report import delivery_report
from chalicelib.settings import OwnRole, Settings
from tests.pushing.pushing import OWN, World, break_down, partner, refuse

ROLES = ("CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP")
GLP = Party("PT", "GLP")


def receiving_roles(role: str, owner: Party, source: str) -> set[str]:
    """Roles of the partners to which a node in this role pushes a token."""
    settings = Settings((OwnRole(role, OWN[role], {}),), "t", "q", "k")
    partners = [partner(each, each) for each in ROLES]
    return {each.id for each in audience(settings, partners, Subject("tokens", owner, source))}


# -- audience ---------------------------------------------------------------------------------------


def test_own_tokens_go_to_cpos_and_hubs() -> None:
    """Source: RTE-17"""
    assert receiving_roles("EMSP", OWN["EMSP"], "") == {"CPO", "HUB"}


def test_a_hub_forwards_tokens_to_cpos_but_not_to_hubs() -> None:
    """Source: RTE-17"""
    assert receiving_roles("HUB", GLP, "emsp") == {"CPO"}


def test_a_cpo_forwards_no_token() -> None:
    assert receiving_roles("CPO", GLP, "hub") == set()


def test_no_token_goes_back_to_its_source_or_its_owner() -> None:
    """Even in their other roles. Source: RTE-17"""
    settings = Settings((OwnRole("HUB", OWN["HUB"], {}),), "t", "q", "k")
    owner = partner(("CPO", "EMSP"), "glp")
    source = partner(("CPO", "HUB"), "src")
    other = partner("CPO", "cpo")

    assert audience(settings, [owner, source, other], Subject("tokens", GLP, "src")) == [other]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("node_role", ["EMSP", "HUB"])
def test_a_partner_that_is_pushed_tokens_may_also_pull_them(role: str, node_role: str) -> None:
    node = World(node_role).node
    place = (
        partition_for_received("tokens") if node_role == "HUB" else partition_for_own("tokens", OWN["EMSP"])
    )
    owner, source = (GLP, "emsp") if node_role == "HUB" else (OWN["EMSP"], "")

    shown = place in list_partitions(node, "tokens", partner(role))

    assert shown == may_see(partner(role), "tokens", {})
    assert shown or role not in receiving_roles(node_role, owner, source)
    assert shown == (role in ("CPO", "HUB"))


def test_an_addressed_emsp_narrows_the_list_to_its_own() -> None:
    """Source: RTE-06"""
    world = World("EMSP")
    two = Settings((OwnRole("EMSP", OWN["EMSP"], {}), OwnRole("EMSP", GLP, {})), "t", "q", "k")
    object.__setattr__(world.node, "settings", two)
    cpo = partner("CPO")

    assert list_partitions(world.node, "tokens", cpo) == ["tokens#PT*EVI", "tokens#PT*GLP"]
    assert list_partitions(world.node, "tokens", cpo, Routing(receiver=GLP)) == ["tokens#PT*GLP"]


@pytest.mark.parametrize(
    ("role", "lists"), [("CPO", ["tokens#*"]), ("HUB", ["tokens#*"]), ("EMSP", ["tokens#PT*EVI"])]
)
def test_the_operator_sees_every_list_that_the_node_keeps(role: str, lists: list[str]) -> None:
    assert all_partitions(World(role).node.settings, "tokens") == lists


def test_a_cpo_neither_shows_nor_pushes_received_tokens() -> None:
    cpo = World("CPO")
    for role in ROLES:
        assert list_partitions(cpo.node, "tokens", cpo.join(partner(role, role.lower()))) == []

    cpo.put_token(owner=GLP, source="hub")
    cpo.join(partner("CPO", "late"))
    cpo.settle()

    assert cpo.partners.sent == []


# -- requests ---------------------------------------------------------------------------------------


def test_a_token_is_put_under_the_ids_of_its_owner_with_its_type() -> None:
    """Source: TOK-01, OWN-05, RTE-13, RTE-15"""
    emsp = World("EMSP")
    emsp.join(partner("HUB", "mob"))
    ref = emsp.put_token("A 1", "APP_USER")

    emsp.settle()

    (sent,) = emsp.partners.sent
    assert (sent.method, sent.module, sent.segments) == ("PUT", "tokens", ("PT", "EVI", "A 1"))
    assert sent.query == {"type": "APP_USER"}
    assert sent.document == emsp.stored(ref)
    assert sent.routing == Routing(OWN["EMSP"], Party("PT", "MOB"))


def test_a_hub_forwards_a_token_in_its_own_name() -> None:
    """Source: RTE-13, RTE-15"""
    hub = World("HUB")
    for each in (partner("CPO", "abc"), partner("EMSP", "glp"), partner("EMSP", "evi")):
        hub.join(each)
    hub.put_token(owner=GLP, source="glp")

    hub.settle()

    (sent,) = hub.partners.sent
    assert (sent.partner_id, sent.segments) == ("abc", ("PT", "GLP", "A1"))
    assert sent.routing == Routing(OWN["HUB"], Party("PT", "ABC"))


def test_tokens_of_two_types_are_pushed_as_two_objects() -> None:
    """Source: OWN-05"""
    emsp = World("EMSP")
    emsp.join(partner("CPO", "abc"))
    refs = [emsp.put_token(token_type=each) for each in ("RFID", "APP_USER")]
    emsp.settle()

    emsp.put_token(token_type="APP_USER", valid=False)
    emsp.settle()

    *first, last = [sent.query["type"] for sent in emsp.partners.sent]
    # Two objects are pushed in parallel, in any order.
    assert (sorted(first), last) == (["APP_USER", "RFID"], "APP_USER")
    assert {emsp.delivery("abc", ref).status for ref in refs} == {DeliveryStatus.DELIVERED}


def test_a_cpo_that_registers_late_receives_every_token() -> None:
    hub = World("HUB")
    for number in range(3):
        hub.put_token(f"A{number}", owner=GLP, source="glp")

    hub.join(partner("CPO", "abc"))
    hub.settle()

    assert {sent.segments[2] for sent in hub.partners.to("abc")} == {"A0", "A1", "A2"}


def test_the_emsp_of_a_received_token_is_recorded() -> None:
    cpo = World("CPO")
    cpo.put_token(owner=GLP, source="hub")
    cpo.stream()

    assert known_owners(cpo.table.get_many([owners_key("tokens")]), "tokens") == [GLP]


def test_the_operator_sees_which_token_was_refused() -> None:
    emsp = World("EMSP")
    emsp.join(partner("CPO", "abc"))
    emsp.partners.faults["abc"] = refuse()
    emsp.put_token()
    emsp.settle()

    row = delivery_report(emsp.node, emsp.partner("abc"))
    assert [(each["module"], each["object"]) for each in row["refused"]] == [("tokens", "PT/EVI/A1/RFID")]


def test_no_log_line_contains_the_uid_of_a_token(caplog: pytest.LogCaptureFixture) -> None:
    emsp = World("EMSP", freshness=2)
    emsp.join(partner("CPO", "abc"))
    emsp.partners.faults["abc"] = break_down
    with caplog.at_level(logging.DEBUG):
        emsp.put_token("SECRET-UID")
        emsp.settle(seconds=20)

    logged = str([vars(record) for record in caplog.records])
    assert "a partner is offline" in logged
    assert "SECRET-UID" not in logged
