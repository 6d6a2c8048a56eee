"""Counted attempts: sessions that cannot be compiled do not block others. Source: docs/design.md, A CDR"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.cdrs import assembly, compiler, due_sessions
from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.modules.cdrs.cdr_writer import CdrWriter
from chalicelib.modules.cdrs.due_sessions import MAX_ATTEMPTS, read_due_sessions, sessions_set_aside
from chalicelib.policy.time_prices import TIME_PRICES_PER_MINUTE
from chalicelib.pricing.work_limits import OutOfTime
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Key
from chalicelib.storage.table import Senseless
from tests.modules.builders import T0, T2, component, element
from tests.modules.cdrs.world import CPO, Network
from tests.modules.sessions.builders import period

POISON = Ref("sessions", *CPO, "S13")


class Killed(BaseException):
    """Stands for Lambda killing the function: no code runs after it."""


def poisoned(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[str]:
    """Make the pricing of session S13 raise. Returns a list that collects the ids of priced sessions."""
    draft_cdr, priced = assembly.draft_cdr, []

    def fail(session: Any, *rest: Any, **more: Any) -> Any:
        priced.append(session["id"])
        if session["id"] == POISON.id:
            raise error
        return draft_cdr(session, *rest, **more)

    monkeypatch.setattr(compiler, "draft_cdr", fail)
    return priced


def run(network: Network) -> None:
    """Run the timer, a minute after the previous run."""
    network.world.clock.forward(60)
    with suppress(Killed):
        compiler.run(network.node)
    network.world.settle()


def test_a_session_that_kills_the_compiler_is_set_aside_and_the_others_get_cdrs(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = poisoned(monkeypatch, Killed())
    for number in range(11, 16):
        cpo.end(f"S{number}")
    cpo.stream()

    for _ in range(10):
        run(cpo)

    (aside,) = sessions_set_aside(cpo.node.table)
    assert aside["session_id"] == POISON.id
    assert f"begun {MAX_ATTEMPTS} times" in aside["reason"]
    assert sorted(cdr["session_id"] for cdr in cpo.cdrs()) == ["S11", "S12", "S14", "S15"]
    # Two attempts were made before the session was suspect.
    assert priced.count(POISON.id) == MAX_ATTEMPTS + 2
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_session_that_takes_too_long_is_tried_again_and_then_set_aside(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = poisoned(monkeypatch, OutOfTime("slow"))
    cpo.end(POISON.id)
    cpo.stream()

    run(cpo)
    (due,) = read_due_sessions(cpo.node.table)
    for _ in range(5):
        run(cpo)

    assert due["tries"] == 1
    assert len(priced) == MAX_ATTEMPTS
    assert [each["session_id"] for each in sessions_set_aside(cpo.node.table)] == [POISON.id]


def test_a_session_with_a_counted_attempt_is_compiled_last_and_alone(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = poisoned(monkeypatch, OutOfTime("slow"))
    for number in range(10, 20):
        cpo.end(f"S{number}")
    cpo.stream()
    (due,) = [each for each in read_due_sessions(cpo.node.table) if each["sk"] == POISON.key.pk]
    cpo.node.table.put({**due, "tries": 1})

    run(cpo)

    assert (len(priced), priced[-1]) == (10, POISON.id)


def test_an_attempt_is_counted_before_it_begins(cpo: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(*_: Any, **__: Any) -> Any:
        seen.extend(read_due_sessions(cpo.node.table))
        raise Killed

    monkeypatch.setattr(compiler, "draft_cdr", look)
    cpo.end()
    cpo.stream()
    cpo.world.clock.forward(200)

    run(cpo)

    assert [each["tries"] for each in seen] == [1]


def test_a_session_that_the_operator_retries_has_all_its_attempts_again(cpo: Network) -> None:
    cpo.end()
    cpo.stream()
    (due,) = read_due_sessions(cpo.node.table)
    cpo.node.table.put({**due, "tries": MAX_ATTEMPTS})
    run(cpo)
    assert len(sessions_set_aside(cpo.node.table)) == 1
    stored = cpo.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None

    due_sessions.make_due(cpo.node, stored)
    run(cpo)

    assert len(cpo.cdrs()) == 1
    assert sessions_set_aside(cpo.node.table) == []


@pytest.mark.parametrize("seconds_due", [0, 100])
def test_a_cdr_without_earlier_failures_takes_one_write(cpo: Network, seconds_due: float) -> None:
    cpo.end("S2")
    cpo.compile()
    cpo.end()
    cpo.stream()
    cpo.world.clock.forward(seconds_due)
    calls = cpo.world.dynamodb.calls
    calls.clear()

    compiler.run(cpo.node)

    assert calls.count("TransactWriteItems") == 1
    assert not {"PutItem", "UpdateItem", "BatchWriteItem", "DeleteItem"} & set(calls)


def test_no_session_is_begun_after_the_time_budget_of_a_run(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds within a page of due sessions, too: otherwise Lambda would kill the function."""
    draft_cdr = assembly.draft_cdr

    def slow(*rest: Any, **more: Any) -> Any:
        cpo.world.clock.forward(30)
        return draft_cdr(*rest, **more)

    monkeypatch.setattr(compiler, "draft_cdr", slow)
    for number in range(20):
        cpo.end(f"S{number}")
    cpo.stream()

    compiler.run(cpo.node)
    cpo.world.settle()

    # Four sessions are compiled in parallel.
    assert 1 <= len(cpo.cdrs()) <= 6
    assert len(list(read_due_sessions(cpo.node.table))) + len(cpo.cdrs()) == 20


def test_a_session_that_is_read_in_an_older_version_than_the_due_one_is_read_again(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BatchGetItem reads several items at slightly different times."""
    cpo.put(kwh=Decimal(7), status="COMPLETED", end_date_time=T2)
    key = Ref("sessions", *CPO, "S1").key
    old = cpo.node.table.get(key)
    assert old is not None
    cpo.end(kwh=Decimal(8))
    cpo.stream()
    get_many = cpo.node.table.get_many

    def stale(keys: Iterable[Key], *rest: Any) -> Any:
        found = get_many(keys, *rest)
        if key in found:
            found[key] = old
            monkeypatch.undo()
        return found

    monkeypatch.setattr(cpo.node.table, "get_many", stale)
    compiler.run(cpo.node)
    cpo.world.settle()

    assert [cdr["total_energy"] for cdr in cpo.cdrs()] == [8]


def test_a_session_whose_write_is_invalid_is_set_aside(cpo: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Senseless("ValidationException")

    monkeypatch.setattr(CdrWriter, "write", refuse)
    cpo.end()

    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert "something went wrong here" in aside["reason"]
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_session_version_that_has_a_cdr_gets_no_second_one(cpo: Network) -> None:
    """This holds although the partner's time prices are per minute by now."""
    time = element(component("TIME", price=Decimal("0.05")))
    cpo.world.put_tariff("T1", elements=[time])
    cpo.end()
    cpo.compile()
    evi = cpo.world.partner("evi")
    cpo.node.directory.save(evi.model_copy(update={"profiles": (TIME_PRICES_PER_MINUTE,)}), evi)
    stored = cpo.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None

    due_sessions.make_due(cpo.node, stored)
    run(cpo)

    assert [cdr["total_cost"]["excl_vat"] for cdr in cpo.cdrs()] == [Decimal("0.1")]


def test_a_year_long_session_by_a_tariff_with_1440_elements_is_set_aside(cpo: Network) -> None:
    minutes = [f"{minute // 60 % 24:02d}:{minute % 60:02d}" for minute in range(1441)]
    elements = [
        element(component(), restrictions={"start_time": minutes[number], "end_time": minutes[number + 1]})
        for number in range(1440)
    ]
    begun = format_datetime(parse_datetime(T2) - timedelta(days=364))
    cpo.end("S2")
    cpo.world.put_tariff("T1", elements=elements)
    cpo.end("S3", start_date_time=begun)

    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert (aside["session_id"], aside["field"]) == ("S3", "tariffs")
    assert "price may change" in aside["reason"]


def test_a_large_cdr_is_stored_without_the_explanation_of_its_periods(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_LARGEST_CDR", 1000)
    cpo.end(charging_periods=[period(T0, 10)])

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    why = read_reasons(stored.extra["why"])
    assert (why["breakdown"]["periods"], len(why["breakdown"]["lines"])) == ([], 2)
    assert why["warnings"][-1]["code"] == "breakdown_cut"


def test_a_cdr_that_would_be_too_large_has_its_periods_of_one_price_joined(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its charging periods have power, so they are priced as they are. Source: CDR-14"""
    power = [{"type": "ENERGY", "volume": 1}, {"type": "MAX_POWER", "volume": 7}]
    starts = [format_datetime(parse_datetime(T0) + timedelta(minutes=each)) for each in range(10)]
    cpo.end("S1", charging_periods=[period(each, 1, dimensions=power) for each in starts])
    cpo.compile()
    (large,) = cpo.cdrs()
    monkeypatch.setattr(assembly, "_LARGEST_CDR", 1000)
    cpo.end("S2", charging_periods=[period(each, 1, dimensions=power) for each in starts])

    cpo.compile()

    _, small = cpo.cdrs()
    (joined,) = small["charging_periods"]
    assert joined["dimensions"] == [{"type": "ENERGY", "volume": 10}, {"type": "MAX_POWER", "volume": 7}]
    assert len(large["charging_periods"]) == 10
    assert {k: v for k, v in small.items() if k.startswith("total")} == {
        k: v for k, v in large.items() if k.startswith("total")
    }
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, small["id"]))
    assert stored is not None
    assert "periods_joined" in {each["code"] for each in read_reasons(stored.extra["why"])["warnings"]}
