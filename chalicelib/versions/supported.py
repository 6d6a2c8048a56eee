"""The OCPI versions that this node speaks, and the conversion of documents between them.

A version is a file of this folder and a line in `VERSIONS`. It is loaded when the first partner uses it.
A document is converted only when its partner's version is not the canonical one: stored text then goes into
an answer as it is.

Source: docs/design.md, Versions; VER-02
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, cast

from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Known, Version

CANONICAL = "2.2.1"
"""The version of stored objects."""

VERSIONS: dict[str, str] = {"2.2.1": "chalicelib.versions.v2_2_1", "2.2": "chalicelib.versions.v2_2"}
"""Each version's number and Python module, the preferred one first."""


def supported_numbers(offered: Collection[str] = ()) -> list[str]:
    """The numbers of all versions, the preferred one first. offered: only these, if there are any."""
    return [number for number in VERSIONS if not offered or number in offered]


def is_supported(number: str, offered: Collection[str] = ()) -> bool:
    """Tell whether this node speaks a version. offered: as in `supported_numbers`."""
    return number in supported_numbers(offered)


class Inexpressible(InvalidParameters):
    """Error for an object that a partner's version cannot express."""


def status_code_for(number: str, code: int) -> int:
    """The status code of an answer in a partner's version. number: "" for none."""
    return (
        code
        if number in ("", CANONICAL) or number not in VERSIONS
        else load_version(number).status_code(code)
    )


def load_version(number: str) -> Version:
    """The implementation of a version.

    Raises: KeyError for one that is not supported.
    """
    return _load(VERSIONS[number])


@cache
def _load(name: str) -> Version:
    return cast(Version, importlib.import_module(name))


def to_canonical(number: str | None, kind: Kind | None, data: Any, known: Known = NOTHING_KNOWN) -> Any:
    """Convert what a partner sent: an object, a list of objects, or JSON text of one.

    number: the partner's version. kind: None for data that is the same in all versions.
    Raises: InvalidParameters naming the field that cannot be converted.
    """
    if kind is None or number in (None, CANONICAL):
        return data
    return _convert(data, lambda document: load_version(str(number)).up(kind, document, known))


def from_canonical(number: str | None, kind: Kind | None, data: Any, known: Known = NOTHING_KNOWN) -> Any:
    """Convert what a partner is sent: an object, a list of objects, or JSON text of one.

    number: the partner's version. kind: None for data that is the same in all versions. Losses are logged.
    An object that the version has no words for is left out of a list.
    Raises: Inexpressible for a single one.
    """
    if kind is None or number in (None, CANONICAL):
        return data
    version = load_version(str(number))

    def down(document: Mapping[str, Any]) -> dict[str, Any]:
        converted = version.down(kind, document, known)
        if converted.held:
            raise Inexpressible(f"not sent, because OCPI {number} cannot express it: {converted.held}")
        if converted.losses:
            pointers = [loss.pointer for loss in converted.losses]
            log.info("fields left out for a partner's version", extra={"version": number, "fields": pointers})
        return converted.document

    return _convert(data, down)


def _convert(data: Any, convert: Any) -> Any:
    if isinstance(data, JsonText):
        return JsonText(write_json(_convert(read_json(str(data)), convert)))
    if isinstance(data, list):
        return [each for each in (_convert_or_none(one, convert) for one in data) if each is not None]
    return convert(data) if isinstance(data, Mapping) else data


def _convert_or_none(data: Any, convert: Any) -> Any:
    """Convert an object of a list; None for one that is not sent."""
    try:
        return _convert(data, convert)
    except Inexpressible as error:
        log.info("an object is left out of a list", extra={"reason": error.detail})
        return None
