"""Source: OCPI 2.2.1 ..._message_routing_open_routing_request; RTE-07 … RTE-10, RTE-22 … RTE-31, TOK-14"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from chalicelib.calls.answers import Oddity, PartnerFault, PartnerRefusal
from chalicelib.modules.tokens import receiver
from chalicelib.modules.tokens.sender import INTERFACE
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.protocol.message import Party, Routing
from tests.harness.partner_api import CPO, EMSP, Answer, PartnerApi
from tests.harness.partners import register
from tests.modules.builders import T1, token
from tests.modules.conftest import NodeOf, PartnerOf
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
"""An answer with a token of the other eMSP."""


class World(NamedTuple):
    """A hub with a CPO and an eMSP. api: the hub's interface, called by the CPO."""

    node: Node
    partners: Answering
    api: PartnerApi
    emsp: Partner

    def push(
        self, owner: Party = EMSP, caller: Partner | None = None, query: str = "", **fields: Any
    ) -> None:
        document = token(country_code=owner.country_code, party_id=owner.party_id, **fields)
        pushing = PartnerApi(self.node, receiver.INTERFACE, caller or self.emsp)
        answered = pushing.call("PUT", *owner, document["uid"], document=document, query=query)
        assert answered.codes[1] == 1000, answered.message

    def authorize(self, uid: str = "0102A", query: str = "", to: Party | None = None, **sent: Any) -> Answer:
        return self.api.call("POST", uid, "authorize", query=query, to=to, **sent)


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> World:
    node, partners = asking(node_of("HUB"))
    return World(
        node, partners, PartnerApi(node, INTERFACE, partner_of(node, "cpo")), partner_of(node, "emsp")
    )


def test_the_request_goes_to_the_token_s_emsp_and_its_answer_is_relayed(hub: World) -> None:
    """Source: RTE-07, RTE-08, RTE-09, RTE-23; docs/mobie.md, scenario 4.1"""
    register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push()
    hub.partners.answers["emsp"] = theirs = allowed(location=WHERE, mobie_y="kept")

    answered = hub.authorize("0102a", document=WHERE)

    assert (answered.codes, answered.data) == ((200, 1000), theirs)
    (asked,) = hub.partners.asked
    assert (asked.partner_id, asked.method, asked.role) == ("emsp", "POST", "SENDER")
    assert (asked.segments, asked.query) == (("0102A", "authorize"), {"type": "RFID"})
    assert asked.document == WHERE
    assert asked.routing == Routing(CPO, EMSP, relays=1)
    assert (asked.correlation_id, asked.request_id) == ("c", None)


def test_the_answer_to_a_request_without_ocpi_to_names_the_emsp_as_sender(hub: World) -> None:
    """Source: RTE-23"""
    hub.push()

    headers = hub.authorize().headers

    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == EMSP
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == CPO


def test_the_answer_to_a_cpo_of_2_1_1_has_no_routing_headers(hub: World) -> None:
    """Source: V211-06"""
    hub.push()
    old = hub.api.caller.model_copy(update={"version": "2.1.1"})

    answered = PartnerApi(hub.node, INTERFACE, old).call("POST", "0102A", "authorize")

    headers = answered.headers
    assert answered.codes == (200, 1000)
    assert not [name for name in headers if name.lower().startswith("ocpi-")]


def test_the_hub_may_be_addressed_itself(hub: World) -> None:
    """Source: RTE-02"""
    hub.push()
    own = hub.node.settings.roles[0].party

    answered = hub.authorize(to=own)

    assert answered.data["allowed"] == "ALLOWED"
    assert answered.headers["OCPI-from-party-id"] == own.party_id


def test_the_type_in_the_query_selects_the_token(hub: World) -> None:
    """Source: OWN-05; docs/mobie.md, scenario 4.3"""
    hub.push(type="APP_USER", query="type=APP_USER")

    assert hub.authorize().codes == (404, 2004)
    assert hub.authorize(query="type=APP_USER").codes == (200, 1000)
    assert [asked.query for asked in hub.partners.asked] == [{"type": "APP_USER"}]


def test_a_blocked_answer_is_relayed_unchanged(hub: World) -> None:
    """The eMSP decides, not the hub's copy. Source: TOK-13; docs/mobie.md, scenario 4.2"""
    hub.push()
    hub.partners.answers["emsp"] = theirs = {"allowed": "BLOCKED", "token": token(valid=False)}

    assert (hub.authorize().codes, hub.authorize().data) == ((200, 1000), theirs)


@pytest.mark.parametrize(
    ("theirs", "codes"),
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
def test_refusals_are_relayed_and_faults_are_answered_with_the_hub_s_codes(
    hub: World, theirs: Exception, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    hub.push()
    hub.partners.answers["emsp"] = theirs

    answered = hub.authorize()

    assert (answered.codes, answered.has_data) == (codes, False)


def test_a_success_without_data_is_relayed(hub: World) -> None:
    hub.push()
    hub.partners.answers["emsp"] = answer(None)

    assert (hub.authorize().codes, hub.authorize().has_data) == ((200, 1000), False)


@pytest.mark.parametrize("oddity", [Oddity.EMPTY_BODY, Oddity.PLAIN_TEXT, Oddity.NO_STATUS_CODE])
def test_a_success_without_an_envelope_and_without_data_is_a_fault(hub: World, oddity: Oddity) -> None:
    """The answer must be an AuthorizationInfo. Source: RTE-31"""
    hub.push()
    hub.partners.answers["emsp"] = replace(answer(None), oddity=oddity)

    assert (hub.authorize().codes, hub.authorize().has_data) == ((200, 4000), False)


def test_a_success_with_another_http_status_is_relayed_as_200(hub: World) -> None:
    """Source: RTE-28"""
    hub.push()
    hub.partners.answers["emsp"] = answer(allowed(), 202)

    assert (hub.authorize().codes, hub.authorize().data) == ((200, 1000), allowed())


@pytest.mark.parametrize("change", [{"connection": "OFFLINE"}, {"status": "UNREGISTERED"}])
def test_an_emsp_that_is_offline_or_unregistered_is_not_asked(hub: World, change: dict[str, str]) -> None:
    """Source: RTE-29"""
    hub.push()
    hub.node.directory.update("emsp", lambda partner: partner.model_copy(update=change))

    assert hub.authorize().codes == (200, 4003)
    assert hub.partners.asked == []


def test_an_emsp_that_was_removed_is_not_asked(hub: World) -> None:
    """Source: RTE-29"""
    hub.push()
    hub.node.directory.remove(hub.emsp)

    assert hub.authorize().codes == (200, 4003)


def test_of_two_tokens_with_one_uid_the_valid_one_is_used(hub: World) -> None:
    """A card may move to another eMSP. Source: OWN-05, TRP-17"""
    other = register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push(valid=False)
    hub.push(OTHER_EMSP, other)
    hub.partners.answers["another"] = THEIRS

    assert hub.authorize().codes == (200, 1000)
    assert [asked.partner_id for asked in hub.partners.asked] == ["another"]


def test_a_uid_of_two_valid_tokens_is_refused(hub: World) -> None:
    """Source: OWN-05, TRP-17"""
    other = register(hub.node, "another", ("EMSP", OTHER_EMSP))
    hub.push()
    hub.push(OTHER_EMSP, other)

    answered = hub.authorize()

    assert answered.codes == (200, 2001)
    assert "NL/TNM" in answered.message
    assert hub.partners.asked == []


def test_an_emsp_behind_another_hub_is_asked_through_that_hub(hub: World, partner_of: PartnerOf) -> None:
    """Source: RTE-36"""
    hub.push(OTHER_EMSP, partner_of(hub.node, "hub"))
    hub.partners.answers["hub"] = THEIRS

    assert hub.authorize().codes == (200, 1000)
    (asked,) = hub.partners.asked
    assert (asked.partner_id, asked.routing.receiver) == ("hub", OTHER_EMSP)


def test_the_emsp_is_asked_also_about_an_invalid_token(hub: World) -> None:
    """Source: TOK-10"""
    hub.push(valid=False, last_updated=T1)

    assert hub.authorize().data["allowed"] == "ALLOWED"


def test_an_authorization_costs_three_reads_and_one_request(hub: World, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    for number in range(30):
        owner = Party("ES", f"E{number:02d}")
        hub.push(owner, register(hub.node, f"emsp-{number}", ("EMSP", owner)), uid="ANOTHER")
    hub.push()

    with measured(hub.node.table) as spent:
        assert hub.authorize(document=WHERE).codes == (200, 1000)

    assert spent.calls == ["BatchGetItem", "BatchGetItem", "GetItem"]
    assert len(hub.partners.asked) == 1


def test_an_unknown_token_costs_two_reads_and_no_request(hub: World, in_moto: None) -> None:
    hub.push()

    with measured(hub.node.table) as spent:
        assert hub.authorize("NOPE").codes == (404, 2004)

    assert spent.calls == ["BatchGetItem", "BatchGetItem"]
    assert hub.partners.asked == []


def test_an_answer_with_another_party_s_token_is_refused(hub: World) -> None:
    """Otherwise the other party would be billed for the session. Source: TOK-12"""
    hub.push()
    hub.partners.answers["emsp"] = {"allowed": "ALLOWED", "token": token(country_code="NL", party_id="TNM")}

    answered = hub.authorize()

    assert answered.codes == (200, 4000)
    assert not answered.has_data
