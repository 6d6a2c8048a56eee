"""Answers of a bad partner, as bytes on the wire, so that they may break HTTP itself.

A fault decides for each request; None lets the partner answer correctly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from certification.probe_partner import Received

CONFIGURATION = ("versions", "details", "credentials")
HANGS_S = 12.0
"""Longer than a node waits for the answer to a push."""


@dataclass(frozen=True)
class Raw:
    """An answer as bytes on the wire; the connection ends after it.

    takes: whether the partner kept the pushed object. hangs_s: how long it waits before it answers.
    """

    content: bytes
    takes: bool = False
    hangs_s: float = 0.0


PartnerFault = Callable[[Received], Raw | None]


def refuse() -> PartnerFault:
    """Refuse every push with OCPI's 2001."""
    body = b'{"status_code": 2001, "status_message": "refused", "timestamp": "2026-01-01T00:00:00Z"}'
    return _pushes_only(itertools.repeat(_http(200, body)))


def hang() -> PartnerFault:
    """Take every request and send no answer until the caller has given up."""
    return _all(itertools.repeat(Raw(b"", hangs_s=HANGS_S)))


def answer_html_4xx() -> PartnerFault:
    """Answer like a gateway in front of the partner: 4xx and a web page."""
    return _all(itertools.cycle(_page(status) for status in (404, 401, 403, 400, 405, 413)))


def answer_html_5xx() -> PartnerFault:
    """Answer pushes with 5xx and a web page, while the versions are answered correctly."""
    return _pushes_only(itertools.cycle(_page(status) for status in (500, 502, 503)))


def succeed_oddly() -> PartnerFault:
    """Take every push, and answer without an OCPI envelope."""
    text = (b"OK", b"{}", b'{"status_code": "1000"}', b"")
    answers = [Raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", takes=True)]
    answers += [_http(200, body, takes=True) for body in text]
    return _pushes_only(itertools.cycle(answers))


def answer_garbage(seed: int) -> PartnerFault:
    """Answer every request with broken HTTP, broken JSON, or an incomplete answer."""
    noise = Random(f"{seed}/garbage").randbytes(200)
    answers = (
        Raw(noise),
        # HTTP 2xx without an OCPI error counts as taken, whatever the body, so the partner takes it.
        _http(200, noise, takes=True),
        Raw(b"HTTP/1.1"),
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"),
        Raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        _http(200, b"[" * 2000),
    )
    return _all(itertools.cycle(answers))


def lie_about_lengths() -> PartnerFault:
    """Answer every request with an impossible length, chunk, Link or Location."""
    lengths = (f"Content-Length: {2**70}", f"Content-Length: {10**12}", "Content-Length: -1")
    chunks = ("-1", f"{2**70:x}", "zz")
    answers = [Raw(f"HTTP/1.1 200 OK\r\n{line}\r\n\r\n{{}}".encode()) for line in lengths]
    answers += [
        Raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{{}}\r\n".encode())
        for size in chunks
    ]
    for url in ("http://[::1", f"http://127.0.0.1:{2**70}/x", "http://127.0.0.1:-1/x", "//"):
        answers.append(_http(302, b"", f"Location: {url}"))
        answers.append(_http(200, b"[]", f'Link: <{url}>; rel="next"', takes=True))
    return _all(itertools.cycle(answers))


def lose_answers() -> PartnerFault:
    """Of three pushes drop one, take one without an answer, and answer one."""
    return _pushes_only(itertools.cycle((Raw(b""), Raw(b"", takes=True), None)))


def _page(status: int) -> Raw:
    return _http(status, b"<html><body>nginx</body></html>", "Content-Type: text/html")


def _http(status: int, body: bytes, *headers: str, takes: bool = False) -> Raw:
    kind = () if headers else ("Content-Type: application/json",)
    lines = [f"HTTP/1.1 {status} x", *kind, *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return Raw("\r\n".join([*lines, "", ""]).encode() + body, takes=takes)


def _all(answers: Iterator[Raw | None]) -> PartnerFault:
    return lambda received: next(answers)


def _pushes_only(answers: Iterator[Raw | None]) -> PartnerFault:
    def decide(received: Received) -> Raw | None:
        return None if received.segments[:1] in [(name,) for name in CONFIGURATION] else next(answers)

    return decide
