"""The owner of the object that a request means: an id is unique per owner only, and the URL has no owner.

*Writing*: only a node's own objects can be written. A CPO owns tariffs and locations, an eMSP owns tokens.
The owner is the party that `?party=PT*ABC` or the body names, else the node's first party of that role. A
node without the role owns no object of the module.

*Reading*: the object is looked up among all objects of this node: those of its own parties and, where it
stores received objects, those of the owners recorded in `policy/received_parties.py`, all in one read. When
one object has the id, it is the one; when several owners have the id, the request has to name one with
`?party=`. When no object is found, the lookup is repeated with the parties of all partners, because an owner
whose first object was received a second ago may not be recorded yet.

Source: OCPI 2.2.1 transport_and_format, Client Owned Objects; OWN-02, TRP-17
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.errors import InvalidParameters, LocationNotFound, NotFound
from chalicelib.modules.received_objects import ASIDE
from chalicelib.modules.registry import find_module
from chalicelib.node import Node
from chalicelib.operator_api.problems import bad_query, not_offered
from chalicelib.partners.directory import Directory
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.visibility import all_partitions, keeps_received, owner_roles, partition_for_own
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.protocol.types import fold
from chalicelib.routes import OperatorCall
from chalicelib.settings import Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import LocationStore
from chalicelib.storage.objects import ObjectStore, Stored
from chalicelib.storage.table import Key, Snapshot, Table

_PARTY = re.compile(r"([A-Za-z]{2})\*([A-Za-z0-9]{3})", re.ASCII)


def party_in_query(request: Request, name: str = "party") -> Party | None:
    """The party in a query parameter such as `?party=PT*ABC`; None when the parameter is missing.

    Raises: Problem (400) when the value is no party.
    """
    text = request.query.get(name)
    if not text:
        return None
    match = _PARTY.fullmatch(text)
    if match is None:
        raise bad_query(name, "expected a country code and a party id such as PT*ABC")
    return Party(*match.groups())


def own_parties(settings: Settings, module: str) -> list[Party]:
    """The parties of this node that own objects of a module."""
    parties = settings.parties(*owner_roles(module))
    return list({party.key(): party for party in parties}.values())


def page_of(call: OperatorCall, module: str, partitions: Callable[[], Sequence[str]]) -> Reply:
    """Answer a page of a module's objects. partitions: finds the lists, after the query was checked."""
    query, store = PageQuery.read(call.request), _store(call.node, module)
    return page_reply(call.request, query, store.page(partitions(), query, call.snapshot))


def public_page(call: OperatorCall, module: str) -> Reply:
    """Answer a page of this node's objects of a public module: own and received ones."""
    return page_of(call, module, lambda: listed_partitions(call.node.settings, call.request, module))


def keys_of_public_page(node: Node, request: Request, module: str) -> Sequence[Key]:
    """The keys that `public_page` reads first, to be read together with the operator's key."""
    lists = listed_partitions(node.settings, request, module)
    return _store(node, module).keys_for_page(lists, PageQuery.read(request))


def _store(node: Node, module: str) -> ObjectStore | LocationStore:
    return node.locations if module == "locations" else node.objects


def narrow_to_party(settings: Settings, request: Request, module: str, lists: Sequence[str]) -> list[str]:
    """Select the partitions of a private module to list: all, or with `?party=` those of one own party.

    Raises: Problem (400) when the party is not one of this node's own.
    """
    named = party_in_query(request)
    if named is None:
        return list(lists)
    if not any(own.same_as(named) for own in own_parties(settings, module)):
        role = _roles_of(module)
        text = f"{named.key()} is not a {role} party of this node; what it received is listed as a whole"
        raise bad_query("party", text)
    return [name for name in lists if name.startswith(f"{partition_for_own(module, named)}#")]


def listed_partitions(settings: Settings, request: Request, module: str) -> list[str]:
    """The partitions that hold this node's objects of a module; with `?party=`, those of one own party.

    Raises: Problem (400) when the party is not this node's own: received objects of all owners share one
    partition.
    """
    everything = all_partitions(settings, module)
    named = party_in_query(request)
    if named is None:
        return everything
    wanted = {partition_for_own(module, named), partition_for_own(module, named, hidden=True)}
    chosen = [partition for partition in everything if partition in wanted]
    if not chosen:
        role = _roles_of(module)
        text = f"{named.key()} is not a {role} party of this node; what it received is listed as a whole"
        raise bad_query("party", text)
    return chosen


def owner_to_write(
    settings: Settings, request: Request, document: Mapping[str, Any] | None = None, module: str = "locations"
) -> Party:
    """The own party whose object a request changes.

    Raises: Problem when this node owns nothing of the module or the party of the query is not its own,
    InvalidParameters when the body names another party than the query or than this node's.
    """
    own, role = own_parties(settings, module), _roles_of(module)
    if not own:
        text = f"this node is no {role}: it owns no {module}, it only shows what it received"
        raise not_offered(text, ["GET"])
    named = party_in_query(request)
    if named is not None:
        own = [party for party in own if party.same_as(named)]
        if not own:
            raise bad_query("party", f"{named.key()} is not a {role} party of this node")
    return _owner_in_body(document or {}, own, role)


def _owner_in_body(document: Mapping[str, Any], own: Sequence[Party], role: str) -> Party:
    for name in ("country_code", "party_id"):
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise InvalidParameters("expected a string", field=name)
        own = [party for party in own if fold(getattr(party, name)) == fold(value)]
        if not own:
            text = f"{value[:40]!r} is of no {role} party that this request may mean"
            raise InvalidParameters(text, field=name)
    return own[0]


def keys_to_find(node: Node, request: Request, module: str, variant: str = "") -> list[Key]:
    """The keys that `find_ref` reads first, to be read together with the operator's key.

    variant: a token's type.
    """
    named = party_in_query(request)
    parties = [named] if named is not None else own_parties(node.settings, module)
    refs = _refs(request, module, parties, variant)
    if "evse_uid" in request.path:
        keys = [key for ref in refs for key in node.locations.keys_for_get(ref)]
    else:
        keys = [ref.key for ref in refs]
    is_kept = named is None and keeps_received(node.settings, module)
    return [*keys, owners_key(module)] if is_kept else keys


def object_reply(call: OperatorCall, module: str, variant: str = "") -> Reply:
    """Answer one object, or with `?set_aside=true` what was left out of it. Raises: as `find_ref`."""
    found = find_object(call, module, variant)
    return aside_reply(found.extra.get(ASIDE)) if asks_for_aside(call.request) else Reply(data=found.body)


def asks_for_aside(request: Request) -> bool:
    """Return whether a request asks for what was left out of a received object, with `?set_aside=true`.

    Raises: Problem (400) for another value.
    """
    text = request.query.get("set_aside", "false")
    if text not in ("true", "false"):
        raise bad_query("set_aside", "expected true or false")
    return text == "true"


def aside_reply(aside: object) -> Reply:
    """Answer the parts that were set aside, as they came, by their paths. aside: as stored."""
    return Reply(data=JsonText(str(aside or "{}")))


def find_object(call: OperatorCall, module: str, variant: str = "") -> Stored:
    """Read the object that a request's id means. Raises: as `find_ref`."""
    ref, items = find_ref(call, module, variant)
    found = call.node.objects.get(ref, items)
    assert found is not None
    return found


def find_ref(call: OperatorCall, module: str, variant: str = "") -> tuple[Ref, Snapshot]:
    """Find the object that a request's id means; returns it with the items that were read.

    Raises: NotFound when no owner has the id; Problem (400) when several owners have it and the request
    names none of them.
    """
    named = party_in_query(call.request)
    known = own_parties(call.node.settings, module) + known_owners(call.snapshot, module)
    parties = [named] if named is not None else known
    found, items = _existing(call.node.table, _refs(call.request, module, parties, variant), call.snapshot)
    if not found and named is None and keeps_received(call.node.settings, module):
        refs = _refs(call.request, module, _partners(call.node.directory, module), variant)
        found, items = _existing(call.node.table, refs, items)
    if len(found) > 1:
        owners = ", ".join(Party(ref.country_code, ref.party_id).key() for ref in found)
        raise bad_query("party", f"required here, because several parties have one of this id: {owners}")
    if not found:
        unknown = f"unknown {module.removesuffix('s')}"
        raise LocationNotFound(unknown) if module == "locations" else NotFound(unknown)
    return found[0], items


def _roles_of(module: str) -> str:
    return " or ".join(owner_roles(module))


def _refs(request: Request, module: str, parties: Sequence[Party], variant: str) -> list[Ref]:
    object_id = id_in_url(request, find_module(module).id_name)
    return [Ref(module, *party, object_id, variant) for party in parties]


def _existing(table: Table, refs: Sequence[Ref], known: Mapping[Key, Any]) -> tuple[list[Ref], Snapshot]:
    ref_by_key = {ref.key: ref for ref in refs}
    items = table.read(ref_by_key, known)
    return [ref for key, ref in ref_by_key.items() if key in items], items


def _partners(directory: Directory, module: str) -> list[Party]:
    return [party for partner in directory.all() for party in partner.parties(*owner_roles(module))]
