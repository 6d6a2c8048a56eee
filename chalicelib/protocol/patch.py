"""PATCH: changes the fields that it names; `null` removes one. The module validates the result as a whole.

A partner's PATCH replaces each field as a whole (`replace_fields`) and always needs a `last_updated`.

# Spec: "the fields to be updated" are those of the object in the URL. A nested object, such as `total_cost`
or `coordinates`, is one field: a merge inside it would mix parts of two values, and could never take a part
away. EVSEs and connectors are objects with ids, and merge by them (modules/locations/rules.py).

The operator's PATCH also changes single fields inside a nested object (`merge_patch`, RFC 7396).

Source: OCPI 2.2.1 transport_and_format, PATCH; TRN-24, LOC-07, LOC-08, SES-06, TOK-03
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import parse_datetime


def replace_fields(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `target` with the fields of `patch`, each as a whole.

    >>> replace_fields({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4}}
    """
    merged = {**target, **patch}
    for name, value in patch.items():
        if value is None:
            del merged[name]
    return merged


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `target` with the fields of `patch`, also inside nested objects (RFC 7396).

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
