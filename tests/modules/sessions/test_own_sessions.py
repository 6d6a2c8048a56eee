"""Source: OCPI 2.2.1 mod_sessions, Push model, Session Object; SES-05, SES-12 … SES-16"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.sessions.own_sessions import patch_own_session, put_own_session
from chalicelib.node import Node
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.policy.remote_starts import start_items, started
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict
from tests.harness.partner_api import CPO, EMSP, HUB, OTHER_CPO
from tests.harness.partners import register
from tests.modules.builders import T0, T1, T2, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import cdr_token, period, session, token

NOW = "2026-03-01T12:00:00Z"
PARTY = ("PT", "ABC")


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    return node_of("CPO")


def written(**fields: Any) -> dict[str, Any]:
    """Return a session as a CSMS writes it."""
    left_out = {"country_code", "party_id", "id", "last_updated"} - fields.keys()
    return without(session(**fields), *left_out)


def put(node: Node, session_id: str = "S1", **fields: Any) -> dict[str, Any]:
    return put_own_session(node, node.settings.roles[0].party, session_id, written(**fields)).document


def patch(node: Node, session_id: str = "S1", **fields: Any) -> dict[str, Any]:
    return patch_own_session(node, node.settings.roles[0].party, session_id, fields).document


def partition_of(node: Node, session_id: str = "S1") -> str:
    stored = node.objects.get(Ref("sessions", *PARTY, session_id))
    assert stored is not None
    return stored.partition


def test_ids_and_time_are_filled_in(node: Node) -> None:
    party = node.settings.roles[0].party

    new = put_own_session(node, party, "S1", written())

    assert new.created
    assert new.document == {**session(party), "last_updated": NOW}


def test_an_unchanged_session_is_not_written_again(node: Node) -> None:
    put(node)
    before = node.objects.get(Ref("sessions", *PARTY, "S1"))
    node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    again = put_own_session(node, node.settings.roles[0].party, "S1", written())

    assert not again.created
    assert node.objects.get(Ref("sessions", *PARTY, "S1")) == before


def test_a_patch_adds_periods_once_and_a_put_replaces_them(node: Node) -> None:
    """Source: SES-05, SES-07, SES-08"""
    put(node, charging_periods=[period(T0)])

    for _ in range(2):
        patched = patch(node, kwh=3, charging_periods=[period(T1)])
    assert (patched["kwh"], patched["charging_periods"]) == (3, [period(T0), period(T1)])

    assert put(node, charging_periods=[period(T2)])["charging_periods"] == [period(T2)]


def test_last_updated_rises_with_every_change(node: Node) -> None:
    put(node)
    node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    assert patch(node, kwh=1)["last_updated"] == "2026-03-01T12:00:05Z"
    assert patch(node, kwh=1)["last_updated"] == "2026-03-01T12:00:05Z"


def test_a_session_that_becomes_active_starts_now_unless_the_patch_has_a_start(node: Node) -> None:
    """Source: SES-12, SES-16"""
    for session_id, status in (("S1", "PENDING"), ("S2", "RESERVATION"), ("S3", "PENDING")):
        put(node, session_id, status=status)
    node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    assert patch(node, "S1", status="ACTIVE")["start_date_time"] == "2026-03-01T12:00:05Z"
    assert patch(node, "S2", status="ACTIVE")["start_date_time"] == "2026-03-01T12:00:05Z"
    assert patch(node, "S3", status="ACTIVE", start_date_time=T1)["start_date_time"] == T1
    assert patch(node, "S1", status="ACTIVE", kwh=1)["start_date_time"] == "2026-03-01T12:00:05Z"


def test_a_session_that_becomes_completed_ends_now_unless_the_patch_has_an_end(node: Node) -> None:
    put(node, "S1")
    put(node, "S2")

    assert patch(node, "S1", status="COMPLETED")["end_date_time"] == NOW
    assert patch(node, "S2", status="COMPLETED", end_date_time=T1)["end_date_time"] == T1


def test_a_completed_session_is_final(node: Node) -> None:
    """Source: SES-15"""
    done = put(node, status="COMPLETED", kwh=Decimal("8.10"))
    node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    for change in (
        {"kwh": 9},
        {"status": "ACTIVE"},
        {"charging_periods": [period()]},
        {"total_cost": None, "x": 1},
    ):
        with pytest.raises(InvalidParameters) as raised:
            patch(node, **change)
        assert raised.value.field == "status"
    assert put(node, status="COMPLETED", kwh=Decimal("8.10")) == done
    assert patch(node, status="COMPLETED") == done


def test_an_invalid_session_is_not_final(node: Node) -> None:
    put(node, status="INVALID")

    assert patch(node, status="ACTIVE")["status"] == "ACTIVE"


def test_status_reserved_becomes_reservation(node: Node) -> None:
    """Source: TRP-24, SES-16"""
    assert put(node, status="RESERVED", evse_uid="#NA", connector_id="#NA")["status"] == "RESERVATION"


def test_the_token_of_a_command_becomes_a_cdr_token(node: Node) -> None:
    """Source: SES-11, CMD-10"""
    assert put(node, cdr_token=token(energy_contract={"supplier_name": "S"}))["cdr_token"] == cdr_token()


def test_an_unknown_session_cannot_be_patched(node: Node) -> None:
    with pytest.raises(NotFound):
        patch(node, kwh=1)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("id", {"id": "S2"}),
        ("party_id", {"party_id": "EVI"}),
        ("last_updated", {"kwh": 1, "last_updated": "soon"}),
        ("cdr_token.contract_id", {"cdr_token": {"contract_id": None}}),
        ("charging_periods", {"charging_periods": "none"}),
    ],
)
def test_a_wrong_patch_is_refused_and_the_error_names_its_field(
    node: Node, field: str, fields: dict[str, Any]
) -> None:
    put(node)

    with pytest.raises(InvalidParameters) as raised:
        patch(node, **fields)

    assert raised.value.field == field


# -- the partner that receives it


def test_a_session_stays_with_the_partner_that_received_its_first_push(
    node: Node, partner_of: PartnerOf
) -> None:
    partner_of(node, "hub")
    put(node)
    assert partition_of(node) == f"sessions#PT*ABC#{HUB.key()}#HUB"

    partner_of(node, "emsp")
    patch(node, kwh=1)

    assert partition_of(node) == f"sessions#PT*ABC#{HUB.key()}#HUB"
    put(node, "S2")
    assert partition_of(node, "S2") == f"sessions#PT*ABC#{EMSP.key()}#EMSP"


def test_a_change_of_a_session_without_a_partner_looks_for_one_again(
    node: Node, partner_of: PartnerOf
) -> None:
    put(node)
    assert partition_of(node) == "sessions#PT*ABC#nobody"

    partner_of(node, "emsp")
    patch(node, kwh=1)

    assert partition_of(node) == f"sessions#PT*ABC#{EMSP.key()}#EMSP"


def test_a_session_with_a_new_token_moves_to_that_token_s_partner(node: Node, partner_of: PartnerOf) -> None:
    """Source: SES-11"""
    partner_of(node, "emsp")
    register(node, "second", ("EMSP", OTHER_CPO))
    put(node)

    put(node, cdr_token=cdr_token(OTHER_CPO))

    assert partition_of(node) == f"sessions#PT*ABC#{OTHER_CPO.key()}#EMSP"


def test_every_new_partition_is_recorded(node: Node, partner_of: PartnerOf) -> None:
    partner_of(node, "emsp")
    put(node)
    put(node, "S2", cdr_token=cdr_token(CPO))

    assert remembered_lists(node.table, "sessions") == [
        f"sessions#PT*ABC#{EMSP.key()}#EMSP",
        "sessions#PT*ABC#nobody",
    ]


# -- started by a command


def command(node: Node, reference: str | None = "ref-1", evse_uid: str | None = "E1") -> None:
    """Store a START_SESSION with the session's token, sent now."""
    start = started("emsp", "command-1", node.clock(), "L1", evse_uid)
    for item in start_items(token(), reference, start, node.clock()):
        node.table.put(item)


def test_a_session_that_a_command_started_gets_its_reference(node: Node) -> None:
    """Source: SES-13"""
    command(node)

    assert put(node)["authorization_reference"] == "ref-1"
    again = put(node, kwh=3)
    assert (again["kwh"], again["authorization_reference"]) == (3, "ref-1")
    assert patch(node, kwh=4)["authorization_reference"] == "ref-1"
    assert "authorization_reference" not in patch(node, authorization_reference=None)


def test_a_reference_from_the_csms_replaces_that_of_the_command(node: Node) -> None:
    """Source: SES-13"""
    command(node)

    assert put(node, authorization_reference="mine")["authorization_reference"] == "mine"
    assert put(node, authorization_reference="newer")["authorization_reference"] == "newer"
    other = put(node, cdr_token=cdr_token(uid="OTHER"))
    assert "authorization_reference" not in other


def test_a_session_at_another_evse_or_time_or_with_another_token_gets_no_reference_of_the_command(
    node: Node,
) -> None:
    """Source: SES-13"""
    put(node, "BEFORE")
    command(node)

    assert "authorization_reference" not in put(node, "BEFORE", kwh=1)
    assert "authorization_reference" not in put(node, "S2", evse_uid="E2")
    assert "authorization_reference" not in put(node, "S3", cdr_token=cdr_token(uid="OTHER"))
    node.clock.forward(seconds=16 * 60)  # type: ignore[attr-defined]
    assert "authorization_reference" not in put(node, "S4")


def test_a_command_without_a_reference_gives_the_session_none(node: Node) -> None:
    command(node, reference=None)

    assert "authorization_reference" not in put(node)


# -- the cost so far


class Prices:
    """Stand-in for `cdrs/running_cost.py`: charges 0.50 per kWh and records its calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], str]] = []

    def __call__(self, document: dict[str, Any], shown_in: str) -> dict[str, Any] | None:
        self.asked.append((document, shown_in))
        return {"excl_vat": document["kwh"] / Decimal(2)} if document["kwh"] >= 0 else None


def put_priced(node: Node, **fields: Any) -> dict[str, Any]:
    return put_own_session(
        node, node.settings.roles[0].party, "S1", written(**fields), cost=Prices()
    ).document


def patch_priced(node: Node, **fields: Any) -> dict[str, Any]:
    return patch_own_session(node, node.settings.roles[0].party, "S1", fields, cost=Prices()).document


def cost_of(document: dict[str, Any]) -> object:
    return document.get("total_cost", {}).get("excl_vat")


def test_a_session_without_a_total_cost_gets_the_cost_so_far(node: Node) -> None:
    """Source: SES-14"""
    assert cost_of(put_priced(node, kwh=2)) == 1
    assert cost_of(patch_priced(node, kwh=4)) == 2
    assert cost_of(patch_priced(node, charging_periods=[period(T0)])) == 2
    assert cost_of(patch_priced(node, kwh=0)) == 0
    assert "total_cost" not in patch_priced(node, kwh=-1)

    stored = node.objects.get(Ref("sessions", *PARTY, "S1"))
    assert stored is not None
    assert "total_cost" not in stored.body


def test_a_total_cost_of_the_operator_is_kept_as_it_was_sent(node: Node) -> None:
    """A null, or a PUT without it, removes it. Source: SES-14"""
    own = {"excl_vat": Decimal("9.90"), "x": "kept"}
    put_priced(node, kwh=2)

    assert patch_priced(node, kwh=4, total_cost=own)["total_cost"] == own
    assert patch_priced(node, kwh=6)["total_cost"] == own
    assert cost_of(patch_priced(node, kwh=8, total_cost=None)) == 4
    assert put_priced(node, kwh=8, total_cost=own)["total_cost"] == own
    assert patch_priced(node, kwh=9)["total_cost"] == own
    assert cost_of(put_priced(node, kwh=8)) == 4


def test_a_computed_cost_that_the_operator_puts_back_is_computed_again(node: Node) -> None:
    """An operator reads a session, changes a field and puts it back. Source: SES-14"""
    read = put_priced(node, kwh=2)

    node.clock.forward(seconds=5)  # type: ignore[attr-defined]
    for kwh in (6, 8):
        document = {**read, "kwh": kwh}
        changed = put_own_session(node, node.settings.roles[0].party, "S1", document, cost=Prices())
        assert cost_of(changed.document) == kwh / 2

    own = {**read, "kwh": 9, "last_updated": "2026-03-02T12:00:00Z", "total_cost": {"excl_vat": 1}}
    changed = put_own_session(node, node.settings.roles[0].party, "S1", own, cost=Prices())
    assert changed.document["total_cost"] == {"excl_vat": 1}


def test_a_change_that_changes_nothing_is_not_priced(node: Node) -> None:
    first = put_priced(node, kwh=2)
    before = node.objects.get(Ref("sessions", *PARTY, "S1"))
    node.clock.forward(seconds=5)  # type: ignore[attr-defined]
    asked = Prices()

    for document in (written(kwh=2), first):
        party = node.settings.roles[0].party
        assert put_own_session(node, party, "S1", document, cost=asked).document == first

    assert patch_own_session(node, party, "S1", {"kwh": 2}, cost=asked).document == first
    assert asked.asked == []
    assert node.objects.get(Ref("sessions", *PARTY, "S1")) == before


def test_a_completed_session_with_a_computed_cost_is_final(node: Node) -> None:
    """Source: SES-15"""
    put_priced(node, kwh=2)
    done = patch_priced(node, status="COMPLETED")

    assert patch_priced(node, status="COMPLETED") == done
    with pytest.raises(InvalidParameters):
        patch_priced(node, kwh=3)
    assert cost_of(put_priced(node, kwh=4, status="COMPLETED", end_date_time=T2)) == 2


def test_the_cost_is_of_the_session_that_is_written(node: Node) -> None:
    """A change at the same time is priced as well. Source: SES-08, SES-14"""
    put_priced(node, kwh=2)
    party, asked = node.settings.roles[0].party, Prices()

    def price(document: dict[str, Any], shown_in: str) -> dict[str, Any] | None:
        if not asked.asked:
            patch_priced(node, charging_periods=[period(T1)])
        return asked(document, shown_in)

    result = patch_own_session(node, party, "S1", {"kwh": 4}, cost=price).document

    assert [("charging_periods" in document) for document, _ in asked.asked] == [False, True]
    assert (result["kwh"], result["charging_periods"], cost_of(result)) == (4, [period(T1)], 2)
    assert {shown_in for _, shown_in in asked.asked} == {partition_of(node)}


def test_a_session_is_priced_once_also_when_its_write_is_repeated(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another new session of the same partition was first, and this one is as it was read. Source: SES-14"""
    asked, conflicts, transact = Prices(), [Conflict()], node.table.transact

    def disturbed(operations: Any) -> None:
        if conflicts:
            raise conflicts.pop()
        transact(operations)

    monkeypatch.setattr(node.table, "transact", disturbed)
    put_own_session(node, node.settings.roles[0].party, "S1", written(kwh=2), cost=asked)

    assert (len(asked.asked), conflicts) == (1, [])
