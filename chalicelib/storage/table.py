"""The one DynamoDB table: reads, conditional writes and transactions on plain Python values.

This module makes all calls to DynamoDB. Expressions write attributes as `#name` and values as `:name`
(`operations.py`).

Reads of the table are strongly consistent by default; reads of an index cannot be.
DynamoDB's errors become ours here: a condition that does not hold, or a conflict of two writes, is a
`Conflict`; an item that is too large is an `InvalidParameters`; the rest is a `ServerError`. The client
repeats throttled and broken calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.storage.aws_clients import make_client
from chalicelib.storage.fast_client import DYNAMODB, FastClient
from chalicelib.storage.operations import Check as Check
from chalicelib.storage.operations import Delete as Delete
from chalicelib.storage.operations import Key as Key
from chalicelib.storage.operations import Operation as Operation
from chalicelib.storage.operations import Put as Put
from chalicelib.storage.operations import Update as Update
from chalicelib.storage.operations import arguments_of, key_of, names_and_values, wire_key
from chalicelib.storage.values import Item as Item
from chalicelib.storage.values import Value as Value
from chalicelib.storage.values import decode_item, encode_item

KEYS_PER_READ = 100
WRITES_PER_BATCH = 25
OPERATIONS_PER_TRANSACTION = 100

_CONFLICTS = frozenset(
    (
        "ConditionalCheckFailed",
        "ConditionalCheckFailedException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    )
)


class Conflict(Exception):
    """The stored item does not fulfil the write's condition; nothing was written."""


class Senseless(ServerError):
    """DynamoDB refused a malformed call: a bug of ours, so a retry cannot help."""


def is_temporary(error: Exception) -> bool:
    """Return whether a retry may succeed: AWS failed or another write interfered, and the call was valid."""
    return isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless)


class Snapshot(dict[Key, Item]):
    """Items that were read together; those that do not exist are absent.

    asked: the keys that were read, so that "does not exist" and "was not read" differ.
    """

    def __init__(self, items: Mapping[Key, Item] | None = None, asked: Iterable[Key] = ()) -> None:
        super().__init__(items or {})
        self.asked = frozenset(asked)


class Rows(NamedTuple):
    """One answer to a query.

    last: the key after which the next call continues, None at the end.
    """

    items: list[Item]
    last: Item | None


def dynamodb_client(read_timeout_s: float = 10, *, fast: bool = True, **options: Any) -> Any:
    """Make the client, once per process; region, endpoint and credentials come from the environment.

    fast: the usual calls do not go through botocore (`fast_client.py`). Its client, for all others, is used
    without boto3, does not validate the parameters that are built here, and has a fixed user agent.
    """
    config = Config(
        user_agent="ocpi-node",
        connect_timeout=2,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": 4},
        parameter_validation=False,
        tcp_keepalive=True,
        max_pool_connections=32,
    )
    client = make_client("dynamodb", config=config, **options)
    return FastClient(client, DYNAMODB) if fast else client


class Table:
    """The table, over a DynamoDB client that the caller made once."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, key: Key, consistent: bool = True) -> Item | None:
        """Read one item; None when there is none."""
        answer = self._call("get_item", TableName=self.name, Key=wire_key(key), ConsistentRead=consistent)
        return decode_item(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Iterable[Key], consistent: bool = True) -> Snapshot:
        """Read items by key, a hundred in a call; those that do not exist are absent from the result."""
        asked = list(dict.fromkeys(keys))
        items: dict[Key, Item] = {}
        waiting = [wire_key(key) for key in asked]
        while waiting:
            request = {self.name: {"Keys": waiting[:KEYS_PER_READ], "ConsistentRead": consistent}}
            answer = self._call("batch_get_item", RequestItems=request)
            for wire in answer["Responses"].get(self.name, ()):
                item = decode_item(wire)
                items[key_of(item)] = item
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            waiting = [*left, *waiting[KEYS_PER_READ:]]
        return Snapshot(items, asked)

    def read(self, keys: Iterable[Key], known: Mapping[Key, Item] | None = None) -> Snapshot:
        """Read items like `get_many`, but only those that are not known yet.

        known: result of an earlier read, such as the snapshot that was read with the caller's token.
        """
        asked = list(keys)
        have = Snapshot() if known is None else known
        seen = have.asked if isinstance(have, Snapshot) else have.keys()
        missing = [key for key in asked if key not in seen]
        fresh = self.get_many(missing) if missing else {}
        return Snapshot({**have, **fresh}, [*seen, *asked])

    def put(
        self, item: Item, condition: str | None = None, values: Mapping[str, Value] | None = None
    ) -> None:
        """Write the whole item.

        Raises: Conflict when the condition does not hold.
        """
        self.write(Put(item, condition, values or {}))

    def update(
        self,
        key: Key,
        expression: str,
        values: Mapping[str, Value] | None = None,
        condition: str | None = None,
    ) -> Item:
        """Change some attributes and return the new item; creates it if there is none.

        Raises: Conflict when the condition does not hold.
        """
        arguments = self._arguments(Update(key, expression, values or {}, condition))
        answer = self._call("update_item", **arguments, ReturnValues="ALL_NEW")
        return decode_item(answer["Attributes"])

    def delete(
        self, key: Key, condition: str | None = None, values: Mapping[str, Value] | None = None
    ) -> None:
        """Delete the item, or do nothing if there is none.

        Raises: Conflict when the condition does not hold.
        """
        self.write(Delete(key, condition, values or {}))

    def write(self, operation: Put | Update | Delete) -> None:
        """Do one conditional write.

        Raises: Conflict when the condition does not hold.
        """
        self._call(_CALLS[type(operation)], **self._arguments(operation))

    def transact(self, operations: Sequence[Operation]) -> None:
        """Do all operations or none, at most a hundred; a single one is a plain write at half the price.

        Raises: Conflict when a condition does not hold or another write conflicts.
        """
        if len(operations) == 1 and not isinstance(operations[0], Check):
            self.write(operations[0])
            return
        members = [{_MEMBERS[type(operation)]: self._arguments(operation)} for operation in operations]
        self._call("transact_write_items", TransactItems=members)

    def write_many(self, items: Iterable[Item] = (), delete: Iterable[Key] = ()) -> None:
        """Write and delete without conditions, 25 in a call, in no order and without a transaction."""
        waiting: list[dict[str, Any]] = [{"PutRequest": {"Item": encode_item(item)}} for item in items]
        waiting += [{"DeleteRequest": {"Key": wire_key(key)}} for key in delete]
        while waiting:
            request = {self.name: waiting[:WRITES_PER_BATCH]}
            answer = self._call("batch_write_item", RequestItems=request)
            left = answer.get("UnprocessedItems", {}).get(self.name, [])
            waiting = [*left, *waiting[WRITES_PER_BATCH:]]

    def query(
        self,
        condition: str,
        values: Mapping[str, Value],
        *,
        index: str | None = None,
        limit: int | None = None,
        after: Item | None = None,
        forward: bool = True,
        consistent: bool | None = None,
    ) -> Rows:
        """Read items in the order of their sort key, in one call: at most `limit`, at most 1 MB.

        condition: such as `#pk = :pk AND begins_with(#sk, :prefix)`. after: `Rows.last` of the previous call.
        """
        answer = self._query(condition, values, index, limit, after, forward, consistent)
        last = answer.get("LastEvaluatedKey")
        return Rows([decode_item(wire) for wire in answer["Items"]], decode_item(last) if last else None)

    def query_all(
        self, condition: str, values: Mapping[str, Value], *, index: str | None = None, forward: bool = True
    ) -> Iterator[Item]:
        """Yield every item that the condition selects, one call for each MB."""
        rows = self.query(condition, values, index=index, forward=forward)
        yield from rows.items
        while rows.last:
            rows = self.query(condition, values, index=index, after=rows.last, forward=forward)
            yield from rows.items

    def count(self, condition: str, values: Mapping[str, Value], *, index: str | None = None) -> int:
        """Count the items that the condition selects: one call for each MB of them."""
        total, after = 0, None
        while True:
            answer = self._query(condition, values, index, None, after, True, None, Select="COUNT")
            total += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return total
            after = decode_item(answer["LastEvaluatedKey"])

    def skip(
        self,
        condition: str,
        values: Mapping[str, Value],
        number: int,
        *,
        index: str,
        after: Item | None = None,
    ) -> Item | None:
        """Skip a number of entries without reading them; return the last skipped key, None past the end."""
        while True:
            answer = self._query(condition, values, index, number, after, True, None, Select="COUNT")
            number -= answer["Count"]
            after = decode_item(answer["LastEvaluatedKey"]) if "LastEvaluatedKey" in answer else None
            if number <= 0 or after is None:
                return after

    def _query(
        self,
        condition: str,
        values: Mapping[str, Value],
        index: str | None,
        limit: int | None,
        after: Item | None,
        forward: bool,
        consistent: bool | None,
        **more: Any,
    ) -> dict[str, Any]:
        request = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ConsistentRead": index is None if consistent is None else consistent,
            "ScanIndexForward": forward,
            **names_and_values([condition], values),
            **more,
        }
        if index:
            request["IndexName"] = index
        if limit:
            request["Limit"] = limit
        if after:
            request["ExclusiveStartKey"] = encode_item(after)
        return self._call("query", **request)

    def _arguments(self, operation: Operation) -> dict[str, Any]:
        return {"TableName": self.name, **arguments_of(operation)}

    def _call(self, method: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, method)(**request)
        except ClientError as error:
            raise _ours(error) from error
        except BotoCoreError as error:
            raise ServerError("the store cannot be reached") from error
        return answer


_CALLS: dict[type[Operation], str] = {Put: "put_item", Update: "update_item", Delete: "delete_item"}
_MEMBERS: dict[type[Operation], str] = {
    Put: "Put",
    Update: "Update",
    Delete: "Delete",
    Check: "ConditionCheck",
}


def _ours(error: ClientError) -> Exception:
    """Convert an error of DynamoDB to one of ours."""
    answer: Mapping[str, Any] = error.response
    code, text = answer["Error"].get("Code", ""), answer["Error"].get("Message", "")
    reasons = {reason.get("Code") for reason in answer.get("CancellationReasons", ())}
    texts = [text, *(reason.get("Message") or "" for reason in answer.get("CancellationReasons", ()))]
    if any("size has exceeded" in line or "transaction size limit" in line for line in texts):
        return InvalidParameters("the object is too large to be stored")
    if code in _CONFLICTS or reasons & _CONFLICTS:
        return Conflict(code)
    if code == "ValidationException" or "ValidationError" in reasons:
        return Senseless(f"the store refused a call: {code}")
    return ServerError(f"the store refused a call: {code}")
