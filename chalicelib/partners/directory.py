"""Directory of the partners: their records, the tokens in both directions, and the partner of each party.

A token that a partner uses toward us is never stored. It is found by a keyed hash. That item has a copy of
the partner's record, so finding the caller costs one read. A token that we use toward a partner is
encrypted with KMS. One claim item per (country, party, role) ensures that a party in a role belongs to one
partner only (ocpi#284). A partner, its tokens and its claims are written in one transaction.

The key of the hash is created once, encrypted with KMS, and stored in the table.

Source: OCPI 2.2.1 credentials; CRD-06, CRD-14, CRD-23, CRD-25, TRN-09
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from chalicelib.errors import Unauthorized
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import TokenReading, is_credentials_token, read_authorization
from chalicelib.protocol.message import InterfaceRole, Party
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict, Delete, Item, Key, Operation, Put, Snapshot, Table
from chalicelib.storage.values import Value
from chalicelib.storage.vault import Vault
from chalicelib.versions.supported import traits_of

PartnerStatus = Literal["INVITED", "REGISTERING", "REGISTERED", "UNREGISTERED"]
Connection = Literal["CONNECTED", "OFFLINE"]
EncodingOrigin = Literal["DEFAULT", "OPERATOR", "LEARNED"]
"""The origin of `token_encoding`. LEARNED: the partner, by what it sends or accepts in the handshake."""

TokenKind = Literal["A", "C", "RETRY"]
"""A: before registration. C: of a registered partner. RETRY: replaced by one that is not used yet."""

EVERYTHING = "*"
"""Value in `Partner.released` for all objects that came from the partner."""

_OF_PUSHES = ("breaker", "connection", "offline_since", "odd_answers", "revision")
"""Fields of a partner that pushes to it change."""

_HASH_KEY = Key("secret#token-hash")
_PARTNERS = "partners"
_TRIES_AT_ONE_REVISION = 3


class Endpoint(BaseModel):
    """One line of a partner's version details."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    identifier: str
    role: str
    url: str


class EndpointNote(BaseModel):
    """A remark about one line of a partner's version details. is_used: whether the endpoint is called."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    identifier: str
    role: str
    url: str
    is_used: bool
    note: str


class PartnerRole(BaseModel):
    """One role that a partner plays."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    role: str
    country_code: str
    party_id: str
    business_details: dict[str, Any] = {}

    @property
    def party(self) -> Party:
        """The party that plays it."""
        return Party(self.country_code, self.party_id)


class HeldToken(BaseModel):
    """Keyed hash of a token that the partner uses toward us, with its kind."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    fingerprint: str
    kind: TokenKind


class StampAhead(BaseModel):
    """A `last_updated` of a partner that was ahead of our clock: the first one of a day.

    at: time of arrival. ahead_s: seconds ahead of our clock.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    at: str
    module: str
    last_updated: str
    ahead_s: int


class Partner(PartnerSettings):
    """A platform that we exchange data with, and the operator's settings for it.

    outbound_token: the token that we use toward it, KMS ciphertext in Base64. breaker: its recent failures,
    None without any. odd_answers: kinds of its odd successful answers, each logged once (`calls/answers.py`).
    sends_raw_tokens: it was heard to send raw tokens, although Base64 was expected. revision: number of
    changes; a write must know the latest one, so parallel changes cannot undo each other.

    roles: roles in effect. pending_roles, refused_roles: roles that it claims without effect, because the
    operator has not approved them yet, or has rejected them. expected_roles: the roles that the operator
    expects of it; expected_role, hub_expected: those of any party. reserved_claims: claims of roles that it
    had before, and that no other partner may claim until the operator releases them. released: claims of
    roles whose objects from this partner may be changed by other partners. notified_roles: claims of pending
    roles that the operator's webhooks were notified of. `partners/roles.py` has the rules. hub_clients: the
    parties that a hub of OCPI 2.3.0 lists. They are only shown: a hub may act for every party that is no
    partner itself.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    id: str
    status: PartnerStatus
    last_updated: str
    versions_url: str | None = None
    version: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    roles: tuple[PartnerRole, ...] = ()
    pending_roles: tuple[PartnerRole, ...] = ()
    refused_roles: tuple[PartnerRole, ...] = ()
    expected_roles: tuple[PartnerRole, ...] = ()
    expected_role: str = ""
    hub_expected: bool = False
    reserved_claims: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    notified_roles: tuple[str, ...] = ()
    hub_clients: tuple[str, ...] = ()
    outbound_token: str | None = None
    held_tokens: tuple[HeldToken, ...] = ()
    connection: Connection = "CONNECTED"
    offline_since: str | None = None
    breaker: Breaker | None = None
    odd_answers: tuple[str, ...] = ()
    stamp_ahead: StampAhead | None = None
    sends_raw_tokens: bool = False
    endpoint_notes: tuple[EndpointNote, ...] = ()
    encoding_origin: EncodingOrigin = "DEFAULT"
    revision: int = 0

    def endpoint(self, module: str, role: InterfaceRole) -> str | None:
        """URL of one of its interfaces. The credentials module has one URL, for any role (VER-05)."""
        return next(
            (
                e.url
                for e in self.endpoints
                if e.identifier == module and (e.role == role or module == "credentials")
            ),
            None,
        )

    def has_role(self, *roles: str) -> bool:
        """Check whether it plays one of these roles."""
        return any(own.role in roles for own in self.roles)

    @property
    def is_hub(self) -> bool:
        """Check whether it is a hub, which acts for other parties as well."""
        return self.has_role("HUB")

    @property
    def is_registered(self) -> bool:
        """Check whether both sides have valid tokens."""
        return self.status == "REGISTERED"

    @property
    def claims(self) -> set[str]:
        """The claims of the roles that it plays and of the roles reserved for it."""
        return {claim_of(role) for role in self.roles} | set(self.reserved_claims)

    def has_released(self, owner: Party, role: str) -> bool:
        """Check whether another partner may change the objects of an owner that came from it."""
        return claim_key(owner, role).pk in self.released or EVERYTHING in self.released

    def awaits_proof(self, fingerprint: str) -> bool:
        """Check whether a token is new, so that its first use makes the replaced token invalid."""
        return (
            len(self.held_tokens) > 1
            and self.held_tokens[0].fingerprint == fingerprint
            and any(held.kind == "RETRY" for held in self.held_tokens)
        )

    def holds(self, fingerprint: str, kind: TokenKind) -> bool:
        """Check whether a token of a kind, by its fingerprint, is one that it uses toward us."""
        return HeldToken(fingerprint=fingerprint, kind=kind) in self.held_tokens

    def parties(self, *roles: str) -> list[Party]:
        """Its parties. With roles, only those that play one of them."""
        return [own.party for own in self.roles if not roles or own.role in roles]

    def plays_as(self, party: Party, *roles: str) -> bool:
        """Check whether a party (in one of these roles) is its own."""
        return any(party.same_as(own) for own in self.parties(*roles))


def rebase(changed: Partner, before: Partner, current: Partner) -> Partner | None:
    """Apply a change of a partner to its current state, if the two states differ in nothing that matters.

    These do not matter: the fields that pushes write, and RETRY tokens that ended meanwhile, because the
    partner used its new token for the first time. before: the state that `changed` was made from.
    Returns None when another field differs, or when the change was made with a token that ended.
    """
    of_before = {name: getattr(before, name) for name in _OF_PUSHES}
    held_now, held_then = set(current.held_tokens), set(before.held_tokens)
    ended = held_then - held_now
    if held_now - held_then or any(held.kind != "RETRY" for held in ended):
        return None
    if current.model_copy(update={**of_before, "held_tokens": before.held_tokens}) != before:
        return None
    if ended & set(changed.held_tokens) and not held_now <= set(changed.held_tokens):
        return None
    kept = {name for name in _OF_PUSHES if getattr(changed, name) == of_before[name]}
    fields = {name: getattr(current, name) for name in kept | {"revision"}}
    held = tuple(held for held in changed.held_tokens if held not in ended)
    return changed.model_copy(update={**fields, "held_tokens": held})


@lru_cache(256)
def _read_partner(text: str) -> Partner:
    """Read a stored partner. The same text gives the same object, which nobody changes."""
    return Partner.model_validate_json(text)


class Caller(NamedTuple):
    """The authenticated caller: the partner, the token that it used, its kind, and how it was read."""

    partner: Partner
    token: str
    kind: TokenKind
    fingerprint: str
    reading: TokenReading = "base64"


class Directory:
    """Store of the partners in the table. new_secret: makes a random secret."""

    def __init__(self, table: Table, vault: Vault, new_secret: Callable[[], str]) -> None:
        self._table = table
        self._vault = vault
        self._new_secret = new_secret
        self._hash_key: bytes | None = None
        self._reading_key = Lock()

    # -- finding

    def find_caller(
        self, candidates: Sequence[tuple[TokenReading, str]], wanted: Sequence[Key] = ()
    ) -> tuple[Caller, Snapshot]:
        """Find the partner that a request's token belongs to, and read other items in the same call.

        Raises: Unauthorized when no partner holds one of the tokens, or a strict partner sends its token in
        another form than agreed (TRN-05, TRN-07).
        """
        prints = [self.fingerprint(token) for _, token in candidates]
        found = self._table.get_many([*map(_token_key, prints), *wanted])
        for (reading, token), fingerprint in zip(candidates, prints, strict=True):
            item = found.get(_token_key(fingerprint))
            if item is None:
                continue
            partner = _read_partner(item["partner"])
            if not partner.strict or reading in _forms_of_token(partner):
                return Caller(partner, token, item["kind"], fingerprint, reading), found
        raise Unauthorized

    def get(self, partner_id: str) -> Partner | None:
        """Read a partner by our id of it. Returns None when there is none."""
        item = self._table.get(Key(_PARTNERS, partner_id))
        return _read_partner(item["partner"]) if item else None

    def all(self) -> list[Partner]:
        """Read all partners in one query, sorted by id."""
        return [
            _read_partner(item["partner"]) for item in self._table.query_all("#pk = :pk", {"pk": _PARTNERS})
        ]

    def owner_of(self, claims: Iterable[PartnerRole]) -> dict[str, str]:
        """Find the partners that have these (country, party, role). Returns partner ids by claim."""
        keys = {claim_of(role): Key(claim_of(role)) for role in claims}
        found = self._table.get_many(list(keys.values()))
        return {claim: found[key]["partner_id"] for claim, key in keys.items() if key in found}

    # -- changing

    def save(self, partner: Partner, before: Partner | None = None) -> Partner:
        """Write a partner with its tokens and claims in one transaction.

        before: the state that `partner` was made from; None for a new one.
        Raises: Conflict when another write changed it meanwhile, or another partner has one of its parties.
        """
        saved = partner.model_copy(update={"revision": partner.revision + 1})
        text = saved.model_dump_json()
        operations: list[Operation] = [
            Put(
                _item(Key(_PARTNERS, saved.id), partner=text, revision=saved.revision),
                "#revision = :before" if before else "attribute_not_exists(#pk)",
                {"before": before.revision} if before else {},
            )
        ]
        for held in saved.held_tokens:
            operations.append(Put(_item(_token_key(held.fingerprint), partner=text, kind=held.kind)))
        kept_tokens = {held.fingerprint for held in saved.held_tokens}
        for held in before.held_tokens if before else ():
            if held.fingerprint not in kept_tokens:
                operations.append(Delete(_token_key(held.fingerprint)))
        operations += _claim_changes(saved, before)
        self._table.transact(operations)
        return saved

    def remove(self, partner: Partner) -> None:
        """Delete a partner with its tokens and claims, also when a handshake changes it meanwhile."""
        current: Partner | None = partner
        for _ in attempts():
            if current is None:
                return
            operations: list[Operation] = [
                Delete(Key(_PARTNERS, current.id), "#revision = :now", {"now": current.revision})
            ]
            operations += [Delete(_token_key(held.fingerprint)) for held in current.held_tokens]
            operations += [Delete(Key(claim)) for claim in current.claims]
            try:
                return self._table.transact(operations)
            except Conflict:
                current = self.get(partner.id)

    def update(self, partner_id: str, change: Callable[[Partner], Partner | None]) -> Partner | None:
        """Change the current state of a partner, again if another write was faster.

        change: returns None when there is nothing to change. Returns the stored state afterwards, None when
        the partner was removed. Raises: Conflict when another partner has one of its parties.
        """
        failed_at: list[int] = []
        while (current := self.get(partner_id)) is not None:
            if failed_at.count(current.revision) > _TRIES_AT_ONE_REVISION:
                raise Conflict("one of the partner's parties belongs to another partner")
            changed = change(current)
            if changed is None:
                return current
            try:
                return self.save(changed, current)
            except Conflict:
                failed_at.append(current.revision)
        return None

    def note_odd_answer(self, partner_id: str, oddity: str) -> bool:
        """Record a kind of odd answer of a partner. Returns whether it was new."""
        is_new = False

        def note(current: Partner) -> Partner | None:
            nonlocal is_new
            is_new = oddity not in current.odd_answers
            odd_answers = (*current.odd_answers, oddity)
            return current.model_copy(update={"odd_answers": odd_answers}) if is_new else None

        return self.update(partner_id, note) is not None and is_new

    def note_raw_tokens(self, caller: Caller) -> Partner:
        """Record that a partner sends raw tokens although Base64 is expected. Returns the partner."""

        def note(current: Partner) -> Partner | None:
            return None if current.sends_raw_tokens else current.model_copy(update={"sends_raw_tokens": True})

        return self.update(caller.partner.id, note) or caller.partner

    def note_retry_after(self, partner_id: str, now: datetime, seconds: float) -> None:
        """Record that a partner asked not to be called for some seconds (`partners/breaker.py`)."""

        def note(current: Partner) -> Partner | None:
            before = current.breaker or Breaker()
            after = before.asked_to_wait(now, seconds)
            return None if after is before else current.model_copy(update={"breaker": after})

        self.update(partner_id, note)

    def end_retry(self, caller: Caller) -> Partner:
        """Remove the RETRY token after the first use of the caller's new token. Returns the partner."""

        def without_retry(current: Partner) -> Partner | None:
            kept = tuple(held for held in current.held_tokens if held.kind != "RETRY")
            if kept == current.held_tokens or kept[0].fingerprint != caller.fingerprint:
                return None
            return current.model_copy(update={"held_tokens": kept})

        return self.update(caller.partner.id, without_retry) or caller.partner

    # -- tokens

    def new_token(self) -> str:
        """Make a random token of at most 64 printable ASCII characters (CRD-23)."""
        return self._new_secret()

    def fingerprint(self, token: str) -> str:
        """The keyed hash by which a token is found."""
        return self.keyed_digest(token)

    def keyed_digest(self, text: str) -> str:
        """Hash in hexadecimal that only a holder of this node's key can compute.

        text: a token. Any other text must contain a character that a token cannot have, such as a control
        character, so that it cannot collide with a token.
        """
        return hmac.digest(self._key(), text.encode(), "sha256").hex()

    def made(self, token: str) -> bool:
        """Check whether this node made a token for a partner, plain or in Base64: one read."""
        readings = read_authorization(f"Token {token}") if is_credentials_token(token) else []
        return bool(self._table.get_many(_token_key(self.fingerprint(each)) for _, each in readings))

    def seal(self, token: str) -> str:
        """Encrypt a token that we use toward a partner, or another secret of ours."""
        return self._vault.seal(token)

    def unseal(self, sealed: str) -> str:
        """Decrypt what `seal` returned."""
        return self._vault.open(sealed)

    def token_for(self, partner: Partner) -> str:
        """The token that we use toward a registered partner, in clear."""
        assert partner.outbound_token is not None
        return self._vault.open(partner.outbound_token)

    def _key(self) -> bytes:
        with self._reading_key:
            if self._hash_key is None:
                item = self._table.get(_HASH_KEY) or self._make_hash_key()
                self._hash_key = self._vault.open(item["sealed"]).encode()
            return self._hash_key

    def _make_hash_key(self) -> Item:
        item = _item(_HASH_KEY, sealed=self._vault.seal(self._new_secret()))
        try:
            self._table.put(item, "attribute_not_exists(#pk)")
        except Conflict:
            item = self._table.get(_HASH_KEY) or item
        return item


def _forms_of_token(partner: Partner) -> tuple[str, ...]:
    """The forms in which a strict partner may send its token; raw is right in OCPI 2.1.1 (V211-04)."""
    is_raw_right = traits_of(partner.version or partner.only_version).sends_raw_tokens
    return ("base64", "raw" if is_raw_right else partner.token_encoding)


def claim_of(role: PartnerRole) -> str:
    """The claim of a role: the key of its claim item, as text."""
    return claim_key(role.party, role.role).pk


def claim_key(party: Party, role: str) -> Key:
    """Key of the claim item, whose `partner_id` is the partner that a party in a role belongs to."""
    return Key(f"claim#{party.key()}#{role}")


def _claim_changes(after: Partner, before: Partner | None) -> list[Operation]:
    held, wanted = before.claims if before else set(), after.claims
    taken: list[Operation] = [
        Put(
            _item(Key(claim), partner_id=after.id),
            "attribute_not_exists(#pk) OR #partner_id = :id",
            {"id": after.id},
        )
        for claim in sorted(wanted - held)
    ]
    return taken + [Delete(Key(claim)) for claim in sorted(held - wanted)]


def _token_key(fingerprint: str) -> Key:
    return Key(f"token#{fingerprint}")


def _item(key: Key, **attributes: Value) -> Item:
    return {"pk": key.pk, "sk": key.sk, **attributes}
