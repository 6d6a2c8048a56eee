"""Writers of an owner's changes to its node, through the operator API or by OCPI.

A change without an answer, or answered with a fault, is sent again until it is taken, as a real owner would
do. Only then it counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from certification.ocpi import Document, Party
from cli.operator_client import OperatorApiError, OperatorClient
from infra.chaos.documents import owned, stamp, without_stamps
from infra.chaos.ledger import Change, Item, Ledger
from infra.chaos.partner import ChaosPartner, Sent

AGAIN_S = 0.4
_MAY_PASS = (409, 429)


class Refused(RuntimeError):
    """A node refused a change of the harness: one of the two is wrong, so the run has no result."""


class Writer(Protocol):
    """Writes the objects of one party."""

    owner: Party

    def write(self, method: str, module: str, ids: tuple[str, ...], document: Document | None) -> Sent:
        """Send a change once."""
        ...


class DoorWriter:
    """A CPO that writes to its own node."""

    def __init__(self, owner: Party, door: OperatorClient) -> None:
        self.owner = owner
        self._door = door

    def write(self, method: str, module: str, ids: tuple[str, ...], document: Document | None) -> Sent:
        """Send a change once."""
        # A session's last_updated is sent, so that a repeated end is not taken for a correction.
        body = document if module == "sessions" else without_stamps(document)
        try:
            if method == "DELETE":
                self._door.delete(module, *ids)
            else:
                (self._door.put if method == "PUT" else self._door.patch)(module, *ids, body=body)
        except OperatorApiError as error:
            status = error.http_status
            if method == "DELETE" and status == 404:
                return Sent.ACCEPTED
            if status is None or status >= 500 or status in _MAY_PASS:
                return Sent.UNKNOWN
            raise Refused(str(error)) from error
        return Sent.ACCEPTED


class OcpiWriter:
    """A partner of a node."""

    def __init__(self, partner: ChaosPartner, node: Party) -> None:
        self.owner = partner.party
        self._partner = partner
        self._node = node

    def write(self, method: str, module: str, ids: tuple[str, ...], document: Document | None) -> Sent:
        """Send a change once."""
        sent = self._partner.send(method, module, ids, document, self._node)
        if sent is Sent.REFUSED and method == "DELETE":
            return Sent.ACCEPTED
        if sent is Sent.REFUSED:
            raise Refused(f"{self._partner.name}: {method} {module} {ids}")
        return sent


class Owner:
    """One party and the state of its objects. Every method is used by one thread."""

    def __init__(self, writer: Writer, ledger: Ledger, may_go_on: Callable[[], bool]) -> None:
        self._writer = writer
        self._ledger = ledger
        self._may_go_on = may_go_on
        self._pause = threading.Event()
        self._revisions: dict[Item, int] = {}
        self.states: dict[Item, Document | None] = {}
        self.not_accepted = 0
        self.sent_again = 0

    @property
    def party(self) -> Party:
        """Party of the owner."""
        return self._writer.owner

    def item(self, module: str, object_id: str, child: str = "") -> Item:
        """Item of this owner."""
        return Item(module, *self.party, object_id, child)

    def next_revision(self, item: Item) -> int:
        """Return the number of the next change of an item."""
        return self._revisions.get(item, 0) + 1

    def put(self, item: Item, document: Document) -> bool:
        """Create or replace an object. Returns whether it was taken."""
        whole = owned(document, self.party, stamp())
        children = {
            item._replace(child=evse["uid"]): evse
            for evse in whole.get("evses") or []
            if self.states.get(item._replace(child=evse["uid"])) is None
        }
        if not self._send("PUT", item, whole):
            return False
        self._note(item, whole)
        for child, evse in children.items():
            self._note(child, evse)
        return True

    def patch(self, item: Item, fields: Document) -> bool:
        """Change some fields of an item."""
        changes = {**fields, "last_updated": stamp()}
        if not self._send("PATCH", item, changes):
            return False
        self._note(item, {**(self.states[item] or {}), **changes})
        return True

    def delete(self, item: Item) -> bool:
        """Delete an object for good."""
        if not self._send("DELETE", item, None):
            return False
        self._note(item, None)
        return True

    def _send(self, method: str, item: Item, document: Document | None) -> bool:
        ids = (item.id, item.child) if item.child else (item.id,)
        while self._writer.write(method, item.module, ids, document) is not Sent.ACCEPTED:
            if not self._may_go_on():
                self.not_accepted += 1
                return False
            self.sent_again += 1
            self._pause.wait(AGAIN_S)
        return True

    def _note(self, item: Item, state: Document | None) -> None:
        revision = self.next_revision(item)
        self._revisions[item] = revision
        self.states[item] = state
        self._ledger.note(Change(item, revision, time.monotonic(), state))
