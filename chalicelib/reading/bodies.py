"""Bodies: the JSON in what a partner sent, and the media types under which JSON may come.

Some systems write a byte order mark before their JSON, or NULs, blanks or an HTML comment behind it. None of
these says anything, so the JSON alone is read. Any other text beside it might say something else: such a
body is not read.

Source: docs/interop.md; TRN-12, STA-01
"""

from __future__ import annotations

from typing import Any, AnyStr, NamedTuple

from chalicelib.errors import BadJson
from chalicelib.protocol.json_text import read_json
from chalicelib.reading.findings import Finding, Outcome

_BLANK = " \t\r\n\0\ufeff"
_COMMENT = "<!--", "-->"
_MOST_COMMENTS = 10

_AROUND = Finding(Outcome.REPAIRED, "body", "TEXT_AROUND_JSON", "expected JSON and nothing else in the body")

_OTHER_TYPES = frozenset({"multipart", "image", "audio", "video", "font"})
_OTHER_SUBTYPES = frozenset({"x-www-form-urlencoded", "html", "xml"})


class Body(NamedTuple):
    """The document in a body, and what was odd around it."""

    document: Any
    findings: tuple[Finding, ...] = ()


class Text(NamedTuple):
    """The text of a body, its media type, and what was odd around it."""

    text: str
    media_type: str
    findings: tuple[Finding, ...] = ()


def tidy_body(text: str, content_type: str | None) -> Text:
    """Return the JSON of a request's body without what may stand around it, and JSON as its media type.

    A media type of a format that is clearly not JSON, such as a form, stays. The text is not parsed here.
    """
    findings = []
    media_type = read_media_type(content_type)
    inner = text
    if text[:1] == "\ufeff" or text.rstrip(_BLANK) != text.rstrip() or text.rstrip().endswith(_COMMENT[1]):
        inner = _strip(text)
        findings.append(_AROUND)
    if not is_json(media_type) and not _is_other_format(media_type):
        reason = "expected application/json"
        findings.append(Finding(Outcome.REPAIRED, "Content-Type", "CONTENT_TYPE", reason, media_type[:60]))
        media_type = "application/json"
    return Text(inner, media_type, tuple(findings))


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
    return Body(read_json(inner), (_AROUND,))


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
