"""Source: OCPI 2.2.1 mod_tokens, WhitelistType and POST Method; TOK-09, TOK-16, TOK-17"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.tokens.objects import AuthorizationDecision
from chalicelib.modules.tokens.rules import (
    Ask,
    allowed_by,
    patch_token,
    permitted,
    refusal_in,
    type_in_query,
    type_of,
    whether_to_ask,
)
from chalicelib.policy.token_lookup import type_in
from chalicelib.protocol.types import validate
from tests.modules.builders import T0, T1, token

ASKED = {"location_id": "L1", "evse_uids": ["E1", "E2", "E3"]}
WHOLE = {"location_id": "L1"}


def decision(**fields: Any) -> AuthorizationDecision:
    return validate(AuthorizationDecision, {"allowed": "ALLOWED", **fields})


@pytest.mark.parametrize(
    ("whitelist", "ask"),
    [
        ("ALWAYS", Ask.NEVER),
        ("ALLOWED", Ask.ALWAYS),
        ("ALLOWED_OFFLINE", Ask.FIRST),
        ("NEVER", Ask.ALWAYS),
        ("ON_SUNDAYS", Ask.ALWAYS),
    ],
)
def test_the_whitelist_decides_whether_the_emsp_is_asked(whitelist: str, ask: Ask) -> None:
    """Source: TOK-09"""
    assert whether_to_ask(whitelist) is ask


def test_the_copy_allows_a_valid_token_and_blocks_an_invalid_one() -> None:
    """Source: TOK-13, TOK-17"""
    assert (allowed_by(token()), allowed_by(token(valid=False))) == ("ALLOWED", "BLOCKED")


@pytest.mark.parametrize(
    ("asked", "granted", "answered"),
    [
        (None, None, ("ALLOWED", None)),
        (ASKED, None, ("ALLOWED", ASKED)),
        (ASKED, WHOLE, ("ALLOWED", ASKED)),
        (ASKED, {"location_id": "l1", "evse_uids": ["e2", "E9"]}, ("ALLOWED", WHOLE | {"evse_uids": ["E2"]})),
        (ASKED, {"location_id": "L1", "evse_uids": ["E9"]}, ("NOT_ALLOWED", None)),
        (ASKED, {"location_id": "L1", "evse_uids": []}, ("NOT_ALLOWED", None)),
        (ASKED, {"location_id": "L2"}, ("NOT_ALLOWED", None)),
        (WHOLE, {"location_id": "L1", "evse_uids": ["E1"]}, ("ALLOWED", WHOLE | {"evse_uids": ["E1"]})),
        (WHOLE, {"location_id": "L1", "evse_uids": []}, ("NOT_ALLOWED", None)),
        (WHOLE, WHOLE, ("ALLOWED", WHOLE)),
    ],
)
def test_the_answer_has_only_evses_that_are_requested_and_permitted(
    asked: Any, granted: Any, answered: Any
) -> None:
    """Source: TOK-16"""
    assert permitted(asked, decision(location=granted)) == answered


def test_a_decision_for_one_location_needs_a_location_in_the_request() -> None:
    """Source: TOK-15"""
    with pytest.raises(NotEnoughInformation):
        permitted(None, decision(location=WHOLE))
    assert permitted(None, decision(allowed="BLOCKED", location=WHOLE)) == ("BLOCKED", None)


def test_the_answer_has_no_location_when_charging_is_not_allowed() -> None:
    """Source: TOK-16"""
    assert permitted(ASKED, decision(allowed="NO_CREDIT", location=ASKED)) == ("NO_CREDIT", None)


@pytest.mark.parametrize(
    ("query", "document", "expected"),
    [
        ({}, {}, "RFID"),
        ({"type": ""}, {}, "RFID"),
        ({"type": "APP_USER"}, {}, "APP_USER"),
        ({}, {"type": "APP_USER"}, "APP_USER"),
        ({"type": "APP_USER"}, {"type": "APP_USER"}, "APP_USER"),
        ({}, {"type": "EMAID"}, "EMAID"),
    ],
)
def test_the_type_comes_from_the_query_then_the_body_then_is_rfid(
    query: Any, document: Any, expected: str
) -> None:
    """Source: TOK-02, TYP-15"""
    assert type_of(query, document) == expected


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ({"type": "RFID"}, {"type": "OTHER"}),
        ({"type": "rfid"}, {}),
        ({}, {"type": "rfid"}),
        ({}, {"type": 1}),
        ({"type": "a b"}, {}),
    ],
)
def test_an_invalid_or_contradicting_type_is_refused(query: Any, document: Any) -> None:
    """Source: TYP-04, TRN-27"""
    with pytest.raises(InvalidParameters) as refused:
        type_of(query, document)

    assert refused.value.field == "type"


def test_a_query_may_have_no_type() -> None:
    assert type_in_query({}) is None


def test_an_older_patch_changes_nothing() -> None:
    assert patch_token(token(last_updated=T1), {"valid": False, "last_updated": T0}) is None


def test_a_newer_patch_changes_the_fields_in_it() -> None:
    patched = patch_token(token(last_updated=T0), {"valid": False, "last_updated": T1})

    assert patched == token(valid=False, last_updated=T1)


@pytest.mark.parametrize("last_updated", [T0, T1])
def test_a_patch_is_refused_when_the_resulting_token_is_not_valid_even_if_it_is_older(
    last_updated: str,
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        patch_token(token(last_updated=T1), {"valid": "perhaps", "last_updated": last_updated})

    assert refused.value.field == "valid"


def test_an_empty_list_of_requested_evses_means_the_whole_location() -> None:
    """Source: TOK-16"""
    asked = {"location_id": "L1", "evse_uids": []}

    assert permitted(asked, decision(location=WHOLE)) == ("ALLOWED", WHOLE)
    one = {"location_id": "L1", "evse_uids": ["E1"]}
    assert permitted(asked, decision(location=one)) == ("ALLOWED", one)


@pytest.mark.parametrize("refusal", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_a_refusal_of_the_operator_counts_although_other_fields_are_wrong(refusal: str) -> None:
    assert refusal_in({"allowed": refusal, "location": 5}).allowed == refusal


@pytest.mark.parametrize(
    "answer", [{"allowed": "ALLOWED"}, {"allowed": "MAYBE"}, {}, {"allowed": 1}, None, "yes"]
)
def test_an_answer_without_a_valid_decision_is_not_allowed(answer: object) -> None:
    assert refusal_in(answer).allowed == "NOT_ALLOWED"


@pytest.mark.parametrize(
    ("version", "token_type", "known_as"),
    [
        ("2.3.0", "EMAID", "EMAID"),
        ("2.2.1", "EMAID", "OTHER"),
        ("2.2", "EMAID", "OTHER"),
        (None, "EMAID", "OTHER"),
        ("2.2", "RFID", "RFID"),
    ],
)
def test_older_partners_are_asked_for_another_type_of_an_emaid(
    version: str | None, token_type: str, known_as: str
) -> None:
    """Source: V23-30"""
    assert type_in(version, token_type) == known_as
