"""Finds the partner that receives a session: the one that issued its token.

At a hub it is the partner that plays the eMSP of the token. At a CPO an eMSP may be connected directly, or
behind a hub, or both. So the CPO takes the first of these:

1. the partner that sent the token, if the token is stored here;
2. the partner that plays the token's eMSP;
3. the partner that started the session by command: a token in a command may be unknown here (CMD-10);
4. the hub, which knows more eMSPs than we do;
5. no partner.

Source: OCPI 2.2.1 mod_sessions_session_object, cdr_token; SES-11, RTE-20, CMD-10, TRP-17
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.partners.directory import PartnerRole, claim_of
from chalicelib.policy.remote_starts import find_start, start_keys
from chalicelib.policy.visibility import Viewer
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory, Partner


def emsp_of(cdr_token: Mapping[str, Any]) -> Viewer:
    """Return the eMSP that a token names, as a viewer."""
    return Viewer(Party(cdr_token["country_code"], cdr_token["party_id"]), "EMSP")


def keys_of_viewer(session: Mapping[str, Any]) -> list[Key]:
    """Return the keys that `find_viewer` reads first.

    session: valid.
    """
    token = session["cdr_token"]
    emsp = emsp_of(token)
    known = Ref("tokens", *emsp.party, token["uid"], token["type"]).key
    claim = Key(claim_of(PartnerRole(role="EMSP", **emsp.party._asdict())))
    return [known, claim, *start_keys(token, session.get("authorization_reference"))]


def find_viewer(
    node: Node, session: Mapping[str, Any], read: Mapping[Key, Item] | None = None
) -> Viewer | None:
    """Find the viewer of one of our own sessions; None if no partner may see it.

    One call, more if the eMSP is no partner. session: valid; its `cdr_token` and `authorization_reference`
    are used. read: an earlier read of `keys_of_viewer`.
    """
    token, reference = session["cdr_token"], session.get("authorization_reference")
    emsp = emsp_of(token)
    if node.settings.owns(emsp.party, "EMSP"):
        return None
    known, claim, *_ = keys = keys_of_viewer(session)
    items = node.table.read(keys, read)
    source, holder = items.get(known, {}).get("src"), items.get(claim, {}).get("partner_id")
    if source and source != holder and (viewer := _viewer(node.directory.get(source), emsp.party)):
        return viewer
    if holder:
        return emsp
    start = find_start(node.table, token, reference, items)
    starter = node.directory.get(start.partner_id) if start else None
    return _viewer(starter, emsp.party) or _hub(node.directory)


def _viewer(partner: Partner | None, emsp: Party) -> Viewer | None:
    """Return the viewer under which a partner sees the session of an eMSP's token."""
    if partner is None or not partner.is_registered:
        return None
    if partner.plays_as(emsp, "EMSP"):
        return Viewer(emsp, "EMSP")
    played = [Viewer(party, role) for role in ("HUB", "EMSP") for party in partner.parties(role)]
    return played[0] if played else None


def _hub(directory: Directory) -> Viewer | None:
    hubs = (partner for partner in directory.all() if partner.is_registered and partner.is_hub)
    return next((Viewer(hub.parties("HUB")[0], "HUB") for hub in hubs), None)
