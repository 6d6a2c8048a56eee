"""Client owned objects: who may push an object, and what its URL and its body must agree on.

The sender of a push owns the object and the receiver keeps a copy under the owner's ids, which stand
in the URL. A hub pushes for others, so the URL of its pushes names a party that is none of its own
(RTE-15). What belongs to a party of this node is never taken from outside. What came from one partner is not
changed by another, until the operator releases it.

Source: OCPI 2.2.1 transport_and_format, Client Owned Object Push; TRN-26 … TRN-28, OWN-01, OWN-02, RTE-15
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.errors import InvalidParameters, LocationNotFound, NotFound, OcpiError
from chalicelib.log import log
from chalicelib.partners.directory import claim_key
from chalicelib.protocol.message import Party, Request, Routing
from chalicelib.protocol.types import fold

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.settings import Settings

_LONGEST = {"country_code": 2, "party_id": 3, "cdr_id": 39}
_LONGEST_ID = 36
_STEPS = {".", ".."}
"""Steps in a path, which no URL can hold as an id."""
_OF_LOCATIONS = {"location_id", "evse_uid", "connector_id"}


class FromPartner(Protocol):
    """An object as it is stored; source: id of the partner that it came from, "" for this node itself."""

    @property
    def source(self) -> str: ...


def owner_in_url(request: Request) -> Party:
    """The party that the URL names as the owner.

    Raises: as `id_in_url`.
    """
    return Party(id_in_url(request, "country_code"), id_in_url(request, "party_id"))


def id_in_url(request: Request, name: str) -> str:
    """One id of the URL.

    Raises: NotFound or LocationNotFound for a GET, InvalidParameters for anything else, when nothing
    can have this id.
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


def check_owner(node: Node, request: Request, owner: Party, role: str) -> None:
    """See that the caller is the owner, or a hub, which speaks for owners that are not partners themselves.

    role: the one that owns this kind of object, such as `CPO`.
    Raises: NotFound when it is not; the object is none of its business (TRN-28).
    """
    caller = request.caller
    if not node.settings.owns(owner) and caller.plays_as(owner, role):
        return
    if not may_speak_for(node, request, owner, role):
        raise NotFound(f"{owner.country_code}/{owner.party_id} is not a {role} among the caller's roles")


def may_speak_for(node: Node, request: Request, party: Party, role: str) -> bool:
    """Tell whether the caller is a hub that may speak for a party that is not its own.

    Not for one of this node, nor for one that is another partner in this role. One call, unless the claim was
    read with the caller; none for a caller that is no hub.
    """
    if not request.caller.is_hub or node.settings.owns(party):
        return False
    key = claim_key(party, role)
    claim = node.table.read([key], request.snapshot).get(key)
    return claim is None or claim["partner_id"] == request.caller.id


def check_source(node: Node, request: Request, owner: Party, role: str, stored: FromPartner | None) -> None:
    """See that an object that is here is changed only by the partner that it came from.

    A hub may speak for many owners, two hubs for the same one, and a party may move from a hub to a partner
    of its own. Whose word counts then, the operator decides: by releasing the objects of the partner that
    they came from, or by removing it. It is read only then, so an object that moves costs one call more.

    stored: the object, None when there is none yet.
    Raises: NotFound.
    """
    if stored is None or stored.source in ("", request.caller.id):
        return
    origin = node.directory.get(stored.source)
    if origin is None or origin.has_released(owner, role):
        return
    log.warning("an object came from another partner and is not changed", extra={"source": stored.source})
    raise NotFound("known from another partner; the operator of this node may release it")


def is_callers(request: Request, owner: Party, role: str, source: str) -> bool:
    """Tell whether the caller may look at an object: it came from the caller, or is its party's."""
    return source == request.caller.id or request.caller.plays_as(owner, role)


def check_identity(body: Mapping[str, Any], **ids_in_url: str) -> None:
    """See that the ids in a body, where they are there, are those of the URL.

    Raises: InvalidParameters naming the first that differs (TRN-27).
    """
    for name, expected in ids_in_url.items():
        value = body.get(name)
        if value is not None and not (isinstance(value, str) and fold(value) == fold(expected)):
            raise InvalidParameters(f"{str(value)[:40]!r} differs from {expected!r} in the URL", field=name)


def check_list_is_addressed(settings: Settings, routing: Routing) -> None:
    """See that a hub's list is asked for by the hub's name: open routing is for single objects.

    A list that is for one partner only is asked of the hub, whoever its owners are (`partners/routing.py`).
    Raises: InvalidParameters (RTE-24).
    """
    if not settings.plays("HUB"):
        return
    if routing.receiver is None:
        raise InvalidParameters("required to ask a hub for a list", field="OCPI-to-party-id")
    if not settings.owns(routing.receiver):
        raise InvalidParameters("this list is asked of the hub itself", field="OCPI-to-party-id")
