"""OCPI 2.2.1: the canonical version, so documents stay as they are."""

from __future__ import annotations

from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import Converted, Fields

NUMBER = "2.2.1"


def up(kind: Kind, document: Fields) -> dict[str, object]:
    """Return the document unchanged."""
    return dict(document)


def down(kind: Kind, document: Fields) -> Converted:
    """Return the document unchanged, without losses."""
    return Converted(dict(document))
