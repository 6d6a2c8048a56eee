"""The table's stream is the outbox: each change becomes one message per partner that must hear of it.

The request that made the change did nothing but store it, so what was answered with 1000 is never lost,
and nothing is told that was not stored. Here it is only seen who may be concerned; whether there is
something to be told, and what, is decided with the object as it is when it is pushed (`pushes.py`).

- A tariff, or a location of which more changed than an EVSE: the whole of it. A tariff that went: that.
- An EVSE that was changed alone: the EVSE. The header's record, in the same transaction, tells which
  version the change followed, and whose the location is; without it the message says less.
- A partner that is OFFLINE gets no message: what it misses is found by comparing versions when it is
  back (`catch_up.py`), for which nothing needs to be written.
- A partner that registered, came back, or changed its endpoints or its token is caught up with; one
  that left is forgotten.
- The first object of an owner at a hub or an eMSP: the owner is remembered (`owners.py`).

The stream tells every record at least once, and those of one item in order. A message's cause is the
record's id, so what is told twice is one message. The partners are read after the records, once for a
batch, so who registered before a change was made hears of it.

Source: DESIGN.md, A broadcast; RTE-12, RTE-14, RTE-17, RTE-18, RTE-21, LOC-09
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.partners.catch_up import catch_up, look_again
from chalicelib.partners.decisions import subject_of
from chalicelib.partners.deliveries import forget_deliveries
from chalicelib.partners.directory import Partner
from chalicelib.partners.owners import remember_owners
from chalicelib.partners.visibility import MODULES, Subject, audience
from chalicelib.protocol.message import Party
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref
from chalicelib.storage.values import Item, decode_item

if TYPE_CHECKING:
    from chalicelib.node import Node

_MESSAGES_PER_CALL = 10


@dataclass(frozen=True)
class Change:
    """One record of the stream; before, after: the item, None where there is none."""

    id: str
    sequence_number: str
    pk: str
    sk: str
    before: Item | None
    after: Item | None

    @property
    def module(self) -> str:
        """What the item is about: the first part of its key."""
        return self.pk.partition("#")[0]

    @property
    def is_object(self) -> bool:
        """Whether it is a main item of an object that is broadcast."""
        return self.module in MODULES and self.sk == "#"

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

    When something fails, the batch comes again from the first record that was not handled.
    """
    wanted = [record for record in records if _is_wanted(record)]
    outbox: list[tuple[str, Broadcast]] = []
    failed: str | None = None
    changes = [read_change(record) for record in wanted]
    headers = {
        (change.pk, change.after["v"]): change for change in changes if change.is_object and change.after
    }
    partners = cache(node.directory.all)
    for change in changes:
        try:
            if change.is_partner:
                _follow_partner(node, change)
            else:
                outbox += [(change.sequence_number, told) for told in tell(node, change, headers, partners)]
        except Exception:
            log.exception("a change could not be told", extra={"pk": change.pk, "sk": change.sk})
            failed = change.sequence_number
            break
    failed = _send(node, outbox) or failed
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


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
    )


def _is_wanted(record: Mapping[str, Any]) -> bool:
    pk: str = record["dynamodb"]["Keys"]["pk"]["S"]
    return pk == "partners" or pk.partition("#")[0] in MODULES


def _send(node: Node, outbox: Sequence[tuple[str, Broadcast]]) -> str | None:
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


def tell(node: Node, change: Change, headers: Headers, partners: Partners) -> list[Broadcast]:
    """The messages that a change of an object or an EVSE means."""
    if change.is_object:
        return _tell_object(node, change, partners)
    if change.is_evse:
        return _tell_evse(node, change, headers, partners)
    return []


def _tell_object(node: Node, change: Change, partners: Partners) -> list[Broadcast]:
    before, after = change.before, change.after
    if before is not None and after is not None and _own_version(before) == _own_version(after):
        return []
    if before is None and after is not None and after["src"]:
        remember_owners(node.table, [Ref.parse(after["ref"])])
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


def _follow_partner(node: Node, change: Change) -> None:
    before, after = _partner(change.before), _partner(change.after)
    if after is None or not after.is_registered:
        if before is not None and before.is_registered:
            forget_deliveries(node.table, before.id)
    elif after.connection == "CONNECTED" and _reach(after) != _reach(before):
        catch_up(node, after, change.id, has_new_token=True)
        look_again(node, after.id)


def _partner(item: Item | None) -> Partner | None:
    return Partner.model_validate_json(item["partner"]) if item else None


def _reach(partner: Partner | None) -> object:
    """What decides whether, where and of what a partner can be told."""
    if partner is None:
        return None
    return partner.status, partner.connection, partner.endpoints, partner.roles, partner.outbound_token
