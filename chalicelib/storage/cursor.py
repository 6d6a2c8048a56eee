"""The opaque cursor in `Link` beside the offset: the position at which the next page begins.

It is a position between two objects, so it stays right when other objects are added or deleted. For a client
that changes the offset (PAG-13) or invents a cursor, the offset counts.

Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-06, PAG-13
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from chalicelib.errors import BadJson
from chalicelib.protocol.json_text import read_json, write_json

_SORT_KEY_LENGTH = len("2026-11-24T10:00:00.123000")


class Position(NamedTuple):
    """An object's place in a list: its number, or its `last_updated` and key; a page starts after it."""

    number: int = 0
    last_updated: str = ""
    pk: str = ""


class Cursor(NamedTuple):
    """The object after which the next page begins.

    offset: OCPI's offset at that point. list_index: index in the viewer's lists. total: only set if
    counting it again for every page would cost too many calls (`lists.py`).
    """

    offset: int
    list_index: int
    position: Position
    total: int | None = None

    def encode(self) -> str:
        """Write the cursor as text for a URL.

        >>> Cursor.decode(Cursor(50, 0, Position(number=49)).encode())
        Cursor(offset=50, list_index=0, position=Position(number=49, last_updated='', pk=''), total=None)
        """
        text = write_json([self.offset, self.list_index, *self.position, self.total])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor | None:
        """Read a cursor; None if it is not one of ours.

        >>> Cursor.decode("xyz")
        """
        try:
            parts = read_json(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        except (binascii.Error, ValueError, BadJson):
            return None
        return cls._checked(parts)

    @classmethod
    def _checked(cls, parts: object) -> Cursor | None:
        if not isinstance(parts, list) or [type(part) for part in parts[:5]] != [int, int, int, str, str]:
            return None
        offset, list_index, number, last_updated, pk, *rest = parts
        if len(rest) != 1 or not (rest[0] is None or type(rest[0]) is int and rest[0] >= 0):
            return None
        if (
            min(offset, list_index) < 0
            or not -1 <= number < 2**53
            or not (last_updated + pk).isascii()
            or len(last_updated) > _SORT_KEY_LENGTH
            or len(pk) > 1024
        ):
            return None
        return cls(offset, list_index, Position(number, last_updated, pk), rest[0])
