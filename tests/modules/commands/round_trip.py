"""Commands that an operator sends through the hub."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.async_requests.view import show
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.operator_commands import send_command
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Request
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import Member, Network, add_webhook, keep_location, token


@pytest.fixture
def network(networks: Networks) -> Network:
    """An eMSP, a hub and a CPO; all three have the CPO's location."""
    network = networks("cpo", "hub", "emsp")
    keep_location(network["cpo"])
    keep_location(network["hub"], source="cpo")
    keep_location(network["emsp"], source="hub")
    add_webhook(network["cpo"])
    return network


def send(member: Member, name: str, request_id: str = "r1", **document: Any) -> Document:
    public = member.node.settings.public_url
    request = Request(
        method="POST",
        url=f"{public}/operator/commands/{name}",
        base_url=f"{public}/ocpi",
        path={},
        query={},
        headers={},
        body=None,
        request_id=request_id,
        correlation_id="the-correlation",
    )
    return show(COMMAND, send_command(member.node, request, name, document, None))


def send_start(member: Member, request_id: str = "r1", **fields: Any) -> Document:
    document = {"token": token(), "location_id": "L1", "evse_uid": "E1", **fields}
    return send(member, "START_SESSION", request_id, **document)


def results_at(member: Member) -> list[str]:
    return [show(COMMAND, command)["result"]["result"] for command in member.commands() if command.result]
