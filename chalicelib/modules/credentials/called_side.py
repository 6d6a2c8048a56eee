"""Registration, update and unregistration of a partner that calls this node.

While the caller's request is open, this node tests the caller's new token by reading the caller's versions
with it. Only then are the old tokens replaced.

After a rotation that the caller started, the caller's old token stays valid for one purpose: to send the
same PUT again, until the new token is used for the first time. Otherwise a lost answer would lock the
caller out (ocpi#568).

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-16, CRD-19 … CRD-25
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.calls.client import PartnerFault, PartnerRefusal
from chalicelib.errors import MissingEndpoints, UnableToUseClientApi, Unauthorized, UnsupportedVersion
from chalicelib.modules.credentials.handshake import (
    OtherSide,
    encodings_to_try,
    look_at,
    now,
    origin_of,
    refuse_ourselves,
    refuse_own_urls,
    refuse_taken,
    registered,
    renewed,
    roles_in,
    save,
)
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.credentials.reading import read_credentials
from chalicelib.node import Node
from chalicelib.partners.directory import HeldToken, Partner, PartnerRole, claim_of
from chalicelib.partners.roles import (
    NOTHING_EXPECTED,
    Expectation,
    claimed_roles,
    with_claimed,
    without_claimed,
)
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import TokenEncoding
from chalicelib.versions.supported import supported_numbers


def invite(
    node: Node,
    settings: PartnerSettings,
    expected: Expectation = NOTHING_EXPECTED,
    returning: Partner | None = None,
) -> tuple[Partner, str]:
    """Create an invited partner with a token A. Returns both.

    The operator gives token A to the partner outside OCPI. It is shown only this once.
    returning: a known partner that left, or that lost its tokens. It stays the same partner.
    Source: CRD-01
    """
    token = node.directory.new_token()
    token_a = HeldToken(fingerprint=node.directory.fingerprint(token), kind="A")
    if returning is not None:
        return node.directory.save(
            _invited_again(node, returning, settings, expected, token_a), returning
        ), token
    partner = Partner(
        **settings.settings_json(),
        id=node.new_id(),
        status="INVITED",
        last_updated=now(node),
        expected_roles=expected.roles,
        expected_role=expected.role,
        hub_expected=expected.is_hub,
        held_tokens=(token_a,),
        encoding_origin=origin_of(settings),
    )
    return node.directory.save(partner), token


def _invited_again(
    node: Node, partner: Partner, settings: PartnerSettings, expected: Expectation, token_a: HeldToken
) -> Partner:
    """A known partner with a token A. A registered one keeps its tokens until it has used token A."""
    kept = tuple(held for held in partner.held_tokens if partner.is_registered and held.kind != "A")
    invited = renewed(partner, settings, expected)
    changes = {
        "status": partner.status if partner.is_registered else "INVITED",
        "last_updated": now(node),
        "held_tokens": (*kept, token_a),
    }
    return invited.model_copy(update=changes)


def accept(
    node: Node,
    partner: Partner,
    used_token: str,
    document: Mapping[str, Any],
    base_url: str,
    version: str,
    received: TokenEncoding | None = None,
) -> tuple[Partner, str]:
    """Accept a partner's credentials, as first registration or update. Returns it and its new token.

    used_token: the token of this request. received: its encoding. base_url: our own `https://…/ocpi`.
    version: the one in the request's URL.
    Raises: Unauthorized when a replaced token comes with other credentials than before, InvalidParameters
    for wrong credentials or a party that another partner has; UnableToUseClientApi, UnsupportedVersion or
    MissingEndpoints when the caller's versions or endpoints cannot be used (CRD-19 … CRD-21).
    """
    _check_version(node, partner, version)
    offered = read_credentials(node, partner, document)
    roles = roles_in(offered)
    used = node.directory.fingerprint(used_token)
    _check_repetition(partner, used, offered, roles)
    reserved = refuse_taken(node, partner, roles)
    refuse_ourselves(node, base_url, offered.token, offered.url)
    other = _look_at_caller(node, partner, offered, version, received)
    refuse_own_urls(base_url, other)
    token = node.directory.new_token()
    fresh = HeldToken(fingerprint=node.directory.fingerprint(token), kind="C")
    is_update = partner.is_registered and not partner.holds(used, "A")
    held = (fresh, HeldToken(fingerprint=used, kind="RETRY")) if is_update else (fresh,)
    changed = registered(node, partner, other, offered, with_claimed(partner, roles, reserved), held)
    return save(node, changed, partner), token


def forget(node: Node, partner: Partner) -> None:
    """Unregister a partner at its own request (CRD-14).

    All tokens are deleted. Its settings, its parties and what it has received stay, because it may come back.
    """
    save(node, _unregistered(node, partner), partner)


def _check_version(node: Node, partner: Partner, version: str) -> None:
    """Check that the operator did not ask for another version with this partner."""
    wanted = supported_numbers(node.settings.ocpi_versions, partner.only_version)
    if version not in wanted:
        raise UnsupportedVersion(f"the operator of this node asks for OCPI {wanted[0]} with you")


def _check_repetition(
    partner: Partner, used: str, offered: Credentials, roles: Sequence[PartnerRole]
) -> None:
    """Check that a replaced token only repeats its PUT, with the same URL and roles: it may have leaked."""
    is_replaced = partner.holds(used, "RETRY")
    same = offered.url == partner.versions_url and set(map(claim_of, roles)) == set(
        map(claim_of, claimed_roles(partner))
    )
    if is_replaced and not same:
        raise Unauthorized


def _look_at_caller(
    node: Node, partner: Partner, offered: Credentials, version: str, received: TokenEncoding | None
) -> OtherSide:
    try:
        encodings = encodings_to_try(partner, received)
        other = look_at(node, partner, offered.url, offered.token, encodings, [version])
    except (PartnerFault, PartnerRefusal) as error:
        # Not the words of a body without an envelope: the caller chose the URL that was read.
        text = f"{error.reason}: {error.status_message}" if error.status_message else error.reason
        raise UnableToUseClientApi(f"could not read your versions: {text}") from error
    if not other.serves([own.role for own in node.settings.roles]):
        raise MissingEndpoints("your version details list no interface that this node has a use for")
    return other


def _unregistered(node: Node, partner: Partner) -> Partner:
    return partner.model_copy(
        update={
            "status": "UNREGISTERED",
            "last_updated": now(node),
            "endpoints": (),
            **without_claimed(partner),
            "outbound_token": None,
            "held_tokens": (),
        }
    )
