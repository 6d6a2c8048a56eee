"""Tariffs of 2.1.1.

2.1.1 has neither the type nor the dates of a tariff, and fewer restrictions. A tariff that a partner would
apply where it does not hold is held.

Source: OCPI 2.1.1 mod_tariffs; V211-60 … V211-65, X-04
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import parse_datetime
from chalicelib.versions import v2_2_1
from chalicelib.versions.v2_1_1.fields import (
    Document,
    Down,
    convert_list,
    is_one_of,
    mix_down,
    mix_up,
    objects,
    ownerless,
    with_owner,
    words,
)
from chalicelib.versions.version import Known

_REGULAR = "REGULAR"
_DIMENSIONS = words("ENERGY FLAT PARKING_TIME TIME")
_RESTRICTIONS = words(
    """start_time end_time start_date end_date min_kwh max_kwh min_power max_power min_duration
    max_duration day_of_week"""
)
_NOT_IN_2_1_1 = ("type", "min_price", "max_price", "start_date_time", "end_date_time", "tax_included")


class Reason(NamedTuple):
    """The reason why a tariff is not sent, "" if it is. until: as `Converted.held_until`."""

    text: str = ""
    until: str = ""


def tariff_up(document: Document, known: Known) -> Document:
    """A tariff of 2.1.1."""
    mix_up(document)
    return with_owner(document, known)


def tariff_down(work: Down, document: Document) -> Document:
    """A tariff for 2.1.1."""
    work.need_whole(document, *_NOT_IN_2_1_1)
    work.hold(*reason_to_hold(document, work.known))
    return content_down(work, document)


def content_down(work: Down, document: Document, at: str = "") -> Document:
    """The fields of a tariff for 2.1.1, whether it is sent or not."""
    limits = _limits_as_text(document)
    document = work.without(ownerless(document), at, *_NOT_IN_2_1_1)
    if limits:
        texts = objects(document.get("tariff_alt_text"))
        document["tariff_alt_text"] = [*texts, {"language": "en", "text": limits}]
    convert_list(document, "elements", lambda element, at: _element_down(work, element, at), at)
    mix_down(document)
    return document


def _limits_as_text(document: Mapping[str, Any]) -> str:
    """The lowest and the highest price of a session, for people (V211-61)."""
    limits = []
    for name, limit in (("min_price", "At least"), ("max_price", "At most")):
        price = document.get(name)
        if isinstance(price, dict) and price.get("excl_vat") is not None:
            limits.append(
                f"{limit} {price['excl_vat']} {document.get('currency', '')} per session, excl. VAT."
            )
    return " ".join(limits)


def _element_down(work: Down, element: Document, at: str) -> Document | None:
    if _is_of_reservation(element):
        work.lose(at, "2.1.1 has no prices of reservations")
        return None
    convert_list(element, "price_components", lambda each, at: work.without(each, at, "vat"), at)
    return element


# -- held --------------------------------------------------------------------------------------------


def reason_to_hold(tariff: Mapping[str, Any], known: Known) -> Reason:
    """The reason why a tariff is not sent, an empty one if it is."""
    if tariff.get("type") not in (None, _REGULAR):
        return Reason(f"2.1.1 has no type {tariff['type']}: the price would count for every session")
    if text := v2_2_1.down(Kind.TARIFF, tariff).held or reason_of_prices(tariff):
        return Reason(text)
    return _reason_of_dates(tariff, known.now)


def reason_of_prices(tariff: Mapping[str, Any]) -> str:
    """The reason why the prices of a tariff cannot be expressed, "" if they can."""
    elements = objects(tariff.get("elements"))
    charging = [element for element in elements if not _is_of_reservation(element)]
    if elements and not charging:
        return "2.1.1 has no prices of reservations"
    unknown = sorted({name for element in charging for name in _unknown_parts(element)})
    return f"2.1.1 does not have {', '.join(unknown)}: the prices would count without it" if unknown else ""


def _unknown_parts(element: Mapping[str, Any]) -> list[str]:
    """The restrictions and dimensions of an element that 2.1.1 does not have."""
    restrictions = _restrictions(element)
    names = [name for name, value in restrictions.items() if value is not None and name not in _RESTRICTIONS]
    types = [component.get("type") for component in objects(element.get("price_components"))]
    return [*names, *(str(each) for each in types if not is_one_of(each, _DIMENSIONS))]


def _is_of_reservation(element: Mapping[str, Any]) -> bool:
    return _restrictions(element).get("reservation") is not None


def _restrictions(element: Mapping[str, Any]) -> Mapping[str, Any]:
    restrictions = element.get("restrictions")
    return restrictions if isinstance(restrictions, dict) else {}


def _reason_of_dates(tariff: Mapping[str, Any], now: datetime | None) -> Reason:
    start, end = tariff.get("start_date_time"), tariff.get("end_date_time")
    if now is None and (start or end):
        return Reason("2.1.1 has no dates of a tariff, and the time is not known")
    if now is not None and start and not _is_past(start, now):
        return Reason("2.1.1 has no start of a tariff: it is sent when it becomes valid", str(start))
    if now is not None and end and _is_past(end, now):
        return Reason("2.1.1 has no end of a tariff, and it is no longer valid")
    return Reason()


def _is_past(moment: Any, now: datetime) -> bool:
    try:
        return parse_datetime(moment) <= now
    except (InvalidParameters, TypeError):
        return False
