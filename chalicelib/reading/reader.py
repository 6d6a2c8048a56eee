"""Reading of partners' documents: lenient in, canonical out.

A document is checked against its strict model. A valid one is returned as it is, at no further cost. For
each error of an invalid one, the part that it names is repaired, set aside, or the reason to refuse the
document. This is repeated until the document is valid, because a repair can uncover the next error.

Source: docs/interop.md; TYP-03, TYP-15, TRP-22
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import OcpiObject, problem_of, validation_errors
from chalicelib.reading.combinations import Combined, repair_combination
from chalicelib.reading.fields import Field, Path, fields_along
from chalicelib.reading.findings import MISSING, Finding, Outcome, without_values
from chalicelib.reading.missing import ALSO_WHEN_UNREADABLE, Context, fill_missing
from chalicelib.reading.parts import part_to_set_aside
from chalicelib.reading.patches import CHILD_IDS, is_valid_patch
from chalicelib.reading.repairs import Repair, is_cut, repair_value

_ROUNDS = 12
"""Repairs uncover errors at most this often; documents of partners need three rounds."""

MOST_ERRORS = 5000
"""A document with more errors is refused, because mending it would take seconds of CPU."""

_MOST_IN_ALL_ROUNDS = 2 * MOST_ERRORS

_MISSING: Any = object()
_SHOWN = 100
"""Errors of a refused document that its findings name."""

_MOST_HOLLOW = 50
"""An object with more fields is not searched for one that says something; no class of OCPI has as many."""


@dataclass(frozen=True)
class Reading:
    """The result of reading a document.

    document: the canonical document; the one that was given if it is valid. findings: its deviations. aside:
    what was left out, as it came, by dotted path. error: the reason to refuse it, None if it can be used.
    """

    document: Any
    findings: tuple[Finding, ...] = ()
    aside: Mapping[str, Any] = field(default_factory=dict)
    error: InvalidParameters | None = None


class _Error(NamedTuple):
    """An error of the strict model at a path. text: for people."""

    path: Path
    text: str
    raw: Any


def read_document(
    model: type[OcpiObject], document: object, context: Context | None = None, *, is_patch: bool = False
) -> Reading:
    """Read a document of a partner: repair it, or say why it is refused.

    is_patch: fields may be missing, and children that are merged by their ids may be partial.
    """
    if is_patch and is_valid_patch(model, document):
        return Reading(document)
    errors = _errors(model, document, is_patch)
    if not errors:
        return Reading(document)
    if isinstance(document, list) and len(document) == 1:
        inner = read_document(model, document[0], context, is_patch=is_patch)
        return Reading(inner.document, (LIST_OF_ONE, *inner.findings), inner.aside, inner.error)
    work, handled = _Work(model, deepcopy(document), context or Context()), 0
    for _ in range(_ROUNDS):
        handled += len(errors)
        if len(errors) > MOST_ERRORS or handled > _MOST_IN_ALL_ROUNDS or not work.mend(errors):
            break
        errors = _errors(model, work.document, is_patch)
        if not errors:
            return Reading(work.document, tuple(work.findings), work.aside)
    return work.refused(errors)


LIST_OF_ONE = Finding(Outcome.REPAIRED, "body", "LIST_OF_ONE", "an object is expected, and came in a list")
"""The finding about a list of one object where the object itself is meant."""


def _errors(model: type[OcpiObject], document: object, is_patch: bool) -> list[_Error]:
    return [
        _Error(tuple(raw["loc"]), problem_of(raw)[1], raw)
        for raw in validation_errors(model, document)
        if not (is_patch and _is_left_out(raw))
    ]


def _is_left_out(raw: Any) -> bool:
    """Tell whether an error is about a field that a PATCH leaves out or removes."""
    *around, _ = raw["loc"] or ("",)
    is_absent = raw["type"] == "missing" or raw["input"] is None
    return is_absent and all(isinstance(step, int) or step in CHILD_IDS for step in around)


class _Work:
    """A document while it is mended."""

    def __init__(self, model: type[OcpiObject], document: Any, context: Context) -> None:
        self._model, self._context = model, context
        self.document = document
        self.findings: list[Finding] = []
        self.aside: dict[str, Any] = {}
        self._combined: set[Path] = set()

    def mend(self, errors: Sequence[_Error]) -> bool:
        """Repair the parts that errors name; set parts aside if nothing is left to repair.

        Returns False if nothing could be done.
        """
        unreadable: dict[Path, _Error] = {}
        self._combined.clear()
        is_repaired = False
        for error in errors:
            fields = fields_along(self._model, error.path)
            if not fields:
                continue
            error = error._replace(path=error.path[: len(fields)])
            if (hollow := self._hollow_part(fields, error.path)) is not None:
                unreadable.setdefault(hollow, error)
            elif self._repair(fields[-1], error):
                is_repaired = True
            elif (part := self._part_to_remove(fields, error)) is not None:
                unreadable.setdefault(part, error)
        if is_repaired:
            return True
        for part in sorted(unreadable, key=_from_the_end, reverse=True):
            self._remove(part, unreadable[part])
        return bool(unreadable)

    def _hollow_part(self, fields: Sequence[Field], path: Path) -> Path | None:
        """The largest optional object around an error in which every field is null or empty, else None."""
        for length, described in enumerate(fields, 1):
            if not described.is_required and not described.is_list:
                value = _value_or_missing(self.document, path[:length])
                if isinstance(value, Mapping) and _is_hollow(value):
                    return path[:length]
        return None

    def _repair(self, described: Field, error: _Error) -> bool:
        try:
            value = _value_at(self.document, error.path)
        except (LookupError, TypeError):
            return False
        if any(error.path[:length] in self._combined for length in range(len(error.path))):
            return False
        combined = repair_combination(described, error.path, self.document)
        if combined is not None:
            self._combined.add(combined.at)
            return self._combine(combined, error)
        if _is_empty(value) and (described.is_item or not described.is_required):
            return False
        if value is _MISSING or (described.is_required and (value is None or _is_empty(value))):
            return self._fill(described, error, value)
        repair = repair_value(described, value)
        if repair is None:
            return described.key in ALSO_WHEN_UNREADABLE and self._fill(described, error, value)
        self._replace(described, error, value, repair)
        return True

    def _replace(self, described: Field, error: _Error, value: Any, repair: Repair) -> None:
        _set(self.document, error.path, repair.value)
        outcome = Outcome.REPAIRED
        if is_cut(described, value):
            outcome = Outcome.SET_ASIDE
            self.aside[_dotted(error.path)] = value
        self._note(outcome, error, repair.kind, value, repair.value)

    def _combine(self, combined: Combined, error: _Error) -> bool:
        came = _value_at(self.document, combined.at)
        _set(self.document, combined.at, combined.value)
        if combined.removed is not None:
            self.aside[_dotted(combined.at)] = came
        outcome = Outcome.REPAIRED if combined.removed is None else Outcome.SET_ASIDE
        self._note(outcome, error, combined.kind, combined.removed, combined.value)
        return True

    def _fill(self, described: Field, error: _Error, value: Any) -> bool:
        filled = fill_missing(described, error.path, self.document, self._context)
        if filled is None or filled == value:
            return False
        _set(self.document, error.path, filled)
        is_unreadable = value is not _MISSING and value is not None and not _is_empty(value)
        if is_unreadable:
            self.aside[_dotted(error.path)] = value
        outcome, kind = (Outcome.SET_ASIDE, "UNREADABLE") if is_unreadable else (Outcome.REPAIRED, MISSING)
        self._note(outcome, error, kind, None if value is _MISSING else value, filled)
        return True

    def _part_to_remove(self, fields: list[Field], error: _Error) -> Path | None:
        """The part to leave out for an error, None if the document has to be refused."""
        path, described = error.path, fields[-1]
        value = _value_or_missing(self.document, path)
        is_absent = value is _MISSING or value is None
        if _is_empty(value) and (described.is_item or not described.is_required):
            return path
        if is_absent and not described.is_item:
            fields, path = fields[:-1], path[:-1]
        return part_to_set_aside(fields, path)

    def _remove(self, part: Path, error: _Error) -> None:
        value = _value_or_missing(self.document, part)
        if value is _MISSING:
            return
        around = _value_at(self.document, part[:-1])
        del around[part[-1]]
        if around == [] and not self._field_at(part[:-1]).is_required:
            self._remove_empty(part[:-1])
        if _is_empty(value) or _is_hollow(value):
            self._note(Outcome.REPAIRED, error, "EMPTY", value)
            return
        self.aside[_dotted(part)] = value
        self._note(Outcome.SET_ASIDE, error, "UNREADABLE", _value_or(value, part, error.path))

    def _field_at(self, path: Path) -> Field:
        return fields_along(self._model, path)[-1]

    def _remove_empty(self, part: Path) -> None:
        """Remove an optional list of which every item was set aside."""
        del _value_at(self.document, part[:-1])[part[-1]]

    def _note(self, outcome: Outcome, error: _Error, kind: str, value: Any, became: Any = None) -> None:
        reason = without_values(error.text)
        # A list or object that a repair made may be mended further.
        made = deepcopy(became) if isinstance(became, list | Mapping) else became
        self.findings.append(Finding(outcome, _dotted(error.path), kind, reason, value, made))

    def refused(self, errors: Sequence[_Error]) -> Reading:
        """The reading of a document that cannot be used: its error names the fields that remain wrong."""
        errors = errors[:_SHOWN]
        problems = tuple(problem_of(error.raw) for error in errors)
        findings = [
            Finding(Outcome.REFUSED, at, _kind_of(error), without_values(text), _value_shown(error))
            for (at, text), error in zip(problems, errors, strict=True)
        ]
        refusal = InvalidParameters(problems[0][1], field=problems[0][0], errors=problems)
        return Reading(None, (*self.findings, *findings), self.aside, refusal)


def _value_at(document: Any, path: Path) -> Any:
    for step in path[:-1]:
        document = document[step]
    if not path:
        return document
    if isinstance(document, Mapping):
        return document.get(path[-1], _MISSING)
    return document[path[-1]]


def _value_or_missing(document: Any, path: Path) -> Any:
    try:
        return _value_at(document, path)
    except (LookupError, TypeError):
        return _MISSING


def _value_or(value: Any, part: Path, path: Path) -> Any:
    """The value at a path inside a removed part; the part itself if there is none."""
    inside = _value_or_missing(value, path[len(part) :])
    return None if inside is _MISSING else inside


def _set(document: Any, path: Path, value: Any) -> None:
    _value_at(document, path[:-1])[path[-1]] = value


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _is_hollow(value: Any) -> bool:
    """Tell whether a value says nothing: null, blank, or an object of such values."""
    if isinstance(value, Mapping):
        return len(value) <= _MOST_HOLLOW and all(_is_hollow(inner) for inner in value.values())
    return value is None or _is_empty(value)


def _kind_of(error: _Error) -> str:
    return MISSING if error.raw["type"] == "missing" else "UNREADABLE"


def _value_shown(error: _Error) -> Any:
    return None if error.raw["type"] == "missing" else error.raw["input"]


def _from_the_end(path: Path) -> tuple[tuple[int, str], ...]:
    """Sort key of paths: places in a list by number, so that later items can be removed first."""
    return tuple((step, "") if isinstance(step, int) else (-1, step) for step in path)


def _dotted(path: Path) -> str:
    return ".".join(str(step) for step in path) or "body"
