"""Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01 … TOK-06, OWN-05"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.modules.tokens.receiver import INTERFACE
from chalicelib.policy.received_parties import known_owners, owners_key
from tests.harness.partner_api import CPO, EMSP, HUB, PartnerApi
from tests.harness.partners import make_strict
from tests.modules.builders import T0, T1, T2, token, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.storage.capacity import measured

ID = (*EMSP, "0102A")
AsPartner = Callable[[str], PartnerApi]


@pytest.fixture(params=["CPO", "HUB"])
def as_partner(request: pytest.FixtureRequest, node_of: NodeOf, partner_of: PartnerOf) -> AsPartner:
    """Returns the interface of a CPO, then of a hub, as the partner with this name calls it."""
    node = node_of(request.param)
    return lambda name: PartnerApi(node, INTERFACE, partner_of(node, name))


@pytest.fixture
def emsp(as_partner: AsPartner) -> PartnerApi:
    return as_partner("emsp")


def test_put_of_a_new_token_creates_it(emsp: PartnerApi) -> None:
    """Source: TOK-01, STA-05, TRN-15"""
    document = token(energy_contract={"supplier_name": "São João"}, mobie_x={"a": [1, None]})

    answer = emsp.call("PUT", *ID, document=document)

    assert (answer.codes, answer.has_data) == ((201, 1000), False)
    assert emsp.call("GET", *ID).data == document


def test_put_of_a_known_token_replaces_it(emsp: PartnerApi) -> None:
    """Source: TOK-01, STA-04, TRN-23"""
    emsp.call("PUT", *ID, document=token(visual_number="1"))

    answer = emsp.call("PUT", *ID, document=token(valid=False, last_updated=T1))

    assert answer.codes == (200, 1000)
    assert emsp.call("GET", *ID).data == token(valid=False, last_updated=T1)


def test_put_of_an_older_token_is_answered_with_success_and_ignored(emsp: PartnerApi) -> None:
    """Source: LOC-14's house rule"""
    emsp.call("PUT", *ID, document=token(last_updated=T1))

    answer = emsp.call("PUT", *ID, document=token(valid=False, last_updated=T0))

    assert answer.codes == (200, 1000)
    assert emsp.call("GET", *ID).data == token(last_updated=T1)


def test_the_type_is_part_of_the_key(emsp: PartnerApi) -> None:
    """Source: OWN-05, TOK-02, TRP-17"""
    app_user = token(type="APP_USER")
    emsp.call("PUT", *ID, document=token())
    assert emsp.call("PUT", *ID, document=app_user, query="type=APP_USER").codes == (201, 1000)

    assert emsp.call("GET", *ID).data == token()
    assert emsp.call("GET", *ID, query="type=RFID").data == token()
    assert emsp.call("GET", *ID, query="type=APP_USER").data == app_user
    assert emsp.call("GET", *ID, query="type=OTHER").codes == (404, 2001)


def test_put_without_a_type_in_the_query_uses_that_of_the_body(emsp: PartnerApi) -> None:
    """Source: TOK-02"""
    app_user = token(type="APP_USER")

    assert emsp.call("PUT", *ID, document=app_user).codes == (201, 1000)

    assert emsp.call("GET", *ID, query="type=APP_USER").data == app_user
    assert emsp.call("GET", *ID).codes == (404, 2001)


def test_ids_are_the_same_in_any_case(emsp: PartnerApi) -> None:
    """Source: TYP-01"""
    emsp.call("PUT", *ID, document=token())

    answer = emsp.call("PUT", "pt", "glp", "0102a", document=token(last_updated=T1))

    assert answer.codes == (200, 1000)
    assert emsp.call("GET", "pt", "Glp", "0102a").data == token(last_updated=T1)


def test_patch_changes_only_the_fields_in_it(emsp: PartnerApi) -> None:
    """Source: TOK-03, TRN-24"""
    emsp.call("PUT", *ID, document=token(visual_number="1"))

    answer = emsp.call("PATCH", *ID, document={"valid": False, "visual_number": None, "last_updated": T1})

    assert (answer.codes, answer.has_data) == ((200, 1000), False)
    assert emsp.call("GET", *ID).data == token(valid=False, last_updated=T1)


def test_patch_of_a_token_that_is_not_rfid_needs_the_type_in_the_query(emsp: PartnerApi) -> None:
    """Source: TOK-02"""
    emsp.call("PUT", *ID, document=token(type="APP_USER"), query="type=APP_USER")
    patch = {"valid": False, "last_updated": T1}

    assert emsp.call("PATCH", *ID, document=patch).codes == (404, 2001)
    assert emsp.call("PATCH", *ID, document=patch, query="type=APP_USER").codes == (200, 1000)

    stored = emsp.call("GET", *ID, query="type=APP_USER").data
    assert stored == token(type="APP_USER", valid=False, last_updated=T1)


def test_an_older_patch_is_answered_with_success_and_ignored(emsp: PartnerApi) -> None:
    """Source: LOC-14's house rule"""
    emsp.call("PUT", *ID, document=token(last_updated=T1))

    assert emsp.call("PATCH", *ID, document={"valid": False, "last_updated": T0}).codes == (200, 1000)
    assert emsp.call("GET", *ID).data == token(last_updated=T1)


def test_an_unknown_token_is_not_found(emsp: PartnerApi) -> None:
    """Source: TOK-04"""
    assert emsp.call("GET", *ID).codes == (404, 2001)
    assert emsp.call("PATCH", *ID, document={"valid": False, "last_updated": T1}).codes == (404, 2001)


def test_a_hub_pushes_for_its_clients(as_partner: AsPartner) -> None:
    """Source: RTE-15, TRP-18"""
    assert as_partner("hub").call("PUT", *ID, document=token()).codes == (201, 1000)
    assert as_partner("hub").call("GET", *ID).data == token()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("name", ["other", "cpo"])
def test_a_partner_cannot_read_or_change_another_party_s_token(
    as_partner: AsPartner, name: str, method: str
) -> None:
    """Source: OWN-01, TRN-28"""
    as_partner("emsp").call("PUT", *ID, document=token())

    answer = as_partner(name).call(method, *ID, document=None if method == "GET" else token(last_updated=T2))

    assert answer.codes == (404, 2001)
    assert as_partner("emsp").call("GET", *ID).data == token()


def test_a_token_of_a_cpo_is_refused(as_partner: AsPartner) -> None:
    """Source: OWN-01"""
    document = token(party_id=CPO.party_id)

    assert as_partner("cpo").call("PUT", *CPO, "0102A", document=document).codes == (404, 2001)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_token_cannot_be_deleted_or_posted(emsp: PartnerApi, method: str) -> None:
    """Source: TOK-05, STA-09"""
    emsp.call("PUT", *ID, document=token())

    assert emsp.call(method, *ID, document=token(last_updated=T1)).codes == (405, 2001)
    assert emsp.call("GET", *ID).data == token()


NEW = token(last_updated=T1)
BAD_PUTS: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    *((f"no {name}", {"document": without(NEW, name)}, (200, 2001)) for name in token()),
    *(
        (f"{name} null", {"document": {**NEW, name: None}}, (200, 2001))
        for name in ("uid", "type", "valid", "whitelist", "last_updated")
    ),
    ("valid as text", {"document": {**NEW, "valid": "true"}}, (200, 2001)),
    ("valid a number", {"document": {**NEW, "valid": 1}}, (200, 2001)),
    ("type in small letters", {"document": {**NEW, "type": "rfid"}}, (200, 2001)),
    ("type a number", {"document": {**NEW, "type": 5}}, (200, 2001)),
    ("type a list", {"document": {**NEW, "type": ["RFID"]}, "query": "type=RFID"}, (200, 2001)),
    ("type of another token", {"document": {**NEW, "type": "OTHER"}, "query": "type=RFID"}, (200, 2001)),
    ("type of the URL in small letters", {"document": NEW, "query": "type=rfid"}, (200, 2001)),
    ("type of the URL no type", {"document": NEW, "query": "type=%00"}, (200, 2001)),
    ("whitelist in small letters", {"document": {**NEW, "whitelist": "always"}}, (200, 2001)),
    ("contract_id too long", {"document": {**NEW, "contract_id": "x" * 37}}, (200, 2001)),
    ("issuer too long", {"document": {**NEW, "issuer": "x" * 65}}, (200, 2001)),
    ("issuer with a line break", {"document": {**NEW, "issuer": "a\nb"}}, (200, 2001)),
    ("group_id not ASCII", {"document": {**NEW, "group_id": "é"}}, (200, 2001)),
    ("language of three letters", {"document": {**NEW, "language": "por"}}, (200, 2001)),
    ("energy_contract of nobody", {"document": {**NEW, "energy_contract": {}}}, (200, 2001)),
    ("energy_contract a text", {"document": {**NEW, "energy_contract": "EDP"}}, (200, 2001)),
    ("last_updated yesterday", {"document": {**NEW, "last_updated": "yesterday"}}, (200, 2001)),
    ("another uid", {"document": {**NEW, "uid": "0102B"}}, (200, 2001)),
    ("uid a number", {"document": {**NEW, "uid": 102}}, (200, 2001)),
    ("another party_id", {"document": {**NEW, "party_id": "EVI"}}, (200, 2001)),
    ("another country_code", {"document": {**NEW, "country_code": "ES"}}, (200, 2001)),
    ("a list", {"document": [NEW]}, (200, 2001)),
    ("null", {"body": "null"}, (200, 2001)),
    ("broken JSON", {"body": '{"uid":'}, (400, 2001)),
    ("no body", {}, (400, 2001)),
    ("text", {"document": NEW, "headers": {"content-type": "application/xml"}}, (415, 2001)),
    ("too long", {"document": {**NEW, "x": "x" * (2 * 1024 * 1024)}}, (200, 2001)),
]


@pytest.mark.parametrize(("what", "sent", "codes"), BAD_PUTS, ids=[what for what, _, _ in BAD_PUTS])
def test_a_bad_put_is_refused_and_changes_nothing(
    emsp: PartnerApi, what: str, sent: dict[str, Any], codes: tuple[int, int]
) -> None:
    """Source: TOK-06, TRN-22, TRN-27, STA-01, STA-02, STA-07"""
    make_strict(emsp.node, emsp.caller)
    emsp.call("PUT", *ID, document=token())

    assert emsp.call("PUT", *ID, **sent).codes == codes
    assert emsp.call("GET", *ID).data == token()


BAD_PATCHES: dict[str, dict[str, Any]] = {
    "no last_updated": {"valid": False},
    "nothing": {},
    "last_updated null": {"valid": False, "last_updated": None},
    "last_updated yesterday": {"valid": False, "last_updated": "yesterday"},
    "last_updated a number": {"valid": False, "last_updated": 5},
    "valid as text": {"valid": "no", "last_updated": T1},
    "valid null": {"valid": None, "last_updated": T1},
    "issuer null": {"issuer": None, "last_updated": T1},
    "whitelist in small letters": {"whitelist": "never", "last_updated": T1},
    "another uid": {"uid": "0102B", "last_updated": T1},
    "another owner": {"party_id": "EVI", "last_updated": T1},
    "type null": {"type": None, "last_updated": T1},
    "type a number": {"type": 1, "last_updated": T1},
}


@pytest.mark.parametrize("patch", BAD_PATCHES.values(), ids=BAD_PATCHES.keys())
def test_a_bad_patch_is_refused_and_changes_nothing(emsp: PartnerApi, patch: dict[str, Any]) -> None:
    """Source: TOK-03, TRN-22, TRN-27"""
    make_strict(emsp.node, emsp.caller)
    emsp.call("PUT", *ID, document=token())

    assert emsp.call("PATCH", *ID, document=patch).codes == (200, 2001)
    assert emsp.call("GET", *ID).data == token()


@pytest.mark.parametrize("uid", ["x" * 37, "é", "a\tb", "x" * 3000, "\ufffd"])
def test_an_impossible_uid_is_refused(emsp: PartnerApi, uid: str) -> None:
    """Source: TYP-02, TYP-05"""
    assert emsp.call("PUT", *EMSP, uid, document=token(uid=uid)).codes == (200, 2001)
    assert emsp.call("GET", *EMSP, uid).codes == (404, 2001)


def test_the_first_token_of_an_owner_records_the_owner_at_once(emsp: PartnerApi) -> None:
    """A token can be authorized at once, without a wait for the table's stream."""
    emsp.call("PUT", *ID, document=token())

    items = emsp.node.table.get_many([owners_key("tokens")])
    assert known_owners(items, "tokens") == [EMSP]


def test_a_refused_token_does_not_record_its_owner(emsp: PartnerApi) -> None:
    make_strict(emsp.node, emsp.caller)
    emsp.call("PUT", *ID, document=without(token(), "issuer"))
    emsp.call("PATCH", *ID, document={"valid": False, "last_updated": T1})

    assert known_owners(emsp.node.table.get_many([owners_key("tokens")]), "tokens") == []


def test_get_put_and_patch_make_at_most_two_table_calls(emsp: PartnerApi, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    emsp.call("PUT", *ID, document=token())
    steps = [("GET", None), ("PUT", token(last_updated=T1)), ("PATCH", {"valid": False, "last_updated": T2})]

    for method, document in steps:
        with measured(emsp.node.table) as spent:
            assert emsp.call(method, *ID, document=document).codes == (200, 1000)
        assert len(spent.calls) <= 2, (method, spent.calls)


def test_a_new_token_of_a_known_owner_makes_at_most_two_table_calls(emsp: PartnerApi, in_moto: None) -> None:
    emsp.call("PUT", *ID, document=token())

    with measured(emsp.node.table) as spent:
        assert emsp.call("PUT", *EMSP, "2", document=token(uid="2")).codes == (201, 1000)
    assert len(spent.calls) <= 2, spent.calls


def test_a_partner_cannot_push_tokens_of_the_node_s_own_party(as_partner: AsPartner) -> None:
    """Source: OWN-01"""
    own = as_partner("hub").node.settings.roles[0].party
    document = token(country_code=own.country_code, party_id=own.party_id)

    assert as_partner("hub").call("PUT", *own, "0102A", document=document).codes == (404, 2001)
    assert HUB not in known_owners(as_partner("hub").node.table.get_many([owners_key("tokens")]), "tokens")
