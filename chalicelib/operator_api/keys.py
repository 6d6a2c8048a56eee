"""The operator's keys: which are good, known by their keyed hash alone.

A key is shown once, when it is made, and never stored; whoever reads the table cannot use the door.
The hash is the one of partners' tokens (`Directory.fingerprint`), under a name of its own, so that
a partner's token opens no operator's door and the other way round. All of them stand under one pk, so
that they can be listed and revoked by the name of whose they are.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chalicelib.node import Node
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.table import Key

_PK = "operator-keys"
_KEY = re.compile(r"[\x21-\x7e]{16,128}")


class OperatorKey(NamedTuple):
    """A key that is good, as it is remembered. name: whose it is. created: RFC 3339."""

    name: str
    created: str


def add_operator_key(node: Node, name: str, key: str | None = None) -> str:
    """Let a key in. name: whose it is, for people. key: to choose it oneself; returns the key.

    Raises: ValueError for a chosen key that is too easy or that no header can carry.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError("an operator's key has 16 to 128 printable ASCII characters without spaces")
    chosen = key or node.directory.new_token()
    pk, sk = key_item_of(node, chosen)
    node.table.put({"pk": pk, "sk": sk, "name": name, "created": format_datetime(node.clock())})
    return chosen


def list_operator_keys(node: Node) -> list[OperatorKey]:
    """The keys that are good, oldest first."""
    items = node.table.query_all("#pk = :pk", {"pk": _PK})
    return sorted((OperatorKey(item["name"], item["created"]) for item in items), key=lambda key: key.created)


def remove_operator_keys(node: Node, name: str) -> int:
    """Let every key of this name in no more, from the next request on. Returns how many there were."""
    items = node.table.query_all("#pk = :pk", {"pk": _PK})
    keys = [Key(item["pk"], item["sk"]) for item in items if item["name"] == name]
    node.table.write_many(delete=keys)
    return len(keys)


def key_item_of(node: Node, key: str) -> Key:
    """The item that stands for a key that is good."""
    return Key(_PK, node.directory.fingerprint(key))


def read_bearer(header: str | None) -> str | None:
    """The key in an Authorization header; None when there is none that could be one.

    >>> read_bearer("Bearer an-example-of-a-key")
    'an-example-of-a-key'
    """
    scheme, _, key = (header or "").partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and _KEY.fullmatch(key) else None
