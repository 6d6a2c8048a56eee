"""Rules of visibility: the same for the list, the single GET, the count and the push.

Each object is in one partition (a list of the store), and a partner sees whole partitions. So what a partner
may see, its total and its pages cannot differ. A push goes to the partners that see the object's partition,
except the object's owner and its source.

*Roles.* Objects of a CPO (locations, tariffs) are for hubs and the opposite roles: EMSP, NSP, OTHER, and NAP.
The specification does not define NAP here; its purpose is a database of all public locations. SCSP
and other CPOs see nothing. A hub pushes received objects to its clients of those roles, but not to a
partner that is only a hub: in a ring of hubs an object would travel for ever. Other hubs may pull them. An
eMSP passes nothing on. Objects of an eMSP (tokens) go the other way: to CPOs and to hubs, and a hub
passes them on to CPOs; a CPO passes nothing on.

*publish.* Locations with `publish` = false have partitions of their own. EMSP and HUB partners still see
them, because they charge guests there and know who is in `publish_allowed_to`. NSP, NAP and OTHER only
display locations and do not see them. When a location stops being published, such a partner receives it
once more, so that it removes the location from its map (`pushing/pushes.py`). OCPI 2.1.1 has no `publish`, so
a partner of 2.1.1 could not hide such a location from its drivers: it is not listed for it, and its push is
held.

*Sessions* are for one partner only: the eMSP whose driver charges, or the hub in front of that eMSP. Each
session is in a partition for its *viewer*, a party in a role. Only one partner can play that party in that
role (`directory.py`, claims). At a CPO `session_viewers.py` finds the viewer of a new session; at a hub the
viewer is the eMSP that the session's token names. A viewer is a party and no partner id, so a partner that
registers again sees its earlier objects, and a hub needs no look-up of the partner.

*CDRs* are for the viewer of their session. A CDR that a hub makes is for the session's CPO as well: it is
stored twice, because it never changes, once in a partition for its CPO (`modules/cdrs`).

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; mod_locations, use cases 3 to 5
of `publish`; mod_sessions_session_object, cdr_token; RTE-06, RTE-17, RTE-18, RTE-20, RTE-26, LOC-16,
OWN-01, SES-11
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.modules.registry import find_module, is_private
from chalicelib.partners.roles import OPPOSITE
from chalicelib.protocol.message import Party, Routing
from chalicelib.routes import Interface
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings

_KEEPERS = {"CPO": ("HUB", "EMSP"), "EMSP": ("HUB", "CPO")}

_CHARGE = frozenset({"EMSP"})
_DISPLAY = frozenset({"NSP", "NAP", "OTHER"})
_HIDDEN = "#unpublished"


class Subject(NamedTuple):
    """The properties of an object that decide about the audience of its push.

    source: id of the partner that the object came from, "" for our own. hidden: whether it is in the
    partition of unpublished objects. partition: the list that contains it, which decides for private objects.
    """

    module: str
    owner: Party
    source: str
    hidden: bool = False
    partition: str = ""


class Viewer(NamedTuple):
    """A party in a role that may see a private object."""

    party: Party
    role: str


def owner_role(module: str) -> str:
    """The role that owns a module's objects (OWN-01), the first one if there are two.

    >>> owner_role("tokens"), owner_role("tariffs")
    ('EMSP', 'CPO')
    """
    return find_module(module).owner_role


def owner_roles(module: str) -> tuple[str, ...]:
    """All roles that own a module's objects.

    >>> owner_roles("invoicereconciliation")
    ('CPO', 'EMSP')
    """
    return find_module(module).owner_roles


def sender_role(interface: Interface) -> str:
    """The role that sends requests to an interface: the owner's role, or the opposite one (RTE-32).

    >>> from chalicelib.routes import Interface
    >>> [sender_role(Interface(*of, ())) for of in (("sessions", "RECEIVER"), ("tokens", "SENDER"))]
    ['CPO', 'CPO']
    >>> [sender_role(Interface(*of, ())) for of in (("commands", "RECEIVER"), ("commands", "SENDER"))]
    ['EMSP', 'CPO']
    """
    owner = owner_role(interface.module)
    return owner if interface.role == "RECEIVER" else OPPOSITE[owner]


def keeps_received(settings: Settings, module: str) -> bool:
    """Return whether this node stores objects of other owners: a hub and the opposite role do."""
    return any(settings.plays(role) for owner in owner_roles(module) for role in _KEEPERS[owner])


def partition_for_own(module: str, party: Party, hidden: bool = False) -> str:
    """The list that contains an object of one of our own parties; hidden: result of `is_hidden`.

    >>> partition_for_own("tariffs", Party("pt", "ABC"))
    'tariffs#PT*ABC'
    """
    return f"{module}#{party.key()}{_HIDDEN if hidden else ''}"


def partition_for_received(module: str, hidden: bool = False) -> str:
    """The list that contains an object received from a partner; hidden: result of `is_hidden`.

    >>> partition_for_received("locations", hidden=True)
    'locations#*#unpublished'
    """
    return f"{module}#*{_HIDDEN if hidden else ''}"


def is_hidden(module: str, document: Mapping[str, Any]) -> bool:
    """Return whether an object belongs in a list of unpublished objects (LOC-16)."""
    field = find_module(module).hidden_field
    return bool(field) and document.get(field) is False


def is_hidden_partition(partition: str) -> bool:
    """Return whether a list is one of unpublished objects."""
    return partition.endswith(_HIDDEN)


def all_partitions(settings: Settings, module: str) -> list[str]:
    """Every list of a public module at this node: the operator sees all of them."""
    received = keeps_received(settings, module)
    return [name for hidden in _shades(module) for name in _lists(settings, module, hidden, received)]


def list_partitions(
    node: Node, module: str, partner: Partner | None, routing: Routing | None = None
) -> list[str]:
    """The lists of a module that a partner sees, in order; empty if it may see nothing.

    partner: None while it is not known yet, for reading ahead: then all lists. routing: an OCPI-to that
    names one of the node's owning parties selects that party's lists (RTE-06); the hub's own party selects
    all (RTE-26).
    """
    if is_private(module):
        return _private_lists(node.settings, module, partner, routing or Routing())
    shades = [hidden for hidden in _shades(module) if partner is None or _is_listed(partner, module, hidden)]
    to = routing.receiver if routing else None
    if to is None or node.settings.owns(to, "HUB"):
        passes_on = node.settings.plays("HUB")
        return [name for hidden in shades for name in _lists(node.settings, module, hidden, passes_on)]
    is_owner = node.settings.owns(to, owner_role(module))
    return [partition_for_own(module, to, hidden) for hidden in shades if is_owner]


def _lists(settings: Settings, module: str, hidden: bool, with_received: bool) -> list[str]:
    own = [partition_for_own(module, party, hidden) for party in settings.parties(owner_role(module))]
    return own + ([partition_for_received(module, hidden)] if with_received else [])


def _shades(module: str) -> tuple[bool, ...]:
    return (False, True) if find_module(module).hidden_field else (False,)


def partition_for_viewer(module: str, owner: Party | None, viewer: Viewer | None) -> str:
    """The list of the objects that one party owns and one viewer sees.

    owner: None for received objects. viewer: None for objects that no partner may see.

    >>> partition_for_viewer("sessions", Party("pt", "ABC"), Viewer(Party("PT", "EVI"), "EMSP"))
    'sessions#PT*ABC#PT*EVI#EMSP'
    """
    owned = partition_for_received(module) if owner is None else partition_for_own(module, owner)
    return f"{owned}#{viewer.party.key()}#{viewer.role}" if viewer else f"{owned}#nobody"


def viewer_in(partition: str) -> Viewer | None:
    """The viewer of a list of private objects; None for one that no partner may see.

    >>> viewer_in("sessions#PT*ABC#PT*EVI#EMSP")
    Viewer(party=Party(country_code='PT', party_id='EVI'), role='EMSP')
    """
    *_, key, role = partition.split("#")
    country_code, star, party_id = key.partition("*")
    return Viewer(Party(country_code, party_id), role) if star and party_id else None


def viewers(partner: Partner, module: str = "sessions") -> list[Viewer]:
    """The viewers that a partner plays; the list, the count and the push all use this function."""
    shown_to = find_module(module).viewer_roles
    return [Viewer(own.party, own.role) for own in partner.roles if own.role in shown_to]


def viewer_of(partner: Partner, partition: str) -> Viewer | None:
    """The viewer under which a partner sees a list of private objects; None if it may not see the list."""
    for viewer in viewers(partner, partition.partition("#")[0]):
        if partition.endswith(f"#{viewer.party.key()}#{viewer.role}"):
            return viewer
    return None


def _private_lists(settings: Settings, module: str, partner: Partner | None, routing: Routing) -> list[str]:
    to = routing.receiver
    owners: list[Party | None] = [*settings.parties(*owner_roles(module))]
    if to is None or settings.owns(to, "HUB"):
        owners += [None] if settings.plays("HUB") else []
    else:
        owners = [owner for owner in owners if to.same_as(owner)]
    if partner is not None:
        seen = viewers(partner, module)
    else:
        # Reading ahead: trust the sender header for now. The lists are chosen again when the caller is known.
        sender = routing.sender
        seen = [Viewer(sender, role) for role in find_module(module).viewer_roles] if sender else []
    names = [partition_for_viewer(module, owner, viewer) for owner in owners for viewer in seen]
    return list(dict.fromkeys(names))


def may_see(partner: Partner, module: str, document: Mapping[str, Any]) -> bool:
    """Return whether a partner may see this object: whether one of its lists contains it."""
    return _is_listed(partner, module, is_hidden(module, document))


def is_withheld(partner: Partner, hidden: bool) -> bool:
    """Return whether an object is kept from a partner whose OCPI version has no word for a hidden one."""
    return hidden and not traits_of(partner.version).has_publish


def is_pushed_to(settings: Settings, partner: Partner, subject: Subject) -> bool:
    """Return whether this object is pushed to a partner (RTE-17).

    The partner must offer the module's RECEIVER (RTE-18), and is neither the object's owner nor its source.
    """
    if not partner.is_registered or partner.endpoint(subject.module, "RECEIVER") is None:
        return False
    if is_private(subject.module):
        is_own = settings.owns(subject.owner, *owner_roles(subject.module))
        is_passed_on = is_own or settings.plays("HUB")
        is_shown = viewer_of(partner, subject.partition) is not None
        return is_passed_on and is_shown and partner.id != subject.source
    if not _sees(partner, subject.module, subject.hidden):
        return False
    if settings.owns(subject.owner, owner_role(subject.module)):
        return True
    is_party_to_it = partner.id == subject.source or partner.plays_as(subject.owner)
    return settings.plays("HUB") and not is_party_to_it and partner.has_role(*_opposite(subject.module))


def audience(settings: Settings, partners: Iterable[Partner], subject: Subject) -> list[Partner]:
    """The partners that this object is pushed to."""
    return [partner for partner in partners if is_pushed_to(settings, partner, subject)]


def _is_listed(partner: Partner, module: str, hidden: bool) -> bool:
    return _sees(partner, module, hidden) and not is_withheld(partner, hidden)


def _sees(partner: Partner, module: str, hidden: bool) -> bool:
    roles = _opposite(module) - _DISPLAY if hidden else _opposite(module)
    return partner.is_hub or partner.has_role(*roles)


def _opposite(module: str) -> frozenset[str]:
    """The roles that may see a module's objects."""
    return _CHARGE | _DISPLAY if owner_role(module) == "CPO" else frozenset({"CPO"})
