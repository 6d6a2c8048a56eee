"""The OCPI versions that this node speaks, and the conversion of documents between them.

A version is a file of this folder and a line in `VERSIONS`. It is loaded when the first partner uses it.
A document is converted only when its partner's version is not the canonical one: stored text then goes into
an answer as it is.

Source: docs/design.md, Versions; VER-02
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known, Loss, Traits, Version

CANONICAL = "2.2.1"
"""The version of stored objects."""

VERSIONS: dict[str, str] = {
    "2.3.0": "chalicelib.versions.v2_3_0",
    "2.2.1": "chalicelib.versions.v2_2_1",
    "2.2": "chalicelib.versions.v2_2",
    "2.1.1": "chalicelib.versions.v2_1_1.version",
}
"""Each version's number and Python module, the preferred one first."""

TRAITS: dict[str, Traits] = {
    "2.3.0": Traits(lists_clients=True, has_emaid=True),
    "2.1.1": Traits(
        has_roles=False,
        is_routed=False,
        needs_facts=True,
        patches_tariffs=True,
        has_publish=False,
        sends_raw_tokens=True,
        has_token_types=False,
        has_fractions=False,
        requires_time_zone=False,
        has_credit_cdrs=False,
    ),
}
"""Traits of versions that are not those of the canonical one; here, so that no version is loaded for them."""

_CANONICAL_TRAITS = Traits()


def traits_of(number: str | None) -> Traits:
    """The properties of a version, apart from its documents. number: None or "" for the canonical one."""
    if number in (None, "", CANONICAL):
        return _CANONICAL_TRAITS
    return TRAITS.get(str(number), _CANONICAL_TRAITS)


def supported_numbers(offered: Collection[str] = (), only: str = "") -> list[str]:
    """The numbers of all versions, the preferred one first.

    offered: only these, if there are any. only: this one of them, if it is among them.
    """
    numbers = [number for number in VERSIONS if not offered or number in offered]
    return [only] if only in numbers else numbers


def is_supported(number: str, offered: Collection[str] = ()) -> bool:
    """Tell whether this node speaks a version. offered: as in `supported_numbers`."""
    return number in supported_numbers(offered)


_MOST_LOGGED = 20


class Inexpressible(InvalidParameters):
    """Error for an object that a partner's version cannot express.

    until: the DateTime from which it may, "" where time alone changes nothing.
    """

    def __init__(self, message: str, until: str = "") -> None:
        super().__init__(message)
        self.until = until


class Expressed(NamedTuple):
    """Data in the form of a partner's version, and what that version cannot express of it.

    losses: of a list, their pointers begin with the place in the canonical list; one that names only a place
    is an object that was left out of the list.
    """

    data: Any
    losses: tuple[Loss, ...] = ()


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


_NOT_OF_2_2_1: dict[Kind, tuple[str, ...]] = {
    Kind.TARIFF: ('"tax_included"',),
    Kind.CDR: ('"tax_included"', '"EMAID"'),
    **dict.fromkeys(
        (Kind.SESSION, Kind.TOKEN, Kind.AUTHORIZATION_INFO, Kind.START_SESSION, Kind.RESERVE_NOW),
        ('"EMAID"',),
    ),
}
"""Marks of what may be stored, came with 2.3.0, and would mislead a partner of 2.2.1."""


def _is_sent_as_stored(number: str | None, kind: Kind | None, data: Any) -> bool:
    """Tell whether data needs no conversion: nearly all that a partner of the canonical version is sent."""
    if kind is None or number is None:
        return True
    return number == CANONICAL and (kind not in _NOT_OF_2_2_1 or not _has_one(_NOT_OF_2_2_1[kind], data))


def _has_one(marks: tuple[str, ...], data: Any) -> bool:
    if isinstance(data, list):
        return any(_has_one(marks, each) for each in data)
    return any(mark in data for mark in marks) if isinstance(data, str) else isinstance(data, Mapping)


def from_canonical(number: str | None, kind: Kind | None, data: Any, known: Known = NOTHING_KNOWN) -> Any:
    """Convert what a partner is sent, and log what its version cannot express: `express`."""
    data, losses = express(number, kind, data, known)
    if losses:
        log.info("fields left out for a partner's version", extra={"version": number, **loggable(losses)})
    return data


def loggable(losses: Sequence[Loss]) -> dict[str, Any]:
    """Fields of a log line about losses: their number, and the pointers of the first."""
    if not losses:
        return {}
    return {"left_out": len(losses), "fields": [loss.pointer for loss in losses[:_MOST_LOGGED]]}


def express(number: str | None, kind: Kind | None, data: Any, known: Known = NOTHING_KNOWN) -> Expressed:
    """Convert what a partner is sent: an object, a list of objects, or JSON text of one.

    number: the partner's version. kind: None for data that is the same in all versions. An object that the
    version has no words for is left out of a list.
    Raises: Inexpressible for a single one.
    """
    if kind is None or _is_sent_as_stored(number, kind, data):
        return Expressed(data)
    document = read_json(str(data)) if isinstance(data, JsonText) else data
    if isinstance(document, list):
        kept, losses = _express_list(number, kind, document, known)
        return Expressed(JsonText(write_json(kept)) if document is not data else kept, losses)
    if not isinstance(document, Mapping):
        return Expressed(data)
    converted = _expressible(str(number), kind, document, known)
    if document is data:
        return Expressed(converted.document, converted.losses)
    return Expressed(converted.text or JsonText(write_json(converted.document)), converted.losses)


def _expressible(number: str, kind: Kind, document: Mapping[str, Any], known: Known) -> Converted:
    """Convert an object. Raises: Inexpressible."""
    converted = load_version(number).down(kind, document, known)
    if converted.held or converted.whole_needed:
        reason = converted.held or "a PATCH of it means something else there, send the whole object by PUT"
        raise Inexpressible(
            f"not sent, because OCPI {number} cannot express it: {reason}", converted.held_until
        )
    return converted


def _express_list(number: str | None, kind: Kind, data: list[Any], known: Known) -> Expressed:
    kept: list[Any] = []
    losses: list[Loss] = []
    for place, each in enumerate(data):
        try:
            one = express(number, kind, each, known)
        except Inexpressible as error:
            losses.append(Loss(f"/{place}", error.detail))
            continue
        kept.append(one.data)
        losses += [Loss(f"/{place}{loss.pointer}", loss.reason) for loss in one.losses]
    return Expressed(kept, tuple(losses))


def _convert(data: Any, convert: Callable[[Mapping[str, Any]], Any]) -> Any:
    if isinstance(data, JsonText):
        return JsonText(write_json(_convert(read_json(str(data)), convert)))
    if isinstance(data, list):
        return [_convert(one, convert) for one in data]
    return convert(data) if isinstance(data, Mapping) else data
