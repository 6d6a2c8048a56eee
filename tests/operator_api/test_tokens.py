"""Tokens in the operator API: written by an eMSP, shown by every node, authorized for a CPO.

Source: OCPI 2.2.1 mod_tokens; TOK-02, TOK-09, TOK-14, TOK-15, OWN-05
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.policy.remote_starts import start_items, started
from chalicelib.protocol.message import Party, Routing
from chalicelib.settings import OwnRole
from tests.harness.partners import register
from tests.logged import Logged
from tests.logged import logged as logged
from tests.modules.tokens.asking import (
    SILENT,
    TOO_LITTLE,
    UNKNOWN,
    UNREACHABLE,
    Answering,
    allowed,
    asking,
    offering,
)
from tests.operator_api.caller import OperatorApi, path_of
from tests.operator_api.objects import token
from tests.operator_api.received import receive_token
from tests.storage.capacity import measured

EVI, GLP, MOB = Party("PT", "EVI"), Party("PT", "GLP"), Party("PT", "MOB")
WHERE = {"location_id": "L1", "evse_uids": ["E1"]}


@pytest.fixture
def partners(cpo: OperatorApi) -> Answering:
    """The CPO's hub, with answers that a test sets."""
    offering(cpo.node, register(cpo.node, "hub", ("HUB", MOB)))
    cpo.node, answering = asking(cpo.node)
    return answering


# -- an eMSP's own -----------------------------------------------------------------------------------


def test_put_fills_in_what_the_operator_left_out(emsp: OperatorApi) -> None:
    answer = emsp.call("PUT", "/tokens/0102A", token())

    assert answer.status == 201
    assert answer.json == {
        "country_code": "PT",
        "party_id": "EVI",
        "uid": "0102A",
        "type": "RFID",
        **token(),
        "last_updated": "2026-03-01T12:00:00Z",
    }
    assert emsp.ask("GET", "/tokens/0102a") == answer.json


def test_patch_changes_what_is_sent_and_null_removes(emsp: OperatorApi) -> None:
    emsp.ask("PUT", "/tokens/0102A", token(visual_number="1"))
    emsp.node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    answer = emsp.call("PATCH", "/tokens/0102A", {"valid": False, "visual_number": None})

    assert (answer.status, answer.json["valid"]) == (200, False)
    assert "visual_number" not in answer.json
    assert answer.json["last_updated"] == "2026-03-01T12:00:05Z"
    assert emsp.ask("GET", "/tokens/0102A") == answer.json


def test_a_token_is_identified_by_its_type_too(emsp: OperatorApi) -> None:
    """Source: OWN-05, TOK-02"""
    emsp.ask("PUT", "/tokens/A1", token())
    emsp.ask("PUT", "/tokens/A1?type=APP_USER", token(whitelist="NEVER"))
    emsp.ask("PUT", "/tokens/A1", token(type="OTHER"))

    assert emsp.ask("GET", "/tokens/A1")["type"] == "RFID"
    assert emsp.ask("GET", "/tokens/A1?type=APP_USER")["whitelist"] == "NEVER"
    assert emsp.ask("GET", "/tokens/A1?type=OTHER")["type"] == "OTHER"
    assert len(emsp.ask("GET", "/tokens")) == 3

    emsp.ask("PATCH", "/tokens/A1?type=APP_USER", {"valid": False})
    assert [one["valid"] for one in emsp.all("/tokens?limit=1")] == [True, False, True]


def test_a_uid_may_have_any_printable_character(emsp: OperatorApi) -> None:
    for uid in ("04 A1*2", "A/B", "50%", "#1", "a?b=c&d", "%2F"):
        emsp.ask("PUT", path_of("tokens", uid), token())

        assert emsp.ask("GET", path_of("tokens", uid))["uid"] == uid


def test_a_token_cannot_be_deleted(emsp: OperatorApi) -> None:
    """Source: TOK-05"""
    emsp.ask("PUT", "/tokens/A1", token())

    answer = emsp.call("DELETE", "/tokens/A1")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, PATCH, PUT")


BAD: dict[str, tuple[str, str, Any, int, str | None]] = {
    "broken JSON": ("PUT", "/tokens/A2", '{"valid":', 400, None),
    "nothing": ("PUT", "/tokens/A2", "", 400, None),
    "a list": ("PUT", "/tokens/A2", [], 422, "body"),
    **{
        f"no {name}": ("PUT", "/tokens/A2", {k: v for k, v in token().items() if k != name}, 422, name)
        for name in token()
    },
    "valid a text": ("PUT", "/tokens/A2", token(valid="yes"), 422, "valid"),
    "whitelist in small letters": ("PUT", "/tokens/A2", token(whitelist="never"), 422, "whitelist"),
    "another uid": ("PUT", "/tokens/A2", token(uid="A3"), 422, "uid"),
    "another type": ("PUT", "/tokens/A2?type=RFID", token(type="OTHER"), 422, "type"),
    "a type in small letters": ("PUT", "/tokens/A2", token(type="rfid"), 422, "type"),
    "a type of the URL in small letters": ("PUT", "/tokens/A2?type=rfid", token(), 400, "type"),
    "another party": ("PUT", "/tokens/A2", token(party_id="NOT"), 422, "party_id"),
    "an unknown party": ("PUT", "/tokens/A2?party=PT*NOT", token(), 400, "party"),
    "a uid too long": ("PUT", "/tokens/" + "A" * 37, token(), 422, "token_uid"),
    "a uid that is not ASCII": ("PUT", "/tokens/%C3%9C", token(), 422, "token_uid"),
    "an unknown token to patch": ("PATCH", "/tokens/A9", {"valid": False}, 404, None),
    "a known one of another type": ("PATCH", "/tokens/A1?type=OTHER", {"valid": False}, 404, None),
    "a patch that takes a required field": ("PATCH", "/tokens/A1", {"valid": None}, 422, "valid"),
    "a patch of the uid": ("PATCH", "/tokens/A1", {"uid": "A9"}, 422, "uid"),
    "an unknown token": ("GET", "/tokens/A9", None, 404, None),
    "a type that is none": ("GET", "/tokens/A1?type=a%20b", None, 400, "type"),
    "a wrong limit": ("GET", "/tokens?limit=x", None, 400, "limit"),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD.values(), ids=BAD.keys())
def test_invalid_input_is_answered_with_its_field_and_changes_nothing(
    emsp: OperatorApi, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    """Source: RFC 9457"""
    emsp.ask("PUT", "/tokens/A1", token())

    answer = emsp.call(method, path, body)

    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    if field is not None:
        (first, *_) = answer.json["errors"]
        assert first["field"] == field
        assert ("pointer" in first) == (status == 422 and field != "token_uid")
    assert [one["uid"] for one in emsp.ask("GET", "/tokens")] == ["A1"]
    assert emsp.ask("GET", "/tokens/A1")["valid"]


# -- received tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["cpo", "hub"])
def test_received_tokens_are_shown_and_read_only(apis: dict[str, OperatorApi], role: str) -> None:
    api = apis[role]
    received = receive_token(api, GLP, "0102A")

    assert api.ask("GET", "/tokens/0102a") == received
    assert api.ask("GET", "/tokens") == [received]
    for method in ("PUT", "PATCH"):
        answer = api.call(method, "/tokens/0102A", token())
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
        assert "no EMSP" in answer.json["detail"]


def test_a_token_uid_of_two_owners_needs_the_party(cpo: OperatorApi) -> None:
    """Source: OWN-05, TRP-17"""
    receive_token(cpo, GLP, "A1")
    receive_token(cpo, EVI, "A1")

    answer = cpo.call("GET", "/tokens/A1")

    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "party")
    assert cpo.ask("GET", "/tokens/A1?party=PT*EVI")["party_id"] == "EVI"


# -- authorized by command -------------------------------------------------------------------------


def command(
    api: OperatorApi, token_type: str, reference: str | None = "ref-9", **fields: Any
) -> dict[str, Any]:
    """Store a START_SESSION command for token A1 at EVSE E1, sent now. Returns the Token of the command."""
    document = {"country_code": "PT", "party_id": "GLP", "uid": "A1", "type": token_type, **token(), **fields}
    start = started("hub", "command-1", api.node.clock(), "L1", "E1")
    for item in start_items(document, reference, start, api.node.clock()):
        api.node.table.put(item)
    return document


@pytest.mark.parametrize(("minutes", "questions"), [(14, 0), (16, 1)])
def test_an_rfid_token_is_authorized_without_a_request_for_15_minutes_after_its_command(
    cpo: OperatorApi, partners: Answering, minutes: int, questions: int
) -> None:
    """Source: CMD-11"""
    document = command(cpo, "RFID")
    cpo.node.clock.forward(seconds=60 * minutes)  # type: ignore[attr-defined]

    info = cpo.ask("POST", "/tokens/a1/authorize", WHERE)

    assert len(partners.asked) == questions
    if not questions:
        assert info == {
            "allowed": "ALLOWED",
            "token": document,
            "location": WHERE,
            "authorization_reference": "ref-9",
        }


@pytest.mark.parametrize(
    "asked", [None, {"location_id": "L1"}, {"location_id": "L1", "evse_uids": ["E1", "E2"]}]
)
def test_an_rfid_token_at_another_place_than_its_command_is_authorized_by_the_emsp(
    cpo: OperatorApi, partners: Answering, asked: Any
) -> None:
    """Source: CMD-11"""
    command(cpo, "RFID")

    cpo.ask("POST", "/tokens/A1/authorize", asked)

    assert len(partners.asked) == 1


@pytest.mark.parametrize("token_type", ["APP_USER", "AD_HOC_USER"])
def test_an_app_token_is_authorized_without_a_request_at_any_time_after_its_command(
    cpo: OperatorApi, partners: Answering, token_type: str
) -> None:
    """Source: CMD-11"""
    command(cpo, token_type, None)
    cpo.node.clock.forward(seconds=7200)  # type: ignore[attr-defined]

    info = cpo.ask("POST", f"/tokens/A1/authorize?type={token_type}")

    assert (info["allowed"], "authorization_reference" in info, partners.asked) == ("ALLOWED", False, [])


def test_a_command_with_another_emsp_s_token_authorizes_nothing(
    cpo: OperatorApi, partners: Answering
) -> None:
    """Source: OWN-05, CMD-11"""
    command(cpo, "APP_USER", party_id="EVI")

    cpo.ask("POST", "/tokens/A1/authorize?type=APP_USER&emsp=PT*GLP")

    assert len(partners.asked) == 1


@pytest.mark.parametrize(
    ("last_updated", "allowed"), [("2026-02-01T12:00:00Z", "ALLOWED"), ("2026-03-01T12:00:01Z", "BLOCKED")]
)
def test_a_token_revoked_after_its_command_is_blocked_without_a_request(
    cpo: OperatorApi, partners: Answering, last_updated: str, allowed: str
) -> None:
    """Source: CMD-10, CMD-11"""
    command(cpo, "RFID")
    receive_token(cpo, GLP, "A1", source="hub", valid=False, last_updated=last_updated)

    info = cpo.ask("POST", "/tokens/A1/authorize", WHERE)

    assert (info["allowed"], partners.asked) == (allowed, [])


def test_authorizing_a_token_by_its_command_takes_two_reads(
    cpo: OperatorApi, partners: Answering, in_moto: None
) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    command(cpo, "RFID")
    receive_token(cpo, GLP, "A1", source="hub", whitelist="NEVER")

    with measured(cpo.node.table) as spent:
        assert cpo.ask("POST", "/tokens/A1/authorize", WHERE)["authorization_reference"] == "ref-9"

    assert spent.calls == ["BatchGetItem", "BatchGetItem"]


# -- authorizing -------------------------------------------------------------------------------------


def test_a_token_is_authorized_by_its_emsp(cpo: OperatorApi, partners: Answering) -> None:
    """Source: RTE-22, TOK-12; docs/mobie.md, scenario 4.1"""
    partners.answers["hub"] = reply = allowed(location=WHERE)

    answer = cpo.call("POST", "/tokens/0102A/authorize", WHERE)

    assert (answer.status, answer.json) == (200, reply)
    (asked,) = partners.asked
    assert (asked.document, asked.query) == (WHERE, {"type": "RFID"})
    assert asked.routing == Routing(Party("PT", "ABC"))
    assert asked.correlation_id == "correlation-1"


def test_no_body_is_needed(cpo: OperatorApi, partners: Answering) -> None:
    """Source: TOK-11"""
    assert cpo.call("POST", "/tokens/0102A/authorize?type=APP_USER").status == 200
    assert [(asked.document, asked.query) for asked in partners.asked] == [(None, {"type": "APP_USER"})]


def test_a_token_with_whitelist_always_is_authorized_without_a_request(
    cpo: OperatorApi, partners: Answering
) -> None:
    """Source: TOK-09"""
    received = receive_token(cpo, GLP, "0102A", source="hub")

    answer = cpo.call("POST", "/tokens/0102a/authorize")

    assert (answer.status, answer.json) == (200, {"allowed": "ALLOWED", "token": received})
    assert partners.asked == []


def test_an_allowed_copy_of_a_token_is_used_when_the_emsp_is_unreachable(
    cpo: OperatorApi, partners: Answering
) -> None:
    """Source: TOK-09"""
    receive_token(cpo, GLP, "A1", source="hub", whitelist="ALLOWED_OFFLINE")
    receive_token(cpo, GLP, "A2", source="hub", whitelist="NEVER")
    partners.answers["hub"] = UNREACHABLE

    assert cpo.ask("POST", "/tokens/A1/authorize")["allowed"] == "ALLOWED"
    assert cpo.call("POST", "/tokens/A2/authorize").status == 502


def test_a_blocked_token_is_answered_with_200(cpo: OperatorApi, partners: Answering) -> None:
    """Source: TOK-13; docs/mobie.md, scenario 4.2"""
    partners.answers["hub"] = {"allowed": "BLOCKED"}

    assert cpo.ask("POST", "/tokens/A1/authorize") == {"allowed": "BLOCKED"}


def test_an_unknown_token_is_not_found(cpo: OperatorApi, partners: Answering) -> None:
    """Source: TOK-14; docs/mobie.md, scenario 4.2"""
    partners.answers["hub"] = UNKNOWN

    answer = cpo.call("POST", "/tokens/A1/authorize")

    assert (answer.status, answer.json["detail"]) == (404, "unknown token")


def test_a_partner_that_does_not_answer_is_a_bad_gateway(cpo: OperatorApi, partners: Answering) -> None:
    partners.answers["hub"] = SILENT

    assert cpo.call("POST", "/tokens/A1/authorize").status == 502


def test_not_enough_information_names_the_missing_field(cpo: OperatorApi, partners: Answering) -> None:
    """Source: TOK-15"""
    partners.answers["hub"] = TOO_LITTLE

    answer = cpo.call("POST", "/tokens/A1/authorize")

    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "location_id")
    assert cpo.call("POST", "/tokens/A1/authorize", WHERE).status == 502


def test_the_cpo_that_asks_can_be_named(cpo: OperatorApi, partners: Answering) -> None:
    """A location_id is meaningful only with its CPO. Source: TOK-18"""
    second = OwnRole("CPO", Party("PT", "XYZ"), {"name": "Second"})
    settings = replace(cpo.node.settings, roles=(*cpo.node.settings.roles, second))
    cpo.node = replace(cpo.node, settings=settings)

    cpo.ask("POST", "/tokens/A1/authorize?party=PT*XYZ", WHERE)

    assert partners.asked[0].routing.sender == second.party


def test_two_valid_tokens_with_one_uid_need_the_emsp(cpo: OperatorApi, partners: Answering) -> None:
    """Source: OWN-05, TRP-17"""
    for party in (GLP, EVI):
        receive_token(cpo, party, "A1", source="hub")

    answer = cpo.call("POST", "/tokens/A1/authorize")

    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "emsp")
    assert cpo.ask("POST", "/tokens/A1/authorize?emsp=PT*GLP")["token"]["party_id"] == "GLP"


def test_an_emsp_on_the_same_node_decides_without_a_call(cpo: OperatorApi, partners: Answering) -> None:
    settings = replace(
        cpo.node.settings, roles=(*cpo.node.settings.roles, OwnRole("EMSP", EVI, {"name": "Evia"}))
    )
    cpo.node = replace(cpo.node, settings=settings)
    cpo.ask("PUT", "/tokens/A1", token(whitelist="NEVER"))

    info = cpo.ask("POST", "/tokens/A1/authorize")

    assert (info["allowed"], bool(info["authorization_reference"]), partners.asked) == ("ALLOWED", True, [])


@pytest.mark.parametrize("role", ["hub", "emsp"])
def test_a_hub_or_an_emsp_cannot_authorize(apis: dict[str, OperatorApi], role: str) -> None:
    assert apis[role].call("POST", "/tokens/A1/authorize").status == 405


BAD_QUESTIONS: dict[str, tuple[str, Any, int, str | None]] = {
    "no location_id": ("", {"evse_uids": ["E1"]}, 422, "location_id"),
    "location_id a number": ("", {"location_id": 1}, 422, "location_id"),
    "evse_uids a text": ("", {"location_id": "L1", "evse_uids": "E1"}, 422, "evse_uids"),
    "a list": ("", [], 422, "body"),
    "broken JSON": ("", "{", 400, None),
    "a type that is none": ("?type=rfid", None, 400, "type"),
    "a party that is not here": ("?party=PT*NOT", None, 400, "party"),
    "a party that is none": ("?party=ABC", None, 400, "party"),
    "an eMSP that is none": ("?emsp=EVI", None, 400, "emsp"),
}


@pytest.mark.parametrize(
    ("query", "body", "status", "field"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS.keys()
)
def test_an_invalid_authorization_request_is_refused_without_a_call(
    cpo: OperatorApi, partners: Answering, query: str, body: Any, status: int, field: str | None
) -> None:
    """Source: RFC 9457"""
    answer = cpo.call("POST", f"/tokens/A1/authorize{query}", body)

    assert answer.status == status, answer.text
    if field is not None:
        assert answer.json["errors"][0]["field"] == field
    assert partners.asked == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_writing_a_token_takes_two_table_calls(emsp: OperatorApi, method: str, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    emsp.ask("PUT", "/tokens/A1", token())

    with measured(emsp.node.table) as spent:
        assert emsp.call(method, "/tokens/A1", token(valid=False)).status == 200

    assert len(spent.calls) <= 2, spent.calls


@pytest.mark.parametrize("number_of_tokens", [8, 32])
def test_an_authorization_takes_the_same_calls_for_any_number_of_tokens(
    cpo: OperatorApi,
    partners: Answering,
    number_of_tokens: int,
    in_moto: None,
) -> None:
    """One call each for: the key and the owners, the token, its partner.

    Source: docs/design.md, Storage and what it may cost
    """
    for number in range(number_of_tokens):
        receive_token(cpo, GLP, f"T{number}", source="hub", whitelist="NEVER")

    with measured(cpo.node.table) as spent:
        assert cpo.call("POST", "/tokens/T7/authorize").status == 200

    assert spent.calls == ["BatchGetItem", "BatchGetItem", "GetItem"]
    assert spent.read_units <= 6


def test_no_log_line_has_a_tokens_uid(cpo: OperatorApi, partners: Answering, logged: Logged) -> None:
    cpo.call("POST", "/tokens/SECRET-UID/authorize")
    cpo.call("GET", "/tokens/SECRET-UID")

    text = str(logged.lines)
    assert "/tokens/…" in text
    assert "SECRET-UID" not in text
