"""Judges a partner's HTTP response: an `Answer` if the call succeeded, an error if it failed.

The OCPI `status_code` decides about success, not the HTTP status (STA-15). There are two errors, because the
caller must know whether the partner itself decided about the request:

- `PartnerRefusal`: an envelope with 2xxx, or 4001 of a hub. The partner read the request and rejected it.
- `PartnerFault`: every other failure. No connection, no answer in time, a redirect, HTTP 5xx, 401, 403, 408,
  425 and 429, an envelope with 3xxx or 4xxx, and any other HTTP 4xx without a refusal in an envelope: a
  gateway sends such an answer, and a gateway knows nothing of the object. A retry may help.

With HTTP 2xx the partner has accepted the request unless its answer holds an OCPI error. Many systems
answer without a proper envelope: 204, an empty body, `OK`, `{}`, `"status_code": "1000"`. Such an answer is
a success, and `oddity` names the deviation. Four kinds of body are a fault with any HTTP status: markup,
because a login or maintenance page comes from a gateway; JSON that cannot be read or has a `status_code` that
OCPI does not define, because it may be an error; what names an error without a `status_code`, as crashed
functions behind a gateway do with HTTP 200; and a list, because it answers another request.

Read and noted as well: JSON with a byte order mark, NULs or an HTML comment around it, and a list of one
object as `data` where a single object is meant. Not for a strict partner.

Unknown codes count by their thousand (STA-13). Any `data` is accepted (TRN-15); a caller that needs `data`
checks it.

Source: OCPI 2.2.1 status_codes; TRN-13, TRN-15, STA-13, STA-15, RTE-28 … RTE-31
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict, Unpack

from chalicelib.calls.partner_words import LONGEST, plain_words, words_in
from chalicelib.calls.retry_after import read_retry_after
from chalicelib.errors import BadJson
from chalicelib.protocol.json_text import check_depth, read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.reading.bodies import read_json_around
from chalicelib.versions.version import Loss

_TOKEN_REJECTED = frozenset({401, 403})
_TRY_LATER = frozenset({408, 425, 429})
_UNKNOWN_RECEIVER = 4001

_ERROR_FIELDS = frozenset(
    {"error", "errors", "errormessage", "errortype", "exception", "fault", "stacktrace"}
)
_ERROR_WORDS = re.compile(
    r"error|exception|fail|denied|unavailable|maintenance|forbidden|unauthori[sz]ed|rejected", re.IGNORECASE
)


class Oddity(StrEnum):
    """The kind of oddity of an answer that counts as a success.

    STATUS_CODE_MISWRITTEN: as text, as 1000.0, or as `statusCode`. TEXT_AROUND_JSON: a byte order mark, NULs
    or an HTML comment. OBJECT_IN_LIST: `data` is a list of one object where the object itself is meant.
    """

    EMPTY_BODY = "EMPTY_BODY"
    PLAIN_TEXT = "PLAIN_TEXT"
    NO_ENVELOPE = "NO_ENVELOPE"
    NO_STATUS_CODE = "NO_STATUS_CODE"
    STATUS_CODE_MISWRITTEN = "STATUS_CODE_MISWRITTEN"
    TEXT_AROUND_JSON = "TEXT_AROUND_JSON"
    OBJECT_IN_LIST = "OBJECT_IN_LIST"


_IN_ENVELOPE = (
    None,
    Oddity.STATUS_CODE_MISWRITTEN,
    Oddity.TEXT_AROUND_JSON,
    Oddity.OBJECT_IN_LIST,
)

_SINGLE = (
    Kind.AUTHORIZATION_INFO,
    Kind.CHARGING_PREFERENCES_RESPONSE,
    Kind.COMMAND_RESPONSE,
    Kind.CREDENTIALS,
)
"""Kinds of `data` that are one object, and never a list."""


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP response before it is judged; header names in lower case."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: timedelta


@dataclass(frozen=True)
class Answer:
    """A success; `data` is None when there was none.

    status_code: 1000 where the answer has none. oddity: None for a proper envelope. losses: what the
    partner's version could not express of the document that was sent.
    """

    http_status: int
    status_code: int
    status_message: str | None
    data: Any
    headers: Mapping[str, str]
    elapsed: timedelta
    oddity: Oddity | None = None
    losses: tuple[Loss, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return whether the answer has neither data nor a proper envelope without data."""
        return self.data is None and self.oddity not in _IN_ENVELOPE


class _Given(TypedDict, total=False):
    http_status: int
    status_code: int | None
    status_message: str | None
    data: Any


class PartnerError(Exception):
    """A call to a partner that failed.

    reason: in our words. http_status, status_code, status_message, data: from the partner's answer; None
    where it has none. words: the partner's own: its status_message or the beginning of its body, "" for none.
    losses: as of an `Answer`.
    """

    def __init__(self, reason: str, **given: Unpack[_Given]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.http_status = given.get("http_status")
        self.status_code = given.get("status_code")
        self.status_message = given.get("status_message")
        self.data = given.get("data")
        self.words = plain_words(self.status_message or "")
        self.losses: tuple[Loss, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason}: {self.words}" if self.words else self.reason


class PartnerRefusal(PartnerError):
    """The partner read the request and rejected it: a retry of the same request cannot help."""


class PartnerFault(PartnerError):
    """The partner could not be reached or did not work: a retry may help.

    timed_out: connected, but no whole answer in time (a hub answers 4002). not_connected: no
    connection, or one that broke, or the partner does not accept our token (a hub answers 4003).
    never_sent: the request certainly did not reach the partner, so the partner has changed nothing.
    retry_after_s: seconds for which the partner asks not to be called again, None when it names none.
    """

    def __init__(
        self,
        reason: str,
        *,
        timed_out: bool = False,
        not_connected: bool = False,
        never_sent: bool = False,
        retry_after_s: int | None = None,
        **given: Unpack[_Given],
    ) -> None:
        super().__init__(reason, **given)
        self.timed_out = timed_out
        self.not_connected = not_connected or never_sent
        self.never_sent = never_sent
        self.retry_after_s = retry_after_s


class _Reading(NamedTuple):
    """The content of a body.

    envelope: empty if the body is no JSON object. unusable: the reason why the body counts as a fault, "" if
    it is usable.
    """

    envelope: Mapping[str, Any] = {}
    code: int | None = None
    oddity: Oddity | None = None
    unusable: str = ""


def judge(
    raw: RawAnswer, now: datetime | None = None, *, gives: Kind | None = None, strict: bool = False
) -> Answer:
    """Read the envelope and decide whether the call succeeded.

    now: our clock, for a `Retry-After` that is a date. gives: kind of the data. strict: read by the letter.
    Raises: PartnerFault, PartnerRefusal.
    """
    status = raw.http_status
    if 300 <= status < 400:
        reason = f"answered with a redirect (HTTP {status}), which is not followed"
        raise PartnerFault(reason, http_status=status)
    reading = _read_body(raw.body, strict)
    message, data = _read_message(reading.envelope), reading.envelope.get("data")
    given = _Given(http_status=status, status_code=reading.code, status_message=message, data=data)
    error = _find_error(status, reading, given)
    if isinstance(error, PartnerFault) and (status >= 500 or status in _TRY_LATER):
        error.retry_after_s = read_retry_after(raw.headers, now)
    if error is not None:
        error.words = error.words or words_in(raw.body)
        raise error
    answer = Answer(status, reading.code or 1000, message, data, raw.headers, raw.elapsed, reading.oddity)
    return answer if strict or gives not in _SINGLE else _without_list(answer)


def _without_list(answer: Answer) -> Answer:
    """The answer with the object as its data, if the data is a list of this one object."""
    if not (isinstance(answer.data, list) and len(answer.data) == 1 and isinstance(answer.data[0], dict)):
        return answer
    return replace(answer, data=answer.data[0], oddity=answer.oddity or Oddity.OBJECT_IN_LIST)


def _find_error(status: int, reading: _Reading, given: _Given) -> PartnerError | None:
    """Decide whether an answer is an error; None for a success."""
    code, reason = reading.code or 1000, _describe(status, reading)
    if status in _TOKEN_REJECTED:
        return PartnerFault(f"{reason}: our token is not accepted", not_connected=True, **given)
    if status >= 500 or status in _TRY_LATER:
        return PartnerFault(reason, **given)
    if 2000 <= code < 3000 or code == _UNKNOWN_RECEIVER:
        return PartnerRefusal(reason, **given)
    if status >= 400 or reading.unusable or code >= 2000:
        return PartnerFault(reason, **given)
    return None


def _describe(status: int, reading: _Reading) -> str:
    if reading.code is not None:
        return f"answered {reading.code} with HTTP {status}"
    return f"answered HTTP {status} {reading.unusable or 'without an OCPI envelope'}"


def _read_body(body: bytes, strict: bool) -> _Reading:
    if not body.strip():
        return _Reading(oddity=Oddity.EMPTY_BODY)
    try:
        document, around = (read_json(body), ()) if strict else read_json_around(body)
        check_depth(document)
    except BadJson:
        return _read_text(body)
    reading = _read_document(document)
    if around and reading.oddity is None and not reading.unusable:
        return reading._replace(oddity=Oddity.TEXT_AROUND_JSON)
    return reading


def _read_document(document: object) -> _Reading:
    if isinstance(document, list):
        return _Reading(unusable="with a list, which is no OCPI envelope")
    if not isinstance(document, dict):
        if document is False or (isinstance(document, str) and _ERROR_WORDS.search(document)):
            return _Reading(unusable=_NAMES_ERROR)
        return _Reading(oddity=Oddity.NO_ENVELOPE)
    stated = document.get("status_code", document.get("statusCode"))
    number = _read_number(stated)
    if number is None:
        if _names_error(document, stated):
            return _Reading(document, unusable=_NAMES_ERROR)
        return _Reading(document, oddity=Oddity.NO_STATUS_CODE)
    if 1000 <= number < 5000:
        is_proper = type(stated) is int and "status_code" in document
        return _Reading(document, number, None if is_proper else Oddity.STATUS_CODE_MISWRITTEN)
    if 200 <= number < 300:
        return _Reading(document, oddity=Oddity.NO_STATUS_CODE)
    return _Reading(document, unusable=f"with a status_code of {number}, which OCPI does not have")


def _read_text(body: bytes) -> _Reading:
    """Read a body that is not JSON: short text such as OK is a success, markup or cut-off JSON is a fault."""
    try:
        text = body.decode().lstrip("\ufeff").lstrip()
    except UnicodeDecodeError:
        return _Reading(unusable="with a body that is no text")
    if text[:1] == "<":
        return _Reading(unusable="with a page of markup, which is no OCPI envelope")
    if text[:1] in ("{", "["):
        return _Reading(unusable="with JSON that cannot be read")
    if _ERROR_WORDS.search(text):
        return _Reading(unusable=_NAMES_ERROR)
    return _Reading(oddity=Oddity.PLAIN_TEXT)


_NAMES_ERROR = "with an error and without a status_code"


def _names_error(document: Mapping[str, Any], stated: object) -> bool:
    """Tell whether an object without a readable `status_code` is about an error.

    >>> _names_error({"errorMessage": "Task timed out", "errorType": "TimeoutError"}, None)
    True
    """
    if stated is False or (isinstance(stated, str) and _ERROR_WORDS.search(stated)):
        return True
    status = _read_number(document.get("status"))
    if document.get("success") is False or (status is not None and status >= 300):
        return True
    return any(name.lower().replace("_", "") in _ERROR_FIELDS and document[name] for name in document)


def _read_number(value: object) -> int | None:
    """Read a whole number, also one written as a decimal or as text; None for any other value.

    >>> [_read_number(each) for each in (1000, "2001", Decimal("1000.0"), True, "OK", Decimal("1.5"))]
    [1000, 2001, 1000, None, None, None]
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:9])
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    # Bound the value before `int`: 1e999999999 as an integer would use all memory.
    number = min(max(value, -1), 99_999)
    return int(number) if number == int(number) else None


def _read_message(envelope: Mapping[str, Any]) -> str | None:
    message = envelope.get("status_message")
    return message[:LONGEST] if isinstance(message, str) else None
