"""Facts that a conversion to an older OCPI version needs from the table, such as the location of a session.

OCPI 2.1.1 has the location inside a session and a CDR, and one tariff for a connector. Both are read when the
object is sent, so the partner sees them as they are now. For partners of other versions nothing is read.

Source: OCPI 2.1.1 mod_sessions, mod_cdrs, mod_locations; V211-27, V211-42, V211-50, V211-52
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.modules.cdrs.earlier_cdrs import CdrRefs, maker_of
from chalicelib.partners.roles import connection_role
from chalicelib.protocol.json_text import JsonText, documents_in, read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.versions.supported import traits_of
from chalicelib.versions.version import NOTHING_KNOWN, Known

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

_WITH_CONNECTORS = (Kind.LOCATION, Kind.EVSE, Kind.CONNECTOR)
_REPLACEMENTS = range(2, 10)
"""Numbers of the CDRs of a session that replace an earlier one; a session is not corrected more often."""


def facts_to_send(
    node: Node,
    partner: Partner,
    version: str | None,
    kind: Kind | None,
    data: Any,
    owner: Party | None = None,
) -> Known:
    """Facts for the conversion of what a partner is sent: nothing for a version that needs none.

    data: an object, JSON text of one, or a list of them. owner: of an EVSE or connector that is sent alone.
    """
    if kind is None or not traits_of(version).needs_facts:
        return NOTHING_KNOWN
    stored = _Stored(node)
    if kind in _WITH_CONNECTORS:
        stored.read_tariffs(ref for document in documents_in(data) for ref in _tariffs_of(document, owner))
    return Known(
        now=node.clock(),
        role=connection_role(partner, (own.role for own in node.settings.roles)) or "",
        owner=owner,
        find=stored.find,
        is_replacement=lambda cdr: _is_replacement(node, cdr),
    )


def facts_of_token(version: str | None, token: Mapping[str, Any] | JsonText | None) -> Known:
    """The token of an authorization, for a version whose answer does not have it (V211-74)."""
    if token is None or not traits_of(version).needs_facts:
        return NOTHING_KNOWN
    return Known(token=read_json(str(token)) if isinstance(token, JsonText) else token)


class _Stored:
    """Stored objects, each read once: tariffs together, a location when it is asked for."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._found: dict[str, Mapping[str, Any] | None] = {}

    def read_tariffs(self, refs: Iterator[Ref]) -> None:
        by_pk = {ref.key.pk: ref for ref in refs}
        found = {ref.key.pk: read_json(str(tariff.body)) for ref, tariff in self._get_many(by_pk)}
        self._found |= {pk: found.get(pk) for pk in by_pk}

    def _get_many(self, by_pk: Mapping[str, Ref]) -> list[tuple[Ref, Any]]:
        return list(self._node.objects.get_many(by_pk.values()).items()) if by_pk else []

    def find(self, module: str, owner: Party, object_id: str) -> Mapping[str, Any] | None:
        """The stored object; a tariff only if it was read before."""
        ref = Ref(module, *owner, object_id)
        pk = ref.key.pk
        if module == "locations" and pk not in self._found:
            whole = self._node.locations.get_whole(ref)
            self._found[pk] = None if whole is None else read_json(str(whole.body))
        return self._found.get(pk)


def _tariffs_of(document: Mapping[str, Any], owner: Party | None) -> Iterator[Ref]:
    """The tariffs that the connectors of a location, an EVSE or a connector name."""
    if "party_id" in document:
        owner = Party(document["country_code"], document["party_id"])
    evses = document.get("evses") or [document]
    connectors = [each for evse in evses for each in evse.get("connectors") or [evse]]
    for tariff_id in (one for each in connectors for one in each.get("tariff_ids") or ()):
        if owner is not None:
            yield Ref("tariffs", *owner, tariff_id)


def _is_replacement(node: Node, cdr: Mapping[str, Any]) -> bool:
    """Tell whether a CDR of ours is not the first of its session, so that a credit CDR went before it."""
    if not cdr.get("session_id"):
        return False
    session = Ref("sessions", cdr["country_code"], cdr["party_id"], cdr["session_id"])
    refs = CdrRefs(session, maker_of(node.settings, session), node.directory.keyed_digest)
    return any(cdr["id"] == ref.id for number in _REPLACEMENTS for ref in refs.of(number))
