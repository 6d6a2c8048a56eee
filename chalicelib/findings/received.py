"""Reading of a document that a partner sent, with a report of its deviations.

All documents of partners are read here: bodies of requests, objects of lists, and data in answers to our
calls. A valid document costs one validation, as before.

Source: docs/interop.md; TYP-03, TYP-15, TRP-22
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import InvalidParameters
from chalicelib.findings.reporting import report
from chalicelib.protocol.json_text import Document, write_json
from chalicelib.protocol.types import OcpiObject, format_datetime, validate
from chalicelib.reading.findings import MISSING, Finding, Outcome, refusals
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import Reading, read_document

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.keys import Ref


MOST_ASIDE = 16 * 1024
"""Bytes of what was set aside that are kept beside an object; its item may have 400 KB with the object."""

_NAMED = 5
"""Deviations that the answer names; the operator sees all of them."""


class Received(NamedTuple):
    """A document that can be used.

    aside: JSON text of what was set aside, by dotted path; "" for nothing.
    """

    document: Document
    aside: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def filled(self) -> list[str]:
        """The dotted paths of the fields that were missing and filled in."""
        return [each.at for each in self.findings if each.kind == MISSING]

    @property
    def remark(self) -> str | None:
        """A text for `status_message` about what was repaired or set aside, None for nothing."""
        if not self.findings:
            return None
        texts = ["not as OCPI has it"]
        for words, outcome in (("repaired", Outcome.REPAIRED), ("left out", Outcome.SET_ASIDE)):
            if names := _names_of(each for each in self.findings if each.outcome is outcome):
                texts.append(f"{words}: {names}")
        return "; ".join(texts)


def _names_of(findings: Iterable[Finding]) -> str:
    """Field and kind of the first findings; "" for none."""
    names = list(dict.fromkeys(f"{each.field} ({each.kind})" for each in findings))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def join_remarks(*remarks: str | None) -> str | None:
    """Join remarks for one `status_message`, None for none."""
    return "; ".join(each for each in remarks if each) or None


class Source(NamedTuple):
    """The origin of a document. ref: the object that it is about, None where it is not known."""

    partner: Partner
    module: str
    ref: Ref | None = None


def read_received(
    node: Node,
    source: Source,
    model: type[OcpiObject],
    document: Any,
    fills: Mapping[str, Any] | None = None,
    *,
    at: str = "",
) -> Received:
    """Read a whole object of a partner: repaired, and canonical.

    fills: values of missing fields (`reading/missing.py`). at: as in `validate`.
    Raises: InvalidParameters when it cannot be read, or for each deviation if the partner is set to strict.
    """
    try:
        validate(model, document, at)
        return Received(document)
    except InvalidParameters as error:
        if source.partner.strict:
            _report_refusal(node, source, error)
            raise
    context = Context(format_datetime(node.clock()), fills or {})
    return _use(node, source, read_document(model, document, context), at)


def read_patch(node: Node, source: Source, model: type[OcpiObject], patch: Document) -> Received:
    """Read a PATCH of a partner: the fields that it has are repaired.

    Raises: as `read_received`; a strict partner's PATCH is returned as it is, and checked when it is merged.
    """
    if source.partner.strict:
        return Received(patch)
    context = Context(format_datetime(node.clock()))
    return _use(node, source, read_document(model, patch, context, is_patch=True))


def _use(node: Node, source: Source, reading: Reading, at: str = "") -> Received:
    """Report the findings of a document and return it.

    Raises: InvalidParameters when it cannot be read.
    """
    report(node, source.partner, source.module, reading.findings, source.ref)
    if reading.error is not None:
        raise _reported(reading.error, at)
    return Received(reading.document, _text_of(reading.aside), reading.findings)


def _text_of(aside: Mapping[str, Any]) -> str:
    """JSON text of the parts that were set aside, in their order; those that do not fit are left out."""
    kept, room = {}, MOST_ASIDE
    for path, value in aside.items():
        size = len(write_json({path: value}).encode())
        if size <= room:
            kept[path] = value
            room -= size
    return write_json(kept) if kept else ""


def _reported(error: InvalidParameters, at: str) -> InvalidParameters:
    """Return the error for the caller. at: path of the document inside what the partner sent."""
    errors = tuple((f"{at}.{field}" if at else field, text) for field, text in error.errors)
    located = InvalidParameters(error.detail, field=errors[0][0], errors=errors)
    located.is_reported = True
    return located


def _report_refusal(node: Node, source: Source, error: InvalidParameters) -> None:
    report(node, source.partner, source.module, refusals("STRICT", error.errors), source.ref)
    error.is_reported = True
