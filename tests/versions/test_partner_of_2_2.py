"""A node that offers OCPI 2.2 only, as MOBI.E's hub was seen to, and a node that speaks every version.

Source: OCPI 2.2 version_information_endpoint, credentials; V22-01, V22-02
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

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


def register(network: Network) -> None:
    """Register the CPO at the hub, whose operator has invited it."""
    _, token = called_side.invite(network["hub"].node, PartnerSettings(name="cpo"))
    calling_side.register(
        network["cpo"].node,
        PartnerSettings(name="hub"),
        "https://hub.example/ocpi/versions",
        token,
        "https://cpo.example/ocpi",
    )


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
