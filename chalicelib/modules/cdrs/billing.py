"""A session and how things were at its start become a bill: a CDR without a name yet, and why it is so.

Pure. The price is the pricing engine's, with the location's time zone and the tariffs of the start.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; CDR-10, CDR-13 … CDR-16, TRP-36
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.cdrs.metering import to_price
from chalicelib.modules.cdrs.rules import make_cdr, token_of
from chalicelib.modules.cdrs.starts import Start
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import cdr_fields, write_statement
from chalicelib.protocol.types import fold

Document = dict[str, Any]

_KWH_DECIMALS = 4


@dataclass(frozen=True)
class Bill:
    """cdr: without `id` and `last_updated`. why: the breakdown, and what is to be remarked."""

    cdr: Document
    why: Document


def make_bill(session: Mapping[str, Any], start: Start, profile: str | None = None) -> Bill:
    """Price a session that has ended. profile: of the charging preferences that were accepted.

    Raises: InvalidParameters, NotEnoughInformation with the field, when it has no price.
    """
    if start.location is None:
        text = f"nothing is known of connector {session['evse_uid']}/{session['connector_id']}"
        raise NotEnoughInformation(text, field="location_id")
    if not start.tariffs:
        raise NotEnoughInformation("no tariff is known for this session", field="tariffs")
    asked, remarks = to_price(session, start.time_zone, start.reserved_from, profile)
    priced = price_request({"tariffs": list(start.tariffs), "session": asked}, kwh_decimals=_KWH_DECIMALS)
    price = cdr_fields(priced)
    if price["currency"] is None:
        raise NotEnoughInformation("no tariff is relevant to any part of this session", field="tariffs")
    if price["currency"].upper() != session["currency"].upper():
        text = f"the tariff is in {price['currency']}, the session in {session['currency']}"
        raise InvalidParameters(text, field="currency")
    relevant = {fold(period.get("tariff_id") or "") for period in price["charging_periods"]}
    cdr = make_cdr(
        session,
        price["charging_periods"][0]["start_date_time"],
        start.location,
        token_of(session, start.token),
        [tariff for tariff in start.tariffs if fold(tariff["id"]) in relevant],
        price,
    )
    statement = write_statement(priced)
    return Bill(cdr, {"breakdown": statement["breakdown"], "warnings": [*remarks, *statement["warnings"]]})
