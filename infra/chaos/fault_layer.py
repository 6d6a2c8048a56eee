"""The fault layer: a proxy on loopback between the nodes and the embedded AWS, a process of its own.

Run as `python -m infra.chaos.fault_layer FD TARGET`: FD is the listening socket, TARGET the URL of the
embedded AWS. Each connection of a node has one to AWS behind it. `weather.py` decides whether a call is
refused, cut off before or after it took effect, answered late, or done in part, and whether a queue message
is sent twice.

`PUT /_faults` sets the weather, `GET /_faults` answers the number of calls and of injected faults.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from random import Random
from urllib.parse import urlsplit

from certification.ocpi import Document
from infra.chaos.aws_messages import (
    Message,
    Split,
    again,
    answer,
    error_answer,
    leave_half,
    leave_messages,
)
from infra.chaos.weather import CALM, Fault, Weather, fault_for
from infra.local import children

CONTROL = "/_faults"
LATE_S = (0.3, 3.0)
"""Delay of a late answer. The node waits ten seconds for DynamoDB."""
DUPLICATE_AFTER_S = (0.0, 20.0)
LONGEST_HEAD = 256 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FaultLayer:
    """The proxy's state. target: host and port of the embedded AWS."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._weather = CALM
        self._calls = 0
        self._injected: Counter[str] = Counter()
        self._duplicates: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a node."""
        upstream: Streams | None = None
        try:
            while (request := await read_message(reader)) is not None:
                if request.start_line.split(" ")[1] == CONTROL:
                    await _write(writer, self._control(request))
                    continue
                upstream = upstream or await self._connect()
                if not await self._pass_on(request, writer, upstream):
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side is gone, for example a killed node: close the other as well
        finally:
            for each in (writer, *(upstream or ())[1:]):
                each.close()

    async def _connect(self) -> Streams:
        return await asyncio.open_connection(*self._target, limit=LONGEST_HEAD)

    def _control(self, request: Message) -> Message:
        if request.start_line.startswith("PUT "):
            self._weather = Weather(**request.document())
        return answer(
            200, {"calls": self._calls, "injected": self._injected, "weather": asdict(self._weather)}
        )

    async def _pass_on(self, request: Message, writer: asyncio.StreamWriter, upstream: Streams) -> bool:
        """Answer one call. Returns whether the connection goes on."""
        self._calls += 1
        number, weather = self._calls, self._weather
        fault = fault_for(weather, number, request.operation)
        if fault:
            self._injected[f"{request.service} {fault}"] += 1
        if fault is Fault.DROPPED:
            return False
        if fault in (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNAVAILABLE):
            await _write(writer, error_answer(fault, request.service))
            return True
        reply = await self._ask(request, number, weather, fault, upstream)
        if fault is Fault.ANSWER_LOST:
            return False
        if fault is Fault.LATE:
            await asyncio.sleep(Random(f"{weather.seed}/late/{number}").uniform(*LATE_S))
        await _write(writer, reply)
        return True

    async def _ask(
        self, request: Message, number: int, weather: Weather, fault: Fault | None, upstream: Streams
    ) -> Message:
        """Have AWS do what is asked, or the part of it that is to be done."""
        split: Split | None = None
        if fault is Fault.PARTIAL:
            split = leave_half(request.operation, request.document())
        elif request.operation == "SendMessageBatch":
            split = self._swallow(request.document(), number, weather)
            self._duplicate(request, number, weather)
        if split is None:
            return await _exchange(request, upstream)
        reply = answer(200, {})
        if split.request is not None:
            reply = await _exchange(request.with_document(split.request), upstream)
        return answer(200, split.finish(reply.document())) if " 200 " in f"{reply.start_line} " else reply

    def _swallow(self, request: Document, number: int, weather: Weather) -> Split | None:
        chance = Random(f"{weather.seed}/swallow/{number}")
        ids = [entry["Id"] for entry in request["Entries"] if chance.random() < weather.swallowed]
        self._injected["SQS swallowed"] += len(ids)
        return leave_messages(request, ids, are_reported=False) if ids else None

    def _duplicate(self, request: Message, number: int, weather: Weather) -> None:
        chance = Random(f"{weather.seed}/duplicate/{number}")
        if chance.random() >= weather.duplicates:
            return
        self._injected["SQS duplicated"] += 1
        copy = request.with_document(again(request.document(), number))
        task = asyncio.create_task(self._send_later(copy, chance.uniform(*DUPLICATE_AFTER_S)))
        self._duplicates.add(task)
        task.add_done_callback(self._duplicates.discard)

    async def _send_later(self, request: Message, seconds: float) -> None:
        await asyncio.sleep(seconds)
        upstream = await self._connect()
        await _exchange(request, upstream)
        upstream[1].close()


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """Read a request or an answer; None when the connection ended before one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    message = Message(head, b"")
    if "chunked" in message.header("Transfer-Encoding"):
        body = b"".join([chunk async for chunk in _chunks(reader)])
        return Message(_with_length(head, len(body)), body)
    return Message(head, await reader.readexactly(int(message.header("Content-Length") or 0)))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while length := int((await reader.readline()).partition(b";")[0], 16):
        yield await reader.readexactly(length)
        await reader.readline()
    await reader.readline()


def _with_length(head: bytes, length: int) -> bytes:
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"transfer-encoding:")]
    return b"\r\n".join([*kept, f"Content-Length: {length}".encode()]) + b"\r\n\r\n"


async def _exchange(request: Message, upstream: Streams) -> Message:
    reader, writer = upstream
    await _write(writer, request)
    reply = await read_message(reader)
    if reply is None:
        raise ConnectionError("the embedded AWS ended the connection")
    return reply


async def _write(writer: asyncio.StreamWriter, message: Message) -> None:
    writer.write(message.head + message.body)
    await writer.drain()


async def run(listener: socket.socket, target: str) -> None:
    """Serve until the process ends."""
    parts = urlsplit(target)
    layer = FaultLayer((parts.hostname or "", parts.port or 80))
    server = await asyncio.start_server(layer.serve, sock=listener, limit=LONGEST_HEAD)
    async with server:
        await server.serve_forever()


def main(descriptor: str, target: str) -> None:
    """Run the process."""
    children.stop_with_parent()
    asyncio.run(run(socket.socket(fileno=int(descriptor)), target))


if __name__ == "__main__":
    main(*sys.argv[1:])
