"""Shape: one deviation of a document from OCPI 2.2.1, and what the node reads in its place.

A shape changes fields of a valid document. The document that is stored must be the valid one again, except
for the fields that the shape names in `reads`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.protocol.json_text import Document


class _Gone:
    """Absence of a field."""

    def __repr__(self) -> str:
        return "GONE"


GONE: Any = _Gone()


@dataclass(frozen=True)
class Shape:
    """One deviation.

    odd: the deviation in words. sent: the odd values by dotted path, GONE for a field that is left out.
    reads: the canonical values by dotted path that differ from those of the valid document. refused: the
    field that the refusal names, "" where the document is taken.
    """

    odd: str
    sent: Mapping[str, Any]
    reads: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""

    def request(self, valid: Document) -> Document:
        """Return the odd document."""
        return changed(valid, self.sent)

    def canonical(self, valid: Document) -> Document:
        """Return the document that the node must store."""
        return changed(valid, self.reads)


def read_as(odd: str, sent: Mapping[str, Any], reads: Mapping[str, Any] | None = None) -> Shape:
    """Make a shape that is read; without `reads` as the valid document."""
    return Shape(odd, sent, reads or {})


def kept(odd: str, sent: Mapping[str, Any]) -> Shape:
    """Make a shape whose odd values are kept as they came."""
    return Shape(odd, sent, sent)


def aside(odd: str, sent: Mapping[str, Any], *paths: str) -> Shape:
    """Make a shape whose odd fields are left out. paths: what is left out, if not just these fields."""
    return Shape(odd, sent, dict.fromkeys(paths or sent, GONE))


def refused(odd: str, sent: Mapping[str, Any], at: str) -> Shape:
    """Make a shape that is refused. at: the field that the refusal names."""
    return Shape(odd, sent, refused=at)


def changed(document: Document, values: Mapping[str, Any]) -> Document:
    """Copy a document with other values.

    >>> changed({"a": [{"b": 1, "c": 2}]}, {"a.0.b": 3, "a.0.c": GONE})
    {'a': [{'b': 3}]}
    """
    copied = copy.deepcopy(document)
    # Last places of lists first, so that a place is still the one of the valid document.
    for path, value in sorted(values.items(), key=lambda item: item[0], reverse=True):
        *steps, last = path.split(".")
        parent: Any = copied
        for step in steps:
            parent = parent[int(step)] if isinstance(parent, list) else parent[step]
        place: Any = int(last) if isinstance(parent, list) else last
        if value is GONE:
            del parent[place]
        else:
            parent[place] = copy.deepcopy(value)
    return copied
