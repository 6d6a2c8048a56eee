"""A made-up OCPI version 9.9: as 2.2.1, but a tariff's `currency` is called `money`, and it has no `type`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known, Loss


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """Call the field `currency`."""
    if kind is not Kind.TARIFF:
        return dict(document)
    return {"currency" if name == "money" else name: value for name, value in document.items()}


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Call the field `money`, and leave `type` out."""
    if kind is not Kind.TARIFF:
        return Converted(dict(document))
    kept = {name: value for name, value in document.items() if name != "type"}
    losses = (Loss("/type", "9.9 has no type of a tariff"),) if "type" in document else ()
    return Converted({"money" if name == "currency" else name: value for name, value in kept.items()}, losses)


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code
