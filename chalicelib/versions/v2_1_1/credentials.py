"""Credentials of 2.1.1: one party, and no role.

Source: OCPI 2.1.1 credentials; V211-03
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.versions.v2_1_1.fields import Document, Down, objects
from chalicelib.versions.version import Known

_PARTY = ("business_details", "party_id", "country_code")
_OPPOSITE = {"CPO": "EMSP", "EMSP": "CPO"}


def credentials_up(document: Document, known: Known) -> Document:
    """Credentials of 2.1.1, with the partner's role if it is known.

    Raises: InvalidParameters for credentials of a later version, or without a party.
    """
    if "roles" in document:
        text = "credentials of OCPI 2.1.1 have business_details, party_id and country_code, and no roles"
        raise InvalidParameters(text, field="roles")
    for name in ("party_id", "country_code"):
        if name not in document:
            raise InvalidParameters("required", field=name)
    role = {"role": known.role} if known.role else {}
    role |= {name: value for name, value in document.items() if name in _PARTY}
    return {**{name: value for name, value in document.items() if name not in _PARTY}, "roles": [role]}


def credentials_down(work: Down, document: Document) -> Document:
    """Credentials for 2.1.1: the party that plays the role opposite to the partner's, else the first."""
    roles = objects(document.pop("roles", None))
    wanted = _OPPOSITE.get(work.known.role)
    sent = next((place for place, role in enumerate(roles) if _plays(role, wanted)), 0)
    for place, role in enumerate(roles):
        if place != sent:
            name = "/".join(str(role.get(each)) for each in ("country_code", "party_id", "role"))
            work.lose(f"/roles/{place}", f"2.1.1 has one party for a connection, so {name} is not named")
    if not roles:
        return document
    return {**document, **{name: value for name, value in roles[sent].items() if name in _PARTY}}


def _plays(role: Mapping[str, Any], wanted: str | None) -> bool:
    return wanted is not None and role.get("role") == wanted
