"""Outbox: turns each change in the table's stream into one message per partner in its audience.

The table's stream is the outbox. A request only stores its change, so a change that was answered with 1000
is never lost, and no message is sent about a change that was not stored. Only who may be concerned is decided
here (`outbox_decisions.py`). Whether a push is needed, and of what, is decided when the message is handled,
with the object as it is then (`pushes.py`).

Errors: when AWS fails, Lambda delivers the batch again from that record. A record that cannot be processed is
logged and skipped, because it would fail each time and block the stream for every partner. Its messages may
be missing, so a recheck of every partner is scheduled.

The stream delivers every record at least once, and those of one item in order. The cause of a message is the
id of the record, so a repeated record gives one message. The partners are read after the records, once for a
batch, so a partner that registered before a change receives it.

Source: docs/design.md, A broadcast; RTE-12, RTE-14, RTE-17, RTE-18, RTE-21, LOC-09
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.registry import is_pushed
from chalicelib.partners.directory import Partner
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.received_parties import remember_owners
from chalicelib.pushing.catch_up import schedule_recheck
from chalicelib.pushing.outbox_decisions import Effects, decide_effects
from chalicelib.pushing.stream_changes import StreamChange, read_change
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.expiry import fallen
from chalicelib.storage.keys import for_log
from chalicelib.storage.table import is_temporary

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.queues import Queues

_MESSAGES_PER_CALL = 10


def handle_stream(node: Node, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Queue the messages for a batch of the stream's records. Returns the answer of Lambda's batch protocol.

    When AWS fails, Lambda delivers the batch again from the first record that was not handled.
    """
    outbox: list[tuple[str, Broadcast | CatchUp]] = []
    failed: str | None = None
    changes, skipped = _read_changes(records)
    headers = {
        (change.pk, change.after.get("v", 0)): change
        for change in changes
        if change.is_object and change.after and not change.keeps_version
    }
    partners = cache(partial(_read_partners, node))
    for change in changes:
        try:
            effects = decide_effects(node.settings, change, headers, partners, node.clock())
            _write(node, effects)
            outbox += [(change.sequence_number, message) for message in effects.messages]
        except Exception as error:
            log.exception(
                "failed to queue messages for a change", extra={"pk": for_log(change.pk), "sk": change.sk}
            )
            if is_temporary(error):
                failed = change.sequence_number
                break
            skipped = True
    failed = _send(node.queues, outbox) or failed
    if skipped:
        _recheck_all(node)
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


def delete_expired(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Delete the objects whose expiry the records report.

    When AWS fails, Lambda delivers the batch again. An error of this node would repeat for ever and block the
    stream: it is logged, and the object is kept too long.
    """
    for pk in fallen(records):
        try:
            node.objects.expire(pk)
        except Exception as error:
            if is_temporary(error):
                raise
            log.exception("failed to delete an expired object", extra={"pk": for_log(pk)})


def _read_changes(records: Sequence[Mapping[str, Any]]) -> tuple[list[StreamChange], bool]:
    """Read the changes that may concern partners. Returns also whether an unreadable record was skipped."""
    changes: list[StreamChange] = []
    skipped = False
    for record in records:
        try:
            if _is_wanted(record):
                changes.append(read_change(record))
        except Exception:
            log.exception("a record of the stream cannot be read", extra={"record": record.get("eventID")})
            skipped = True
    return changes, skipped


def _is_wanted(record: Mapping[str, Any]) -> bool:
    pk: str = record["dynamodb"]["Keys"]["pk"]["S"]
    return pk == "partners" or is_pushed(pk.partition("#")[0])


def _read_partners(node: Node) -> list[Partner]:
    try:
        return node.directory.all()
    except Exception as error:
        # The record is not the cause, so skipping it would not help: let Lambda deliver the batch again.
        raise ServerError("the partners cannot be read") from error


def _write(node: Node, effects: Effects) -> None:
    """Write what a change leads to, except for its messages."""
    if effects.deleted_rows:
        node.table.write_many(delete=effects.deleted_rows)
    if effects.received is not None:
        remember_owners(node.table, [effects.received])
    if effects.partition:
        remember_list(node.table, effects.partition)
    if effects.recheck:
        schedule_recheck(node, effects.recheck)


def _recheck_all(node: Node) -> None:
    """Schedule a recheck of every partner, because a record was skipped."""
    try:
        for partner in node.directory.all():
            schedule_recheck(node, partner.id)
    except Exception:
        log.exception("failed to schedule rechecks of all partners")


def _send(queues: Queues, outbox: Sequence[tuple[str, Broadcast | CatchUp]]) -> str | None:
    """Queue messages. Returns the number of the first record that may lack messages, None for none."""
    for start in range(0, len(outbox), _MESSAGES_PER_CALL):
        batch = outbox[start : start + _MESSAGES_PER_CALL]
        try:
            queues.send_broadcasts([broadcast for _, broadcast in batch])
        except Exception:
            log.exception("messages could not be queued")
            return batch[0][0]
    return None
