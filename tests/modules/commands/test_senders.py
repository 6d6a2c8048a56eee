"""Check of the eMSP that a command is sent for, by partners and by hubs.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-12, RTE-32
"""

from __future__ import annotations

import pytest

from chalicelib.partners.directory import HeldToken, Partner, PartnerRole
from chalicelib.protocol.message import Party
from tests.harness.nodes import Answer
from tests.modules.builders import T0, evse
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import EVI, MOB, Member, Network, add_webhook, keep_location, start, token
from tests.storage.capacity import measured

BEHIND = Party("PT", "BHD")
"""An eMSP that only the hub knows."""


@pytest.fixture
def network(networks: Networks) -> Network:
    """A CPO with two partners: an eMSP and a hub."""
    network = networks("emsp", "cpo", "hub")
    keep_location(network["cpo"], "L1", "", evse())
    add_webhook(network["cpo"])
    return network


def post(network: Network, caller: str, token_of: Party, sender: Party | None, **fields: object) -> Answer:
    cpo, member = network["cpo"], network[caller]
    headers = {}
    if sender is not None:
        headers = {"ocpi_from_country_code": sender.country_code, "ocpi_from_party_id": sender.party_id}
    card = token(country_code=token_of.country_code, party_id=token_of.party_id)
    document = start(member, token=card, **fields)
    return cpo.call(member, "POST", "/receiver/commands/START_SESSION", document, **headers)


def result_of(answer: Answer) -> tuple[int, str | None]:
    return answer.json["status_code"], (answer.json.get("data") or {}).get("result")


def expect_nothing_started(cpo: Member) -> None:
    assert cpo.commands() == []
    assert cpo.csms.received == []


@pytest.mark.parametrize("sender", [EVI, MOB, BEHIND, None])
def test_a_hub_cannot_start_a_session_with_a_token_of_another_partner(
    network: Network, sender: Party | None
) -> None:
    answer = post(network, "hub", EVI, sender)

    assert answer.json["status_code"] == 2001
    expect_nothing_started(network["cpo"])


def test_the_owner_of_the_token_is_checked_in_a_long_body_too(network: Network) -> None:
    """A longer body is not read ahead, so the claim of the token's owner is read later."""
    answer = post(network, "hub", EVI, None, custom="x" * 70_000)

    assert result_of(answer) == (2001, "REJECTED")
    expect_nothing_started(network["cpo"])


def test_a_hub_cannot_use_a_token_of_this_nodes_own_party(network: Network) -> None:
    own = network["cpo"].node.settings.roles[0].party

    assert result_of(post(network, "hub", own, None)) == (2001, "REJECTED")
    assert post(network, "hub", BEHIND, own).json["status_code"] == 2001


@pytest.mark.parametrize("sender", [BEHIND, MOB, None])
def test_a_hub_starts_a_session_for_an_emsp_behind_it(network: Network, sender: Party | None) -> None:
    assert result_of(post(network, "hub", BEHIND, sender)) == (1000, "ACCEPTED")


@pytest.mark.usefixtures("in_moto")
def test_an_emsp_behind_a_hub_costs_no_additional_call(network: Network, in_moto: None) -> None:
    with measured(network["cpo"].node.table) as spent:
        post(network, "hub", BEHIND, BEHIND)
    hub_calls = spent.calls

    with measured(network["cpo"].node.table) as spent:
        post(network, "emsp", EVI, EVI)

    assert hub_calls == spent.calls


def test_a_partner_cannot_use_tokens_of_a_party_that_it_plays_as_cpo_only(
    network: Network,
) -> None:
    """Another partner may play the same party id as eMSP."""
    cpo = network["cpo"].node
    twin = Party("PT", "TWI")
    roles = [("CPO", twin), ("EMSP", Party("PT", "OWN"))]
    cpo.directory.save(
        Partner(
            id="twin",
            name="twin",
            status="REGISTERED",
            last_updated=T0,
            versions_url="https://twin.example/versions",
            roles=tuple(
                PartnerRole(role=role, country_code=party.country_code, party_id=party.party_id)
                for role, party in roles
            ),
            held_tokens=(HeldToken(fingerprint=cpo.directory.fingerprint("twins"), kind="C"),),
        )
    )
    document = start(network["emsp"], token=token(country_code="PT", party_id="TWI"))
    document["response_url"] = "https://twin.example/results/1"

    answer = network["cpo"].host.call(
        "POST", "/ocpi/2.2.1/receiver/commands/START_SESSION", "twins", document
    )

    assert result_of(answer) == (2001, "REJECTED")
    expect_nothing_started(network["cpo"])
