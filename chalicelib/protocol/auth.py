"""The Authorization header: `Token`, one space, and the credentials token in Base64.

Partners with OCPI 2.1.1, and many with 2.2, send the token without Base64. Such a raw token may be valid
Base64 by chance, so both readings are candidates, and the look-up of the token decides (TRP-02). So do Base64
without its padding, and `Bearer` in place of `Token`. No reading makes a token easier to guess: each one must
be the whole token of a partner.

Source: OCPI 2.2.1 transport_and_format, Authorization header; TRN-02 … TRN-07
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal

from chalicelib.errors import Unauthorized

TokenEncoding = Literal["base64", "raw"]

TokenReading = Literal["base64", "raw", "loose"]
"""A way in which a header is read. loose: Base64 without its padding, or `Bearer` in place of `Token`."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")


def is_credentials_token(token: str) -> bool:
    """Return whether a text may be a credentials token: 1 to 64 printable ASCII characters (CRD-23)."""
    return bool(_TOKEN.fullmatch(token))


def write_authorization(token: str, encoding: TokenEncoding = "base64") -> str:
    """Return the header's value for a token.

    >>> write_authorization("example-token")
    'Token ZXhhbXBsZS10b2tlbg=='
    """
    return f"Token {token if encoding == 'raw' else base64.b64encode(token.encode()).decode()}"


def read_authorization(value: str | None) -> list[tuple[TokenReading, str]]:
    """Return the tokens that the header may mean, the Base64 reading first, and loose ones last.

    Raises: Unauthorized when it has none (TRN-06, TRN-07).
    """
    scheme, _, text = (value or "").partition(" ")
    text = text.strip()
    if scheme.lower() not in ("token", "bearer") or not text:
        raise Unauthorized
    readings: list[tuple[TokenReading, str | None]] = [("base64", _decode(text)), ("raw", text)]
    if readings[0][1] is None:
        readings.append(("loose", _decode(text + "=" * (-len(text) % 4))))
    if scheme.lower() == "bearer":
        readings = [("loose", token) for _, token in readings]
    candidates = [(name, token) for name, token in readings if token and is_credentials_token(token)]
    if not candidates:
        raise Unauthorized
    return candidates


def _decode(text: str) -> str | None:
    try:
        # Spec: the specification's examples encode a trailing line feed; strip it, never send it (TRP-01).
        return base64.b64decode(text, validate=True).decode("utf-8").removesuffix("\n")
    except (binascii.Error, ValueError):
        return None
