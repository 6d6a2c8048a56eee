"""Decisions of the outbox: what a change in the table's stream leads to.

Pure functions of the change, the partners and the settings; `outbox.py` carries the decisions out.

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

Source: docs/design.md, A broadcast; RTE-12, RTE-14, RTE-17, RTE-18, RTE-21, LOC-09
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib.modules.registry import find_module, is_private
from chalicelib.partners.directory import Partner
from chalicelib.policy.visibility import Subject, audience
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import parse_datetime
from chalicelib.pushing.catch_up import version_at
from chalicelib.pushing.deliveries import key_of
from chalicelib.pushing.push_decisions import subject_of
from chalicelib.pushing.stream_changes import StreamChange
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.settings import Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key
from chalicelib.storage.values import Item

ReadPartners = Callable[[], Sequence[Partner]]
Headers = Mapping[tuple[str, int], StreamChange]
"""Changes of main items, by partition key and new version."""


@dataclass(frozen=True)
class Effects:
    """Effects of a change: what to write, and the messages to queue after it.

    deleted_rows: keys of the delivery rows to delete. received: object whose owner is recorded. partition:
    the partition of private objects that is recorded. recheck: id of the partner that is checked again.
    """

    messages: Sequence[Broadcast | CatchUp] = ()
    deleted_rows: Sequence[Key] = ()
    received: Ref | None = None
    partition: str = ""
    recheck: str = ""


def decide_effects(
    settings: Settings, change: StreamChange, headers: Headers, partners: ReadPartners, now: datetime
) -> Effects:
    """Decide what a change of an object, an EVSE or a partner leads to.

    partners: called only when the change concerns partners.
    """
    if change.is_partner:
        return _decide_partner(change, now)
    if change.is_object:
        return _decide_object(settings, change, partners)
    if change.is_evse:
        return Effects(_messages_for_evse(settings, change, headers, partners))
    return Effects()


def _decide_object(settings: Settings, change: StreamChange, partners: ReadPartners) -> Effects:
    before, after = change.before, change.after
    if before is not None and after is not None and _own_version(before) == _own_version(after):
        return Effects()
    if after is None and find_module(change.module).expires:
        return Effects(deleted_rows=[key_of(partner.id, change.pk) for partner in partners()])
    is_received = before is None and after is not None and after["src"]
    has_moved = after is not None and (before is None or before["lp"] != after["lp"])
    return Effects(
        _messages_for_object(settings, change, partners),
        received=Ref.parse(after["ref"]) if after is not None and is_received else None,
        partition=after["lp"] if after is not None and has_moved and is_private(change.module) else "",
    )


def _messages_for_object(settings: Settings, change: StreamChange, partners: ReadPartners) -> list[Broadcast]:
    before, after = change.before, change.after
    # A partner that could see the object before must receive its deletion or withdrawal.
    subjects = [subject_of(change.module, item) for item in (after, before) if item is not None]
    latest = after or before
    assert latest is not None
    return [
        Broadcast(
            partner_id=partner.id, module=change.module, pk=change.pk, sk=change.sk,
            ref=latest["ref"], cause=change.id, version=latest["v"],
        )
        for partner in _receivers(settings, subjects, partners)
    ]  # fmt: skip


def _own_version(item: Item) -> int:
    """Version of the item's own content; a location's header gets a new version with each EVSE too."""
    version: int = item["hv"] if "hv" in item else item["v"]
    return version


def _messages_for_evse(
    settings: Settings, change: StreamChange, headers: Headers, partners: ReadPartners
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
        for partner in _receivers(settings, [subject], partners)
    ]  # fmt: skip


def _receivers(settings: Settings, subjects: Sequence[Subject], partners: ReadPartners) -> list[Partner]:
    receivers = {
        partner.id: partner for subject in subjects for partner in audience(settings, partners(), subject)
    }
    return [partner for partner in receivers.values() if partner.connection == "CONNECTED"]


def _decide_partner(change: StreamChange, now: datetime) -> Effects:
    before, after = _partner(change.before), _partner(change.after)
    if after is None:
        # REGISTERING: a handshake of ours that failed, so nothing was pushed.
        is_known = before is not None and before.status != "REGISTERING"
        return Effects([CatchUp(what="FORGET", partner_id=change.sk, cause=change.id)] if is_known else [])
    if not after.is_registered:
        # A partner that left may come back: what it has received stays known.
        return Effects()
    if after.connection != "CONNECTED" or _reach(after) == _reach(before):
        return Effects()
    # Before its first registration a partner cannot have refused an object.
    was_here = before is not None and (before.is_registered or bool(before.reserved_claims))
    refused_too = was_here and _terms(after) != _terms(before)
    newest = version_at(_reachable_since(change, after, now))
    step = CatchUp(
        what="CATCH_UP", partner_id=after.id, cause=change.id, refused_too=refused_too, newest=newest
    )
    return Effects([step], recheck=after.id)


def _reachable_since(change: StreamChange, partner: Partner, now: datetime) -> datetime:
    """Time since when changes are pushed to a partner: when its record was written, or a little before.

    The time of reading the record would be too late: changes between the two have messages of their own.
    Changes between this time and the write are found by the recheck.
    """
    if change.made_at is None:
        return now
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
