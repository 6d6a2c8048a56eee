"""Objects of a third party: those pushed to it, and those that it offers for pulling.

The RECEIVER side stores every object unchanged: a strict partner would hide mistakes of the node. The SENDER
side uses an opaque cursor in the Link, because the specification does not require offsets there.
Chapters: mod_tariffs, mod_locations, transport_and_format_pagination.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.third_party.server import Received

Object = dict[str, Any]
LIST_OF_LEVEL = (("evses", "uid"), ("connectors", "id"))
CAP = 3


class Outcome(NamedTuple):
    http_status: int
    status_code: int
    data: object = None
    headers: Mapping[str, str] = MappingProxyType({})


UNKNOWN_LOCATION = Outcome(404, 2003)
UNKNOWN = Outcome(404, 2001)


class Shelf:
    """The objects of one module. Keys are in one case, because ids are case-insensitive (TYP-01)."""

    def __init__(self, module: str) -> None:
        self.unknown = UNKNOWN_LOCATION if module == "locations" else UNKNOWN
        self.held: dict[tuple[str, ...], Object] = {}
        self.offered: list[Object] = []

    def hold(self, received: Received) -> Outcome:
        """The RECEIVER interface: `{country_code}/{party_id}/{id}[/{evse_uid}[/{connector_id}]]`."""
        key = tuple(segment.upper() for segment in received.segments[:3])
        if len(received.segments) == 3 and received.method == "PUT":
            known = key in self.held
            self.held[key] = received.document
            return Outcome(200 if known else 201, 1000)
        if key not in self.held:
            return self.unknown
        if received.method == "DELETE":
            del self.held[key]
            return Outcome(200, 1000)
        return self._reach_in(received, self.held[key])

    def _reach_in(self, received: Received, parent: Object) -> Outcome:
        trail, target = [parent], parent
        for (children, id_field), wanted in zip(LIST_OF_LEVEL, received.segments[3:], strict=False):
            siblings = target.setdefault(children, [])
            found = [child for child in siblings if child[id_field].upper() == wanted.upper()]
            if not found and received.method != "PUT":
                return self.unknown
            target = found[0] if found else {id_field: wanted}
            if not found:
                siblings.append(target)
            trail.append(target)
        if received.method == "GET":
            return Outcome(200, 1000, target)
        if received.method == "PUT":
            target.clear()
        target.update(received.document)
        for lifted in trail:
            # A parent's last_updated only grows (LOC-14): pushes of two EVSEs may arrive in any order.
            times = (received.document["last_updated"], lifted.get("last_updated", ""))
            lifted["last_updated"] = max(times)
        return Outcome(200, 1000)

    def page(self, received: Received, url: str) -> Outcome:
        """The SENDER interface's list, at most CAP objects a page."""
        start = int(received.query.get("cursor", "0").removeprefix("after-"))
        size = min(int(received.query.get("limit", CAP)), CAP)
        headers = {"X-Total-Count": str(len(self.offered)), "X-Limit": str(CAP)}
        if start + size < len(self.offered):
            query = urlencode({"cursor": f"after-{start + size}", "limit": size})
            headers["Link"] = f'<{url}?{query}>; rel="next"'
        return Outcome(200, 1000, self.offered[start : start + size], headers)
