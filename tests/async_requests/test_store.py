"""Commands in the table: a repeated command is found, also when two arrive at the same time.

Source: docs/design.md, A command; CMD-05, TRN-20
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.async_requests.intake import claims_of
from chalicelib.async_requests.objects import AsyncRequest, Direction, RequestState, Response
from chalicelib.async_requests.store import AsyncRequests, read_request
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.node import Node
from chalicelib.protocol.message import Party
from chalicelib.queues import RequestTask
from tests.modules.commands.conftest import Networks

CLAIM, URL = claims_of(COMMAND, Party("PT", "EVI"), "request-1", "https://evi.example/results/1")


@pytest.fixture
def node(networks: Networks) -> Node:
    return networks("cpo")["cpo"].node


@pytest.fixture
def commands(node: Node) -> AsyncRequests:
    return AsyncRequests(node, COMMAND)


def command(node: Node, command_id: str, digest: str = "same", **fields: Any) -> AsyncRequest:
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
    return AsyncRequest(**made)


def test_a_repeated_command_returns_the_first_one(node: Node, commands: AsyncRequests) -> None:
    commands.create(command(node, "c1"), [CLAIM])

    again, is_new = commands.create(command(node, "c2"), [CLAIM])

    assert (again.id, is_new) == ("c1", False)
    assert commands.find("c2") is None


@pytest.mark.parametrize("other", [{"partner_id": "another"}, {"digest": "another"}])
def test_another_partner_or_other_content_makes_a_new_command(
    node: Node, commands: AsyncRequests, other: dict[str, str]
) -> None:
    commands.create(command(node, "c1"), [CLAIM])

    made, is_new = commands.create(command(node, "c2", **other), [CLAIM])

    assert (made.id, is_new) == ("c2", True)


def test_a_claim_expires(node: Node, commands: AsyncRequests) -> None:
    commands.create(command(node, "c1"), [CLAIM])
    getattr(node.clock, "forward")(seconds=CLAIM.lasts.total_seconds() - 1)  # noqa: B009
    before = commands.find_repeated([CLAIM], "evi", "same")
    getattr(node.clock, "forward")(seconds=1)  # noqa: B009

    after = commands.find_repeated([CLAIM], "evi", "same")

    assert before is not None and before.id == "c1"
    assert after is None
    assert CLAIM.lasts > timedelta(0)


def test_a_response_url_is_recognised_until_its_command_has_ended(
    node: Node, commands: AsyncRequests
) -> None:
    commands.create(command(node, "open"), [URL])
    assert commands.find_repeated([URL], "evi", "same") is not None

    answered = {"state": RequestState.REFUSED, "response": Response(result="REJECTED")}
    commands.create(command(node, "over", digest="later", **answered), [URL])

    assert commands.find_repeated([URL], "evi", "later") is None


@pytest.mark.parametrize("first", [None, "c1"])
def test_the_later_of_two_simultaneous_commands_returns_the_earlier_one(
    node: Node, commands: AsyncRequests, first: str | None
) -> None:
    """The later one has read the claim before the earlier one was stored, so it writes nothing.

    The claim was free before, or belonged to an old command.
    """
    if first is not None:
        commands.create(command(node, first, digest="old"), [CLAIM])
    read_early = node.table.read(commands.keys_to_create([CLAIM]))
    commands.create(command(node, "earlier"), [CLAIM])

    given, is_new = commands.create(command(node, "later"), [CLAIM], known=read_early)

    assert (given.id, is_new) == ("earlier", False)
    assert commands.find("later") is None


@pytest.mark.parametrize("first", [None, "c1"])
def test_an_outdated_claim_alone_makes_the_creation_try_again(
    node: Node, commands: AsyncRequests, first: str | None
) -> None:
    """All other items that it reads are current."""
    if first is not None:
        commands.create(command(node, first, digest="old"), [CLAIM])
    claim_only = node.table.read([CLAIM.key])
    commands.create(command(node, "earlier"), [CLAIM])

    given, _ = commands.create(command(node, "later"), [CLAIM], known=claim_only)

    assert given.id == "earlier"


def test_items_and_messages_of_commands_have_their_old_field_names() -> None:
    """A table and a queue of a release before this package are read, and written with the same bytes."""
    item = (
        '{"id":"c1","command":"RESERVE_NOW","direction":"RECEIVED","state":"COMPLETED","body":"{}",'
        '"digest":"d","correlation_id":"x","received":"2026-03-01T12:00:00Z",'
        '"deadline":"2026-03-01T12:00:30Z","last_updated":"2026-03-01T12:00:00Z","reservation_id":"r1",'
        '"cancellation":{"result":"CANCELED_RESERVATION","body":"{}","at":"2026-03-01T12:00:09Z"}}'
    )
    message = '{"what":"DEADLINE","command_id":"c1","delay_s":30}'

    request, task = read_request(item), RequestTask.model_validate_json(message)

    assert (request.name, request.own_id, task.request_id, task.module) == (
        "RESERVE_NOW",
        "r1",
        "c1",
        "commands",
    )
    assert request.model_dump_json(exclude_defaults=True, by_alias=True) == item
    assert task.model_dump_json(by_alias=True) == message
