"""Source: OCPI 2.2.1 mod_tokens, Sender Interface; TOK-08, TOK-11 … TOK-18, PAG-01 … PAG-14"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.tokens import emsp_authorization, receiver
from chalicelib.modules.tokens.own_tokens import OwnKey, put_own_token
from chalicelib.modules.tokens.sender import INTERFACE
from chalicelib.node import Node
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import ABSENT
from tests.harness.partner_api import CPO, EMSP, Answer, PartnerApi
from tests.harness.partners import make_strict
from tests.modules.builders import T0, T1, T2, token, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.tokens.asking import asking
from tests.storage.capacity import measured

WHERE = {"location_id": "L1", "evse_uids": ["E1", "E2", "E3"]}


def put(node: Node, uid: str = "0102A", token_type: str = "RFID", **fields: Any) -> Document:
    party = node.settings.roles[0].party
    document = without(token(**fields), "country_code", "party_id", "uid", "type")
    return put_own_token(node, OwnKey(party, uid, token_type), document).document


class Operator:
    """Stand-in for the operator's webhook: returns `answer` and records its calls."""

    def __init__(self) -> None:
        self.answer: Any = ABSENT
        self.asked: list[tuple[str, Any, float]] = []

    def ask(self, node: Node, event: str, message_id: str, data: Any, *, total_s: float) -> Any:
        self.asked.append((event, data, total_s))
        return self.answer


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    operator = Operator()
    monkeypatch.setattr(emsp_authorization, "ask", operator.ask)
    return operator


@pytest.fixture
def emsp(node_of: NodeOf, partner_of: PartnerOf, operator: Operator) -> PartnerApi:
    """An eMSP's tokens, called by a CPO."""
    node = node_of("EMSP")
    return PartnerApi(node, INTERFACE, partner_of(node, "cpo"))


def authorize(
    api: PartnerApi, uid: str = "0102A", query: str = "", document: Any = None, **more: Any
) -> Answer:
    return api.call("POST", uid, "authorize", query=query, document=document, **more)


# -- the list ----------------------------------------------------------------------------------------


def test_every_token_is_on_one_page(emsp: PartnerApi) -> None:
    """Source: TOK-08, PAG-04, PAG-06, PAG-08"""
    for number in range(5):
        put(emsp.node, f"T{number}")

    pages = emsp.pages("limit=2")

    assert [[one["uid"] for one in page] for page in pages] == [["T0", "T1"], ["T2", "T3"], ["T4"]]
    assert emsp.call("GET", query="limit=2").headers["X-Total-Count"] == "5"


def test_dates_limit_the_list(emsp: PartnerApi) -> None:
    """Source: PAG-02, PAG-03"""
    for number, moment in enumerate([T0, T1, T2]):
        put(emsp.node, f"T{number}", last_updated=moment)

    answer = emsp.call("GET", query=f"date_from={T1}&date_to={T2}")

    assert [one["uid"] for one in answer.data] == ["T1"]
    assert answer.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "date_from=yesterday"])
def test_an_invalid_query_is_refused(emsp: PartnerApi, query: str) -> None:
    """Source: PAG-14"""
    assert emsp.call("GET", query=query).codes == (200, 2001)


def test_another_emsp_is_shown_no_tokens(node_of: NodeOf, partner_of: PartnerOf, operator: Operator) -> None:
    """Source: RTE-17, PAG-08"""
    node = node_of("EMSP")
    put(node)
    other = PartnerApi(node, INTERFACE, partner_of(node, "emsp"))

    answer = other.call("GET")

    assert (answer.codes, answer.data, answer.headers["X-Total-Count"]) == ((200, 1000), [], "0")
    assert authorize(other).codes == (404, 2004)
    assert operator.asked == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_write_methods_are_refused(emsp: PartnerApi, method: str) -> None:
    """Source: STA-09"""
    assert emsp.call(method, document=None if method == "DELETE" else token()).codes == (405, 2001)
    assert emsp.call("GET", "0102A", "authorize").codes == (405, 2001)


# -- an eMSP decides ---------------------------------------------------------------------------------


def test_each_authorization_of_a_valid_token_gets_a_new_reference(emsp: PartnerApi) -> None:
    """Source: TOK-12"""
    stored = put(emsp.node, mobie_x=1)

    first, second = authorize(emsp), authorize(emsp, "0102a")

    assert (first.codes, second.codes) == ((200, 1000), (200, 1000))
    assert (first.data["allowed"], first.data["token"]) == ("ALLOWED", stored)
    assert "location" not in first.data
    references = {first.data["authorization_reference"], second.data["authorization_reference"]}
    assert len(references) == 2
    assert all(0 < len(reference) <= 36 for reference in references)


def test_an_invalid_token_is_answered_blocked_with_success(emsp: PartnerApi) -> None:
    """Source: TOK-13"""
    put(emsp.node, valid=False)

    answer = authorize(emsp, document=WHERE)

    assert answer.codes == (200, 1000)
    assert answer.data == {"allowed": "BLOCKED", "token": answer.data["token"]}


def test_an_unknown_token_is_answered_404_and_2004_without_data(emsp: PartnerApi) -> None:
    """Source: TOK-14, TRP-12"""
    put(emsp.node)

    for answer in (authorize(emsp, "NOPE"), authorize(emsp, query="type=APP_USER")):
        assert (answer.codes, answer.has_data) == ((404, 2004), False)


def test_the_type_in_the_query_selects_the_token(emsp: PartnerApi) -> None:
    """Source: OWN-05, TOK-11"""
    put(emsp.node, valid=False)
    put(emsp.node, token_type="APP_USER")

    assert authorize(emsp).data["allowed"] == "BLOCKED"
    assert authorize(emsp, query="type=APP_USER").data["allowed"] == "ALLOWED"


@pytest.mark.parametrize("body", [None, "", "  ", "null"])
def test_the_body_may_be_empty(emsp: PartnerApi, body: str | None) -> None:
    """Source: TOK-11"""
    put(emsp.node)

    assert authorize(emsp, body=body).data["allowed"] == "ALLOWED"


def test_the_answer_repeats_the_requested_location(emsp: PartnerApi) -> None:
    """Source: TOK-16, TOK-17"""
    put(emsp.node)

    assert authorize(emsp, document=WHERE).data["location"] == WHERE
    assert authorize(emsp, document={"location_id": "L1"}).data["location"] == {"location_id": "L1"}


BAD_BODIES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "no location_id": ({"document": {"evse_uids": ["E1"]}}, (200, 2001)),
    "nothing": ({"document": {}}, (200, 2001)),
    "location_id a number": ({"document": {"location_id": 5}}, (200, 2001)),
    "location_id too long": ({"document": {"location_id": "x" * 37}}, (200, 2001)),
    "location_id empty": ({"document": {"location_id": ""}}, (200, 2001)),
    "evse_uids a text": ({"document": {"location_id": "L1", "evse_uids": "E1"}}, (200, 2001)),
    "an EVSE a number": ({"document": {"location_id": "L1", "evse_uids": [1]}}, (200, 2001)),
    "a list": ({"document": ["L1"]}, (200, 2001)),
    "a text": ({"body": '"L1"'}, (200, 2001)),
    "broken JSON": ({"body": '{"location_id":'}, (400, 2001)),
    "text": ({"document": WHERE, "headers": {"content-type": "application/xml"}}, (415, 2001)),
    "type in small letters": ({"query": "type=rfid"}, (200, 2001)),
    "type no type": ({"query": "type=a%20b"}, (200, 2001)),
    "too long": ({"document": {**WHERE, "x": "x" * (2 * 1024 * 1024)}}, (200, 2001)),
}


@pytest.mark.parametrize(("sent", "codes"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize("role", ["EMSP", "HUB"])
def test_a_bad_authorization_request_is_refused(
    node_of: NodeOf,
    partner_of: PartnerOf,
    operator: Operator,
    role: str,
    sent: dict[str, Any],
    codes: tuple[int, int],
) -> None:
    """Source: TRN-22, STA-01, STA-02, TRN-12"""
    node, partners = asking(node_of(role))
    api = PartnerApi(node, INTERFACE, make_strict(node, partner_of(node, "cpo")))

    answer = authorize(api, **sent)

    assert (answer.codes, answer.has_data) == (codes, False)
    assert (operator.asked, partners.asked) == ([], [])


@pytest.mark.parametrize("uid", ["x" * 37, "é", "a\tb", "x" * 3000])
def test_an_impossible_uid_is_refused(emsp: PartnerApi, uid: str) -> None:
    """Source: TYP-02, TYP-05"""
    assert authorize(emsp, uid).codes == (200, 2001)


# -- the webhook ------------------------------------------------------------------------------------


def test_the_webhook_gets_the_token_the_cpo_and_the_location(emsp: PartnerApi, operator: Operator) -> None:
    """Source: TOK-18"""
    stored = put(emsp.node)

    authorize(emsp, document=WHERE)

    ((event, data, total_s),) = operator.asked
    assert event == "authorize"
    assert data == {"token": stored, "country_code": "PT", "party_id": CPO.party_id, "location": WHERE}
    assert total_s == 2.0


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_the_decision_of_the_operator_is_answered(emsp: PartnerApi, operator: Operator, allowed: str) -> None:
    """Source: TOK-13"""
    put(emsp.node)
    operator.answer = {"allowed": allowed, "info": {"language": "pt", "text": "Sem saldo"}}

    answer = authorize(emsp, document=WHERE)

    assert answer.codes == (200, 1000)
    assert without(answer.data, "token") == {
        "allowed": allowed,
        "info": {"language": "pt", "text": "Sem saldo"},
    }


def test_the_operator_may_allow_an_invalid_token_and_choose_the_reference(
    emsp: PartnerApi, operator: Operator
) -> None:
    put(emsp.node, valid=False)
    operator.answer = {"allowed": "ALLOWED", "authorization_reference": "mine-1"}

    answer = authorize(emsp)

    assert (answer.data["allowed"], answer.data["authorization_reference"]) == ("ALLOWED", "mine-1")


def test_the_operator_may_allow_some_evses_only(emsp: PartnerApi, operator: Operator) -> None:
    """Source: TOK-16"""
    put(emsp.node)
    operator.answer = {"allowed": "ALLOWED", "location": {"location_id": "L1", "evse_uids": ["E2", "E9"]}}

    answer = authorize(emsp, document=WHERE)

    assert answer.data["location"] == {"location_id": "L1", "evse_uids": ["E2"]}


def test_the_operator_s_error_not_enough_information_is_answered_with_2002(
    emsp: PartnerApi, operator: Operator
) -> None:
    """Source: TOK-15"""
    put(emsp.node)
    operator.answer = {"error": "NOT_ENOUGH_INFORMATION"}

    answer = authorize(emsp)

    assert (answer.codes, answer.has_data) == ((200, 2002), False)


@pytest.mark.parametrize(("valid", "answered"), [(True, "ALLOWED"), (False, "BLOCKED")])
def test_without_an_answer_of_the_webhook_the_token_decides(
    emsp: PartnerApi, valid: bool, answered: str
) -> None:
    """Source: TOK-13, TOK-17"""
    put(emsp.node, valid=valid)

    assert authorize(emsp).data["allowed"] == answered


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
@pytest.mark.parametrize(
    "wrong", [{"location": "L1"}, {"authorization_reference": "x" * 37}, {"info": "no"}, {"error": 5}]
)
def test_a_refusal_counts_although_other_fields_of_the_answer_are_wrong(
    emsp: PartnerApi, operator: Operator, allowed: str, wrong: Document
) -> None:
    """Source: TOK-13"""
    put(emsp.node)
    operator.answer = {"allowed": allowed, **wrong}

    assert without(authorize(emsp, document=WHERE).data, "token") == {"allowed": allowed}


@pytest.mark.parametrize(
    "invalid",
    [
        None,
        {},
        {"allowed": "PERHAPS"},
        {"allowed": "allowed"},
        {"allowed": True},
        {"allowed": {}},
        {"allowed": "ALLOWED", "location": "L1"},
        {"allowed": "ALLOWED", "authorization_reference": "x" * 37},
        {"error": "SOMETHING"},
        [],
        "ALLOWED",
        1,
    ],
)
def test_an_invalid_answer_of_the_webhook_never_allows(
    emsp: PartnerApi, operator: Operator, invalid: Any
) -> None:
    put(emsp.node)
    operator.answer = invalid

    assert without(authorize(emsp).data, "token") == {"allowed": "NOT_ALLOWED"}


def test_a_decision_for_one_location_needs_a_location_in_the_request(
    emsp: PartnerApi, operator: Operator
) -> None:
    """Source: TOK-15"""
    put(emsp.node)
    operator.answer = {"allowed": "ALLOWED", "location": {"location_id": "L1"}}

    answer = authorize(emsp)

    assert (answer.codes, answer.has_data) == ((200, 2002), False)
    assert authorize(emsp, document=WHERE).data["allowed"] == "ALLOWED"


# -- cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number_of_tokens", [10, 60])
def test_an_emsp_decides_with_one_table_call_for_any_number_of_tokens(
    emsp: PartnerApi,
    number_of_tokens: int,
    in_moto: None,
) -> None:
    for number in range(number_of_tokens):
        put(emsp.node, f"T{number}")

    with measured(emsp.node.table) as spent:
        assert authorize(emsp, "T7").codes == (200, 1000)

    assert spent.calls == ["BatchGetItem"]
    assert spent.read_units <= 3


# -- at a hub ----------------------------------------------------------------------------------------


def test_a_hub_lists_received_tokens_to_cpos_only(node_of: NodeOf, partner_of: PartnerOf) -> None:
    """Source: RTE-17, RTE-24, RTE-26"""
    node = node_of("HUB")
    pushing = PartnerApi(node, receiver.INTERFACE, partner_of(node, "emsp"))
    pushing.call("PUT", *EMSP, "0102A", document=token())
    own = node.settings.roles[0].party

    cpo, other = (PartnerApi(node, INTERFACE, partner_of(node, name)) for name in ("cpo", "emsp"))

    assert cpo.call("GET", to=own).data == [token()]
    assert cpo.call("GET").data == [token()]
    assert (other.call("GET", to=own).data, other.call("GET", to=own).headers["X-Total-Count"]) == ([], "0")


def test_a_token_that_no_partner_pushed_is_unknown_to_the_hub(
    node_of: NodeOf, partner_of: PartnerOf, operator: Operator
) -> None:
    """Source: TOK-14, RTE-25"""
    node, partners = asking(node_of("HUB"))
    partner_of(node, "emsp")
    api = PartnerApi(node, INTERFACE, partner_of(node, "cpo"))

    answer = authorize(api)

    assert (answer.codes, answer.has_data) == ((404, 2004), False)
    assert partners.asked == []
