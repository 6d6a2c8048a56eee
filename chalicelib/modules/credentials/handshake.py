"""Registration, rotation and the end of it, from both sides.

A handshake is three things: look at the other side (its versions and details, with the token that
is to be proved), exchange tokens, and one transaction that makes it so. Nothing is changed before
the last step, so a handshake that breaks half-way leaves what was there before (CRD-22):

- *called side*: the caller's new token is proved by calling its versions with it while its request
  is open. Only then are the old tokens replaced.
- *calling side*: our new token must work before we send it, because the other side calls back with
  it (CRD-03), so it is stored beside the old one first. A refusal takes it away again. When the
  outcome is not known (no answer), both stay good until the next handshake. A first registration that the
  other side has made and that cannot be used here is taken back there with DELETE.

A node is never its own partner: it would relay requests to itself. Its own URLs are refused, and so is a
token that it made itself, which finds it under any other name it has.

After a rotation that we were called for, the caller's old token is good for one thing more: sending
its PUT again, until the new token has been seen in use once. Otherwise an answer that got lost
would lock the caller out (ocpi#568).

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.errors import (
    ClientError,
    InvalidParameters,
    MissingEndpoints,
    OcpiError,
    UnableToUseClientApi,
    Unauthorized,
    UnsupportedVersion,
)
from chalicelib.log import log
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.registry import VERSION, needed_of
from chalicelib.node import Node
from chalicelib.partners.client import PartnerFault, PartnerRefusal
from chalicelib.partners.directory import (
    Endpoint,
    HeldToken,
    Partner,
    PartnerRole,
    claim_of,
    rebase_on_pushes,
)
from chalicelib.partners.roles import claimed_roles, with_claimed, without_claimed
from chalicelib.partners.urls import is_below
from chalicelib.protocol.auth import TokenEncoding, is_credentials_token
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.table import Conflict

# A gateway ends a request after 29 s. Two calls, and an exchange during which the other side makes two.
_CALL_S = 5.0
_EXCHANGE_S = 15.0
_TRIES = 5

_UNDONE = "the partner had registered this node, which was taken back there: ask the partner for a new token"
_NOT_UNDONE = (
    "the partner has registered this node and did not take it back: "
    "ask the partner to remove the registration and for a new token"
)


class HandshakeFailed(Exception):
    """A handshake that we started did not succeed; nothing has changed.

    status_code, http_status: the partner's, where it answered.
    """

    def __init__(self, reason: str, status_code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(reason)
        self.status_code = status_code
        self.http_status = http_status


class OtherSide(NamedTuple):
    """What a platform offers in our version."""

    endpoints: tuple[Endpoint, ...]

    def credentials_url(self) -> str | None:
        """Where its credentials module is."""
        return next((e.url for e in self.endpoints if e.identifier == "credentials"), None)

    def serves(self, roles: Sequence[str]) -> bool:
        """Tell whether it offers anything that a node with these roles has a use for."""
        return any((e.identifier, e.role) in needed_of(roles) for e in self.endpoints)


# -- inviting ----------------------------------------------------------------------------------------


def invite(
    node: Node,
    name: str,
    *,
    token_encoding: TokenEncoding = "base64",
    profiles: Sequence[str] = (),
    expected_roles: Sequence[PartnerRole] = (),
    is_hub: bool = False,
    returning: Partner | None = None,
) -> tuple[Partner, str]:
    """Make token A for a partner to be; it is told to the partner outside OCPI and shown this once.

    expected_roles, is_hub: as the operator knows the partner (`partners/roles.py`). returning: a partner
    that left, and that gets its id and its roles again.
    Source: CRD-01
    """
    token = node.directory.new_token()
    partner = Partner(
        id=returning.id if returning else node.new_id(),
        name=name,
        status="INVITED",
        last_updated=_now(node),
        token_encoding=token_encoding,
        profiles=tuple(profiles),
        expected_roles=tuple(expected_roles),
        hub_expected=is_hub,
        held_tokens=(HeldToken(fingerprint=node.directory.fingerprint(token), kind="A"),),
        reserved_claims=returning.reserved_claims if returning else (),
        revision=returning.revision if returning else 0,
    )
    return node.directory.save(partner, returning), token


# -- the called side ---------------------------------------------------------------------------------


def accept(
    node: Node, partner: Partner, used_token: str, document: Mapping[str, Any], base_url: str
) -> tuple[Partner, str]:
    """Take a partner's credentials: first registration or update. Returns it and the token that it is to use.

    used_token: the one that this request came with. base_url: our own `https://…/ocpi`.
    Raises: Unauthorized for a replaced token that asks for more than it did before, InvalidParameters
    for wrong credentials or a party that another partner has, UnableToUseClientApi, UnsupportedVersion
    or MissingEndpoints from looking at the caller (CRD-19 … CRD-21).
    """
    offered = validate(Credentials, document)
    roles = _roles(offered)
    used = node.directory.fingerprint(used_token)
    _check_repetition(partner, used, offered, roles)
    reserved = _refuse_taken(node, partner, roles)
    _refuse_ourselves(node, base_url, offered.token, offered.url)
    other = _look_at_caller(node, partner, offered)
    _refuse_own_urls(base_url, other)
    token = node.directory.new_token()
    fresh = HeldToken(fingerprint=node.directory.fingerprint(token), kind="C")
    superseded = HeldToken(fingerprint=used, kind="RETRY")
    changed = partner.model_copy(
        update={
            "status": "REGISTERED",
            "last_updated": _now(node),
            "versions_url": offered.url,
            "version": VERSION,
            "endpoints": other.endpoints,
            **with_claimed(partner, roles, reserved),
            "outbound_token": node.directory.seal(offered.token),
            "held_tokens": (fresh, superseded) if partner.is_registered else (fresh,),
            "connection": "CONNECTED",
            "offline_since": None,
            "breaker": None,
        }
    )
    return _save(node, changed, partner), token


def forget(node: Node, partner: Partner) -> None:
    """End the relation on the partner's word: its tokens and ours are gone, its parties reserved (CRD-14)."""
    _save(node, _unregistered(node, partner), partner)


def _check_repetition(
    partner: Partner, used: str, offered: Credentials, roles: Sequence[PartnerRole]
) -> None:
    """A replaced token may repeat its PUT, not lead us elsewhere: it may have been replaced for a leak."""
    is_replaced = any(held.kind == "RETRY" and held.fingerprint == used for held in partner.held_tokens)
    same = offered.url == partner.versions_url and set(map(claim_of, roles)) == set(
        map(claim_of, claimed_roles(partner))
    )
    if is_replaced and not same:
        raise Unauthorized


def _look_at_caller(node: Node, partner: Partner, offered: Credentials) -> OtherSide:
    try:
        other = _look_at(node, offered.url, offered.token, partner.token_encoding)
    except (PartnerFault, PartnerRefusal) as error:
        raise UnableToUseClientApi(f"could not read your versions: {error}") from error
    if not other.serves([own.role for own in node.settings.roles]):
        raise MissingEndpoints("your version details list no interface that this node has a use for")
    return other


def _refuse_taken(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """See that no role is ours or another partner's. Returns those reserved for another partner.

    Raises: InvalidParameters.
    """
    for role in roles:
        if node.settings.owns(role.party):
            raise InvalidParameters(f"{_name(role)} is a party of this node", field="roles")
    played, reserved = _held_by_others(node, partner, roles)
    for role in roles:
        if claim_of(role) in played:
            raise InvalidParameters(
                f"{_name(role)} as {role.role} is registered by another partner", field="roles"
            )
    return reserved


def _held_by_others(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> tuple[set[str], set[str]]:
    """The names of the roles that other partners play, and of those that are reserved for others.

    Reserved are those of a partner that left, and those that the operator expects of another one.
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
    return set(holders) - reserved, reserved | _expected_of_others(node, partner, roles)


def _expected_of_others(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """The names of the roles that the operator expects of other partners, and not of this one."""
    claimed = set(map(claim_of, roles)) - partner.claims - set(map(claim_of, partner.expected_roles))
    if not claimed:
        return set()
    others = [other for other in node.directory.all() if other.id != partner.id]
    expected = {
        claim_of(role) for other in others if other.status != "UNREGISTERED" for role in other.expected_roles
    }
    return claimed & expected


def _refuse_ourselves(node: Node, base_url: str, token: str, versions_url: str) -> None:
    """Refuse a registration of this node with itself, under whatever name it is reached.

    Raises: InvalidParameters.
    """
    if is_below(versions_url, base_url):
        raise InvalidParameters("the URL is this node's own: give that of the partner", field="url")
    if node.directory.made(token):
        raise InvalidParameters(
            "the token was made by this node: give one that the partner made", field="token"
        )


def _refuse_own_urls(base_url: str, other: OtherSide) -> None:
    for endpoint in other.endpoints:
        if is_below(endpoint.url, base_url):
            raise UnableToUseClientApi(
                f"the endpoint of {endpoint.identifier} {endpoint.role} is this node's own URL"
            )


# -- the calling side --------------------------------------------------------------------------------


def register(
    node: Node,
    name: str,
    versions_url: str,
    token: str,
    base_url: str,
    *,
    token_encoding: TokenEncoding = "base64",
    profiles: Sequence[str] = (),
    expected_roles: Sequence[PartnerRole] = (),
    is_hub: bool = False,
) -> Partner:
    """Register at a partner that gave us its versions URL and token A.

    base_url: our own `https://…/ocpi`. expected_roles, is_hub: as in `invite`.
    Raises: HandshakeFailed, with nothing left behind.
    """
    try:
        _refuse_ourselves(node, base_url, token, versions_url)
    except InvalidParameters as error:
        raise _failed(error) from error
    other = _look_before_asking(node, versions_url, token, token_encoding, base_url)
    ours = node.directory.new_token()
    beginning = node.directory.save(
        Partner(
            id=node.new_id(),
            name=name,
            status="REGISTERING",
            last_updated=_now(node),
            versions_url=versions_url,
            version=VERSION,
            endpoints=other.endpoints,
            token_encoding=token_encoding,
            profiles=tuple(profiles),
            expected_roles=tuple(expected_roles),
            hub_expected=is_hub,
            held_tokens=(HeldToken(fingerprint=node.directory.fingerprint(ours), kind="C"),),
        )
    )
    document = credentials_document(node, ours, base_url)
    try:
        answer = _send_credentials(node, "POST", other, token, token_encoding, document)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        node.directory.remove(beginning)
        raise _failed(error) from error
    try:
        theirs = validate(Credentials, answer)
        _refuse_ourselves(node, base_url, theirs.token, theirs.url)
        _refuse_taken(node, beginning, _roles(theirs))
        return _settle(node, beginning, other, theirs, beginning.held_tokens)
    except (Conflict, OcpiError, HandshakeFailed) as error:
        node.directory.remove(node.directory.get(beginning.id) or beginning)
        undone = _take_back(node, other, _usable_token(answer) or token, token_encoding)
        raise _failed(error, _UNDONE if undone else _NOT_UNDONE) from error


def rotate(node: Node, partner: Partner, base_url: str) -> Partner:
    """Give a partner a new token, get a new one, and let both sides read the endpoints again.

    Raises: HandshakeFailed, with the old pair still good.
    """
    old = node.directory.token_for(partner)
    other = _look_before_rotating(node, partner, old, base_url)
    ours = node.directory.new_token()
    fresh = HeldToken(fingerprint=node.directory.fingerprint(ours), kind="C")
    _save(node, partner.model_copy(update={"held_tokens": (fresh, *partner.held_tokens)}), partner)
    try:
        document = credentials_document(node, ours, base_url)
        theirs = validate(
            Credentials, _send_credentials(node, "PUT", other, old, partner.token_encoding, document)
        )
        _refuse_ourselves(node, base_url, theirs.token, theirs.url)
    except PartnerRefusal as error:
        _drop_token(node, partner, fresh)
        raise _failed(error) from error
    except PartnerFault as error:
        # An HTTP 4xx, of the partner or of a gateway before it: the PUT was not carried out.
        is_refused = error.http_status is not None and 400 <= error.http_status < 500
        if error.never_sent or is_refused or error.status_code is not None:
            _drop_token(node, partner, fresh)
        raise _failed(error) from error
    except OcpiError as error:
        raise _failed(error) from error
    return _settle(node, partner, other, theirs, (fresh,))


def unregister(node: Node, partner: Partner) -> str | None:
    """Tell a partner that it is over, and forget it. Returns why it could not be told, or None."""
    problem = None
    if partner.is_registered:
        url = OtherSide(partner.endpoints).credentials_url()
        try:
            node.client.call_url(
                url or "", "DELETE", node.directory.token_for(partner), partner.token_encoding
            )
        except (PartnerFault, PartnerRefusal, ClientError) as error:
            problem = str(error)
    node.directory.remove(node.directory.get(partner.id) or partner)
    return problem


def credentials_document(node: Node, token: str, base_url: str) -> dict[str, Any]:
    """Our credentials for one partner.

    Source: OCPI 2.2.1 credentials_credentials_object; CRD-15, CRD-26
    """
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
            for own in node.settings.roles
        ],
    }


def _look_before_asking(
    node: Node, url: str, token: str, encoding: TokenEncoding, base_url: str
) -> OtherSide:
    """Without the endpoints that we need, the partner is not asked at all (CRD-18)."""
    try:
        other = _look_at(node, url, token, encoding)
        _refuse_own_urls(base_url, other)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        raise _failed(error) from error
    if other.credentials_url() is None:
        raise HandshakeFailed("the partner's version details list no credentials endpoint")
    if not other.serves([own.role for own in node.settings.roles]):
        raise HandshakeFailed("the partner's version details list no interface that this node has a use for")
    return other


def _look_before_rotating(node: Node, partner: Partner, token: str, base_url: str) -> OtherSide:
    """When the answer to our last PUT got lost, our token is good for nothing but repeating it."""
    url, encoding = partner.versions_url or "", partner.token_encoding
    try:
        return _look_before_asking(node, url, token, encoding, base_url)
    except HandshakeFailed as error:
        if error.http_status != 401 or len(partner.held_tokens) < 2:
            raise
        return OtherSide(partner.endpoints)


def _send_credentials(
    node: Node, method: str, other: OtherSide, token: str, encoding: TokenEncoding, document: dict[str, Any]
) -> object:
    """Send our credentials. Returns the partner's, which still have to be judged."""
    url = other.credentials_url() or ""
    return node.client.call_url(url, method, token, encoding, document=document, total_s=_EXCHANGE_S).data


def _settle(
    node: Node, partner: Partner, other: OtherSide, theirs: Credentials, held: tuple[HeldToken, ...]
) -> Partner:
    """The other side has said yes: whatever else changed meanwhile, from now on the new pair holds.

    Parties that another partner has meanwhile are left out; the pair of tokens is not lost for them.
    Raises: Conflict when one of them is taken at this very moment.
    """
    roles = _roles(theirs)
    played, reserved = _held_by_others(node, partner, roles)
    free = tuple(
        role for role in roles if claim_of(role) not in played and not node.settings.owns(role.party)
    )

    def settle(current: Partner) -> Partner:
        return current.model_copy(
            update={
                "status": "REGISTERED",
                "last_updated": _now(node),
                "versions_url": theirs.url,
                "version": VERSION,
                "endpoints": other.endpoints,
                **with_claimed(current, free, reserved),
                "outbound_token": node.directory.seal(theirs.token),
                "held_tokens": held,
                "connection": "CONNECTED",
                "offline_since": None,
                "breaker": None,
            }
        )

    settled = node.directory.update(partner.id, settle)
    if settled is None:
        raise HandshakeFailed("the partner was removed meanwhile")
    return settled


def _take_back(node: Node, other: OtherSide, token: str, encoding: TokenEncoding) -> bool:
    """Undo a registration that the other side has made and we cannot keep. Returns whether it worked."""
    try:
        node.client.call_url(other.credentials_url() or "", "DELETE", token, encoding, total_s=_CALL_S)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        log.warning(
            "a registration that failed here could not be taken back at the partner",
            extra={"ocpi_module": "credentials", "reason": getattr(error, "reason", type(error).__name__)},
        )
        return False
    return True


def _usable_token(answer: object) -> str | None:
    """The token in credentials that cannot be used otherwise, None where it cannot be used either."""
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and is_credentials_token(token) else None


def _drop_token(node: Node, partner: Partner, token: HeldToken) -> None:
    """The other side did not take our new token: only the old one is good."""

    def drop(current: Partner) -> Partner:
        kept = tuple(held for held in current.held_tokens if held != token)
        return current.model_copy(update={"held_tokens": kept})

    node.directory.update(partner.id, drop)


# -- both sides --------------------------------------------------------------------------------------


def _look_at(node: Node, versions_url: str, token: str, encoding: TokenEncoding) -> OtherSide:
    """Read a platform's versions and the details of ours.

    Raises: InvalidParameters when the policy refuses the versions URL, UnsupportedVersion, PartnerFault,
    PartnerRefusal.
    """
    try:
        listed = node.client.get_versions(versions_url, token, encoding, total_s=_CALL_S)
    except InvalidParameters as error:
        raise InvalidParameters(error.detail, field="url") from error
    details_url = next((entry.url for entry in listed if entry.version == VERSION), None)
    if details_url is None:
        raise UnsupportedVersion(f"version {VERSION} is not among {[entry.version for entry in listed]!r}")
    try:
        return OtherSide(
            node.client.get_version_details(details_url, token, encoding, total_s=_CALL_S).endpoints
        )
    except InvalidParameters as error:
        raise PartnerFault(f"the URL of the version details cannot be used: {error.detail}") from error


def _roles(credentials: Credentials) -> tuple[PartnerRole, ...]:
    return tuple(
        PartnerRole(
            role=role.role,
            country_code=role.country_code,
            party_id=role.party_id,
            business_details=role.business_details.model_dump(exclude_unset=True),
        )
        for role in credentials.roles
    )


def _unregistered(node: Node, partner: Partner) -> Partner:
    return partner.model_copy(
        update={
            "status": "UNREGISTERED",
            "last_updated": _now(node),
            "endpoints": (),
            **without_claimed(partner),
            "outbound_token": None,
            "held_tokens": (),
        }
    )


def _save(node: Node, changed: Partner, before: Partner) -> Partner:
    """Save what a handshake made of a partner. How pushes to it went meanwhile does not stand in its way.

    Raises: ClientError when another handshake came between.
    """
    for _ in range(_TRIES):
        try:
            return node.directory.save(changed, before)
        except Conflict:
            current = node.directory.get(before.id)
        rebased = rebase_on_pushes(changed, before, current) if current else None
        if current is None or rebased is None:
            break
        changed, before = rebased, current
    raise ClientError("another handshake with this partner or for one of its parties came between")


def _failed(error: Exception, hint: str = "") -> HandshakeFailed:
    if isinstance(error, HandshakeFailed) and not hint:
        return error
    http_status = error.http_status if isinstance(error, PartnerFault | PartnerRefusal) else None
    reason = f"{error}; {hint}" if hint else str(error)
    return HandshakeFailed(reason, getattr(error, "status_code", None), http_status)


def _name(role: PartnerRole) -> str:
    return f"{role.country_code}/{role.party_id}"


def _now(node: Node) -> str:
    return format_datetime(node.clock())
