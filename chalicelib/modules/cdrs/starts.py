"""How things were when a session began: location, connector, tariffs and token, kept for its CDR (CDR-13).

Taken by the table's stream when the session is first seen, and again when a reservation gets its EVSE. An
item beside the session, so whatever is renamed or repriced later does not reach the bill. Where something
was not known yet (at a hub a session may overtake its location), it is looked up when the CDR is made.

Kept with it is how a partner means the prices of time, so that an own session can be priced while it goes on
without the partners being read (`running.py`); its CDR goes by what counts when it is made.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; CDR-13
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.modules.cdrs.rules import (
    NOT_AVAILABLE,
    cdr_location,
    find_connector,
    is_reserved,
    place_of,
    unused_location,
)
from chalicelib.partners.time_prices import prices_by_the_minute
from chalicelib.pricing.plausibility import power_kw
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

Document = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """What was known at the start; None, or no tariffs, where nothing was.

    max_kw: what the connector can give. reserved_from: since when it was reserved. shown_in: the list of an
    own session, "" for a received one; time_prices_per_minute follows from it (`time_prices.py`).
    """

    place: str
    location: Document | None = None
    time_zone: str | None = None
    tariffs: tuple[Document, ...] = ()
    token: Document | None = None
    reserved_from: str | None = None
    max_kw: Decimal | None = None
    shown_in: str = ""
    time_prices_per_minute: bool = False


def start_key(session: Key) -> Key:
    """Where the start of a session is kept."""
    return Key(session.pk, "start")


def read_start(item: Item | None) -> Start | None:
    """Read an item."""
    if item is None:
        return None
    told = read_json(item["body"])
    if told.get("max_kw") is not None:
        told["max_kw"] = Decimal(told["max_kw"])
    beside = {"place": item["place"], "shown_in": item.get("shown_in", "")}
    return Start(**{**told, **beside, "tariffs": tuple(told["tariffs"])})


def preferences_key(session: Key) -> Key:
    """Where the charging preferences of a session are kept that were accepted."""
    return Key(session.pk, "preferences")


def read_profile(item: Item | None) -> str | None:
    """The profile that is preferred, None without preferences."""
    return read_json(item["body"]).get("profile_type") if item else None


def keep_start(
    node: Node,
    ref: Ref,
    session: Document,
    is_new: bool,
    shown_in: str,
    partners: Callable[[], Iterable[Partner]],
) -> None:
    """Look and keep how things are for a session that is new, is at another place now, or in another list.

    shown_in: the list of an own session, "" for a received one. partners: asked for an own session only.
    """
    key, place = start_key(ref.key), place_of(session)
    before = None if is_new else read_start(node.table.get(key))
    if before is not None and (before.place, before.shown_in) == (place, shown_in):
        return
    if before is not None and before.place == place:
        start, condition, values = before, "#shown_in <> :shown_in", {"shown_in": shown_in}
    else:
        start = _begun(node, ref, session, before)
        condition, values = "attribute_not_exists(#pk) OR #place <> :place", {"place": place}
    per_minute = bool(shown_in) and prices_by_the_minute(partners(), "", shown_in)
    start = replace(start, shown_in=shown_in, time_prices_per_minute=per_minute)
    try:
        node.table.put(start_item(ref, start), condition, values)
    except Conflict:
        return  # the stream told it before


def _begun(node: Node, ref: Ref, session: Document, before: Start | None) -> Start:
    start = look(node, ref, session)
    if before is not None and before.reserved_from is not None:
        return replace(start, reserved_from=before.reserved_from)
    return replace(start, reserved_from=session["start_date_time"]) if is_reserved(session) else start


def start_item(ref: Ref, start: Start) -> Item:
    """The start of a session as it is kept."""
    key, beside = start_key(ref.key), ("place", "shown_in")
    body = {name: value for name, value in vars(start).items() if name not in beside}
    return {**key._asdict(), **{name: getattr(start, name) for name in beside}, "body": write_json(body)}


def look(node: Node, ref: Ref, session: Document, named: Iterable[str] = ()) -> Start:
    """How things are now. named: ids of tariffs besides those of the connector."""
    location_ref = Ref("locations", ref.country_code, ref.party_id, session["location_id"])
    header = node.locations.get_header(location_ref)
    start = Start(place_of(session), token=session["cdr_token"])
    if header is None:
        return replace(start, tariffs=read_tariffs(node, ref, named))
    location = header.document()
    start = replace(start, time_zone=location.get("time_zone"))
    if session["evse_uid"] == NOT_AVAILABLE or session["connector_id"] == NOT_AVAILABLE:
        return replace(start, location=unused_location(location, session))
    found = node.locations.get_evse(location_ref, session["evse_uid"])
    evse = read_json(str(found.body)) if found else None
    connector = find_connector(evse, session["connector_id"]) if evse else None
    if evse is None or connector is None:
        return replace(start, tariffs=read_tariffs(node, ref, named))
    ids = [*(connector.get("tariff_ids") or ()), *named]
    return replace(
        start,
        location=cdr_location(location, evse, connector),
        tariffs=read_tariffs(node, ref, ids),
        max_kw=power_kw(connector),
    )


def read_tariffs(node: Node, ref: Ref, ids: Iterable[str]) -> tuple[Document, ...]:
    """The tariffs of the session's owner as they are now, in this order."""
    refs = list(dict.fromkeys(Ref("tariffs", ref.country_code, ref.party_id, each) for each in ids))
    found = node.objects.get_many(refs) if refs else {}
    return tuple(read_json(str(found[each].body)) for each in refs if each in found)


def completed(node: Node, ref: Ref, session: Document, start: Start | None) -> Start:
    """The start, with what is known of it only now, and the tariffs that the session itself names."""
    named = _named(session)
    if start is None:
        return look(node, ref, session, named)
    missing = [each for each in named if fold(each) not in _ids(start.tariffs)]
    if start.location is not None and start.tariffs:
        return replace(start, tariffs=(*start.tariffs, *read_tariffs(node, ref, missing)))
    late = look(node, ref, session, named)
    return replace(
        start,
        location=start.location or late.location,
        time_zone=start.time_zone or late.time_zone,
        tariffs=start.tariffs or late.tariffs,
        max_kw=start.max_kw or late.max_kw,
    )


def _named(session: Mapping[str, Any]) -> list[str]:
    periods: Sequence[Mapping[str, Any]] = session.get("charging_periods") or ()
    return list(dict.fromkeys(period["tariff_id"] for period in periods if period.get("tariff_id")))


def _ids(tariffs: Iterable[Document]) -> set[str]:
    return {fold(tariff["id"]) for tariff in tariffs}
