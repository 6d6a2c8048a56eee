"""Builders of objects and decisions, so that a test names only the fields it is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.pagination import Page, PageQuery
from chalicelib.protocol.types import sort_key
from chalicelib.storage.locations import LocationStore, WriteEvse, WriteLocation
from chalicelib.storage.objects import Changed, ObjectStore, Ref, Remove, Write

OWN = "tariffs#PT*ABC"
SITES = "locations#PT*ABC"
NOON = "2026-11-24T12:00:00Z"
LATER = "2026-11-24T13:00:00.5Z"


def now() -> datetime:
    """A clock with a fixed time."""
    return datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def tariff_ref(tariff_id: str) -> Ref:
    return Ref("tariffs", "PT", "ABC", tariff_id)


def site_ref(location_id: str) -> Ref:
    return Ref("locations", "PT", "ABC", location_id)


def tariff(tariff_id: str, last_updated: str = NOON, **more: Any) -> JsonText:
    return JsonText(write_json({"id": tariff_id, **more, "last_updated": last_updated}))


def put(
    objects: ObjectStore,
    tariff_id: str,
    last_updated: str = NOON,
    partition: str = OWN,
    skip_same: bool = False,
    **more: Any,
) -> Changed:
    """Write a tariff over any stored one."""
    write = Write(tariff(tariff_id, last_updated, **more), last_updated)
    return objects.change(
        tariff_ref(tariff_id), lambda _: write, partition=partition, source="", skip_same=skip_same
    )


def remove(objects: ObjectStore, tariff_id: str, partition: str = OWN) -> Changed:
    return objects.change(tariff_ref(tariff_id), lambda _: Remove(), partition=partition, source="")


def query(
    date_from: str | None = None,
    date_to: str | None = None,
    offset: int = 0,
    limit: int = 50,
    cursor: str | None = None,
) -> PageQuery:
    """Make a page query, with dates in OCPI's form."""
    start, end = (sort_key(date) if date else None for date in (date_from, date_to))
    return PageQuery(start, end, offset, limit, cursor)


def crawl(read: Callable[[PageQuery], Page], first: PageQuery) -> list[Page]:
    """Follow Link from the first page to the last."""
    pages = [read(first)]
    while pages[-1].next_offset is not None:
        last = pages[-1]
        pages.append(
            read(
                PageQuery(
                    first.date_from, first.date_to, last.next_offset or 0, first.limit, last.next_cursor
                )
            )
        )
    return pages


def evse(uid: str, last_updated: str = NOON, status: str = "AVAILABLE", **more: Any) -> dict[str, Any]:
    return {"uid": uid, "status": status, **more, "last_updated": last_updated}


def site(location_id: str, last_updated: str = NOON, **more: Any) -> dict[str, Any]:
    return {"id": location_id, "name": "Rua Augusta", **more, "last_updated": last_updated}


def put_site(
    locations: LocationStore,
    location_id: str,
    evses: list[dict[str, Any]] | None = None,
    last_updated: str = NOON,
    partition: str = SITES,
    **more: Any,
) -> None:
    """Write a location over any stored one."""
    write = WriteLocation(site(location_id, last_updated, **more), evses)
    locations.change(site_ref(location_id), lambda _: write, partition=partition, source="")


def put_evse(locations: LocationStore, location_id: str, document: dict[str, Any]) -> None:
    """Write an EVSE over any stored one."""
    locations.change_evse(site_ref(location_id), document["uid"], lambda *_: WriteEvse(document), source="")


def read(locations: LocationStore, location_id: str = "L1") -> dict[str, Any]:
    text = locations.get(site_ref(location_id))
    assert text is not None
    found: dict[str, Any] = read_json(str(text))
    return found
