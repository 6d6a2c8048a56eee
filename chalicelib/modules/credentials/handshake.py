"""Parts of a handshake that both sides need.

A handshake has three steps: read the other side's versions and version details with its token, exchange
tokens, and store the result in one transaction. Nothing changes before the last step, so a handshake that
fails half-way leaves the earlier state (CRD-22). `called_side.py` and `calling_side.py` have the steps.

A node is never its own partner, because it would relay requests to itself. So it refuses its own URLs, and
also tokens that it made itself, which detects the node under any other host name.

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chalicelib.calls.client import PartnerFault
from chalicelib.calls.urls import is_below
from chalicelib.errors import ClientError, InvalidParameters, UnableToUseClientApi, UnsupportedVersion
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.registry import needed_of, sides_of
from chalicelib.node import Node
from chalicelib.partners.directory import (
    Directory,
    EncodingOrigin,
    Endpoint,
    EndpointNote,
    HeldToken,
    Partner,
    PartnerRole,
    claim_of,
    rebase,
)
from chalicelib.partners.roles import OPPOSITE, Expectation, connection_role
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import TokenEncoding
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.settings import OwnRole
from chalicelib.storage.table import Conflict
from chalicelib.versions.supported import traits_of

CALL_S = 5.0
"""API Gateway ends a request after 29 s. A handshake makes two calls and one exchange (`calling_side.py`)."""

_TRIES = 5

MOST_CLIENTS = 500
"""Parties of a hub that its record names, in about 6 KB; every request of the hub reads the record."""


class OtherSide(NamedTuple):
    """The interfaces of a platform in one OCPI version.

    encoding: of tokens, which it accepts. notes: about its endpoints. role: its only role, for a version
    whose credentials have none.
    """

    version: str
    endpoints: tuple[Endpoint, ...]
    encoding: TokenEncoding = "base64"
    notes: tuple[EndpointNote, ...] = ()
    role: str | None = None

    def credentials_url(self) -> str | None:
        """URL of its credentials module, None when it lists none."""
        return next((e.url for e in self.endpoints if e.identifier == "credentials"), None)

    def serves(self, roles: Sequence[str]) -> bool:
        """Check whether it has an interface that a node with these roles uses."""
        return any((e.identifier, e.role) in needed_of(roles) for e in self.endpoints)


def role_toward(node: Node, partner: Partner, version: str) -> str | None:
    """The partner's only role in a version whose credentials have none; None for other versions."""
    return None if traits_of(version).has_roles else connection_role(partner, _own_names(node))


def _own_names(node: Node) -> list[str]:
    return [own.role for own in node.settings.roles]


def credentials_document(
    node: Node, token: str, base_url: str, partner_role: str | None = None
) -> dict[str, Any]:
    """Our credentials for one partner.

    partner_role: from `role_toward`; then they have our one role on the other side of the connection.
    Source: OCPI 2.2.1 credentials_credentials_object; CRD-15, CRD-26, V211-03
    """
    roles = node.settings.roles if partner_role is None else (_only_role(node, OPPOSITE[partner_role]),)
    return {
        "token": token,
        "url": f"{base_url}/versions",
        "roles": [
            {
                "role": own.role,
                "business_details": dict(own.business_details),
                "party_id": own.party.party_id,
                "country_code": own.party.country_code,
            }
            for own in roles
        ],
    }


def with_clients(node: Node, partner: Partner, version: str, document: dict[str, Any]) -> dict[str, Any]:
    """Add the parties that this hub connects to its credentials, for versions in which a hub lists them.

    partner: the one that the credentials are for; its own parties are left out. One read, only then.
    Source: OCPI 2.3.0 credentials_credentials_object; V23-06
    """
    if not traits_of(version).lists_clients or not node.settings.plays("HUB"):
        return document
    clients = [
        role.model_dump()
        for other in node.directory.all()
        if other.is_registered and other.id != partner.id
        for role in other.roles
        if role.role != "HUB"
    ]
    return {**document, "hub_clients": clients}


def _only_role(node: Node, name: str) -> OwnRole:
    """Our role in a connection of one role: a hub plays that of the parties behind it."""
    roles = node.settings.roles
    own = next((own for own in roles if own.role == name), None)
    hub = next((own for own in roles if own.role == "HUB"), roles[0])
    return own or replace(hub, role=name)


def encodings_to_try(partner: Partner, received: TokenEncoding | None = None) -> tuple[TokenEncoding, ...]:
    """The encodings of our token in a handshake with a partner, in order.

    received: that of the partner's own token; it very probably expects ours in the same one. An encoding that
    the operator chose, or that a registered partner accepts, is the only one. The version that the operator
    chose may have a usual encoding.
    """
    # Before releases recorded the origin, only an operator could choose raw.
    is_chosen = partner.encoding_origin == "OPERATOR" or (
        partner.encoding_origin == "DEFAULT" and partner.token_encoding == "raw"
    )
    if is_chosen or (partner.is_registered and (partner.strict or received is None)):
        return (partner.token_encoding,)
    usual: TokenEncoding = "raw" if traits_of(partner.only_version).sends_raw_tokens else "base64"
    first = received or usual
    return (first,) if partner.strict else (first, "raw" if first == "base64" else "base64")


def origin_of(settings: PartnerSettings) -> EncodingOrigin:
    """The origin of the encoding in an invitation or a registration."""
    return "OPERATOR" if "token_encoding" in settings.model_fields_set else "DEFAULT"


def look_at(
    node: Node,
    partner: Partner,
    versions_url: str,
    token: str,
    encodings: Sequence[TokenEncoding],
    wanted: Sequence[str],
) -> OtherSide:
    """Read a partner's versions and the details of the first wanted version that it offers.

    encodings: of the token, in the order in which they are tried. The next one is tried when the partner
    does not accept the token.
    Raises: InvalidParameters when the policy refuses the versions URL, or the partner's role has to be named;
    UnsupportedVersion, PartnerFault, PartnerRefusal.
    """
    encoding, *others = encodings
    try:
        return _look_with(node, partner, versions_url, token, encoding, wanted)
    except PartnerFault as fault:
        if not others or fault.http_status not in (401, 403):
            raise
        return look_at(node, partner, versions_url, token, others, wanted)


def _look_with(
    node: Node,
    partner: Partner,
    versions_url: str,
    token: str,
    encoding: TokenEncoding,
    wanted: Sequence[str],
) -> OtherSide:
    try:
        listed = node.client.get_versions(versions_url, token, encoding, total_s=CALL_S)
    except InvalidParameters as error:
        raise InvalidParameters(error.detail, field="url") from error
    url_by_version = {entry.version: entry.url for entry in reversed(listed)}
    version = next((number for number in wanted if number in url_by_version), None)
    if version is None:
        offers = ", ".join(entry.version for entry in listed) or "none"
        raise UnsupportedVersion(
            f"OCPI {' or '.join(wanted)} is not among the versions listed there: {offers}"
        )
    role = role_toward(node, partner, version)
    if role is None and not traits_of(version).has_roles:
        raise InvalidParameters(
            f"OCPI {version} names no roles: say which one the partner plays, CPO or EMSP (--role)",
            field="role",
        )
    sides = sides_of(role) if role else None
    try:
        details = node.client.get_version_details(
            url_by_version[version], token, encoding, total_s=CALL_S, sides=sides
        )
    except InvalidParameters as error:
        raise PartnerFault(f"the URL of the version details cannot be used: {error.detail}") from error
    if details.version.strip() != version:
        raise PartnerFault(
            f"the version details that are listed for OCPI {version} are of OCPI {details.version[:20]}"
        )
    return OtherSide(version, details.endpoints, encoding, details.notes, role)


def roles_in(credentials: Credentials) -> tuple[PartnerRole, ...]:
    """The roles that credentials claim, as a partner's record has them."""
    return tuple(
        PartnerRole(
            role=role.role,
            country_code=role.country_code,
            party_id=role.party_id,
            business_details=role.business_details.model_dump(exclude_unset=True),
        )
        for role in credentials.roles
    )


def _clients_in(credentials: Credentials) -> tuple[str, ...]:
    """The parties that a hub lists, as the operator reads them: `CPO PT*ABC`."""
    clients = (credentials.hub_clients or [])[:MOST_CLIENTS]
    return tuple(f"{each.role} {Party(each.country_code, each.party_id).key()}" for each in clients)


def refuse_taken(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """Refuse roles of this node's parties and roles that another partner plays.

    Returns the claims of the roles that are reserved for another partner.
    Raises: InvalidParameters.
    """
    for role in roles:
        if node.settings.owns(role.party):
            raise InvalidParameters(f"{_name(role)} is a party of this node", field="roles")
    played, reserved = held_by_others(node, partner, roles)
    for role in roles:
        if claim_of(role) in played:
            raise InvalidParameters(
                f"{_name(role)} as {role.role} is registered by another partner", field="roles"
            )
    return reserved


def held_by_others(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> tuple[set[str], set[str]]:
    """The claims of the roles that other partners play, and of the roles that are reserved for others.

    A role is reserved when a partner that left had it, or when the operator expects it of another partner.
    """
    holders = {
        claim: holder for claim, holder in node.directory.owner_of(roles).items() if holder != partner.id
    }
    others = {holder: node.directory.get(holder) for holder in set(holders.values())}
    reserved = {
        claim
        for claim, holder in holders.items()
        if (other := others[holder]) is not None and claim in other.reserved_claims
    }
    return set(holders) - reserved, reserved | _expected_of_others(node.directory, partner, roles)


def _expected_of_others(directory: Directory, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """The claims of the roles that the operator expects of other partners, and not of this one."""
    claimed = set(map(claim_of, roles)) - partner.claims - set(map(claim_of, partner.expected_roles))
    if not claimed:
        return set()
    others = [other for other in directory.all() if other.id != partner.id]
    expected = {
        claim_of(role) for other in others if other.status != "UNREGISTERED" for role in other.expected_roles
    }
    return claimed & expected


def refuse_ourselves(node: Node, base_url: str, token: str, versions_url: str) -> None:
    """Refuse a registration of this node with itself, under any of its host names.

    Raises: InvalidParameters.
    """
    if is_below(versions_url, base_url):
        raise InvalidParameters("the URL is this node's own: give that of the partner", field="url")
    if node.directory.made(token):
        raise InvalidParameters(
            "the token was made by this node: give one that the partner made", field="token"
        )


def refuse_own_urls(base_url: str, other: OtherSide) -> None:
    """Refuse endpoints that are this node's own URLs.

    Raises: UnableToUseClientApi.
    """
    for endpoint in other.endpoints:
        if is_below(endpoint.url, base_url):
            raise UnableToUseClientApi(
                f"the endpoint of {endpoint.identifier} {endpoint.role} is this node's own URL"
            )


def registered(
    node: Node,
    partner: Partner,
    other: OtherSide,
    theirs: Credentials,
    roles: Mapping[str, Any],
    held: tuple[HeldToken, ...],
) -> Partner:
    """The partner after a handshake. roles: from `with_claimed`. held: tokens that are valid from now on."""
    is_learned = other.encoding != partner.token_encoding
    return partner.model_copy(
        update={
            "token_encoding": other.encoding,
            "encoding_origin": "LEARNED" if is_learned else partner.encoding_origin,
            "sends_raw_tokens": partner.sends_raw_tokens and other.encoding == "base64",
            "status": "REGISTERED",
            "last_updated": now(node),
            "versions_url": theirs.url,
            "version": other.version,
            "endpoints": other.endpoints,
            "endpoint_notes": other.notes,
            "hub_clients": _clients_in(theirs),
            **roles,
            "outbound_token": node.directory.seal(theirs.token),
            "held_tokens": held,
            "connection": "CONNECTED",
            "offline_since": None,
            "breaker": None,
        }
    )


def renewed(partner: Partner, settings: PartnerSettings, expected: Expectation) -> Partner:
    """A known partner that is invited or registered again: what the operator does not name stays.

    What other partners were allowed to take over while it was away is theirs; from now on the rest is
    protected again (`Partner.released`).
    """
    named = settings.model_fields_set & PartnerSettings.model_fields.keys()
    changes = {name: getattr(settings, name) for name in named}
    if "token_encoding" in named:
        changes["encoding_origin"] = "OPERATOR"
    return partner.model_copy(
        update={
            **changes,
            "expected_roles": expected.roles or partner.expected_roles,
            "expected_role": expected.role or partner.expected_role,
            "hub_expected": expected.is_hub or partner.hub_expected,
            "released": partner.released if partner.is_registered else (),
        }
    )


def save(node: Node, changed: Partner, before: Partner) -> Partner:
    """Save a partner after a handshake.

    Changes by pushes (breaker, connection) and the first use of a new token are no conflict (`rebase`).
    Raises: ClientError when another handshake changed the partner meanwhile.
    """
    for _ in range(_TRIES):
        try:
            return node.directory.save(changed, before)
        except Conflict:
            current = node.directory.get(before.id)
        rebased = rebase(changed, before, current) if current else None
        if current is None or rebased is None:
            break
        changed, before = rebased, current
    raise ClientError("another handshake with this partner or for one of its parties came between")


def _name(role: PartnerRole) -> str:
    return f"{role.country_code}/{role.party_id}"


def now(node: Node) -> str:
    """The node's time, as it is stored in `last_updated`."""
    return format_datetime(node.clock())
