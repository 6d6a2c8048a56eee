"""What an own session costs so far: the bill that it would get if it ended now (SES-14).

It is made by what makes the CDR, of the same start, so a session that has ended costs what its CDR will
say. *Now* is its `last_updated`. Where its charging periods have hours, only `kwh` beyond them adds time
after the last one (`last_period.py`).

There is no cost, never one of 0 by guess, as long as the session cannot be priced: before the table's stream
has kept its start, while it is only reserved, where it names a tariff that its connector does not have, or
where its bill would be refused.

Pure, and no read of its own: the start and the preferences come with the session.

Source: OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.log import log
from chalicelib.modules.cdrs.billing import make_bill
from chalicelib.modules.cdrs.last_period import ends_when_last_heard_of
from chalicelib.modules.cdrs.rules import place_of
from chalicelib.modules.cdrs.starts import Start, preferences_key, read_profile, read_start, start_key
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED
from chalicelib.protocol.types import format_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key

Document = dict[str, Any]
Cost = Callable[[Document, str], Document | None]
"""From a valid session, and the list that it stands in, to its `total_cost`."""


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

    Raises: InvalidParameters, NotEnoughInformation when that cannot be found.
    """
    if session.get("end_date_time") is not None:
        return session
    if not session.get("charging_periods"):
        _refuse_unused(session, start)
    return {**session, "end_date_time": format_datetime(ends_when_last_heard_of(session))}


def _refuse_unused(session: Document, start: Start) -> None:
    """A reservation that turned ACTIVE is not one that expired, though nothing was charged yet."""
    if start.reserved_from is None or session["kwh"] != 0:
        return
    if sort_key(start.reserved_from) >= sort_key(session["start_date_time"]):
        raise NotEnoughInformation("the reservation has not been used yet", field="kwh")
