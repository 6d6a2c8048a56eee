"""A CPO's CDRs against its hub's. Source: DESIGN.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-22"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import ServerError
from chalicelib.modules.cdrs import compiler, reconciliation
from chalicelib.modules.cdrs.reconciliation import RETRY, TELL_FOR
from chalicelib.modules.cdrs.verdicts import State
from chalicelib.partners.cdr_makers import CPO_MAKES_CDR
from tests.modules.cdrs.test_compiler import Network
from tests.modules.cdrs.under_hub import UnderHub, of_hub

DAY_S = 24 * 3600


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


def test_cdrs_that_tell_the_same_agree(cpo: UnderHub) -> None:
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
def test_whichever_comes_second_is_compared_with_the_first(
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
    assert cpo.csms.told == [entry]
    assert cpo.due() == []


def test_what_comes_again_changes_nothing_and_is_told_once(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), currency="USD"))
    records = list(cpo.world.dynamodb.stream)
    cpo.reconcile()
    before = cpo.entry()

    for _ in range(2):
        cpo.world.clock.forward(60)
        reconciliation.note_cdrs(cpo.node, records)
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
        list(pool.map(reconciliation.run, [cpo.node, cpo.node]))
    cpo.reconcile()

    assert {entry["session_id"] for entry in cpo.entries(State.DIFFERENT)} == {f"S{n}" for n in range(20)}
    assert cpo.due() == []


def test_a_run_that_was_overtaken_overwrites_nothing(cpo: UnderHub) -> None:
    """It has seen our CDR only; meanwhile the hub's came, and another run compared them."""
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
    reconciliation.run(cpo.node)
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
    assert cpo.due() == []


@pytest.mark.parametrize("survives", range(8))
def test_a_run_that_is_killed_anywhere_is_made_up_for(cpo: UnderHub, survives: int) -> None:
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
        reconciliation.run(cpo.node)
    for name in ("write_many", "transact", "put", "get_many", "query"):
        delattr(table, name)
    cpo.reconcile(RETRY.total_seconds())

    assert cpo.entry()["state"] == "DIFFERENT"
    assert len({message for _, message, _ in cpo.csms.calls}) == 1
    assert cpo.due() == []


def test_a_comparison_takes_few_calls(cpo: UnderHub) -> None:
    """For a run what is due, webhooks, partners; for a session what there is of it, the two CDRs, the list's
    counter, the verdict, and what is due.
    """
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    cpo.stream()
    calls = cpo.world.dynamodb.calls
    calls.clear()

    reconciliation.run(cpo.node)

    of_run, of_session = (
        ["Query"] * 3,
        ["Query", *["BatchGetItem"] * 2, "TransactWriteItems", "BatchWriteItem"],
    )
    assert sorted(calls) == sorted([*of_run, *of_session])
    calls.clear()
    reconciliation.run(cpo.node)
    assert calls == ["Query"]


# -- webhooks ----------------------------------------------------------------------------------------


def test_a_webhook_that_fails_is_told_later_and_the_other_not_again(cpo: UnderHub) -> None:
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


def test_a_webhook_that_never_answers_is_given_up(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.csms.away = {"https://books.example"}
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.reconcile()
    assert len(cpo.due()) == 1

    cpo.reconcile(TELL_FOR.total_seconds())

    assert (cpo.entry()["state"], cpo.due()) == ("DIFFERENT", [])


def test_a_webhook_that_is_away_is_called_once_in_a_run(cpo: UnderHub) -> None:
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
    assert len(cpo.entries(State.DIFFERENT)) == len(cpo.due()) == 12


# -- where there is nothing to compare ---------------------------------------------------------------


def test_cdrs_that_count_have_no_counterpart() -> None:
    direct = UnderHub(profiles=(CPO_MAKES_CDR,))
    direct.end()
    direct.stream()
    compiler.run(direct.node)

    direct.reconcile(2 * DAY_S)

    assert (direct.entries(), direct.due()) == ([], [])


def test_without_a_hub_that_makes_cdrs_none_is_waited_for() -> None:
    cpo = UnderHub(roles=())
    cpo.end()
    cpo.compile()

    cpo.reconcile(2 * DAY_S)

    assert (cpo.entries(), cpo.due()) == ([], [])


def test_a_hub_has_nothing_to_reconcile() -> None:
    hub = Network("HUB")
    hub.join("abc", "CPO")
    hub.open_site()
    hub.end()
    hub.stream()
    compiler.run(hub.node)

    reconciliation.note_cdrs(hub.node, list(hub.world.dynamodb.stream))
    hub.world.dynamodb.calls.clear()
    reconciliation.run(hub.node)

    assert hub.world.dynamodb.calls == []


def test_a_record_that_cannot_be_read_keeps_nothing_behind_it(cpo: UnderHub) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    records = list(cpo.world.dynamodb.stream)
    broken = {"eventID": "x", "dynamodb": {"Keys": {"pk": {"S": "cdrs#X"}, "sk": {"S": "#"}}}}

    reconciliation.note_cdrs(cpo.node, [broken, *records])
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
