"""Asynchronous requests in the table, and their tasks on the queue.

A request is one item, in the partition of its state. So the PENDING requests are read without the ended ones.
The transaction that creates a request also writes

- the claims by which a repeated request finds the first one (`intake.py`);
- the items that the module needs, such as a reservation.

A request is answered with ACCEPTED only after it is stored and queued, so an accepted request cannot be lost.
The queue does the rest (`worker.py`). A task may be queued twice: the worker decides by the request's state.

Source: docs/design.md, A command; CMD-05, TRN-20
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.intake import Incoming, reply_of
from chalicelib.async_requests.objects import AsyncKind, AsyncRequest, RequestState
from chalicelib.async_requests.rules import is_open, is_waiting
from chalicelib.errors import NotFound
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Reply
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.queues import RequestTask
from chalicelib.storage import counters
from chalicelib.storage.items import next_place, sortable
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Keep, KnownItems, Stored, Write
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict, Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.async_requests.intake import Decision, RequestClaim
    from chalicelib.node import Node

REPEATED_S = 3
"""Delay in seconds of the delivery that is queued for a repeated request."""

RequestRule = Callable[[AsyncRequest], AsyncRequest | None]
"""Function that takes a request and returns the changed one, or None when nothing changes."""


def read_request(body: str) -> AsyncRequest:
    """Read a stored request."""
    return AsyncRequest.model_validate_json(str(body))


class AsyncRequests:
    """The requests of one kind at one node."""

    def __init__(self, node: Node, kind: AsyncKind) -> None:
        self.node = node
        self.kind = kind

    # -- reading -------------------------------------------------------------------------------------

    def find(self, request_id: str, known: KnownItems = None) -> AsyncRequest | None:
        """Find a request by its id. Returns None when there is none."""
        stored = self.node.objects.get(self._ref(request_id), known) if _is_id(request_id) else None
        return read_request(stored.body) if stored else None

    def find_repeated(
        self, claims: Iterable[RequestClaim], partner_id: str, digest: str, known: KnownItems = None
    ) -> AsyncRequest | None:
        """Find the request that this one repeats: same claim, partner and content. Returns None if it is new.

        digest: from `digest_of`. known: an earlier read that has the claims; then a repeated request costs
        one call and a new one none.
        """
        claims = list(claims)
        items = self.node.table.read([claim.key for claim in claims], known)
        for claim in claims:
            item = items.get(claim.key)
            if item and _repeats(item, claim, partner_id, digest, self.node.clock()):
                request = self.find(item["command_id"])
                if request is None or not claim.while_open or is_open(request):
                    return request
        return None

    def key_of(self, request_id: str) -> Key:
        """Key of a request's item, for reading ahead."""
        return self._ref(request_id).key

    def keys_to_create(self, claims: Iterable[RequestClaim]) -> list[Key]:
        """Keys of the items that `create` needs. They are read together with the caller's token."""
        pending = counters.root_key(self.partition_of(RequestState.PENDING))
        return [*(claim.key for claim in claims), pending]

    def partition_of(self, state: RequestState) -> str:
        """The partition of the requests in a state."""
        return f"{self.kind.module}#{state.value}"

    # -- writing -------------------------------------------------------------------------------------

    def accept(self, incoming: Incoming, decide: Callable[[], Decision]) -> Reply:
        """Accept or refuse a request. A repeated request gets the answer of the first one.

        decide: checks a request that is not repeated; what it stores has a response.
        """
        call, claims, is_new = incoming.call, incoming.claims, False
        request = self.find_repeated(claims, call.caller.id, incoming.digest, call.snapshot)
        if request is None:
            decision = decide()
            if isinstance(decision, Reply):
                return decision
            request, is_new = self.create(decision.request, claims, decision.extra_items, call.snapshot)
        self._queue(request, is_new)
        assert request.response is not None
        return reply_of(request.response)

    def create(
        self,
        request: AsyncRequest,
        claims: Sequence[RequestClaim],
        extra_items: Iterable[Item] = (),
        known: KnownItems = None,
    ) -> tuple[AsyncRequest, bool]:
        """Store a new request with its claims, or find the one that it repeats.

        Its deadline is queued before, so that every stored request ends, even after a crash here.
        extra_items: items to write in the same transaction. Returns the stored request, and whether it is
        new.
        """
        if request.state == RequestState.PENDING:
            self.watch_deadline(request)
        extra = [Put(item) for item in extra_items]
        for attempt in attempts():
            snapshot = None if attempt else known
            repeated = self.find_repeated(claims, request.partner_id, request.digest, snapshot)
            if repeated is not None:
                return repeated, False
            try:
                self.node.table.transact([*self._creation_of(request, claims, snapshot), *extra])
            except Conflict:
                continue
            return request, True
        raise AssertionError("attempts() raises")

    def change(self, request_id: str, rule: RequestRule, known: KnownItems = None) -> AsyncRequest:
        """Apply a rule to a request, again if another write was faster. Returns the request.

        known: an earlier read that may have the request. Raises: NotFound, and each error of the rule.
        """
        if not _is_id(request_id):
            raise NotFound(f"unknown {self.kind.label}")

        def decide(current: Stored | None) -> Write | Keep:
            if current is None:
                raise NotFound(f"unknown {self.kind.label}")
            before = read_request(current.body)
            after = rule(before)
            return Keep(before) if after is None else self._written(after)

        partition = self.partition_of(RequestState.PENDING)
        changed = self.node.objects.change(
            self._ref(request_id), decide, known, partition=partition, source=""
        )
        request: AsyncRequest = changed.answer
        return request

    def _creation_of(
        self, request: AsyncRequest, claims: Sequence[RequestClaim], known: KnownItems
    ) -> list[Any]:
        """The operations that write a new request and its claims."""
        now, partition = self.node.clock(), self.partition_of(request.state)
        items = self.node.table.read([*(claim.key for claim in claims), counters.root_key(partition)], known)
        place = next_place(self.node.table, None, partition, sortable(request.last_updated, now), items)
        _, operations = self.node.objects.operations_of(
            self._ref(request.id), self._written(request), place, None, ""
        )
        return [*operations, *(_claim(claim, request, items.get(claim.key), now) for claim in claims)]

    def _written(self, request: AsyncRequest) -> Write:
        body = JsonText(request.model_dump_json(exclude_defaults=True, by_alias=True))
        partition = self.partition_of(request.state)
        return Write(body, request.last_updated, partition, answer=request)

    def _ref(self, request_id: str) -> Ref:
        # A request needs no owner in its key: this node makes the id, so it is unique.
        return Ref(self.kind.module, "", "", request_id)

    # -- tasks on the queue --------------------------------------------------------------------------

    def _queue(self, request: AsyncRequest, is_new: bool) -> None:
        """Queue the delivery to the CSMS, or the result that is known already.

        A repeated request is queued again, because the first one may have died between storing and
        queueing. Its delivery is delayed: by then `delivered_to` is set if the first delivery was queued.
        """
        if request.state != RequestState.PENDING:
            self.queue_results(request, delay_s=1)
        elif not request.delivered_to:
            self.queue_delivery(request, delay_s=0 if is_new else REPEATED_S)

    def queue_delivery(self, request: AsyncRequest, delay_s: int) -> None:
        """Queue the delivery of a request to the CSMS."""
        self.node.queues.send_request_tasks(self._task("DELIVER", request, delay_s))

    def watch_deadline(self, request: AsyncRequest) -> None:
        """Queue the task that ends a request at its deadline. The request may be stored right after."""
        left = (request.is_overdue_at - self.node.clock()).total_seconds()
        self.node.queues.send_request_tasks(self._task("DEADLINE", request, max(math.ceil(left), 0)))

    def queue_results(self, request: AsyncRequest, delay_s: int = 0) -> None:
        """Queue the posting of the results that are still to be posted, if there are any."""
        tasks = []
        if is_waiting(request.result):
            tasks.append(self._task("RESULT", request, delay_s))
        if is_waiting(request.follow_up):
            tasks.append(self._task("CANCELLATION", request, delay_s))
        if tasks:
            self.node.queues.send_request_tasks(*tasks)

    def _task(self, what: Any, request: AsyncRequest, delay_s: int) -> RequestTask:
        return RequestTask(what=what, request_id=request.id, delay_s=delay_s, module=self.kind.module)


def _claim(claim: RequestClaim, request: AsyncRequest, before: Item | None, now: datetime) -> Put:
    item = {
        "pk": claim.key.pk,
        "sk": claim.key.sk,
        "command_id": request.id,
        "partner_id": request.partner_id,
        "digest": request.digest,
        "at": format_datetime(now),
        "expires_at": int((now + claim.lasts).timestamp()),
    }
    if before is None:
        return Put(item, "attribute_not_exists(#pk)")
    return Put(item, "#command_id = :before", {"before": before["command_id"]})


def _repeats(item: Item, claim: RequestClaim, partner_id: str, digest: str, now: datetime) -> bool:
    is_same = item["partner_id"] == partner_id and item["digest"] == digest
    return is_same and now - parse_datetime(item["at"]) < claim.lasts


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 100 and text.isascii() and text.isprintable()
