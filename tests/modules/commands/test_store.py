"""Commands in the table: a repeated command is found, also when two arrive at the same time.

Source: docs/design.md, A command; CMD-05, TRN-20
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.modules.commands.rules import Command, CommandState, Direction, Response
from chalicelib.modules.commands.store import (
    claim_by_request,
    claim_by_url,
    create,
    find,
    find_repeated,
    keys_to_create,
)
from chalicelib.node import Node
from chalicelib.protocol.message import Party
from tests.account import Account
from tests.modules.conftest import NodeOf

CLAIM = claim_by_request(Party("PT", "EVI"), "request-1")
URL = claim_by_url("https://evi.example/results/1")


@pytest.fixture
def node(node_of: NodeOf, account: Account) -> Node:
    return node_of("CPO")


def command(node: Node, command_id: str, digest: str = "same", **fields: Any) -> Command:
    now = node.clock()
    made: dict[str, Any] = {
        "id": command_id,
        "command": "STOP_SESSION",
        "direction": Direction.RECEIVED,
        "body": "{}",
        "digest": digest,
        "correlation_id": "x",
        "partner_id": "evi",
        "received": now.isoformat().replace("+00:00", "Z"),
        "deadline": now.isoformat().replace("+00:00", "Z"),
        "last_updated": now.isoformat().replace("+00:00", "Z"),
        **fields,
    }
    return Command(**made)


def test_a_repeated_command_returns_the_first_one(node: Node) -> None:
    create(node, command(node, "c1"), [CLAIM])

    again, is_new = create(node, command(node, "c2"), [CLAIM])

    assert (again.id, is_new) == ("c1", False)
    assert find(node, "c2") is None


@pytest.mark.parametrize("other", [{"partner_id": "another"}, {"digest": "another"}])
def test_another_partner_or_other_content_makes_a_new_command(node: Node, other: dict[str, str]) -> None:
    create(node, command(node, "c1"), [CLAIM])

    made, is_new = create(node, command(node, "c2", **other), [CLAIM])

    assert (made.id, is_new) == ("c2", True)


def test_a_claim_expires(node: Node) -> None:
    create(node, command(node, "c1"), [CLAIM])
    getattr(node.clock, "forward")(seconds=CLAIM.lasts.total_seconds() - 1)  # noqa: B009
    before = find_repeated(node, [CLAIM], "evi", "same")
    getattr(node.clock, "forward")(seconds=1)  # noqa: B009

    after = find_repeated(node, [CLAIM], "evi", "same")

    assert before is not None and before.id == "c1"
    assert after is None
    assert CLAIM.lasts > timedelta(0)


def test_a_response_url_is_recognised_until_its_command_has_ended(node: Node) -> None:
    create(node, command(node, "open"), [URL])
    assert find_repeated(node, [URL], "evi", "same") is not None

    answered = {"state": CommandState.REFUSED, "response": Response(result="REJECTED")}
    create(node, command(node, "over", digest="later", **answered), [URL])

    assert find_repeated(node, [URL], "evi", "later") is None


@pytest.mark.parametrize("first", [None, "c1"])
def test_the_later_of_two_simultaneous_commands_returns_the_earlier_one(
    node: Node, first: str | None
) -> None:
    """The later one has read the claim before the earlier one was stored, so it writes nothing.

    The claim was free before, or belonged to an old command.
    """
    if first is not None:
        create(node, command(node, first, digest="old"), [CLAIM])
    read_early = node.table.read(keys_to_create([CLAIM]))
    create(node, command(node, "earlier"), [CLAIM])

    given, is_new = create(node, command(node, "later"), [CLAIM], known=read_early)

    assert (given.id, is_new) == ("earlier", False)
    assert find(node, "later") is None


@pytest.mark.parametrize("first", [None, "c1"])
def test_an_outdated_claim_alone_makes_the_creation_try_again(node: Node, first: str | None) -> None:
    """All other items that it reads are current."""
    if first is not None:
        create(node, command(node, first, digest="old"), [CLAIM])
    claim_only = node.table.read([CLAIM.key])
    create(node, command(node, "earlier"), [CLAIM])

    given, _ = create(node, command(node, "later"), [CLAIM], known=claim_only)

    assert given.id == "earlier"
