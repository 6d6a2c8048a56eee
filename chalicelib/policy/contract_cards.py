"""The cards of a contract, for sessions and CDRs of OCPI 2.1.1, which name the contract only (`auth_id`).

A CPO of 2.1.1 knows only tokens that it was sent. So each token that leaves for such a partner is noted under
its contract, and a session or CDR of the contract finds its card with one read. Nothing is noted or read for
partners of other versions.

Source: OCPI 2.1.1 mod_sessions, mod_cdrs; V211-41, V211-50
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.findings.reporting import report
from chalicelib.modules.tokens.objects import RFID
from chalicelib.protocol.json_text import Document, documents_in
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold
from chalicelib.reading.findings import MISSING, Finding, Outcome
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.table import Item

KEPT = timedelta(days=400)
"""As long as a session may be corrected; each time that the token is sent begins anew."""

_UNKNOWN_TYPE = "OTHER"
_COMMANDS = (Kind.START_SESSION, Kind.RESERVE_NOW)


class Card(NamedTuple):
    """A card of a contract."""

    owner: Party
    uid: str
    type: str


def note_cards(node: Node, version: str | None, kind: Kind | None, data: Any) -> None:
    """Note the tokens in what a partner is sent, if its version names contracts only.

    data: as in `facts_to_send`.
    """
    if not traits_of(version).needs_facts or kind not in (Kind.TOKEN, *_COMMANDS):
        return
    documents = documents_in(data)
    tokens = documents if kind is Kind.TOKEN else (each.get("token") for each in documents)
    expires_at = int((node.clock() + KEPT).timestamp())
    node.table.write_many([_item(token, expires_at) for token in tokens if isinstance(token, Mapping)])


def with_card(
    node: Node, partner: Partner, module: str, document: Document, addressee: Party | None
) -> Document:
    """Return a session or CDR whose `cdr_token` has a card, if it names a contract only.

    Where the contract has not exactly one card, or one RFID card, the contract stands for the uid, and the
    operator sees a finding. The owner stays missing if it is not known: it is never guessed.
    addressee: the eMSP that it is for, None where it may be any.
    """
    token = document.get("cdr_token")
    if not traits_of(partner.version).needs_facts or not isinstance(token, Mapping) or "uid" in token:
        return document
    contract = token.get("contract_id")
    if not isinstance(contract, str) or not contract:
        return document
    cards = [each for each in _cards_of(node, contract) if addressee is None or addressee.same_as(each.owner)]
    owners = {each.owner for each in cards} | ({addressee} if addressee else set())
    card = _only_card(cards)
    if card is None:
        reason = "the contract has no card, or several, that were sent to this partner"
        report(node, partner, module, [Finding(Outcome.REPAIRED, "cdr_token.uid", MISSING, reason)])
    named = {"uid": contract, "type": _UNKNOWN_TYPE} if card is None else {"uid": card.uid, "type": card.type}
    owner = owners.pop()._asdict() if len(owners) == 1 else {}
    return {**document, "cdr_token": {**token, **owner, **named}}


def _only_card(cards: list[Card]) -> Card | None:
    """The only card, or the only RFID card."""
    for chosen in (cards, [each for each in cards if each.type == RFID]):
        if len(chosen) == 1:
            return chosen[0]
    return None


def _cards_of(node: Node, contract: str) -> Iterator[Card]:
    for item in node.table.query_all("#pk = :pk", {"pk": _pk(contract)}):
        yield Card(Party(item["country_code"], item["party_id"]), item["uid"], item["type"])


def _item(token: Mapping[str, Any], expires_at: int) -> Item:
    card = {name: token[name] for name in ("country_code", "party_id", "uid", "type")}
    owner = Party(card["country_code"], card["party_id"])
    sk = f"{owner.key()}#{card['type']}#{fold(card['uid'])}"
    return {"pk": _pk(token["contract_id"]), "sk": sk, **card, "expires_at": expires_at}


def _pk(contract: str) -> str:
    return f"cards#{fold(contract)}"
