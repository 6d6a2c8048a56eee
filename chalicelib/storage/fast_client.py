"""A client of DynamoDB or SQS that makes the node's usual calls itself, over botocore's client.

botocore follows a model of the service for every value, and resolves endpoint and signer for every call; that
is most of the CPU time of a request. `FastClient` makes the calls of `table.py` and `queues.py` without it:
JSON by msgspec, and a signing key that is kept for the day. Credentials, which renew themselves, the HTTP
session and the event `before-send`, which emulators use, are botocore's.

A success and a final refusal are handled here. Everything else is left to botocore, which makes the call
again with its own retries: throttling, an error of the service, a broken connection, an unreadable answer.
A transaction has its token before the first try, so it is done once.

Endpoint and region are learned from botocore's first call. Until then, and if botocore is not as this file
expects, botocore makes all calls; `tests/storage/test_fast_client.py` then names what has changed.
`OCPI_FAST_CLIENT=0` in the environment turns this client off.

Source: AWS Signature Version 4; Amazon DynamoDB low-level API; Amazon SQS, JSON protocol
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, ClientError


class Service(NamedTuple):
    """An AWS service with a JSON protocol of version 1.0.

    name: in botocore's events. target: before the operation in the header `x-amz-target`. calls: the
    operations that are called here, by the name of botocore's method. final: refusals that no retry changes.
    """

    name: str
    target: str
    calls: Mapping[str, str]
    final: frozenset[str] = frozenset()


DYNAMODB = Service(
    "dynamodb",
    "DynamoDB_20120810",
    {
        "get_item": "GetItem",
        "batch_get_item": "BatchGetItem",
        "query": "Query",
        "put_item": "PutItem",
        "update_item": "UpdateItem",
        "delete_item": "DeleteItem",
        "transact_write_items": "TransactWriteItems",
        "batch_write_item": "BatchWriteItem",
    },
    frozenset(("ConditionalCheckFailedException", "TransactionCanceledException", "ValidationException")),
)
SQS = Service(
    "sqs",
    "AmazonSQS",
    {
        "send_message_batch": "SendMessageBatch",
        "change_message_visibility_batch": "ChangeMessageVisibilityBatch",
    },
)

_MEDIA_TYPE = "application/x-amz-json-1.0"
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")


class Endpoint(NamedTuple):
    """The address of a service. region, service: those in signatures."""

    url: str
    host: str
    region: str
    service: str


class FastClient:
    """Client with the methods of botocore's; thread-safe.

    client: botocore's for the service. It also has all methods that are not in the service's `calls`.
    """

    def __init__(self, client: Any, service: Service) -> None:
        self._client = client
        self._service = service
        self._event = f"before-send.{service.name}"
        self._events = client.meta.events
        self._http_session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
        self._credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        self._endpoint: Endpoint | None = None
        self._key = _Key()
        self._fallbacks: dict[str, Callable[..., Any]] = {
            name: getattr(client, name) for name in service.calls
        }
        for name in service.calls:
            setattr(self, name, partial(self._call, name))
        if self._http_session is not None and self._credentials is not None:
            self._events.register(self._event, self._learn, unique_id="learn")

    def __getattr__(self, name: str) -> Any:
        """The attributes of botocore's client."""
        return getattr(self._client, name)

    def _learn(self, request: Any, **_: Any) -> None:
        """Learn the endpoint from a request of botocore. The event expects None from it."""
        signed = _SCOPE.match(_text(request.headers.get("Authorization", "")))
        if signed is not None:
            self._endpoint = Endpoint(request.url, urlsplit(request.url).netloc, signed[1], signed[2])
            self._events.unregister(self._event, self._learn, unique_id="learn")

    def _call(self, method: str, **request: Any) -> Any:
        if method == "transact_write_items":
            request.setdefault("ClientRequestToken", str(uuid.uuid4()))
        answer = self._try(self._service.calls[method], request) if self._endpoint is not None else None
        return self._fallbacks[method](**request) if answer is None else answer

    def _try(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make a call once. Returns None if botocore has to make it.

        Raises: ClientError for a final refusal.
        """
        try:
            response = self._send(operation, msgspec.json.encode(request))
            content = response.content
        except BotoCoreError:
            return None
        if response.status_code not in (200, 400) or not _is_whole(response.headers, content):
            return None
        try:
            answer: dict[str, Any] = msgspec.json.decode(content)
        except msgspec.DecodeError:
            return None
        if response.status_code == 200:
            return answer
        code = str(answer.get("__type", "")).rpartition("#")[2]
        if code not in self._service.final:
            return None
        error = {"Code": code, "Message": answer.get("message") or answer.get("Message") or ""}
        reasons = answer.get("CancellationReasons") or []
        raise ClientError({"Error": error, "CancellationReasons": reasons}, operation)

    def _send(self, operation: str, body: bytes) -> Any:
        assert self._endpoint is not None
        credentials = self._credentials.get_frozen_credentials()
        target = f"{self._service.target}.{operation}"
        headers = self._key.sign(self._endpoint, credentials, target, body)
        request = AWSPreparedRequest("POST", self._endpoint.url, headers, body, False)
        _, answered = self._events.emit_until_response(f"{self._event}.{operation}", request=request)
        return answered if answered is not None else self._http_session.send(request)


class _Key:
    """Signs requests; keeps the key, which holds for a day, a region, a service and credentials."""

    def __init__(self) -> None:
        self._derived: tuple[tuple[str, ...], bytes] = ((), b"")

    def sign(self, endpoint: Endpoint, credentials: Any, target: str, body: bytes) -> dict[str, str]:
        """Make the headers of a request, with its signature."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = {
            "content-type": _MEDIA_TYPE,
            "host": endpoint.host,
            "x-amz-date": moment,
            "x-amz-target": target,
        }
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        parts = (moment[:8], endpoint.region, endpoint.service, "aws4_request")
        scope = "/".join(parts)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = self._key_for(credentials.secret_key, *parts)
        signature = _hmac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()
        who = f"Credential={credentials.access_key}/{scope}"
        del signed["host"]  # urllib3 sends it.
        return {
            **signed,
            "authorization": f"AWS4-HMAC-SHA256 {who}, SignedHeaders={names}, Signature={signature}",
            "user-agent": "ocpi-node",
        }

    def _key_for(self, secret: str, *parts: str) -> bytes:
        known, key = self._derived
        if known != (secret, *parts):
            key = f"AWS4{secret}".encode()
            for part in parts:
                key = _hmac(key, part)
            self._derived = ((secret, *parts), key)
        return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _is_whole(headers: Mapping[str, str], content: bytes) -> bool:
    """Tell whether an answer has the checksum that the service sent."""
    expected = headers.get("x-amz-crc32")
    return expected is None or str(zlib.crc32(content)) == expected


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
