"""Reconciliation in the operator API. Source: docs/design.md, A CDR; CDR-22"""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.modules.reconciliation.entries import partition_of
from chalicelib.modules.reconciliation.noted_cdrs import MODULE, WITHOUT_SESSION
from chalicelib.modules.reconciliation.verdicts import NEEDS_ATTENTION, ReconciliationState
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.operator_api.caller import OperatorApi
from tests.storage.capacity import measured

ABC, XYZ = Party("PT", "ABC"), Party("PT", "XYZ")


def note(
    cpo: OperatorApi,
    session_id: str,
    state: ReconciliationState,
    owner: Party = ABC,
    age_s: int = 0,
    variant: str = "",
) -> None:
    """Write an entry as the timer does."""
    now = cpo.node.clock()
    at = format_datetime(now - timedelta(seconds=age_s))
    entry = {"session_id": session_id, "state": state, "differences": [], "since": at, "last_updated": at}
    write = Write(JsonText(write_json(entry)), at)
    ref = Ref(MODULE, *owner, session_id, variant)
    cpo.node.objects.change(ref, lambda _: write, partition=partition_of(owner, state), source="")


@pytest.fixture
def noted(cpo: OperatorApi) -> OperatorApi:
    for number, state in enumerate(ReconciliationState):
        note(cpo, f"S-{state}", state, age_s=10 * number)
    return cpo


def test_the_list_holds_the_entries_that_need_attention(noted: OperatorApi) -> None:
    listed = noted.all("/reconciliation")

    assert {entry["session_id"] for entry in listed} == {f"S-{state}" for state in NEEDS_ATTENTION}


@pytest.mark.parametrize("state", ReconciliationState)
def test_entries_can_be_listed_by_state(noted: OperatorApi, state: ReconciliationState) -> None:
    assert [entry["session_id"] for entry in noted.all(f"/reconciliation?state={state}")] == [f"S-{state}"]


def test_all_entries_but_agreed_ones_have_an_age(noted: OperatorApi) -> None:
    (pending,) = noted.all("/reconciliation?state=PENDING")

    assert pending["age_s"] == 10 * list(ReconciliationState).index(ReconciliationState.PENDING)
    assert "age_s" not in noted.ask("GET", "/reconciliation/S-AGREED")


def test_the_list_is_paged_and_filtered_by_date(noted: OperatorApi) -> None:
    pages = noted.call("GET", "/reconciliation?limit=2")
    since = format_datetime(noted.node.clock() - timedelta(seconds=15))
    young = [
        f"S-{state}"
        for number, state in enumerate(ReconciliationState)
        if state in NEEDS_ATTENTION and number <= 1
    ]

    assert (len(pages.json), pages.headers["X-Total-Count"]) == (2, "4")
    assert [entry["session_id"] for entry in noted.all(f"/reconciliation?date_from={since}")] == young


def test_a_page_takes_6_calls_and_an_entry_1(noted: OperatorApi, in_moto: None) -> None:
    """A page: API key and counters, a query for each of 4 partitions, the entries. One: API key and entry."""
    with measured(noted.node.table) as of_page:
        noted.call("GET", "/reconciliation")
    with measured(noted.node.table) as of_one:
        noted.call("GET", "/reconciliation/S-AGREED")

    assert (len(of_page.calls), len(of_one.calls)) == (6, 1)


def test_the_entry_of_a_session_is_read_in_any_state(noted: OperatorApi) -> None:
    assert noted.ask("GET", "/reconciliation/S-PENDING")["state"] == "PENDING"
    assert noted.call("GET", "/reconciliation/S9").status == 404


def test_the_entry_of_a_hub_cdr_without_session_id_is_read_by_the_id_of_the_cdr(cpo: OperatorApi) -> None:
    note(cpo, "MOB-1", ReconciliationState.MISSING_HERE, variant=WITHOUT_SESSION)

    assert cpo.ask("GET", "/reconciliation/MOB-1")["state"] == "MISSING_HERE"
    assert cpo.call("GET", "/reconciliation/MOB-2").status == 404


def test_each_party_of_a_node_has_its_own_entries(two_parties: OperatorApi) -> None:
    note(two_parties, "S1", ReconciliationState.DIFFERENT)
    note(two_parties, "S1", ReconciliationState.MISSING_AT_HUB, XYZ)

    assert len(two_parties.all("/reconciliation")) == 2
    assert [each["state"] for each in two_parties.all("/reconciliation?party=PT*XYZ")] == ["MISSING_AT_HUB"]
    assert two_parties.call("GET", "/reconciliation/S1").status == 400
    assert two_parties.ask("GET", "/reconciliation/S1?party=PT*ABC")["state"] == "DIFFERENT"


@pytest.mark.parametrize("query", ["state=WRONG", "state=agreed", "party=PT*ZZZ", "limit=x"])
def test_an_invalid_query_is_refused(cpo: OperatorApi, query: str) -> None:
    assert cpo.call("GET", f"/reconciliation?{query}").status == 400


def test_a_hub_has_no_entries(hub: OperatorApi) -> None:
    assert hub.all("/reconciliation") == []


def test_a_webhook_can_subscribe_to_reconciliation_events(cpo: OperatorApi) -> None:
    made = cpo.ask(
        "PUT", "/webhooks/books", {"url": "https://books.example/in", "events": ["reconciliation"]}
    )

    assert made["events"] == ["reconciliation"]
