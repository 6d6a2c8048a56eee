"""Commands in the table: created once, even if a command is sent again; changed by rules; listed by state.

A command is one item, in the partition of its state. So the PENDING commands are read without the ended ones.
The transaction that creates a command also writes

- two claims, by X-Request-ID and by response_url: a repeated command finds the first one by them;
- the items that its kind needs, such as a reservation.

The partner is an attribute of a claim and not a part of its key. So claims are read together with the
caller's token, before the caller is known.

Source: docs/design.md, A command; CMD-05, TRN-20
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import NotFound
from chalicelib.modules.commands.rules import (
    REPEATED_REQUEST,
    REPEATED_URL,
    Command,
    CommandState,
    is_open,
)
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage import counters
from chalicelib.storage.items import next_place, sortable
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import KnownItems, Stored, Write
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict, Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node

MODULE = "commands"

CommandRule = Callable[[Command], Command | None]
"""Function that takes a command and returns the changed one, or None when nothing changes."""


class CommandClaim(NamedTuple):
    """A key by which a repeated command is recognised. lasts: for how long.

    while_open: only as long as the sender waits for an answer or a result. After that the same key and
    content mean a new command.
    """

    key: Key
    lasts: timedelta
    while_open: bool = False


def claim_by_request(sender: Party | None, request_id: str) -> CommandClaim:
    """Claim of an X-Request-ID. sender: the party in the OCPI-from headers."""
    name = _digest(sender.key() if sender else "", request_id)
    return CommandClaim(Key(f"command-request#{name}"), REPEATED_REQUEST)


def claim_by_url(response_url: str) -> CommandClaim:
    """Claim of a response_url.

    Spec: a unique URL is only recommended (mod_commands_msp_post_method). So the claim is short, and under
    the same URL a command with other content, or one after the end of the first, is a new command.
    """
    return CommandClaim(Key(f"command-url#{_digest(response_url)}"), REPEATED_URL, while_open=True)


def partition_of(state: CommandState) -> str:
    """The partition of the commands in a state."""
    return f"{MODULE}#{state.value}"


def keys_to_create(claims: Iterable[CommandClaim]) -> list[Key]:
    """Keys of the items that `create` needs. They are read together with the caller's token."""
    return [*(claim.key for claim in claims), counters.root_key(partition_of(CommandState.PENDING))]


def find_repeated(
    node: Node, claims: Iterable[CommandClaim], partner_id: str, digest: str, known: KnownItems = None
) -> Command | None:
    """Find the command that this one repeats: same claim, partner and content. Returns None if it is new.

    digest: from `digest_of`. known: an earlier read that has the claims; then a repeated command costs one
    call and a new one none.
    """
    claims = list(claims)
    items = node.table.read([claim.key for claim in claims], known)
    for claim in claims:
        item = items.get(claim.key)
        if item and _repeats(item, claim, partner_id, digest, node.clock()):
            command = find(node, item["command_id"])
            if command is None or not claim.while_open or is_open(command):
                return command
    return None


def create(
    node: Node,
    command: Command,
    claims: Sequence[CommandClaim],
    extra_items: Iterable[Item] = (),
    known: KnownItems = None,
) -> tuple[Command, bool]:
    """Store a new command with its claims, or find the one that it repeats.

    extra_items: items to write in the same transaction. Returns the stored command, and whether it is new.
    """
    ref, partition = _ref(command.id), partition_of(command.state)
    extra_items = list(extra_items)
    for attempt in attempts():
        snapshot = None if attempt else known
        repeated = find_repeated(node, claims, command.partner_id, command.digest, snapshot)
        if repeated is not None:
            return repeated, False
        keys = [*(claim.key for claim in claims), counters.root_key(partition)]
        items = node.table.read(keys, snapshot)
        place = next_place(node.table, None, partition, sortable(command.last_updated, node.clock()), items)
        _, operations = node.objects.operations_of(ref, _written(command), place, None, "")
        operations += [_claim(claim, command, items.get(claim.key), node.clock()) for claim in claims]
        operations += [Put(other) for other in extra_items]
        try:
            node.table.transact(operations)
        except Conflict:
            continue
        return command, True
    raise AssertionError("attempts() raises")


def find(node: Node, command_id: str, known: KnownItems = None) -> Command | None:
    """Find a command by its id. Returns None when there is none."""
    stored = node.objects.get(_ref(command_id), known) if _is_id(command_id) else None
    return read_command(stored.body) if stored else None


def change(node: Node, command_id: str, rule: CommandRule, known: KnownItems = None) -> Command:
    """Apply a rule to a command, again if another write was faster. Returns the command.

    known: an earlier read that may have the command. Raises: NotFound, and each error of the rule.
    """
    result: Command | None = None

    def decide(current: Stored | None) -> Write | None:
        nonlocal result
        if current is None:
            raise NotFound("unknown command")
        result = read_command(current.body)
        after = rule(result)
        result = after or result
        return None if after is None else _written(after)

    if not _is_id(command_id):
        raise NotFound("unknown command")
    node.objects.change(
        _ref(command_id), decide, known, partition=partition_of(CommandState.PENDING), source=""
    )
    assert result is not None
    return result


def key_of(command_id: str) -> Key:
    """Key of a command's item, for reading ahead."""
    return _ref(command_id).key


def read_command(body: str) -> Command:
    """Read a stored command."""
    return Command.model_validate_json(str(body))


def digest_of(command: str, document: Mapping[str, Any]) -> str:
    """Digest of a command's content without its response_url: equal for commands with the same content."""
    return _digest(command, write_json({**document, "response_url": ""}))


def _written(command: Command) -> Write:
    body = JsonText(command.model_dump_json(exclude_defaults=True))
    return Write(body, command.last_updated, partition_of(command.state))


def _claim(claim: CommandClaim, command: Command, before: Item | None, now: datetime) -> Put:
    item = {
        "pk": claim.key.pk,
        "sk": claim.key.sk,
        "command_id": command.id,
        "partner_id": command.partner_id,
        "digest": command.digest,
        "at": format_datetime(now),
        "expires_at": int((now + claim.lasts).timestamp()),
    }
    if before is None:
        return Put(item, "attribute_not_exists(#pk)")
    return Put(item, "#command_id = :before", {"before": before["command_id"]})


def _repeats(item: Item, claim: CommandClaim, partner_id: str, digest: str, now: datetime) -> bool:
    is_same = item["partner_id"] == partner_id and item["digest"] == digest
    return is_same and now - parse_datetime(item["at"]) < claim.lasts


def _ref(command_id: str) -> Ref:
    # A command needs no owner in its key: this node makes the id, so it is unique.
    return Ref(MODULE, "", "", command_id)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 100 and text.isascii() and text.isprintable()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
