"""Findings: deviations in documents of partners, and what the node did about each.

The node reads leniently and stores canonically: a deviation with one possible meaning is repaired, an
optional part that cannot be read is set aside, and a document is refused only where identity, ownership,
privacy, money or a command would have to be guessed.

Source: docs/interop.md; TYP-03, TYP-15, TRP-22
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MISSING = "MISSING"
"""Kind of a finding about a required field that was missing, and was filled in or refused."""


class Outcome(StrEnum):
    """The way in which a deviation was handled.

    REPAIRED: read in the one way that it can be meant. SET_ASIDE: left out of the object, and kept beside it
    as it came. REFUSED: the whole document was refused.
    """

    REPAIRED = "REPAIRED"
    SET_ASIDE = "SET_ASIDE"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class Finding:
    """One deviation in one document.

    at: dotted path of the field, with the places in lists, such as `evses.0.connectors.1.max_voltage`. kind:
    the kind of deviation as a constant, such as `NUMBER_AS_TEXT`. value: the value as it came, None where it
    was missing. reason: what is expected, or why it cannot be read; a text without the value. became: the
    value that a repair put there, None for none.
    """

    outcome: Outcome
    at: str
    kind: str
    reason: str
    value: object = None
    became: object = dataclasses.field(default=None, compare=False)

    @property
    def field(self) -> str:
        """The path with `*` for places in lists, so that equal deviations are counted together.

        >>> Finding(Outcome.REPAIRED, "evses.0.connectors.12.max_voltage", "NUMBER_AS_TEXT", "").field
        'evses.*.connectors.*.max_voltage'
        """
        return ".".join("*" if step.isdigit() else step for step in self.at.split("."))


def refusals(kind: str, errors: Iterable[tuple[str, str]]) -> list[Finding]:
    """The findings of a document that was refused. errors: field and text of each of its errors."""
    return [Finding(Outcome.REFUSED, field, kind, without_values(text)) for field, text in errors]


_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
"""A value as `repr` writes it: with a backslash before a quotation mark of its own kind."""


def without_values(text: str) -> str:
    """An error's text without the values that it quotes, because they may be a driver's data.

    >>> without_values("'012345' differs from '543210' in the URL")
    '… differs from … in the URL'
    """
    return _QUOTED.sub("…", text)
