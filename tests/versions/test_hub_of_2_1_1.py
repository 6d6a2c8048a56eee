"""A hub between an eMSP of OCPI 2.1.1 and a CPO of 2.2.1.

Source: V211-74, V211-76, X-08
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.partners.directory import HeldToken
from tests.harness.nodes import Answer
from tests.pushing.pushing import partner
from tests.versions.partner_of_2_1_1 import Connection, connected

TOKEN = {
    "uid": "A1", "type": "RFID", "auth_id": "C7", "issuer": "GLP", "valid": True, "whitelist": "NEVER",
    "last_updated": "2026-03-01T10:00:00Z",
}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[Connection]:
    """A hub whose eMSP has sent a token, and that a CPO of 2.2.1 calls."""
    with connected("HUB") as connection:
        fingerprint = connection.world.node.directory.fingerprint("token-of-edp")
        held = HeldToken(fingerprint=fingerprint, kind="C")
        connection.world.join(partner("CPO", "edp", held_tokens=(held,)))
        connection.call("PUT", "/receiver/tokens/PT/GLP/A1", TOKEN)
        connection.world.stream()
        connection.server.received.clear()
        yield connection


def authorize(hub: Connection, uid: str, **headers: str) -> Answer:
    asked = {"location_id": "L1", "evse_uids": ["E1"]}
    path = f"/ocpi/2.2.1/sender/tokens/{uid}/authorize"
    return hub.host.call("POST", path, "token-of-edp", asked, content_type="application/json", **headers)


def test_an_authorization_of_2_1_1_is_relayed_with_the_token(hub: Connection) -> None:
    """Source: V211-74"""
    hub.answers["tokens"] = {"allowed": "ALLOWED", "location": {"location_id": "L1", "evse_uids": ["E1"]}}

    data = authorize(hub, "A1").json["data"]

    (request,) = hub.requests("tokens")
    assert request.path == "/tokens/A1/authorize?type=RFID"
    assert not [name for name in request.headers if name.startswith("ocpi-")]
    assert (data["allowed"], data["token"]["contract_id"], data["token"]["party_id"]) == (
        "ALLOWED",
        "C7",
        "GLP",
    )


def test_an_authorization_that_is_addressed_to_it_is_asked_for_in_the_hub_s_name(hub: Connection) -> None:
    """A driver waits, so this one request is not refused as others with OCPI-to are. Source: X-08"""
    hub.answers["tokens"] = {"allowed": "NO_CREDIT"}

    answer = authorize(hub, "A1", OCPI_to_country_code="PT", OCPI_to_party_id="GLP")

    assert (answer.json["status_code"], answer.json["data"]["allowed"]) == (1000, "NO_CREDIT")
    assert answer.json["data"]["token"]["contract_id"] == "C7"
    assert [each.path for each in hub.requests("tokens")] == ["/tokens/A1/authorize?type=RFID"]


def test_a_token_that_the_emsp_does_not_know_is_unknown(hub: Connection) -> None:
    """Source: V211-76"""
    hub.statuses["tokens"] = (404, 2001)

    answer = authorize(hub, "A1")

    assert answer.status == 404
