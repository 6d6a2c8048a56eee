"""Decision on one broadcast message: push, skip or delete.

Pure functions of the object, the partner and its delivery row; `pushes.py` carries the decision out.

- An object that the partner has in its present version is not sent again.
- A deleted tariff is deleted at the partner, even if no row shows that it was ever sent: a worker may have
  died between its PUT and the write of the row.
- A location that is no longer published, and that a partner may have whose version has no `publish`, is sent
  once more with its EVSEs as REMOVED. If the partner does not have it, it is held.
- An EVSE that was written again together with its location needs no push of its own.
- A location that is no longer published is sent once more to a partner that only displays locations and may
  have it.
- An object that the partner refused, or that its version cannot express, is sent again only if the message
  asks for it.
- A partner that is OFFLINE gets no push; the row records that it missed the object.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour, mod_locations, mod_tariffs; TRN-32, RTE-17,
RTE-18, HCI-09, LOC-09, LOC-16, TRP-10
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.modules.registry import find_module, is_private
from chalicelib.policy.visibility import Subject, is_hidden_partition, is_pushed_to, is_withheld
from chalicelib.protocol.message import Party
from chalicelib.pushing.deliveries import FINAL, Delivery, DeliveryStatus
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner
    from chalicelib.queues import Broadcast
    from chalicelib.settings import Settings


class Act(Enum):
    """Action that a message leads to.

    DROP: none. SKIP: record the object as delivered, without a request. MISS: record it as missed. HOLD:
    record it as held. WITHDRAW: PUT of the location with all its EVSEs REMOVED.
    """

    DROP = auto()
    SKIP = auto()
    MISS = auto()
    PUT = auto()
    PUT_EVSE = auto()
    DELETE = auto()
    HOLD = auto()
    WITHDRAW = auto()


class PushDecision(NamedTuple):
    """Action, and the status of the delivery row after it succeeded."""

    act: Act
    then: DeliveryStatus = DeliveryStatus.DELIVERED


@dataclass(frozen=True)
class Seen:
    """State that one read returned.

    item: main item of the object. evse: item of the EVSE, when the message is about one. correlation_id: of
    the requests of this push. quick: whether the partner must answer within `QUICK_S`.
    """

    partner: Partner | None
    item: Item | None
    evse: Item | None
    delivery: Delivery
    correlation_id: str | None = None
    quick: bool = False

    @property
    def receiver(self) -> Partner:
        """The partner, once `decide` has made sure that it exists."""
        assert self.partner is not None
        return self.partner


def decide(settings: Settings, message: Broadcast, seen: Seen) -> PushDecision:
    """Decide what to do with a message, given the state that was read."""
    partner = seen.partner
    if message.again and partner is not None:
        seen = replace(seen, delivery=seen.delivery.reopened(partner.version))
    if partner is None or not partner.is_registered or partner.endpoint(message.module, "RECEIVER") is None:
        return PushDecision(Act.DROP)
    if seen.item is None:
        decision = _decide_gone(settings, message, partner, seen.delivery)
    elif message.sk == "#":
        decision = _decide_whole(settings, message, partner, seen.item, seen.delivery)
    else:
        decision = _decide_evse(settings, message, partner, seen)
    if decision.act not in (Act.DROP, Act.HOLD) and partner.connection == "OFFLINE":
        return PushDecision(Act.DROP if seen.delivery.status == DeliveryStatus.MISSED else Act.MISS)
    return decision


def _decide_gone(
    settings: Settings, message: Broadcast, partner: Partner, delivery: Delivery
) -> PushDecision:
    # Locations and EVSEs are never deleted (LOC-09).
    if not find_module(message.module).deletable or not _was_shown(settings, message, partner):
        return PushDecision(Act.DROP)
    # Even without a row the partner may have the tariff: a worker may have died after its PUT.
    if delivery.is_deletion_sent(message.version):
        return PushDecision(Act.DROP)
    return PushDecision(Act.DELETE, DeliveryStatus.DELETED)


def _was_shown(settings: Settings, message: Broadcast, partner: Partner) -> bool:
    """Tell whether a deleted object was for the partner; a private one was, if a message names it."""
    subject = Subject(message.module, _owner(message.ref), source="")
    return is_private(message.module) or is_pushed_to(settings, partner, subject)


def _decide_whole(
    settings: Settings, message: Broadcast, partner: Partner, item: Item, delivery: Delivery
) -> PushDecision:
    subject = subject_of(message.module, item)
    if is_pushed_to(settings, partner, subject):
        if delivery.is_up_to_date(item["v"]):
            return PushDecision(Act.DROP)
        if is_withheld(partner, subject.hidden):
            return _decide_withheld(item, delivery)
        return PushDecision(Act.PUT)
    if not is_pushed_to(settings, partner, subject._replace(hidden=False)):
        return PushDecision(Act.DROP)
    # A message about a change exists because the partner could see the location before or after the change.
    change = message.version
    may_have_it = not delivery.is_withdrawal_sent(change) if change else delivery.may_hold(item["v"])
    return PushDecision(
        Act.PUT if may_have_it and not delivery.is_up_to_date(item["v"]) else Act.DROP,
        DeliveryStatus.WITHDRAWN,
    )


def _decide_withheld(item: Item, delivery: Delivery) -> PushDecision:
    is_held = delivery.status == DeliveryStatus.HELD and not delivery.evse_uid
    if delivery.may_hold(item["v"]) and not is_held:
        return PushDecision(Act.WITHDRAW, DeliveryStatus.WITHDRAWN)
    return PushDecision(Act.HOLD)


def _decide_evse(settings: Settings, message: Broadcast, partner: Partner, seen: Seen) -> PushDecision:
    item, evse, delivery = seen.item, seen.evse, seen.delivery
    assert item is not None
    if evse is None or evse["wv"] != item["wv"] or evse["via"] != "evse":
        # The EVSE was written again with its whole location, so a message about the location is queued.
        return PushDecision(Act.DROP)
    subject = subject_of(message.module, item)
    if not is_pushed_to(settings, partner, subject):
        return PushDecision(Act.DROP)
    if is_withheld(partner, subject.hidden):
        return _decide_whole(settings, message, partner, item, delivery)
    if delivery.status in FINAL and evse["v"] <= delivery.version:
        return PushDecision(Act.DROP)
    if delivery.evse == evse_version(evse):
        return PushDecision(Act.SKIP)
    # No row: the catch-up leaves a location that changed meanwhile to this message, so send it whole. Held:
    # no EVSE of the location may be sent alone.
    is_held = delivery.status == DeliveryStatus.HELD and not delivery.evse_uid
    return PushDecision(Act.PUT if delivery.status is None or is_held else Act.PUT_EVSE)


def subject_of(module: str, item: Item) -> Subject:
    """Subject of a main item: the fields that decide its audience."""
    return Subject(module, _owner(item["ref"]), item["src"], is_hidden_partition(item["lp"]), item["lp"])


def _owner(ref: str) -> Party:
    parsed = Ref.parse(ref)
    return Party(parsed.country_code, parsed.party_id)


def evse_version(evse: Item) -> str:
    """Name an EVSE in one of its versions."""
    return f"{evse['sk']}@{evse['v']}"
