"""Feeds the records of a table's stream to a handler, by the rules of Lambda's DynamoDB event source.

Records arrive in order, shard by shard, a shard's children after it. A batch whose handler fails is delivered
again until it succeeds, and no later record is delivered before: the stream is the outbox, and needs the
order of each item's changes. A handler may answer `batchItemFailures` with a sequence number, and then gets
the batch again from there.

After each batch the position is written to a checkpoint, so that a restart continues from there. A new stream
is read from its beginning, whatever position the app declares for AWS.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local import checkpoints
from infra.local.queue_poller import failed_items

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
SHARDS_SECONDS = 10.0
"""Seconds for which a list of shards is valid. When a shard ends, it is read again at once."""

# The record at the checkpoint is gone, or the iterator is older than 15 minutes.
_LOST_POSITION = {"TrimmedDataAccessException", "ExpiredIteratorException"}

log = logging.getLogger(__name__)

Record = dict[str, Any]


class StreamReader:
    """Delivers one table's stream. `run` returns soon after its event is set."""

    def __init__(
        self,
        client: Callable[[str], Any],
        table: str,
        handler: Callable[[dict[str, Any]], Any],
        batch_size: int,
        checkpoint_dir: Path,
    ) -> None:
        self._streams = client("dynamodbstreams")
        self._table = table
        self._arn: str = client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
        self._region = self._arn.split(":")[3]
        self._handler = handler
        self._batch_size = min(batch_size, 1000)
        self._checkpoint_dir = checkpoint_dir
        self._positions = checkpoints.read(checkpoint_dir, table)
        self._iterators: dict[str, str] = {}
        self._ended: set[str] = set()
        self._parents: dict[str, str | None] = {}
        self._list_again_at = 0.0

    def run(self, stopping: threading.Event) -> None:
        """Deliver until `stopping` is set, then end after the present batch."""
        while not stopping.is_set():
            try:
                delivered = [self._read(shard) for shard in self._readable_shards() if not stopping.is_set()]
            except (BotoCoreError, ClientError) as error:
                log.warning("cannot read the stream of %s: %s", self._table, error)
                stopping.wait(RETRY_SECONDS)
                continue
            except Exception:
                log.exception("the handler of the stream of %s failed, it gets the batch again", self._table)
                stopping.wait(RETRY_SECONDS)
                continue
            if not any(delivered):
                stopping.wait(POLL_SECONDS)

    def _readable_shards(self) -> Iterator[str]:
        """Return the shards to read now: not at their end, while their parent is."""
        if time.monotonic() >= self._list_again_at:
            self._parents = {shard["ShardId"]: shard.get("ParentShardId") for shard in self._list_shards()}
            self._list_again_at = time.monotonic() + SHARDS_SECONDS
        for shard, parent in self._parents.items():
            if shard not in self._ended and (parent not in self._parents or parent in self._ended):
                yield shard

    def _list_shards(self) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            described = self._streams.describe_stream(StreamArn=self._arn, **more)["StreamDescription"]
            yield from described["Shards"]
            if "LastEvaluatedShardId" not in described:
                return
            more = {"ExclusiveStartShardId": described["LastEvaluatedShardId"]}

    def _read(self, shard: str) -> bool:
        """Deliver a shard's next batch. Returns whether there was one."""
        iterator = self._iterators.pop(shard, None) or self._open(shard)
        answer = self._get_records(shard, iterator)
        if answer is None:
            return True
        records = answer["Records"]
        if records:
            # If this raises, the iterator is dropped, and the shard is opened at its checkpoint again.
            self._deliver(shard, records)
        if answer.get("NextShardIterator"):
            self._iterators[shard] = answer["NextShardIterator"]
        else:
            self._ended.add(shard)
            self._list_again_at = 0.0
        return bool(records)

    def _get_records(self, shard: str, iterator: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self._streams.get_records(ShardIterator=iterator, Limit=self._batch_size)
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_POSITION:
                return None
            raise
        return answer

    def _open(self, shard: str) -> str:
        after = self._positions.get(shard)
        where = {"ShardIteratorType": "TRIM_HORIZON"}
        if after is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        try:
            return self._iterator(shard, where)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _LOST_POSITION:
                raise
            # The handled records have left the stream: all that are in it are new.
            return self._iterator(shard, {"ShardIteratorType": "TRIM_HORIZON"})

    def _iterator(self, shard: str, where: dict[str, str]) -> str:
        answer = self._streams.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **where)
        iterator: str = answer["ShardIterator"]
        return iterator

    def _deliver(self, shard: str, records: Sequence[Record]) -> None:
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        answer = self._handler({"Records": [self._event_record(record) for record in records]})
        failed = failed_items(answer, set(numbers))
        done = next((index for index, number in enumerate(numbers) if number in failed), len(numbers))
        if done:
            self._positions[shard] = numbers[done - 1]
            checkpoints.write(self._checkpoint_dir, self._table, self._positions)
        if failed:
            raise RuntimeError(f"{len(failed)} records failed, from {numbers[done]}")

    def _event_record(self, record: Record) -> dict[str, Any]:
        # Lambda's events are JSON: bytes as Base64, instants as seconds.
        plain: dict[str, Any] = _as_json(record)
        return {**plain, "eventSourceARN": self._arn, "awsRegion": self._region}


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value
