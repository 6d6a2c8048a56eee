"""Storing a received CDR without a request.

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02, CDR-06, CDR-07, CDR-22, TRP-30
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.keeping import IGNORED, is_ignored, keep
from chalicelib.node import Node
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.harness.partner_api import CPO
from tests.harness.partners import make_strict, register
from tests.modules.builders import T2, without
from tests.modules.cdrs.test_receiver import OWN, cdr
from tests.modules.conftest import NodeOf, PartnerOf

REF = Ref("cdrs", *CPO, "C1")


def item_of(node: Node, ref: Ref = REF) -> dict[str, Any]:
    """The body, source and partition of a stored CDR."""
    item = node.table.get(ref.key)
    return {} if item is None else {name: item[name] for name in ("body", "src", "lp")}


@pytest.fixture
def emsp(node_of: NodeOf) -> Node:
    return node_of("EMSP")


@pytest.fixture
def hub(node_of: NodeOf) -> Node:
    return node_of("HUB")


def test_a_cdr_from_its_owner_is_stored_in_the_list_of_its_token_s_emsp(
    emsp: Node, partner_of: PartnerOf
) -> None:
    """Source: CDR-02"""
    kept = keep(emsp, partner_of(emsp, "cpo"), cdr())

    assert (kept.ref, kept.created, kept.remark, is_ignored(kept)) == (REF, True, None, False)
    assert item_of(emsp) == {"body": write_json(cdr()), "src": "cpo", "lp": "cdrs#*#PT*GLP#EMSP"}


def test_the_same_cdr_again_changes_nothing(emsp: Node, partner_of: PartnerOf) -> None:
    """Source: CDR-06, TRP-30"""
    keep(emsp, partner_of(emsp, "cpo"), cdr())

    again = keep(emsp, partner_of(emsp, "cpo"), cdr())

    assert (again.created, again.change.written) == (False, False)


@pytest.mark.parametrize("last_updated", ["2026-03-01T09:59:59Z", "2026-03-01T11:00:00Z"])
def test_a_cdr_that_differs_is_refused_whether_it_is_older_or_newer(
    emsp: Node, partner_of: PartnerOf, last_updated: str
) -> None:
    """Source: CDR-06, CDR-07"""
    keep(emsp, partner_of(emsp, "cpo"), cdr())
    before = item_of(emsp)

    with pytest.raises(InvalidParameters, match="is known and differs"):
        keep(emsp, partner_of(emsp, "cpo"), cdr(last_updated=last_updated))

    assert item_of(emsp) == before


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (without(cdr(), "currency"), "currency"),
        (cdr(charging_periods=[]), "charging_periods"),
        (cdr(cdr_location=without(cdr()["cdr_location"], "evse_id")), "cdr_location.evse_id"),
    ],
)
def test_an_invalid_cdr_is_refused_with_its_field(
    emsp: Node, partner_of: PartnerOf, document: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        keep(emsp, make_strict(emsp, partner_of(emsp, "cpo")), document)

    assert refused.value.field == field
    assert item_of(emsp) == {}


@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_cdr_of_another_party_is_refused(emsp: Node, partner_of: PartnerOf, name: str) -> None:
    """Source: OWN-01, TRN-28"""
    with pytest.raises(NotFound, match="PT/EDP is not a CPO"):
        keep(emsp, partner_of(emsp, name), cdr())

    assert item_of(emsp) == {}


def test_a_cdr_from_one_hub_is_refused_from_another_even_if_equal(emsp: Node, partner_of: PartnerOf) -> None:
    keep(emsp, partner_of(emsp, "hub"), cdr())

    with pytest.raises(InvalidParameters, match="is not from the caller"):
        keep(emsp, register(emsp, "hub-2", ("HUB", Party("PT", "TWO"))), cdr())

    assert item_of(emsp)["src"] == "hub"


# -- a hub between CPO and eMSP ----------------------------------------------------------------------


def test_a_hub_that_makes_the_cdrs_stores_a_cpo_s_cdr_as_ignored(hub: Node, partner_of: PartnerOf) -> None:
    """Source: CDR-22"""
    kept = keep(hub, partner_of(hub, "cpo"), cdr())

    assert (kept.created, is_ignored(kept)) == (True, True)
    assert item_of(hub) == {"body": write_json(cdr()), "src": "cpo", "lp": IGNORED}
    assert IGNORED == "cdrs#*#ignored"


def test_a_hub_stores_the_cdr_of_a_cpo_that_makes_its_own(hub: Node, partner_of: PartnerOf) -> None:
    cpo = partner_of(hub, "cpo").model_copy(update={"profiles": (CPO_MAKES_CDR,)})

    kept = keep(hub, cpo, cdr())

    assert (kept.created, is_ignored(kept)) == (True, False)
    assert item_of(hub)["lp"] == "cdrs#*#PT*GLP#EMSP"


def test_a_cdr_with_the_id_of_a_credit_cdr_of_this_node_is_refused(hub: Node, partner_of: PartnerOf) -> None:
    ours = cdr(id="CDR-OURS")
    write = Write(JsonText(write_json(ours)), T2)
    hub.objects.change(
        REF._replace(id="CDR-OURS"), lambda _: write, partition="cdrs#*#PT*GLP#EMSP", source=""
    )
    credit = cdr(id="cdr-ours-c", credit=True, credit_reference_id="CDR-OURS")

    with pytest.raises(InvalidParameters, match="was made by this node"):
        keep(hub, partner_of(hub, "cpo"), credit)

    assert item_of(hub, REF._replace(id="CDR-OURS-C")) == {}


def test_a_cpo_takes_cdrs_of_its_own_sessions_from_a_hub_that_makes_them(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    """Source: CDR-22"""
    cpo = node_of("CPO")
    hub = partner_of(cpo, "hub")

    assert keep(cpo, hub, cdr(OWN)).created
    with pytest.raises(InvalidParameters, match="are made by this node"):
        keep(cpo, hub.model_copy(update={"profiles": (CPO_MAKES_CDR,)}), cdr(OWN, id="C2"))
    with pytest.raises(NotFound):
        keep(cpo, partner_of(cpo, "emsp"), cdr(OWN, id="C3"))

    assert item_of(cpo, Ref("cdrs", *OWN, "C1"))["lp"] == "cdrs#*#nobody"
    assert [item_of(cpo, Ref("cdrs", *OWN, each)) for each in ("C2", "C3")] == [{}, {}]
