"""Storing a received session without a request.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04, SES-11, SES-15
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.sessions.keeping import keep
from chalicelib.node import Node
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO
from tests.harness.partners import make_strict, register
from tests.modules.builders import T0, T1, T2, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import period, session

REF = Ref("sessions", *CPO, "S1")


@pytest.fixture(params=["HUB", "EMSP"])
def node(request: pytest.FixtureRequest, node_of: NodeOf) -> Node:
    return node_of(request.param)


def test_a_session_from_its_owner_is_stored_in_the_list_of_its_token_s_emsp(
    node: Node, partner_of: PartnerOf
) -> None:
    """Source: SES-04, SES-11"""
    kept = keep(node, partner_of(node, "cpo"), session())

    assert (kept.ref, kept.created, kept.remark) == (REF, True, None)
    item = node.table.get(REF.key)
    assert item is not None
    assert (item["body"], item["src"]) == (write_json(session()), "cpo")
    assert item["lp"] == "sessions#*#PT*GLP#EMSP"


def test_known_deviations_are_corrected_before_a_session_is_stored(node: Node, partner_of: PartnerOf) -> None:
    """Source: TRP-24"""
    document = session(status="RESERVED", charging_periods=[period(volume="1.50")])

    keep(node, partner_of(node, "cpo"), document)

    item = node.table.get(REF.key)
    corrected = session(status="RESERVATION", charging_periods=[period(volume=Decimal("1.50"))])
    assert item is not None and item["body"] == write_json(corrected)
    assert document["status"] == "RESERVED"


@pytest.mark.parametrize(
    ("document", "ref", "field"),
    [
        (without(session(), "kwh"), None, "kwh"),
        (session(kwh="1"), None, "kwh"),
        (session(cdr_token={}), None, "cdr_token.country_code"),
        (session(), REF._replace(id="S2"), "id"),
        (session(), REF._replace(party_id="TNM"), "party_id"),
    ],
)
def test_an_invalid_session_is_refused_with_its_field(
    node: Node, partner_of: PartnerOf, document: dict[str, Any], ref: Ref | None, field: str
) -> None:
    """Source: TRN-27"""
    with pytest.raises(InvalidParameters) as refused:
        keep(node, make_strict(node, partner_of(node, "cpo")), document, ref=ref)

    assert refused.value.field == field
    assert node.table.get(REF.key) is None


@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_session_of_another_party_is_refused(node: Node, partner_of: PartnerOf, name: str) -> None:
    """Source: OWN-01, TRN-28"""
    with pytest.raises(NotFound, match="PT/EDP is not a CPO"):
        keep(node, partner_of(node, name), session())

    assert node.table.get(REF.key) is None


def test_a_session_from_one_hub_is_not_changed_by_another(node: Node, partner_of: PartnerOf) -> None:
    """Source: RTE-15"""
    keep(node, partner_of(node, "hub"), session())
    before = node.table.get(REF.key)

    with pytest.raises(NotFound, match="known from another partner"):
        keep(node, register(node, "hub-2", ("HUB", Party("PT", "TWO"))), session(last_updated=T1))

    assert node.table.get(REF.key) == before


def test_an_older_session_changes_nothing_and_has_a_remark(node: Node, partner_of: PartnerOf) -> None:
    """Source: LOC-14's house rule"""
    keep(node, partner_of(node, "cpo"), session(last_updated=T1))
    before = node.table.get(REF.key)

    kept = keep(node, partner_of(node, "cpo"), session(kwh=9, last_updated=T0))

    assert (kept.created, kept.change.written) == (False, False)
    assert kept.remark == f"not changed, since last_updated {T0} is older than the stored {T1}"
    assert node.table.get(REF.key) == before


def test_a_final_session_does_not_open_again(node: Node, partner_of: PartnerOf) -> None:
    """Source: SES-15"""
    keep(node, partner_of(node, "cpo"), session(status="COMPLETED", end_date_time=T1, last_updated=T1))
    before = node.table.get(REF.key)

    with pytest.raises(InvalidParameters):
        keep(node, partner_of(node, "cpo"), session(last_updated=T2))

    assert node.table.get(REF.key) == before
