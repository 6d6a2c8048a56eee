"""HTTP messages of the AWS APIs, as the fault layer reads and writes them. Pure.

DynamoDB, its streams and SQS speak JSON over HTTP; the header `X-Amz-Target` names the operation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from certification.ocpi import Document
from infra.chaos.weather import Fault

_ERRORS = {
    Fault.THROTTLED: (400, "ProvisionedThroughputExceededException"),
    Fault.INTERNAL_ERROR: (500, "InternalServerError"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable"),
}
# The status decides whether botocore retries the call.
_THROTTLED_BY_SQS = (403, "RequestThrottled")


@dataclass(frozen=True)
class Message:
    """A request or an answer: its first line and headers, and its body."""

    head: bytes
    body: bytes

    @property
    def start_line(self) -> str:
        """The request line or the status line."""
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    def header(self, name: str) -> str:
        """Return a header's value; "" when it is missing."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode("latin-1")
        return ""

    @property
    def service(self) -> str:
        """Service of a request: `DynamoDB`, `DynamoDBStreams`, `SQS`, or another."""
        prefix = self.header("X-Amz-Target").partition(".")[0]
        return prefix.removeprefix("Amazon").partition("_")[0]

    @property
    def operation(self) -> str:
        """Operation of a request, such as `PutItem`."""
        return self.header("X-Amz-Target").rpartition(".")[2]

    def document(self) -> Document:
        """Read the body as JSON."""
        document: Document = json.loads(self.body or b"{}")
        return document

    def with_document(self, document: Document) -> Message:
        """Return the same message with another body."""
        body = json.dumps(document).encode()
        lines = self.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"content-length:", b"transfer-"))]
        return Message(b"\r\n".join([*kept, f"Content-Length: {len(body)}".encode()]) + b"\r\n\r\n", body)


def answer(status: int, document: Document) -> Message:
    """Write an answer of AWS."""
    body = json.dumps(document).encode()
    lines = [
        f"HTTP/1.1 {status} x",
        "Content-Type: application/x-amz-json-1.0",
        f"Content-Length: {len(body)}",
    ]
    return Message("\r\n".join([*lines, "", ""]).encode(), body)


def error_answer(fault: Fault, service: str) -> Message:
    """Write an error answer of AWS."""
    status, code = _ERRORS[fault]
    if fault is Fault.THROTTLED and service == "SQS":
        status, code = _THROTTLED_BY_SQS
    return answer(status, {"__type": code, "message": f"injected by the fault layer: {fault}"})


@dataclass(frozen=True)
class Split:
    """A batch that goes to AWS only in part. finish: adds the other part to the answer of AWS."""

    request: Document | None
    finish: Callable[[Document], Document]


def leave_half(operation: str, request: Document) -> Split:
    """Take the second half out of a batch, like an AWS short of capacity."""
    match operation:
        case "BatchGetItem":
            return _leave_keys(request)
        case "BatchWriteItem":
            return _leave_writes(request)
        case "SendMessageBatch":
            entries = request["Entries"]
            return leave_messages(
                request, [entry["Id"] for entry in entries[(len(entries) + 1) // 2 :]], True
            )
    raise ValueError(f"no batch: {operation}")


def leave_messages(request: Document, ids: list[str], are_reported: bool) -> Split:
    """Take entries out of a SendMessageBatch.

    are_reported: whether the answer reports them as failed; otherwise it reports them as sent.
    """
    left = [entry for entry in request["Entries"] if entry["Id"] in ids]
    kept = [entry for entry in request["Entries"] if entry["Id"] not in ids]

    def finish(document: Document) -> Document:
        if are_reported:
            failed = [{"Id": e["Id"], "Code": "ServiceUnavailable", "SenderFault": False} for e in left]
            return {**document, "Failed": [*document.get("Failed", []), *failed]}
        sent = [_sent(entry) for entry in left]
        return {**document, "Successful": [*document.get("Successful", []), *sent]}

    return Split({**request, "Entries": kept} if kept else None, finish)


def again(request: Document, number: int) -> Document:
    """Write a SendMessageBatch that sends the same messages again. number: makes them new to the queue."""
    entries = []
    for entry in request["Entries"]:
        mark = entry.get("MessageDeduplicationId")
        changed = {"MessageDeduplicationId": f"{mark[:100]}-again-{number}"} if mark else {}
        entries.append({**entry, **changed})
    return {**request, "Entries": entries}


def _sent(entry: Document) -> Document:
    digest = hashlib.md5(entry["MessageBody"].encode()).hexdigest()
    return {"Id": entry["Id"], "MessageId": f"swallowed-{digest}", "MD5OfMessageBody": digest}


def _leave_keys(request: Document) -> Split:
    ((table, wanted),) = request["RequestItems"].items()
    keys = wanted["Keys"]
    half = (len(keys) + 1) // 2
    left = {table: {**wanted, "Keys": keys[half:]}} if keys[half:] else {}
    kept = {**request, "RequestItems": {table: {**wanted, "Keys": keys[:half]}}}
    return Split(kept, lambda document: {**document, "UnprocessedKeys": left})


def _leave_writes(request: Document) -> Split:
    ((table, writes),) = request["RequestItems"].items()
    half = (len(writes) + 1) // 2
    left = {table: writes[half:]} if writes[half:] else {}
    kept = {**request, "RequestItems": {table: writes[:half]}}
    return Split(kept, lambda document: {**document, "UnprocessedItems": left})
