"""Source: OCPI 2.2.1 ..._message_routing_open_routing_request; RTE-07 … RTE-10, RTE-22 … RTE-31, TOK-14"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from chalicelib.modules.tokens import receiver
from chalicelib.modules.tokens.sender import INTERFACE
from chalicelib.node import Node
from chalicelib.partners.answers import Oddity, PartnerFault, PartnerRefusal
from chalicelib.partners.directory import Partner
from chalicelib.protocol.message import Party, Routing
from tests.modules.builders import T1, token
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.door import CPO, EMSP, Answer, Door, register
from tests.modules.tokens.asking import (
    BROKEN,
    SILENT,
    TOO_LITTLE,
    UNKNOWN,
    UNREACHABLE,
    Answering,
    allowed,
    answer,
    asking,
)
from tests.storage.capacity import measured

OTHER_EMSP = Party("NL", "TNM")
WHERE = {"location_id": "L1", "evse_uids": ["E1"], "mobie_x": 1}
THEIRS = {**allowed(), "token": token(country_code="NL", party_id="TNM")}
"""An answer of the other eMSP."""


class World(NamedTuple):
    """A hub with a CPO and two eMSPs; door: as the CPO asks there."""

    node: Node
    partners: Answering
    door: Door
    emsp: Partner

    def push(
        self, owner: Party = EMSP, caller: Partner | None = None, query: str = "", **fields: Any
    ) -> None:
        document = token(country_code=owner.country_code, party_id=owner.party_id, **fields)
        pushing = Door(self.node, receiver.INTERFACE, caller or self.emsp)
        answered = pushing.call("PUT", *owner, document["uid"], document=document, query=query)
        assert answered.codes[1] == 1000, answered.message

    def authorize(self, uid: str = "0102A", query: str = "", to: Party | None = None, **sent: Any) -> Answer:
        return self.door.call("POST", uid, "authorize", query=query, to=to, **sent)


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> World:
    node, partners = asking(node_of("HUB"))
    return World(node, partners, Door(node, INTERFACE, partner_of(node, "cpo")), partner_of(node, "emsp"))


def test_the_emsp_that_owns_the_token_is_asked_and_its_answer_handed_on(hub: World) -> None:
    """Source: RTE-07, RTE-08, RTE-09, RTE-23; docs/mobie.md, scenario 4.1"""
    register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push()
    hub.partners.says["emsp"] = said = allowed(location=WHERE, mobie_y="kept")

    answered = hub.authorize("0102a", document=WHERE)

    assert (answered.codes, answered.data) == ((200, 1000), said)
    (asked,) = hub.partners.asked
    assert (asked.partner_id, asked.method, asked.role) == ("emsp", "POST", "SENDER")
    assert (asked.segments, asked.query) == (("0102A", "authorize"), {"type": "RFID"})
    assert asked.document == WHERE
    assert asked.routing == Routing(CPO, EMSP, relays=1)
    assert (asked.correlation_id, asked.request_id) == ("c", None)


def test_the_answer_to_an_open_question_is_in_the_emsp_s_name(hub: World) -> None:
    """Source: RTE-23"""
    hub.push()

    headers = hub.authorize().headers

    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == EMSP
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == CPO


def test_the_hub_may_be_addressed_itself(hub: World) -> None:
    """Source: RTE-02"""
    hub.push()
    own = hub.node.settings.roles[0].party

    answered = hub.authorize(to=own)

    assert answered.data["allowed"] == "ALLOWED"
    assert answered.headers["OCPI-from-party-id"] == own.party_id


def test_the_type_says_which_token(hub: World) -> None:
    """Source: OWN-05; docs/mobie.md, scenario 4.3"""
    hub.push(type="APP_USER", query="type=APP_USER")

    assert hub.authorize().codes == (404, 2004)
    assert hub.authorize(query="type=APP_USER").codes == (200, 1000)
    assert [asked.query for asked in hub.partners.asked] == [{"type": "APP_USER"}]


def test_blocked_is_handed_on_as_it_was_said(hub: World) -> None:
    """The hub's copy does not decide. Source: TOK-13; docs/mobie.md, scenario 4.2"""
    hub.push()
    hub.partners.says["emsp"] = said = {"allowed": "BLOCKED", "token": token(valid=False)}

    assert (hub.authorize().codes, hub.authorize().data) == ((200, 1000), said)


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (UNKNOWN, (404, 2004)),
        (TOO_LITTLE, (200, 2002)),
        (PartnerRefusal("", http_status=200, status_code=2001, status_message="no"), (200, 2001)),
        (PartnerRefusal("", http_status=405, status_code=2001), (405, 2001)),
        (PartnerFault("", http_status=200, status_code=3000), (200, 3000)),
        (PartnerRefusal("", http_status=200, status_code=4001), (200, 4001)),
        (SILENT, (200, 4002)),
        (UNREACHABLE, (200, 4003)),
        (PartnerFault("", http_status=401, status_code=2001, not_connected=True), (200, 4003)),
        (PartnerFault("", http_status=403, not_connected=True), (200, 4003)),
        (BROKEN, (200, 4000)),
        (PartnerFault("", http_status=500, status_code=3000), (200, 4000)),
        (PartnerFault("answered HTTP 200 without an OCPI envelope", http_status=200), (200, 4000)),
        (PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404), (200, 4000)),
        (PartnerFault("", http_status=404, status_code=1000), (200, 4000)),
        (PartnerRefusal("offers no SENDER interface of tokens"), (200, 4000)),
    ],
)
def test_what_the_emsp_said_is_relayed_and_what_it_did_not_say_is_the_hub_s(
    hub: World, said: Exception, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    hub.push()
    hub.partners.says["emsp"] = said

    answered = hub.authorize()

    assert (answered.codes, answered.has_data) == (codes, False)


def test_a_success_without_data_is_handed_on_as_it_is(hub: World) -> None:
    hub.push()
    hub.partners.says["emsp"] = answer(None)

    assert (hub.authorize().codes, hub.authorize().has_data) == ((200, 1000), False)


@pytest.mark.parametrize("oddity", [Oddity.EMPTY_BODY, Oddity.PLAIN_TEXT, Oddity.NO_STATUS_CODE])
def test_a_success_without_an_envelope_and_without_data_is_no_answer(hub: World, oddity: Oddity) -> None:
    """The CPO asked for an AuthorizationInfo. Source: RTE-31"""
    hub.push()
    hub.partners.says["emsp"] = replace(answer(None), oddity=oddity)

    assert (hub.authorize().codes, hub.authorize().has_data) == ((200, 4000), False)


def test_a_success_of_another_http_status_is_handed_on_as_200(hub: World) -> None:
    """As everything that a hub relays. Source: RTE-28"""
    hub.push()
    hub.partners.says["emsp"] = answer(allowed(), 202)

    assert (hub.authorize().codes, hub.authorize().data) == ((200, 1000), allowed())


@pytest.mark.parametrize("change", [{"connection": "OFFLINE"}, {"status": "UNREGISTERED"}])
def test_an_emsp_that_is_away_is_not_asked(hub: World, change: dict[str, str]) -> None:
    """Source: RTE-29"""
    hub.push()
    hub.node.directory.update("emsp", lambda partner: partner.model_copy(update=change))

    assert hub.authorize().codes == (200, 4003)
    assert hub.partners.asked == []


def test_an_emsp_that_is_forgotten_is_not_asked(hub: World) -> None:
    """Source: RTE-29"""
    hub.push()
    hub.node.directory.remove(hub.emsp)

    assert hub.authorize().codes == (200, 4003)


def test_of_two_tokens_of_one_uid_the_valid_one_is_meant(hub: World) -> None:
    """Cards change hands. Source: OWN-05, TRP-17"""
    other = register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push(valid=False)
    hub.push(OTHER_EMSP, other)
    hub.partners.says["another"] = THEIRS

    assert hub.authorize().codes == (200, 1000)
    assert [asked.partner_id for asked in hub.partners.asked] == ["another"]


def test_two_valid_tokens_of_one_uid_are_not_told_apart_by_guessing(hub: World) -> None:
    """Source: OWN-05, TRP-17"""
    other = register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push()
    hub.push(OTHER_EMSP, other)

    answered = hub.authorize()

    assert answered.codes == (200, 2001)
    assert "NL/TNM" in answered.message
    assert hub.partners.asked == []


def test_an_emsp_behind_another_hub_is_asked_there(hub: World, partner_of: PartnerOf) -> None:
    """Source: RTE-36"""
    hub.push(OTHER_EMSP, partner_of(hub.node, "hub"))
    hub.partners.says["hub"] = THEIRS

    assert hub.authorize().codes == (200, 1000)
    (asked,) = hub.partners.asked
    assert (asked.partner_id, asked.routing.receiver) == ("hub", OTHER_EMSP)


def test_an_invalid_token_is_asked_about_as_well(hub: World) -> None:
    """Source: TOK-10"""
    hub.push(valid=False, last_updated=T1)

    assert hub.authorize().data["allowed"] == "ALLOWED"


def test_a_question_costs_three_reads_and_one_request(hub: World) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    for number in range(30):
        owner = Party("ES", f"E{number:02d}")
        hub.push(owner, register(hub.node, f"emsp-{number}", ("EMSP", owner)), uid="ANOTHER")
    hub.push()

    with measured(hub.node.table) as spent:
        assert hub.authorize(document=WHERE).codes == (200, 1000)

    assert spent.calls == ["BatchGetItem", "BatchGetItem", "GetItem"]
    assert len(hub.partners.asked) == 1


def test_an_unknown_token_costs_two_reads_and_no_request(hub: World) -> None:
    hub.push()

    with measured(hub.node.table) as spent:
        assert hub.authorize("NOPE").codes == (404, 2004)

    assert spent.calls == ["BatchGetItem", "BatchGetItem"]
    assert hub.partners.asked == []


def test_an_emsp_answers_with_a_token_of_its_own(hub: World) -> None:
    """Another party's would be billed for the session. Source: TOK-12"""
    hub.push()
    hub.partners.says["emsp"] = {"allowed": "ALLOWED", "token": token(country_code="NL", party_id="TNM")}

    answered = hub.authorize()

    assert answered.codes == (200, 4000)
    assert not answered.has_data
