"""Bodies: the JSON in what a partner sent, and the media types under which JSON may come.

Some systems write a byte order mark before their JSON, or NULs, blanks or an HTML comment behind it. None of
these says anything, so the JSON alone is read. Any other text beside it might say something else: such a
body is not read.

Source: docs/interop.md; TRN-12, STA-01
"""

from __future__ import annotations

from typing import Any, AnyStr, NamedTuple

from chalicelib.errors import BadJson, WrongContentType
from chalicelib.protocol.json_text import read_json
from chalicelib.reading.findings import Finding, Outcome

_BLANK = " \t\r\n\0\ufeff"
_COMMENT = "<!--", "-->"
_MOST_COMMENTS = 10

_OTHER_TYPES = frozenset({"multipart", "image", "audio", "video", "font"})
_OTHER_SUBTYPES = frozenset({"x-www-form-urlencoded", "html", "xml"})


class Body(NamedTuple):
    """The document in a body, and what was odd around it."""

    document: Any
    findings: tuple[Finding, ...] = ()


def read_body(text: str, content_type: str | None) -> Body:
    """Read the JSON of a request's body, whatever media type it is announced as.

    Raises: WrongContentType when it is announced as a format that is not JSON, such as a form (TRN-12);
    BadJson (STA-01).
    """
    media_type = read_media_type(content_type)
    if _is_other_format(media_type):
        raise WrongContentType(f"content type {media_type[:60]!r} is not application/json")
    document, findings = read_json_around(text)
    if not is_json(media_type):
        reason = "expected application/json"
        findings = (
            Finding(Outcome.REPAIRED, "Content-Type", "CONTENT_TYPE", reason, media_type[:60]),
            *findings,
        )
    return Body(document, findings)


def read_json_around(body: str | bytes) -> Body:
    """Read JSON that may have blanks, NULs, a byte order mark or HTML comments around it.

    Raises: BadJson.
    """
    try:
        return Body(read_json(body))
    except BadJson:
        inner = _strip(body) if isinstance(body, str) else _strip_bytes(body)
        if len(inner) == len(body):
            raise
    reason = "expected JSON and nothing else in the body"
    return Body(read_json(inner), (Finding(Outcome.REPAIRED, "body", "TEXT_AROUND_JSON", reason),))


def read_media_type(content_type: str | None) -> str:
    """The media type without its parameters; application/json where there is none.

    >>> read_media_type("Text/JSON; charset=utf-8; odata.metadata=none")
    'text/json'
    """
    return (content_type or "").split(";")[0].split(",")[0].strip().lower() or "application/json"


def is_json(media_type: str) -> bool:
    """Tell whether a media type is that of JSON."""
    return media_type == "application/json" or media_type.endswith("+json")


def _is_other_format(media_type: str) -> bool:
    kind, _, subtype = media_type.partition("/")
    return kind in _OTHER_TYPES or subtype in _OTHER_SUBTYPES or subtype.endswith("+xml")


def _strip_bytes(body: bytes) -> bytes:
    return _cut(body.removeprefix(b"\xef\xbb\xbf"), b" \t\r\n\0", (b"<!--", b"-->"))


def _strip(text: str) -> str:
    return _cut(text, _BLANK, _COMMENT)


def _cut(text: AnyStr, blank: AnyStr, comment: tuple[AnyStr, AnyStr]) -> AnyStr:
    """Remove blanks on both sides, and comments at the end."""
    inner = text.strip(blank)
    for _ in range(_MOST_COMMENTS):
        if not inner.endswith(comment[1]) or (begin := inner.rfind(comment[0])) < 0:
            break
        inner = inner[:begin].rstrip(blank)
    return inner
