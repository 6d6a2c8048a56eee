"""Findings in the operator API. tests/findings tests how they are counted."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.findings.counting import count_findings
from chalicelib.queues import CountedFinding, FindingsMessage
from tests.operator_api.caller import OperatorApi


@pytest.fixture
def partner_id(cpo: OperatorApi) -> str:
    invited: str = cpo.ask("POST", "/partners/invitations", {"name": "MOBI.E"})["id"]
    return invited


def count(cpo: OperatorApi, partner_id: str, module: str, *fields: str, at: str = "2026-03-01T12:00:00Z",
          ref: str = "", number: int = 1) -> None:  # fmt: skip
    found = tuple(
        CountedFinding(
            field=field,
            kind="LETTER_CASE",
            outcome="REPAIRED",
            reason="expected capital letters",
            example="charging",
            number=number,
        )
        for field in fields
    )
    message = FindingsMessage(partner_id=partner_id, module=module, at=at, ref=ref, findings=found)
    count_findings(cpo.node, [message])


def fields_of(found: list[dict[str, Any]]) -> list[str]:
    return [each["field"] for each in found]


def test_a_finding_is_shown_with_its_count_example_and_object(cpo: OperatorApi, partner_id: str) -> None:
    ref = "locations#PT*EDP#L%231"
    count(cpo, partner_id, "locations", "evses.*.status", ref=ref, number=3)

    assert cpo.ask("GET", f"/partners/{partner_id}/findings") == [
        {
            "module": "locations",
            "field": "evses.*.status",
            "kind": "LETTER_CASE",
            "outcome": "REPAIRED",
            "count": 3,
            "reason": "expected capital letters",
            "example": "charging",
            "object": "PT/EDP/L#1",
            "first_seen": "2026-03-01T12:00:00Z",
            "last_seen": "2026-03-01T12:00:00Z",
        }
    ]


def test_findings_are_listed_newest_first_and_of_one_module(cpo: OperatorApi, partner_id: str) -> None:
    count(cpo, partner_id, "tariffs", "currency", at="2026-03-01T12:00:00Z")
    count(cpo, partner_id, "tokens", "contract_id", at="2026-03-01T12:00:00.500Z", ref="tokens#PT*GLP#…#RFID")
    count(cpo, partner_id, "tariffs", "type", at="2026-03-01T11:00:00Z")

    listed = cpo.ask("GET", f"/partners/{partner_id}/findings")

    assert fields_of(listed) == ["contract_id", "currency", "type"]
    assert [each["object"] for each in listed] == ["PT/GLP/…/RFID", None, None]
    tariffs = cpo.ask("GET", f"/partners/{partner_id}/findings?module=tariffs")
    assert fields_of(tariffs) == ["currency", "type"]
    assert cpo.ask("GET", f"/partners/{partner_id}/findings?module=nothing") == []


def test_findings_are_listed_in_pages(cpo: OperatorApi, partner_id: str) -> None:
    count(cpo, partner_id, "tariffs", "a", "b", "c")

    assert sorted(fields_of(cpo.all(f"/partners/{partner_id}/findings?limit=2"))) == ["a", "b", "c"]


def test_findings_are_deleted_to_count_anew(cpo: OperatorApi, partner_id: str) -> None:
    count(cpo, partner_id, "tariffs", "currency", number=7)
    count(cpo, partner_id, "locations", "name")

    assert cpo.call("DELETE", f"/partners/{partner_id}/findings?module=tariffs").status == 204
    count(cpo, partner_id, "tariffs", "currency")

    found = cpo.ask("GET", f"/partners/{partner_id}/findings")
    assert {(each["field"], each["count"]) for each in found} == {("currency", 1), ("name", 1)}
    cpo.ask("DELETE", f"/partners/{partner_id}/findings")
    assert cpo.ask("GET", f"/partners/{partner_id}/findings") == []


def test_findings_of_an_unknown_partner_are_not_found(cpo: OperatorApi) -> None:
    assert cpo.call("GET", "/partners/nobody/findings").status == 404
    assert cpo.call("DELETE", "/partners/nobody/findings").status == 404


def test_findings_are_forgotten_with_the_partner(cpo: OperatorApi, partner_id: str) -> None:
    count(cpo, partner_id, "tariffs", "currency")

    cpo.ask("DELETE", f"/partners/{partner_id}")

    assert not list(cpo.node.table.query_all("#pk = :pk", {"pk": f"findings#{partner_id}"}))
