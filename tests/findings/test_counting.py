"""Counts of findings: queued by a request, added up by the background worker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.background import handle_messages
from chalicelib.errors import ServerError
from chalicelib.findings.counters import Count, Counter, delete_counts, read_counts
from chalicelib.findings.reporting import report
from chalicelib.findings.tallies import MORE, MOST
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.queues import Queues
from chalicelib.reading.findings import Outcome
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Senseless, Table
from tests.findings.builders import finding
from tests.harness.account import Account
from tests.harness.nodes import make_network
from tests.harness.partner_api import CPO, EMSP
from tests.harness.partners import register
from tests.harness.standard_queue import StandardQueue
from tests.logged import Logged
from tests.storage.capacity import measured

REF = Ref("locations", *CPO, "L1")


@pytest.fixture
def node(account: Account) -> Node:
    """A hub whose background queue is in memory."""
    made = make_network(account, hub="HUB")["hub"].node
    return replace(made, queues=Queues(StandardQueue(made.clock), "", background_url="https://background"))


@pytest.fixture
def partner(node: Node) -> Partner:
    return register(node, "cpo", ("CPO", CPO))


def queue_of(node: Node) -> StandardQueue:
    found: StandardQueue = node.queues._sqs
    return found


def work(node: Node) -> None:
    """Handle one batch of the queue."""
    records = queue_of(node).receive()
    queue_of(node).settle(records, handle_messages(node, records))


def counts(node: Node, partner_id: str = "cpo", module: str = "") -> dict[Counter, Count]:
    return dict(read_counts(node.table, partner_id, module))


def test_a_report_makes_no_call_to_the_table(node: Node, partner: Partner, in_moto: None) -> None:
    with measured(node.table) as used:
        report(node, partner, "locations", [finding()], REF)

    assert used.calls == []
    assert len(queue_of(node)) == 1


def test_a_queue_that_refuses_is_logged_and_the_caller_goes_on(
    node: Node, partner: Partner, logged: Logged
) -> None:
    queue_of(node).broken = 1

    report(node, partner, "locations", [finding()], REF)

    assert [line["level"] for line in logged.lines] == ["INFO", "ERROR"]
    assert logged.lines[1]["message"] == "failed to queue the count of findings"


def test_a_finding_is_counted_with_its_latest_example_object_and_reason(node: Node, partner: Partner) -> None:
    report(node, partner, "locations", [finding(value="available")], REF)
    work(node)
    node.clock.forward(60)  # type: ignore[attr-defined]
    again = [finding("evses.0.status"), finding(value="charging", reason="expected CHARGING")]
    report(node, partner, "locations", again, REF._replace(id="L2"))
    work(node)

    counter = Counter("cpo", "locations", "status", "LETTER_CASE", "REPAIRED")
    assert counts(node)[counter] == Count(
        number=2,
        first="2026-03-01T12:00:00Z",
        last="2026-03-01T12:01:00Z",
        example="charging",
        reason="expected CHARGING",
        ref="locations#PT*EDP#L2",
    )
    assert counts(node)[counter._replace(field="evses.*.status")].number == 1


def test_equal_findings_of_a_batch_are_one_write(node: Node, partner: Partner, in_moto: None) -> None:
    report(node, partner, "locations", [finding()], REF)
    work(node)
    for _ in range(10):
        report(node, partner, "locations", [finding(f"evses.{n}.status") for n in range(3)], REF)
        report(node, partner, "locations", [finding()], REF)

    work(node)
    with measured(node.table) as used:
        work(node)

    assert used.calls == ["UpdateItem", "UpdateItem"]
    assert sum(count.number for count in counts(node).values()) == 41


def test_modules_and_partners_are_counted_apart(node: Node, partner: Partner) -> None:
    other = register(node, "emsp", ("EMSP", EMSP))
    report(node, partner, "locations", [finding()], REF)
    report(node, partner, "tariffs", [finding()])
    report(node, other, "tokens", [finding(outcome=Outcome.REFUSED)], Ref("tokens", *EMSP, "UID", "RFID"))
    work(node)

    assert [counter.module for counter in counts(node)] == ["locations", "tariffs"]
    assert [counter.module for counter in counts(node, module="tariffs")] == ["tariffs"]
    ((counter, count),) = counts(node, "emsp").items()
    assert (counter.outcome, count.ref) == ("REFUSED", "tokens#PT*GLP#…#RFID")


def test_a_partner_has_a_limited_number_of_counters(
    node: Node, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.findings.counting.MOST", 5)
    for number in range(4):
        report(node, partner, "locations", [finding(f"x{number}y{each}") for each in range(3)], REF)
        work(node)

    by_kind = {counter.kind: count.number for counter, count in counts(node).items()}
    assert by_kind[MORE] == 7
    assert len(counts(node)) == 6


def test_a_counter_is_deleted_90_days_after_its_last_finding(node: Node, partner: Partner) -> None:
    """Source: docs/retention.md"""
    report(node, partner, "locations", [finding()], REF)
    work(node)

    assert expiry(node, "locations") == node.clock() + timedelta(days=90)


def test_a_counter_lives_no_longer_than_the_objects_of_its_module(node: Node, partner: Partner) -> None:
    """Source: docs/retention.md"""
    retention = {"tokens": timedelta(days=7), "cdrs": timedelta(days=3660)}
    node = replace(node, settings=replace(node.settings, retention=retention))
    report(node, partner, "tokens", [finding()])
    report(node, partner, "cdrs", [finding()])
    work(node)

    assert expiry(node, "tokens") == node.clock() + timedelta(days=7)
    assert expiry(node, "cdrs") == node.clock() + timedelta(days=90)


def expiry(node: Node, module: str) -> Any:
    (counter,) = counts(node, module=module)
    item = node.table.get(counter.key)
    assert item is not None
    return type(node.clock()).fromtimestamp(item["expires_at"], node.clock().tzinfo)


def test_a_partner_that_was_removed_gets_no_counters(node: Node, partner: Partner) -> None:
    report(node, partner, "locations", [finding()], REF)
    work(node)
    report(node, partner, "locations", [finding(), finding("name")], REF)
    node.directory.remove(partner)
    delete_counts(node.table, "cpo")

    work(node)

    assert counts(node) == {}


def test_a_batch_that_fails_comes_again(
    node: Node, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(node, partner, "locations", [finding()], REF)
    with monkeypatch.context() as patch:
        patch.setattr(Table, "update", fail_with(ServerError("the store cannot be reached")))
        work(node)
    assert queue_of(node).delays == [2]
    node.clock.forward(2)  # type: ignore[attr-defined]

    work(node)

    assert len(queue_of(node)) == 0
    assert sum(count.number for count in counts(node).values()) == 1


def test_a_counter_that_can_never_be_written_does_not_repeat_the_others(
    node: Node, partner: Partner, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    report(node, partner, "locations", [finding()], REF)
    monkeypatch.setattr(Table, "update", fail_with(Senseless("the store refused a call")))

    work(node)

    assert len(queue_of(node)) == 0
    assert logged.lines[-1]["message"] == "failed to count findings"


def fail_with(error: Exception) -> Any:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    return fail


def test_the_message_of_the_oddest_document_fits_into_the_queue(node: Node, partner: Partner) -> None:
    """SQS takes 256 KB."""
    odd = [
        finding(f"é{number}" + "é" * 300, "é" * 10**6, kind=f"{number}" * 99, reason="é" * 999)
        for number in range(MOST * 3)
    ]

    report(node, partner, "locations", odd, REF._replace(id="é" * 9999))

    (message,) = queue_of(node).waiting
    assert len(message.body.encode()) < 128 * 1024
