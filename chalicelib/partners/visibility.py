"""Who sees what: one family of rules for the list, the single GET, the count and the push.

An object stands in one list of the store, and a partner is shown lists, so what it may see, what is
counted for it and what is on its pages cannot differ. A push goes to those who are shown the list that
the object stands in, less the object's owner and the partner that it came from.

*Roles.* What a CPO owns (locations, tariffs) is for the opposite roles: EMSP, NSP, OTHER, and NAP, which
the specification leaves open and whose purpose is a database of all public locations; and for hubs. SCSP
and other CPOs see nothing. A hub pushes what it received to its clients of those roles, but not to a
partner that is only a hub: in a ring of hubs an object would travel for ever. Other hubs may pull it. An
eMSP passes nothing on.

*publish.* A location with `publish` = false stands in a list of its own. It still goes to EMSP and HUB
partners, because they charge guests there and know who is in `publish_allowed_to`; NSP, NAP and OTHER
only display locations and are not shown it. When a location that such a partner has stops being
published, it is sent the location once more, so that it takes it off its map (`pushes.py`).

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; mod_locations, use cases 3 to 5
of `publish`; RTE-06, RTE-17, RTE-18, RTE-20, RTE-26, LOC-16
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.protocol.message import Party, Routing

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings

MODULES = ("tariffs", "locations")
"""The modules whose objects are meant for everybody of the opposite role, and so are broadcast (RTE-20)."""

_CHARGE = frozenset({"EMSP"})
_DISPLAY = frozenset({"NSP", "NAP", "OTHER"})
_HIDDEN = "#unpublished"


class Subject(NamedTuple):
    """What a push's audience depends on.

    source: id of the partner that the object came from, "" for our own. hidden: whether it stands in
    the list of what is not published.
    """

    module: str
    owner: Party
    source: str
    hidden: bool = False


# -- lists -------------------------------------------------------------------------------------------


def partition_for_own(module: str, party: Party, hidden: bool = False) -> str:
    """The list that an object of one of our own parties stands in; hidden: as `is_hidden` tells.

    >>> partition_for_own("tariffs", Party("pt", "ABC"))
    'tariffs#PT*ABC'
    """
    return f"{module}#{party.key()}{_HIDDEN if hidden else ''}"


def partition_for_received(module: str, hidden: bool = False) -> str:
    """The list that an object received from a partner stands in; hidden: as `is_hidden` tells.

    >>> partition_for_received("locations", hidden=True)
    'locations#*#unpublished'
    """
    return f"{module}#*{_HIDDEN if hidden else ''}"


def is_hidden(module: str, document: Mapping[str, Any]) -> bool:
    """Tell whether an object belongs into a list of what is not published (LOC-16)."""
    return module == "locations" and document.get("publish") is False


def is_hidden_partition(partition: str) -> bool:
    """Tell whether a list is one of what is not published."""
    return partition.endswith(_HIDDEN)


def all_partitions(settings: Settings, module: str) -> list[str]:
    """Every list of a module that this node keeps: what its operator sees."""
    holds_received = settings.plays("HUB") or settings.plays("EMSP")
    return [name for hidden in _shades(module) for name in _lists(settings, module, hidden, holds_received)]


def list_partitions(
    node: Node, module: str, partner: Partner | None, routing: Routing | None = None
) -> list[str]:
    """The lists that a partner's list of a module is made of; none when it may see nothing.

    partner: None while it is not known yet, for reading ahead: then all. routing: an OCPI-to that
    names one of the node's CPO parties leaves that party's lists (RTE-06); the hub's own party means
    everything (RTE-26).
    """
    shades = [hidden for hidden in _shades(module) if partner is None or _sees(partner, hidden)]
    to = routing.receiver if routing else None
    if to is None or _is_party(node.settings, to, "HUB"):
        passes_on = node.settings.plays("HUB")
        return [name for hidden in shades for name in _lists(node.settings, module, hidden, passes_on)]
    return [partition_for_own(module, to, hidden) for hidden in shades if _is_party(node.settings, to, "CPO")]


def _lists(settings: Settings, module: str, hidden: bool, with_received: bool) -> list[str]:
    own = [partition_for_own(module, own.party, hidden) for own in settings.roles if own.role == "CPO"]
    return own + ([partition_for_received(module, hidden)] if with_received else [])


def _shades(module: str) -> tuple[bool, ...]:
    return (False, True) if module == "locations" else (False,)


# -- single objects and pushes -----------------------------------------------------------------------


def may_see(partner: Partner, module: str, document: Mapping[str, Any]) -> bool:
    """Tell whether a partner may be answered with this object: whether its lists hold it."""
    return _sees(partner, is_hidden(module, document))


def hears(settings: Settings, partner: Partner, subject: Subject) -> bool:
    """Tell whether a partner is to be pushed this object (RTE-17).

    It must offer the module's RECEIVER (RTE-18), and is neither the object's owner nor where it came from.
    """
    if not partner.is_registered or partner.endpoint(subject.module, "RECEIVER") is None:
        return False
    if not _sees(partner, subject.hidden):
        return False
    if _is_party(settings, subject.owner, "CPO"):
        return True
    is_party_to_it = partner.id == subject.source or partner.plays_as(subject.owner)
    return settings.plays("HUB") and not is_party_to_it and partner.has_role(*_CHARGE, *_DISPLAY)


def audience(settings: Settings, partners: Iterable[Partner], subject: Subject) -> list[Partner]:
    """The partners that are to be pushed this object."""
    return [partner for partner in partners if hears(settings, partner, subject)]


def _sees(partner: Partner, hidden: bool) -> bool:
    return partner.is_hub or partner.has_role(*_CHARGE) or (not hidden and partner.has_role(*_DISPLAY))


def _is_party(settings: Settings, party: Party, role: str) -> bool:
    return any(own.role == role and own.party.same_as(party) for own in settings.roles)
