"""Tests of the Authorization header.

Source: OCPI 2.2.1 transport_and_format, Authorization header; TRN-03 … TRN-07, TRP-01, TRP-02
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Unauthorized
from chalicelib.protocol.auth import is_credentials_token, read_authorization, write_authorization

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


def test_a_token_is_sent_as_padded_base64_of_exactly_its_bytes() -> None:
    """TRN-03"""
    assert write_authorization("example-token") == "Token ZXhhbXBsZS10b2tlbg=="


@given(tokens)
def test_a_token_is_read_back_in_both_encodings(token: str) -> None:
    """TRN-04, TRN-05"""
    assert ("base64", token) in read_authorization(write_authorization(token))
    assert ("raw", token) in read_authorization(write_authorization(token, "raw"))


def test_the_trailing_line_feed_of_the_specification_s_examples_is_tolerated() -> None:
    """TRP-01"""
    assert read_authorization("Token ZXhhbXBsZS10b2tlbgo=")[0] == ("base64", "example-token")


def test_the_scheme_is_read_in_any_case() -> None:
    assert read_authorization("token " + base64.b64encode(b"abc").decode())[0] == ("base64", "abc")


def test_base64_without_its_padding_and_bearer_are_loose_readings() -> None:
    """TRN-05"""
    assert read_authorization("Token ZXhhbXBsZS10b2tlbg") == [
        ("raw", "ZXhhbXBsZS10b2tlbg"),
        ("loose", "example-token"),
    ]
    assert read_authorization("Bearer ZXhhbXBsZS10b2tlbg==") == [
        ("loose", "example-token"),
        ("loose", "ZXhhbXBsZS10b2tlbg=="),
    ]


@pytest.mark.parametrize(
    "value", [None, "", "Token", "Token ", "Bearer", "Basic YTpi", "abc", "Token a b c", "Token é"]
)
def test_a_header_without_a_token_is_a_401(value: str | None) -> None:
    """TRN-06, TRN-07"""
    with pytest.raises(Unauthorized) as caught:
        read_authorization(value)

    assert caught.value.http_status == 401


@pytest.mark.parametrize(
    ("token", "good"),
    [("a", True), ("~" * 64, True), ("", False), ("a" * 65, False), ("a b", False), ("é", False)],
)
def test_a_credentials_token_is_printable_ascii_without_spaces(token: str, good: bool) -> None:
    """CRD-23"""
    assert is_credentials_token(token) is good


def test_a_raw_token_that_is_also_base64_gives_both_readings() -> None:
    """TRP-02: only the look-up of the token decides between them."""
    token = base64.b64encode(b"abcdef").decode()

    assert read_authorization(f"Token {token}") == [("base64", "abcdef"), ("raw", token)]


@pytest.mark.parametrize("decoded", [b"two words", b"\x00\x01\x02", b"abc\n\n", "é".encode(), b"\xff"])
def test_base64_of_an_invalid_token_gives_only_the_raw_reading(decoded: bytes) -> None:
    """TRP-02, CRD-23"""
    text = base64.b64encode(decoded).decode()

    assert read_authorization(f"Token {text}") == [("raw", text)]


def test_base64_of_a_token_that_is_too_long_is_refused() -> None:
    """CRD-23: the raw reading is even longer."""
    with pytest.raises(Unauthorized):
        read_authorization("Token " + base64.b64encode(b"x" * 65).decode())


def test_base64_with_characters_of_another_alphabet_is_a_raw_token() -> None:
    """A lenient decoder would ignore the dashes and find another token."""
    assert read_authorization("Token YWJj-ZGVm-") == [("raw", "YWJj-ZGVm-")]
