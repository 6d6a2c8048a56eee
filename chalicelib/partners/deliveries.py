"""What each partner has been told of each object: one small row per partner and object, no content.

`version` says how far: every change of the object up to it has reached the partner, or was refused by
it. Comparing it with the object's version tells what a partner still has to hear, so nothing
needs to be written down while a partner is away.

A location and its EVSEs share one row. A push of the whole location takes the version as far as the
location was when it was read. A push of an EVSE takes it one step on, and only from the version that
this very change followed: so a version is never claimed while an older change is still owed, in
whatever order messages came, and an outage costs no second push of what had been told EVSE by EVSE.

A row is written under the condition that it is as it was read. If it is not, two workers have pushed
the object at the same time (a message was handed out again while the first worker still had it), and
nobody knows whose request came last: the row is made to say that nothing is known, and the object is
pushed once more.

Source: docs/design.md, A broadcast; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import Broadcast
from chalicelib.storage.table import Item, Key, Put, Table, Update


class Status(StrEnum):
    """How the last word to a partner about an object ended.

    REFUSED: the partner said no, tried again slowly. WAITING: a fault, tried again. MISSED: not told,
    because the partner was away. DEAD: given up for now, for a fault that only this object has.
    WITHDRAWN: told for the last time, that it is not published.
    """

    DELIVERED = "delivered"
    REFUSED = "refused"
    WAITING = "waiting"
    MISSED = "missed"
    DEAD = "dead"
    DELETED = "deleted"
    WITHDRAWN = "withdrawn"


class Known(NamedTuple):
    """What the store has of an object. visible: whether the partner is shown it."""

    version: int
    visible: bool


_NOT_LET_IN = frozenset({401, 403})


@dataclass(frozen=True)
class Delivery:
    """One row; the defaults are those of a partner that was never told.

    method: of the request that the status is about. evse_uid: of the EVSE that it is about, "" for the whole
    location or several EVSEs. evse: key and version of the EVSE that was pushed last. code: the partner's
    OCPI status code, http its HTTP status, as far as it answered. at, since: when it came to this, and the
    first fault (RFC 3339). cause: of the message that had it. tries: how often the last message failed by our
    own fault.
    given_up: how often in a row the object was given up (at least 1 when the partner went OFFLINE with it).
    retry_at: when it is tried again then, "" for soon.
    again_at: when a refused object was last due to be tried again (`retries.py`). writes: counts the writes
    of the row.
    """

    ref: str = ""
    status: Status | None = None
    version: int = 0
    method: str = "PUT"
    evse_uid: str = ""
    evse: str = ""
    reason: str = ""
    code: int = 0
    http: int = 0
    at: str = ""
    since: str = ""
    again_at: str = ""
    cause: str = ""
    tries: int = 0
    given_up: int = 0
    retry_at: str = ""
    writes: int = 0

    @property
    def module(self) -> str:
        """The module of its object."""
        return self.ref.partition("#")[0]

    def reopened(self) -> Delivery:
        """The row as if what it says was refused had only been given up: to be sent again."""
        return replace(self, status=Status.DEAD) if self.status == Status.REFUSED else self

    def is_refused_as(self, other: Delivery) -> bool:
        """Tell whether both rows say that the same was refused for the same reason, in whatever version."""
        mine, theirs = ((row.status, row.method, row.code, row.http) for row in (self, other))
        return self.status == Status.REFUSED and mine == theirs

    def waits(self, now: datetime) -> bool:
        """Tell whether the object was given up and is not to be tried again yet."""
        return self.status == Status.DEAD and bool(self.retry_at) and parse_datetime(self.retry_at) > now

    def is_settled(self, version: int) -> bool:
        """Whether the partner needs not be told of the object in this version."""
        # Rows of earlier releases: a token that was not accepted counted as a refusal.
        was_not_let_in = self.status == Status.REFUSED and self.http in _NOT_LET_IN
        told = self.status in (Status.DELIVERED, Status.REFUSED) and not was_not_let_in
        return told and self.version == version

    def is_told_of_deletion(self, version: int) -> bool:
        """Whether the partner was told that the object went, after it had this version."""
        refused = self.status == Status.REFUSED and self.method == "DELETE"
        return (refused or self.status == Status.DELETED) and self.version >= version

    def is_told_of_hiding(self, version: int) -> bool:
        """Whether the partner was told that the object is no longer published, after it had this version."""
        return self.status == Status.WITHDRAWN and self.version >= version

    def may_hold(self, version: int) -> bool:
        """Whether the partner may have an object that it is no longer shown, and was not told so."""
        has_nothing = self.status in (None, Status.DELETED, Status.WITHDRAWN)
        return not has_nothing and not self.is_settled(version)

    def advance(self, messages: Iterable[Broadcast]) -> int:
        """How far the changes take us that these messages tell, in whatever order they were told."""
        followed_by = {message.after: message.version for message in messages if message.after}
        version = self.version
        while version in followed_by:
            version = followed_by.pop(version)
        return version

    def to_item(self, key: Key) -> Item:
        """The row in the table."""
        attributes = {name: value for name, value in vars(self).items() if value}
        return {**attributes, "pk": key.pk, "sk": key.sk}


def key_of(partner_id: str, pk: str) -> Key:
    """Key of the row for an object's key."""
    return Key(f"delivery#{partner_id}", pk)


def read_delivery(item: Item | None) -> Delivery:
    """Read a row; without one the partner was never told."""
    if item is None:
        return Delivery()
    attributes: dict[str, Any] = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    return Delivery(**{**attributes, "status": Status(attributes["status"])})


def read_deliveries(table: Table, partner_id: str) -> dict[str, Delivery]:
    """Every row of a partner, by its object's pk: one call for each MB."""
    rows = table.query_all("#pk = :pk", {"pk": f"delivery#{partner_id}"})
    return {row["sk"]: read_delivery(row) for row in rows}


def some_deliveries(
    table: Table, partner_id: str, module: str, number: int, after: Item | None
) -> tuple[dict[str, Delivery], Item | None]:
    """As `read_deliveries`, at most so many rows of a module, in one call.

    after: where to go on. Returns also where to go on then, None when there is no more.
    """
    values = {"pk": f"delivery#{partner_id}", "module": f"{module}#"}
    rows = table.query("#pk = :pk AND begins_with(#sk, :module)", values, limit=number, after=after)
    return {row["sk"]: read_delivery(row) for row in rows.items}, rows.last


def forget_deliveries(table: Table, partner_id: str, number: int) -> bool:
    """Delete at most so many rows of a partner that has left. Returns whether there may be more."""
    rows = table.query("#pk = :pk", {"pk": f"delivery#{partner_id}"}, limit=number)
    table.write_many(delete=[Key(row["pk"], row["sk"]) for row in rows.items])
    return rows.last is not None


def write_delivery(table: Table, key: Key, before: Delivery, after: Delivery) -> None:
    """Write a row, if it is still as it was read.

    Raises: Conflict when it is not.
    """
    table.write(delivery_put(key, before, after))


def delivery_put(key: Key, before: Delivery, after: Delivery) -> Put:
    """The operation that writes a row, if it is still as it was read."""
    written = replace(after, writes=before.writes + 1)
    condition = "#writes = :before" if before.writes else "attribute_not_exists(#pk)"
    return Put(written.to_item(key), condition, {"before": before.writes} if before.writes else {})


def unknown_delivery(key: Key, ref: str) -> Update:
    """The operation that makes a row say that nothing is known of what the partner has."""
    values = {"status": Status.MISSED.value, "zero": 0, "ref": ref, "one": 1}
    return Update(
        key, "SET #status = :status, #version = :zero, #ref = :ref REMOVE #evse ADD #writes :one", values
    )


def is_owed(delivery: Delivery, known: Known | None, refused_too: bool = False) -> bool:
    """Tell whether a partner still has to be told something of an object.

    known: None when the object is no longer there. refused_too: what the partner refused is owed as well.
    """
    if refused_too:
        delivery = delivery.reopened()
    if known is None:
        return delivery.status is not None and not delivery.is_told_of_deletion(0)
    if not known.visible:
        return delivery.may_hold(known.version)
    return not delivery.is_settled(known.version)
