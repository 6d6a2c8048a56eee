"""Pure functions that fill in what the operator left out of a location, an EVSE or a connector.

Each object gets the time of its own last change: an unchanged object keeps its `last_updated`, a changed
one gets a new one. An EVSE that the operator leaves out of a location is kept with status REMOVED, because
sessions and CDRs still refer to it. Ids stay as they were first written (LOC-09, OWN-04).

Malformed parts stay as they are; the validation that follows names them.

Source: OCPI 2.2.1 mod_locations, Flow and Lifecycle; LOC-03, LOC-09, OWN-04
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chalicelib.modules.locations.objects import REMOVED
from chalicelib.modules.locations.rules import CHILD_ID
from chalicelib.modules.own_objects import timed, with_ids
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold


def complete_location(
    document: Document, stored: Document | None, now: datetime, party: Party, location_id: str
) -> Document:
    """Return the location to store, with every EVSE that it ever had.

    stored: the stored location with its EVSEs.
    Raises: InvalidParameters when an id in the document differs from the URL.
    """
    named = with_ids(
        document, stored, country_code=party.country_code, party_id=party.party_id, id=location_id
    )
    before = (stored or {}).get("evses") or []
    evses = named.get("evses") or []
    if isinstance(evses, list) and (evses or before):
        named["evses"] = _complete_children("evses", evses, before, now) + _removed(evses, before, now)
    return timed(named, stored, now)


def complete_evse(document: Document, stored: Document | None, now: datetime, evse_uid: str) -> Document:
    """Return the EVSE to store.

    Raises: InvalidParameters when an id in the document differs from the URL.
    """
    named = with_ids(document, stored, uid=evse_uid)
    connectors = named.get("connectors")
    if isinstance(connectors, list):
        before = (stored or {}).get("connectors") or []
        named["connectors"] = _complete_children("connectors", connectors, before, now)
    return timed(named, stored, now)


def complete_connector(
    document: Document, stored: Document | None, now: datetime, connector_id: str
) -> Document:
    """Return the connector to store.

    Raises: InvalidParameters when an id in the document differs from the URL.
    """
    return timed(with_ids(document, stored, id=connector_id), stored, now)


def _complete_children(
    kind: str, children: Sequence[Any], stored: Sequence[Document], now: datetime
) -> list[Any]:
    id_name, complete = CHILD_ID[kind], {"evses": complete_evse, "connectors": complete_connector}[kind]
    stored_by_id = {fold(child[id_name]): child for child in stored}
    completed = []
    for child in children:
        if isinstance(child, dict) and isinstance(child.get(id_name), str):
            known = stored_by_id.get(fold(child[id_name]))
            child = complete(child, known, now, child[id_name])
        completed.append(child)
    return completed


def _removed(evses: Sequence[Any], stored: Sequence[Document], now: datetime) -> list[Document]:
    """Return the EVSEs that the document leaves out, with status REMOVED."""
    kept = {fold(str(evse.get("uid"))) for evse in evses if isinstance(evse, dict)}
    left_out = [evse for evse in stored if fold(evse["uid"]) not in kept]
    return [complete_evse({**evse, "status": REMOVED}, evse, now, evse["uid"]) for evse in left_out]
