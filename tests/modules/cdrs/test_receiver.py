"""Receiver interface of CDRs.

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02 … CDR-12, CDR-22, TRP-30
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.cdrs import sender
from chalicelib.modules.cdrs.keeping import IGNORED
from chalicelib.modules.cdrs.receiver import INTERFACE
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.protocol.json_text import Document, JsonText, write_json
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.harness.nodes import PARTIES
from tests.harness.partner_api import CPO, EMSP, HUB, PartnerApi
from tests.harness.partners import make_strict, register
from tests.modules.builders import T0, T1, T2, tariff, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import cdr_token, period

OWN = PARTIES["CPO"]


def cdr(owner: tuple[str, str] = CPO, **fields: Any) -> Document:
    """Build CDR C1 of a CPO, with a token of an eMSP."""
    return {
        "country_code": owner[0],
        "party_id": owner[1],
        "id": "C1",
        "start_date_time": T0,
        "end_date_time": T1,
        "session_id": "S1",
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "L1",
            "address": "Rua do Salitre 1",
            "city": "Lisboa",
            "country": "PRT",
            "coordinates": {"latitude": "38.72000", "longitude": "-9.1500000"},
            "evse_uid": "E1",
            "evse_id": "PT*ABC*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [tariff()],
        "charging_periods": [period()],
        "total_cost": {"excl_vat": Decimal("0.38")},
        "total_energy": Decimal("1.50"),
        "total_time": 1,
        "last_updated": T2,
        **fields,
    }


@pytest.fixture
def cpo(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """Receiver interface of an eMSP, called by a CPO."""
    node = node_of("EMSP")
    return PartnerApi(node, INTERFACE, partner_of(node, "cpo"))


def with_profile(node: Node, partner: Partner) -> Partner:
    node.directory.update(partner.id, lambda known: known.model_copy(update={"profiles": (CPO_MAKES_CDR,)}))
    return partner


def test_post_stores_a_cdr_and_get_of_its_location_returns_it(cpo: PartnerApi) -> None:
    """Source: CDR-02, CDR-03, CDR-04, CDR-12, TYP-14"""
    document = cdr(mobie_cdr_extension={"usage": [None]})

    answer = cpo.call("POST", document=document)

    assert answer.codes == (201, 1000)
    assert answer.headers["Location"] == "https://node.example/ocpi/2.2.1/receiver/cdrs/PT/EDP/C1"
    assert cpo.call("GET", *CPO, "C1").data == document
    assert cpo.call("GET", *CPO, "C2").codes == (404, 2001)


def test_the_same_cdr_again_is_answered_like_a_new_one(cpo: PartnerApi) -> None:
    """Source: CDR-06, TRP-30"""
    first = cpo.call("POST", document=cdr())

    again = cpo.call("POST", document=cdr())

    assert again.codes == (200, 1000)
    assert again.headers["Location"] == first.headers["Location"]


def test_a_different_cdr_with_a_known_id_is_refused(cpo: PartnerApi) -> None:
    """Source: CDR-06, TRP-30"""
    cpo.call("POST", document=cdr())

    answer = cpo.call("POST", document=cdr(total_energy=9))

    assert answer.codes == (200, 2001)
    assert cpo.call("GET", *CPO, "C1").data == cdr()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_cdr_never_changes(cpo: PartnerApi, method: str) -> None:
    """Source: CDR-05"""
    cpo.call("POST", document=cdr())

    assert cpo.call(method, *CPO, "C1", document=cdr(total_energy=9)).codes == (405, 2001)
    assert cpo.call("GET", *CPO, "C1").data == cdr()


@pytest.mark.parametrize("name", sorted(set(cdr()) - {"session_id", "tariffs"}))
def test_every_required_field_is_required(cpo: PartnerApi, name: str) -> None:
    """Source: CDR-10"""
    make_strict(cpo.node, cpo.caller)
    answer = cpo.call("POST", document=without(cdr(), name))

    assert answer.codes[1] == 2001
    assert name in answer.message


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"credit": True}, "credit_reference_id"),
        ({"id": "C" * 37}, "credit_reference_id"),
        ({"charging_periods": []}, "charging_periods"),
        (
            {"charging_periods": [{"start_date_time": T0, "dimensions": [{"type": "POWER", "volume": 1}]}]},
            "POWER",
        ),
        ({"cdr_location": without(cdr()["cdr_location"], "evse_id")}, "evse_id"),
        ({"cdr_location": {**cdr()["cdr_location"], "address": "A" * 46}}, "address"),
        ({"start_date_time": "1970-1-1T00:00:00Z"}, "start_date_time"),
        ({"end_date_time": "2026-03-01T07:59:59Z"}, "end_date_time"),
        ({"signed_data": {"encoding_method": "OCMF", "signed_values": []}}, "signed_values"),
    ],
)
def test_an_invalid_cdr_is_refused_with_its_field(cpo: PartnerApi, fields: Document, field: str) -> None:
    """Source: CDR-08, CDR-09, CDR-10, CDR-15, CDR-18, CDR-19, CDR-21"""
    make_strict(cpo.node, cpo.caller)
    answer = cpo.call("POST", document=cdr(**fields))

    assert answer.codes == (200, 2001)
    assert field in answer.message


def test_the_id_of_a_credit_cdr_may_have_39_characters(cpo: PartnerApi) -> None:
    """Source: CDR-08, CDR-09, CDR-20, CDR-21"""
    signed = {"nature": "End", "plain_data": "p" * 5000, "signed_data": "s" * 5000}
    document = cdr(
        id="C" * 39,
        credit=True,
        credit_reference_id="C1",
        home_charging_compensation=True,
        signed_data={"encoding_method": "OCMF", "signed_values": [signed]},
    )

    assert cpo.call("POST", document=document).codes == (201, 1000)
    assert cpo.call("GET", *CPO, "C" * 39).data == document


def test_a_cdr_of_a_party_that_is_not_the_caller_s_is_refused(cpo: PartnerApi) -> None:
    """Source: TRN-28, OWN-01"""
    assert cpo.call("POST", document=cdr(("NL", "TNM"))).codes == (404, 2001)


def test_a_hub_that_makes_the_cdrs_stores_a_cpo_s_cdr_as_ignored(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    """Source: CDR-22"""
    hub = node_of("HUB")
    api = PartnerApi(hub, INTERFACE, partner_of(hub, "cpo"))
    emsp = PartnerApi(hub, sender.INTERFACE, partner_of(hub, "emsp"))

    assert api.call("POST", document=cdr()).codes == (200, 1000)

    stored = hub.objects.get(Ref("cdrs", *CPO, "C1"))
    assert stored is not None and stored.partition == IGNORED
    assert emsp.call("GET", to=PARTY_OF_HUB).data == []


def test_a_cdr_with_the_id_of_a_cdr_of_this_node_or_of_its_credit_cdr_is_refused(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    """The hub made the CDR. The CPO of its session knows the id, but may not post it, even if equal."""
    hub = node_of("HUB")
    api = PartnerApi(hub, INTERFACE, partner_of(hub, "cpo"))
    ours, ref = cdr(id="CDR-OURS"), Ref("cdrs", *CPO, "CDR-OURS")
    write = Write(JsonText(write_json(ours)), T2)
    hub.objects.change(ref, lambda _: write, partition="cdrs#*#PT*GLP#EMSP", source="")
    credit = cdr(id="cdr-ours-c", credit=True, credit_reference_id="CDR-OURS")

    assert api.call("POST", document=ours).codes == (200, 2001)
    assert api.call("POST", document=credit).codes == (200, 2001)
    assert api.call("POST", document={**credit, "id": "CDR-C"}).codes == (200, 1000)
    assert hub.objects.get(ref._replace(id="CDR-OURS-C")) is None


def test_a_cdr_with_the_id_of_another_partner_s_cdr_is_refused(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    """Two hubs may both send CDRs of a CPO that is no partner itself; the id belongs to the first sender."""
    node = node_of("EMSP")
    first = PartnerApi(node, INTERFACE, partner_of(node, "hub"))
    second = PartnerApi(node, INTERFACE, register(node, "hub-2", ("HUB", HUB._replace(party_id="TWO"))))

    assert first.call("POST", document=cdr()).codes == (201, 1000)
    assert second.call("POST", document=cdr()).codes == (200, 2001)
    assert first.call("POST", document=cdr()).codes == (200, 1000)


def test_a_hub_shows_the_emsp_the_cdrs_of_a_cpo_that_makes_its_own(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    hub = node_of("HUB")
    api = PartnerApi(hub, INTERFACE, with_profile(hub, partner_of(hub, "cpo")))
    emsp = PartnerApi(hub, sender.INTERFACE, partner_of(hub, "emsp"))
    stranger = PartnerApi(
        hub, sender.INTERFACE, register(hub, "stranger", ("EMSP", EMSP._replace(party_id="XXX")))
    )

    assert api.call("POST", document=cdr()).codes == (201, 1000)

    assert emsp.call("GET", to=PARTY_OF_HUB).data == [cdr()]
    answer = stranger.call("GET", to=PARTY_OF_HUB)
    assert (answer.data, answer.headers["X-Total-Count"]) == ([], "0")


def test_a_cpo_accepts_cdrs_of_its_own_sessions_from_its_hub_only(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    """Source: CDR-22"""
    node = node_of("CPO")
    hub, emsp = (PartnerApi(node, INTERFACE, partner_of(node, name)) for name in ("hub", "emsp"))

    assert hub.call("POST", document=cdr(OWN)).codes == (201, 1000)
    assert emsp.call("POST", document=cdr(OWN, id="C2")).codes == (404, 2001)
    assert hub.call("GET", *OWN, "C1").data == cdr(OWN)
    assert emsp.call("GET", *OWN, "C1").codes == (404, 2001)


PARTY_OF_HUB = HUB._replace(party_id=PARTIES["HUB"][1])
