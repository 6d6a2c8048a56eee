"""Registration at a partner, rotation of tokens and unregistration that this node starts.

The other side calls back with our new token during the handshake (CRD-03). So the new token is stored beside
the old one before it is sent. If the other side refuses, it is removed again. If the outcome is unknown (no
answer), both tokens stay valid until the next handshake. If the other side has registered this node but its
answer cannot be used here, this node unregisters there with DELETE.

Source: OCPI 2.2.1 credentials; CRD-02 … CRD-07, CRD-14, CRD-17 … CRD-27
"""

from __future__ import annotations

from typing import Any

from chalicelib.calls.client import OcpiClient, PartnerFault, PartnerRefusal
from chalicelib.errors import ClientError, InvalidParameters, OcpiError
from chalicelib.log import log
from chalicelib.modules.credentials.handshake import (
    CALL_S,
    OtherSide,
    credentials_document,
    encodings_to_try,
    held_by_others,
    look_at,
    now,
    origin_of,
    refuse_ourselves,
    refuse_own_urls,
    refuse_taken,
    registered,
    renewed,
    role_toward,
    roles_in,
    save,
    with_clients,
)
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.credentials.reading import read_credentials
from chalicelib.node import Node
from chalicelib.partners.directory import Directory, HeldToken, Partner, claim_of
from chalicelib.partners.roles import NOTHING_EXPECTED, Expectation, with_claimed
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import is_credentials_token
from chalicelib.protocol.kinds import Kind
from chalicelib.storage.table import Conflict
from chalicelib.versions.supported import CANONICAL, from_canonical, supported_numbers, to_canonical
from chalicelib.versions.version import Known

_EXCHANGE_S = 15.0
"""The other side makes two calls itself before it answers."""

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


def register(
    node: Node,
    settings: PartnerSettings,
    versions_url: str,
    token: str,
    base_url: str,
    expected: Expectation = NOTHING_EXPECTED,
    returning: Partner | None = None,
) -> Partner:
    """Register at a partner that gave us its versions URL and token A.

    base_url: our own `https://…/ocpi`. returning: a partner that is known already; it stays the same partner.
    Raises: HandshakeFailed; a new partner is removed again, a known one is as it was before.
    """
    new = _new_partner(node, settings, versions_url, expected, returning)
    other = _look_before_registering(node, new, token, base_url)
    ours = node.directory.new_token()
    beginning = _begin(node, new, other, ours, returning)
    document = _ours(node, new, other, ours, base_url)
    try:
        answer = _send_credentials(node, "POST", other, token, document)
    except (PartnerFault, PartnerRefusal, OcpiError) as error:
        _give_up(node.directory, beginning, returning)
        raise _failed(error) from error
    return _end_registration(node, beginning, returning, other, token, answer, base_url)


def rotate(node: Node, partner: Partner, base_url: str, only_version: str | None = None) -> Partner:
    """Exchange new tokens with a partner; both sides read each other's endpoints again.

    only_version: a new value of this setting. The partner reads our versions during the handshake, so the
    setting changes before it, and back if the partner refuses.
    Raises: HandshakeFailed; the old tokens are still valid.
    """
    old = node.directory.token_for(partner)
    wanted = partner.only_version if only_version is None else only_version
    asking = partner.model_copy(update={"only_version": wanted})
    other = _look_before_rotating(node, asking, old, base_url)
    ours = node.directory.new_token()
    fresh = HeldToken(fingerprint=node.directory.fingerprint(ours), kind="C")
    save(node, asking.model_copy(update={"held_tokens": (fresh, *partner.held_tokens)}), partner)
    try:
        document = _ours(node, partner, other, ours, base_url)
        answer = _send_credentials(node, "PUT", other, old, document)
        theirs = read_credentials(node, partner, answer)
        refuse_ourselves(node, base_url, theirs.token, theirs.url)
    except PartnerRefusal as error:
        _drop_token(node.directory, partner, fresh)
        raise _failed(error) from error
    except PartnerFault as error:
        # An HTTP 4xx, from the partner or a gateway in front of it: the PUT had no effect.
        is_refused = error.http_status is not None and 400 <= error.http_status < 500
        if error.never_sent or is_refused or error.status_code is not None:
            _drop_token(node.directory, partner, fresh)
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


def _new_partner(
    node: Node,
    settings: PartnerSettings,
    versions_url: str,
    expected: Expectation,
    returning: Partner | None,
) -> Partner:
    if returning is not None:
        again = renewed(returning, settings, expected)
        return again.model_copy(update={"last_updated": now(node), "versions_url": versions_url})
    return Partner(
        **settings.settings_json(),
        id=node.new_id(),
        status="REGISTERING",
        last_updated=now(node),
        versions_url=versions_url,
        expected_roles=expected.roles,
        expected_role=expected.role,
        hub_expected=expected.is_hub,
        encoding_origin=origin_of(settings),
    )


def _begin(node: Node, new: Partner, other: OtherSide, ours: str, returning: Partner | None) -> Partner:
    """Store the partner with our new token, which it uses before it answers (CRD-03).

    A known partner keeps its earlier tokens until it has answered, and a registered one its endpoints.
    """
    fresh = HeldToken(fingerprint=node.directory.fingerprint(ours), kind="C")
    changes: dict[str, Any] = {"held_tokens": (fresh, *new.held_tokens)}
    if returning is not None and returning.is_registered:
        changes["versions_url"] = returning.versions_url
    else:
        changes |= {"status": "REGISTERING", "version": other.version, "endpoints": other.endpoints}
    return node.directory.save(new.model_copy(update=changes), returning)


def _give_up(directory: Directory, beginning: Partner, returning: Partner | None) -> None:
    """Undo `_begin`: remove a new partner, and give a known one back what it had."""
    if returning is None:
        return directory.remove(directory.get(beginning.id) or beginning)
    begun = {
        name: getattr(returning, name)
        for name in Partner.model_fields
        if name not in ("held_tokens", "revision") and getattr(beginning, name) != getattr(returning, name)
    }

    def restore(current: Partner) -> Partner:
        kept = tuple(held for held in current.held_tokens if held != beginning.held_tokens[0])
        return current.model_copy(update={**begun, "held_tokens": kept})

    directory.update(beginning.id, restore)
    return None


def _end_registration(
    node: Node,
    beginning: Partner,
    returning: Partner | None,
    other: OtherSide,
    token: str,
    answer: Any,
    base_url: str,
) -> Partner:
    """Store the partner's credentials. If they cannot be used, undo the registration on both sides.

    token: token A, used for DELETE when the answer has no valid token.
    Raises: HandshakeFailed.
    """
    try:
        theirs = read_credentials(node, beginning, answer)
        refuse_ourselves(node, base_url, theirs.token, theirs.url)
        refuse_taken(node, beginning, roles_in(theirs))
        return _complete(node, beginning, other, theirs, beginning.held_tokens[:1])
    except (Conflict, OcpiError, HandshakeFailed) as error:
        _give_up(node.directory, beginning, returning)
        usable = _usable_token(answer) or token
        undone = _delete_at_partner(node.client, other, usable)
        raise _failed(error, _UNDONE if undone else _NOT_UNDONE) from error


def _look_before_registering(node: Node, new: Partner, token: str, base_url: str) -> OtherSide:
    """Read the partner's endpoints before a registration, unless the URL or the token is our own."""
    try:
        refuse_ourselves(node, base_url, token, new.versions_url or "")
    except InvalidParameters as error:
        raise _failed(error) from error
    return _look_before_asking(node, new, token, base_url)


def _look_before_asking(node: Node, partner: Partner, token: str, base_url: str) -> OtherSide:
    """Read the partner's endpoints before our request, and stop if it lacks those that we need (CRD-18)."""
    url = partner.versions_url or ""
    try:
        wanted = supported_numbers(node.settings.ocpi_versions, partner.only_version)
        other = look_at(node, partner, url, token, encodings_to_try(partner), wanted)
        refuse_own_urls(base_url, other)
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
    try:
        return _look_before_asking(node, partner, token, base_url)
    except HandshakeFailed as error:
        if error.http_status != 401 or len(partner.held_tokens) < 2:
            raise
        version = partner.version or CANONICAL
        return OtherSide(
            version,
            partner.endpoints,
            partner.token_encoding,
            partner.endpoint_notes,
            role_toward(node, partner, version),
        )


def _ours(node: Node, partner: Partner, other: OtherSide, token: str, base_url: str) -> dict[str, Any]:
    """Our credentials for a partner. token: the one that it is to use."""
    document = credentials_document(node, token, base_url, other.role)
    return with_clients(node, partner, other.version, document)


def _send_credentials(node: Node, method: str, other: OtherSide, token: str, document: dict[str, Any]) -> Any:
    """Send our credentials. Returns the partner's credentials, not validated yet."""
    url = other.credentials_url() or ""
    known = Known(role=other.role or "")
    document = from_canonical(other.version, Kind.CREDENTIALS, document, known)
    answer = node.client.call_url(
        url, method, token, other.encoding, document=document, total_s=_EXCHANGE_S, gives=Kind.CREDENTIALS
    )
    return to_canonical(other.version, Kind.CREDENTIALS, answer.data, known)


def _complete(
    node: Node, partner: Partner, other: OtherSide, theirs: Credentials, held: tuple[HeldToken, ...]
) -> Partner:
    """Store the result of a handshake that the other side has accepted, on top of any change meanwhile.

    held: the tokens that are valid from now on. Parties that another partner has taken meanwhile are left
    out, so that the new tokens are stored in any case.
    Raises: Conflict when another partner takes one of the parties at this moment, HandshakeFailed when the
    partner was removed meanwhile.
    """
    roles = roles_in(theirs)
    played, reserved = held_by_others(node, partner, roles)
    free = tuple(
        role for role in roles if claim_of(role) not in played and not node.settings.owns(role.party)
    )

    def complete(current: Partner) -> Partner:
        return registered(node, current, other, theirs, with_claimed(current, free, reserved), held)

    completed = node.directory.update(partner.id, complete)
    if completed is None:
        raise HandshakeFailed("the partner was removed meanwhile")
    return completed


def _delete_at_partner(client: OcpiClient, other: OtherSide, token: str) -> bool:
    """Undo a registration that the other side has made and that cannot be used here. Returns success."""
    try:
        client.call_url(other.credentials_url() or "", "DELETE", token, other.encoding, total_s=CALL_S)
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


def _drop_token(directory: Directory, partner: Partner, token: HeldToken) -> None:
    """Remove our new token after the other side refused it; the old one and the old setting stay."""

    def drop(current: Partner) -> Partner:
        kept = tuple(held for held in current.held_tokens if held != token)
        return current.model_copy(update={"held_tokens": kept, "only_version": partner.only_version})

    directory.update(partner.id, drop)


def _failed(error: Exception, hint: str = "") -> HandshakeFailed:
    if isinstance(error, HandshakeFailed) and not hint:
        return error
    http_status = error.http_status if isinstance(error, PartnerFault | PartnerRefusal) else None
    reason = f"{error}; {hint}" if hint else str(error)
    return HandshakeFailed(reason, getattr(error, "status_code", None), http_status)
