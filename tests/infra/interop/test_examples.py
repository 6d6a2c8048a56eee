"""Examples from a program's JSON Schema."""

from __future__ import annotations

from typing import Any

from infra.interop.examples import make_example

EVSE = {
    "type": "object",
    "properties": {"uid": {"type": "string"}, "status": {"enum": ["UNKNOWN", "AVAILABLE"]}},
    "required": ["uid"],
}
LOCATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "publish": {"type": "boolean"},
        "name": {"type": "string", "examples": ["Their example"]},
        "evses": {"type": "array", "items": {"$ref": "#/$defs/Evse"}},
        "owner": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        "publish_allowed_to": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["id", "evses"],
    "$defs": {"Evse": EVSE},
}


def test_a_required_example_has_the_fields_that_the_program_requires() -> None:
    example = make_example(LOCATION, {"id": "L1"}, only_required=True)

    assert example == {"id": "L1", "evses": [{"uid": "E1"}]}


def test_a_whole_example_has_every_field_that_has_a_value() -> None:
    example = make_example(LOCATION, {"id": "L1"}, only_required=False)

    assert example == {
        "id": "L1",
        "publish": True,
        "name": "Their example",
        "evses": [{"uid": "E1", "status": "AVAILABLE"}],
        "owner": "x",
    }


def test_a_value_for_the_end_of_a_path_counts_before_one_for_a_name() -> None:
    example = make_example(LOCATION, {"id": "L1", "uid": "U9", "evses.uid": "E9"}, only_required=True)

    assert example["evses"] == [{"uid": "E9"}]
