"""A command that comes again. Source: DESIGN.md, A command; TRN-20"""

from __future__ import annotations

from chalicelib.modules.commands.rules import Command, Direction
from chalicelib.modules.commands.store import claim_by_request, claim_by_url, create, digest_of, find_repeated
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from tests.modules.conftest import NodeOf

EVI = Party("PT", "EVI")
CLAIMS = (claim_by_request(EVI, "request-1"), claim_by_url("https://one.example/results/1"))
DIGEST = digest_of("STOP_SESSION", {"session_id": "S1"})


def test_the_command_of_another_partner_is_another_one(node_of: NodeOf) -> None:
    """Two hubs may speak for one eMSP: with the same ids, neither is answered with the other's command."""
    node = node_of("CPO")
    now = format_datetime(node.clock())

    def command(partner_id: str) -> Command:
        return Command(
            id=node.new_id(), command="STOP_SESSION", direction=Direction.RECEIVED, body="{}", digest=DIGEST,
            response_url="https://one.example/results/1", partner_id=partner_id, sender=EVI,
            correlation_id="c", received=now, deadline=now, last_updated=now,
        )  # fmt: skip

    first, _ = create(node, command("hub-1"), CLAIMS)

    assert find_repeated(node, CLAIMS, "hub-2", DIGEST) is None
    assert find_repeated(node, CLAIMS, "hub-1", digest_of("STOP_SESSION", {"session_id": "S2"})) is None
    assert find_repeated(node, CLAIMS, "hub-1", DIGEST) == first
    second, is_new = create(node, command("hub-2"), CLAIMS)
    assert (second.id != first.id, is_new) == (True, True)
    assert find_repeated(node, CLAIMS, "hub-2", DIGEST) == second
