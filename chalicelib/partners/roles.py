"""Decide which of the roles that a partner claims count: pure functions of its record.

A partner writes its own roles, in its credentials. A role decides what it may send, what it is shown and in
whose name it speaks, so a role counts only when one of these holds:

- the operator expects it: the invitation or the registration names it, or says that the partner is a hub;
- the operator approved it;
- it came with the first registration of an invitation or registration that names no role. HUB is the
  exception: a hub speaks for others, so a partner is a hub only on the operator's word;
- it counted before, and nobody released it.

A role that is reserved for another partner, which left, or that the operator expects of another one, never
counts before the operator has approved it.

Everything else is pending: shown to the operator, and without any effect until it is approved. What the
operator rejected is kept as refused, so that the next PUT does not bring it up again.

A role that the partner no longer claims, because it dropped it or left, stays reserved for it until the
operator releases it. Otherwise the next one who claims it is shown what belongs to the one who left. With the
role, the objects that came from the partner are released: until then nobody else may change them.

Source: OCPI 2.2.1 credentials_credentials_role_class; CRD-25; docs/security.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from chalicelib.partners.directory import EVERYTHING, Partner, PartnerRole, claim_of

_BEFORE_REGISTRATION = ("INVITED", "REGISTERING")


def claimed_roles(partner: Partner) -> tuple[PartnerRole, ...]:
    """Every role in the partner's latest credentials, whether it counts or not."""
    return (*partner.roles, *partner.pending_roles, *partner.refused_roles)


def with_claimed(
    partner: Partner, claimed: Iterable[PartnerRole], reserved: Collection[str] = ()
) -> dict[str, Any]:
    """The fields of a partner that change when its credentials claim these roles.

    reserved: names of those that are reserved for another partner.
    """
    counts, pending, refused = [], [], []
    was_refused = _names(partner.refused_roles)
    for role in claimed:
        if claim_of(role) not in reserved and _may_play(partner, role):
            counts.append(role)
        elif claim_of(role) in was_refused:
            refused.append(role)
        else:
            pending.append(role)
    return _fields(partner, counts, pending, refused)


def without_claimed(partner: Partner) -> dict[str, Any]:
    """The fields that change when a partner leaves: it plays nothing, and its roles stay reserved for it."""
    return _fields(partner, (), (), ())


def approve(partner: Partner, chosen: Collection[str]) -> dict[str, Any]:
    """The fields that change when the operator approves roles. chosen: names, as `claim_of` makes them."""
    waiting = (*partner.pending_roles, *partner.refused_roles)
    return _fields(
        partner,
        (*partner.roles, *(role for role in waiting if claim_of(role) in chosen)),
        _without(partner.pending_roles, chosen),
        _without(partner.refused_roles, chosen),
    )


def reject(partner: Partner, chosen: Collection[str]) -> dict[str, Any]:
    """The fields that change when the operator rejects roles, counting ones too. chosen: as in `approve`."""
    taken_away = [role for role in (*partner.roles, *partner.pending_roles) if claim_of(role) in chosen]
    fields = _fields(
        partner,
        _without(partner.roles, chosen),
        _without(partner.pending_roles, chosen),
        (*partner.refused_roles, *taken_away),
    )
    return {
        **fields,
        "reserved_claims": tuple(name for name in fields["reserved_claims"] if name not in chosen),
        "expected_roles": _without(partner.expected_roles, chosen),
    }


def release(partner: Partner, chosen: Collection[str], *, everything: bool = False) -> dict[str, Any]:
    """The fields that change when the operator releases roles, and what came from the partner for them.

    chosen: as in `approve`. everything: also the objects of all others that it spoke for, as a hub does.
    """
    return {
        "reserved_claims": tuple(name for name in partner.reserved_claims if name not in chosen),
        "expected_roles": _without(partner.expected_roles, chosen),
        "released": (EVERYTHING,) if everything else tuple(sorted({*partner.released, *chosen})),
    }


def _may_play(partner: Partner, role: PartnerRole) -> bool:
    name = claim_of(role)
    if name in partner.claims or name in _names(partner.expected_roles):
        return True
    if partner.status not in _BEFORE_REGISTRATION:
        return False
    if role.role == "HUB":
        return partner.hub_expected
    names_nothing = not partner.expected_roles and not partner.reserved_claims
    return names_nothing and not partner.hub_expected


def _fields(
    partner: Partner,
    counts: Iterable[PartnerRole],
    pending: Iterable[PartnerRole],
    refused: Iterable[PartnerRole],
) -> dict[str, Any]:
    roles, waiting = tuple(counts), tuple(pending)
    notified = tuple(name for name in partner.notified_roles if name in _names(waiting))
    return {
        "roles": roles,
        "pending_roles": waiting,
        "notified_roles": notified,
        "refused_roles": tuple(refused),
        "reserved_claims": tuple(sorted(partner.claims - _names(roles))),
        "released": tuple(name for name in partner.released if name not in _names(roles)),
    }


def _without(roles: Iterable[PartnerRole], names: Collection[str]) -> tuple[PartnerRole, ...]:
    return tuple(role for role in roles if claim_of(role) not in names)


def _names(roles: Iterable[PartnerRole]) -> set[str]:
    return {claim_of(role) for role in roles}
