"""What an own session costs so far: the bill that it would get if it ended now (SES-14).

It is made by what makes the CDR, of the same start, so a session that has ended costs what its CDR will
say. *Now* is when the session was last heard of: where its charging periods tell their hours, the end of the
last one, and what `kwh` tells beyond them has been charged since; otherwise its `last_updated`.

There is no cost, never one of 0 by guess, as long as the session cannot be priced: before the table's stream
has kept its start, while it is only reserved, where it names a tariff that its connector does not have, or
where its bill would be refused.

Pure, and no read of its own: the start and the preferences come with the session.

Source: OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.log import log
from chalicelib.modules.cdrs.billing import make_bill
from chalicelib.modules.cdrs.metering import has_all_energy, volume_of
from chalicelib.modules.cdrs.rules import place_of
from chalicelib.modules.cdrs.starts import Start, preferences_key, read_profile, read_start, start_key
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED
from chalicelib.pricing.reading import LONGEST
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key

Document = dict[str, Any]
Cost = Callable[[Document, str], Document | None]
"""From a valid session, and the list that it stands in, to its `total_cost`."""

_HOUR = timedelta(hours=1)


def keys_to_price(session: Ref) -> list[Key]:
    """What `cost_by` needs; to be read together with the session."""
    return [start_key(session.key), preferences_key(session.key)]


def cost_by(session: Ref, items: Mapping[Key, Item]) -> Cost:
    """What tells the cost of a session so far. items: an earlier read of `keys_to_price`."""
    start_at, preferences_at = keys_to_price(session)

    def cost(document: Document, shown_in: str) -> Document | None:
        try:
            start = read_start(items.get(start_at))
            if start is None or start.shown_in != shown_in:
                return None
            return cost_so_far(document, start, read_profile(items.get(preferences_at)))
        except Exception:
            # Whatever it is, the session is to be stored all the same.
            log.exception("a session cannot be priced", extra={"ref": str(session)})
            return None

    return cost


def cost_so_far(session: Document, start: Start, profile: str | None = None) -> Document | None:
    """The `total_cost` of a valid session, None when it has no price yet.

    profile: of the charging preferences that were accepted.
    """
    if session["status"] not in (ACTIVE, COMPLETED) or start.place != place_of(session):
        return None
    try:
        bill = make_bill(_so_far(session, start), start, profile, start.time_prices_per_minute)
    except (InvalidParameters, NotEnoughInformation):
        return None
    total_cost: Document = bill.cdr["total_cost"]
    return total_cost


def _so_far(session: Document, start: Start) -> Document:
    """The session as if it had ended when it was last heard of.

    Raises: InvalidParameters, NotEnoughInformation when that cannot be told.
    """
    if session.get("end_date_time") is not None:
        return session
    periods = sorted(session.get("charging_periods") or (), key=lambda one: sort_key(one["start_date_time"]))
    begun = parse_datetime(session["start_date_time"])
    heard = max(begun, parse_datetime(session["last_updated"]))
    if not periods:
        _refuse_unused(session, start)
        return _ended(session, heard)
    last = periods[-1]
    lasted = volume_of(last, "TIME") + volume_of(last, "PARKING_TIME")
    last_begun = parse_datetime(last["start_date_time"])
    if not lasted:
        return _ended(session, max(heard, last_begun))
    until = last_begun + _length(lasted)
    told = sum((volume_of(period, "ENERGY") for period in periods), Decimal(0))
    if heard <= until or told >= session["kwh"] or has_all_energy(session["kwh"], told, len(periods)):
        return _ended(session, max(begun, until))
    since = _period(last, until, heard, session["kwh"] - told)
    return _ended({**session, "charging_periods": [*periods, since]}, heard)


def _refuse_unused(session: Document, start: Start) -> None:
    """A reservation that turned ACTIVE is not one that expired, though nothing was charged yet."""
    if start.reserved_from is None or session["kwh"] != 0:
        return
    if sort_key(start.reserved_from) >= sort_key(session["start_date_time"]):
        raise NotEnoughInformation("the reservation has not been used yet", field="kwh")


def _ended(session: Document, moment: datetime) -> Document:
    return {**session, "end_date_time": format_datetime(moment)}


def _length(hours: Decimal) -> timedelta:
    if not 0 <= hours <= LONGEST // _HOUR:
        raise InvalidParameters(f"a charging period of {hours} h", field="charging_periods")
    return timedelta(seconds=round(hours * 3600))


def _period(last: Document, begun: datetime, heard: datetime, kwh: Decimal) -> Document:
    """What was charged after the last period, by its tariff."""
    hours = (Decimal((heard - begun) // timedelta(milliseconds=1)) / 3_600_000).quantize(Decimal("0.0001"))
    dimensions = [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": hours}]
    return {**last, "start_date_time": format_datetime(begun), "dimensions": dimensions}
