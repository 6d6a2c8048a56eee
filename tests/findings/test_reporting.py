"""Reports of what was odd in a partner's document."""

from __future__ import annotations

from chalicelib.findings.reporting import report
from chalicelib.reading.findings import Outcome
from chalicelib.storage.keys import Ref
from tests.findings.builders import finding
from tests.harness.partner_api import CPO, EMSP
from tests.logged import Logged
from tests.modules.conftest import NodeOf, PartnerOf


def test_a_document_is_one_line_with_the_object_and_each_finding(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged
) -> None:
    node = node_of("HUB")
    findings = [finding("evses.0.status"), finding("evses.1.status")]

    report(node, partner_of(node, "cpo"), "locations", findings, Ref("locations", *CPO, "L1"))

    (line,) = logged.measured("FindingsRepaired")
    assert line["message"] == "a partner's document was read with repairs"
    assert (line["partner"], line["ocpi_module"], line["ref"]) == ("cpo", "locations", "locations#PT*EDP#L1")
    entry = {"field": "evses.*.status", "kind": "LETTER_CASE", "outcome": "REPAIRED", "number": 2}
    assert line["findings"] == [{**entry, "reason": "expected capital letters"}]
    assert line["FindingsRepaired"] == [2]


def test_a_refused_document_is_logged_as_refused(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged
) -> None:
    node = node_of("HUB")

    report(node, partner_of(node, "cpo"), "locations", [finding(), finding(outcome=Outcome.REFUSED)])

    (line,) = logged.measured("FindingsRefused")
    assert line["message"] == "a partner's document was refused"
    assert (line["FindingsRefused"], line["FindingsRepaired"]) == ([1], [1])
    assert "ref" not in line


def test_no_value_and_no_uid_of_a_token_is_logged(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged
) -> None:
    """Source: docs/security.md, What is logged"""
    node = node_of("HUB")
    ref = Ref("tokens", *EMSP, "UID-OF-A-DRIVER", "RFID")

    report(node, partner_of(node, "emsp"), "tokens", [finding("contract_id", "A-CONTRACT")], ref)

    (line,) = logged.lines
    assert line["ref"] == "tokens#PT*GLP#…#RFID"
    assert "A-CONTRACT" not in logged.text
    assert "UID-OF" not in logged.text


def test_a_document_without_findings_is_not_logged(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged
) -> None:
    node = node_of("HUB")

    report(node, partner_of(node, "cpo"), "locations", [])

    assert logged.text == ""
