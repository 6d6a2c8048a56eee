"""In-memory DynamoDB with its stream, and SQS FIFO queues: fast, and tests control the order of events.

The node's own `Table` and `Queues` run on them, so expressions and wire forms are the real ones. Reads of an
index can be made to lag. The stream is a list that a test delivers as it likes. The queue follows the clock
of the test.
"""

from __future__ import annotations

import itertools
import json
import operator
import random
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

Wire = dict[str, Any]
Record = dict[str, Any]

INDEXES = {"by_created": ("lp", "cr"), "by_updated": ("lp", "lu")}


class MemoryDynamoDb:
    """The part of botocore's DynamoDB client that `Table` uses.

    stream: the records that no test has taken yet.
    """

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Wire] = {}
        self.stream: deque[Record] = deque()
        self.calls: list[str] = []
        self.hidden_from_indexes: set[str] = set()
        self._by_list: dict[str, set[tuple[str, str]]] = {}
        self._by_pk: dict[str, set[tuple[str, str]]] = {}
        self._sequence = 0
        self._lock = threading.RLock()

    # -- reading

    def get_item(self, **request: Any) -> Wire:
        self.calls.append("GetItem")
        item = self.items.get(_key(request["Key"]))
        return {"Item": dict(item)} if item else {}

    def batch_get_item(self, **request: Any) -> Wire:
        self.calls.append("BatchGetItem")
        ((table, wanted),) = request["RequestItems"].items()
        found = [self.items.get(_key(key)) for key in wanted["Keys"]]
        return {"Responses": {table: [dict(item) for item in found if item]}}

    def query(self, **request: Any) -> Wire:
        self.calls.append("Query")
        hash_name, range_name = INDEXES.get(request.get("IndexName", ""), ("pk", "sk"))
        values = request["ExpressionAttributeValues"]
        parent = values[f":{hash_name}"]["S"]
        with self._lock:
            keys = (self._by_list if hash_name == "lp" else self._by_pk).get(parent, set())
            items = [self.items[key] for key in keys]
        if hash_name == "lp":
            items = [item for item in items if item["pk"]["S"] not in self.hidden_from_indexes]
        names = request["ExpressionAttributeNames"]
        items = [item for item in items if _holds(request["KeyConditionExpression"], item, names, values)]
        items.sort(key=lambda item: _place(item, range_name))
        if not request.get("ScanIndexForward", True):
            items.reverse()
        if "ExclusiveStartKey" in request:
            last = _place(request["ExclusiveStartKey"], range_name)
            items = [item for item in items if _place(item, range_name) > last]
        more = items[request.get("Limit", len(items)) :]
        items = items[: len(items) - len(more)]
        answer: Wire = {"Items": [dict(item) for item in items], "Count": len(items)}
        if more:
            keys = {"pk", "sk", hash_name, range_name}
            answer["LastEvaluatedKey"] = {name: items[-1][name] for name in keys}
        return answer

    def scan(self, **request: Any) -> Wire:
        return {"Items": [dict(item) for item in self.items.values()]}

    # -- writing

    def put_item(self, **request: Any) -> None:
        self.calls.append("PutItem")
        with self._lock:
            self._check(request, _key(request["Item"]))
            self._set(_key(request["Item"]), dict(request["Item"]))

    def update_item(self, **request: Any) -> Wire:
        self.calls.append("UpdateItem")
        with self._lock:
            key = _key(request["Key"])
            self._check(request, key)
            self._set(key, self._updated(request, key))
            return {"Attributes": dict(self.items[key])}

    def delete_item(self, **request: Any) -> None:
        self.calls.append("DeleteItem")
        with self._lock:
            self._check(request, _key(request["Key"]))
            self._set(_key(request["Key"]), None)

    def batch_write_item(self, **request: Any) -> Wire:
        self.calls.append("BatchWriteItem")
        ((_, wanted),) = request["RequestItems"].items()
        with self._lock:
            for entry in wanted:
                if "PutRequest" in entry:
                    item = entry["PutRequest"]["Item"]
                    self._set(_key(item), dict(item))
                else:
                    self._set(_key(entry["DeleteRequest"]["Key"]), None)
        return {}

    def transact_write_items(self, **request: Any) -> None:
        self.calls.append("TransactWriteItems")
        members = [next(iter(member.items())) for member in request["TransactItems"]]
        with self._lock:
            reasons = [
                {"Code": "None" if self._allows(asked) else "ConditionalCheckFailed"} for _, asked in members
            ]
            if any(reason["Code"] != "None" for reason in reasons):
                raise _error("TransactionCanceledException", CancellationReasons=reasons)
            for kind, asked in members:
                key = _key(asked.get("Item") or asked["Key"])
                if kind == "Put":
                    self._set(key, dict(asked["Item"]))
                elif kind == "Update":
                    self._set(key, self._updated(asked, key))
                elif kind == "Delete":
                    self._set(key, None)

    def _allows(self, request: Mapping[str, Any]) -> bool:
        item = self.items.get(_key(request.get("Item") or request["Key"]), {})
        condition = request.get("ConditionExpression")
        names, values = _names(request), request.get("ExpressionAttributeValues", {})
        return condition is None or _holds(condition, item, names, values)

    def _check(self, request: Mapping[str, Any], key: tuple[str, str]) -> None:
        if not self._allows(request):
            raise _error("ConditionalCheckFailedException")

    def _updated(self, request: Mapping[str, Any], key: tuple[str, str]) -> Wire:
        before = self.items.get(key, {"pk": {"S": key[0]}, "sk": {"S": key[1]}})
        item = dict(before)
        names, values = _names(request), request.get("ExpressionAttributeValues", {})
        for verb, written, source, value in _parse_update(request["UpdateExpression"]):
            name = names[written]
            if verb == "REMOVE":
                item.pop(name, None)
            elif verb == "ADD":
                total = _plain(item.get(name, {"N": "0"})) + _plain(values[value])
                item[name] = {"N": str(total)}
            elif verb == "SET":
                item[name] = before.get(names.get(source, ""), values[value])
        return item

    def _set(self, key: tuple[str, str], item: Wire | None) -> None:
        before = self.items.get(key)
        if before == item:
            return
        for index, name in ((self._by_list, "lp"), (self._by_pk, "pk")):
            if before and name in before:
                index[before[name]["S"]].discard(key)
            if item and name in item:
                index.setdefault(item[name]["S"], set()).add(key)
        if item is None:
            del self.items[key]
        else:
            self.items[key] = item
        self._sequence += 1
        data: dict[str, Any] = {
            "Keys": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            "SequenceNumber": f"{self._sequence:021}",
        }
        if before is not None:
            data["OldImage"] = dict(before)
        if item is not None:
            data["NewImage"] = dict(item)
        kind = "INSERT" if before is None else "REMOVE" if item is None else "MODIFY"
        self.stream.append({"eventID": f"event-{self._sequence}", "eventName": kind, "dynamodb": data})


def _key(wire: Mapping[str, Any]) -> tuple[str, str]:
    return wire["pk"]["S"], wire["sk"]["S"]


def _place(item: Mapping[str, Any], range_name: str) -> tuple[Any, str]:
    return _plain(item[range_name]), item["pk"]["S"]


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    return Decimal(plain) if kind == "N" else plain


def _names(request: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = request.get("ExpressionAttributeNames", {})
    return found


def _holds(condition: str, item: Wire, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Judge the few forms of conditions that the node writes."""
    return any(
        all(_holds_one(part, item, names, values) for part in parts) for parts in _parse_condition(condition)
    )


def _holds_one(part: _Part, item: Wire, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    stored = item.get(names[part.name])
    if part.operator in ("attribute_exists", "attribute_not_exists"):
        return (stored is None) == (part.operator == "attribute_not_exists")
    if stored is None:
        return part.operator == "<>"
    have, bounds = _plain(stored), [_plain(values[each]) for each in part.values]
    return bool(_OPERATORS[part.operator](have, *bounds))


_OPERATORS: Mapping[str, Callable[..., bool]] = {
    "begins_with": str.startswith,
    "BETWEEN": lambda have, first, last: first <= have <= last,
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


class _Part(NamedTuple):
    """One comparison of a condition: `#v = :v` is ("=", "#v", [":v"])."""

    operator: str
    name: str
    values: Sequence[str]


_PART = re.compile(
    r"(?P<function>attribute_exists|attribute_not_exists|begins_with)\((?P<of>#\w+)(?:, (?P<prefix>:\w+))?\)"
    r"|(?P<name>#\w+) (?P<operator>=|<>|<|>|BETWEEN) (?P<value>:\w+)(?: AND (?P<last>:\w+))?"
)


@cache
def _parse_condition(condition: str) -> Sequence[Sequence[_Part]]:
    """Parse a condition into alternatives, each with the parts that must all hold."""
    return [_parse_parts(alternative) for alternative in condition.split(" OR ")]


def _parse_parts(text: str) -> Sequence[_Part]:
    parts, rest = [], text
    while rest:
        found = _PART.match(rest)
        assert found, f"not a condition of the node: {text}"
        values = [each for each in found.group("prefix", "value", "last") if each]
        parts.append(_Part(found["function"] or found["operator"], found["of"] or found["name"], values))
        rest = rest[found.end() :].removeprefix(" AND ")
    return parts


_SET = re.compile(r"(#\w+) = (?:if_not_exists\((#\w+), )?(:\w+)\)?")


@cache
def _parse_update(expression: str) -> Sequence[tuple[str, str, str, str]]:
    """Parse an update into actions: ("SET", "#name", "#source" of if_not_exists or "", ":value")."""
    actions: list[tuple[str, str, str, str]] = []
    parts = re.split(r"\b(SET|ADD|REMOVE)\b", expression)[1:]
    for verb, text in zip(parts[::2], parts[1::2], strict=True):
        if verb == "SET":
            actions += [(verb, name, source, value) for name, source, value in _SET.findall(text)]
        else:
            found = [[*action.split(), ""] for action in text.split(",")]
            actions += [(verb, name, "", value) for name, value, *_ in found]
    return actions


def _error(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, "Operation")  # type: ignore[typeddict-item]


class MemoryKms:
    """The part of botocore's KMS client that `Vault` uses."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def encrypt(self, KeyId: str, Plaintext: bytes) -> Wire:
        return {"CiphertextBlob": b"%d:" % next(self._numbers) + Plaintext[::-1]}

    def decrypt(self, KeyId: str, CiphertextBlob: bytes) -> Wire:
        return {"Plaintext": CiphertextBlob.partition(b":")[2][::-1]}


# -- the queue ---------------------------------------------------------------------------------------


@dataclass
class _Queued:
    id: str
    group: str
    body: str
    visible_at: float = 0.0
    receive_count: int = 0
    receipt: str = ""


@dataclass
class MemoryQueue:
    """The part of botocore's SQS client that `Queues` uses, for one FIFO queue with a dead-letter queue.

    The messages of a group are delivered in order, and none of them while one is invisible.
    """

    clock: Callable[[], datetime]
    random: random.Random = field(default_factory=lambda: random.Random(0))
    visibility_s: float = 45.0
    max_receive_count: int = 1000
    dead: list[_Queued] = field(default_factory=list)
    broken: int = 0
    _groups: dict[str, deque[_Queued]] = field(default_factory=dict)
    _sent_ids: dict[str, float] = field(default_factory=dict)
    _number: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for group in self._groups.values() for message in group]

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> Wire:
        if self.broken:
            self.broken -= 1
            return {"Failed": [{"Id": Entries[0]["Id"]}]}
        now = self._now()
        with self._lock:
            for entry in Entries:
                sent_at = self._sent_ids.get(entry["MessageDeduplicationId"])
                if sent_at is not None and now - sent_at < 300:
                    continue
                self._sent_ids[entry["MessageDeduplicationId"]] = now
                self._number += 1
                message = _Queued(f"m{self._number}", entry["MessageGroupId"], entry["MessageBody"])
                self._groups.setdefault(message.group, deque()).append(message)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Wire:
        by_receipt = {message.receipt: message for group in self._groups.values() for message in group}
        for entry in Entries:
            if message := by_receipt.get(entry["ReceiptHandle"]):
                message.visible_at = self._now() + entry["VisibilityTimeout"]
        return {}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: Sequence[str]) -> Wire:
        policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:dead"})
        return {"Attributes": {"RedrivePolicy": policy}}

    def send_message(
        self, QueueUrl: str, MessageBody: str, MessageGroupId: str, MessageDeduplicationId: str
    ) -> None:
        assert QueueUrl == "https://queue/dead"
        self.dead.append(_Queued(MessageDeduplicationId, MessageGroupId, MessageBody))

    def take(self, is_wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Take the wanted messages out of the queue. Returns their bodies."""
        taken = []
        for group in self._groups.values():
            for message in [m for m in group if is_wanted(json.loads(m.body))]:
                group.remove(message)
                taken.append(json.loads(message.body))
        return taken

    def receive(self, number: int = 10) -> list[Record]:
        """Receive a batch as Lambda's event: from random groups, in order within each."""
        now = self._now()
        free = [group for group in self._groups.values() if group and all(m.visible_at <= now for m in group)]
        self.random.shuffle(free)
        records: list[Record] = []
        for group in free:
            while group and len(records) < number:
                message = next((m for m in group if m.visible_at <= now), None)
                if message is None:
                    break
                message.receive_count += 1
                if message.receive_count > self.max_receive_count:
                    group.remove(message)
                    self.dead.append(message)
                    continue
                message.visible_at = now + self.visibility_s
                message.receipt = f"{message.id}/{message.receive_count}"
                records.append(_event_record(message))
        return records

    def finish(self, records: Sequence[Record], answer: Mapping[str, Any]) -> None:
        """Delete the messages that did not fail, as Lambda does."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = {record["messageId"] for record in records} - failed
        for group in self._groups.values():
            for message in [m for m in group if m.id in done]:
                group.remove(message)

    def deliver_again(self, records: Sequence[Record]) -> None:
        """Make messages visible again, as when their visibility timeout ends."""
        ids = {record["messageId"] for record in records}
        for group in self._groups.values():
            for message in group:
                if message.id in ids:
                    message.visible_at = 0.0

    def _now(self) -> float:
        return self.clock().timestamp()


class MemorySqs:
    """Several queues behind one client, by their URLs; the first one keeps the dead letters."""

    def __init__(self, queues: Mapping[str, MemoryQueue]) -> None:
        self._queues = queues

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> Wire:
        return self._queues[QueueUrl].send_message_batch(QueueUrl, Entries)

    def change_message_visibility_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Wire:
        return self._queues[QueueUrl].change_message_visibility_batch(QueueUrl, Entries)

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: Sequence[str]) -> Wire:
        return self._queues[QueueUrl].get_queue_attributes(QueueUrl, AttributeNames)

    def send_message(self, **message: str) -> None:
        next(iter(self._queues.values())).send_message(**message)


def _event_record(message: _Queued) -> Record:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receive_count),
            "MessageGroupId": message.group,
        },
    }
