"""Roles of a partner: in effect, pending, refused, reserved and released.

Source: OCPI 2.2.1 credentials; CRD-25
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.partners import roles
from chalicelib.partners.directory import Partner, PartnerRole, claim_of
from tests.harness.nodes import START


def role(name: str, party_id: str = "ABC") -> PartnerRole:
    return PartnerRole(role=name, country_code="PT", party_id=party_id)


CPO, EMSP, HUB = role("CPO"), role("EMSP"), role("HUB")


def partner(status: Any = "INVITED", **fields: Any) -> Partner:
    return Partner(id="p", name="p", status=status, last_updated=START.isoformat(), **fields)


def claims(before: Partner, *claimed: PartnerRole, reserved: set[str] | None = None) -> Partner:
    return before.model_copy(update=roles.with_claimed(before, claimed, reserved or set()))


def test_without_expected_roles_the_roles_of_a_first_registration_are_in_effect() -> None:
    after = claims(partner(), CPO, EMSP)

    assert (after.roles, after.pending_roles) == ((CPO, EMSP), ())


@pytest.mark.parametrize("status", ["INVITED", "REGISTERING"])
def test_hub_is_in_effect_only_when_the_operator_expects_it(status: str) -> None:
    unnamed, named = claims(partner(status), HUB), claims(partner(status, hub_expected=True), HUB)
    expected = claims(partner(status, expected_roles=(HUB,)), HUB)

    assert (unnamed.roles, unnamed.pending_roles) == ((), (HUB,))
    assert (named.roles, named.pending_roles) == ((HUB,), ())
    assert (expected.roles, expected.pending_roles) == ((HUB,), ())


def test_other_roles_of_an_expected_hub_are_pending() -> None:
    assert claims(partner(hub_expected=True), CPO).pending_roles == (CPO,)


def test_with_expected_roles_all_other_roles_are_pending() -> None:
    after = claims(partner(expected_roles=(CPO,)), CPO, EMSP, role("CPO", "XYZ"))

    assert (after.roles, after.pending_roles) == ((CPO,), (EMSP, role("CPO", "XYZ")))


def test_expected_roles_are_found_in_any_case() -> None:
    expected = PartnerRole(role="CPO", country_code="pt", party_id="abc")

    assert claims(partner(expected_roles=(expected,)), CPO).roles == (CPO,)


def test_a_role_that_is_added_later_is_pending() -> None:
    after = claims(partner("REGISTERED", roles=(CPO,)), CPO, EMSP, HUB)

    assert (after.roles, after.pending_roles) == ((CPO,), (EMSP, HUB))
    assert after.claims == {claim_of(CPO)}


def test_an_invited_hub_cannot_change_its_party_without_approval() -> None:
    before = partner("REGISTERED", roles=(HUB,), hub_expected=True)

    assert claims(before, role("HUB", "XYZ")).pending_roles == (role("HUB", "XYZ"),)


def test_a_dropped_role_stays_reserved_and_is_in_effect_when_claimed_again() -> None:
    dropped = claims(partner("REGISTERED", roles=(CPO, EMSP)), CPO)
    back = claims(dropped, CPO, EMSP)

    assert (dropped.roles, dropped.reserved_claims) == ((CPO,), (claim_of(EMSP),))
    assert (back.roles, back.reserved_claims) == ((CPO, EMSP), ())


def test_the_roles_of_a_partner_that_left_stay_reserved() -> None:
    before = partner("REGISTERED", roles=(CPO,), pending_roles=(HUB,))

    after = before.model_copy(update=roles.without_claimed(before))

    assert (after.roles, after.pending_roles, after.reserved_claims) == ((), (), (claim_of(CPO),))


def test_a_role_reserved_for_a_partner_that_left_is_pending_at_a_first_registration() -> None:
    after = claims(partner(expected_roles=(CPO,)), CPO, reserved={claim_of(CPO)})

    assert (after.roles, after.pending_roles, after.claims) == ((), (CPO,), set())


def test_an_approved_role_is_in_effect_and_the_others_stay_pending() -> None:
    before = partner("REGISTERED", roles=(CPO,), pending_roles=(EMSP, HUB))

    after = before.model_copy(update=roles.approve(before, {claim_of(EMSP)}))

    assert (after.roles, after.pending_roles) == ((CPO, EMSP), (HUB,))
    assert claims(after, CPO, EMSP, HUB).roles == (CPO, EMSP)


def test_a_rejected_role_stays_refused_when_it_is_claimed_again_and_may_be_approved_later() -> None:
    before = partner("REGISTERED", roles=(CPO,), pending_roles=(EMSP,))

    rejected = before.model_copy(update=roles.reject(before, {claim_of(EMSP)}))
    again = claims(rejected, CPO, EMSP)
    approved = again.model_copy(update=roles.approve(again, {claim_of(EMSP)}))

    assert (again.roles, again.pending_roles, again.refused_roles) == ((CPO,), (), (EMSP,))
    assert (approved.roles, approved.refused_roles) == ((CPO, EMSP), ())


def test_a_rejected_role_in_effect_is_no_longer_reserved() -> None:
    before = partner("REGISTERED", roles=(CPO, EMSP), expected_roles=(EMSP,))

    after = before.model_copy(update=roles.reject(before, {claim_of(EMSP)}))

    assert (after.roles, after.refused_roles, after.claims) == ((CPO,), (EMSP,), {claim_of(CPO)})
    assert claims(after, CPO, EMSP).roles == (CPO,)


def test_a_released_role_is_no_longer_reserved() -> None:
    before = partner("REGISTERED", roles=(CPO,), reserved_claims=(claim_of(EMSP), claim_of(HUB)))

    after = before.model_copy(update=roles.release(before, {claim_of(EMSP)}))

    assert after.reserved_claims == (claim_of(HUB),)
    assert claims(after, CPO, EMSP).pending_roles == (EMSP,)


@pytest.mark.parametrize(
    ("fields", "ours", "expected"),
    [
        ({}, ["CPO"], "EMSP"),
        ({}, ["EMSP"], "CPO"),
        ({}, ["CPO", "EMSP"], None),
        ({}, ["HUB"], None),
        ({"expected_role": "CPO"}, ["HUB"], "CPO"),
        ({"expected_role": "EMSP", "hub_expected": True}, ["CPO"], "EMSP"),
        ({"hub_expected": True}, ["CPO"], None),
        ({"reserved_claims": ("claim#PT*ABC#CPO",)}, ["HUB"], "CPO"),
    ],
)
def test_the_role_of_a_connection_of_one_role(
    fields: dict[str, Any], ours: list[str], expected: str | None
) -> None:
    """Source: V211-02"""
    assert roles.connection_role(partner(**fields), ours) == expected


def test_the_role_that_a_partner_plays_is_that_of_its_connection() -> None:
    """Source: V211-02"""
    plays = [partner("REGISTERED", roles=each) for each in ((CPO,), (CPO, EMSP), (HUB,))]

    assert [roles.connection_role(each, ["CPO"]) for each in plays] == ["CPO", None, None]


def test_a_hub_that_is_registered_in_one_role_plays_it() -> None:
    """Source: V211-02"""
    named = partner(expected_role="EMSP", hub_expected=True)

    assert claims(named, EMSP).roles == (EMSP,)
    assert claims(named, CPO).pending_roles == (CPO,)
