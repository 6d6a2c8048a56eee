"""Checks documents as if a partner had sent them: what is wrong, and what this node would make of it.

Nothing is stored, and no partner is asked. Not checked is who may send an object, and whether it is newer
than the stored one.

Source: docs/operator-api.md, Is this document right?
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.checking.kinds import MODELS, kind_named, recognise
from chalicelib.errors import InvalidParameters
from chalicelib.findings.examples import shorten
from chalicelib.protocol.json_text import check_depth
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.reading.bodies import read_json_around
from chalicelib.reading.findings import Finding, Outcome
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import read_document

_MOST_SHOWN = 100
"""Entries of each list of a result."""

_OF_ENVELOPES = ("status_code", "status_message", "timestamp")


def check_text(
    text: str | bytes, kind: str | None, now: datetime, party: str | None = None
) -> dict[str, Any]:
    """Check a document, each one of a list, or those in an OCPI envelope.

    kind: name of the kind; None to recognise it. party: the owner in the URL that the documents are sent to,
    such as `PT*EDP`. Returns the answer of `POST /operator/check`.
    Raises: BadJson; InvalidParameters when the kind is unknown or cannot be recognised, or for the party.
    """
    body = read_json_around(text)
    check_depth(body.document)
    documents = _documents_in(body.document)
    if not documents:
        raise InvalidParameters("the list has no document to check", field="body")
    known = kind_named(kind) if kind else recognise(documents[0])
    context = Context(now=format_datetime(now), fills=_ids_of(party) if party else {})
    results = [_check(document, known, context) for document in documents]
    return {
        "documents": len(results),
        "valid": sum(not result["strict"] for result in results),
        "refused": sum(bool(result["refused"]) for result in results),
        "body": _show(body.findings),
        "results": results,
    }


def _ids_of(party: str) -> dict[str, str]:
    """The ids that a URL with this party gives to objects without them."""
    match = re.fullmatch(r"([A-Za-z]{2})[*/]([A-Za-z0-9]{3})", party)
    if match is None:
        raise InvalidParameters("expected a country_code and a party_id, such as PT*EDP", field="party")
    return {"country_code": match[1].upper(), "party_id": match[2].upper()}


def _documents_in(document: Any) -> list[Any]:
    if isinstance(document, dict) and "data" in document and any(name in document for name in _OF_ENVELOPES):
        document = document["data"]
    return document if isinstance(document, list) else [document]


def _check(document: Any, kind: Kind, context: Context) -> dict[str, Any]:
    """Check one document, strictly and leniently."""
    model = MODELS[kind]
    reading = read_document(model, document, context)
    findings: dict[Outcome, list[Finding]] = {outcome: [] for outcome in Outcome}
    for finding in reading.findings:
        findings[finding.outcome].append(finding)
    return {
        "kind": kind.value,
        "id": _id_of(document),
        "strict": _strict_errors(kind, document),
        "repaired": _show(findings[Outcome.REPAIRED]),
        "set_aside": _show(findings[Outcome.SET_ASIDE]),
        "refused": _show(findings[Outcome.REFUSED]),
        "canonical": None if reading.error else reading.document,
    }


def _strict_errors(kind: Kind, document: Any) -> list[dict[str, str]]:
    try:
        validate(MODELS[kind], document)
    except InvalidParameters as error:
        return [{"field": field, "reason": reason} for field, reason in error.errors[:_MOST_SHOWN]]
    return []


def _show(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "field": each.at,
            "kind": each.kind,
            "reason": each.reason,
            "value": _brief(each.value),
            "becomes": _brief(each.became),
        }
        for each in findings[:_MOST_SHOWN]
    ]


def _brief(value: object) -> object:
    """A value as it is if it is short: a number stays a number, an object becomes a short text."""
    return value if value is None or isinstance(value, bool | int | Decimal) else shorten(value)


def _id_of(document: Any) -> str | None:
    """The id of an object, None if it has none that can be shown."""
    names = ("id", "uid", "session_id", "reservation_id")
    found = (document.get(name) for name in names) if isinstance(document, dict) else ()
    return next((shorten(value) for value in found if value is not None), None)
