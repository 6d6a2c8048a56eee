"""Decision functions for changes of stored tokens, for the store to call.

The store calls a decision with the stored token, and calls it again if the token changed before the write.
A token is never deleted, it becomes invalid (TOK-05). A push that is older than the stored token is answered
with success and changes nothing (LOC-14, applied to every module).

Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01, TOK-03
"""

from __future__ import annotations

from chalicelib.errors import NotFound
from chalicelib.modules.tokens.rules import patch_token
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.storage.objects import Decide, Stored, Write, is_stale


def written(document: Document) -> Write:
    """Return the write of a valid token. The store keeps a token in use for ever, and lets others expire."""
    return Write(JsonText(write_json(document)), document["last_updated"], is_in_use=document["valid"])


def replace_by(document: Document) -> Decide:
    """Create or replace a token, unless the stored one is newer."""

    def decide(current: Stored | None) -> Write | None:
        return None if is_stale(current, document["last_updated"]) else written(document)

    return decide


def patched_by(patch: Document) -> Decide:
    """Change the fields in a PATCH (TOK-03).

    Raises: NotFound when there is no such token.
    """

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            raise NotFound("unknown token")
        merged = patch_token(read_json(str(current.body)), patch, current.arrived)
        return None if merged is None else written(merged)

    return decide
