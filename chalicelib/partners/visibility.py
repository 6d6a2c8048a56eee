"""Who sees what: one family of rules for the list, the single GET, the count and the push.

An object stands in one list of the store, and a partner is shown lists, so what it may see, what is
counted for it and what is on its pages cannot differ. A push goes to those who are shown the list that
the object stands in, less the object's owner and the partner that it came from.

*Roles.* What a CPO owns (locations, tariffs) is for the opposite roles: EMSP, NSP, OTHER, and NAP, which
the specification leaves open and whose purpose is a database of all public locations; and for hubs. SCSP
and other CPOs see nothing. A hub pushes what it received to its clients of those roles, but not to a
partner that is only a hub: in a ring of hubs an object would travel for ever. Other hubs may pull it. An
eMSP passes nothing on. What an eMSP owns (tokens) goes the other way: to CPOs and to hubs, and a hub
passes it on to CPOs; a CPO passes nothing on.

*publish.* A location with `publish` = false stands in a list of its own. It still goes to EMSP and HUB
partners, because they charge guests there and know who is in `publish_allowed_to`; NSP, NAP and OTHER
only display locations and are not shown it. When a location that such a partner has stops being
published, it is sent the location once more, so that it takes it off its map (`pushes.py`).

*Sessions* are for one partner only: the one whose driver charges, or the hub behind which that one is.
Each stands in a list for its *viewer*, a party in a role, and is shown to whoever plays that party in that
role, which can only be one partner (`directory.py`, claims). At a CPO `token_owners.py` tells the viewer
when a session is new; at a hub it is the eMSP that the session's token names. By party, so that a partner
that registers anew is shown what it was shown before, and a hub need not look up who is who.

*CDRs* are for the viewer of their session, and those that a hub makes for the session's CPO as well: such a
CDR stands twice, since it never changes, and one of the two in a list for its CPO (`modules/cdrs`).

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; mod_locations, use cases 3 to 5
of `publish`; mod_sessions_session_object, cdr_token; RTE-06, RTE-17, RTE-18, RTE-20, RTE-26, LOC-16,
OWN-01, SES-11
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.protocol.message import Party, Routing

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Interface
    from chalicelib.settings import Settings

MODULES = ("tariffs", "locations", "tokens")
"""The modules whose objects are meant for everybody of the opposite role, and so are broadcast (RTE-20)."""

PRIVATE = ("sessions", "cdrs")
"""The modules whose objects are for one partner only."""

PUSHED = (*MODULES, *PRIVATE)
"""The modules whose changes partners are told of."""

FORGOTTEN = ("tokens", *PRIVATE)
"""The modules whose objects are about drivers, and so are forgotten when their time has come."""

_OWNERS = {"tokens": "EMSP"}
_OPPOSITE_OF = {"CPO": "EMSP", "EMSP": "CPO"}
_KEEPERS = {"CPO": ("HUB", "EMSP"), "EMSP": ("HUB", "CPO")}

_CHARGE = frozenset({"EMSP"})
_DISPLAY = frozenset({"NSP", "NAP", "OTHER"})
_HIDDEN = "#unpublished"
_VIEWS = {"sessions": ("EMSP", "HUB"), "cdrs": ("EMSP", "HUB", "CPO")}


class Subject(NamedTuple):
    """What a push's audience depends on.

    source: id of the partner that the object came from, "" for our own. hidden: whether it stands in
    the list of what is not published. partition: the list that it stands in, which decides for what is
    private.
    """

    module: str
    owner: Party
    source: str
    hidden: bool = False
    partition: str = ""


class Viewer(NamedTuple):
    """To whom something private is shown: whoever plays this party in this role."""

    party: Party
    role: str


def owner_role(module: str) -> str:
    """The role that owns a module's objects (OWN-01).

    >>> owner_role("tokens"), owner_role("tariffs")
    ('EMSP', 'CPO')
    """
    return _OWNERS.get(module, "CPO")


def sender_role(interface: Interface) -> str:
    """The role of whoever sends requests to an interface: the owner, or who wants something of it (RTE-32).

    >>> from chalicelib.protocol.message import Interface
    >>> [sender_role(Interface(*of, ())) for of in (("sessions", "RECEIVER"), ("tokens", "SENDER"))]
    ['CPO', 'CPO']
    >>> [sender_role(Interface(*of, ())) for of in (("commands", "RECEIVER"), ("commands", "SENDER"))]
    ['EMSP', 'CPO']
    """
    if interface.module == "commands":
        return "EMSP" if interface.role == "RECEIVER" else "CPO"
    owner = owner_role(interface.module)
    return owner if interface.role == "RECEIVER" else _OPPOSITE_OF[owner]


def keeps_received(settings: Settings, module: str) -> bool:
    """Tell whether this node keeps what others own of a module: a hub, and the opposite role."""
    return any(settings.plays(role) for role in _KEEPERS[owner_role(module)])


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
    received = keeps_received(settings, module)
    return [name for hidden in _shades(module) for name in _lists(settings, module, hidden, received)]


def list_partitions(
    node: Node, module: str, partner: Partner | None, routing: Routing | None = None
) -> list[str]:
    """The lists that a partner's list of a module is made of; none when it may see nothing.

    partner: None while it is not known yet, for reading ahead: then all. routing: an OCPI-to that
    names one of the node's owning parties leaves that party's lists (RTE-06); the hub's own party means
    everything (RTE-26).
    """
    if module in PRIVATE:
        return _private_lists(node.settings, module, partner, routing or Routing())
    shades = [hidden for hidden in _shades(module) if partner is None or _sees(partner, module, hidden)]
    to = routing.receiver if routing else None
    if to is None or _is_party(node.settings, to, "HUB"):
        passes_on = node.settings.plays("HUB")
        return [name for hidden in shades for name in _lists(node.settings, module, hidden, passes_on)]
    is_owner = _is_party(node.settings, to, owner_role(module))
    return [partition_for_own(module, to, hidden) for hidden in shades if is_owner]


def _lists(settings: Settings, module: str, hidden: bool, with_received: bool) -> list[str]:
    owner = owner_role(module)
    own = [partition_for_own(module, own.party, hidden) for own in settings.roles if own.role == owner]
    return own + ([partition_for_received(module, hidden)] if with_received else [])


def _shades(module: str) -> tuple[bool, ...]:
    return (False, True) if module == "locations" else (False,)


# -- what is for one partner only --------------------------------------------------------------------


def partition_for_viewer(module: str, owner: Party | None, viewer: Viewer | None) -> str:
    """The list of what one party owns and one viewer is shown.

    owner: None for what was received. viewer: None for what nobody is shown.

    >>> partition_for_viewer("sessions", Party("pt", "ABC"), Viewer(Party("PT", "EVI"), "EMSP"))
    'sessions#PT*ABC#PT*EVI#EMSP'
    """
    owned = partition_for_received(module) if owner is None else partition_for_own(module, owner)
    return f"{owned}#{viewer.party.key()}#{viewer.role}" if viewer else f"{owned}#nobody"


def viewers(partner: Partner, module: str = "sessions") -> list[Viewer]:
    """As whom a partner is shown what is private: whatever shows, counts or pushes it asks here."""
    return [Viewer(own.party, own.role) for own in partner.roles if own.role in _VIEWS[module]]


def viewer_of(partner: Partner, partition: str) -> Viewer | None:
    """As whom a partner is shown a list of private objects, None when it is not shown it."""
    for viewer in viewers(partner, partition.partition("#")[0]):
        if partition.endswith(f"#{viewer.party.key()}#{viewer.role}"):
            return viewer
    return None


def _private_lists(settings: Settings, module: str, partner: Partner | None, routing: Routing) -> list[str]:
    to = routing.receiver
    owners: list[Party | None] = [own.party for own in settings.roles if own.role == owner_role(module)]
    if to is None or _is_party(settings, to, "HUB"):
        owners += [None] if settings.plays("HUB") else []
    else:
        owners = [owner for owner in owners if to.same_as(owner)]
    if partner is not None:
        seen = viewers(partner, module)
    else:
        # For reading ahead: what the caller says that it is. What it is shown is decided when it is known.
        seen = [Viewer(routing.sender, role) for role in _VIEWS[module]] if routing.sender else []
    return [partition_for_viewer(module, owner, viewer) for owner in owners for viewer in seen]


# -- single objects and pushes -----------------------------------------------------------------------


def may_see(partner: Partner, module: str, document: Mapping[str, Any]) -> bool:
    """Tell whether a partner may be answered with this object: whether its lists hold it."""
    return _sees(partner, module, is_hidden(module, document))


def is_pushed_to(settings: Settings, partner: Partner, subject: Subject) -> bool:
    """Tell whether a partner is to be pushed this object (RTE-17).

    It must offer the module's RECEIVER (RTE-18), and is neither the object's owner nor where it came from.
    """
    if not partner.is_registered or partner.endpoint(subject.module, "RECEIVER") is None:
        return False
    if subject.module in PRIVATE:
        is_passed_on = _is_party(settings, subject.owner, owner_role(subject.module)) or settings.plays("HUB")
        is_shown = viewer_of(partner, subject.partition) is not None
        return is_passed_on and is_shown and partner.id != subject.source
    if not _sees(partner, subject.module, subject.hidden):
        return False
    if _is_party(settings, subject.owner, owner_role(subject.module)):
        return True
    is_party_to_it = partner.id == subject.source or partner.plays_as(subject.owner)
    return settings.plays("HUB") and not is_party_to_it and partner.has_role(*_opposite(subject.module))


def audience(settings: Settings, partners: Iterable[Partner], subject: Subject) -> list[Partner]:
    """The partners that are to be pushed this object."""
    return [partner for partner in partners if is_pushed_to(settings, partner, subject)]


def _sees(partner: Partner, module: str, hidden: bool) -> bool:
    roles = _opposite(module) - _DISPLAY if hidden else _opposite(module)
    return partner.is_hub or partner.has_role(*roles)


def _opposite(module: str) -> frozenset[str]:
    """The roles that a module's objects are meant for."""
    return _CHARGE | _DISPLAY if owner_role(module) == "CPO" else frozenset({"CPO"})


def _is_party(settings: Settings, party: Party, role: str) -> bool:
    return any(own.role == role and own.party.same_as(party) for own in settings.roles)
