"""Why a CDR costs what it costs, as it is kept beside it: compressed, since it says much twice.

A line for each charging period makes it several times as long as the CDR, and both are one item, which may
take 400 KB: a long session of short periods must not lose its CDR to the explanation of it.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from chalicelib.protocol.json_text import read_json, write_json


def pack_reasons(why: Mapping[str, Any]) -> str:
    """Write reasons as the short text that is stored."""
    return b64encode(zlib.compress(write_json(why).encode())).decode()


def read_reasons(text: str) -> dict[str, Any]:
    """Read what `pack_reasons` wrote."""
    why: dict[str, Any] = read_json(zlib.decompress(b64decode(text)))
    return why
