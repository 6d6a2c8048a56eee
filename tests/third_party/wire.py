"""One HTTP request of a third party, and its answer.

Part of a partner written from the OCPI 2.2.1 text alone. It shares no code with the node under test, so a
misreading of the specification in the node is found here. Standard library only.
Chapter: transport_and_format (authorization header, unique message ids, response format, pagination).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

ENVELOPE_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?$")
NEXT_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. Header names are in lower case; numbers in the envelope are exact."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def document(self) -> Any:
        return read_json(self.body)

    @property
    def envelope(self) -> dict[str, Any]:
        """The OCPI envelope. Raises: AssertionError when the body is no envelope. Source: TRN-13, TRN-16."""
        assert self.headers.get("content-type", "").startswith("application/json"), self
        try:
            envelope = self.document
        except ValueError as error:
            raise AssertionError(f"not JSON: {self}") from error
        assert isinstance(envelope, dict), self
        code = envelope.get("status_code")
        assert isinstance(code, int) and 1000 <= code <= 4999, self
        timestamp = envelope.get("timestamp")
        assert isinstance(timestamp, str) and ENVELOPE_TIMESTAMP.match(timestamp), self
        assert len(timestamp) <= 25, self
        assert isinstance(envelope.get("status_message", ""), str), self
        return envelope

    @property
    def status_code(self) -> int:
        code: int = self.envelope["status_code"]
        return code

    @property
    def codes(self) -> tuple[int, int]:
        """HTTP status and OCPI status_code; the checklist writes them as 200/1000."""
        return self.http_status, self.status_code

    @property
    def data(self) -> Any:
        return self.envelope.get("data")

    @property
    def next_link(self) -> str | None:
        found = NEXT_LINK.search(self.headers.get("link", ""))
        return found.group(1) if found else None


def read_json(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def write_json(value: object) -> bytes:
    """Write JSON in which a Decimal keeps its digits, unlike with json.dumps.

    >>> write_json({"price": Decimal("0.2500")})
    b'{"price": 0.2500}'
    """
    numbers: list[str] = []

    def mark(decimal: object) -> str:
        assert isinstance(decimal, Decimal), decimal
        numbers.append(str(decimal))
        return f"\x00{len(numbers) - 1}\x00"

    text = json.dumps(value, default=mark)
    return re.sub(r'"\\u0000(\d+)\\u0000"', lambda found: numbers[int(found.group(1))], text).encode()


def authorization(token: str, *, raw: bool = False) -> str:
    """The Authorization header, in Base64, or raw as many OCPI 2.2 peers send it. Source: TRN-03, TRN-05."""
    return "Token " + (token if raw else base64.b64encode(token.encode()).decode())


def request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    timeout: float = 30,
) -> Answer:
    """Send exactly these headers and bytes, without retries, redirects or corrections."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()
