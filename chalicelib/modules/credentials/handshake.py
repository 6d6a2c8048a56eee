"""Registration of a partner, rotation of tokens, and unregistration, as called and as calling side.

A handshake has three steps: read the other side's versions and version details with its token, exchange
tokens, and store the result in one transaction. Nothing changes before the last step, so a handshake that
fails half-way leaves the earlier state (CRD-22):

- *Called side*: while the caller's request is open, this node tests the caller's new token by reading the
  caller's versions with it. Only then are the old tokens replaced.
- *Calling side*: the other side calls back with our new token during the handshake (CRD-03). So the new
  token is stored beside the old one before it is sent. If the other side refuses, it is removed again. If
  the outcome is unknown (no answer), both tokens stay valid until the next handshake. If the other side has
  registered this node but its answer cannot be used here, this node unregisters there with DELETE.

A node is never its own partner, because it would relay requests to itself. So it refuses its own URLs, and
also tokens that it made itself, which detects the node under any other host name.

After a rotation that the caller started, the caller's old token stays valid for one purpose: to send the
same PUT again, until the new token is used for the first time. Otherwise a lost answer would lock the
caller out (ocpi#568).

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.calls.client import PartnerFault, PartnerRefusal
from chalicelib.calls.urls import is_below
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
from chalicelib.modules.registry import needed_of
from chalicelib.node import Node
from chalicelib.partners.directory import (
    Endpoint,
    HeldToken,
    Partner,
    PartnerRole,
    claim_of,
    rebase_on_pushes,
)
from chalicelib.partners.roles import claimed_roles, with_claimed, without_claimed
from chalicelib.protocol.auth import TokenEncoding, is_credentials_token
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.table import Conflict
from chalicelib.versions.supported import CANONICAL, from_canonical, supported_numbers, to_canonical

# API Gateway ends a request after 29 s. A handshake makes two calls, and one exchange in which the other side
# makes two calls itself.
_CALL_S = 5.0
_EXCHANGE_S = 15.0
_TRIES = 5

_UNDONE = "the partner had registered this node, which was taken back there: ask the partner for a new token"
_NOT_UNDONE = (
    "the partner has registered this node and did not take it back: "
    "ask the partner to remove the registration and for a new token"
)


class HandshakeFailed(Exception):
    """Error for a handshake of ours that failed and changed nothing.

    status_code, http_status: from the partner's answer, if there was one.
    """

    def __init__(self, reason: str, status_code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(reason)
        self.status_code = status_code
        self.http_status = http_status


class OtherSide(NamedTuple):
    """The interfaces of a platform in one OCPI version."""

    version: str
    endpoints: tuple[Endpoint, ...]

    def credentials_url(self) -> str | None:
        """URL of its credentials module, None when it lists none."""
        return next((e.url for e in self.endpoints if e.identifier == "credentials"), None)

    def serves(self, roles: Sequence[str]) -> bool:
        """Check whether it has an interface that a node with these roles uses."""
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
    """Create an invited partner with a token A. Returns both.

    The operator gives token A to the partner outside OCPI. It is shown only this once.
    expected_roles, is_hub: what the operator expects of the partner (`partners/roles.py`). returning: a
    partner that left before; the new one gets its id and its reserved roles.
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
    node: Node,
    partner: Partner,
    used_token: str,
    document: Mapping[str, Any],
    base_url: str,
    version: str,
) -> tuple[Partner, str]:
    """Accept a partner's credentials, as first registration or update. Returns it and its new token.

    used_token: the token of this request. base_url: our own `https://…/ocpi`. version: the
    one in the request's URL.
    Raises: Unauthorized when a replaced token comes with other credentials than before, InvalidParameters
    for wrong credentials or a party that another partner has; UnableToUseClientApi, UnsupportedVersion or
    MissingEndpoints when the caller's versions or endpoints cannot be used (CRD-19 … CRD-21).
    """
    offered = validate(Credentials, document)
    roles = _roles(offered)
    used = node.directory.fingerprint(used_token)
    _check_repetition(partner, used, offered, roles)
    reserved = _refuse_taken(node, partner, roles)
    _refuse_ourselves(node, base_url, offered.token, offered.url)
    other = _look_at_caller(node, partner, offered, version)
    _refuse_own_urls(base_url, other)
    token = node.directory.new_token()
    fresh = HeldToken(fingerprint=node.directory.fingerprint(token), kind="C")
    superseded = HeldToken(fingerprint=used, kind="RETRY")
    changed = partner.model_copy(
        update={
            "status": "REGISTERED",
            "last_updated": _now(node),
            "versions_url": offered.url,
            "version": other.version,
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
    """Unregister a partner at its own request: delete all tokens, keep its parties reserved (CRD-14)."""
    _save(node, _unregistered(node, partner), partner)


def _check_repetition(
    partner: Partner, used: str, offered: Credentials, roles: Sequence[PartnerRole]
) -> None:
    """Check that a replaced token only repeats its PUT, with the same URL and roles: it may have leaked."""
    is_replaced = any(held.kind == "RETRY" and held.fingerprint == used for held in partner.held_tokens)
    same = offered.url == partner.versions_url and set(map(claim_of, roles)) == set(
        map(claim_of, claimed_roles(partner))
    )
    if is_replaced and not same:
        raise Unauthorized


def _look_at_caller(node: Node, partner: Partner, offered: Credentials, version: str) -> OtherSide:
    try:
        other = _look_at(node, offered.url, offered.token, partner.token_encoding, [version])
    except (PartnerFault, PartnerRefusal) as error:
        raise UnableToUseClientApi(f"could not read your versions: {error}") from error
    if not other.serves([own.role for own in node.settings.roles]):
        raise MissingEndpoints("your version details list no interface that this node has a use for")
    return other


def _refuse_taken(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """Refuse roles of this node's parties and roles that another partner plays.

    Returns the claims of the roles that are reserved for another partner.
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
    return set(holders) - reserved, reserved | _expected_of_others(node, partner, roles)


def _expected_of_others(node: Node, partner: Partner, roles: Sequence[PartnerRole]) -> set[str]:
    """The claims of the roles that the operator expects of other partners, and not of this one."""
    claimed = set(map(claim_of, roles)) - partner.claims - set(map(claim_of, partner.expected_roles))
    if not claimed:
        return set()
    others = [other for other in node.directory.all() if other.id != partner.id]
    expected = {
        claim_of(role) for other in others if other.status != "UNREGISTERED" for role in other.expected_roles
    }
    return claimed & expected


def _refuse_ourselves(node: Node, base_url: str, token: str, versions_url: str) -> None:
    """Refuse a registration of this node with itself, under any of its host names.

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
    Raises: HandshakeFailed; the new partner is removed again.
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
            version=other.version,
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
        return _complete(node, beginning, other, theirs, beginning.held_tokens)
    except (Conflict, OcpiError, HandshakeFailed) as error:
        node.directory.remove(node.directory.get(beginning.id) or beginning)
        undone = _delete_at_partner(node, other, _usable_token(answer) or token, token_encoding)
        raise _failed(error, _UNDONE if undone else _NOT_UNDONE) from error


def rotate(node: Node, partner: Partner, base_url: str) -> Partner:
    """Exchange new tokens with a partner; both sides read each other's endpoints again.

    Raises: HandshakeFailed; the old tokens are still valid.
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
        # An HTTP 4xx, from the partner or a gateway in front of it: the PUT had no effect.
        is_refused = error.http_status is not None and 400 <= error.http_status < 500
        if error.never_sent or is_refused or error.status_code is not None:
            _drop_token(node, partner, fresh)
        raise _failed(error) from error
    except OcpiError as error:
        raise _failed(error) from error
    return _complete(node, partner, other, theirs, (fresh,))


def unregister(node: Node, partner: Partner) -> str | None:
    """Unregister at a partner with DELETE, and remove it here. Returns the problem when DELETE failed."""
    problem = None
    if partner.is_registered:
        url = partner.endpoint("credentials", "SENDER")
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
    """Read the partner's endpoints before our request, and stop if it lacks those that we need (CRD-18)."""
    try:
        other = _look_at(node, url, token, encoding, supported_numbers())
        _refuse_own_urls(base_url, other)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        raise _failed(error) from error
    if other.credentials_url() is None:
        raise HandshakeFailed("the partner's version details list no credentials endpoint")
    if not other.serves([own.role for own in node.settings.roles]):
        raise HandshakeFailed("the partner's version details list no interface that this node has a use for")
    return other


def _look_before_rotating(node: Node, partner: Partner, token: str, base_url: str) -> OtherSide:
    """Read the partner's endpoints before a rotation.

    When the answer to our last PUT got lost, our token is valid only to repeat that PUT. Then the partner
    answers HTTP 401 here, and the stored endpoints are used.
    """
    url, encoding = partner.versions_url or "", partner.token_encoding
    try:
        return _look_before_asking(node, url, token, encoding, base_url)
    except HandshakeFailed as error:
        if error.http_status != 401 or len(partner.held_tokens) < 2:
            raise
        return OtherSide(partner.version or CANONICAL, partner.endpoints)


def _send_credentials(
    node: Node, method: str, other: OtherSide, token: str, encoding: TokenEncoding, document: dict[str, Any]
) -> Any:
    """Send our credentials. Returns the partner's credentials, not validated yet."""
    url = other.credentials_url() or ""
    document = from_canonical(other.version, Kind.CREDENTIALS, document)
    answer = node.client.call_url(url, method, token, encoding, document=document, total_s=_EXCHANGE_S)
    return to_canonical(other.version, Kind.CREDENTIALS, answer.data)


def _complete(
    node: Node, partner: Partner, other: OtherSide, theirs: Credentials, held: tuple[HeldToken, ...]
) -> Partner:
    """Store the result of a handshake that the other side has accepted, on top of any change meanwhile.

    held: the tokens that are valid from now on. Parties that another partner has taken meanwhile are left
    out, so that the new tokens are stored in any case.
    Raises: Conflict when another partner takes one of the parties at this moment, HandshakeFailed when the
    partner was removed meanwhile.
    """
    roles = _roles(theirs)
    played, reserved = _held_by_others(node, partner, roles)
    free = tuple(
        role for role in roles if claim_of(role) not in played and not node.settings.owns(role.party)
    )

    def complete(current: Partner) -> Partner:
        return current.model_copy(
            update={
                "status": "REGISTERED",
                "last_updated": _now(node),
                "versions_url": theirs.url,
                "version": other.version,
                "endpoints": other.endpoints,
                **with_claimed(current, free, reserved),
                "outbound_token": node.directory.seal(theirs.token),
                "held_tokens": held,
                "connection": "CONNECTED",
                "offline_since": None,
                "breaker": None,
            }
        )

    completed = node.directory.update(partner.id, complete)
    if completed is None:
        raise HandshakeFailed("the partner was removed meanwhile")
    return completed


def _delete_at_partner(node: Node, other: OtherSide, token: str, encoding: TokenEncoding) -> bool:
    """Undo a registration that the other side has made and that cannot be used here. Returns success."""
    try:
        node.client.call_url(other.credentials_url() or "", "DELETE", token, encoding, total_s=_CALL_S)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        log.warning(
            "failed to delete a registration at the partner that failed here: the partner has to remove it",
            extra={"ocpi_module": "credentials", "reason": getattr(error, "reason", type(error).__name__)},
        )
        return False
    return True


def _usable_token(answer: object) -> str | None:
    """The token of invalid credentials, None when the token is invalid as well."""
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and is_credentials_token(token) else None


def _drop_token(node: Node, partner: Partner, token: HeldToken) -> None:
    """Remove our new token after the other side refused it; the old one stays valid."""

    def drop(current: Partner) -> Partner:
        kept = tuple(held for held in current.held_tokens if held != token)
        return current.model_copy(update={"held_tokens": kept})

    node.directory.update(partner.id, drop)


# -- both sides --------------------------------------------------------------------------------------


def _look_at(
    node: Node, versions_url: str, token: str, encoding: TokenEncoding, wanted: Sequence[str]
) -> OtherSide:
    """Read a platform's versions and the details of the first wanted version that it offers.

    Raises: InvalidParameters when the policy refuses the versions URL, UnsupportedVersion, PartnerFault,
    PartnerRefusal.
    """
    try:
        listed = node.client.get_versions(versions_url, token, encoding, total_s=_CALL_S)
    except InvalidParameters as error:
        raise InvalidParameters(error.detail, field="url") from error
    url_by_version = {entry.version: entry.url for entry in reversed(listed)}
    version = next((number for number in wanted if number in url_by_version), None)
    if version is None:
        raise UnsupportedVersion(
            f"version {' or '.join(wanted)} is not among {[e.version for e in listed]!r}"
        )
    try:
        details = node.client.get_version_details(url_by_version[version], token, encoding, total_s=_CALL_S)
        return OtherSide(version, details.endpoints)
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
    """Save a partner after a handshake. A change by pushes meanwhile (breaker, connection) is no conflict.

    Raises: ClientError when another handshake changed the partner meanwhile.
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
