"""Description of the field that a validation error is about.

Source: OCPI 2.2.1 types; pydantic's error locations
"""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from chalicelib.protocol.types import OcpiObject, Shape

Path = tuple[str | int, ...]
"""The steps from a document to a value: names of fields and places in lists."""


class Field(NamedTuple):
    """A field of a class of OCPI, or an item of a field that is a list.

    owner: the name of the class that has the field. type: a class, or `list`. is_item: an item of the list.
    """

    owner: str
    name: str
    type: Any
    shape: Shape | None
    is_required: bool
    is_item: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The names of class and field."""
        return self.owner, self.name

    @property
    def is_list(self) -> bool:
        """Tell whether its value is a list."""
        return self.type is list

    @property
    def is_object(self) -> bool:
        """Tell whether its value is an object of OCPI."""
        return isinstance(self.type, type) and issubclass(self.type, BaseModel)


def fields_along(model: type[OcpiObject], path: Sequence[str | int]) -> list[Field]:
    """The field at each step of a path; shorter than the path where the class does not know a step."""
    found: list[Field] = []
    owner: Any = model
    item: Any = None
    for step in path:
        if isinstance(step, int):
            if item is None or not found:
                break
            field = _describe(found[-1].owner, found[-1].name, item, (), True, is_item=True)
            item = _item_of(item)
        else:
            info = owner.model_fields.get(step) if _is_model(owner) else None
            if info is None:
                break
            field = _field_of(owner.__name__, step, info)
            item = _item_of(info.annotation)
        found.append(field)
        owner = field.type
    return found


def _field_of(owner: str, name: str, info: FieldInfo) -> Field:
    return _describe(owner, name, info.annotation, info.metadata, info.is_required())


def _describe(
    owner: str, name: str, annotation: Any, metadata: Sequence[Any], is_required: bool, is_item: bool = False
) -> Field:
    kind, inner = _unwrap(annotation)
    shape = next((each for each in (*metadata, *inner) if isinstance(each, Shape)), None)
    return Field(owner, name, get_origin(kind) or kind, shape, is_required, is_item)


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """The type inside Annotated and Optional, and the metadata on the way; the first one of a union."""
    metadata: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            metadata += more
        elif origin in (Union, UnionType):
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        else:
            return annotation, metadata


def _item_of(annotation: Any) -> Any:
    """The annotation of a list's items, None for what is no list."""
    kind, _ = _unwrap(annotation)
    return get_args(kind)[0] if get_origin(kind) is list else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
