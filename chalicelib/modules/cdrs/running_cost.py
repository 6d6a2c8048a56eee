"""Running cost of an own session: the cost of its CDR if it ended now (SES-14).

It is computed by the same code and from the same start snapshot as the CDR, so the cost of a session that has
ended is that of its CDR. *Now* is the `last_updated` of the session. If its charging periods have hours, time
after the last one is added only if `kwh` is more than the energy of the periods (`session_periods.py`).

A session that cannot be priced has no running cost; it is never guessed as 0. This is so until the table's
stream has stored the start snapshot, while the session is only reserved, if it names a tariff that its
connector does not have, and if its CDR would be refused.

Pure functions without reads: the snapshot and the preferences are read together with the session.

Source: OCPI 2.2.1 mod_sessions_session_object, total_cost; SES-14
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.log import log
from chalicelib.modules.cdrs.assembly import price_session
from chalicelib.modules.cdrs.session_periods import provisional_end
from chalicelib.modules.cdrs.start_snapshots import (
    StartSnapshot,
    place_of,
    preferences_key,
    read_profile,
    read_start_snapshot,
    start_snapshot_key,
)
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key


def keys_to_price(session: Ref) -> list[Key]:
    """Keys of the items that `cost_so_far` needs, to be read together with the session."""
    return [start_snapshot_key(session.key), preferences_key(session.key)]


def cost_so_far(
    session: Ref, items: Mapping[Key, Item], document: Document, shown_in: str
) -> Document | None:
    """Return the `total_cost` so far of a valid session; None when it has no price.

    items: an earlier read of `keys_to_price`. shown_in: partition of the session.
    """
    try:
        start_at, preferences_at = keys_to_price(session)
        start = read_start_snapshot(items.get(start_at))
        if start is None or (start.shown_in, start.place) != (shown_in, place_of(document)):
            return None
        return running_cost(document, start, read_profile(items.get(preferences_at)))
    except Exception:
        # A bug in pricing must not prevent the session from being stored.
        log.exception("the running cost of a session cannot be priced", extra={"ref": str(session)})
        return None


def running_cost(session: Document, start: StartSnapshot, profile: str | None = None) -> Document | None:
    """Compute the running `total_cost` of a valid session; None when it has no price yet.

    start: of the place where the session is. profile: `profile_type` of the accepted charging preferences.
    """
    if session["status"] not in (ACTIVE, COMPLETED):
        return None
    try:
        priced = price_session(_so_far(session, start), start, profile, start.time_prices_per_minute)
    except (InvalidParameters, NotEnoughInformation):
        return None
    total_cost: Document = priced.price["total_cost"]
    return total_cost


def _so_far(session: Document, start: StartSnapshot) -> Document:
    """Give a running session a provisional end.

    Raises: InvalidParameters, NotEnoughInformation when it cannot be computed.
    """
    if session.get("end_date_time") is not None:
        return session
    if not session.get("charging_periods"):
        _refuse_unused(session, start)
    return {**session, "end_date_time": format_datetime(provisional_end(session))}


def _refuse_unused(session: Document, start: StartSnapshot) -> None:
    """Refuse to price an ACTIVE reservation before it charges: it would be priced as an expired one.

    Raises: NotEnoughInformation.
    """
    if start.reserved_from is None or session["kwh"] != 0:
        return
    if sort_key(start.reserved_from) >= sort_key(session["start_date_time"]):
        raise NotEnoughInformation("the reservation has not been used yet", field="kwh")
