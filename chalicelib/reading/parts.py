"""The parts of a document that may be set aside, and those for which the whole document is refused.

An optional part that cannot be read is left out of the canonical object. Never left out is a part about
identity, ownership, privacy, money, or the command itself: the document without it would mean something
else.

Source: docs/interop.md; TYP-03, TYP-15
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.reading.fields import Field, Path

_NEVER = {
    "Cdr": """charging_periods credit credit_reference_id home_charging_compensation total_cost
        total_energy_cost total_fixed_cost total_parking_cost total_parking_time total_reservation_cost
        total_time_cost""",
    "CancelReservation": "reservation_id",
    "CredentialsRole": "country_code party_id",
    "Location": "publish_allowed_to",
    "ReserveNow": "evse_uid expiry_date reservation_id",
    "Session": "charging_periods end_date_time total_cost",
    "StartSession": "connector_id evse_uid",
    "Tariff": "elements end_date_time max_price min_price start_date_time type",
}
_REFUSED = frozenset((owner, name) for owner, names in _NEVER.items() for name in names.split())

_ITEMS_ONLY = frozenset((("Location", "evses"), ("Evse", "connectors"), ("Credentials", "roles")))
"""Lists that are not set aside as a whole, only single items of them."""

_WHOLE_ONLY = frozenset(
    (("Cdr", "tariffs"), ("Cdr", "signed_data"), ("Connector", "tariff_ids"), ("Hours", "regular_hours"))
)
"""Parts that mean something else without one of their items, so they are set aside as a whole."""


def part_to_set_aside(fields: Sequence[Field], path: Path) -> Path | None:
    """The part around an unreadable value that may be set aside, None where there is none.

    fields: the fields along `path`. It is the smallest part that is optional or an item of a list.
    """
    smallest: int | None = None
    for place, field in enumerate(fields):
        if field.key in _REFUSED:
            return None
        if field.is_item:
            smallest = place
        elif field.key in _WHOLE_ONLY:
            return path[: place + 1]
        elif not field.is_required and field.key not in _ITEMS_ONLY:
            smallest = place
    return None if smallest is None else path[: smallest + 1]
