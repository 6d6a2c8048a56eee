"""Decide which of the roles that a partner claims are in effect: pure functions of its record.

A partner writes its own roles into its credentials. A role decides the objects that the partner may send
and see, and the parties that it acts for. So a role is in effect only in one of these cases:

- the operator expects it: the invitation or the registration names it, or has `is_hub` for HUB;
- the operator approved it;
- it came with the first registration, and the invitation or registration names no role. HUB is the exception:
  a hub acts for others, so a partner is a hub only if the operator expects or approves it;
- it was in effect before, and the operator has not released it.

A role is never in effect without approval when it is reserved for another partner that left, or when the
operator expects it of another partner.

All other roles are pending: shown to the operator, and without effect until they are approved. A role that
the operator rejected is kept as refused, so that the next PUT does not make it pending again.

A role that the partner no longer claims, because it dropped it or left, stays reserved for it until the
operator releases it. Otherwise the next partner that claims the role would see the objects of the one that
left. Releasing a role also releases the objects that came from the partner: until then no other partner may
change them.

Source: OCPI 2.2.1 credentials_credentials_role_class; CRD-25; docs/security.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from chalicelib.partners.directory import EVERYTHING, Partner, PartnerRole, claim_of

OPPOSITE = {"CPO": "EMSP", "EMSP": "CPO"}
"""The role on the other side of a connection between a CPO and an eMSP."""

_BEFORE_REGISTRATION = ("INVITED", "REGISTERING")


class Expectation(NamedTuple):
    """The roles that the operator expects of a partner that registers.

    is_hub: HUB, of any party. role: CPO or EMSP, of any party; "" for none.
    """

    roles: tuple[PartnerRole, ...] = ()
    is_hub: bool = False
    role: str = ""


NOTHING_EXPECTED = Expectation()


def claimed_roles(partner: Partner) -> tuple[PartnerRole, ...]:
    """All roles in the partner's latest credentials, in effect or not."""
    return (*partner.roles, *partner.pending_roles, *partner.refused_roles)


def connection_role(partner: Partner, ours: Iterable[str]) -> str | None:
    """The one role, CPO or EMSP, of a partner whose OCPI version has one role for each connection.

    It is the one that the partner plays; before its registration the one that the operator expects, or else
    the opposite of ours. ours: the roles of this node. None if there is not exactly one.
    """
    names = (
        {role.role for role in partner.roles or partner.pending_roles}
        or ({partner.expected_role} if partner.expected_role else set())
        or ({"HUB"} if partner.hub_expected else set())
        or {role.role for role in partner.expected_roles}
        or {claim.rpartition("#")[2] for claim in partner.reserved_claims}
        or {OPPOSITE.get(own, own) for own in ours}
    )
    return names.pop() if len(names) == 1 and names <= OPPOSITE.keys() else None


def with_claimed(
    partner: Partner, claimed: Iterable[PartnerRole], reserved: Collection[str] = ()
) -> dict[str, Any]:
    """The fields of a partner that change when its credentials claim these roles.

    reserved: claims of the roles that are reserved for another partner.
    """
    in_effect, pending, refused = [], [], []
    was_refused = _names(partner.refused_roles)
    for role in claimed:
        if claim_of(role) not in reserved and _may_play(partner, role):
            in_effect.append(role)
        elif claim_of(role) in was_refused:
            refused.append(role)
        else:
            pending.append(role)
    return _fields(partner, in_effect, pending, refused)


def without_claimed(partner: Partner) -> dict[str, Any]:
    """The fields that change when a partner leaves: it has no roles, and its roles stay reserved for it."""
    return _fields(partner, (), (), ())


def approve(partner: Partner, chosen: Collection[str]) -> dict[str, Any]:
    """The fields that change when the operator approves roles. chosen: their claims, from `claim_of`."""
    waiting = (*partner.pending_roles, *partner.refused_roles)
    return _fields(
        partner,
        (*partner.roles, *(role for role in waiting if claim_of(role) in chosen)),
        _without(partner.pending_roles, chosen),
        _without(partner.refused_roles, chosen),
    )


def reject(partner: Partner, chosen: Collection[str]) -> dict[str, Any]:
    """The fields that change when the operator rejects roles, pending or in effect. chosen: their claims."""
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
    """The fields that change when the operator releases roles and the partner's objects of these roles.

    chosen: claims of the roles. everything: release all objects that came from it, also those of parties
    that it sent for as a hub.
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
    if partner.expected_role:
        return names_nothing and role.role == partner.expected_role
    return names_nothing and not partner.hub_expected


def _fields(
    partner: Partner,
    in_effect: Iterable[PartnerRole],
    pending: Iterable[PartnerRole],
    refused: Iterable[PartnerRole],
) -> dict[str, Any]:
    roles, waiting = tuple(in_effect), tuple(pending)
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
