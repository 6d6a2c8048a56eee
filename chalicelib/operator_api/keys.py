"""Keys of the operator API, stored as keyed hashes only.

A key is shown once, when it is created, and only its hash is stored: a reader of the table cannot call the
API. The hash is the same as for partners' tokens (`Directory.fingerprint`), but the items have another pk,
so that a partner's token is no operator key and the other way round. All keys share one pk, so that they
can be listed, and revoked by their name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chalicelib.node import Node
from chalicelib.partners.directory import Directory
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.table import Key

_PK = "operator-keys"
_KEY = re.compile(r"[\x21-\x7e]{16,128}")


class OperatorKey(NamedTuple):
    """The stored record of a valid key. name: of its holder. created: RFC 3339."""

    name: str
    created: str


def add_operator_key(node: Node, name: str, key: str | None = None) -> str:
    """Create a key and return it.

    name: of its holder, for people to read. key: a chosen key; a random one is made if it is left out.
    Raises: ValueError for a chosen key that is too short, too long, or cannot be sent in a header.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError("an operator's key has 16 to 128 printable ASCII characters without spaces")
    chosen = key or node.directory.new_token()
    pk, sk = key_item_of(node.directory, chosen)
    node.table.put({"pk": pk, "sk": sk, "name": name, "created": format_datetime(node.clock())})
    return chosen


def list_operator_keys(node: Node) -> list[OperatorKey]:
    """The valid keys, oldest first."""
    items = node.table.query_all("#pk = :pk", {"pk": _PK})
    return sorted((OperatorKey(item["name"], item["created"]) for item in items), key=lambda key: key.created)


def remove_operator_keys(node: Node, name: str) -> int:
    """Revoke every key of this name, from the next request on. Returns how many there were."""
    items = node.table.query_all("#pk = :pk", {"pk": _PK})
    keys = [Key(item["pk"], item["sk"]) for item in items if item["name"] == name]
    node.table.write_many(delete=keys)
    return len(keys)


def key_item_of(directory: Directory, key: str) -> Key:
    """The table key of an operator key's item."""
    return Key(_PK, directory.fingerprint(key))


def read_bearer(header: str | None) -> str | None:
    """The key in an Authorization header; None when the header is missing or malformed.

    >>> read_bearer("Bearer an-example-of-a-key")
    'an-example-of-a-key'
    """
    scheme, _, key = (header or "").partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and _KEY.fullmatch(key) else None
