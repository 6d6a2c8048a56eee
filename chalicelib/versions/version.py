"""The interface of an OCPI version: conversion to and from the canonical form.

Objects are stored in the form of the canonical version, with fields that it does not know kept. A partner has
a version, an object has none. `up` makes a partner's document canonical, `down` makes a canonical document
one of the partner's version.

Source: docs/design.md, Versions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from chalicelib.protocol.kinds import Kind


class Loss(NamedTuple):
    """A part of a document that a version cannot express.

    pointer: JSON pointer into the canonical document, such as `/tariff_alt_url`.
    """

    pointer: str
    reason: str


class Converted(NamedTuple):
    """A document in the form of a version, and what was left out of it.

    held: the reason why it is not sent at all, "" if it is.
    """

    document: dict[str, Any]
    losses: tuple[Loss, ...] = ()
    held: str = ""


class Version(Protocol):
    """One OCPI version. A module with these functions implements it."""

    def up(self, kind: Kind, document: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a partner's document to the canonical form; one with some fields only, as in a PATCH, too.

        Raises: InvalidParameters naming the field that cannot be converted.
        """

    def status_code(self, code: int) -> int:
        """The status code of an answer for one of the canonical version."""

    def down(self, kind: Kind, document: Mapping[str, Any]) -> Converted:
        """Convert a canonical document to the form of this version."""
