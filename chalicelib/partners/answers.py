"""What came back from a partner, judged: an `Answer` when it succeeded, an error otherwise.

Success is told by `status_code`, not by HTTP (STA-15). The errors tell the one thing the caller must
know: whether the same call may succeed later.

- `PartnerRefusal`: 2xxx, HTTP 4xx, and 4001 of a hub. Final; repeating it changes nothing.
- `PartnerFault`: no connection, no answer in time, HTTP 5xx, 3xxx, 4xxx of a hub, HTTP 401, 403, 408
  and 429, a redirect, anything that is no envelope. A retry may help.

Unknown codes count by their thousand (STA-13). Any `data` is tolerated (TRN-15).

Source: OCPI 2.2.1 status_codes; TRN-13, TRN-15, STA-13, STA-15, RTE-28 … RTE-31
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from chalicelib.errors import BadJson
from chalicelib.protocol.json_text import read_json

_NOT_LET_IN = frozenset({401, 403})
_TRY_LATER = frozenset({408, 425, 429})
_UNKNOWN_RECEIVER = 4001
_LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP response before it is judged; header names in lower case."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: timedelta


@dataclass(frozen=True)
class Answer:
    """A successful OCPI answer; `data` is None when there was none."""

    http_status: int
    status_code: int
    status_message: str | None
    data: Any
    headers: Mapping[str, str]
    elapsed: timedelta


class _Said(TypedDict, total=False):
    http_status: int
    status_code: int | None
    status_message: str | None
    data: Any


class PartnerError(Exception):
    """A call to a partner that did not succeed.

    http_status, status_code, status_message, data: what the partner said, as far as it said it.
    """

    def __init__(self, reason: str, **said: Unpack[_Said]) -> None:
        message = said.get("status_message")
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.http_status = said.get("http_status")
        self.status_code = said.get("status_code")
        self.status_message = message
        self.data = said.get("data")


class PartnerRefusal(PartnerError):
    """The partner understood and said no: final."""


class PartnerFault(PartnerError):
    """The partner could not be reached or did not work: a retry may help.

    timed_out: connected, but no whole answer in time (a hub answers 4002). not_connected: no
    connection, or one that broke, or the partner does not let us in (a hub answers 4003).
    never_sent: the request certainly did not reach the partner, so nothing can have happened there.
    """

    def __init__(
        self,
        reason: str,
        *,
        timed_out: bool = False,
        not_connected: bool = False,
        never_sent: bool = False,
        **said: Unpack[_Said],
    ) -> None:
        super().__init__(reason, **said)
        self.timed_out = timed_out
        self.not_connected = not_connected or never_sent
        self.never_sent = never_sent


def judge(raw: RawAnswer) -> Answer:
    """Read the envelope and decide whether the call succeeded.

    Raises: PartnerFault, PartnerRefusal.
    """
    status = raw.http_status
    if 300 <= status < 400:
        reason = f"answered with a redirect (HTTP {status}), which is not followed"
        raise PartnerFault(reason, http_status=status)
    envelope = _read_envelope(raw.body)
    code, message, data = envelope.get("status_code"), _read_message(envelope), envelope.get("data")
    said = _Said(http_status=status, status_code=code, status_message=message, data=data)
    told = (
        f"answered {code} with HTTP {status}" if code else f"answered HTTP {status} without an OCPI envelope"
    )
    if status in _NOT_LET_IN:
        raise PartnerFault(f"{told}: our token is not accepted", not_connected=True, **said)
    if status >= 500 or status in _TRY_LATER:
        raise PartnerFault(told, **said)
    if status >= 400:
        raise PartnerRefusal(told, **said)
    if code is None:
        raise PartnerFault(told, **said)
    if code < 2000:
        return Answer(status, code, message, data, raw.headers, raw.elapsed)
    if code < 3000 or code == _UNKNOWN_RECEIVER:
        raise PartnerRefusal(told, **said)
    raise PartnerFault(told, **said)


def _read_envelope(body: bytes) -> dict[str, Any]:
    """The envelope, or an empty one when the body is none."""
    try:
        envelope = read_json(body)
    except BadJson:
        return {}
    if not isinstance(envelope, dict):
        return {}
    code = envelope.get("status_code")
    is_code = isinstance(code, int) and not isinstance(code, bool) and 1000 <= code < 5000
    return envelope if is_code else {}


def _read_message(envelope: Mapping[str, Any]) -> str | None:
    message = envelope.get("status_message")
    return message[:_LONGEST_MESSAGE] if isinstance(message, str) else None
