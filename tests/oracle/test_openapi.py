"""The OpenAPI documents notice what is wrong with a request or an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.protocol.json_text import write_json
from tests.oracle.data import needs_openapi
from tests.oracle.judging import judge
from tests.oracle.recorder import Recorded
from tests.reading.shapes import whole

pytestmark = needs_openapi

IDS = {
    "x-request-id": "1b671a64-40d5-491e-99b0-da01ff1f3341",
    "x-correlation-id": "1b671a64-40d5-491e-99b0-da01ff1f3342",
}
PUT = Recorded(
    "cpo", "2.2.1", "tariffs", "RECEIVER", "PUT", ("PT", "ABC", "T1"), IDS, write_json(whole.tariff())
)
LIST = Recorded("cpo", "2.2.1", "tariffs", "SENDER", "GET", (), IDS | {"x-total-count": "1", "x-limit": "1"})


def answer(*tariffs: dict[str, Any], **fields: object) -> Recorded:
    envelope = {"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z", "data": list(tariffs), **fields}
    return replace(LIST, body=write_json(envelope), status=200)


def sent(**fields: object) -> Recorded:
    return replace(PUT, body=write_json({**whole.tariff(), **fields}))


GOOD = {"request": PUT, "answer": answer(whole.tariff()), "empty list": answer()}


@pytest.mark.parametrize("document", GOOD.values(), ids=list(GOOD))
def test_a_good_document_is_judged_and_right(document: Recorded) -> None:
    assert judge([document]) == ({"2.2.1": 1}, [])


BAD = {
    "type of a field": (sent(currency=5), '5 is not of type "string"'),
    "length of a field": (sent(currency="EURO"), "longer than 3"),
    "value of an enum": (sent(type="CHEAP"), '"CHEAP" is not one of'),
    "inner field missing": (sent(elements=[{}]), '"price_components" is a required property'),
    "unknown field": (sent(colour="red"), "'colour' was unexpected"),
    "no date": (sent(last_updated="today"), 'is not a "date-time"'),
    "no body": (replace(PUT, body=""), "body: missing"),
    "value of a header": (replace(PUT, headers=IDS | {"x-request-id": "1"}), '"1" is not a "uuid"'),
    "role without the module": (replace(PUT, node="emsp"), "a emsp has no tariffs RECEIVER"),
    "no such method": (replace(PUT, method="PATCH"), "the documents have no PATCH of PT/ABC/T1"),
    "object of a list": (answer({**whole.tariff(), "currency": 5}), '5 is not of type "string"'),
    "list missing": (replace(LIST, body='{"status_code":1000}', status=200), "data: missing"),
    "no header of a request": (
        replace(PUT, headers={"x-request-id": IDS["x-request-id"]}),
        "header X-Correlation-ID: missing",
    ),
    "no header of a list": (
        replace(answer(), headers=IDS | {"x-limit": "1"}),
        "header X-Total-Count: missing",
    ),
    "HTTP status": (replace(answer(), status=418), "HTTP 418 is no answer to GET"),
    "envelope": (answer(status_code="1000"), '"1000" is not of type "integer"'),
}


@pytest.mark.parametrize(("document", "problem"), BAD.values(), ids=list(BAD))
def test_a_bad_document_is_wrong(document: Recorded, problem: str) -> None:
    verdict = judge([document])

    assert len(verdict.wrong) == 1, verdict
    assert problem in verdict.wrong[0]


def test_a_version_without_documents_is_not_judged() -> None:
    assert judge([replace(PUT, version="2.2")]) == ({}, [])
