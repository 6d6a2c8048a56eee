"""Source: OCPI 2.2.1 mod_tokens, Real-time authorization and WhitelistType; TOK-09, TOK-10, RTE-22"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.errors import UnknownToken
from chalicelib.modules.tokens import receiver
from chalicelib.modules.tokens.cpo_authorization import Question, authorize
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.policy.token_lookup import find_token, refs_of
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.message import Party, Routing
from tests.harness.partner_api import EMSP, PartnerApi
from tests.harness.partners import register
from tests.modules.builders import token
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.tokens.asking import (
    BROKEN,
    SILENT,
    TOO_LITTLE,
    UNKNOWN,
    UNREACHABLE,
    Answering,
    allowed,
    asking,
    offering,
)
from tests.storage.capacity import measured

ABC = Party("PT", "ABC")
OTHER_EMSP = Party("NL", "TNM")
WHERE = {"location_id": "L1", "evse_uids": ["E1"]}
NO_ENDPOINT = PartnerRefusal("offers no SENDER interface of tokens")
HUB_TIMED_OUT = PartnerFault("answered 4002 with HTTP 200", http_status=200, status_code=4002)
HUB_KNOWS_NOBODY = PartnerRefusal("answered 4001 with HTTP 200", http_status=200, status_code=4001)


class World(NamedTuple):
    """A CPO that received its tokens from a hub."""

    node: Node
    partners: Answering
    hub: Partner

    def push(self, caller: Partner | None = None, **fields: Any) -> None:
        document = token(**fields)
        pushing = PartnerApi(self.node, receiver.INTERFACE, caller or self.hub)
        ids = (document["country_code"], document["party_id"], document["uid"])
        assert pushing.call("PUT", *ids, document=document).codes[1] == 1000

    def authorize(
        self, uid: str = "0102A", token_type: str = "RFID", asked: Document | None = None
    ) -> Document:
        copy = find_token(self.node, refs_of([EMSP, OTHER_EMSP], uid, token_type))
        info = authorize(self.node, Question(ABC, uid, token_type, copy, asked, "correlation"))
        read: Document = read_json(write_json(info))
        return read


@pytest.fixture
def cpo(node_of: NodeOf, partner_of: PartnerOf) -> World:
    node, partners = asking(node_of("CPO"))
    return World(node, partners, offering(node, partner_of(node, "hub")))


# -- the whitelist -----------------------------------------------------------------------------------


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize(
    ("whitelist", "questions"), [("ALWAYS", 0), ("ALLOWED", 1), ("ALLOWED_OFFLINE", 1), ("NEVER", 1)]
)
def test_only_the_whitelist_decides_whether_the_emsp_is_asked(
    cpo: World, whitelist: str, questions: int, valid: bool
) -> None:
    """Source: TOK-09, TOK-10"""
    cpo.push(whitelist=whitelist, valid=valid)

    cpo.authorize()

    assert len(cpo.partners.asked) == questions


@pytest.mark.parametrize(("valid", "answered"), [(True, "ALLOWED"), (False, "BLOCKED")])
def test_an_always_token_is_authorized_by_the_copy(cpo: World, valid: bool, answered: str) -> None:
    """Source: TOK-09"""
    cpo.push(whitelist="ALWAYS", valid=valid)

    info = cpo.authorize(asked=WHERE)

    assert (info["allowed"], info["token"]) == (answered, token(whitelist="ALWAYS", valid=valid))
    assert info.get("location") == (WHERE if valid else None)


@pytest.mark.parametrize("whitelist", ["NEVER", "ALLOWED", "ALLOWED_OFFLINE"])
def test_the_answer_of_the_emsp_is_returned_unchanged(cpo: World, whitelist: str) -> None:
    """Source: TOK-12, TOK-13"""
    cpo.push(whitelist=whitelist)
    cpo.partners.answers["hub"] = answered = {
        "allowed": "NO_CREDIT",
        "token": token(valid=False),
        "info": {"language": "pt", "text": "Sem saldo"},
        "mobie_x": 1,
    }

    assert cpo.authorize() == answered


NO_ANSWER = [UNREACHABLE, SILENT, BROKEN, NO_ENDPOINT, HUB_TIMED_OUT, HUB_KNOWS_NOBODY]


@pytest.mark.parametrize("failure", NO_ANSWER)
@pytest.mark.parametrize(("valid", "answered"), [(True, "ALLOWED"), (False, "BLOCKED")])
def test_an_allowed_offline_token_uses_the_copy_without_an_answer(
    cpo: World, failure: Exception, valid: bool, answered: str
) -> None:
    """Source: TOK-09"""
    cpo.push(whitelist="ALLOWED_OFFLINE", valid=valid)
    cpo.partners.answers["hub"] = failure

    assert cpo.authorize()["allowed"] == answered
    assert len(cpo.partners.asked) == 1


@pytest.mark.parametrize("failure", NO_ANSWER)
@pytest.mark.parametrize("whitelist", ["NEVER", "ALLOWED"])
def test_a_never_or_allowed_token_fails_without_an_answer(
    cpo: World, whitelist: str, failure: Exception
) -> None:
    """Source: TOK-09"""
    cpo.push(whitelist=whitelist)
    cpo.partners.answers["hub"] = failure

    with pytest.raises((PartnerFault, PartnerRefusal)) as raised:
        cpo.authorize()

    assert raised.value is failure


def test_an_allowed_offline_token_that_its_emsp_does_not_know_is_unknown(cpo: World) -> None:
    """An error is an answer of the eMSP, so the copy does not count. Source: TOK-14"""
    cpo.push(whitelist="ALLOWED_OFFLINE")
    cpo.partners.answers["hub"] = UNKNOWN

    with pytest.raises(UnknownToken):
        cpo.authorize()


def test_the_error_not_enough_information_counts_as_an_answer(cpo: World) -> None:
    """Source: TOK-15"""
    cpo.push(whitelist="ALLOWED_OFFLINE")
    cpo.partners.answers["hub"] = TOO_LITTLE

    with pytest.raises(PartnerRefusal):
        cpo.authorize()


@pytest.mark.parametrize("data", [None, [], {}, {"allowed": "yes"}, {"allowed": 1}, "ALLOWED"])
def test_an_invalid_answer_counts_as_no_answer(cpo: World, data: Any) -> None:
    cpo.push(whitelist="NEVER")
    cpo.push(uid="2", whitelist="ALLOWED_OFFLINE")
    cpo.partners.answers["hub"] = data

    with pytest.raises(PartnerFault):
        cpo.authorize()
    assert cpo.authorize("2")["allowed"] == "ALLOWED"


def test_an_error_in_an_unused_field_of_an_answer_is_passed_on(cpo: World) -> None:
    cpo.push()
    cpo.partners.answers["hub"] = {"allowed": "ALLOWED", "info": 5}

    assert cpo.authorize() == {"allowed": "ALLOWED", "info": 5, "token": token()}


def test_a_token_of_a_removed_partner_is_authorized_by_the_copy_only_if_allowed_offline(cpo: World) -> None:
    cpo.push()
    cpo.push(uid="2", whitelist="ALLOWED_OFFLINE")
    cpo.node.directory.remove(cpo.hub)

    with pytest.raises(PartnerFault):
        cpo.authorize()
    assert cpo.authorize("2")["allowed"] == "ALLOWED"


# -- requests and answers ---------------------------------------------------------------------------


def test_a_request_for_a_known_token_goes_to_its_source_and_names_its_emsp(cpo: World) -> None:
    """Source: RTE-07, TOK-11"""
    cpo.push()

    cpo.authorize("0102a", asked=WHERE)

    (asked,) = cpo.partners.asked
    assert (asked.partner_id, asked.method, asked.module, asked.role) == ("hub", "POST", "tokens", "SENDER")
    assert (asked.segments, asked.query) == (("0102a", "authorize"), {"type": "RFID"})
    assert (asked.document, asked.routing) == (WHERE, Routing(ABC, EMSP))
    assert asked.correlation_id == "correlation"


def test_a_request_for_an_unknown_token_goes_to_the_hub_without_ocpi_to(cpo: World) -> None:
    """Source: RTE-22"""
    assert cpo.authorize("NEW", "APP_USER") == allowed()

    (asked,) = cpo.partners.asked
    assert (asked.partner_id, asked.routing, asked.query) == ("hub", Routing(ABC), {"type": "APP_USER"})


def test_a_token_of_another_type_is_unknown(cpo: World) -> None:
    """Source: OWN-05"""
    cpo.push(whitelist="ALWAYS")

    cpo.authorize(token_type="APP_USER")

    assert len(cpo.partners.asked) == 1


def test_emsps_are_asked_one_by_one_when_the_hub_does_not_know_the_token(
    cpo: World, partner_of: PartnerOf
) -> None:
    offering(cpo.node, partner_of(cpo.node, "emsp"))
    offering(cpo.node, register(cpo.node, "knows", ("EMSP", OTHER_EMSP)))
    register(cpo.node, "offers-nothing", ("EMSP", Party("ES", "XXX")))
    register(cpo.node, "zzz", ("EMSP", Party("ES", "ZZZ")))
    theirs = {**allowed(), "token": token(country_code="NL", party_id="TNM")}
    cpo.partners.answers |= {"hub": UNKNOWN, "emsp": UNREACHABLE, "knows": theirs}

    assert cpo.authorize() == theirs

    assert [asked.partner_id for asked in cpo.partners.asked] == ["hub", "emsp", "knows"]
    assert [asked.routing.receiver for asked in cpo.partners.asked] == [None, EMSP, OTHER_EMSP]


def test_an_answer_with_another_emsp_s_token_is_refused(cpo: World, partner_of: PartnerOf) -> None:
    """The session of a forged card would be billed to the eMSP that its answer names."""
    offering(cpo.node, register(cpo.node, "forger", ("EMSP", OTHER_EMSP)))
    cpo.partners.answers |= {"hub": UNKNOWN, "forger": allowed()}

    with pytest.raises(PartnerFault, match="another party"):
        cpo.authorize()


def test_a_hub_s_answer_for_an_emsp_that_is_a_partner_itself_is_not_used(
    cpo: World, partner_of: PartnerOf
) -> None:
    assert cpo.authorize("NEW") == allowed()
    offering(cpo.node, partner_of(cpo.node, "emsp"))
    cpo.partners.answers["emsp"] = {"allowed": "BLOCKED", "token": token()}

    assert cpo.authorize("NEW")["allowed"] == "BLOCKED"
    assert [asked.partner_id for asked in cpo.partners.asked] == ["hub", "hub", "emsp"]


def test_an_answer_with_a_token_of_this_node_s_party_is_refused(cpo: World) -> None:
    cpo.partners.answers["hub"] = {"allowed": "ALLOWED", "token": token(country_code="PT", party_id="ABC")}

    with pytest.raises(PartnerFault, match="another party"):
        cpo.authorize("NEW")


def test_an_answer_for_a_known_token_with_another_emsp_is_refused(cpo: World) -> None:
    cpo.push(whitelist="NEVER")
    cpo.partners.answers["hub"] = {"allowed": "ALLOWED", "token": token(country_code="NL", party_id="TNM")}

    with pytest.raises(PartnerFault, match="another party"):
        cpo.authorize()


@pytest.mark.parametrize("odd", [None, {}, {"country_code": 1, "party_id": "X"}, "text", []])
def test_an_answer_without_a_readable_token_still_allows_charging(cpo: World, odd: object) -> None:
    cpo.partners.answers["hub"] = {"allowed": "ALLOWED", "token": odd}

    assert cpo.authorize("NEW")["allowed"] == "ALLOWED"


def test_offline_partners_are_asked_last(cpo: World, partner_of: PartnerOf) -> None:
    offering(cpo.node, partner_of(cpo.node, "emsp"))
    cpo.node.directory.update("hub", lambda hub: hub.model_copy(update={"connection": "OFFLINE"}))

    cpo.authorize()

    assert [asked.partner_id for asked in cpo.partners.asked] == ["emsp"]


def test_a_token_that_no_partner_knows_is_unknown(cpo: World) -> None:
    """Source: TOK-14"""
    cpo.partners.answers["hub"] = UNKNOWN

    with pytest.raises(UnknownToken):
        cpo.authorize()


def test_an_unreachable_partner_is_reported_instead_of_an_unknown_token(
    cpo: World, partner_of: PartnerOf
) -> None:
    offering(cpo.node, partner_of(cpo.node, "emsp"))
    cpo.partners.answers |= {"hub": SILENT, "emsp": UNKNOWN}

    with pytest.raises(PartnerFault) as raised:
        cpo.authorize()

    assert raised.value is SILENT


def test_every_token_is_unknown_to_a_cpo_without_partners(node_of: NodeOf) -> None:
    node, _ = asking(node_of("CPO"))

    with pytest.raises(UnknownToken):
        authorize(node, Question(ABC, "0102A", "RFID", None, None, "correlation"))


def test_no_further_partner_is_asked_after_the_time_limit(cpo: World, partner_of: PartnerOf) -> None:
    offering(cpo.node, partner_of(cpo.node, "emsp"))
    cpo.partners.answers["hub"] = SILENT
    cpo.partners.meanwhile = lambda: cpo.node.clock.forward(seconds=20)  # type: ignore[attr-defined]

    with pytest.raises(PartnerFault):
        cpo.authorize()

    assert [asked.partner_id for asked in cpo.partners.asked] == ["hub"]


def test_a_404_with_an_ocpi_envelope_means_an_unknown_token(cpo: World) -> None:
    """Source: TOK-14"""
    cpo.partners.answers["hub"] = PartnerRefusal("", http_status=404, status_code=2001)

    with pytest.raises(UnknownToken):
        cpo.authorize()


def test_a_404_without_an_ocpi_envelope_is_a_fault(cpo: World) -> None:
    """The 404 comes from a gateway, which knows no tokens."""
    cpo.partners.answers["hub"] = PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404)

    with pytest.raises(PartnerFault):
        cpo.authorize()


# -- cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number_of_tokens", [8, 32])
def test_an_authorization_costs_the_same_for_any_number_of_tokens(
    cpo: World, number_of_tokens: int, in_moto: None
) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    for number in range(number_of_tokens):
        cpo.push(uid=f"T{number}", whitelist="ALWAYS")
    cpo.push()

    with measured(cpo.node.table) as spent:
        cpo.authorize("T7")
        cpo.authorize()
    assert spent.calls == ["BatchGetItem", "BatchGetItem", "GetItem"]
    assert spent.read_units <= 6

    with measured(cpo.node.table) as spent:
        cpo.push(uid="T7", whitelist="NEVER", last_updated="2026-03-01T09:00:00Z")
    assert len(spent.calls) == 2
    assert spent.write_units <= 10
