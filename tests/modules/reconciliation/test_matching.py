"""Matching of hub CDRs without `session_id`. Source: OCPI 2.2.1 mod_cdrs_cdr_object; CDR-22"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import ServerError
from chalicelib.modules.reconciliation import reconciler
from chalicelib.modules.reconciliation.notifications import RETRY
from chalicelib.modules.reconciliation.verdicts import CORRECTION_TIME, ReconciliationState
from chalicelib.pricing.credit import credit_cdr
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, parse_datetime
from tests.modules.builders import T2, without
from tests.modules.reconciliation.under_hub import UnderHub, of_hub

DAY_S = 24 * 3600
MAX_WAIT_S = DAY_S
MINUTE_S = 60


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


def unnamed(own: Document, cdr_id: str = "MOB-1", **fields: Any) -> Document:
    return without(of_hub(own, cdr_id, **fields), "session_id")


def own_of_twin() -> Document:
    """Our future CDR, made by an identical second node."""
    twin = UnderHub()
    twin.end()
    return twin.compile()


def both_at_once(cpo: UnderHub, **fields: Any) -> None:
    cpo.receive(unnamed(cpo.compile(), **fields))
    cpo.reconcile()
    cpo.reconcile(MINUTE_S)
    cpo.reconcile(MINUTE_S)


def hubs_first(cpo: UnderHub, **fields: Any) -> None:
    cpo.receive(unnamed(own_of_twin(), **fields))
    cpo.reconcile()
    cpo.compile()
    for _ in range(3):
        cpo.reconcile(MINUTE_S)


def ours_first(cpo: UnderHub, **fields: Any) -> None:
    own = cpo.compile()
    cpo.reconcile()
    cpo.receive(unnamed(own, **fields))
    cpo.reconcile(MINUTE_S)
    cpo.reconcile(MAX_WAIT_S)
    for _ in range(3):
        cpo.reconcile(MINUTE_S)


@pytest.mark.parametrize("happens", [both_at_once, hubs_first, ours_first])
def test_a_hub_cdr_without_session_id_is_compared_with_our_cdr_of_its_session(
    cpo: UnderHub, happens: Callable[..., None]
) -> None:
    """The starts may differ by a second. No webhook is notified of a missing CDR."""
    cpo.watch("books")
    cpo.end()

    happens(cpo, total_energy=Decimal("9"), start_date_time=later(own_of_twin()["start_date_time"], 1))

    entry = cpo.entry()
    assert (entry["session_id"], entry["state"], entry["hub_cdr_id"]) == ("S1", "DIFFERENT", "MOB-1")
    assert [each["field"] for each in entry["differences"]] == ["total_energy"]
    assert cpo.csms.received == [entry]
    assert cpo.due() == []


def test_a_hub_cdr_that_arrives_after_missing_at_hub_is_compared(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.reconcile(MAX_WAIT_S)
    assert cpo.entry()["state"] == "MISSING_AT_HUB"

    cpo.receive(unnamed(own))
    cpo.reconcile(MINUTE_S)
    cpo.reconcile(MINUTE_S)

    assert (cpo.entry()["state"], cpo.due()) == ("AGREED", [])
    assert [each["state"] for each in cpo.csms.received] == ["MISSING_AT_HUB", "AGREED"]


def test_our_cdr_that_is_made_after_missing_here_is_compared(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.receive(unnamed(own_of_twin()))
    cpo.reconcile(MAX_WAIT_S + CORRECTION_TIME.total_seconds())
    assert (cpo.entry()["session_id"], cpo.entry()["state"]) == (None, "MISSING_HERE")

    cpo.end()
    cpo.compile()
    for _ in range(3):
        cpo.reconcile(MINUTE_S)

    assert (cpo.entry()["session_id"], cpo.entry()["state"], cpo.due()) == ("S1", "AGREED", [])
    assert [each["state"] for each in cpo.csms.received] == ["MISSING_HERE", "AGREED"]


def another_evse(cdr: Document) -> Document:
    return {**cdr, "cdr_location": {**cdr["cdr_location"], "evse_uid": "E9"}}


def another_token(cdr: Document) -> Document:
    return {**cdr, "cdr_token": {**cdr["cdr_token"], "uid": "OTHER"}}


def another_start(cdr: Document) -> Document:
    return {**cdr, "start_date_time": later(cdr["start_date_time"], 2)}


@pytest.mark.parametrize("other", [another_evse, another_token, another_start])
def test_a_hub_cdr_with_another_evse_token_or_start_is_not_matched(
    cpo: UnderHub, other: Callable[[Document], Document]
) -> None:
    cpo.end()
    cpo.receive(other(unnamed(cpo.compile())))

    for _ in range(4):
        cpo.reconcile(MAX_WAIT_S)

    (here,), (there,) = (
        cpo.entries(ReconciliationState.MISSING_HERE),
        cpo.entries(ReconciliationState.MISSING_AT_HUB),
    )
    assert (here["session_id"], here["hub_cdr_id"], there["session_id"]) == (None, "MOB-1", "S1")
    assert cpo.due() == []


def test_a_correction_by_the_hub_without_session_id_is_matched_too(cpo: UnderHub) -> None:
    """Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07"""
    cpo.end()
    own = cpo.compile()
    first = unnamed(own, total_energy=Decimal("9"))
    cpo.receive(first)
    for _ in range(3):
        cpo.reconcile(MINUTE_S)
    assert cpo.entry()["state"] == "DIFFERENT"

    cpo.receive(credit_cdr(first, last_updated=T2))
    cpo.receive(unnamed(own, "MOB-2"))
    for _ in range(4):
        cpo.reconcile(CORRECTION_TIME.total_seconds())

    entry = cpo.entry()
    assert (entry["state"], entry["hub_cdr_id"], cpo.due()) == ("AGREED", "MOB-2", [])


@pytest.mark.parametrize("survives", range(0, 24, 2))
def test_the_next_runs_finish_the_work_of_a_run_that_was_killed_anywhere(
    cpo: UnderHub, survives: int
) -> None:
    cpo.end()
    cpo.receive(unnamed(cpo.compile()))
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

    names = ("write_many", "transact", "put", "get_many", "query")
    for name in names:
        setattr(table, name, dying(getattr(table, name)))
    for _ in range(3):
        with suppress(ServerError):
            reconciler.run(cpo.node)
            cpo.world.clock.forward(MINUTE_S)
    for name in names:
        delattr(table, name)
    for _ in range(4):
        cpo.reconcile(RETRY.total_seconds())

    assert (cpo.entry()["session_id"], cpo.entry()["state"], cpo.due()) == ("S1", "AGREED", [])


def test_place_items_are_deleted_after_a_match(cpo: UnderHub) -> None:
    cpo.end()
    cpo.receive(unnamed(cpo.compile()))
    for _ in range(3):
        cpo.reconcile(MINUTE_S)

    assert [key for key in cpo.world.dynamodb.items if "reconciliation-place" in str(key)] == []


def test_place_items_expire_with_the_reconciliation_entry(cpo: UnderHub) -> None:
    kept = replace(cpo.node.settings, retention={"reconciliation": timedelta(days=400)})
    cpo.node = replace(cpo.node, settings=kept)
    cpo.world.node = cpo.node
    cpo.end()
    cpo.receive(another_evse(unnamed(cpo.compile())))
    cpo.reconcile(MAX_WAIT_S)

    places = [item for key, item in cpo.world.dynamodb.items.items() if "reconciliation-place" in str(key)]

    now = cpo.world.clock().timestamp()
    assert len(places) == 2
    assert all(now < int(place["expires_at"]["N"]) <= now + 400 * DAY_S for place in places)


def later(moment: str, seconds: float) -> str:
    return format_datetime(parse_datetime(moment) + timedelta(seconds=seconds))
