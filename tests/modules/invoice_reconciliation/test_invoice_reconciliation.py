"""Invoice records between a CPO and an eMSP, in both directions, and what their operators see.

Source: OCPI 2.3.0 mod_invoice_reconciliation; IR-01 … IR-07
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules import registry
from chalicelib.partners.directory import Endpoint, HeldToken
from chalicelib.policy.visibility import Viewer, partition_for_viewer
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.pushing.catch_up import find_pending
from chalicelib.settings import OwnRole
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from chalicelib.versions import supported
from tests.harness.nodes import PARTIES, Answer, Host
from tests.operator_api.caller import OperatorApi
from tests.pushing.pushing import World, partner, refuse
from tests.reading.shapes import whole

CPO, EMSP = PARTIES["CPO"], PARTIES["EMSP"]
LISTED = "/ocpi/2.3.0/sender/invoicereconciliation"
RECEIVER = "/ocpi/2.3.0/receiver/invoicereconciliation"
RECORD = {
    "country_code": "PT",
    "party_id": "ABC",
    "id": "R1",
    "invoice_id": "2026/17",
    "cdrs": ["C1", "C2"],
    "last_updated": "2026-03-01T12:00:00Z",
}


class Stand:
    """A node, and a partner of the other role with the party of that role."""

    def __init__(self, role: str, version: str = "2.3.0") -> None:
        self.world = World(role)
        node = self.world.node
        settings = dataclasses.replace(node.settings, public_url="https://node.example")
        self.world.node = dataclasses.replace(node, settings=settings)
        self.other = "EMSP" if role == "CPO" else "CPO"
        self.join(self.other, PARTIES[self.other].party_id.lower(), version)
        self.operator = OperatorApi(self.world.node)
        self.host = Host(self.world.node, tuple(registry.load_interfaces()))

    def join(self, role: str, name: str, version: str = "2.3.0", offers: bool = True) -> None:
        held = HeldToken(fingerprint=self.world.node.directory.fingerprint(f"token-{name}"), kind="C")
        receiver = Endpoint(
            identifier="invoicereconciliation", role="RECEIVER", url=f"https://{name}.example"
        )
        endpoints = (receiver,) if offers else ()
        self.world.join(partner(role, name, version=version, endpoints=endpoints, held_tokens=(held,)))

    def call(self, method: str, path: str, document: object = None, name: str = "", **headers: str) -> Answer:
        token = f"token-{name or PARTIES[self.other].party_id.lower()}"
        return self.host.call(method, path, token, document, content_type="application/json", **headers)

    def keep_cdr(
        self, cdr_id: str, net: str = "10.00", currency: str = "EUR", emsp: Party = EMSP, hub: str = ""
    ) -> None:
        """Store a CDR of the CPO for a driver of the eMSP, as the node has it. hub: who made it."""
        document = {**whole.cdr(), "party_id": CPO.party_id, "id": cdr_id, "currency": currency}
        document["total_cost"] = {"excl_vat": Decimal(net), "incl_vat": Decimal(net) * 6 / 5}
        document["cdr_token"] = {**document["cdr_token"], **emsp._asdict()}
        is_ours = self.world.node.settings.plays("CPO") and not hub
        write = Write(JsonText(write_json(document)), document["last_updated"])
        viewer = Viewer(CPO, "CPO") if hub else Viewer(emsp, "EMSP")
        self.world.node.objects.change(
            Ref("cdrs", *CPO, cdr_id),
            lambda _: write,
            partition=partition_for_viewer("cdrs", CPO if is_ours else None, viewer),
            source="" if is_ours else hub or "abc",
        )

    def put(self, cdrs: list[str], record_id: str = "R1", query: str = "") -> Any:
        body = {"invoice_id": "2026/17", "cdrs": cdrs}
        return self.operator.call("PUT", f"/invoicereconciliation/{record_id}{query}", body)

    def pushed(self, name: str) -> list[tuple[str, tuple[str, ...]]]:
        self.world.settle()
        return [
            (sent.method, sent.segments)
            for sent in self.world.partners.to(name)
            if sent.module == "invoicereconciliation"
        ]


@pytest.fixture(autouse=True)
def of_2_3_0(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"2.3.0": "chalicelib.versions.v2_2_1", **supported.VERSIONS}
    monkeypatch.setattr(supported, "VERSIONS", versions)


@pytest.fixture
def cpo() -> Stand:
    return Stand("CPO")


@pytest.fixture
def emsp() -> Stand:
    return Stand("EMSP")


OF_RECORD = ("PT", "ABC", "R1")


def test_a_record_is_posted_to_the_emsp_of_its_cdrs_then_put_and_deleted(cpo: Stand) -> None:
    """Source: IR-01, IR-04, IR-06"""
    cpo.join("EMSP", "other")
    cpo.keep_cdr("C1")

    assert cpo.put(["C1", "C2"]).status == 201
    assert cpo.pushed("evi") == [("POST", ())]
    assert cpo.world.partners.to("evi")[-1].document == RECORD
    assert cpo.world.partners.to("evi")[-1].routing == (CPO, EMSP, 0)
    cpo.world.clock.forward(1)
    assert cpo.put(["C1"]).status == 200
    assert cpo.pushed("evi")[1:] == [("PUT", OF_RECORD)]
    assert cpo.operator.call("DELETE", "/invoicereconciliation/R1").status == 204
    assert cpo.pushed("evi")[2:] == [("DELETE", OF_RECORD)]
    assert cpo.world.partners.to("evi")[-1].routing.sender == CPO
    cpo.put(["C1"])
    assert cpo.pushed("evi")[3:] == [("POST", ())]
    assert cpo.pushed("oth") == []


def test_a_record_about_cdrs_that_a_hub_made_is_posted_to_their_emsp(cpo: Stand) -> None:
    """Source: IR-01"""
    cpo.keep_cdr("C1", hub="hub")

    assert cpo.put(["C1"]).status == 201
    assert [method for method, _ in cpo.pushed("evi")] == ["POST"]


def test_a_record_for_a_party_that_is_no_partner_is_refused(cpo: Stand) -> None:
    """Source: IR-01. A hub does not pass it on, so nobody would get it."""
    cpo.keep_cdr("C1", emsp=Party("PT", "FAR"))

    answer = cpo.put(["C1"])

    assert (answer.status, "to: PT*FAR" in answer.text) == (422, True), answer.text


def test_an_emsp_that_bills_in_reverse_sends_its_record_to_the_cpo(emsp: Stand) -> None:
    """Source: IR-01"""
    emsp.keep_cdr("C1")

    assert emsp.put(["C1"]).status == 201

    assert emsp.pushed("abc") == [("POST", ())]
    assert emsp.world.partners.to("abc")[-1].document["party_id"] == "EVI"
    assert [each["id"] for each in emsp.call("GET", LISTED).json["data"]] == ["R1"]


def test_a_record_that_the_partner_has_already_is_put(cpo: Stand) -> None:
    """A worker may have died after its POST. Source: IR-04"""
    cpo.world.partners.faults["evi"] = lambda sent: refuse()(sent) if sent.method == "POST" else None

    cpo.put(["C1"], query="?to=PT*EVI")

    assert cpo.pushed("evi") == [("POST", ()), ("PUT", OF_RECORD)]
    assert cpo.world.held("evi", Ref("invoicereconciliation", *OF_RECORD)) is not None


def test_a_partner_that_does_not_offer_the_module_is_sent_nothing(cpo: Stand) -> None:
    cpo.join("EMSP", "old", "2.2.1", offers=False)

    assert cpo.put(["C1"], query="?to=PT*OLD").status == 201

    assert cpo.pushed("old") == []


def test_a_deletion_that_a_partner_missed_is_found_when_catching_up(cpo: Stand) -> None:
    cpo.put(["C1"], query="?to=PT*EVI")
    cpo.world.settle()
    cpo.operator.ask("DELETE", "/invoicereconciliation/R1")
    cpo.world.dynamodb.stream.clear()

    found = find_pending(cpo.world.node, cpo.world.partner("evi"))

    assert [each.ref for each in found] == [str(Ref("invoicereconciliation", *OF_RECORD))]


def test_the_list_has_what_is_for_the_caller_and_obeys_dates(cpo: Stand) -> None:
    """Source: IR-03"""
    cpo.join("EMSP", "two")
    cpo.put(["C1"], "R1", "?to=PT*EVI")
    cpo.put(["C2"], "R2", "?to=PT*TWO")
    cpo.world.clock.forward(60)
    cpo.put(["C3"], "R3", "?to=PT*EVI")

    page = cpo.call("GET", f"{LISTED}?limit=1")
    later = cpo.call("GET", f"{LISTED}?date_from=2026-03-01T12:00:30Z")
    earlier = cpo.call("GET", f"{LISTED}?date_to=2026-03-01T12:00:30Z")

    assert (page.headers["X-Total-Count"], [each["id"] for each in page.json["data"]]) == ("2", ["R1"])
    assert 'rel="next"' in page.headers["Link"]
    assert [each["id"] for each in later.json["data"]] == ["R3"]
    assert [each["id"] for each in earlier.json["data"]] == ["R1"]


def test_a_received_record_is_created_changed_and_deleted_by_its_owner(emsp: Stand) -> None:
    """Source: IR-04, IR-06"""
    path = f"{RECEIVER}/PT/ABC/R1"
    changed = {**RECORD, "cdrs": ["C1"], "last_updated": "2026-03-01T12:00:01Z"}

    assert (emsp.call("POST", RECEIVER, RECORD).status, emsp.call("GET", path).json["data"]) == (201, RECORD)
    assert emsp.call("POST", RECEIVER, RECORD).json["status_code"] == 1000
    assert emsp.call("POST", RECEIVER, changed).json["status_code"] == 2001
    assert (emsp.call("PUT", path, changed).status, emsp.call("GET", path).json["data"]) == (200, changed)
    assert emsp.operator.ask("GET", "/invoicereconciliation/R1")["earlier"] == [RECORD]
    assert emsp.operator.ask("GET", "/invoicereconciliation") == []
    assert emsp.call("DELETE", path).json["status_code"] == 1000
    assert (emsp.call("GET", path).status, emsp.call("DELETE", path).status) == (404, 404)
    assert emsp.call("PUT", path, RECORD).status == 201


def test_an_older_version_changes_nothing(emsp: Stand) -> None:
    emsp.call("POST", RECEIVER, RECORD)
    older = {**RECORD, "invoice_id": "old", "last_updated": "2026-03-01T11:00:00Z"}

    assert emsp.call("PUT", f"{RECEIVER}/PT/ABC/R1", older).json["status_code"] == 1000
    assert emsp.call("GET", f"{RECEIVER}/PT/ABC/R1").json["data"] == RECORD


DOCUMENTS = {
    "good": ({}, 1000),
    "the id of a credit CDR (IR-05)": ({"cdrs": ["C" * 39]}, 1000),
    "a longer id": ({"cdrs": ["C" * 40]}, 2001),
    "no CDR (IR-02)": ({"cdrs": []}, 2001),
    "no invoice": ({"invoice_id": None}, 2001),
    "too many CDRs": ({"cdrs": [f"C{number}" for number in range(5001)]}, 2001),
    "an unknown field": ({"total": 5}, 1000),
}


@pytest.mark.parametrize(("fields", "code"), DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_a_record_is_judged_by_its_fields(emsp: Stand, fields: dict[str, Any], code: int) -> None:
    assert emsp.call("POST", RECEIVER, {**RECORD, **fields}).json["status_code"] == code


@pytest.mark.parametrize("owner", ["XYZ", "EVI"], ids=["of nobody", "of this node"])
def test_only_the_owner_may_send_a_record(emsp: Stand, owner: str) -> None:
    """Source: TRN-28"""
    document = {**RECORD, "party_id": owner}

    assert emsp.call("POST", RECEIVER, document).status == 404
    assert emsp.call("PUT", f"{RECEIVER}/PT/{owner}/R1", document).status == 404
    assert emsp.call("GET", f"{RECEIVER}/PT/{owner}/R1").status == 404


def test_another_partner_cannot_read_or_delete_a_record(emsp: Stand) -> None:
    emsp.join("CPO", "two")
    emsp.call("POST", RECEIVER, RECORD)

    for method in ("GET", "DELETE"):
        assert emsp.call(method, f"{RECEIVER}/PT/ABC/R1", name="two").status == 404
    assert emsp.call("GET", f"{RECEIVER}/PT/ABC/R1").status == 200


def test_an_earlier_version_of_ocpi_does_not_have_the_module() -> None:
    """Source: IR-01"""
    old = Stand("EMSP", version="2.2.1")

    def listed(version: str) -> set[str]:
        endpoints = old.call("GET", f"/ocpi/{version}").json["data"]["endpoints"]
        return {each["role"] for each in endpoints if each["identifier"] == "invoicereconciliation"}

    answer = old.call("POST", RECEIVER.replace("2.3.0", "2.2.1"), RECORD)

    assert (listed("2.3.0"), listed("2.2.1")) == ({"SENDER", "RECEIVER"}, set())
    assert (answer.status, answer.json["status_message"]) == (
        404,
        "OCPI 2.2.1 has no module invoicereconciliation",
    )


def test_a_hub_does_not_pass_records_on(emsp: Stand) -> None:
    """It does not offer the module; a platform that is a hub and an eMSP takes its own records only."""
    node = emsp.world.node
    both = (*node.settings.roles, OwnRole("HUB", PARTIES["HUB"], {"name": "hub"}))
    emsp.join("EMSP", "two")

    emsp.host.node = dataclasses.replace(node, settings=dataclasses.replace(node.settings, roles=both))
    other = emsp.call("POST", RECEIVER, RECORD, ocpi_to_country_code="PT", ocpi_to_party_id="TWO")
    own = emsp.call("POST", RECEIVER, RECORD, ocpi_to_country_code="PT", ocpi_to_party_id="EVI")
    emsp.host.node = dataclasses.replace(node, settings=dataclasses.replace(node.settings, roles=both[1:]))

    assert (other.json["status_code"], own.json["status_code"]) == (4000, 1000)
    assert emsp.call("POST", RECEIVER, RECORD).status == 404


WRONG = {
    "a party that is no partner": (["C1"], "?to=PT*XYZ", "to"),
    "a partner on the same side": (["C1"], "?to=PT*TWO", "to"),
    "CDRs that are unknown, and no party": (["C9"], "", "to"),
    "CDRs of several eMSPs": (["C1", "C2"], "", "cdrs"),
    "no CDR": ([], "?to=PT*EVI", "cdrs"),
}


@pytest.mark.parametrize(("cdrs", "query", "field"), WRONG.values(), ids=list(WRONG))
def test_a_record_that_cannot_be_sent_is_refused_with_its_field(
    cpo: Stand, cdrs: list[str], query: str, field: str
) -> None:
    cpo.join("CPO", "two")
    cpo.keep_cdr("C1")
    cpo.keep_cdr("C2", emsp=Party("PT", "OTH"))

    answer = cpo.put(cdrs, query=query)

    assert (answer.status, field in answer.text) == (422, True), answer.text


@pytest.mark.parametrize("direction", ["direct", "reverse"])
@pytest.mark.parametrize("role", ["CPO", "EMSP"])
def test_both_operators_see_the_sum_of_the_cdrs_and_what_is_missing(role: str, direction: str) -> None:
    """Source: IR-07"""
    stand = Stand(role)
    for cdr_id, net, currency in (
        ("C1", "10", "EUR"),
        ("C2", "5", "EUR"),
        ("C3", "7", "DKK"),
        ("C4", "1", "EUR"),
    ):
        stand.keep_cdr(cdr_id, net, currency)
    owner = "ABC" if direction == "direct" else "EVI"
    if (role == "CPO") == (direction == "direct"):
        stand.put(["c1", "C2", "C3", "C9"])
        stand.put(["C2"], "R0")
    else:
        for record_id, cdrs in (("R1", ["c1", "C2", "C3", "C9"]), ("R0", ["C2"])):
            stand.call("POST", RECEIVER, {**RECORD, "party_id": owner, "id": record_id, "cdrs": cdrs})
    stand.world.settle()

    found = stand.operator.ask("GET", "/invoicereconciliation/R1/reconciliation")

    assert (found["cdrs"], found["unknown"], found["also_in"]) == (4, ["C9"], {"C2": "R0"})
    assert found["totals"] == [
        {"currency": "DKK", "cdrs": 1, "excl_vat": 7, "incl_vat": Decimal("8.4")},
        {"currency": "EUR", "cdrs": 2, "excl_vat": 15, "incl_vat": 18},
    ]
    assert (found["never_invoiced_count"], [each["id"] for each in found["never_invoiced"]]) == (1, ["C4"])


def test_a_record_is_listed_for_the_operator(cpo: Stand) -> None:
    cpo.put(["C1"], query="?to=PT*EVI")

    assert cpo.operator.ask("GET", "/invoicereconciliation") == [RECORD | {"cdrs": ["C1"]}]
    assert cpo.operator.ask("GET", "/invoicereconciliation?party=PT*ABC") == [RECORD | {"cdrs": ["C1"]}]
