"""RFC 9457 documents: the HTTP status of each error in the operator API, and the fields that it names."""

from __future__ import annotations

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.errors import (
    BadJson,
    ClientError,
    InvalidParameters,
    LocationNotFound,
    NotFound,
    ServerError,
    UnableToUseClientApi,
    WrongContentType,
)
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.operator_api.problems import Problem, problem_of
from chalicelib.storage.table import Conflict


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadJson(), 400),
        (InvalidParameters("bad", field="limit"), 400),
        (InvalidParameters("bad", field="elements.0.price"), 422),
        (InvalidParameters("the object is too large to be stored"), 422),
        (NotFound(), 404),
        (LocationNotFound(), 404),
        (WrongContentType(), 415),
        (ClientError("somebody was faster"), 409),
        (Conflict("ConditionalCheckFailed"), 409),
        (HandshakeFailed("answered 2001", 2001), 502),
        (PartnerRefusal("answered 2001", status_code=2001), 502),
        (PartnerFault("did not answer in time", timed_out=True), 502),
        (UnableToUseClientApi(), 502),
        (ServerError(), 500),
    ],
)
def test_every_error_has_its_http_status(error: Exception, status: int) -> None:
    problem = problem_of(error)

    assert problem is not None
    assert problem.status == status


def test_an_unexpected_error_has_no_problem_document() -> None:
    assert problem_of(KeyError("secret")) is None


def test_every_invalid_field_is_named_with_its_pointer() -> None:
    error = InvalidParameters("required", errors=(("currency", "required"), ("elements.0.a/b~c", "too long")))

    document = problem_of(error).document()  # type: ignore[union-attr]

    assert document["errors"] == [
        {"field": "currency", "detail": "required", "pointer": "#/currency"},
        {"field": "elements.0.a/b~c", "detail": "too long", "pointer": "#/elements/0/a~1b~0c"},
    ]


@pytest.mark.parametrize("field", ["limit", "date_from", "party", "tariff_id"])
def test_a_field_outside_the_body_has_no_pointer(field: str) -> None:
    document = problem_of(InvalidParameters("bad", field=field)).document()  # type: ignore[union-attr]

    assert document["errors"] == [{"field": field, "detail": "bad"}]


def test_a_partners_refusal_is_shown_without_its_data() -> None:
    refusal = PartnerRefusal(
        "answered 2001 with HTTP 400",
        http_status=400,
        status_code=2001,
        status_message="no",
        data={"token": "secret"},
    )

    document = problem_of(refusal).document()  # type: ignore[union-attr]

    assert document["partner"] == {"http_status": 400, "status_code": 2001, "status_message": "no"}
    assert "secret" not in str(document)


def test_a_problem_document_has_the_members_of_rfc_9457() -> None:
    document = Problem(409, "in use").document()

    assert document == {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "in use"}
