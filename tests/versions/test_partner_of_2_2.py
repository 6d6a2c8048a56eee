"""A node that offers OCPI 2.2 only, as MOBI.E's hub was seen to, and a node that speaks every version.

Source: OCPI 2.2 version_information_endpoint, credentials; V22-01, V22-02
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.settings import PartnerSettings
from tests.harness.account import aws
from tests.harness.nodes import Host, make_network

Network = dict[str, Host]


@pytest.fixture
def network() -> Iterator[Network]:
    """A CPO that speaks every version, and a hub of 2.2."""
    with aws() as account:
        made = make_network(account, cpo="CPO", hub="HUB")
        offer(made["hub"], "2.2")
        yield made


def offer(host: Host, *versions: str) -> None:
    """Let a node offer only these versions."""
    settings = dataclasses.replace(host.node.settings, ocpi_versions=versions)
    host.node = dataclasses.replace(host.node, settings=settings)


def register(network: Network, **settings: str) -> None:
    """Register the CPO at the hub, whose operator has invited it. settings: of the hub at the CPO."""
    _, token = called_side.invite(network["hub"].node, PartnerSettings(name="cpo"))
    calling_side.register(
        network["cpo"].node,
        PartnerSettings(name="hub", **settings),  # type: ignore[arg-type]
        "https://hub.example/ocpi/versions",
        token,
        "https://cpo.example/ocpi",
    )


def ask_for_2_2(host: Host) -> None:
    """Let the operator of a node ask for 2.2 with its only partner."""
    (partner,) = host.node.directory.all()
    host.node.directory.save(partner.model_copy(update={"only_version": "2.2"}), partner)


def known_versions(network: Network) -> list[str | None]:
    """The version of the hub at the CPO, and of the CPO at the hub."""
    return [network[name].node.directory.all()[0].version for name in ("cpo", "hub")]


def test_a_partner_that_lists_only_2_2_is_registered_with_it(network: Network) -> None:
    """Source: V22-01"""
    register(network)

    assert known_versions(network) == ["2.2", "2.2"]
    (hub,) = network["cpo"].node.directory.all()
    assert all("/ocpi/2.2/" in endpoint.url for endpoint in hub.endpoints)


def test_two_nodes_that_speak_both_agree_on_2_2_1(network: Network) -> None:
    """Source: V22-01"""
    offer(network["hub"])

    register(network)

    assert known_versions(network) == ["2.2.1", "2.2.1"]


def test_a_version_that_is_not_offered_is_not_found(network: Network) -> None:
    register(network)
    (hub,) = network["cpo"].node.directory.all()
    token = network["cpo"].node.directory.token_for(hub)

    offered = network["hub"].call("GET", "/ocpi/2.2/credentials", token)
    other = network["hub"].call("GET", "/ocpi/2.2.1/credentials", token)

    assert offered.json["status_code"] == 1000
    assert (other.status, other.json["status_message"]) == (404, "this node does not speak OCPI 2.2.1")


def test_a_partner_moves_from_2_2_to_2_2_1_with_new_credentials(network: Network) -> None:
    """Source: V22-02"""
    register(network)
    (hub,) = network["cpo"].node.directory.all()
    old = network["cpo"].node.directory.token_for(hub)
    offer(network["hub"])

    calling_side.rotate(network["cpo"].node, hub, "https://cpo.example/ocpi")

    assert known_versions(network) == ["2.2.1", "2.2.1"]
    (hub,) = network["cpo"].node.directory.all()
    assert all("/ocpi/2.2.1/" in endpoint.url for endpoint in hub.endpoints)
    assert network["hub"].call("GET", "/ocpi/2.2/credentials", old).status == 401


def test_a_registration_can_ask_for_one_version(network: Network) -> None:
    offer(network["hub"])

    register(network, only_version="2.2")

    assert known_versions(network) == ["2.2", "2.2"]


def test_a_registration_for_a_version_that_the_partner_lacks_fails_with_those_that_it_has(
    network: Network,
) -> None:
    with pytest.raises(calling_side.HandshakeFailed, match=r"OCPI 2\.2\.1 is not among .*: 2\.2$"):
        register(network, only_version="2.2.1")

    assert network["cpo"].node.directory.all() == []


def test_an_invited_partner_is_shown_the_version_that_was_asked_for_and_no_other(network: Network) -> None:
    offer(network["hub"])
    partner, token = called_side.invite(network["hub"].node, PartnerSettings(name="cpo", only_version="2.2"))

    listed = network["hub"].call("GET", "/ocpi/versions", token).json["data"]
    other = network["hub"].call("POST", "/ocpi/2.2.1/credentials", token, {}, content_type="application/json")

    assert [each["version"] for each in listed] == ["2.2"]
    assert other.json["status_code"] == 3002
    assert other.json["status_message"] == "the operator of this node asks for OCPI 2.2 with you"
    assert network["hub"].node.directory.get(partner.id) == partner


@pytest.mark.parametrize("begins", ["cpo", "hub"])
def test_either_side_can_move_to_a_version_and_back(network: Network, begins: str) -> None:
    """Source: X-07"""
    offer(network["hub"])
    register(network)
    host = network[begins]

    for version in ("2.2", "2.2.1", ""):
        (partner,) = host.node.directory.all()
        old = host.node.directory.token_for(partner)

        calling_side.rotate(host.node, partner, f"https://{begins}.example/ocpi", version)

        (partner,) = host.node.directory.all()
        agreed = version or "2.2.1"
        assert partner.only_version == version
        assert known_versions(network) == [agreed, agreed]
        for side in network.values():
            (known,) = side.node.directory.all()
            assert all(f"/ocpi/{agreed}/" in endpoint.url for endpoint in known.endpoints)
        assert host.node.directory.token_for(partner) != old


def test_a_move_that_the_partner_cannot_make_changes_nothing(network: Network) -> None:
    """Source: X-07"""
    register(network)
    (before,) = network["cpo"].node.directory.all()

    with pytest.raises(calling_side.HandshakeFailed, match=r"not among the versions listed there: 2\.2$"):
        calling_side.rotate(network["cpo"].node, before, "https://cpo.example/ocpi", "2.2.1")

    assert network["cpo"].node.directory.all() == [before]


def test_a_move_that_the_operator_of_the_partner_does_not_want_changes_nothing(network: Network) -> None:
    """The hub's operator asks for the other version. Source: X-07"""
    offer(network["hub"])
    register(network)
    ask_for_2_2(network["hub"])
    (before,) = network["cpo"].node.directory.all()

    with pytest.raises(calling_side.HandshakeFailed, match=r"not among the versions listed there: 2\.2$"):
        calling_side.rotate(network["cpo"].node, before, "https://cpo.example/ocpi", "2.2.1")

    assert network["cpo"].node.directory.all() == [before]
    assert known_versions(network) == ["2.2.1", "2.2.1"]


def test_version_details_of_another_version_than_listed_are_not_registered(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its 2.2 endpoints would get objects of 2.2.1, or the reverse. Source: V22-01"""
    client = network["cpo"].node.client
    read = client.get_version_details

    def get_version_details(*arguments: Any, **named: Any) -> Any:
        return read(*arguments, **named)._replace(version="2.2.1")

    monkeypatch.setattr(client, "get_version_details", get_version_details)

    with pytest.raises(calling_side.HandshakeFailed, match=r"listed for OCPI 2\.2 are of OCPI 2\.2\.1$"):
        register(network)

    assert network["cpo"].node.directory.all() == []


def test_a_partner_with_one_version_finds_no_other_until_it_has_moved(network: Network) -> None:
    """The version that is still in use works until the handshake is complete. Source: X-07"""
    offer(network["hub"])
    register(network)
    ask_for_2_2(network["hub"])
    (at_cpo,) = network["cpo"].node.directory.all()
    old = network["cpo"].node.directory.token_for(at_cpo)

    def statuses(token: str) -> list[int]:
        paths = ("/ocpi/2.2", "/ocpi/2.2.1", "/ocpi/2.3.0", "/ocpi/versions")
        return [network["hub"].call("GET", path, token).status for path in paths]

    assert statuses(old) == [200, 200, 404, 200]

    calling_side.rotate(network["cpo"].node, at_cpo, "https://cpo.example/ocpi")

    (at_cpo,) = network["cpo"].node.directory.all()
    assert statuses(network["cpo"].node.directory.token_for(at_cpo)) == [200, 404, 404, 200]
