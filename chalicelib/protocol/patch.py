"""PATCH as a JSON merge patch (RFC 7396), which OCPI describes but does not name.

Only the fields of the patch change, `null` removes a field, and `last_updated` is always required. The
module has to validate the patched object as a whole.

Source: OCPI 2.2.1 transport_and_format, PATCH; RFC 7396; TRN-24, LOC-07, SES-06, TOK-03
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import parse_datetime


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply `patch` to a copy of `target`.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge_patch(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def check_time(patch: Mapping[str, Any]) -> None:
    """Check that a PATCH has a valid `last_updated`.

    Raises: InvalidParameters when it has none (LOC-07, SES-06, TOK-03).
    """
    moment = patch.get("last_updated")
    if moment is None:
        raise InvalidParameters("required in a PATCH", field="last_updated")
    if not isinstance(moment, str):
        raise InvalidParameters("expected a DateTime", field="last_updated")
    try:
        parse_datetime(moment)
    except InvalidParameters as error:
        raise InvalidParameters(error.detail, field="last_updated") from error
