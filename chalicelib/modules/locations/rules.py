"""Pure functions that apply a PUT or PATCH to a stored location, EVSE or connector.

**Order.** Pushes overtake each other. A push that is older than the stored object of the same level is
answered with success and ignored (LOC-14). An EVSE is compared with the EVSE, a connector with the
connector, so an update of one EVSE does not make an update of another look old. A parent's `last_updated`
rises to its child's and never falls (LOC-03, LOC-05, LOC-06).

**PUT** replaces: fields that it leaves out are removed (TRN-23). **PATCH** replaces the fields that it
names, each as a whole, needs `last_updated` (LOC-07), and its result must be a whole valid object. Lists of
EVSEs and connectors in a PATCH merge by their ids: OCPI leaves it open, and a PATCH is "not suitable to
remove information" (LOC-08).
A child in a PATCH that has no `last_updated` takes the PATCH's.

Source: OCPI 2.2.1 mod_locations, PUT Method and PATCH Method; LOC-03 … LOC-14, TRN-22 … TRN-27
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.modules.locations.objects import Connector, Evse, Location, find_connector
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.overtaking import Overtaken, Times, is_ahead, is_overtaken
from chalicelib.protocol.patch import check_time, replace_fields
from chalicelib.protocol.types import fold, sort_key, validate

Apply = Callable[[Document, Document], Document]
"""Applies a PATCH to fields: `replace_fields` or `merge_patch` (protocol/patch.py)."""

CHILD_ID = {"evses": "uid", "connectors": "id"}
_USUAL_LENGTH = len("2026-11-24T10:00:00Z")
_IDS = ("country_code", "party_id", "id", "uid")


def is_older(document: Mapping[str, Any], stored: Mapping[str, Any], times: Times | None = None) -> bool:
    """Return True when a received document is older than the stored one (LOC-14; protocol/overtaking.py)."""
    arrived = times.arrived if times else None
    return is_overtaken(document["last_updated"], stored["last_updated"], arrived)


def overtaken_by(stored: Document, document: Document, times: Times) -> list[Overtaken]:
    """Return both timestamps when a valid PUT or PATCH is older than the stored object, else nothing."""
    if is_older(document, stored, times):
        return [Overtaken(document["last_updated"], stored["last_updated"])]
    return []


def overtaken_children(stored: Document, patch: Document, times: Times) -> list[Overtaken]:
    """List the children in a valid PATCH that are too old: those that `_merge_children` leaves unchanged."""
    overtaken: list[Overtaken] = []
    for name, id_name in CHILD_ID.items():
        known = {fold(child[id_name]): child for child in stored.get(name) or ()}
        for child in patch.get(name) or ():
            there = known.get(fold(child[id_name]))
            timed = {"last_updated": patch["last_updated"], **child}
            if there is None:
                continue
            if is_older(timed, there, times):
                part = f"{name} {child[id_name]}"
                overtaken.append(Overtaken(timed["last_updated"], there["last_updated"], part))
            else:
                overtaken += overtaken_children(there, timed, times)
    return overtaken


def merge(
    stored: Document, patch: Document, times: Times | None = None, apply: Apply = replace_fields
) -> Document:
    """Apply a PATCH to a location, EVSE or connector; children merge by their ids.

    apply: the way to change its other fields, by default a partner's.
    Ids stay as they were first written, also when the PATCH spells them in another case.
    Raises: InvalidParameters for a list of children that cannot be merged.
    """
    lists = {name: patch[name] for name in CHILD_ID if name in patch}
    merged = apply(stored, {name: value for name, value in patch.items() if name not in lists})
    for name, children in lists.items():
        merged[name] = _merge_children(
            name, stored.get(name) or [], children, patch.get("last_updated"), times, apply
        )
    return {**merged, **{name: stored[name] for name in _IDS if name in stored}}


def _merge_children(
    name: str, stored: Sequence[Document], children: object, when: object, times: Times | None, apply: Apply
) -> list[Document]:
    id_name = CHILD_ID[name]
    if not isinstance(children, list):
        raise InvalidParameters(f"expected a list; {name} are not removed by a PATCH", field=name)
    if name == "connectors" and not children:
        raise InvalidParameters("an EVSE has at least one connector", field=name)
    merged = {fold(child[id_name]): child for child in stored}
    for number, child in enumerate(children):
        if not isinstance(child, dict) or not isinstance(child.get(id_name), str):
            raise InvalidParameters("required", field=f"{name}.{number}.{id_name}")
        timed = child if when is None or "last_updated" in child else {**child, "last_updated": when}
        known = merged.get(fold(child[id_name]))
        if known is None:
            merged[fold(child[id_name])] = timed
        elif when is None or not is_older(_timed(timed, name, number), known, times):
            merged[fold(child[id_name])] = merge(known, timed, times, apply)
    return list(merged.values())


def _timed(child: Document, name: str, number: int) -> Document:
    """Return the child after checking its `last_updated`.

    Raises: InvalidParameters when that is not a DateTime.
    """
    try:
        check_time(child)
    except InvalidParameters as error:
        raise InvalidParameters(error.detail, field=f"{name}.{number}.last_updated") from error
    return child


def with_connector(evse: Document, connector: Document, times: Times | None = None) -> Document:
    """Return the EVSE with a connector added or replaced, and at least as new as that connector (LOC-05).

    Source: OCPI 2.2.1 mod_locations_put_method
    """
    connectors = list(evse["connectors"])
    ids = [fold(one["id"]) for one in connectors]
    if fold(connector["id"]) in ids:
        connectors[ids.index(fold(connector["id"]))] = connector
    else:
        connectors.append(connector)
    last_updated = evse["last_updated"] if is_older(connector, evse, times) else connector["last_updated"]
    return {**evse, "connectors": connectors, "last_updated": last_updated}


def lifted_whole(location: Document, now: datetime) -> Document:
    """Raise the `last_updated` of a valid location and its EVSEs to those of their newest children (LOC-03).

    Returns the location itself when no parent is older than its child.
    """
    times = Times(now, None)
    stored = location.get("evses") or ()
    evses = [lifted(evse, times) if _is_behind(evse, "connectors") else evse for evse in stored]
    if any(after is not before for after, before in zip(evses, stored, strict=True)):
        location = {**location, "evses": evses}
    return lifted(location, times) if _is_behind(location, "evses") else location


def _is_behind(parent: Document, children: str) -> bool:
    stamp = parent["last_updated"]
    return any(_is_later(child["last_updated"], stamp) for child in parent.get(children) or ())


def _is_later(stamp: str, other: str) -> bool:
    """Compare two DateTimes; as text where both have the usual form, which is fast."""
    if len(stamp) == len(other) == _USUAL_LENGTH and stamp[-1] == other[-1] == "Z":
        return stamp > other
    return sort_key(stamp) > sort_key(other)


def lifted(document: Document, times: Times | None = None) -> Document:
    """Raise the `last_updated` of a valid location or EVSE to that of its newest child (LOC-03).

    A child with a time ahead of the clock is left out, so that the parent does not get a future time too.
    """
    children = document.get("evses") or document.get("connectors") or ()
    if times:
        children = [one for one in children if not is_ahead(one["last_updated"], times.now)]
    newest = max([document, *children], key=lambda one: sort_key(one["last_updated"]))
    return {**document, "last_updated": newest["last_updated"]}


def patch_location(stored: Document, patch: Document, times: Times | None = None) -> Document | None:
    """Return the location after a PATCH; None when the PATCH is older.

    stored: with its EVSEs when the PATCH has some.
    Raises: InvalidParameters when the result is not a valid location.
    """
    if is_older(patch, stored, times):
        return None
    merged = merge(stored, patch, times)
    validate(Location, merged)
    return lifted(merged, times)


def put_evse(stored: Document | None, document: Document, times: Times | None = None) -> Document | None:
    """Return the EVSE after a PUT, as new as its connectors; None when the PUT is older."""
    document = lifted(document, times)
    return None if stored is not None and is_older(document, stored, times) else document


def patch_evse(stored: Document | None, patch: Document, times: Times | None = None) -> Document | None:
    """Return the EVSE after a PATCH; None when the PATCH is older.

    Raises: LocationNotFound when there is no such EVSE; InvalidParameters when the result is not valid.
    """
    if stored is None:
        raise LocationNotFound("unknown EVSE")
    if is_older(patch, stored, times):
        return None
    merged = merge(stored, patch, times)
    validate(Evse, merged)
    return lifted(merged, times)


def put_connector(evse: Document | None, document: Document, times: Times | None = None) -> Document | None:
    """Return the EVSE after a PUT of one of its connectors; None when the PUT is older.

    Raises: LocationNotFound when there is no such EVSE (LOC-13).
    """
    if evse is None:
        raise LocationNotFound("unknown EVSE")
    known = find_connector(evse, document["id"])
    if known is not None and is_older(document, known, times):
        return None
    return with_connector(evse, document, times)


def patch_connector(
    evse: Document | None, connector_id: str, patch: Document, times: Times | None = None
) -> Document | None:
    """Return the EVSE after a PATCH of one of its connectors; None when the PATCH is older.

    Raises: LocationNotFound when there is no such EVSE or connector; InvalidParameters when the
    result is not a valid connector.
    """
    known = find_connector(evse, connector_id) if evse is not None else None
    if evse is None or known is None:
        raise LocationNotFound("unknown connector" if evse is not None else "unknown EVSE")
    if is_older(patch, known, times):
        return None
    merged = merge(known, patch)
    validate(Connector, merged)
    return with_connector(evse, merged, times)
