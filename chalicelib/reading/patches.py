"""A quick check of a PATCH: the fields that it has, each by itself.

The whole model finds an error for each field that a PATCH leaves out, and making these errors costs more than
the check. So a PATCH whose fields are valid by themselves is valid, and any other is checked by the whole
model (`reader.py`).

Source: OCPI 2.2.1 transport_and_format, PATCH; TRN-24
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from chalicelib.protocol.types import LENIENT, OcpiObject, fold

CHILD_IDS = {"evses": "uid", "connectors": "id"}
"""Lists that are merged by the ids of their items, which may be partial."""


def is_valid_patch(model: type[OcpiObject], patch: object) -> bool:
    """Tell whether each field of a PATCH is valid by itself; False where only the whole model can tell."""
    if not isinstance(patch, dict):
        return False
    checks = _checks(model)
    try:
        for name, value in patch.items():
            if value is None or name not in checks:
                continue
            check = checks[name] or _make_check(model, name)
            if not check(value):
                return False
    except ValidationError:
        return False
    return True


Check = Callable[[Any], bool]
"""Tells whether a field's value is valid by itself. Raises: ValidationError when it is not."""


@cache
def _checks(model: type[OcpiObject]) -> dict[str, Check | None]:
    """The check of each field of a class, None where it is not made yet: a function needs few of them."""
    return dict.fromkeys(model.model_fields)


def _make_check(model: type[OcpiObject], name: str) -> Check:
    """Make the check of a field. One with a rule about another field too is never valid by itself."""
    rules: Mapping[str, Any] = model.__pydantic_decorators__.field_validators
    check: Check
    if name in CHILD_IDS:
        check = partial(_are_valid, _model_of_items(model, name), CHILD_IDS[name])
    elif any(name in rule.info.fields for rule in rules.values()):
        check = _is_never_valid
    else:
        field = model.model_fields[name]
        annotated: Any = Annotated[field.annotation, None, *field.metadata]
        adapter: TypeAdapter[Any] = TypeAdapter(annotated)
        check = partial(_validate, adapter.validator.validate_python)
    _checks(model)[name] = check
    return check


def _validate(validate_python: Callable[..., Any], value: Any) -> bool:
    validate_python(value, strict=True, context=LENIENT)
    return True


def _is_never_valid(value: Any) -> bool:
    return False


def _are_valid(model: type[OcpiObject], id_name: str, children: Any) -> bool:
    if not isinstance(children, list) or not all(is_valid_patch(model, child) for child in children):
        return False
    ids = {fold(child[id_name]) for child in children if isinstance(child.get(id_name), str)}
    return 0 < len(children) == len(ids)


def _model_of_items(model: type[OcpiObject], name: str) -> type[OcpiObject]:
    """The class of a list's items, through Optional and Annotated."""
    annotation = model.model_fields[name].annotation
    while not (isinstance(annotation, type) and issubclass(annotation, OcpiObject)):
        annotation = get_args(annotation)[0]
    return annotation
