"""Registration with a partner of OCPI 2.1.1, in each role and from either side.

Source: OCPI 2.1.1 version_information_endpoint, credentials; V211-01 … V211-04, V211-17, X-07
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.modules.credentials.handshake import encodings_to_try
from chalicelib.partners.directory import Partner
from chalicelib.partners.roles import Expectation
from chalicelib.partners.settings import PartnerSettings
from tests.harness.account import aws
from tests.harness.nodes import Host, make_network
from tests.harness.partners import make_partner
from tests.versions.test_partner_of_2_2 import offer

Network = dict[str, Host]

CREDENTIALS = "/ocpi/2.1.1/credentials"
FLAT = {
    "token": "a-token",
    "url": "https://emsp.example/ocpi/versions",
    "business_details": {"name": "emsp company"},
    "party_id": "EVI",
    "country_code": "PT",
}
LATER = {
    "token": "a-token",
    "url": FLAT["url"],
    "roles": [{"role": "EMSP", "business_details": {"name": "x"}, "party_id": "EVI", "country_code": "PT"}],
}


@pytest.fixture
def network() -> Iterator[Network]:
    """A CPO and a hub that speak every version, and an eMSP that speaks 2.1.1 only."""
    with aws() as account:
        made = make_network(account, cpo="CPO", emsp="EMSP", hub="HUB")
        offer(made["emsp"], "2.1.1")
        yield made


def invite(host: Host, role: str = "") -> str:
    return called_side.invite(host.node, PartnerSettings(name="invited"), Expectation(role=role))[1]


def register(network: Network, caller: str, called: str, role: str = "", **expected: Any) -> Partner:
    """Register one node at another. role: of the called one, as the caller's operator names it."""
    return calling_side.register(
        network[caller].node,
        PartnerSettings(name=called),
        f"https://{called}.example/ocpi/versions",
        invite(network[called], **expected),
        f"https://{caller}.example/ocpi",
        Expectation(role=role),
    )


def only_partner(host: Host) -> Partner:
    (partner,) = host.node.directory.all()
    return partner


def token_of(host: Host) -> str:
    """The token that a node uses toward its only partner."""
    return host.node.directory.token_for(only_partner(host))


@pytest.mark.parametrize(("caller", "called"), [("cpo", "emsp"), ("emsp", "cpo")])
def test_a_partner_of_2_1_1_is_registered_from_either_side(
    network: Network, caller: str, called: str
) -> None:
    """Each side knows the other's one role, and its interfaces. Source: V211-01, V211-03"""
    register(network, caller, called)

    at_cpo, at_emsp = only_partner(network["cpo"]), only_partner(network["emsp"])
    assert (at_cpo.version, at_emsp.version) == ("2.1.1", "2.1.1")
    assert [(role.role, role.party.key()) for role in at_cpo.roles] == [("EMSP", "PT*EVI")]
    assert [(role.role, role.party.key()) for role in at_emsp.roles] == [("CPO", "PT*ABC")]
    assert at_cpo.endpoint("locations", "RECEIVER") == "https://emsp.example/ocpi/2.1.1/receiver/locations"
    assert at_cpo.endpoint("tokens", "SENDER") == "https://emsp.example/ocpi/2.1.1/sender/tokens"
    assert at_emsp.endpoint("cdrs", "SENDER") == "https://cpo.example/ocpi/2.1.1/sender/cdrs"
    assert at_emsp.endpoint("commands", "RECEIVER") == "https://cpo.example/ocpi/2.1.1/receiver/commands"


def test_details_of_2_1_1_have_no_roles_and_one_url_for_each_module(network: Network) -> None:
    """Source: V211-01, V211-86"""
    answer = network["cpo"].call("GET", "/ocpi/2.1.1", invite(network["cpo"])).json["data"]

    assert answer["version"] == "2.1.1"
    assert {each["identifier"]: each for each in answer["endpoints"]} == {
        name: {"identifier": name, "url": f"https://cpo.example/ocpi/2.1.1{path}"}
        for name, path in {
            "credentials": "/credentials",
            "cdrs": "/sender/cdrs",
            "commands": "/receiver/commands",
            "locations": "/sender/locations",
            "sessions": "/sender/sessions",
            "tariffs": "/sender/tariffs",
            "tokens": "/receiver/tokens",
        }.items()
    }
    assert len(answer["endpoints"]) == 7


@pytest.mark.parametrize(("role", "sent"), [("EMSP", "sender"), ("CPO", "receiver")])
def test_a_hub_shows_a_partner_the_interfaces_opposite_to_its_role(
    network: Network, role: str, sent: str
) -> None:
    """Source: V211-01"""
    answer = network["hub"].call("GET", "/ocpi/2.1.1", invite(network["hub"], role)).json["data"]

    urls = {each["identifier"]: each["url"] for each in answer["endpoints"]}
    assert urls["locations"] == f"https://hub.example/ocpi/2.1.1/{sent}/locations"
    assert urls["tokens"] != urls["locations"].replace("locations", "tokens")


def test_credentials_of_2_1_1_are_flat_in_every_answer(network: Network) -> None:
    """Source: V211-03"""
    register(network, "emsp", "cpo")

    answer = network["cpo"].call("GET", CREDENTIALS, token_of(network["emsp"])).json["data"]

    assert answer == {
        "token": token_of(network["emsp"]),
        "url": "https://cpo.example/ocpi/versions",
        "business_details": {"name": "cpo company"},
        "party_id": "ABC",
        "country_code": "PT",
    }


def test_credentials_of_one_version_are_refused_at_the_other(network: Network) -> None:
    """Source: V211-03"""
    token = invite(network["cpo"])
    tries = {
        CREDENTIALS: LATER,
        "/ocpi/2.2.1/credentials": FLAT,
    }

    answers = [network["cpo"].call("POST", path, token, document).json for path, document in tries.items()]

    assert [each["status_code"] for each in answers] == [2001, 2001]
    assert all(each["status_message"].startswith("roles") for each in answers)


@pytest.mark.parametrize("missing", ["token", "url", "party_id", "country_code"])
def test_a_missing_field_of_flat_credentials_is_named(network: Network, missing: str) -> None:
    """Source: V211-03"""
    document = {name: value for name, value in FLAT.items() if name != missing}

    answer = network["cpo"].call("POST", CREDENTIALS, invite(network["cpo"]), document).json

    assert (answer["status_code"], missing in answer["status_message"]) == (2001, True)


def test_rotation_and_unregistration_work_on_2_1_1(network: Network) -> None:
    """Source: V211-17"""
    register(network, "cpo", "emsp")
    old = token_of(network["cpo"])

    rotated = calling_side.rotate(
        network["cpo"].node, only_partner(network["cpo"]), "https://cpo.example/ocpi"
    )

    assert (rotated.version, token_of(network["cpo"]) != old) == ("2.1.1", True)
    assert network["emsp"].call("POST", CREDENTIALS, token_of(network["cpo"]), FLAT).status == 405
    assert calling_side.unregister(network["cpo"].node, rotated) is None
    assert only_partner(network["emsp"]).status == "UNREGISTERED"


def test_a_partner_of_2_1_1_that_learns_2_2_1_moves_with_new_credentials(network: Network) -> None:
    """Tokens, endpoints and version change together; roles and parties stay. Source: X-07, V22-02"""
    before = register(network, "cpo", "emsp")
    old = token_of(network["cpo"])
    offer(network["emsp"])

    after = calling_side.rotate(network["cpo"].node, before, "https://cpo.example/ocpi")

    assert (after.version, after.roles, after.id) == ("2.2.1", before.roles, before.id)
    assert (only_partner(network["emsp"]).version, after.endpoint("locations", "RECEIVER")) == (
        "2.2.1",
        "https://emsp.example/ocpi/2.2.1/receiver/locations",
    )
    assert network["emsp"].call("GET", CREDENTIALS, old).status == 401


def test_the_role_is_asked_for_where_it_is_unknown(network: Network) -> None:
    """A hub has partners of both roles. Source: V211-02"""
    with pytest.raises(HandshakeFailed, match="role: OCPI 2.1.1 names no roles: say which one"):
        register(network, "hub", "emsp")

    assert network["hub"].node.directory.all() == []
    assert register(network, "hub", "emsp", role="EMSP").roles[0].role == "EMSP"


def test_2_1_1_is_listed_only_if_the_role_is_known(network: Network) -> None:
    """Source: V211-02"""
    hub = network["hub"]
    tokens = [invite(hub), invite(hub, "CPO")]

    listed = [
        [each["version"] for each in hub.call("GET", "/ocpi/versions", token).json["data"]]
        for token in tokens
    ]
    refused = hub.call("POST", CREDENTIALS, tokens[0], FLAT)

    assert ["2.1.1" in versions for versions in listed] == [False, True]
    assert refused.status == 404
    assert refused.json["status_message"].startswith("OCPI 2.1.1 needs a partner with one role")


def test_a_partner_that_claims_another_role_than_expected_waits_for_approval(network: Network) -> None:
    """The operator named CPO; in 2.2.1 the partner says that it is an eMSP."""
    hub = network["hub"]
    token = invite(hub, "CPO")

    hub.call("POST", "/ocpi/2.2.1/credentials", token, LATER)

    assert only_partner(hub).roles == ()


def test_raw_tokens_are_tried_first_if_the_operator_names_2_1_1() -> None:
    """Source: V211-04"""
    partner = make_partner("x", only_version="2.1.1", encoding_origin="DEFAULT")

    assert encodings_to_try(partner.model_copy(update={"status": "REGISTERING"})) == ("raw", "base64")


def test_tokens_of_2_1_1_are_found_and_sent_raw(network: Network) -> None:
    """A partner that refuses Base64 is tried again with the raw token. Source: V211-04"""
    emsp = network["emsp"]
    receive = emsp.receive

    def only_raw(method: str, path: str, headers: dict[str, str], body: str | None) -> Any:
        if headers["authorization"].endswith("="):
            headers = {**headers, "authorization": "Token unknown"}
        return receive(method, path, headers, body)

    emsp.receive = only_raw  # type: ignore[method-assign]
    emsp.node.directory.new_token = lambda: "a" * 40  # type: ignore[method-assign]

    partner = register(network, "cpo", "emsp")

    assert (partner.token_encoding, partner.encoding_origin) == ("raw", "LEARNED")
