"""Price explanation of a CDR, compressed to be stored beside it.

The explanation has a line for each charging period, so it can be several times as long as the CDR. Both are
in one DynamoDB item of at most 400 KB. Without compression the CDR of a long session would not fit.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from chalicelib.protocol.json_text import read_json, write_json


def pack_reasons(why: Mapping[str, Any]) -> str:
    """Compress a price explanation to text."""
    return b64encode(zlib.compress(write_json(why).encode())).decode()


def read_reasons(text: str) -> dict[str, Any]:
    """Read a price explanation that `pack_reasons` wrote."""
    why: dict[str, Any] = read_json(zlib.decompress(b64decode(text)))
    return why
