"""Authorization of a token at a charge point: from the CPO through the hub to its eMSP, over HTTP.

Chapters: OCPI 2.2.1 mod_tokens; ..._message_routing_open_routing_request; RTE-07 .. RTE-10, RTE-22 .. RTE-31,
TOK-09 .. TOK-16. Plan: 4.1 to 4.4.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows.conftest import Guests
from tests.third_party import faults
from tests.third_party.connection import Connection, routing
from tests.third_party.faults import Fault
from tests.third_party.objects import EARLY, LATER, Party
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.server import Received, Reply
from tests.third_party.waiting import eventually
from tests.third_party.wire import Answer

WHERE = {"location_id": "PRT-00001", "evse_uids": ["E1", "E2"]}


def token(owner: Party, uid: str, **fields: object) -> dict[str, Any]:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": "C1",
        "issuer": "A third party",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": EARLY,
        **fields,
    }


def plain(**fields: object) -> dict[str, Any]:
    """A token as an eMSP's operator writes it."""
    return {"contract_id": "C1", "issuer": "Evia", "valid": True, "whitelist": "NEVER", **fields}


# -- three nodes -------------------------------------------------------------------------------------


def wait_for_copy(cpo: Node, uid: str, query: str = "", **fields: object) -> dict[str, Any]:
    """Wait until the CPO's copy of a token has these fields; returns the copy."""

    def look() -> dict[str, Any] | None:
        answer = cpo.call("GET", "tokens", uid, query=query)
        reads = answer.http_status == 200 and answer.document.items() >= fields.items()
        return answer.document if reads else None

    return eventually(look)


def test_a_token_of_the_emsp_reaches_the_cpo_through_the_hub(cpo: Node, hub: Node, emsp: Node) -> None:
    """Source: RTE-11, RTE-17, TOK-01, OWN-05"""
    uid = f"card-{uuid.uuid4().hex[:8]}"
    for query in ("", "?type=APP_USER"):
        written = emsp.ask("PUT", "tokens", uid, document=plain(), query=query)
        assert wait_for_copy(cpo, uid, query) == written
        assert hub.ask("GET", "tokens", uid, query=query) == written

    emsp.ask("PATCH", "tokens", uid, document={"valid": False})

    wait_for_copy(cpo, uid, valid=False)
    wait_for_copy(cpo, uid, "?type=APP_USER", valid=True)


@pytest.mark.parametrize("query", ["", "?type=APP_USER"])
def test_a_valid_token_is_allowed_and_an_invalid_one_blocked(cpo: Node, emsp: Node, query: str) -> None:
    """The CPO has a copy of the token, so the request is addressed to its eMSP.

    Source: RTE-07, TOK-12, TOK-13; docs/mobie.md, scenarios 4.1 to 4.4
    """
    uid = f"card-{uuid.uuid4().hex[:8]}"
    written = emsp.ask("PUT", "tokens", uid, document=plain(), query=query)
    wait_for_copy(cpo, uid, query)

    info = cpo.ask("POST", "tokens", uid, "authorize", document=WHERE, query=query)
    emsp.ask("PATCH", "tokens", uid, document={"valid": False}, query=query)
    blocked = cpo.ask("POST", "tokens", uid, "authorize", query=query)

    assert (info["allowed"], info["token"], info["location"]) == ("ALLOWED", written, WHERE)
    assert info["authorization_reference"]
    assert blocked["allowed"] == "BLOCKED"


def test_an_unknown_token_is_not_found(cpo: Node) -> None:
    """Source: TOK-14, RTE-22, RTE-25; docs/mobie.md, scenarios 4.2 and 4.4"""
    for query in ("", "?type=APP_USER"):
        answer = cpo.call("POST", "tokens", "NOBODYS-CARD", "authorize", query=query)

        assert answer.http_status == 404


# -- the hub between third parties -------------------------------------------------------------------


class Question:
    """An eMSP with a token, and a CPO that asks the hub to authorize it."""

    def __init__(self, guests: Guests, hub: Node) -> None:
        partner = guests.partner("EMSP")
        partner.paths["tokens", "SENDER"] = "/out/cards/"
        self.emsp = guests.connect(partner, hub)
        self.cpo = guests.join("CPO", hub)
        self.uid = f"Card 1/{partner.party.party_id}"
        self.info = {"allowed": "ALLOWED", "token": self.token(), "authorization_reference": "r-1", "x": 1}
        self.cards.faults["tokens"] = self._answer

    @property
    def cards(self) -> Partner:
        return self.emsp.partner

    def token(self, **fields: object) -> dict[str, Any]:
        return token(self.cards.party, self.uid, **fields)

    def push(self, method: str = "PUT", **fields: object) -> Answer:
        document = self.token(**fields) if method == "PUT" else fields
        return self.emsp.push(method, "tokens", (*self.cards.party, self.uid), document)

    def ask(self, to: Party | None = None, document: object = None, **headers: str | None) -> Answer:
        url = self.cpo.url("tokens", "SENDER", self.uid, "authorize")
        sent = routing(self.cpo.partner.party, to) | headers
        return self.cpo.call("POST", url, document, routed=True, headers=sent)

    def asked(self) -> list[Received]:
        return [got for got in self.cards.received if got.module == "tokens"]

    def _answer(self, partner: Partner, received: Received) -> Reply:
        return partner.reply(received, data=self.info)


@pytest.fixture
def question(guests: Guests, hub: Node) -> Iterator[Question]:
    question = Question(guests, hub)
    assert question.push().codes == (201, 1000)
    yield question


def test_the_hub_finds_the_emsp_and_relays_its_answer(question: Question) -> None:
    """Works directly after the eMSP pushed its first token. Source: RTE-07 .. RTE-10, RTE-22, RTE-23"""
    ids = {"X-Request-ID": "leg-1", "X-Correlation-ID": f"flow-{question.uid}"}

    answer = question.ask(document=WHERE, **ids)

    assert (answer.codes, answer.data) == ((200, 1000), question.info)
    assert answer.headers["ocpi-from-party-id"] == question.cards.party.party_id
    assert answer.headers["ocpi-to-party-id"] == question.cpo.partner.party.party_id
    (got,) = question.asked()
    assert (got.method, got.segments, got.query) == ("POST", (question.uid, "authorize"), {"type": "RFID"})
    assert got.document == WHERE
    assert (got.sender, got.receiver) == (question.cpo.partner.party, question.cards.party)
    assert got.headers["x-correlation-id"] == ids["X-Correlation-ID"]
    assert got.headers["x-request-id"] != "leg-1"
    assert {got.credentials_token} == question.emsp.inbound_tokens


@pytest.mark.parametrize("addressed", ["hub", "emsp"])
def test_a_request_can_be_addressed_to_the_hub_or_to_the_emsp(
    question: Question, hub: Node, addressed: str
) -> None:
    """Source: RTE-07"""
    to = hub.party if addressed == "hub" else question.cards.party

    answer = question.ask(to)

    assert (answer.codes, answer.data) == ((200, 1000), question.info)
    assert answer.headers["ocpi-from-party-id"] == to.party_id
    assert [(got.sender, got.receiver) for got in question.asked()] == [
        (question.cpo.partner.party, question.cards.party)
    ]


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        (faults.answer_code(2004, 404), (404, 2004)),
        (faults.answer_code(2002), (200, 2002)),
        (faults.answer_code(3000), (200, 3000)),
        (faults.answer_500, (200, 4000)),
        (faults.answer_web_page, (200, 4000)),
        (faults.redirect, (200, 4000)),
        (faults.refuse_401, (200, 4003)),
        (faults.hang_up, (200, 4003)),
        (faults.stay_silent, (200, 4002)),
    ],
)
def test_without_a_valid_answer_of_the_emsp_the_hub_answers_with_its_own_error(
    question: Question, fault: Fault, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 .. RTE-31, TOK-14, TOK-15"""
    with question.cards.misbehaving("tokens", fault):
        answer = question.ask()

    assert answer.codes == codes
    assert "data" not in answer.envelope


def test_an_unknown_token_is_answered_404_with_2004(question: Question) -> None:
    """Source: TOK-14, RTE-25, TRP-12"""
    question.uid = "unknown"

    answer = question.ask()

    assert (answer.codes, question.asked()) == ((404, 2004), [])
    assert "data" not in answer.envelope


def test_the_hub_lists_a_token_to_the_cpo_and_not_to_its_own_emsp(question: Question, hub: Node) -> None:
    """Source: RTE-17, RTE-26, TOK-08"""

    def uids(line: Connection) -> set[str]:
        return {found["uid"] for found in line.pull("tokens", date_from=EARLY, date_to=LATER)}

    assert question.uid in uids(question.cpo)
    assert uids(question.emsp) == set()


def test_the_emsp_is_asked_about_an_invalid_token_too(question: Question) -> None:
    """The hub always asks the eMSP, whatever its own copy has. Source: TOK-10"""
    assert question.push("PATCH", valid=False, last_updated=LATER).codes == (200, 1000)

    assert question.ask().data == question.info
