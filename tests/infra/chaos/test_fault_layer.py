"""The fault layer between a client and an AWS that records the calls that reach it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

import pytest

from chalicelib.protocol.json_text import Document
from infra.chaos import fault_layer
from infra.chaos.aws_messages import Message, answer
from infra.chaos.fault_layer import CONTROL, FaultLayer, read_message
from infra.chaos.weather import Fault, Weather

KEYS = [{"pk": {"S": str(number)}} for number in range(3)]
MESSAGES = [
    {"Id": str(number), "MessageBody": "x", "MessageDeduplicationId": f"d{number}"} for number in (0, 1)
]


@dataclass
class Aws:
    """An AWS that answers every call with the same document."""

    reply: Document = field(default_factory=lambda: {"fine": True})
    is_chunked: bool = False
    calls: list[Document] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_message(reader)) is not None:
            self.calls.append(request.document())
            reply = answer(200, self.reply)
            if self.is_chunked:
                size = f"{len(reply.body):x}".encode()
                head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                reply = Message(head, size + b"\r\n" + reply.body + b"\r\n0\r\n\r\n")
            writer.write(reply.head + reply.body)
            await writer.drain()
        writer.close()


class Client:
    """A node's connection to the layer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def call(
        self, target: str, document: Document, method: str = "POST", path: str = "/"
    ) -> Message | None:
        body = json.dumps(document).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"X-Amz-Target: {target}",
            f"Content-Length: {len(body)}",
            "",
            "",
        ]
        self._writer.write("\r\n".join(lines).encode() + body)
        await self._writer.drain()
        return await read_message(self._reader)

    async def set(self, weather: Weather) -> None:
        assert await self.call("", asdict(weather), "PUT", CONTROL)

    async def counts(self) -> Document:
        reply = await self.call("", {}, "GET", CONTROL)
        assert reply is not None
        return reply.document()


def with_layer(aws: Aws, use: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        behind = await asyncio.start_server(aws.serve, "127.0.0.1", 0)
        layer = FaultLayer(behind.sockets[0].getsockname())
        before = await asyncio.start_server(layer.serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*before.sockets[0].getsockname())
        await use(Client(reader, writer))
        writer.close()
        before.close()
        behind.close()

    asyncio.run(asyncio.wait_for(run(), 10))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    """Make every call fail in one way."""
    return lambda fault: monkeypatch.setattr(fault_layer, "fault_for", lambda *_: fault)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_call_is_passed_on_and_answered_as_aws_does(is_chunked: bool) -> None:
    aws = Aws(is_chunked=is_chunked)

    async def use(client: Client) -> None:
        for _ in range(2):
            reply = await client.call("DynamoDB_20120810.PutItem", {"Item": {}})
            assert reply is not None and reply.document() == {"fine": True}
        assert (await client.counts())["calls"] == 2

    with_layer(aws, use)
    assert aws.calls == [{"Item": {}}] * 2


@pytest.mark.parametrize(
    ("fault", "target", "status", "code"),
    [
        (Fault.THROTTLED, "DynamoDB_20120810.PutItem", 400, "ProvisionedThroughputExceededException"),
        (Fault.THROTTLED, "AmazonSQS.SendMessage", 403, "RequestThrottled"),
        (Fault.INTERNAL_ERROR, "DynamoDB_20120810.PutItem", 500, "InternalServerError"),
        (Fault.UNAVAILABLE, "AmazonSQS.SendMessage", 503, "ServiceUnavailable"),
    ],
)
def test_a_refused_call_never_reaches_aws(
    always: Callable[[Fault], None], fault: Fault, target: str, status: int, code: str
) -> None:
    aws = Aws()
    always(fault)

    async def use(client: Client) -> None:
        reply = await client.call(target, {})
        assert reply is not None
        assert f" {status} " in reply.start_line
        assert reply.document()["__type"] == code
        service = "SQS" if "SQS" in target else "DynamoDB"
        assert (await client.counts())["injected"] == {f"{service} {fault}": 1}

    with_layer(aws, use)
    assert aws.calls == []


@pytest.mark.parametrize(("fault", "reached"), [(Fault.DROPPED, 0), (Fault.ANSWER_LOST, 1)])
def test_a_connection_ends_before_or_after_the_call_took_effect(
    always: Callable[[Fault], None], fault: Fault, reached: int
) -> None:
    aws = Aws()
    always(fault)

    async def use(client: Client) -> None:
        assert await client.call("DynamoDB_20120810.PutItem", {}) is None

    with_layer(aws, use)
    assert len(aws.calls) == reached


def test_a_late_answer_comes(always: Callable[[Fault], None], monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws()
    always(Fault.LATE)
    monkeypatch.setattr(fault_layer, "LATE_S", (0.0, 0.01))

    async def use(client: Client) -> None:
        reply = await client.call("DynamoDB_20120810.PutItem", {})
        assert reply is not None and reply.document() == {"fine": True}

    with_layer(aws, use)
    assert len(aws.calls) == 1


def test_a_partial_batch_names_the_entries_that_were_left_out(always: Callable[[Fault], None]) -> None:
    aws = Aws(reply={"Responses": {"t": []}, "UnprocessedKeys": {}})
    always(Fault.PARTIAL)

    async def use(client: Client) -> None:
        request = {"RequestItems": {"t": {"Keys": KEYS, "ConsistentRead": True}}}
        reply = await client.call("DynamoDB_20120810.BatchGetItem", request)
        assert reply is not None
        assert reply.document()["UnprocessedKeys"] == {"t": {"Keys": KEYS[2:], "ConsistentRead": True}}

    with_layer(aws, use)
    assert aws.calls == [{"RequestItems": {"t": {"Keys": KEYS[:2], "ConsistentRead": True}}}]


def test_a_partial_batch_of_messages_reports_the_failed_ones(always: Callable[[Fault], None]) -> None:
    aws = Aws(reply={"Successful": [{"Id": "0"}]})
    always(Fault.PARTIAL)

    async def use(client: Client) -> None:
        reply = await client.call("AmazonSQS.SendMessageBatch", {"QueueUrl": "q", "Entries": MESSAGES})
        assert reply is not None
        assert [failed["Id"] for failed in reply.document()["Failed"]] == ["1"]

    with_layer(aws, use)
    assert aws.calls == [{"QueueUrl": "q", "Entries": MESSAGES[:1]}]


def test_sabotage_reports_a_message_as_sent_and_sends_none() -> None:
    aws = Aws()

    async def use(client: Client) -> None:
        await client.set(Weather(swallowed=1.0))
        reply = await client.call("AmazonSQS.SendMessageBatch", {"QueueUrl": "q", "Entries": MESSAGES})
        assert reply is not None
        assert [sent["Id"] for sent in reply.document()["Successful"]] == ["0", "1"]
        assert (await client.counts())["injected"]["SQS swallowed"] == 2

    with_layer(aws, use)
    assert aws.calls == []


def test_a_duplicate_is_another_message_to_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws()
    monkeypatch.setattr(fault_layer, "DUPLICATE_AFTER_S", (0.0, 0.0))

    async def use(client: Client) -> None:
        await client.set(Weather(duplicates=1.0))
        await client.call("AmazonSQS.SendMessageBatch", {"QueueUrl": "q", "Entries": MESSAGES})
        while len(aws.calls) < 2:
            await asyncio.sleep(0)

    with_layer(aws, use)
    marks = [[entry["MessageDeduplicationId"] for entry in call["Entries"]] for call in aws.calls]
    assert sorted(marks)[0] == ["d0", "d1"]
    assert not set(marks[0]) & set(marks[1])
    assert [entry["MessageBody"] for call in aws.calls for entry in call["Entries"]] == ["x"] * 4
