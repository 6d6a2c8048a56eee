"""OCPI 2.1.1 as far as a registration needs it: credentials, and other documents as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known

_OF_ROLE = ("business_details", "party_id", "country_code")


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """Convert credentials."""
    if kind is not Kind.CREDENTIALS:
        return dict(document)
    if "roles" in document:
        raise InvalidParameters("is not a field of OCPI 2.1.1", field="roles")
    for name in ("party_id", "country_code"):
        if name not in document:
            raise InvalidParameters("required", field=name)
    role = {name: document[name] for name in _OF_ROLE if name in document}
    flat = {name: value for name, value in document.items() if name not in _OF_ROLE}
    return {**flat, "roles": [{**role, "role": known.role}]}


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Convert credentials."""
    if kind is not Kind.CREDENTIALS:
        return Converted(dict(document))
    role = document["roles"][0]
    flat = {name: value for name, value in document.items() if name != "roles"}
    return Converted({**flat, **{name: role[name] for name in _OF_ROLE if name in role}})


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code
