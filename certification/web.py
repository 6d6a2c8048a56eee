"""The runner's HTTP client: one request, one answer, as sent over the wire.

The certification talks to nodes over HTTP only, and this is its only way out. It follows no redirect and
retries nothing, because a scenario must see each answer of the node exactly once. JSON numbers are read as
Decimal: through floats, a rounded price would compare equal to the exact one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote, urlencode

import urllib3

TIMEOUT_S = 35.0  # API Gateway ends an integration after 29 s, so a node's own answer always comes first


class Unreachable(Exception):
    """No HTTP answer: connection refused, timed out, or broken."""


@dataclass(frozen=True)
class Answer:
    """Answer to one request; header names in lower case, both times on the monotonic clock."""

    method: str
    url: str
    http_status: int
    headers: Mapping[str, str]
    body: bytes
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def json(self) -> object:
        """Read the body as JSON, numbers as Decimal. Raises: ValueError when it is not JSON."""
        return json.loads(self.body, parse_float=Decimal)

    def __str__(self) -> str:
        return f"{self.method} {self.url} -> HTTP {self.http_status}"


class Web:
    """Sends requests; safe to share between threads."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(num_pools=20, maxsize=20)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """Send one request, `body` as JSON when given. Raises: Unreachable when no answer came."""
        sent = dict(headers or {})
        content = None
        if body is not None:
            content = json.dumps(body, default=_as_number).encode()
            sent.setdefault("Content-Type", "application/json")
        started = time.monotonic()
        try:
            response = self._pool.request(
                method,
                url,
                headers=sent,
                body=content,
                timeout=self._timeout_s,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{method} {url}: {error}") from error
        return Answer(
            method=method,
            url=url,
            http_status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.data,
            started=started,
            ended=time.monotonic(),
        )

    def close(self) -> None:
        self._pool.clear()


def with_query(url: str, query: Mapping[str, object]) -> str:
    """Add a query to a URL that may have one already.

    >>> with_query("http://x/y", {"limit": 2, "date_from": "2026-01-01T00:00:00Z"})
    'http://x/y?limit=2&date_from=2026-01-01T00%3A00%3A00Z'
    """
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def below(url: str, *ids: str) -> str:
    """Append ids to a URL, each fully percent-encoded.

    >>> below("http://x/locations/", "PT", "ABC", "LSB 1/2")
    'http://x/locations/PT/ABC/LSB%201%2F2'
    """
    return "/".join([url.rstrip("/"), *(quote(part, safe="") for part in ids)])


def _as_number(value: object) -> object:
    # json cannot write a Decimal; floats are exact enough for the samples' numbers.
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
