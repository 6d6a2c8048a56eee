"""Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02 … TAR-06"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.modules.tariffs.receiver import INTERFACE
from chalicelib.protocol.message import Party
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO, PartnerApi
from tests.harness.partners import make_strict
from tests.modules import builders
from tests.modules.builders import T0, T1, T2, element, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

ID = (*CPO, "T1")
AsPartner = Callable[[str], PartnerApi]


def tariff(**fields: Any) -> dict[str, Any]:
    return builders.tariff(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


@pytest.fixture(params=["HUB", "EMSP"])
def as_partner(request: pytest.FixtureRequest, node_of: NodeOf, partner_of: PartnerOf) -> AsPartner:
    """Returns the interface of a hub, then of an eMSP, as the partner with this name calls it."""
    node = node_of(request.param)
    return lambda name: PartnerApi(node, INTERFACE, partner_of(node, name))


@pytest.fixture
def cpo(as_partner: AsPartner) -> PartnerApi:
    return as_partner("cpo")


def test_put_of_a_new_tariff_creates_it(cpo: PartnerApi) -> None:
    """Source: TAR-02, STA-05, TRN-15"""
    document = tariff(tariff_alt_text=[{"language": "pt", "text": "São João"}], mobie_x={"a": [1, None]})

    answer = cpo.call("PUT", *ID, document=document)

    assert (answer.codes, answer.has_data) == ((201, 1000), False)
    assert cpo.call("GET", *ID).data == document


def test_put_of_a_known_tariff_replaces_it(cpo: PartnerApi) -> None:
    """Source: TAR-02, STA-04, TRN-23"""
    cpo.call("PUT", *ID, document=tariff(tariff_alt_url="https://alfa.pt"))

    answer = cpo.call("PUT", *ID, document=tariff(currency="SEK", last_updated=T1))

    assert answer.codes == (200, 1000)
    assert cpo.call("GET", *ID).data == tariff(currency="SEK", last_updated=T1)


def test_put_of_an_older_tariff_is_answered_with_success_and_ignored(cpo: PartnerApi) -> None:
    """Source: LOC-14's house rule"""
    cpo.call("PUT", *ID, document=tariff(last_updated=T1))

    answer = cpo.call("PUT", *ID, document=tariff(currency="SEK", last_updated=T0))

    assert answer.codes == (200, 1000)
    assert cpo.call("GET", *ID).data == tariff(last_updated=T1)


def test_ids_are_the_same_in_any_case(cpo: PartnerApi) -> None:
    """Source: TYP-01"""
    cpo.call("PUT", *ID, document=tariff())

    answer = cpo.call("PUT", "pt", "edp", "t1", document=tariff(last_updated=T1))

    assert answer.codes == (200, 1000)
    assert cpo.call("GET", "pt", "Edp", "t1").data == tariff(last_updated=T1)


def test_two_owners_may_have_tariffs_of_one_id(as_partner: AsPartner) -> None:
    """Source: OWN-02"""
    other = {**tariff(currency="SEK"), "country_code": "NL", "party_id": "TNM"}
    as_partner("cpo").call("PUT", *ID, document=tariff())

    assert as_partner("other").call("PUT", *OTHER_CPO, "T1", document=other).codes == (201, 1000)

    assert as_partner("cpo").call("GET", *ID).data == tariff()
    assert as_partner("other").call("GET", *OTHER_CPO, "T1").data == other


def test_a_deleted_tariff_is_not_found(cpo: PartnerApi) -> None:
    """Source: TAR-04"""
    cpo.call("PUT", *ID, document=tariff())

    assert cpo.call("DELETE", *ID).codes == (200, 1000)
    assert cpo.call("GET", *ID).codes == (404, 2001)
    assert cpo.call("DELETE", *ID).codes == (404, 2001)


def test_a_hub_pushes_for_its_clients(as_partner: AsPartner) -> None:
    """Source: RTE-15, TRP-18"""
    assert as_partner("hub").call("PUT", *ID, document=tariff()).codes == (201, 1000)
    assert as_partner("hub").call("GET", *ID).data == tariff()
    assert as_partner("hub").call("DELETE", *ID).codes == (200, 1000)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_partner_cannot_read_or_change_another_party_s_tariff(
    as_partner: AsPartner, name: str, method: str
) -> None:
    """Source: OWN-01, TRN-28"""
    as_partner("cpo").call("PUT", *ID, document=tariff())

    answer = as_partner(name).call(method, *ID, document=tariff(last_updated=T2) if method == "PUT" else None)

    assert answer.codes == (404, 2001)
    assert as_partner("cpo").call("GET", *ID).data == tariff()


def test_a_tariff_of_an_emsp_is_refused(as_partner: AsPartner) -> None:
    """Source: OWN-01"""
    document = {**tariff(), "party_id": EMSP.party_id}

    assert as_partner("emsp").call("PUT", *EMSP, "T1", document=document).codes == (404, 2001)


def test_a_partner_cannot_push_tariffs_of_the_node_s_own_party(as_partner: AsPartner) -> None:
    own: Party = as_partner("hub").node.settings.roles[0].party
    document = {**tariff(), "country_code": own.country_code, "party_id": own.party_id}

    assert as_partner("hub").call("PUT", *own, "T1", document=document).codes == (404, 2001)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_tariff_cannot_be_patched_or_posted(cpo: PartnerApi, method: str) -> None:
    """Source: TAR-03, STA-09"""
    cpo.call("PUT", *ID, document=tariff())

    assert cpo.call(method, *ID, document={"currency": "SEK", "last_updated": T1}).codes == (405, 2001)
    assert cpo.call("GET", *ID).data == tariff()


NEW = tariff(last_updated=T1)
BAD_PUTS: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("field missing", {"document": without(NEW, "currency")}, (200, 2001)),
    ("field of a wrong type", {"document": {**NEW, "elements": "free"}}, (200, 2001)),
    ("no elements", {"document": {**NEW, "elements": []}}, (200, 2001)),
    (
        "price as text",
        {"document": {**NEW, "elements": [element({"type": "FLAT", "price": "1"})]}},
        (200, 2001),
    ),
    ("another id", {"document": {**NEW, "id": "T2"}}, (200, 2001)),
    ("another party_id", {"document": {**NEW, "party_id": "TNM"}}, (200, 2001)),
    ("another country_code", {"document": {**NEW, "country_code": "ES"}}, (200, 2001)),
    ("id a number", {"document": {**NEW, "id": 1}}, (200, 2001)),
    ("a list", {"document": [NEW]}, (200, 2001)),
    ("null", {"body": "null"}, (200, 2001)),
    ("broken JSON", {"body": '{"id":'}, (400, 2001)),
    ("no body", {}, (400, 2001)),
    ("text", {"document": NEW, "headers": {"content-type": "application/xml"}}, (415, 2001)),
    ("too long", {"document": {**NEW, "x": "x" * (2 * 1024 * 1024)}}, (200, 2001)),
]


@pytest.mark.parametrize(("what", "sent", "codes"), BAD_PUTS, ids=[what for what, _, _ in BAD_PUTS])
def test_a_bad_put_is_refused_and_changes_nothing(
    cpo: PartnerApi, what: str, sent: dict[str, Any], codes: tuple[int, int]
) -> None:
    """Source: TRN-22, TRN-27, STA-01, STA-02, STA-07"""
    make_strict(cpo.node, cpo.caller)
    cpo.call("PUT", *ID, document=tariff())

    assert cpo.call("PUT", *ID, **sent).codes == codes
    assert cpo.call("GET", *ID).data == tariff()


BAD_IDS = [("x" * 37), "é", "a\tb", "x" * 3000, "\ufffd"]


@pytest.mark.parametrize("tariff_id", BAD_IDS)
def test_an_impossible_id_is_refused(cpo: PartnerApi, tariff_id: str) -> None:
    """Source: TYP-02, TYP-05"""
    assert cpo.call("PUT", *CPO, tariff_id, document=tariff(id=tariff_id)).codes == (200, 2001)
    assert cpo.call("GET", *CPO, tariff_id).codes == (404, 2001)
    assert cpo.call("GET", "PRT", "EDP", "T1").codes == (404, 2001)


def test_get_put_and_delete_make_at_most_two_table_calls(cpo: PartnerApi, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    cpo.call("PUT", *ID, document=tariff())
    new = tariff(last_updated=T1)
    steps: list[tuple[str, dict[str, Any] | None]] = [("GET", None), ("PUT", new), ("DELETE", None)]

    for method, document in steps:
        with measured(cpo.node.table) as spent:
            assert cpo.call(method, *ID, document=document).codes == (200, 1000)
        assert len(spent.calls) <= 2, (method, spent.calls)
