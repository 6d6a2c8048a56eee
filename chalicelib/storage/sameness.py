"""Comparison of an object with the stored one, so that a repeated push costs no write and tells nobody.

- *Identical*: nothing is written.
- *Same content*: only a `last_updated` differs, of the object or of a part of it. It is written, because
  lists with dates and the order of updates depend on it. The item keeps its version: delivery rows and the
  outbox compare versions, so no partner is told and none counts as behind (docs/decisions.md).

The EVSEs of a location are items of their own. Its header has two sums over them, so that a push of the whole
location is compared without reading them.

Source: OCPI 2.2.1 mod_locations, Object last_updated; LOC-14
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from chalicelib.protocol.json_text import read_json
from chalicelib.storage.table import Item

# In JSON text these characters are a member with this name: inside a string its quotes would be escaped.
_TIME = re.compile(r'"last_updated":"[^"\\]*"')
_NO_TIME = '"last_updated":""'
_MODULUS = 2**64


class Digest(NamedTuple):
    """Sums over the EVSEs of a location, in their order.

    content: without `last_updated` on any level. text: with it.
    """

    content: int = 0
    text: int = 0

    def plus(self, other: Digest) -> Digest:
        """Add EVSEs."""
        return Digest((self.content + other.content) % _MODULUS, (self.text + other.text) % _MODULUS)

    def minus(self, other: Digest) -> Digest:
        """Take EVSEs away."""
        return Digest((self.content - other.content) % _MODULUS, (self.text - other.text) % _MODULUS)


def digest_of(evses: Iterable[Item]) -> Digest:
    """Sum over items of EVSEs; the sort key of each has its place."""
    digest = Digest()
    for evse in evses:
        slot = evse["sk"].rpartition("#")[2]
        digest = digest.plus(Digest(_hash(slot + without_times(evse["body"])), _hash(slot + evse["body"])))
    return digest


def digest_in(header: Item) -> Digest | None:
    """The digest of a location's EVSEs from its header; None for an old header without it."""
    if header["n"] == 0:
        return Digest()
    return Digest(header["ed"], header["et"]) if "ed" in header else None


def digest_attributes(digest: Digest | None) -> Mapping[str, int]:
    """The attributes of a header for a digest."""
    return {"ed": digest.content, "et": digest.text} if digest is not None else {}


def without_times(body: str) -> str:
    """Return JSON text in which every `last_updated` is empty.

    >>> without_times('{"id":"1","last_updated":"2026-01-01T00:00:00Z"}')
    '{"id":"1","last_updated":""}'
    """
    return _TIME.sub(_NO_TIME, body)


def has_same_content(body: str, other: str) -> bool:
    """Return whether two JSON texts are equal but for `last_updated` and the order of fields.

    Numbers that are written with other digits are not equal.
    """
    if body == other:
        return True
    body, other = without_times(body), without_times(other)
    return body == other or (len(body) == len(other) and bool(read_json(body) == read_json(other)))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
