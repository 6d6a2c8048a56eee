"""Examples of findings: a partner's value as a short text that identifies no driver and opens nothing.

What is about a driver keeps its form: each letter becomes `A` or `a`, each digit `9`. An engineer still sees
that an id is too long or has a space in it. Credentials tokens and URLs that results are posted to are not
shown at all.

Source: docs/interop.md, Findings; docs/retention.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from chalicelib.protocol.json_text import write_json
from chalicelib.reading.findings import Finding

LONGEST = 80
"""Characters of an example."""

_HIDDEN = "…"
_ENTRIES = 4
_LEVELS = 3

_WITHOUT_DRIVERS = frozenset({"", "locations", "tariffs", "versions", "credentials"})
"""Modules whose objects are about no driver; "" for a value whose module does not matter."""

_OF_DRIVERS = frozenset(
    {
        *(
            "auth_id",
            "authorization_reference",
            "cdr_token",
            "contract_id",
            "driver_id",
            "group_id",
            "id_tag",
        ),
        *("license_plate", "remark", "signed_data", "signed_values", "token", "token_uid", "uid"),
        "visual_number",
    }
)
"""Fields of the other modules that are about a driver, with all that is in them."""

_WHOLE = frozenset({"", "*", "body"})
"""Steps of a path that name no field: the whole document, and a place in a list."""

_OF_NOBODY = frozenset(
    {
        *("country_code", "default_profile_type", "language", "last_updated", "party_id", "type", "valid"),
        "whitelist",
    }
)
"""Fields in an object about a driver that identify nobody."""


def example_of(module: str, finding: Finding) -> str:
    """The value of a finding as a text of at most 80 characters; "" where the field was missing.

    >>> from chalicelib.reading.findings import Outcome
    >>> example_of("sessions", Finding(Outcome.REPAIRED, "cdr_token.uid", "SPACE", "", "04A2 b7"))
    '99A9 a9'
    >>> example_of("locations", Finding(Outcome.REPAIRED, "evses.0.status", "CASE", "", "available"))
    'available'
    """
    if finding.value is None:
        return ""
    return _text_of(_show(module, finding.field.split("."), finding.value))


def shorten(value: object) -> str:
    """A value as a text of at most 80 characters, with nothing masked; "" for None."""
    return "" if value is None else _text_of(_show("", [""], value))


def _text_of(shown: object) -> str:
    return shown if isinstance(shown, str) else write_json(shown)[:LONGEST]


def _show(module: str, path: Sequence[str], value: object, level: int = 0) -> object:
    """A value with its drivers' data masked, cut to a few entries of each object and list."""
    if path[-1] == "response_url" or (path[-1] == "token" and isinstance(value, str)):
        return _HIDDEN
    if isinstance(value, Mapping | list):
        if level == _LEVELS:
            return _HIDDEN
        if isinstance(value, list):
            return [_show(module, [*path, "*"], each, level + 1) for each in value[:_ENTRIES]]
        entries = islice(value.items(), _ENTRIES)
        return {printable(key): _show(module, [*path, key], each, level + 1) for key, each in entries}
    if value is None or isinstance(value, bool):
        return value if level else str(value).lower()
    text = printable(str(value))
    return _form_of(text) if _is_of_driver(module, path, level) else text


def _is_of_driver(module: str, path: Sequence[str], level: int) -> bool:
    """Tell whether a value is about a driver, by its module and path. level: its depth in the example."""
    if module in _WITHOUT_DRIVERS:
        return False
    names = [name for name in path if name not in _WHOLE]
    if names and names[-1] in _OF_NOBODY:
        return False
    # A part of a larger example may be a field that OCPI does not know.
    return bool(level) or module == "tokens" or not names or not _OF_DRIVERS.isdisjoint(names)


def _form_of(text: str) -> str:
    text = re.sub(r"[^\W\d_]", lambda letter: "a" if letter[0].islower() else "A", text)
    return re.sub(r"\d", "9", text)


def printable(text: str, longest: int = LONGEST) -> str:
    """The beginning of a text, with a space for each character that cannot be shown or sent."""
    return "".join(each if each.isprintable() else " " for each in text[:longest])
