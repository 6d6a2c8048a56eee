"""Checks of documents in the operator API. tests/checking has the rules."""

from __future__ import annotations

from tests.operator_api.caller import OperatorApi
from tests.reading.shapes import whole


def test_a_pasted_document_is_judged_and_not_stored(cpo: OperatorApi) -> None:
    answer = cpo.ask("POST", "/check", {**whole.tariff(), "currency": "eur"})

    (result,) = answer["results"]
    assert (result["kind"], result["canonical"]["currency"]) == ("Tariff", "EUR")
    assert [each["field"] for each in result["strict"]] == ["currency"]
    assert cpo.ask("GET", "/tariffs") == []


def test_the_kind_can_be_named(cpo: OperatorApi) -> None:
    assert cpo.ask("POST", "/check?kind=evse", [{"uid": "E1"}])["results"][0]["kind"] == "EVSE"


def test_an_unknown_kind_is_a_problem_with_the_query(cpo: OperatorApi) -> None:
    unknown = cpo.call("POST", "/check?kind=nothing", {"uid": "E1"})
    not_recognised = cpo.call("POST", "/check", {"foo": 1})

    for answer in (unknown, not_recognised):
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, "kind")


def test_a_body_that_cannot_be_judged_is_a_problem(cpo: OperatorApi) -> None:
    assert cpo.call("POST", "/check", "{").status == 400
    assert cpo.call("POST", "/check").status == 400
    assert cpo.call("POST", "/check", []).status == 422
