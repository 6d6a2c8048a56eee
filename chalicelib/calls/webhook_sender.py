"""HTTP client for webhooks: signed POST requests to the operator's own systems.

Source: https://www.standardwebhooks.com, version 1.0; docs/design.md, A command
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook as Signer

from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.calls.connections import Connections
from chalicelib.calls.urls import Unresolvable, UrlPolicy, split_url
from chalicelib.errors import BadJson, InvalidParameters
from chalicelib.protocol.json_text import read_json

_CONNECT_S = 3.0


class WebhookFailed(Exception):
    """Error for a webhook that could not be reached or did not answer 2xx; the text has the reason."""


class WebhookSender:
    """HTTP client for webhooks; safe for threads."""

    def __init__(self, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._policy = UrlPolicy(allow_loopback, allow_private=True)
        self._connections = Connections()

    def check(self, url: str, field: str) -> None:
        """Check the text of a URL. Its host name is resolved and its IP addresses are checked at each call.

        Raises: InvalidParameters when the policy refuses the URL.
        """
        policy = UrlPolicy(self._allow_loopback, resolve=lambda *_, **__: (), allow_private=True)
        with suppress(Unresolvable):
            policy.check(url, field=field)

    def post(self, url: str, secret: str, message_id: str, now: datetime, body: str, total_s: float) -> Any:
        """POST a signed message. Returns the JSON of the answer, None when the answer is not JSON.

        Raises: WebhookFailed.
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ocpi-serverless",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(secret).sign(message_id, now, body),
        }
        answer = self._post(url, headers, body.encode(), time.monotonic() + total_s)
        if not 200 <= answer.http_status < 300:
            raise WebhookFailed(f"answered HTTP {answer.http_status}")
        try:
            return read_json(answer.body)
        except BadJson:
            return None

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> RawAnswer:
        left = min(_CONNECT_S, deadline - time.monotonic())
        try:
            target = self._policy.check(url, timeout_s=left)
            _, path = split_url(url)
            return self._connections.request(
                target, "POST", path, headers, body, connect_s=_CONNECT_S, deadline=deadline
            )
        except InvalidParameters as error:
            raise WebhookFailed(error.detail) from error
        except PartnerFault as fault:
            raise WebhookFailed(fault.reason) from fault
