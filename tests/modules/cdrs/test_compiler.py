"""Tests of the scheduled compiler: one CDR for each ended session.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-11, CDR-13
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.modules.cdrs import compiler, session_changes
from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.modules.cdrs.due_sessions import read_due_sessions, sessions_set_aside
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.sessions.decisions import patched_by
from chalicelib.modules.sessions.keeping import partition_of as sessions_of
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Operation
from tests.modules.builders import T0, T1, T2
from tests.modules.cdrs.world import CPO, XYZ, Network
from tests.modules.sessions.builders import cdr_token, period


def test_a_session_that_ends_gets_one_cdr(cpo: Network) -> None:
    """Source: CDR-10, CDR-11, CDR-16"""
    cpo.put()
    cpo.stream()
    cpo.end()

    cpo.compile()
    cpo.compile()

    (cdr,) = cpo.cdrs()
    validate(Cdr, cdr)
    assert (cdr["session_id"], cdr["start_date_time"], cdr["end_date_time"]) == ("S1", T0, T2)
    assert (cdr["total_energy"], cdr["total_time"]) == (10, 2)
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")
    assert [tariff["id"] for tariff in cdr["tariffs"]] == ["T1"]
    assert len(cdr["id"]) == 36
    assert cpo.sent("evi") == [cdr]
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_cdr_has_location_and_tariffs_as_recorded_at_the_start(cpo: Network) -> None:
    """Source: CDR-13"""
    cpo.put()
    cpo.stream()
    cpo.open_site("9.99", address="Renamed")
    cpo.end()

    cpo.compile()

    (cdr,) = cpo.cdrs()
    assert cdr["cdr_location"]["address"] == "Rua do Salitre 1"
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"excl_vat": 7}, ["total_cost.excl_vat"]),
        ({"excl_vat": 7, "incl_vat": 8}, ["total_cost.excl_vat", "total_cost.incl_vat"]),
        ({"excl_vat": Decimal("3.5")}, []),
        (None, []),
    ],
)
def test_a_session_with_a_different_total_cost_gets_a_warning(
    cpo: Network, given: Document | None, fields: list[str]
) -> None:
    """Source: SES-14"""
    cpo.end(total_cost=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    warnings = read_reasons(str(stored.extra["why"]))["warnings"]
    assert [each["field"] for each in warnings if each["code"] == "total_cost_disagrees"] == fields
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


def test_a_corrected_session_gets_a_credit_cdr_and_a_new_one(cpo: Network) -> None:
    """Source: CDR-07, TRP-30"""
    cpo.end()
    cpo.compile()

    cpo.end(kwh=Decimal("8"))
    cpo.compile()
    cpo.world.settle(seconds=5)

    (credit,) = [cdr for cdr in cpo.cdrs() if cdr.get("credit")]
    first, second = sorted(
        (cdr for cdr in cpo.cdrs() if "credit" not in cdr), key=lambda cdr: -cdr["total_energy"]
    )
    assert credit["credit_reference_id"] == first["id"]
    assert credit["total_cost"]["excl_vat"] == -first["total_cost"]["excl_vat"]
    assert second["total_cost"]["excl_vat"] == 3
    assert len({first["id"], credit["id"], second["id"]}) == 3
    assert len(cpo.sent("evi")) == 3


def test_a_late_patch_that_adds_to_an_ended_session_corrects_its_cdr(hub: Network) -> None:
    """Source: CDR-07, SES-15; as a PUT of the whole session does"""
    hub.end()
    hub.compile()
    (first,) = hub.cdrs()
    hub.world.clock.forward(1)
    moment = format_datetime(hub.world.clock())
    patch = {"charging_periods": [period(T1, Decimal(4))], "meter_id": "M1", "last_updated": moment}
    ref = Ref("sessions", *CPO, "S1")
    hub.node.objects.change(ref, patched_by(patch, sessions_of), partition="", source=hub.source)
    hub.compile()

    (credit,) = [cdr for cdr in hub.cdrs() if cdr.get("credit")]
    (second,) = [cdr for cdr in hub.cdrs() if "credit" not in cdr and cdr["id"] != first["id"]]
    assert credit["credit_reference_id"] == first["id"]
    assert second["meter_id"] == "M1"


def test_a_session_that_becomes_invalid_gets_only_a_credit_cdr(cpo: Network) -> None:
    """Source: CDR-07, SES-15"""
    cpo.end()
    cpo.compile()

    cpo.put(status="INVALID", end_date_time=T2)
    cpo.compile()

    assert sorted(bool(cdr.get("credit")) for cdr in cpo.cdrs()) == [False, True]


def test_a_credit_cdr_goes_to_the_partner_that_received_the_cdr(hub: Network) -> None:
    """Source: CDR-01, CDR-07"""
    hub.end()
    hub.compile()
    (first,) = hub.cdrs()

    hub.end(cdr_token=cdr_token(XYZ))
    hub.compile()

    (credit,) = [cdr for cdr in hub.cdrs() if cdr.get("credit")]
    (second,) = [cdr for cdr in hub.cdrs() if cdr["cdr_token"]["party_id"] == "XYZ"]
    assert (hub.sent("evi"), hub.sent("xyz")) == ([first, credit], [second])
    assert hub.shown(hub.world.partner("evi")) == [first["id"], credit["id"]]
    assert len(hub.shown(hub.world.partner("abc"))) == 3


def test_an_invalid_session_that_is_reopened_gets_a_new_cdr_when_it_ends(cpo: Network) -> None:
    """Source: CDR-07, SES-15"""
    cpo.end()
    cpo.compile()
    cpo.put(status="INVALID", end_date_time=T2)
    cpo.compile()

    cpo.put(status="ACTIVE")
    cpo.compile()
    cpo.end()
    cpo.compile()

    assert sum(cdr["total_cost"]["excl_vat"] for cdr in cpo.cdrs()) == Decimal("3.5")
    assert len(cpo.cdrs()) == 3


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "RESERVATION", "INVALID", "PAUSED_BY_VENDOR"])
def test_a_session_that_is_not_completed_has_no_cdr(cpo: Network, status: str) -> None:
    """Source: SES-15, SES-16"""
    cpo.put(status=status, end_date_time=T2)

    cpo.compile()

    assert (cpo.cdrs(), sessions_set_aside(cpo.node.table), list(read_due_sessions(cpo.node.table))) == (
        [],
        [],
        [],
    )


def test_a_change_that_does_not_affect_the_cdr_makes_no_new_one(cpo: Network) -> None:
    cpo.end()
    cpo.compile()

    cpo.end(pdgr_note="seen")
    cpo.compile()

    assert len(cpo.cdrs()) == 1


@pytest.mark.parametrize("survives", range(12))
def test_a_compiler_that_is_killed_anywhere_leaves_one_cdr(hub: Network, survives: int) -> None:
    hub.end()
    hub.stream()
    hub.node.table.transact = _dying(hub.node.table.transact, survives)  # type: ignore[method-assign]
    hub.node.table.write = _dying(hub.node.table.write, survives)  # type: ignore[method-assign]
    compiler.run(hub.node)
    del hub.node.table.__dict__["transact"], hub.node.table.__dict__["write"]

    hub.compile()

    assert len(hub.cdrs()) == 1
    assert len(hub.shown(hub.world.partner("abc"))) == 1
    assert list(read_due_sessions(hub.node.table)) == []


@pytest.mark.parametrize("before", [False, True])
def test_a_session_that_changes_while_it_is_compiled_is_compiled_in_its_new_version(
    cpo: Network, before: bool
) -> None:
    """Another compiler makes the CDRs of the new version. The slower compiler writes nothing."""
    if before:
        cpo.end()
        cpo.compile()
    cpo.end(kwh=Decimal("9"))
    cpo.stream()
    transact = cpo.node.table.transact

    def be_late(asked: Any) -> None:
        del cpo.node.table.__dict__["transact"]
        cpo.put(status="INVALID", end_date_time=T2)
        cpo.compile()
        transact(asked)

    cpo.node.table.transact = be_late  # type: ignore[method-assign]

    compiler.run(cpo.node)
    cpo.compile()

    assert sum(cdr["total_cost"]["excl_vat"] for cdr in cpo.cdrs()) == 0
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_session_whose_start_snapshot_cannot_be_stored_still_gets_a_cdr(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise InvalidParameters("takes 500000 bytes")

    monkeypatch.setattr(session_changes, "store_start_snapshot", fail)
    cpo.end()

    cpo.compile()

    assert len(cpo.cdrs()) == 1


def test_two_compilers_at_once_make_one_cdr_each(cpo: Network) -> None:
    for number in range(30):
        cpo.end(f"S{number}")
    cpo.stream()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compiler.run, [cpo.node, cpo.node]))
    cpo.compile()

    assert len({cdr["session_id"] for cdr in cpo.cdrs()}) == len(cpo.cdrs()) == 30


def _dying(call: Callable[[Any], None], survives: int) -> Callable[[Any], None]:
    """Make a call that works `survives` times and then always fails."""
    done: list[Operation] = []

    def dying(asked: Any) -> None:
        if len(done) >= survives:
            raise ServerError("killed")
        done.append(asked)
        call(asked)

    return dying
