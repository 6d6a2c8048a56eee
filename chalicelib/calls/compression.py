"""Decompresses answers of partners that compress unasked, within a limit of bytes.

The node asks for uncompressed answers; some servers and proxies compress all the same. An answer that is
small on the wire may be huge in memory, so no more than the limit is decompressed.

Source: RFC 9110, section 8.4.1; docs/security.md, Calls to partners
"""

from __future__ import annotations

import zlib

_GZIP_BEGINS = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class TooMuch(Exception):
    """The content is larger than the limit."""


class Undecodable(Exception):
    """The content is in an encoding that this node does not read, or is broken."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body. encoding: value of Content-Encoding. limit: of bytes.

    gzip is recognised by its first bytes, since no JSON begins so and some servers leave out the header. Some
    name gzip and send plain JSON. Any other text under that name may be what a proxy left of the content.

    Raises: TooMuch, Undecodable.
    """
    named = encoding.strip().lower()
    if body.startswith(_GZIP_BEGINS):
        return _inflate(body, _GZIP, limit)
    is_plain = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"")
    if named in ("", "identity") or (is_plain and named in ("gzip", "x-gzip")) or not body:
        return body
    if named != "deflate":
        raise Undecodable
    try:
        return _inflate(body, _ZLIB, limit)
    except Undecodable:
        # Some servers send the stream without the frame of RFC 1950.
        return _inflate(body, _RAW, limit)


def _inflate(body: bytes, form: int, limit: int) -> bytes:
    stream = zlib.decompressobj(form)
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Undecodable from error
    if len(content) > limit:
        raise TooMuch
    if not stream.eof or stream.unused_data.strip(b"\0"):
        raise Undecodable
    return content
