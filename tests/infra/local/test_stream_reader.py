"""A table's stream is delivered in order, at least once, and from the last position."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra import resources
from infra.local import checkpoints
from infra.local.emulator import Emulator
from infra.local.stream_reader import StreamReader
from tests.infra.polling import eventually

Handler = Callable[[dict[str, Any]], Any]


class Stream:
    """A fresh table, whose stream is read."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._client = emulator.client
        self._folder = folder
        self.table = resources.create_table(emulator.client("dynamodb"), f"table-{uuid.uuid4()}")

    def put(self, *names: str) -> None:
        for name in names:
            item = {"pk": {"S": "p"}, "sk": {"S": name}, "raw": {"B": b"\x00\x01"}}
            self._client("dynamodb").put_item(TableName=self.table, Item=item)

    @contextmanager
    def delivered_to(self, handler: Handler, batch_size: int = 3) -> Iterator[None]:
        stopping = threading.Event()
        reader = StreamReader(self._client, self.table, handler, batch_size, self._folder)
        thread = threading.Thread(target=reader.run, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def stream(emulator: Emulator, tmp_path: Path) -> Stream:
    return Stream(emulator, tmp_path)


def names(event: dict[str, Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["sk"]["S"] for record in event["Records"]]


def test_a_record_has_the_fields_of_lambdas_event(stream: Stream) -> None:
    events: list[dict[str, Any]] = []
    stream.put("one")

    with stream.delivered_to(events.append):
        eventually(lambda: events)

    record = json.loads(json.dumps(events[0]))["Records"][0]
    assert record["eventName"] == "INSERT"
    assert record["eventSource"] == "aws:dynamodb"
    assert f":table/{stream.table}/stream/" in record["eventSourceARN"]
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "p"}, "sk": {"S": "one"}, "raw": {"B": "AAE="}}
    assert record["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], int | float)


def test_changes_from_before_the_first_reader_are_delivered_in_order(stream: Stream) -> None:
    seen: list[str] = []
    stream.put(*map(str, range(10)))

    with stream.delivered_to(lambda event: seen.extend(names(event))):
        eventually(lambda: len(seen) >= 10)

    assert seen == [str(number) for number in range(10)]


def test_a_failed_batch_comes_again_and_nothing_overtakes_it(stream: Stream) -> None:
    seen: list[list[str]] = []

    def handler(event: dict[str, Any]) -> None:
        seen.append(names(event))
        if len(seen) == 1:
            raise RuntimeError("the handler's own trouble")

    stream.put("1", "2", "3", "4")
    with stream.delivered_to(handler):
        eventually(lambda: len(seen) >= 3)

    assert seen == [["1", "2", "3"], ["1", "2", "3"], ["4"]]


def test_a_batch_comes_again_from_the_record_that_failed(stream: Stream) -> None:
    seen: list[list[str]] = []

    def handler(event: dict[str, Any]) -> Any:
        seen.append(names(event))
        failed = event["Records"][1]["dynamodb"]["SequenceNumber"] if len(seen) == 1 else None
        return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}

    stream.put("1", "2", "3")
    with stream.delivered_to(handler):
        eventually(lambda: len(seen) >= 2)

    assert seen == [["1", "2", "3"], ["2", "3"]]


def test_a_later_reader_continues_where_the_earlier_stopped(stream: Stream) -> None:
    first: list[str] = []
    second: list[str] = []
    stream.put("1", "2")
    with stream.delivered_to(lambda event: first.extend(names(event))):
        eventually(lambda: len(first) >= 2)
    stream.put("3")

    with stream.delivered_to(lambda event: second.extend(names(event))):
        eventually(lambda: second)

    assert (first, second) == (["1", "2"], ["3"])


def test_all_records_are_new_when_the_one_at_the_checkpoint_is_gone(stream: Stream, tmp_path: Path) -> None:
    seen: list[str] = []
    shard = "shardId-00000000000000000000-00000000"
    checkpoints.write(tmp_path, stream.table, {shard: "000000000000000000010000000001"})
    stream.put("1")

    with stream.delivered_to(lambda event: seen.extend(names(event))):
        eventually(lambda: seen)

    assert seen == ["1"]


def test_a_reader_of_an_idle_stream_gets_a_change_without_asking_again(
    emulator: Emulator, stream: Stream
) -> None:
    streams = emulator.client("dynamodbstreams")
    arn = emulator.client("dynamodb").describe_table(TableName=stream.table)["Table"]["LatestStreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    opened = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(streams.get_records, ShardIterator=opened["ShardIterator"])
        stream.put("1")

    assert [record["dynamodb"]["Keys"]["sk"]["S"] for record in asked.result()["Records"]] == ["1"]


class Shards:
    """A stream of three shards, as DynamoDB splits one: a parent and its two children."""

    RECORDS = {"parent": ["p1", "p2"], "left": ["l1"], "right": ["r1"]}
    PARENTS = {"left": "parent", "right": "parent", "parent": "long gone"}

    def describe_table(self, TableName: str) -> Any:
        return {"Table": {"LatestStreamArn": "arn:aws:dynamodb:eu-west-1:0:table/t/stream/s"}}

    def describe_stream(self, StreamArn: str, ExclusiveStartShardId: str = "") -> Any:
        # In pages of one, children first.
        order = ["", "left", "right", "parent"]
        shard = order[order.index(ExclusiveStartShardId) + 1]
        page = {"Shards": [{"ShardId": shard, "ParentShardId": self.PARENTS[shard]}]}
        return {"StreamDescription": page if shard == "parent" else {**page, "LastEvaluatedShardId": shard}}

    def get_shard_iterator(self, StreamArn: str, ShardId: str, ShardIteratorType: str) -> Any:
        return {"ShardIterator": f"{ShardId}/0"}

    def get_records(self, ShardIterator: str, Limit: int) -> Any:
        shard, _, position = ShardIterator.partition("/")
        records = self.RECORDS[shard][int(position) :][:1]
        described = [{"dynamodb": {"SequenceNumber": name, "Keys": {"sk": {"S": name}}}} for name in records]
        following = f"{shard}/{int(position) + 1}" if int(position) + 1 < len(self.RECORDS[shard]) else None
        return {"Records": described, "NextShardIterator": following}


def test_a_shard_is_read_after_its_parent(tmp_path: Path) -> None:
    seen: list[str] = []
    stopping = threading.Event()

    def handler(event: dict[str, Any]) -> None:
        seen.extend(names(event))
        if len(seen) == 4:
            stopping.set()

    StreamReader(lambda service: Shards(), "t", handler, 10, tmp_path).run(stopping)

    assert seen[:2] == ["p1", "p2"]
    assert sorted(seen[2:]) == ["l1", "r1"]
