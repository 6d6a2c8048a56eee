"""Commands of 2.1.1 and their answers.

A command is answered with CommandResponse, and so is its result later; 2.1.1 has no CommandResult.

Source: OCPI 2.1.1 mod_commands; V211-80 … V211-85
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from chalicelib.versions.v2_1_1.fields import Document, Down, is_one_of, words
from chalicelib.versions.v2_1_1.tokens import token_in_command, token_up
from chalicelib.versions.version import Known

_TIMEOUT_S = 30
"""The timeout of a command, in seconds: 2.1.1 names none."""

_REJECTED = "REJECTED"
_RESPONSES = words("ACCEPTED NOT_SUPPORTED REJECTED TIMEOUT UNKNOWN_SESSION")
_RESPONSES_OF_2_2_1 = _RESPONSES - {"TIMEOUT"}
_RESULTS_OF_2_2_1 = _RESPONSES - {"UNKNOWN_SESSION"}
_LARGEST_INT = 2**31 - 1
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


def command_up(document: Document, known: Known) -> Document:
    """A START_SESSION or RESERVE_NOW of 2.1.1: its token is one of 2.1.1, and a reservation has a number."""
    if isinstance(document.get("token"), dict):
        document["token"] = token_up(dict(document["token"]), known)
    number = document.get("reservation_id")
    if isinstance(number, int) and not isinstance(number, bool):
        document["reservation_id"] = str(number)
    return document


def command_down(work: Down, document: Document) -> Document:
    """A START_SESSION or RESERVE_NOW for 2.1.1."""
    document = work.without(document, "", "connector_id", "authorization_reference")
    if isinstance(document.get("token"), dict):
        document["token"] = token_in_command(work, dict(document["token"]), "/token")
    if isinstance(document.get("reservation_id"), str):
        document["reservation_id"] = reservation_number(document["reservation_id"])
    return document


def reservation_number(reservation_id: str) -> int:
    """The number of a reservation; the same one for the same id, so that a reservation can be replaced.

    The id itself where it is a number, else 31 bits of its hash. Nothing has to be found by the number: no
    answer of 2.1.1 contains it. Two of a thousand reservations have the same one in 1 of 4000 cases.
    Source: V211-83
    """
    if _NUMBER.fullmatch(reservation_id) and int(reservation_id) <= _LARGEST_INT:
        return int(reservation_id)
    digest = sha256(reservation_id.upper().encode()).digest()
    return int.from_bytes(digest[:4], "big") & _LARGEST_INT


def response_up(document: Document, known: Known) -> Document:
    """An immediate answer of 2.1.1."""
    return {"timeout": _TIMEOUT_S, **_answer_up(document, _RESPONSES_OF_2_2_1)}


def result_up(document: Document, known: Known) -> Document:
    """A result of 2.1.1, which is a CommandResponse (V211-81)."""
    return _answer_up(document, _RESULTS_OF_2_2_1)


def _answer_up(document: Document, values: frozenset[str]) -> Document:
    """Replace a value that 2.2.1 does not have here by REJECTED, and name it in the message."""
    came: Any = document.get("result")
    if not is_one_of(came, _RESPONSES) or came in values:
        return document
    message = [{"language": "en", "text": came}]
    return {"message": message, **document, "result": _REJECTED}


def answer_down(work: Down, document: Document) -> Document:
    """An immediate answer or a result for 2.1.1. The timeout is no loss: 2.1.1 has no deadline (V211-80)."""
    document.pop("timeout", None)
    if "result" in document and not is_one_of(document["result"], _RESPONSES):
        work.instead(document, "", "result", {str(document.get("result")): _REJECTED})
    return work.without(document, "", "message")
