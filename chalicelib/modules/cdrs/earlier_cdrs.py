"""CDRs that a session has already, found by their ids.

The id of a CDR is computed from the party that makes it, its session, its number among the CDRs of the
session, and a secret key of this node. So the latest CDR is found by reading the ids one after the other,
with no other state. Two attempts for one session write the same item, and only one of them succeeds. A
partner cannot guess the id and send a CDR under it first. A hub and a CPO never make the same id, although
both make CDRs whose owner is the CPO (CDR-22).

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_cdr_object, mod_cdrs_credit_cdrs; CDR-09
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, stored_object

if TYPE_CHECKING:
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Item, Key, Table


@dataclass(frozen=True)
class CdrRefs:
    """Refs of the CDRs of a session. maker: key of the party that makes them."""

    session: Ref
    maker: str
    keyed_digest: Callable[[str], str]

    def of(self, number: int) -> list[Ref]:
        """Refs that CDR `number` may have: with its current id, and with that of old releases."""
        pk = self.session.key.pk
        ids = cdr_id(self.keyed_digest, self.maker, pk, number), keyless_cdr_id(self.maker, pk, number)
        return [self.session._replace(module="cdrs", id=own_id, variant="") for own_id in ids]


def cdr_id(keyed_digest: Callable[[str], str], maker: str, session_pk: str, number: int) -> str:
    """Id of CDR `number` (1 for the first) of a session: 36 characters, with room for a credit CDR's `-C`.

    keyed_digest: `Directory.keyed_digest`. maker: key of the party that makes it. session_pk: pk of the
    session.
    """
    return _id_of(keyed_digest("\x1f".join(("cdr", maker, session_pk, str(number)))))


def keyless_cdr_id(maker: str, session_pk: str, number: int) -> str:
    """Id of the same CDR in earlier releases, without the secret key; corrections still have to find it.

    >>> keyless_cdr_id("PT*ABC", "sessions#PT*ABC#S1", 1)
    'CDR-49A1F42ACC601F6E89E71F5D259583E3'
    """
    return _id_of(hashlib.sha256("\x1f".join((maker, session_pk, str(number))).encode()).hexdigest())


def _id_of(digest: str) -> str:
    return f"CDR-{digest[:32].upper()}"


def maker_of(settings: Settings, session: Ref) -> str:
    """Key of the party that makes the CDR: our own CPO party for its sessions, the hub for all others."""
    owner = Party(session.country_code, session.party_id)
    is_own = settings.owns(owner, "CPO")
    maker = owner if is_own else settings.party_of("HUB")
    return (maker or owner).key()


@dataclass(frozen=True)
class LatestCdr:
    """Latest CDR of a session, its number (1 for the first), and whether a credit CDR exists for it."""

    number: int = 0
    cdr: Stored | None = None
    is_credited: bool = False

    def has_version(self, version: int) -> bool:
        """Return whether it was made from this version of the session, or a later one."""
        return self.cdr is not None and int(self.cdr.extra["sv"]) >= version


def find_latest_cdr(table: Table, refs: CdrRefs, items: Mapping[Key, Item]) -> LatestCdr:
    """Find the latest CDR of a session.

    items: an earlier read that includes the keys of the first CDR.
    Raises: InvalidParameters when a partner has sent a CDR under an id that is reserved for ours.
    """
    latest = LatestCdr()
    while (following := _find_own(refs.of(latest.number + 1), items)) is not None:
        credit = following.ref._replace(id=f"{following.ref.id}-C")
        after = [ref.key for ref in refs.of(latest.number + 2)]
        items = table.get_many([credit.key, *after])
        latest = LatestCdr(latest.number + 1, following, _find_own([credit], items) is not None)
    return latest


def _find_own(refs: Sequence[Ref], items: Mapping[Key, Item]) -> Stored | None:
    """Find our own CDR under one of these ids.

    Raises: InvalidParameters when a partner's CDR has the first id. Under the others it is ignored.
    """
    for ref in refs:
        found = stored_object(items[ref.key]) if ref.key in items else None
        if found is not None and not found.source:
            return found
        if found is not None and ref is refs[0]:
            raise InvalidParameters(f"a partner has sent a CDR of the id {ref.id}", field="id")
    return None
