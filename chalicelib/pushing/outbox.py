"""Outbox: turns each change in the table's stream into one message per partner in its audience.

The table's stream is the outbox. A request only stores its change, so a change that was answered with 1000
is never lost, and no message is sent about a change that was not data. This module only decides who may be
concerned. Whether a push is needed, and of what, is decided when the message is handled, with the object as
it is then (`pushes.py`).

- A tariff, a token, a session, or a location that changed in more than an EVSE: a message about the whole
  object. A deleted tariff: a message about the deletion.
- An EVSE that changed alone: a message about the EVSE. The record of the location's header, written in the
  same transaction, has the version that the change followed, and the owner. Without that record the message
  has less information.
- A partner that is OFFLINE gets no message. When it is back, comparing versions finds what it missed
  (`catch_up.py`), which needs no records.
- A partner that registered, came back, or changed its endpoints or its token: a message that starts its
  catch-up. A partner that left: a message that deletes its delivery rows. Both can take longer than a batch
  of the stream may.
- A token, a session or a CDR that expired (`storage/expiry.py`): no push to partners, because expiry is no
  deletion in OCPI. Their delivery rows are deleted.
- The first received object of an owner: the owner is recorded (`policy/received_parties.py`).

Errors: when AWS fails, Lambda delivers the batch again from that record. A record that cannot be processed is
logged and skipped, because it would fail each time and block the stream for every partner. Its messages may
be missing, so a recheck of every partner is scheduled.

The stream delivers every record at least once, and those of one item in order. The cause of a message is the
id of the record, so a repeated record gives one message. The partners are read after the records, once for a
batch, so a partner that registered before a change receives it.

Source: docs/design.md, A broadcast; RTE-12, RTE-14, RTE-17, RTE-18, RTE-21, LOC-09
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.registry import find_module, is_private, pushed_modules
from chalicelib.partners.directory import Partner
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.received_parties import remember_owners
from chalicelib.policy.visibility import Subject, audience
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import parse_datetime
from chalicelib.pushing.catch_up import schedule_recheck, version_at
from chalicelib.pushing.deliveries import key_of
from chalicelib.pushing.push_decisions import subject_of
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.expiry import fallen
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import is_temporary
from chalicelib.storage.values import Item, decode_item

if TYPE_CHECKING:
    from chalicelib.node import Node

_MESSAGES_PER_CALL = 10


@dataclass(frozen=True)
class StreamChange:
    """One record of the stream.

    before, after: the item, None where it did not exist. made_at: when it was written, in whole seconds since
    1970; None where the record has no time.
    """

    id: str
    sequence_number: str
    pk: str
    sk: str
    before: Item | None
    after: Item | None
    made_at: int | None = None

    @property
    def module(self) -> str:
        """Module of the object: the first part of the key."""
        return self.pk.partition("#")[0]

    @property
    def is_object(self) -> bool:
        """Tell whether the item is the main item of an object that is pushed to partners."""
        return self.module in pushed_modules() and self.sk == "#"

    @property
    def is_evse(self) -> bool:
        """Tell whether the item is an EVSE."""
        return self.module == "locations" and self.sk.startswith("E#")

    @property
    def is_partner(self) -> bool:
        """Tell whether the item is a partner."""
        return self.pk == "partners"


ReadPartners = Callable[[], Sequence[Partner]]
Headers = Mapping[tuple[str, int], StreamChange]
"""Changes of main items, by partition key and new version."""


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
        if change.is_object and change.after
    }
    partners = cache(partial(_read_partners, node))
    for change in changes:
        try:
            outbox += [
                (change.sequence_number, message) for message in messages_for(node, change, headers, partners)
            ]
        except Exception as error:
            log.exception(
                "failed to queue messages for a change", extra={"pk": for_log(change.pk), "sk": change.sk}
            )
            if is_temporary(error):
                failed = change.sequence_number
                break
            skipped = True
    failed = _send(node, outbox) or failed
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


def read_change(record: Mapping[str, Any]) -> StreamChange:
    """Read a record, whose images are in DynamoDB's wire form."""
    data = record["dynamodb"]
    keys = decode_item(data["Keys"])
    return StreamChange(
        id=record["eventID"],
        sequence_number=data["SequenceNumber"],
        pk=keys["pk"],
        sk=keys["sk"],
        before=decode_item(data["OldImage"]) if data.get("OldImage") else None,
        after=decode_item(data["NewImage"]) if data.get("NewImage") else None,
        made_at=int(data["ApproximateCreationDateTime"]) if "ApproximateCreationDateTime" in data else None,
    )


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
    return pk == "partners" or pk.partition("#")[0] in pushed_modules()


def _read_partners(node: Node) -> list[Partner]:
    try:
        return node.directory.all()
    except Exception as error:
        # The record is not the cause, so skipping it would not help: let Lambda deliver the batch again.
        raise ServerError("the partners cannot be read") from error


def _recheck_all(node: Node) -> None:
    """Schedule a recheck of every partner, because a record was skipped."""
    try:
        for partner in node.directory.all():
            schedule_recheck(node, partner.id)
    except Exception:
        log.exception("failed to schedule rechecks of all partners")


def _send(node: Node, outbox: Sequence[tuple[str, Broadcast | CatchUp]]) -> str | None:
    """Queue messages. Returns the number of the first record that may lack messages, None for none."""
    for start in range(0, len(outbox), _MESSAGES_PER_CALL):
        batch = outbox[start : start + _MESSAGES_PER_CALL]
        try:
            node.queues.send_broadcasts([broadcast for _, broadcast in batch])
        except Exception:
            log.exception("messages could not be queued")
            return batch[0][0]
    return None


# -- objects -----------------------------------------------------------------------------------------


def messages_for(
    node: Node, change: StreamChange, headers: Headers, partners: ReadPartners
) -> Sequence[Broadcast | CatchUp]:
    """Messages that a change of an object, an EVSE or a partner leads to."""
    if change.is_partner:
        return _messages_for_partner(node, change)
    if change.is_object:
        return _messages_for_object(node, change, partners)
    if change.is_evse:
        return _messages_for_evse(node, change, headers, partners)
    return []


def _messages_for_object(node: Node, change: StreamChange, partners: ReadPartners) -> list[Broadcast]:
    before, after = change.before, change.after
    if before is not None and after is not None and _own_version(before) == _own_version(after):
        return []
    if after is None and find_module(change.module).expires:
        node.table.write_many(delete=[key_of(partner.id, change.pk) for partner in partners()])
        return []
    if before is None and after is not None and after["src"]:
        remember_owners(node.table, [Ref.parse(after["ref"])])
    if is_private(change.module) and after is not None and (before is None or before["lp"] != after["lp"]):
        remember_list(node.table, after["lp"])
    # A partner that could see the object before must receive its deletion or withdrawal.
    subjects = [subject_of(change.module, item) for item in (after, before) if item is not None]
    latest = after or before
    assert latest is not None
    return [
        Broadcast(
            partner_id=partner.id, module=change.module, pk=change.pk, sk=change.sk,
            ref=latest["ref"], cause=change.id, version=latest["v"],
        )
        for partner in _receivers(node, subjects, partners)
    ]  # fmt: skip


def _own_version(item: Item) -> int:
    """Version of the item's own content; a location's header gets a new version with each EVSE too."""
    version: int = item["hv"] if "hv" in item else item["v"]
    return version


def _messages_for_evse(
    node: Node, change: StreamChange, headers: Headers, partners: ReadPartners
) -> list[Broadcast]:
    before, after = change.before, change.after
    if after is None or after["via"] != "evse" or (before is not None and before["v"] == after["v"]):
        return []
    header = headers.get((change.pk, after["v"]))
    if header is not None and header.after is not None:
        ref, subject = header.after["ref"], subject_of(change.module, header.after)
    else:
        owner = Ref.parse(change.pk)
        ref, subject = (
            str(owner),
            Subject(change.module, Party(owner.country_code, owner.party_id), source=""),
        )
    followed = header.before["v"] if header is not None and header.before is not None else 0
    return [
        Broadcast(
            partner_id=partner.id, module=change.module, pk=change.pk, sk=change.sk,
            ref=ref, cause=change.id, version=after["v"], after=followed,
        )
        for partner in _receivers(node, [subject], partners)
    ]  # fmt: skip


def _receivers(node: Node, subjects: Sequence[Subject], partners: ReadPartners) -> list[Partner]:
    receivers = {
        partner.id: partner
        for subject in subjects
        for partner in audience(node.settings, partners(), subject)
    }
    return [partner for partner in receivers.values() if partner.connection == "CONNECTED"]


# -- partners ----------------------------------------------------------------------------------------


def _messages_for_partner(node: Node, change: StreamChange) -> list[CatchUp]:
    before, after = _partner(change.before), _partner(change.after)
    if after is None or not after.is_registered:
        if before is not None and before.is_registered:
            return [CatchUp(what="FORGET", partner_id=before.id, cause=change.id)]
    elif after.connection == "CONNECTED" and _reach(after) != _reach(before):
        schedule_recheck(node, after.id)
        # Before its registration a partner cannot have refused an object.
        refused_too = before is not None and before.is_registered and _terms(after) != _terms(before)
        newest = version_at(_reachable_since(node, change, after))
        return [
            CatchUp(
                what="CATCH_UP", partner_id=after.id, cause=change.id, refused_too=refused_too, newest=newest
            )
        ]
    return []


def _reachable_since(node: Node, change: StreamChange, partner: Partner) -> datetime:
    """Time since when changes are pushed to a partner: when its record was written, or a little before.

    The time of reading the record would be too late: changes between the two have messages of their own.
    Changes between this time and the write are found by the recheck.
    """
    if change.made_at is None:
        return node.clock()
    known = [partner.last_updated, partner.breaker.connected_at if partner.breaker else None]
    moments = [parse_datetime(moment) for moment in known if moment]
    return max(datetime.fromtimestamp(change.made_at, UTC), *moments)


def _partner(item: Item | None) -> Partner | None:
    return Partner.model_validate_json(item["partner"]) if item else None


def _reach(partner: Partner | None) -> object:
    """Facts that decide whether, where and with which objects a partner can be pushed to."""
    if partner is None:
        return None
    return partner.connection, _terms(partner)


def _terms(partner: Partner | None) -> object:
    """Endpoints, token, version and roles: when they change, the partner may take what it refused before."""
    if partner is None:
        return None
    return partner.status, partner.version, partner.endpoints, partner.roles, partner.outbound_token
