"""Tokens of 2.1.1, and the answer to an authorization.

Source: OCPI 2.1.1 mod_tokens; V211-70 … V211-75
"""

from __future__ import annotations

from chalicelib.versions.v2_1_1.fields import Document, Down, is_one_of, ownerless, renamed, with_owner
from chalicelib.versions.version import Known

_OTHER = "OTHER"
_TYPES = frozenset((_OTHER, "RFID"))
_NOT_IN_2_1_1 = ("group_id", "default_profile_type", "energy_contract")


def token_up(document: Document, known: Known) -> Document:
    """A token of 2.1.1."""
    return with_owner(renamed(document, {"auth_id": "contract_id"}), known)


def token_down(work: Down, document: Document) -> Document:
    """A token for a list of cards in 2.1.1; a token of an app is held (V211-72)."""
    work.need_whole(document, "type")
    if not is_one_of(document.get("type", _OTHER), _TYPES):
        work.hold(f"2.1.1 has no tokens of type {document['type']}: they are sent in commands only")
    return _content_down(work, document, "")


def token_in_command(work: Down, document: Document, at: str) -> Document:
    """A token of any type, as a command has it."""
    if not is_one_of(document.get("type", _OTHER), _TYPES):
        work.instead(document, at, "type", {str(document["type"]): _OTHER})
    return _content_down(work, document, at)


def _content_down(work: Down, document: Document, at: str) -> Document:
    document = work.without(ownerless(document), at, *_NOT_IN_2_1_1)
    return renamed(document, {"contract_id": "auth_id"})


def authorization_up(document: Document, known: Known) -> Document:
    """The answer of an eMSP of 2.1.1, with the token that was asked for (V211-74)."""
    return document if known.token is None else {**document, "token": dict(known.token)}


def authorization_down(work: Down, document: Document) -> Document:
    """The answer for a CPO of 2.1.1. The token is no loss: it asked for it."""
    document.pop("token", None)
    return work.without(document, "", "authorization_reference")
