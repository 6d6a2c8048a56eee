"""The table's stream is the outbox: each change becomes one message per partner that must hear of it.

The request that made the change did nothing but store it, so what was answered with 1000 is never lost,
and nothing is told that was not stored. Here it is only seen who may be concerned; whether there is
something to be told, and what, is decided with the object as it is when it is pushed (`pushes.py`).

- A tariff, a token, a session, or a location of which more changed than an EVSE: the whole of it. A tariff
  that went: that.
- An EVSE that was changed alone: the EVSE. The header's record, in the same transaction, tells which
  version the change followed, and whose the location is; without it the message says less.
- A partner that is OFFLINE gets no message: what it misses is found by comparing versions when it is
  back (`catch_up.py`), for which nothing needs to be written.
- A partner that registered, came back, or changed its endpoints or its token is due to be caught up with;
  one that left, to be forgotten. Either is a message, too: it may take longer than a batch of the stream may.
- A token, a session or a CDR that went: its time has come (`storage/expiry.py`), which is no news to
  partners. What they were told of it is forgotten.
- The first object of an owner at whoever received it: the owner is remembered (`owners.py`).

When AWS fails us, the batch comes again from there. A record that we cannot make sense of would come again
for ever, and nothing behind it ever, for no partner: it is logged and passed over, and since what it told
may be missing, every partner is due a second look.

The stream tells every record at least once, and those of one item in order. A message's cause is the
record's id, so what is told twice is one message. The partners are read after the records, once for a
batch, so who registered before a change was made hears of it.

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
from chalicelib.partners.catch_up import look_again, version_at
from chalicelib.partners.decisions import subject_of
from chalicelib.partners.deliveries import key_of
from chalicelib.partners.directory import Partner
from chalicelib.partners.owners import remember_owners
from chalicelib.partners.private_lists import remember_list
from chalicelib.partners.visibility import FORGOTTEN, PRIVATE, PUSHED, Subject, audience
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.expiry import fallen
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import Conflict, Senseless
from chalicelib.storage.values import Item, decode_item

if TYPE_CHECKING:
    from chalicelib.node import Node

_MESSAGES_PER_CALL = 10


@dataclass(frozen=True)
class Change:
    """One record of the stream; before, after: the item, None where there is none.

    made_at: when it was written, in whole seconds since 1970; None where the record has no time.
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
        """What the item is about: the first part of its key."""
        return self.pk.partition("#")[0]

    @property
    def is_object(self) -> bool:
        """Whether it is a main item of an object that partners are told of."""
        return self.module in PUSHED and self.sk == "#"

    @property
    def is_evse(self) -> bool:
        """Whether it is an EVSE's item."""
        return self.module == "locations" and self.sk.startswith("E#")

    @property
    def is_partner(self) -> bool:
        """Whether it is a partner's item."""
        return self.pk == "partners"


Partners = Callable[[], Sequence[Partner]]
Headers = Mapping[tuple[str, int], Change]
"""Changes of main items by key and new version."""


def handle_stream(node: Node, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Queue what the records of a stream's batch mean. Returns Lambda's answer for a batch.

    When AWS fails us, the batch comes again from the first record that was not handled.
    """
    outbox: list[tuple[str, Broadcast | CatchUp]] = []
    failed: str | None = None
    changes, passed_over = _read_changes(records)
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
            log.exception("a change could not be told", extra={"pk": for_log(change.pk), "sk": change.sk})
            if _may_pass(error):
                failed = change.sequence_number
                break
            passed_over = True
    failed = _send(node, outbox) or failed
    if passed_over:
        _make_up(node)
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


def forget(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Delete the objects whose time has come, as the records tell.

    What AWS fails us in comes again with the batch. What fails by our own fault would come again for ever,
    and nothing behind it ever: it is logged, and kept too long.
    """
    for pk in fallen(records):
        try:
            node.objects.expire(pk)
        except Exception as error:
            if _may_pass(error):
                raise
            log.exception("an object could not be forgotten", extra={"pk": for_log(pk)})


def read_change(record: Mapping[str, Any]) -> Change:
    """Read a record, whose images are in DynamoDB's wire form."""
    told = record["dynamodb"]
    keys = decode_item(told["Keys"])
    return Change(
        id=record["eventID"],
        sequence_number=told["SequenceNumber"],
        pk=keys["pk"],
        sk=keys["sk"],
        before=decode_item(told["OldImage"]) if told.get("OldImage") else None,
        after=decode_item(told["NewImage"]) if told.get("NewImage") else None,
        made_at=int(told["ApproximateCreationDateTime"]) if "ApproximateCreationDateTime" in told else None,
    )


def _read_changes(records: Sequence[Mapping[str, Any]]) -> tuple[list[Change], bool]:
    """What may concern partners, and whether there was a record that cannot be read."""
    changes: list[Change] = []
    passed_over = False
    for record in records:
        try:
            if _is_wanted(record):
                changes.append(read_change(record))
        except Exception:
            log.exception("a record cannot be read", extra={"record": record.get("eventID")})
            passed_over = True
    return changes, passed_over


def _is_wanted(record: Mapping[str, Any]) -> bool:
    pk: str = record["dynamodb"]["Keys"]["pk"]["S"]
    return pk == "partners" or pk.partition("#")[0] in PUSHED


def _read_partners(node: Node) -> list[Partner]:
    try:
        return node.directory.all()
    except Exception as error:
        # Whatever it is, it is no fault of the record, and passing over records would not mend it.
        raise ServerError("the partners cannot be read") from error


def _may_pass(error: Exception) -> bool:
    """Whether the same record may be told later: AWS failed us, and it was not for what we asked."""
    return isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless)


def _make_up(node: Node) -> None:
    """Have everybody compared with what there is, because a record was passed over."""
    try:
        for partner in node.directory.all():
            look_again(node, partner.id)
    except Exception:
        log.exception("second looks could not be noted")


def _send(node: Node, outbox: Sequence[tuple[str, Broadcast | CatchUp]]) -> str | None:
    """Queue messages; returns the number of the first record of which a message may be missing."""
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
    node: Node, change: Change, headers: Headers, partners: Partners
) -> Sequence[Broadcast | CatchUp]:
    """The messages that a change of an object, an EVSE or a partner means."""
    if change.is_partner:
        return _follow_partner(node, change)
    if change.is_object:
        return _tell_object(node, change, partners)
    if change.is_evse:
        return _tell_evse(node, change, headers, partners)
    return []


def _tell_object(node: Node, change: Change, partners: Partners) -> list[Broadcast]:
    before, after = change.before, change.after
    if before is not None and after is not None and _own_version(before) == _own_version(after):
        return []
    if after is None and change.module in FORGOTTEN:
        node.table.write_many(delete=[key_of(partner.id, change.pk) for partner in partners()])
        return []
    if before is None and after is not None and after["src"]:
        remember_owners(node.table, [Ref.parse(after["ref"])])
    if change.module in PRIVATE and after is not None and (before is None or before["lp"] != after["lp"]):
        remember_list(node.table, after["lp"])
    # Who was shown it before has to hear that it went, or is no longer published.
    subjects = [subject_of(change.module, item) for item in (after, before) if item is not None]
    latest = after or before
    assert latest is not None
    return [
        Broadcast(
            partner_id=partner.id, module=change.module, pk=change.pk, sk=change.sk,
            ref=latest["ref"], cause=change.id, version=latest["v"],
        )
        for partner in _hearers(node, subjects, partners)
    ]  # fmt: skip


def _own_version(item: Item) -> int:
    """The version of the item's own content: a location's header rises with its EVSEs as well."""
    version: int = item["hv"] if "hv" in item else item["v"]
    return version


def _tell_evse(node: Node, change: Change, headers: Headers, partners: Partners) -> list[Broadcast]:
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
        for partner in _hearers(node, [subject], partners)
    ]  # fmt: skip


def _hearers(node: Node, subjects: Sequence[Subject], partners: Partners) -> list[Partner]:
    hearers = {
        partner.id: partner
        for subject in subjects
        for partner in audience(node.settings, partners(), subject)
    }
    return [partner for partner in hearers.values() if partner.connection == "CONNECTED"]


# -- partners ----------------------------------------------------------------------------------------


def _follow_partner(node: Node, change: Change) -> list[CatchUp]:
    before, after = _partner(change.before), _partner(change.after)
    if after is None or not after.is_registered:
        if before is not None and before.is_registered:
            return [CatchUp(what="FORGET", partner_id=before.id, cause=change.id)]
    elif after.connection == "CONNECTED" and _reach(after) != _reach(before):
        look_again(node, after.id)
        # Who was not registered has refused nothing yet.
        refused_too = before is not None and before.is_registered and _terms(after) != _terms(before)
        newest = version_at(_reached_at(node, change, after))
        return [
            CatchUp(
                what="CATCH_UP", partner_id=after.id, cause=change.id, refused_too=refused_too, newest=newest
            )
        ]
    return []


def _reached_at(node: Node, change: Change, partner: Partner) -> datetime:
    """The moment since when changes are pushed to a partner: when its record was written, or a little before.

    Not when the record is read: what changed between the two has messages of its own. What changed between
    this moment and the write is found by the second look.
    """
    if change.made_at is None:
        return node.clock()
    noted = [partner.last_updated, partner.breaker.connected_at if partner.breaker else None]
    moments = [parse_datetime(moment) for moment in noted if moment]
    return max(datetime.fromtimestamp(change.made_at, UTC), *moments)


def _partner(item: Item | None) -> Partner | None:
    return Partner.model_validate_json(item["partner"]) if item else None


def _reach(partner: Partner | None) -> object:
    """What decides whether, where and of what a partner can be told."""
    if partner is None:
        return None
    return partner.connection, _terms(partner)


def _terms(partner: Partner | None) -> object:
    """Endpoints, token and version of a partner: when they change, it may take what it refused before."""
    if partner is None:
        return None
    return partner.status, partner.version, partner.endpoints, partner.roles, partner.outbound_token
