"""Registered partners of a node, made without a handshake."""

from __future__ import annotations

from typing import Any

from chalicelib.node import Node
from chalicelib.partners.directory import HeldToken, Partner, PartnerRole
from chalicelib.protocol.message import Party

LAST_UPDATED = "2026-03-01T12:00:00Z"


def make_partner(partner_id: str, *roles: tuple[str, Party], **fields: Any) -> Partner:
    """Make a registered partner with the parties of these roles."""
    made = {
        "id": partner_id,
        "name": partner_id,
        "status": "REGISTERED",
        "last_updated": LAST_UPDATED,
        "roles": tuple(
            PartnerRole(role=role, country_code=party.country_code, party_id=party.party_id)
            for role, party in roles
        ),
    }
    return Partner.model_validate({**made, **fields})


def register(
    node: Node, partner_id: str, *roles: tuple[str, Party], token: str = "", **fields: Any
) -> Partner:
    """Save a registered partner, which calls the node with a token, by default `token-of-{partner_id}`."""
    fingerprint = node.directory.fingerprint(token or f"token-of-{partner_id}")
    held = HeldToken(fingerprint=fingerprint, kind="C")
    return node.directory.save(make_partner(partner_id, *roles, **{"held_tokens": (held,), **fields}))


def make_strict(node: Node, partner: Partner) -> Partner:
    """Set a partner to strict: what it sends is judged by the letter, and nothing is repaired."""
    changed = node.directory.update(
        partner.id, lambda stored: stored.model_copy(update={"strict": True}) if not stored.strict else None
    )
    return changed or partner
