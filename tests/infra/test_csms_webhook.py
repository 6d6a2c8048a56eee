"""Tests of the webhook of the simulated CSMS."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from infra.local import csms
from tests.infra.csms_stand import SECRET


def call(secret: str, inbox: csms.Inbox, message_id: str = "m1", body: str | None = None) -> int:
    event = json.dumps({"type": "command", "timestamp": "now", "data": {"id": message_id}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, event),
    }
    return csms.take_call(SECRET, (body or event).encode(), headers, inbox)


def test_a_signed_call_is_taken_once() -> None:
    inbox = csms.Inbox()

    assert [call(SECRET, inbox), call(SECRET, inbox)] == [204, 204]
    assert [inbox.next(0), inbox.next(0)] == [{"id": "m1"}, None]


@pytest.mark.parametrize(
    ("secret", "body"), [("whsec_" + "YW5vdGhlcg==", None), (SECRET, '{"type": "command", "data": {}}')]
)
def test_a_call_that_is_not_from_the_node_is_refused(secret: str, body: str | None) -> None:
    inbox = csms.Inbox()

    assert call(secret, inbox, body=body) == 401
    assert inbox.next(0) is None
