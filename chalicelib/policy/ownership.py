"""Checks for client owned objects: the caller may push this object, and body and URL agree on its ids.

The sender of a push owns the object. The receiver keeps a copy under the owner's ids, which are in the URL.
A hub pushes for other parties, so the URL of its pushes names a party that is not the hub's own (RTE-15).
A partner can never change an object of a party of this node. An object that one partner pushed is refused
from another partner, until the operator releases it.

Source: OCPI 2.2.1 transport_and_format, Client Owned Object Push; TRN-26 … TRN-28, OWN-01, OWN-02, RTE-15
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.errors import InvalidParameters, LocationNotFound, NotFound, OcpiError
from chalicelib.log import log
from chalicelib.partners.directory import claim_key
from chalicelib.protocol.message import Party, Request, Routing
from chalicelib.protocol.types import fold

if TYPE_CHECKING:
    from chalicelib.partners.directory import Directory, Partner
    from chalicelib.settings import Settings
    from chalicelib.storage.objects import KnownItems
    from chalicelib.storage.table import Table

_LONGEST = {"country_code": 2, "party_id": 3, "cdr_id": 39}
_LONGEST_ID = 36
_STEPS = {".", ".."}
"""Path steps: a URL cannot carry them as an id."""
_OF_LOCATIONS = {"location_id", "evse_uid", "connector_id"}


class FromPartner(Protocol):
    """A stored object. source: id of the partner that it came from, "" for this node itself."""

    @property
    def source(self) -> str: ...


def owner_in_url(request: Request) -> Party:
    """The party that the URL names as the owner.

    Raises: as `id_in_url`.
    """
    return Party(id_in_url(request, "country_code"), id_in_url(request, "party_id"))


def id_in_url(request: Request, name: str) -> str:
    """Read one id from the URL.

    Raises: when the value is not a possible id: NotFound or LocationNotFound for a GET, InvalidParameters
    for every other method.
    """
    value = request.path[name]
    longest = _LONGEST.get(name, _LONGEST_ID)
    is_name = value.isascii() and value.isprintable() and 0 < len(value) <= longest
    if is_name and value not in _STEPS:
        return value
    error: type[OcpiError] = InvalidParameters
    if request.method == "GET":
        error = LocationNotFound if name in _OF_LOCATIONS else NotFound
    text = f"expected 1 to {longest} printable ASCII characters in the URL, and no `.` or `..`"
    raise error(text, field=name)


def refuse_path_steps(*ids: str) -> None:
    """Refuse ids that no URL can carry: an object of a list may have them.

    Raises: InvalidParameters when one is empty, `.` or `..`.
    """
    if any(each in _STEPS or not each for each in ids):
        raise InvalidParameters("an id that is empty, `.` or `..` cannot stand in a URL", field="id")


def check_owner(
    settings: Settings, table: Table, partner: Partner, owner: Party, role: str, known: KnownItems = None
) -> None:
    """Check that a partner is the owner, or a hub that may act for the owner.

    A hub acts for owners that are not partners of this node themselves.
    role: the role that owns this kind of object, such as `CPO`. known: as in `may_act_for`.
    Raises: NotFound when the partner is neither (TRN-28).
    """
    if not settings.owns(owner) and partner.plays_as(owner, role):
        return
    if not may_act_for(settings, table, partner, owner, role, known):
        raise NotFound(f"{owner.country_code}/{owner.party_id} is not a {role} among the caller's roles")


def may_act_for(
    settings: Settings, table: Table, partner: Partner, party: Party, role: str, known: KnownItems = None
) -> bool:
    """Return True when a partner is a hub that may act for a party that is not its own.

    A hub may act for neither a party of this node nor a party that is another partner in this role.
    known: items that were read before. Cost: one read for a hub, unless the claim is known.
    """
    if not partner.is_hub or settings.owns(party):
        return False
    key = claim_key(party, role)
    claim = table.read([key], known).get(key)
    return claim is None or claim["partner_id"] == partner.id


def check_source(
    directory: Directory, partner: Partner, owner: Party, roles: Sequence[str], stored: FromPartner | None
) -> None:
    """Check that only the partner that an object came from changes it.

    A hub may act for many owners, two hubs for the same owner, and a party may move from a hub to a
    connection of its own. The operator decides which partner may then change the object: it releases the
    objects of the earlier partner, or removes that partner. The earlier partner is read only when it differs
    from `partner`, so this costs one call more for an object that moves.

    partner: the one that sends the change. roles: those that own such objects. stored: the object, None when
    there is none yet.
    Raises: NotFound when the object came from another partner and is not released.
    """
    if stored is None or stored.source in ("", partner.id):
        return
    origin = directory.get(stored.source)
    if origin is None or any(origin.has_released(owner, role) for role in roles):
        return
    log.warning("refused a change of an object that another partner pushed", extra={"source": stored.source})
    raise NotFound("known from another partner; the operator of this node may release it")


def is_callers(caller: Partner, owner: Party, role: str, source: str) -> bool:
    """Return True when the caller may read an object: the caller pushed it, or owns it."""
    return source == caller.id or caller.plays_as(owner, role)


def check_identity(body: Mapping[str, Any], **ids_in_url: str) -> None:
    """Check that each id in a body is the one in the URL. A body may leave ids out.

    Raises: InvalidParameters naming the first id that differs (TRN-27).
    """
    for name, expected in ids_in_url.items():
        value = body.get(name)
        if value is not None and not (isinstance(value, str) and fold(value) == fold(expected)):
            raise InvalidParameters(f"{str(value)[:40]!r} differs from {expected!r} in the URL", field=name)


def check_list_is_addressed(settings: Settings, routing: Routing, strict: bool) -> None:
    """Check that a request for a hub's list is for the hub itself.

    Open routing, without OCPI-to, is for single objects only. A list always comes from the hub itself,
    whichever parties own the objects in it (`hub/relay.py`), so a list without OCPI-to can mean nothing else.
    strict: OCPI-to is required all the same.
    Raises: InvalidParameters when OCPI-to is absent or names another party (RTE-24).
    """
    if not settings.plays("HUB"):
        return
    if routing.receiver is None:
        if not strict:
            return
        raise InvalidParameters("required to ask a hub for a list", field="OCPI-to-party-id")
    if not settings.owns(routing.receiver):
        raise InvalidParameters("this list is asked of the hub itself", field="OCPI-to-party-id")
