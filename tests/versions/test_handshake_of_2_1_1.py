"""Handshakes with a partner that speaks exactly OCPI 2.1.1, byte by byte over real connections.

The partner takes raw tokens only, lists versions and endpoints as 2.1.1 has them, and refuses credentials
that are not flat. It is an eMSP, this node a CPO.

Source: OCPI 2.1.1 version_information_endpoint, credentials; V211-01, V211-03 … V211-05, V211-17
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.json_text import read_json, write_json
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply
from tests.harness.nodes import CONFIGURATION, Host
from tests.pushing.pushing import World
from tests.versions.letter_of_2_1_1 import problems

MODULES = ("cdrs", "commands", "credentials", "locations", "sessions", "tariffs", "tokens")
BASE = "https://node.example/ocpi"


class Partner:
    """The eMSP PT/EVI of 2.1.1. accepted: the tokens that it takes."""

    def __init__(self, server: AnsweringPartner) -> None:
        self.server, self.accepted, self.issued = server, {"token-a"}, 0
        server.answer = self._answer

    def _answer(self, handler: Any, request: Received) -> None:
        if request.headers.get("authorization") not in {f"Token {each}" for each in self.accepted}:
            reply(handler, envelope(None, 2001), http_status=401)
        elif request.path == "/versions":
            listed = [{"version": each, "url": self.server.url(f"/{each}")} for each in ("2.0", "2.1.1")]
            reply(handler, envelope(listed))
        elif request.path == "/2.1.1":
            endpoints = [{"identifier": each, "url": self.server.url(f"/{each}/")} for each in MODULES]
            reply(handler, envelope({"version": "2.1.1", "endpoints": endpoints}))
        elif request.method == "DELETE":
            reply(handler, envelope(None))
        else:
            found = problems("Credentials", read_json(request.body.decode()))
            reply(handler, envelope(None, 2001) if found else envelope(self.credentials()))

    def credentials(self) -> dict[str, Any]:
        """Its credentials, with a new token."""
        self.issued += 1
        self.accepted = {f"token-c{self.issued}"}
        return {
            "token": f"token-c{self.issued}",
            "url": self.server.url("/versions"),
            "business_details": {"name": "Evia"},
            "party_id": "EVI",
            "country_code": "PT",
        }

    def sent(self, method: str) -> list[Any]:
        """The bodies that it received in requests of a method."""
        return [read_json(each.body.decode()) for each in self.server.received if each.method == method]


@pytest.fixture
def there() -> Iterator[Partner]:
    with answering_partner() as server:
        yield Partner(server)


@pytest.fixture
def world() -> World:
    """A CPO that calls over real connections."""
    world = World("CPO")
    client = OcpiClient(UrlPolicy(True), world.node.directory, world.node.new_id)
    settings = dataclasses.replace(
        world.node.settings, public_url="https://node.example", allow_loopback=True
    )
    world.node = dataclasses.replace(world.node, client=client, settings=settings)
    return world


def test_registration_rotation_and_unregistration_by_the_letter(world: World, there: Partner) -> None:
    """Source: V211-01, V211-03, V211-04, V211-17"""
    url = there.server.url("/versions")
    partner = calling_side.register(world.node, PartnerSettings(name="Evia"), url, "token-a", BASE)

    (posted,) = there.sent("POST")
    assert {name: value for name, value in posted.items() if name != "token"} == {
        "url": f"{BASE}/versions",
        "business_details": {"name": "CPO"},
        "party_id": "ABC",
        "country_code": "PT",
    }
    assert (partner.version, partner.token_encoding, partner.endpoint_notes) == ("2.1.1", "raw", ())
    assert [(role.role, role.party_id) for role in partner.roles] == [("EMSP", "EVI")]
    assert partner.endpoint("locations", "RECEIVER") == there.server.url("/locations/")
    assert partner.endpoint("tokens", "SENDER") == there.server.url("/tokens/")

    rotated = calling_side.rotate(world.node, partner, BASE)

    assert there.sent("PUT")[0].keys() == posted.keys()
    assert world.node.directory.token_for(rotated) == "token-c2"
    assert calling_side.unregister(world.node, rotated) is None
    assert there.server.received[-1].method == "DELETE"


def test_a_partner_of_2_1_1_registers_itself_without_message_ids(world: World, there: Partner) -> None:
    """Source: V211-03, V211-04, V211-05"""
    _, token = called_side.invite(world.node, PartnerSettings(name="Evia"))
    host = Host(world.node, CONFIGURATION)
    headers = {"authorization": f"Token {token}", "content-type": "application/json"}

    listed = host.receive("GET", "/ocpi/versions", headers, None).json["data"]
    details = host.receive("GET", "/ocpi/2.1.1", headers, None).json["data"]
    answer = host.receive("POST", "/ocpi/2.1.1/credentials", headers, write_json(there.credentials()))

    assert {"version": "2.1.1", "url": f"{BASE}/2.1.1"} in listed
    assert sorted(each["identifier"] for each in details["endpoints"]) == sorted(MODULES)
    assert not any("role" in each for each in details["endpoints"])
    assert answer.json["status_code"] == 1000, answer.text
    assert problems("Credentials", answer.json["data"]) == []
    (partner,) = world.node.directory.all()
    assert (partner.version, partner.token_encoding, partner.status) == ("2.1.1", "raw", "REGISTERED")
    assert there.server.received[0].headers["authorization"] == "Token token-c1"
