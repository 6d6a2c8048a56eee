"""A partner's own words about a failed call: the beginning of its answer's body as plain text.

Many systems explain an error outside OCPI's envelope: `{"error": "connector 3 unknown"}`, a page of markup.
The operator reads the text beside the failure. It is not logged, because it may quote a driver's data.

Source: docs/operator-api.md, Did partners get it?
"""

from __future__ import annotations

import html
import re

LONGEST = 500
"""Characters of a partner's words."""

_READ = 8_000
_HIDDEN_MARKUP = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-zA-Z!][^<>]*>?")
_CREDENTIALS = re.compile(r"\b(Token|Bearer|Basic)\s+[\x21-\x7e]{8,}", re.IGNORECASE)


def plain_words(text: str) -> str:
    """A text without markup, line breaks, control characters and credentials, cut to 500 characters.

    >>> plain_words("<h1>Not&nbsp;found</h1><p>no such\\nlocation</p>")
    'Not found no such location'
    """
    text = html.unescape(_MARKUP.sub(" ", _HIDDEN_MARKUP.sub(" ", text[:_READ])))
    text = "".join(each if each.isprintable() else " " for each in text)
    return _CREDENTIALS.sub(r"\1 …", " ".join(text.split()))[:LONGEST]


def words_in(body: bytes) -> str:
    """The plain words in the body of an answer that has no `status_message`."""
    return plain_words(body[: 2 * _READ].decode("utf-8", "replace").lstrip("\ufeff"))
