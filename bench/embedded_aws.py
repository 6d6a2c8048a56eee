"""DynamoDB and KMS inside the process, in place of the network: what botocore does stays, the rest goes.

botocore does all of its own work (it checks, serialises, signs, builds a request, parses the answer); the
one method in which it would open a connection asks ministack's functions instead. Their time is added
up, so that it can be taken off: it is the server's, not ours. What no measurement here has is urllib3,
TLS and the way to the server and back.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from unittest import mock

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from ministack.services import dynamodb, kms

_SERVICES = {"DynamoDB": dynamodb, "TrentService": kms}


class EmbeddedAws:
    """The services, and what they were asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0

    def send(self, session: object, request: AWSPreparedRequest) -> AWSResponse:
        """Answer one request of botocore."""
        started = time.thread_time()
        answer = self._answer(request)
        self.calls += 1
        self.seconds += time.thread_time() - started
        return answer

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        service = _SERVICES[headers["x-amz-target"].partition(".")[0].partition("_")[0]]
        body = request.body.encode() if isinstance(request.body, str) else request.body
        status, answered, text = _run(service.handle_request(request.method, "/", headers, body, {}))
        content = text if isinstance(text, bytes) else text.encode()
        return AWSResponse(request.url, status, answered, _Raw(content))


@contextmanager
def embedded_aws() -> Iterator[EmbeddedAws]:
    """Let every client of this process talk to services inside it."""
    aws = EmbeddedAws()
    with mock.patch.object(URLLib3Session, "send", lambda session, request: aws.send(session, request)):
        yield aws


class _Raw(BytesIO):
    """A body as urllib3 would give it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """The body in one piece."""
        yield self.read()


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never waits returns."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise RuntimeError("the service waits for something")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
