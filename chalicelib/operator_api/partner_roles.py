"""A partner's roles in the operator API: expect, approve, reject and release them.

`partners/roles.py` has the rules, docs/security.md the reasons for them.

Source: OCPI 2.2.1 credentials_credentials_role_class; CRD-25
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from pydantic import ConfigDict

from chalicelib.errors import NotFound
from chalicelib.log import log
from chalicelib.node import Node
from chalicelib.operator_api.problems import Problem
from chalicelib.partners import roles
from chalicelib.partners.directory import Directory, Partner, PartnerRole, claim_of
from chalicelib.protocol.message import Request
from chalicelib.protocol.types import CountryCode2, OcpiObject, PartyId, Role, format_datetime, validate
from chalicelib.storage.table import Conflict

Fields = Callable[[Partner, Collection[str]], dict[str, Any]]

MOST_CLAIMS = 80
"""DynamoDB limit: all claims of a partner are written in one transaction of at most 100 items."""

MOST_RELEASED = 200
"""Size limit: released roles are stored in the partner's record, which is read with each of its requests."""


class NamedRole(OcpiObject):
    """A role of a party, as the operator names it."""

    model_config = ConfigDict(extra="forbid")
    country_code: CountryCode2
    party_id: PartyId
    role: Role


class ChosenRoles(OcpiObject):
    """The roles to approve, reject or release; None for all that qualify."""

    model_config = ConfigDict(extra="forbid")
    roles: list[NamedRole] | None = None


def approve_roles(node: Node, request: Request) -> Partner:
    """Approve roles that a partner has claimed: the named ones, or all pending ones if none is named.

    A role that is reserved for a partner that left is released from it first. Such a role has to be named,
    because its new holder can see the objects of the partner that left.
    """
    _release_elsewhere(node.directory, request)
    return _decide(node, request, roles.approve, lambda partner: partner.pending_roles, _claimed_but_idle)


def reject_roles(node: Node, request: Request) -> Partner:
    """Reject roles of a partner: the named ones, or all pending ones if none is named."""
    return _decide(node, request, roles.reject, lambda partner: partner.pending_roles, roles.claimed_roles)


def release_roles(node: Node, request: Request) -> Partner:
    """Release roles: other partners can claim them, and change the objects received under these roles.

    If none is named, all reserved roles are released and, of a partner that left, all objects received from
    it. A hub's objects can be released for each party for which it sent them.
    """
    wanted = _wanted(request)

    def change(partner: Partner) -> Partner | None:
        if wanted is None:
            has_left = partner.status == "UNREGISTERED"
            fields = roles.release(partner, partner.reserved_claims, everything=has_left)
        else:
            chosen = _check_chosen(wanted, _reserved(partner), _spoken_for(partner, wanted))
            fields = roles.release(partner, chosen)
        changed = partner.model_copy(update=fields)
        if len(changed.released) > MOST_RELEASED:
            raise Problem(409, f"at most {MOST_RELEASED} roles of one partner can be released")
        return None if changed == partner else changed.model_copy(update=_now(node))

    return _update(node.directory, request, change)


def expected_roles(node: Node, wanted: Sequence[NamedRole], partner_id: str | None) -> list[PartnerRole]:
    """Check the roles that an invitation or registration names, and return them.

    partner_id: the invited partner, None for a new one.
    Raises: Problem when one is this node's own or belongs to another partner.
    """
    named = [_partner_role(role) for role in wanted]
    for number, role in enumerate(named):
        if node.settings.owns(role.party):
            raise Problem(
                409, f"{name_of(claim_of(role))} is a party of this node", errors=_at(number, "own party")
            )
    holders = node.directory.owner_of(named) if named else {}
    for number, role in enumerate(named):
        holder = holders.get(claim_of(role))
        if holder is not None and holder != partner_id:
            raise Problem(
                409,
                _held_text(node.directory, role, holder),
                errors=_at(number, "belongs to another partner"),
            )
    return named


def show_roles(partner: Partner) -> dict[str, Any]:
    """The roles of a partner by their state, with a hint how to decide about pending ones."""
    shown: dict[str, Any] = {
        name: [role.model_dump(exclude_none=True) for role in getattr(partner, name)]
        for name in ("roles", "pending_roles", "refused_roles")
    }
    shown["expected_roles"] = [_named(role) for role in partner.expected_roles]
    shown["reserved_roles"] = [_named(role) for role in _reserved(partner)]
    shown["hub"] = partner.hub_expected
    if partner.pending_roles:
        shown["hint"] = (
            "pending_roles have no effect until you approve them: "
            f"POST /operator/partners/{partner.id}/roles/approve, or /roles/reject"
        )
    return shown


def name_of(claim: str) -> str:
    """The text form of a claim, for people.

    >>> name_of("claim#PT*ABC#CPO")
    'CPO PT*ABC'
    """
    _, party, role = claim.split("#")
    return f"{role} {party}"


def _decide(
    node: Node,
    request: Request,
    fields: Fields,
    usual: Callable[[Partner], Sequence[PartnerRole]],
    possible: Callable[[Partner], Sequence[PartnerRole]],
) -> Partner:
    """Apply a decision to a partner's roles.

    fields: makes the partner's changed fields from the chosen roles.
    usual: the roles that are chosen when the request names none. possible: those that it may name.
    """
    wanted = _wanted(request)

    def change(partner: Partner) -> Partner | None:
        decided = {claim_of(role) for role in usual(partner)}
        if wanted is not None:
            decided = _check_chosen(wanted, possible(partner))
        if not decided:
            return None
        changed = partner.model_copy(update={**fields(partner, decided), **_now(node)})
        if len(changed.claims) > MOST_CLAIMS:
            raise Problem(409, f"a partner may have at most {MOST_CLAIMS} roles, reserved ones included")
        return changed

    return _update(node.directory, request, change)


def _update(directory: Directory, request: Request, change: Callable[[Partner], Partner | None]) -> Partner:
    partner_id = request.path["id"]
    try:
        changed = directory.update(partner_id, change) if 0 < len(partner_id) <= 100 else None
    except Conflict as error:
        raise Problem(
            409, "one of the roles belongs to another partner; release or reject it there"
        ) from error
    if changed is None:
        raise NotFound("unknown partner")
    log.info("the operator approved, rejected or released roles of a partner", extra={"partner": changed.id})
    return changed


def _now(node: Node) -> dict[str, str]:
    return {"last_updated": format_datetime(node.clock())}


def _release_elsewhere(directory: Directory, request: Request) -> None:
    partner = directory.get(request.path["id"])
    if partner is None:
        return
    chosen = _chosen(request, partner)
    held = directory.owner_of(chosen) if chosen else {}
    elsewhere = {claim: holder for claim, holder in held.items() if holder != partner.id}
    if elsewhere and _wanted(request) is None:
        names = ", ".join(f"{name_of(claim)} (partner {holder})" for claim, holder in elsewhere.items())
        raise Problem(409, f"reserved for partners that left: {names}; to approve these roles, name each one")
    for claim, holder in elsewhere.items():
        directory.update(holder, partial(_released, claim))


def _chosen(request: Request, partner: Partner) -> list[PartnerRole]:
    wanted = _wanted(request)
    names = {claim_of(role) for role in partner.pending_roles}
    if wanted is not None:
        names = _check_chosen(wanted, _claimed_but_idle(partner))
    return [role for role in _claimed_but_idle(partner) if claim_of(role) in names]


def _released(claim: str, holder: Partner) -> Partner | None:
    if claim not in holder.reserved_claims:
        return None
    return holder.model_copy(update=roles.release(holder, {claim}))


def _wanted(request: Request) -> Sequence[NamedRole] | None:
    return validate(ChosenRoles, request.json_object() if request.body else {}).roles


def _check_chosen(
    wanted: Sequence[NamedRole], possible: Sequence[PartnerRole], others: Collection[str] = ()
) -> set[str]:
    """Return the claims of the roles that the operator names.

    others: claims that are allowed in addition to `possible`.
    Raises: Problem when a named role is not allowed.
    """
    names = {claim_of(role) for role in possible}
    chosen = [claim_of(_partner_role(role)) for role in wanted]
    for number, claim in enumerate(chosen):
        if claim not in names and claim not in others:
            offered = ", ".join(sorted(map(name_of, names))) or "none"
            raise Problem(
                409,
                f"{name_of(claim)} is not among the roles that this can be done with: {offered}",
                errors=[(f"roles.{number}", "not among the partner's roles of this kind")],
            )
    return set(chosen)


def _spoken_for(partner: Partner, wanted: Sequence[NamedRole]) -> set[str]:
    """The claims of those roles whose objects a hub may have sent: all except its own; none for others."""
    if not (partner.is_hub or any(claim.endswith("#HUB") for claim in partner.reserved_claims)):
        return set()
    return {claim_of(_partner_role(role)) for role in wanted} - {claim_of(role) for role in partner.roles}


def _partner_role(role: NamedRole) -> PartnerRole:
    return PartnerRole(**role.model_dump(include={"country_code", "party_id", "role"}))


def _claimed_but_idle(partner: Partner) -> Sequence[PartnerRole]:
    return (*partner.pending_roles, *partner.refused_roles)


def _reserved(partner: Partner) -> Sequence[PartnerRole]:
    return [_role_of(claim) for claim in partner.reserved_claims]


def _role_of(claim: str) -> PartnerRole:
    _, party, role = claim.split("#")
    country_code, _, party_id = party.partition("*")
    return PartnerRole(role=role, country_code=country_code, party_id=party_id)


def _held_text(directory: Directory, role: PartnerRole, holder_id: str) -> str:
    holder = directory.get(holder_id)
    called = f"partner {holder_id} ({holder.name}, {holder.status})" if holder else f"partner {holder_id}"
    name = name_of(claim_of(role))
    if holder is not None and claim_of(role) in holder.reserved_claims:
        return (
            f"{name} is reserved for {called}, which plays it no longer. If this is the same company, "
            "name it as partner_id in the invitation; else release the role: "
            f"POST /operator/partners/{holder_id}/release"
        )
    return f"{name} belongs to {called}"


def _at(number: int, detail: str) -> list[tuple[str, str]]:
    return [(f"expected_roles.{number}", detail)]


def _named(role: PartnerRole) -> dict[str, str]:
    return {"country_code": role.country_code, "party_id": role.party_id, "role": role.role}
