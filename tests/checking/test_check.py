"""Checks of pasted documents."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.checking.check import check_text
from chalicelib.errors import BadJson, InvalidParameters
from chalicelib.protocol.json_text import write_json
from tests.checking.test_kinds import MADE
from tests.harness.nodes import START
from tests.modules.builders import without
from tests.reading.shapes import whole


def check(document: Any, kind: str | None = None) -> dict[str, Any]:
    return check_text(write_json(document), kind, START)


def result_of(document: Any, kind: str | None = None) -> dict[str, Any]:
    answer = check(document, kind)
    (result,) = answer["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("kind", MADE)
def test_a_valid_object_is_valid_and_canonical(kind: Any) -> None:
    made = MADE[kind]()

    answer = check(made)

    assert (answer["documents"], answer["valid"], answer["refused"], answer["body"]) == (1, 1, 0, [])
    (result,) = answer["results"]
    assert (result["kind"], result["canonical"]) == (kind, made)
    assert [result[name] for name in ("strict", "repaired", "set_aside", "refused")] == [[], [], [], []]


def test_a_deviation_is_shown_strictly_and_as_it_is_repaired() -> None:
    document = {**whole.evse(), "status": "available"}

    result = result_of(document)

    assert (result["kind"], result["id"]) == ("EVSE", document["uid"])
    assert result["strict"] == [{"field": "status", "reason": "not a value of Status"}]
    (repaired,) = result["repaired"]
    shown = (repaired["field"], repaired["value"], repaired["becomes"])
    assert shown == ("status", "available", "AVAILABLE")
    assert result["canonical"] == {**document, "status": "AVAILABLE"}


def test_a_refused_document_has_its_reasons_and_no_canonical_form() -> None:
    result = result_of(without(whole.session(), "kwh"))

    assert result["canonical"] is None
    assert [each["field"] for each in result["refused"]] == ["kwh"]


def test_a_missing_time_is_that_of_the_check() -> None:
    document = without(whole.tariff(), "last_updated")

    assert result_of(document)["canonical"]["last_updated"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize("wrap", [lambda made: made, lambda made: {"data": made, "status_code": 1000}])
def test_a_list_and_an_envelope_are_checked_item_by_item(wrap: Any) -> None:
    answer = check(wrap([whole.token(), {**whole.token(), "valid": "true"}, {"uid": "X"}, 5]))

    assert (answer["documents"], answer["valid"], answer["refused"]) == (4, 1, 2)
    assert {result["kind"] for result in answer["results"]} == {"Token"}


def test_an_envelope_of_one_object_is_checked() -> None:
    assert result_of({"data": whole.cdr(), "timestamp": "2026-03-01T12:00:00Z"})["kind"] == "CDR"


def test_a_named_kind_counts_more_than_the_fields() -> None:
    assert result_of(whole.token(), "Session")["kind"] == "Session"


def test_what_is_around_the_json_is_shown() -> None:
    answer = check_text("\ufeff" + write_json(whole.token()), None, START)

    assert [each["kind"] for each in answer["body"]] == ["TEXT_AROUND_JSON"]
    assert answer["valid"] == 1


@pytest.mark.parametrize("text", ["", "{", "<html>", '{"a": 1e999999999}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(BadJson):
        check_text(text, None, START)


@pytest.mark.parametrize(
    "text", ["[]", '{"data": [], "status_code": 1000}', "5", "[[]]", "[" * 999 + "]" * 999]
)
def test_what_has_no_document_is_refused(text: str) -> None:
    with pytest.raises((InvalidParameters, BadJson)):
        check_text(text, None, START)


def test_a_document_with_very_many_mistakes_has_a_short_answer() -> None:
    document = {**whole.location(), "evses": [{"uid": "E", "status": 1} for _ in range(5000)]}

    result = result_of(document)

    assert len(result["strict"]) == 100
    assert all(len(result[name]) <= 100 for name in ("repaired", "set_aside", "refused"))
