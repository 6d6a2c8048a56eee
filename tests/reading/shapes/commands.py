"""Odd commands and results. A driver waits for each of them, so only what they are about may refuse them."""

from __future__ import annotations

from typing import Any

from chalicelib.protocol.types import format_datetime
from tests.harness.nodes import START
from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants

ARRIVED = format_datetime(START)


def starts(valid_token: dict[str, Any]) -> list[Shape]:
    """Make the shapes of a START_SESSION."""
    return [
        *_tokens(valid_token),
        read_as("connector_id as a number", {"connector_id": 1}),
        aside("connector_id empty", {"connector_id": ""}),
        aside("authorization_reference empty", {"authorization_reference": ""}),
        read_as(
            "authorization_reference as a number",
            {"authorization_reference": 77},
            {"authorization_reference": "77"},
        ),
        refused("location_id missing", {"location_id": GONE}, "location_id"),
        refused("response_url missing", {"response_url": GONE}, "response_url"),
        refused("token missing", {"token": GONE}, "token"),
        refused("token without a uid", {"token.uid": GONE}, "token.uid"),
        kept("unknown fields", {"evse_id": "PT*ABC*E1", "token.x": 1}),
    ]


def _tokens(valid_token: dict[str, Any]) -> list[Shape]:
    """Make the shapes of the token that a command brings."""
    return [
        read_as("token in a list", {"token": [valid_token]}),
        read_as(
            "token without country_code and party_id", {"token.country_code": GONE, "token.party_id": GONE}
        ),
        read_as("token with a type in small letters", {"token.type": "app_user"}),
        read_as('token with valid "true"', {"token.valid": "true"}),
        read_as("token without valid", {"token.valid": GONE}),
        read_as(
            "token as in OCPI 2.1.1",
            {"token": {"uid": "APP-1", "type": "APP_USER", "auth_id": "PT-GLP-C12345678-X"}},
            {"token": _like_2_1_1(valid_token)},
        ),
        read_as("token without issuer", {"token.issuer": GONE}, {"token.issuer": ""}),
        read_as("token with a whitelist in small letters", {"token.whitelist": "never"}),
        read_as("token without whitelist", {"token.whitelist": GONE}),
        read_as("token with a language in capitals", {"token.language": "PT"}),
        aside("token with an empty language", {"token.language": ""}),
        aside("token with a long visual_number", {"token.visual_number": "9" * 70}),
        aside("token with an energy_contract that is a text", {"token.energy_contract": "Sol"}),
        aside("token with an empty group_id", {"token.group_id": ""}),
        *instants("token.last_updated")[:3],
    ]


def _like_2_1_1(valid_token: dict[str, Any]) -> dict[str, Any]:
    """Return the canonical form of a token that came with uid, type and auth_id only."""
    names = ("country_code", "party_id", "uid", "type", "contract_id", "valid", "whitelist")
    same = {name: valid_token[name] for name in names}
    return {**same, "auth_id": valid_token["contract_id"], "issuer": "", "last_updated": ARRIVED}


def reservations() -> list[Shape]:
    """Make the shapes of a RESERVE_NOW."""
    return [
        *instants("expiry_date")[:3],
        read_as("reservation_id as a number", {"reservation_id": 12}, {"reservation_id": "12"}),
        aside("evse_uid empty", {"evse_uid": ""}),
        aside("token with an empty language", {"token.language": ""}),
        refused("expiry_date that is none", {"expiry_date": "tomorrow"}, "expiry_date"),
        refused("expiry_date missing", {"expiry_date": GONE}, "expiry_date"),
        refused("reservation_id missing", {"reservation_id": GONE}, "reservation_id"),
    ]


def unlocks() -> list[Shape]:
    """Make the shapes of an UNLOCK_CONNECTOR."""
    return [
        read_as("connector_id as a number", {"connector_id": 1}),
        refused("connector_id missing", {"connector_id": GONE}, "connector_id"),
        refused("evse_uid empty", {"evse_uid": ""}, "evse_uid"),
    ]


RESULTS: dict[str, tuple[Any, Any]] = {
    "in small letters": ({"result": "accepted"}, None),
    "with a language in capitals": (
        {"result": "ACCEPTED", "message": [{"language": "EN", "text": "go"}]},
        [{"language": "en", "text": "go"}],
    ),
    "with one message that is no list": (
        {"result": "ACCEPTED", "message": {"language": "en", "text": "go"}},
        [{"language": "en", "text": "go"}],
    ),
    "with a message that is a text": ({"result": "ACCEPTED", "message": "go"}, None),
    "with a message without a language": ({"result": "ACCEPTED", "message": [{"text": "go"}]}, None),
    "with an empty message": ({"result": "ACCEPTED", "message": ""}, None),
    "in an envelope": ({"status_code": 1000, "data": {"result": "ACCEPTED"}}, None),
    "in a list in an envelope": ({"status_code": 1000, "data": [{"result": "ACCEPTED"}]}, None),
    "in an object with its class": ({"CommandResult": {"result": "ACCEPTED"}}, None),
}
"""Results that a partner posts: the document, and the message that is read. Each is ACCEPTED."""
