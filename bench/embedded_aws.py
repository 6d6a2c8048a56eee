"""DynamoDB and KMS inside the process, in place of network calls, to measure without the network.

botocore does all of its own work (it checks, serialises and signs the call, builds the request, parses the
answer). Only the method that would open a connection is replaced: it calls ministack's functions. Their time
is added up, so that it can be subtracted: it is time of the server. The measurements leave out urllib3, TLS
and the network.
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
    """The services, with the number and the time of their calls."""

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
    """Let every AWS client of this process call the embedded services."""
    aws = EmbeddedAws()
    with mock.patch.object(URLLib3Session, "send", lambda session, request: aws.send(session, request)):
        yield aws


class _Raw(BytesIO):
    """A body with the interface of urllib3."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Yield the body in one piece."""
        yield self.read()


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits; returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise RuntimeError("the service waits for something")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
