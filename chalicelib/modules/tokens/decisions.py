"""What may become of a stored token: decisions that the store asks for, again if something changed.

A token is never deleted, it becomes invalid (TOK-05). One that is older than the stored one is answered
like any other and changes nothing: it was overtaken on its way (LOC-14's house rule, for every module).

Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01, TOK-03
"""

from __future__ import annotations

from typing import Any

from chalicelib.errors import NotFound
from chalicelib.modules.tokens.rules import patch_token
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.storage.objects import Decide, Stored, Write, is_stale

Document = dict[str, Any]


def written(document: Document) -> Write:
    """Store a token that was validated; one that may be used is not forgotten."""
    return Write(JsonText(write_json(document)), document["last_updated"], is_in_use=document["valid"])


def replace_by(document: Document) -> Decide:
    """Create or replace, unless the stored one is newer."""

    def decide(current: Stored | None) -> Write | None:
        return None if is_stale(current, document["last_updated"]) else written(document)

    return decide


def patched_by(patch: Document) -> Decide:
    """Change the fields that a PATCH names (TOK-03).

    Raises: NotFound when there is no such token.
    """

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            raise NotFound("unknown token")
        merged = patch_token(read_json(str(current.body)), patch, current.arrived)
        return None if merged is None else written(merged)

    return decide
