"""OCPI 2.2.1: the canonical version, so documents stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """Return the document unchanged."""
    return dict(document)


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Return the document unchanged, without losses."""
    return Converted(dict(document))
