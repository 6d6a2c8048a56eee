"""EVSEs and connectors of a PUT that could not be read: the stored ones stay.

A PUT replaces a whole location or EVSE, and a child that it leaves out is removed. A child that it has, but
that could not be read and was set aside, is not left out: its owner still has it, and drivers may be charging
at it.

Source: docs/interop.md; LOC-04, LOC-09, TRN-23
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.modules.locations.rules import CHILD_ID
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import fold

_BELOW = {"evses": "connectors", "connectors": None}


def with_unread(kind: str, read: Document, sent: Mapping[str, Any], stored: Document | None) -> Document:
    """Return a location or EVSE with the stored children that it has, but that could not be read.

    kind: of the children, `evses` or `connectors`. sent: the location or EVSE as it came.
    """
    before = (stored or {}).get(kind) or []
    if not before:
        return read
    known, came = _by_id(kind, before), _by_id(kind, sent.get(kind))
    there = _by_id(kind, read.get(kind))
    children = [_with_children(kind, child, came.get(name), known.get(name)) for name, child in there.items()]
    children += [known[name] for name in came if name in known and name not in there]
    return {**read, kind: children} if children else read


def _with_children(kind: str, read: Document, sent: Any, stored: Document | None) -> Document:
    below = _BELOW[kind]
    return with_unread(below, read, sent, stored) if below and isinstance(sent, Mapping) else read


def _by_id(kind: str, children: Any) -> dict[str, Any]:
    """The children that have an id, by it; a single one may have come without a list."""
    listed: Sequence[Any] = [children] if isinstance(children, Mapping) else children or ()
    name = CHILD_ID[kind]
    if not isinstance(listed, list):
        return {}
    return {fold(str(one[name]).strip()): one for one in listed if isinstance(one, Mapping) and name in one}
