"""The classes of ocpi-types: `from_dict` asserts each type, `to_dict` writes without what is None."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from ocpi_types import v2_2_1

from infra.interop.adapters.protocol import Model, main

CLASSES = {
    "locations": v2_2_1.Location,
    "tariffs": v2_2_1.Tariff,
    "sessions": v2_2_1.Session,
    "cdrs": v2_2_1.Cdr,
    "tokens": v2_2_1.Token,
    "START_SESSION": v2_2_1.StartSession,
    "RESERVE_NOW": v2_2_1.ReserveNow,
}
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "string"}


def _schema_of(kind: Any) -> dict[str, Any]:
    """Describe a class by its type hints, as JSON Schema."""
    choices = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is list:
        return {"type": "array", "items": _schema_of(choices[0])}
    if choices:
        return _schema_of(choices[0])
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if issubclass(kind, Enum):
        return {"enum": [value.value for value in kind]}
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "properties": {name: _schema_of(hint) for name, hint in hints.items()},
        "required": [name for name, hint in hints.items() if NoneType not in get_args(hint)],
    }


def model_of(kind: Any) -> Model:
    return Model(
        _schema_of(kind), lambda document: json.dumps(kind.from_dict(document).to_dict()), kind.from_dict
    )


if __name__ == "__main__":
    main({module: model_of(kind) for module, kind in CLASSES.items()})
