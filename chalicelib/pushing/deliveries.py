"""Delivery rows: what each partner has received of each object. One small row per partner and object.

`version` is the progress: every change of the object up to it has reached the partner or was refused by it.
Comparing it with the object's version shows what the partner still has to receive, so no record is needed
of what a partner misses while it is OFFLINE. A row holds no content of the object.

A location and its EVSEs share one row. A push of the whole location sets the version to that of the location
when it was read. A push of one EVSE advances the version by one change, and only if the row has the version
that this change followed. So the row never claims a version while an older change is pending, in whatever
order messages arrive. After an outage, EVSEs that were pushed one by one are not pushed again.

A row is written on condition that it is unchanged since it was read. If it has changed, two workers have
pushed the object at the same time (a message was delivered again while the first worker still had it). Then
it is unknown which request arrived last: the row is reset to unknown, and the object is pushed once more.

Source: docs/design.md, A broadcast; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import Broadcast
from chalicelib.storage.table import Item, Key, Put, Table, Update


class DeliveryStatus(StrEnum):
    """Result of the last push of an object to a partner.

    REFUSED: the partner refused it; retried slowly. WAITING: a fault; retried soon. MISSED: not pushed,
    because the partner was OFFLINE. DEAD: given up for now, after a fault that only this object has.
    WITHDRAWN: pushed for the last time, with the information that it is no longer published. HELD: not
    pushed, because the partner's OCPI version cannot express it; decided again when the object or the version
    changes.
    """

    DELIVERED = "delivered"
    REFUSED = "refused"
    HELD = "held"
    WAITING = "waiting"
    MISSED = "missed"
    DEAD = "dead"
    DELETED = "deleted"
    WITHDRAWN = "withdrawn"


class ObjectState(NamedTuple):
    """Stored version of an object. visible: whether the partner may see it."""

    version: int
    visible: bool


NOT_TAKEN = frozenset({DeliveryStatus.REFUSED, DeliveryStatus.HELD})
"""Statuses of an object that the partner does not have as it is now, although no push of it is left to do."""

FINAL = frozenset({DeliveryStatus.DELIVERED, *NOT_TAKEN})
"""Statuses after which this version of the object is not pushed again."""

_TOKEN_REJECTED = frozenset({401, 403})


@dataclass(frozen=True)
class Delivery:
    """One delivery row; the defaults are those of an object that was never pushed.

    method: of the request that the status is about. evse_uid: of the EVSE that it is about, "" for the whole
    location or several EVSEs. evse: key and version of the EVSE that was pushed last. reason: why the push
    failed, in our words; rows of earlier releases have the partner's behind them. words: the partner's own
    (`calls/partner_words.py`). code, http: OCPI and HTTP status of the partner's answer, 0 without one.

    at: time of the status (RFC 3339). since: first fault in a row (RFC 3339). cause: of the message that had
    that fault. tries: how often in a row the push failed because of an error in this node.

    given_up: how often in a row the object was given up (at least 1 when the partner went OFFLINE with it).
    retry_at: when a given-up object is tried again, "" for soon. again_at: when a refused object is tried
    again (`retries.py`). writes: number of writes of the row.

    losses: what the partner's version could not express of the object, the first of them (`losses.py`). lost:
    number of all losses. lost_in: that version, if the object is sent again to a partner of another one.
    """

    ref: str = ""
    status: DeliveryStatus | None = None
    version: int = 0
    method: str = "PUT"
    evse_uid: str = ""
    evse: str = ""
    reason: str = ""
    words: str = ""
    code: int = 0
    http: int = 0
    at: str = ""
    since: str = ""
    again_at: str = ""
    cause: str = ""
    tries: int = 0
    given_up: int = 0
    retry_at: str = ""
    losses: Sequence[Mapping[str, str]] = ()
    lost: int = 0
    lost_in: str = ""
    writes: int = 0

    @property
    def module(self) -> str:
        """Module of the object."""
        return self.ref.partition("#")[0]

    def reopened(self, version: str | None) -> Delivery:
        """Copy of the row in which an object that the partner may take now counts as given up.

        That is one that was refused or held, or that has lost something in another version than this one.
        """
        has_lost = self.status == DeliveryStatus.DELIVERED and self.lost_in not in ("", version)
        is_open = has_lost or self.status in NOT_TAKEN
        return replace(self, status=DeliveryStatus.DEAD) if is_open else self

    def is_refused_as(self, other: Delivery) -> bool:
        """Tell whether both rows record the same refusal for the same reason, in any version."""
        mine, theirs = ((row.status, row.method, row.code, row.http) for row in (self, other))
        return self.status == DeliveryStatus.REFUSED and mine == theirs

    def waits(self, now: datetime) -> bool:
        """Tell whether the object was given up and its retry is not due yet."""
        return (
            self.status == DeliveryStatus.DEAD and bool(self.retry_at) and parse_datetime(self.retry_at) > now
        )

    def is_up_to_date(self, version: int) -> bool:
        """Tell whether the partner has received or refused this version, or it is held: no push is needed."""
        # In rows of earlier releases a rejected token counted as a refusal of the object.
        was_token_rejected = self.status == DeliveryStatus.REFUSED and self.http in _TOKEN_REJECTED
        return self.status in FINAL and not was_token_rejected and self.version == version

    def is_deletion_sent(self, version: int) -> bool:
        """Tell whether the partner has received or refused the deletion of this version or a later one."""
        refused = self.status == DeliveryStatus.REFUSED and self.method == "DELETE"
        return (refused or self.status == DeliveryStatus.DELETED) and self.version >= version

    def is_withdrawal_sent(self, version: int) -> bool:
        """Tell whether the partner has received that this version or a later one is no longer published."""
        return self.status == DeliveryStatus.WITHDRAWN and self.version >= version

    def may_hold(self, version: int) -> bool:
        """Tell whether the partner may still have an object that it can no longer see.

        That is so until the withdrawal or the deletion of the object was sent.
        """
        has_nothing = self.status in (None, DeliveryStatus.DELETED, DeliveryStatus.WITHDRAWN)
        return not has_nothing and not self.is_up_to_date(version)

    def advance(self, messages: Iterable[Broadcast]) -> int:
        """Advance the version by the changes of these messages, in whatever order they were pushed."""
        followed_by = {message.after: message.version for message in messages if message.after}
        version = self.version
        while version in followed_by:
            version = followed_by.pop(version)
        return version

    def to_item(self, key: Key) -> Item:
        """Item of the row in the table."""
        attributes = {name: value for name, value in vars(self).items() if value}
        return {**attributes, "pk": key.pk, "sk": key.sk}


def key_of(partner_id: str, pk: str) -> Key:
    """Key of the row of a partner and an object's partition key."""
    return Key(f"delivery#{partner_id}", pk)


def read_delivery(item: Item | None) -> Delivery:
    """Read a row. Without an item, the object was never pushed to the partner."""
    if item is None:
        return Delivery()
    attributes: dict[str, Any] = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    return Delivery(**{**attributes, "status": DeliveryStatus(attributes["status"])})


def read_deliveries(table: Table, partner_id: str) -> dict[str, Delivery]:
    """Read every row of a partner, by its object's partition key: one call for each MB."""
    rows = table.query_all("#pk = :pk", {"pk": f"delivery#{partner_id}"})
    return {row["sk"]: read_delivery(row) for row in rows}


def some_deliveries(
    table: Table, partner_id: str, module: str, number: int, after: Item | None
) -> tuple[dict[str, Delivery], Item | None]:
    """Read at most `number` rows of a module in one call, by their objects' partition keys.

    after: position to continue from. Returns also the next position, None at the end.
    """
    values = {"pk": f"delivery#{partner_id}", "module": f"{module}#"}
    rows = table.query("#pk = :pk AND begins_with(#sk, :module)", values, limit=number, after=after)
    return {row["sk"]: read_delivery(row) for row in rows.items}, rows.last


def delete_deliveries(table: Table, partner_id: str, number: int) -> bool:
    """Delete at most `number` rows of a partner that has left. Returns whether there may be more."""
    rows = table.query("#pk = :pk", {"pk": f"delivery#{partner_id}"}, limit=number)
    table.write_many(delete=[Key(row["pk"], row["sk"]) for row in rows.items])
    return rows.last is not None


def write_delivery(table: Table, key: Key, before: Delivery, after: Delivery) -> None:
    """Write a row, if it is unchanged since it was read.

    Raises: Conflict when it has changed.
    """
    table.write(delivery_put(key, before, after))


def delivery_put(key: Key, before: Delivery, after: Delivery) -> Put:
    """Operation that writes a row, if it is unchanged since it was read."""
    written = replace(after, writes=before.writes + 1)
    condition = "#writes = :before" if before.writes else "attribute_not_exists(#pk)"
    return Put(written.to_item(key), condition, {"before": before.writes} if before.writes else {})


def unknown_delivery(key: Key, ref: str) -> Update:
    """Operation that resets a row: it is unknown what the partner has."""
    values = {"status": DeliveryStatus.MISSED.value, "zero": 0, "ref": ref, "one": 1}
    return Update(
        key, "SET #status = :status, #version = :zero, #ref = :ref REMOVE #evse ADD #writes :one", values
    )


def is_pending(delivery: Delivery, known: ObjectState | None) -> bool:
    """Tell whether a partner still has to receive an object, or its deletion.

    delivery: reopened, if refused and held objects are pending as well. known: None when the object no longer
    exists.
    """
    if known is None:
        return delivery.status is not None and not delivery.is_deletion_sent(0)
    if not known.visible:
        return delivery.may_hold(known.version)
    return not delivery.is_up_to_date(known.version)
