"""Reconciliation of a CPO's CDRs with its hub's.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-22
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import app
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.errors import ServerError
from chalicelib.modules.cdrs import compiler
from chalicelib.modules.reconciliation import noted_cdrs, reconciler
from chalicelib.modules.reconciliation.entries import partition_of
from chalicelib.modules.reconciliation.notifications import NOTIFY_FOR, RETRY
from chalicelib.modules.reconciliation.reconciler import BUDGET, COMPARE_FOR
from chalicelib.modules.reconciliation.verdicts import ReconciliationState
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.protocol.pagination import PageQuery
from chalicelib.storage.table import Senseless
from tests.modules.cdrs.world import Network
from tests.modules.reconciliation.under_hub import CPO, UnderHub, of_hub

DAY_S = 24 * 3600
EVERY_MINUTE = {
    **dict.fromkeys(("version", "account", "region", "time", "source", "id", "detail-type"), ""),
    "detail": {},
    "resources": [],
}


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


def test_equal_cdrs_agree(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["session_id"], entry["state"]) == ("S1", "AGREED")
    assert (entry["own_cdr_id"], entry["hub_cdr_id"]) == (own["id"], "MOB-1")
    assert (entry["differences"], entry["not_judged"]) == ([], [])
    assert (cpo.due(), cpo.csms.calls) == ([], [])


def ours_first(cpo: UnderHub) -> None:
    own = cpo.compile()
    cpo.reconcile()
    cpo.receive(of_hub(own, total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()


def hubs_first(cpo: UnderHub) -> None:
    twin = UnderHub()
    twin.end()
    cpo.receive(of_hub(twin.compile(), total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()
    cpo.compile()
    cpo.reconcile()


def both_at_once(cpo: UnderHub) -> None:
    cpo.receive(of_hub(cpo.compile(), total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()


@pytest.mark.parametrize("happens", [ours_first, hubs_first, both_at_once])
def test_cdrs_are_compared_in_any_order_of_arrival(
    cpo: UnderHub, happens: Callable[[UnderHub], None]
) -> None:
    cpo.watch("books")
    cpo.end()

    happens(cpo)

    entry = cpo.entry()
    assert entry["state"] == "DIFFERENT"
    assert entry["differences"] == [
        {"field": "total_cost.excl_vat", "ours": Decimal("3.5"), "theirs": Decimal("4.5")},
    ]
    assert cpo.csms.received == [entry]
    assert cpo.due() == []


def test_repeated_stream_records_change_nothing_and_notify_once(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), currency="USD"))
    records = list(cpo.world.dynamodb.stream)
    cpo.reconcile()
    before = cpo.entry()

    for _ in range(2):
        cpo.world.clock.forward(60)
        noted_cdrs.note_cdrs(cpo.node, records)
        cpo.reconcile()

    assert cpo.entry() == before
    assert len(cpo.csms.calls) == 1
    assert cpo.due() == []


def test_two_runs_at_once_lose_no_comparison(cpo: UnderHub) -> None:
    for number in range(20):
        cpo.end(f"S{number}")
    cpo.stream()
    compiler.run(cpo.node)
    for number, own in enumerate(cpo.cdrs()):
        cpo.receive(of_hub(own, f"MOB-{number}", total_energy=Decimal("9")))
    cpo.stream()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(reconciler.run, [cpo.node, cpo.node]))
    cpo.reconcile()

    assert {entry["session_id"] for entry in cpo.entries(ReconciliationState.DIFFERENT)} == {
        f"S{n}" for n in range(20)
    }
    assert cpo.due() == []


def test_a_run_does_not_overwrite_the_newer_entry_of_another_run(cpo: UnderHub) -> None:
    """The run read our CDR only. Then the hub's CDR arrived, and another run compared both."""
    cpo.end()
    own = cpo.compile()
    cpo.stream()
    get_many = cpo.node.objects.get_many

    def overtaken(refs: Any) -> Any:
        cpo.node.objects.__dict__.pop("get_many", None)
        found = get_many(refs)
        cpo.receive(of_hub(own, total_energy=Decimal("9")))
        cpo.reconcile()
        return found

    vars(cpo.node.objects)["get_many"] = overtaken
    reconciler.run(cpo.node)
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
    assert cpo.due() == []


@pytest.mark.parametrize("survives", range(8))
def test_the_next_run_finishes_the_work_of_a_run_that_was_killed_anywhere(
    cpo: UnderHub, survives: int
) -> None:
    cpo.watch("books")
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.stream()
    table, done = cpo.node.table, 0

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def survive(*given: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done > survives:
                raise ServerError("killed")
            return call(*given, **named)

        return survive

    for name in ("write_many", "transact", "put", "get_many", "query"):
        setattr(table, name, dying(getattr(table, name)))
    with suppress(ServerError):
        reconciler.run(cpo.node)
    for name in ("write_many", "transact", "put", "get_many", "query"):
        delattr(table, name)
    cpo.reconcile(RETRY.total_seconds())

    assert cpo.entry()["state"] == "DIFFERENT"
    assert len({message for _, message, _ in cpo.csms.calls}) == 1
    assert cpo.due() == []


def test_a_comparison_takes_few_calls(cpo: UnderHub) -> None:
    """Calls for a run: due items, webhooks, partners, a partition's counter, write of due items.

    Calls for a session: its items, the two CDRs, the verdict.
    """
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    cpo.stream()
    calls = cpo.world.dynamodb.calls
    calls.clear()

    reconciler.run(cpo.node)

    of_run = [*["Query"] * 3, "BatchGetItem", "BatchWriteItem"]
    of_session = ["Query", "BatchGetItem", "TransactWriteItems"]
    assert sorted(calls) == sorted([*of_run, *of_session])
    calls.clear()
    reconciler.run(cpo.node)
    assert calls == ["Query"]


def test_many_sessions_at_once_take_few_calls_each(cpo: UnderHub) -> None:
    """Our CDRs arrive before the hub's: each session is judged twice, in six calls."""
    number = 120
    for each in range(number):
        cpo.end(f"S{each}")
    cpo.stream()
    compiler.run(cpo.node)
    owns = [cdr for offset in (0, 100) for cdr in cpo.cdrs(offset)]
    cpo.stream()
    calls = cpo.world.dynamodb.calls
    calls.clear()

    reconciler.run(cpo.node)
    of_first = Counter(calls)
    for each, own in enumerate(owns):
        cpo.receive(of_hub(own, f"MOB-{each}"))
    cpo.stream()
    calls.clear()
    reconciler.run(cpo.node)

    of_run = 3  # due items, webhooks, partners
    assert (of_first["Query"], Counter(calls)["Query"]) == (2 * number + of_run, number + of_run)
    assert of_first["TransactWriteItems"] == Counter(calls)["TransactWriteItems"] == number
    assert (of_first["BatchGetItem"], Counter(calls)["BatchGetItem"]) == (1, number + 1)
    assert of_first["BatchWriteItem"] + Counter(calls)["BatchWriteItem"] <= 2 * number * 3 / 25 + 4
    agreed = cpo.node.objects.page([partition_of(CPO, ReconciliationState.AGREED)], PageQuery(limit=1)).total
    assert (agreed, cpo.due()) == (number, [])


# -- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [ValueError("a mistake of ours"), Senseless("refused")])
def test_a_session_whose_comparison_always_fails_is_shown_and_retried_for_a_day(
    cpo: UnderHub, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    assert timedelta(days=1) == COMPARE_FOR
    window = timedelta(hours=1)  # A day of retries would take a minute.
    monkeypatch.setattr(reconciler, "COMPARE_FOR", window)
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    monkeypatch.setattr(reconciler, "judge", failing(fault, of="S1"))

    cpo.reconcile()
    entry = cpo.entry()
    assert (entry["session_id"], entry["state"]) == ("S1", "NOT_COMPARED")
    assert entry["reason"]
    for _ in range(int(window / RETRY) - 1):
        cpo.reconcile(RETRY.total_seconds())
        assert len(cpo.due()) == 1
    cpo.reconcile(RETRY.total_seconds())

    assert (cpo.entry(), cpo.due()) == (entry, [])


def test_a_session_that_was_not_compared_is_compared_when_the_fault_is_gone(
    cpo: UnderHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    with monkeypatch.context() as patched:
        patched.setattr(reconciler, "judge", failing(ValueError(), of="S1"))
        cpo.reconcile()

    cpo.reconcile(RETRY.total_seconds())

    assert (cpo.entry()["state"], cpo.due()) == ("AGREED", [])


def test_a_session_whose_entry_cannot_be_written_is_retried_for_a_day_only(
    cpo: UnderHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    cpo.stream()
    monkeypatch.setattr(cpo.node.objects, "change", failing(Senseless("refused")))

    cpo.reconcile()
    assert len(cpo.due()) == 1
    cpo.reconcile(COMPARE_FOR.total_seconds())

    assert (cpo.entries(), cpo.due()) == ([], [])


@pytest.mark.parametrize("fault", [ServerError("throttled"), ValueError("a mistake of ours")])
def test_a_session_that_fails_does_not_affect_the_others(
    cpo: UnderHub, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    for number in range(12):
        cpo.end(f"S{number}")
    cpo.stream()
    compiler.run(cpo.node)
    for number, own in enumerate(cpo.cdrs()):
        cpo.receive(of_hub(own, f"MOB-{number}"))
    with monkeypatch.context() as patched:
        patched.setattr(cpo.node.objects, "change", failing(fault, of="S3", instead=cpo.node.objects.change))
        cpo.reconcile()
    assert len(cpo.entries(ReconciliationState.AGREED)) == 11
    assert len(cpo.due()) == (
        2 if isinstance(fault, ServerError) else 1
    )  # both CDRs stay due; the retry is due

    cpo.reconcile(RETRY.total_seconds())

    assert len(cpo.entries(ReconciliationState.AGREED)) == 12


@pytest.mark.parametrize("which", ["later", "done"])
def test_a_run_survives_a_failure_to_write_due_items(
    cpo: UnderHub, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    cpo.end()
    own = cpo.compile()
    if which == "done":
        cpo.receive(of_hub(own))
    cpo.stream()
    with monkeypatch.context() as patched:
        patched.setattr(cpo.node.table, "write_many", failing(ServerError("throttled")))
        reconciler.run(cpo.node)

    cpo.reconcile()

    assert cpo.entry()["state"] == ("AGREED" if which == "done" else "PENDING")
    assert len(cpo.due()) == (which == "later")


def test_when_the_compiler_fails_cdrs_are_compared_and_the_function_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(app, "current_node", lambda: None)
    monkeypatch.setattr(compiler, "run", failing(ServerError("no table")))
    monkeypatch.setattr(reconciler, "run", lambda _: ran.append("reconciliation"))

    with pytest.raises(ServerError, match="no table"):
        app.compile_cdrs(EVERY_MINUTE, None)

    assert ran == ["reconciliation"]


def failing(fault: Exception, of: str | None = None, instead: Any = reconciler.judge) -> Any:
    """Make a function that raises, always or for one session; for others it calls `instead`."""

    def fail(first: Any = None, *given: Any, **named: Any) -> Any:
        whose = getattr(first, "id", None) or "S1"
        if of is None or whose == of:
            raise fault
        return instead(first, *given, **named)

    return fail


# -- webhooks ----------------------------------------------------------------------------------------


def test_only_the_webhook_that_failed_is_notified_again(cpo: UnderHub) -> None:
    cpo.watch("books", "alarms")
    cpo.csms.away = {"https://alarms.example"}
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.reconcile()
    cpo.reconcile(60)
    assert len(cpo.csms.calls) == 2

    cpo.csms.away = set()
    cpo.reconcile(RETRY.total_seconds())

    assert [url for url, _, _ in cpo.csms.calls] == [
        "https://alarms.example",
        "https://books.example",
        "https://alarms.example",
    ]
    assert len({message for _, message, _ in cpo.csms.calls}) == 1
    assert cpo.csms.calls[0][2]["type"] == "reconciliation"
    assert cpo.due() == []


def test_a_webhook_that_never_answers_is_retried_for_a_day(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.csms.away = {"https://books.example"}
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.reconcile()
    assert len(cpo.due()) == 1

    cpo.reconcile(NOTIFY_FOR.total_seconds())

    assert (cpo.entry()["state"], cpo.due()) == ("DIFFERENT", [])


def test_a_webhook_that_fails_is_not_called_again_in_the_same_run(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.csms.away = {"https://books.example"}
    for number in range(12):
        cpo.end(f"S{number}")
    cpo.stream()
    compiler.run(cpo.node)
    for number, own in enumerate(cpo.cdrs()):
        cpo.receive(of_hub(own, f"MOB-{number}", total_energy=Decimal("9")))

    cpo.reconcile()

    assert len(cpo.csms.calls) <= 4
    assert len(cpo.entries(ReconciliationState.DIFFERENT)) == len(cpo.due()) == 12


def test_slow_webhooks_do_not_exceed_the_time_budget_of_a_run(cpo: UnderHub) -> None:
    """Otherwise Lambda would kill the function, and the compiler with it."""
    cpo.watch(*(f"hook{number}" for number in range(10)))

    def slow(*_: Any) -> None:
        cpo.world.clock.forward(5)
        raise WebhookFailed("did not answer in time")

    cpo.csms.post = slow  # type: ignore[method-assign]
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.stream()
    begun = cpo.world.clock()

    reconciler.run(cpo.node)

    assert (cpo.world.clock() - begun).total_seconds() <= (BUDGET + timedelta(seconds=5)).total_seconds()
    assert len(cpo.due()) == 1


# -- nodes without reconciliation --------------------------------------------------------------------


def test_a_cpo_that_makes_its_own_cdrs_has_no_reconciliation() -> None:
    direct = UnderHub(profiles=(CPO_MAKES_CDR,))
    direct.end()
    direct.stream()
    compiler.run(direct.node)

    direct.reconcile(2 * DAY_S)

    assert (direct.entries(), direct.due()) == ([], [])


def test_a_cpo_without_a_hub_that_makes_cdrs_has_no_reconciliation() -> None:
    cpo = UnderHub(roles=())
    cpo.end()
    cpo.compile()

    cpo.reconcile(2 * DAY_S)

    assert (cpo.entries(), cpo.due()) == ([], [])


def test_a_hub_has_no_reconciliation() -> None:
    hub = Network("HUB")
    hub.join("abc", "CPO")
    hub.open_site()
    hub.end()
    hub.stream()
    compiler.run(hub.node)

    noted_cdrs.note_cdrs(hub.node, list(hub.world.dynamodb.stream))
    hub.world.dynamodb.calls.clear()
    reconciler.run(hub.node)

    assert hub.world.dynamodb.calls == []


def test_a_stream_record_that_cannot_be_read_does_not_block_the_next_ones(cpo: UnderHub) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    records = list(cpo.world.dynamodb.stream)
    broken = {"eventID": "x", "dynamodb": {"Keys": {"pk": {"S": "cdrs#X"}, "sk": {"S": "#"}}}}

    noted_cdrs.note_cdrs(cpo.node, [broken, *records])
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
