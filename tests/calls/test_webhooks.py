"""Signed calls of the operator's webhooks.

Source: https://www.standardwebhooks.com; docs/design.md, A command
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from chalicelib.calls import webhooks
from chalicelib.calls.webhook_events import AUTHORIZE, COMMAND
from chalicelib.calls.webhook_sender import WebhookFailed, WebhookSender
from chalicelib.calls.webhooks import Webhook, make_secret
from chalicelib.errors import InvalidParameters
from chalicelib.protocol.message import ABSENT
from tests.calls.answering import AnsweringPartner, Received, answering_partner, reply

SECRET = make_secret("a-secret-of-the-tests-that-is-long-enough")
BODY = '{"type":"command","data":{"id":"ção"}}'


@pytest.fixture
def receiver() -> Iterator[AnsweringPartner]:
    with answering_partner() as partner:
        yield partner


def post(receiver: AnsweringPartner, path: str = "/hook", total_s: float = 5.0) -> object:
    now = datetime.now(UTC)
    return WebhookSender(allow_loopback=True).post(
        receiver.url(path), SECRET, "message-1", now, BODY, total_s
    )


def test_a_call_is_signed_as_the_receiver_s_library_expects(receiver: AnsweringPartner) -> None:
    post(receiver, "/hook?tenant=1")

    (received,) = receiver.received
    assert (received.method, received.path) == ("POST", "/hook?tenant=1")
    assert received.headers["webhook-id"] == "message-1"
    assert Signer(SECRET).verify(received.body, dict(received.headers))["type"] == "command"
    with pytest.raises(WebhookVerificationError):
        Signer(make_secret("another-secret")).verify(received.body, dict(received.headers))


def test_the_answer_is_returned(receiver: AnsweringPartner) -> None:
    receiver.answer = lambda handler, request: reply(handler, {"allowed": "BLOCKED"})
    assert post(receiver) == {"allowed": "BLOCKED"}

    receiver.answer = lambda handler, request: reply(handler, b"thanks")
    assert post(receiver) is None


@pytest.mark.parametrize("http_status", [302, 404, 500])
def test_an_answer_other_than_2xx_is_a_failure(receiver: AnsweringPartner, http_status: int) -> None:
    receiver.answer = lambda handler, request: reply(handler, http_status=http_status)

    with pytest.raises(WebhookFailed, match=str(http_status)):
        post(receiver)


def test_a_call_without_an_answer_ends_at_the_deadline(receiver: AnsweringPartner) -> None:
    def wait(handler: BaseHTTPRequestHandler, request: Received) -> None:
        receiver.stopped.wait(10)

    receiver.answer = wait

    with pytest.raises(WebhookFailed, match="in time"):
        post(receiver, total_s=0.3)


@pytest.mark.parametrize(
    "url",
    [
        "http://csms.example/",
        "http://10.0.0.1/",
        "https://169.254.169.254/",
        "https://127.0.0.1/",
        "ftp://x",
        "https://a.example:22/",
    ],
)
def test_a_url_that_must_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        WebhookSender().check(url, field="url")
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "url", ["https://csms.example/", "https://10.0.0.1/hook", "https://csms.example:8443/"]
)
def test_a_webhook_may_have_a_private_address(url: str) -> None:
    WebhookSender().check(url, field="url")


def asking(monkeypatch: pytest.MonkeyPatch, *events: str, answer: Any) -> Any:
    """Call `ask` with one webhook for these events. answer: the answer of the webhook, or its error."""

    def notify(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    hook = Webhook("csms", "https://csms.example", events, "sealed", "2026-03-01T12:00:00Z")
    monkeypatch.setattr(webhooks, "read_webhooks", lambda table: [hook])
    monkeypatch.setattr(webhooks, "notify", notify)
    node: Any = SimpleNamespace(table=None)
    return webhooks.ask(node, AUTHORIZE, "message-1", {}, total_s=1.0)


def test_a_missing_answer_is_different_from_an_answer_that_is_not_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asking(monkeypatch, AUTHORIZE, answer=None) is None
    assert asking(monkeypatch, AUTHORIZE, answer={"allowed": "BLOCKED"}) == {"allowed": "BLOCKED"}
    assert asking(monkeypatch, AUTHORIZE, answer=WebhookFailed("did not answer in time")) is ABSENT
    assert asking(monkeypatch, COMMAND, answer={"allowed": "ALLOWED"}) is ABSENT
