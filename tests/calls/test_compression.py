"""Compressed answers, which nobody asked for: read within the limit of bytes."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.calls.compression import TooMuch, Undecodable, decompress
from chalicelib.calls.connections import MAX_ANSWER_BYTES
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, reply
from tests.calls.calling import make_client, put

CONTENT = b'{"status_code": 1000, "data": {"id": "T1"}}'
RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATE = RAW.compress(CONTENT) + RAW.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (CONTENT, ""),
        (CONTENT, "identity"),
        (CONTENT, "gzip"),
        (gzip.compress(CONTENT, mtime=0), "gzip"),
        (gzip.compress(CONTENT, mtime=0), "X-GZIP"),
        (gzip.compress(CONTENT, mtime=0), ""),
        (gzip.compress(CONTENT, mtime=0) + b"\0\0", "gzip"),
        (zlib.compress(CONTENT), "deflate"),
        (RAW_DEFLATE, "deflate"),
    ],
)
def test_a_compressed_body_is_read(body: bytes, encoding: str) -> None:
    assert decompress(body, encoding, 1000) == CONTENT


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"anything", "br"),
        (b"anything", "deflate"),
        (b"anything", "gzip"),
        (gzip.compress(CONTENT, mtime=0)[2:], "gzip"),
        (gzip.compress(CONTENT, mtime=0)[:-4], "gzip"),
        (gzip.compress(CONTENT, mtime=0) * 2, "gzip"),
        (b"\x1f\x8b" + b"x" * 20, "gzip"),
        (zlib.compress(CONTENT) + b"more", "deflate"),
    ],
    ids=[
        "unknown",
        "not deflated",
        "no gzip",
        "gzip without its begin",
        "cut off",
        "two members",
        "no member",
        "more after it",
    ],
)
def test_a_broken_body_and_an_unknown_encoding_are_undecodable(body: bytes, encoding: str) -> None:
    with pytest.raises(Undecodable):
        decompress(body, encoding, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_takes_no_more_memory_than_the_limit(encoding: str) -> None:
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(b" " * 200_000_000)

    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            decompress(bomb, encoding, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_is_compressed_unasked_is_read(
    server: AnsweringPartner, partner: Partner, encoding: str
) -> None:
    body = gzip.compress(CONTENT, mtime=0) if encoding == "gzip" else zlib.compress(CONTENT)
    server.answer = lambda handler, request: reply(handler, body, headers={"Content-Encoding": encoding})

    assert put(make_client(), partner).data == {"id": "T1"}
    assert server.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (gzip.compress(b" " * (MAX_ANSWER_BYTES + 1), mtime=0), "gzip", "more than"),
        (b"\x1b\x03\x00", "br", "Content-Encoding"),
    ],
)
def test_an_answer_that_is_too_large_or_unreadable_is_a_fault(
    server: AnsweringPartner, partner: Partner, body: bytes, encoding: str, reason: str
) -> None:
    server.answer = lambda handler, request: reply(handler, body, headers={"Content-Encoding": encoding})

    with pytest.raises(PartnerFault, match=reason):
        put(make_client(), partner)
