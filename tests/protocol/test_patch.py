"""Tests of PATCH. Source: OCPI 2.2.1 transport_and_format, PATCH; RFC 7396, appendix A; TRN-24"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.patch import merge_patch, replace_fields


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_patch_changes_only_its_fields_and_null_removes_one(
    target: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge_patch(target, patch) == expected


def test_a_patch_does_not_change_the_original() -> None:
    target = {"a": {"b": 1}}

    merge_patch(target, {"a": {"b": 2}})

    assert target == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"a": 2}, {"a": 2, "cost": {"excl_vat": 1, "incl_vat": 2}}),
        ({"a": None}, {"cost": {"excl_vat": 1, "incl_vat": 2}}),
        ({"cost": {"excl_vat": 5}}, {"a": 1, "cost": {"excl_vat": 5}}),
        ({"cost": None}, {"a": 1}),
        ({"new": {"b": None}}, {"a": 1, "cost": {"excl_vat": 1, "incl_vat": 2}, "new": {"b": None}}),
    ],
)
def test_a_partner_s_patch_replaces_each_field_as_a_whole(
    patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    target = {"a": 1, "cost": {"excl_vat": 1, "incl_vat": 2}}

    assert replace_fields(target, patch) == expected
    assert target == {"a": 1, "cost": {"excl_vat": 1, "incl_vat": 2}}
