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

from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.storage.items import LARGEST_ITEM

_LARGEST_CDR = LARGEST_ITEM - 8 * 1024
"""Most bytes of a CDR with its price explanation; the other 8 KB are for the item's other attributes."""


def fits(cdr: Document, packed: str = "") -> bool:
    """Return whether a CDR can be stored. packed: its price explanation, if it has one."""
    return len(write_json(cdr).encode()) + len(packed) <= _LARGEST_CDR


def pack_beside(cdr: Document, why: Document) -> str:
    """Pack the price explanation of a CDR; without its lines for periods if both would be too large."""
    packed = pack_reasons(why)
    if fits(cdr, packed):
        return packed
    text = "the breakdown of the charging periods is left out: it is too large to be kept beside the CDR"
    warnings = [*why["warnings"], {"code": "breakdown_cut", "field": "", "message": text}]
    return pack_reasons({**why, "breakdown": {**why["breakdown"], "periods": []}, "warnings": warnings})


def pack_reasons(why: Mapping[str, Any]) -> str:
    """Compress a price explanation to text."""
    return b64encode(zlib.compress(write_json(why).encode())).decode()


def read_reasons(text: str) -> dict[str, Any]:
    """Read a price explanation that `pack_reasons` wrote."""
    why: dict[str, Any] = read_json(zlib.decompress(b64decode(text)))
    return why
