"""Tariff model of the pricing engine: price components by dimension, in the order in which they are tried.

Reading a tariff document checks only fields that a price depends on. Oddities that can still be priced (a
negative price, an element that never matches) become remarks here or findings in `lint.py`, not errors.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; TAR-07, TAR-09, TAR-10, TAR-15, TAR-16; V23-16
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import (
    JsonObject,
    Remark,
    read_decimal,
    read_list,
    read_moment,
    read_object,
    read_optional_decimal,
    read_text,
)
from chalicelib.pricing.restrictions import WEEKDAYS, Moment, Restrictions
from chalicelib.pricing.taxes import YES, read_vat, unknown_tax_included, unknown_taxes
from chalicelib.pricing.unknown_fields import (
    COMPONENT,
    ELEMENT,
    LIMIT,
    RESTRICTIONS,
    TARIFF,
    find_unknown,
    unknown_value,
)

ENERGY, FLAT, PARKING_TIME, TIME = DIMENSIONS = ("ENERGY", "FLAT", "PARKING_TIME", "TIME")
RESERVATION, RESERVATION_EXPIRES = RESERVATIONS = ("RESERVATION", "RESERVATION_EXPIRES")

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money; `incl_vat` is None where VAT does not apply or is unknown."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None

    @property
    def with_vat(self) -> Decimal:
        """The amount that is paid: including VAT, where it applies."""
        return self.excl_vat if self.incl_vat is None else self.incl_vat


# Two components may have equal fields and still differ, so they compare by identity.
@dataclass(frozen=True, slots=True, eq=False)
class ParsedComponent:
    """A price component as the engine uses it: per kWh or hour, `step_size` in Wh or seconds.

    per_minute: the price of time is per minute, other than in OCPI. is_gross: the price includes taxes.
    doubts: its unknown fields and taxes; if there are any, the price is uncertain.
    """

    dimension: str
    price: Decimal
    vat: Decimal | None
    step_size: int
    tariff_id: str
    element: int
    index: int
    restrictions: Restrictions | None
    per_minute: bool = False
    is_gross: bool = False
    doubts: tuple[Remark, ...] = ()

    @property
    def asks_power(self) -> bool:
        """True if power or current matters."""
        return self.restrictions is not None and self.restrictions.asks_power


Candidates = Mapping[str, tuple[ParsedComponent, ...]]


@dataclass(frozen=True, eq=False)
class ParsedTariff:
    """A tariff as the engine uses it; `elements` are the price components of each element.

    doubts: unknown fields that may affect all its prices.
    """

    id: str
    currency: str
    type: str | None
    elements: tuple[tuple[ParsedComponent, ...], ...]
    min_price: Amount | None = None
    max_price: Amount | None = None
    start: datetime | None = None
    end: datetime | None = None
    doubts: tuple[Remark, ...] = ()

    def is_valid_at(self, moment: datetime) -> bool:
        """Check whether a session that starts at this moment may be priced with the tariff."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    @cached_property
    def has_vat(self) -> bool:
        """True if any component has VAT; if none has, prices have no `incl_vat` (TAR-21)."""
        return any(component.vat is not None for component in self.components)

    @cached_property
    def is_gross(self) -> bool:
        """True if its prices include taxes."""
        return any(component.is_gross for component in self.components)

    @cached_property
    def charging(self) -> Candidates:
        """The components that price a session, per dimension, in the order of the elements."""
        return self._candidates(None)

    @cached_property
    def reserved(self) -> Candidates:
        """The components that price a reservation that was used or is still open."""
        return self._candidates(RESERVATION)

    @cached_property
    def expired(self) -> Candidates:
        """The components that price an expired reservation: those with RESERVATION_EXPIRES first (TAR-16)."""
        expires, reserved = self._candidates(RESERVATION_EXPIRES), self.reserved
        return {each: expires.get(each, ()) + reserved.get(each, ()) for each in DIMENSIONS}

    def _candidates(self, reservation: str | None) -> Candidates:
        found: dict[str, list[ParsedComponent]] = {}
        for component in self.components:
            if _is_for(component.restrictions, reservation):
                found.setdefault(component.dimension, []).append(component)
        return {dimension: tuple(components) for dimension, components in found.items()}

    @property
    def components(self) -> Iterator[ParsedComponent]:
        """All price components, in the order of the elements."""
        return (component for element in self.elements for component in element)

    @cached_property
    def has_doubts(self) -> bool:
        """True if the tariff has a field that cannot be judged."""
        return bool(self.doubts) or any(
            component.doubts or (component.restrictions is not None and component.restrictions.doubts)
            for component in self.components
        )

    @cached_property
    def restrictions(self) -> tuple[Restrictions, ...]:
        """The restrictions of every element that has some."""
        return tuple(each[0].restrictions for each in self.elements if each[0].restrictions is not None)

    @cached_property
    def kwh_limits(self) -> tuple[Decimal, ...]:
        """The amounts of energy at which an element may become active or inactive, ascending."""
        limits = {value for each in self.restrictions for value in (each.min_kwh, each.max_kwh)}
        return tuple(sorted(value for value in limits if value is not None and value > 0))

    @cached_property
    def duration_limits(self) -> tuple[int, ...]:
        """The seconds since the start at which an element may become active or inactive, ascending."""
        limits = {value for each in self.restrictions for value in (each.min_duration, each.max_duration)}
        return tuple(sorted(value for value in limits if value))

    @cached_property
    def day_minutes(self) -> tuple[int, ...]:
        """The local times of day (minutes) at which an element may become active or inactive, ascending."""
        minutes: set[int] = set()
        for each in self.restrictions:
            if each.has_window:
                minutes |= {each.start_minute or 0, each.end_minute or 0}
            if each.has_days:
                minutes.add(0)
        return tuple(sorted(minutes))

    @cached_property
    def asks_power(self) -> bool:
        """True if power or current matters."""
        return any(each.asks_power for each in self.restrictions)


def _is_for(restrictions: Restrictions | None, reservation: str | None) -> bool:
    """Check whether an element prices a session (None) or this kind of reservation.

    An element with unknown restrictions may price any of them.
    """
    named = restrictions.reservation if restrictions else None
    if named == reservation:
        return True
    return restrictions is not None and bool(restrictions.doubts) and named not in RESERVATIONS


def first_match(candidates: tuple[ParsedComponent, ...], moment: Moment) -> ParsedComponent | None:
    """Take the first component whose restrictions match (TAR-09). Returns None where it is free (TAR-10)."""
    for component in candidates:
        if component.restrictions is None or component.restrictions.match(moment):
            return component
    return None


class _Head(NamedTuple):
    """The fields of a tariff that its price components need."""

    id: str
    tax_included: object


def read_tariff(value: object, at: str, remarks: list[Remark]) -> ParsedTariff:
    """Read a tariff document. Raises: InvalidParameters when it cannot be used to price a session."""
    document = read_object(value, at)
    head = _Head(read_text(document.get("id"), f"{at}.id"), document.get("tax_included"))
    elements = read_list(document.get("elements"), f"{at}.elements")
    if not elements:
        raise InvalidParameters("a tariff needs at least one element", field=f"{at}.elements")
    tariff = ParsedTariff(
        id=head.id,
        currency=read_text(document.get("currency"), f"{at}.currency"),
        type=document.get("type"),
        elements=tuple(
            _read_element(element, number, head, f"{at}.elements.{number}", remarks)
            for number, element in enumerate(elements)
        ),
        min_price=_read_price(document.get("min_price"), f"{at}.min_price", remarks),
        max_price=_read_price(document.get("max_price"), f"{at}.max_price", remarks),
        start=_read_optional_moment(document, "start_date_time", at),
        end=_read_optional_moment(document, "end_date_time", at),
        doubts=_doubts_of_all(document, at, remarks),
    )
    if tariff.start is not None and tariff.end is not None and tariff.end <= tariff.start:
        remarks.append(Remark("never_valid", f"{at}.end_date_time", "the tariff ends before it starts"))
    return tariff


def with_time_prices_per_minute(tariff: ParsedTariff) -> ParsedTariff:
    """Copy a tariff with its TIME and PARKING_TIME prices taken per minute."""
    elements = tuple(
        tuple(
            replace(component, per_minute=component.dimension in (TIME, PARKING_TIME))
            for component in components
        )
        for components in tariff.elements
    )
    return replace(tariff, elements=elements)


def _doubts_of_all(document: JsonObject, at: str, remarks: list[Remark]) -> tuple[Remark, ...]:
    doubts = find_unknown(document, TARIFF, at, remarks)
    for name in ("min_price", "max_price"):
        if document.get(name) is not None:
            doubts += find_unknown(document[name], LIMIT, f"{at}.{name}", remarks)
    return _with(doubts, unknown_tax_included(document, at), remarks)


def _with(doubts: tuple[Remark, ...], doubt: Remark | None, remarks: list[Remark]) -> tuple[Remark, ...]:
    """Add a doubt, if there is one, to others and to the remarks."""
    if doubt is None:
        return doubts
    remarks.append(doubt)
    return (*doubts, doubt)


def _read_optional_moment(document: JsonObject, key: str, at: str) -> datetime | None:
    return read_moment(document[key], f"{at}.{key}") if document.get(key) is not None else None


def _read_price(value: object, at: str, remarks: list[Remark]) -> Amount | None:
    if value is None:
        return None
    document = read_object(value, at)
    price = Amount(
        read_decimal(document.get("excl_vat"), f"{at}.excl_vat"),
        read_optional_decimal(document.get("incl_vat"), f"{at}.incl_vat"),
    )
    for side in ("excl_vat", "incl_vat"):
        if (limit := getattr(price, side)) is not None and limit < 0:
            remarks.append(Remark("negative_limit", f"{at}.{side}", f"the limit {limit} is negative"))
    return price


def _read_element(
    value: object, number: int, head: _Head, at: str, remarks: list[Remark]
) -> tuple[ParsedComponent, ...]:
    document = read_object(value, at)
    doubts = find_unknown(document, ELEMENT, at, remarks)
    restrictions = read_restrictions(document.get("restrictions"), f"{at}.restrictions", remarks, doubts)
    components = read_list(document.get("price_components"), f"{at}.price_components")
    if not components:
        raise InvalidParameters(
            "an element needs at least one price component", field=f"{at}.price_components"
        )
    read = tuple(
        _read_component(
            component, number, index, head, restrictions, f"{at}.price_components.{index}", remarks
        )
        for index, component in enumerate(components)
    )
    for component in read:
        _remark_component(component, f"{at}.price_components.{component.index}", remarks)
    return read


def _read_component(
    value: object,
    element: int,
    index: int,
    head: _Head,
    restrictions: Restrictions | None,
    at: str,
    remarks: list[Remark],
) -> ParsedComponent:
    document = read_object(value, at)
    dimension = read_text(document.get("type"), f"{at}.type")
    doubts = find_unknown(document, COMPONENT, at, remarks)
    if dimension not in DIMENSIONS:
        unknown = unknown_value(dimension, DIMENSIONS, "unknown_dimension", f"{at}.type", "dimension")
        doubts = _with(doubts, unknown, remarks)
    price = read_decimal(document.get("price"), f"{at}.price")
    vat = read_vat(document, head.tax_included, at, remarks)
    return ParsedComponent(
        dimension=dimension,
        price=price,
        vat=vat,
        step_size=_read_step(document.get("step_size"), f"{at}.step_size", remarks),
        tariff_id=head.id,
        element=element,
        index=index,
        restrictions=restrictions,
        is_gross=head.tax_included == YES,
        doubts=_with(doubts, unknown_taxes(price, vat, head.tax_included, at), remarks),
    )


def _read_step(value: object, at: str, remarks: list[Remark]) -> int:
    step = _read_count(value, at)
    if step is None:
        remarks.append(Remark("no_step_size", at, "there is no step_size: nothing is rounded up"))
    return step or 0


def _remark_component(component: ParsedComponent, at: str, remarks: list[Remark]) -> None:
    if component.price < 0:
        text = f"the price {component.price} is negative: the driver is paid"
        remarks.append(Remark("negative_price", f"{at}.price", text))
    if component.vat is not None and not 0 <= component.vat <= 100:
        remarks.append(Remark("odd_vat", f"{at}.vat", f"{component.vat} is an odd percentage of VAT"))
    reservation = component.restrictions.reservation if component.restrictions else None
    if reservation in RESERVATIONS and component.dimension in (ENERGY, PARKING_TIME):
        text = "a reservation has FLAT and TIME only, this component is ignored (TAR-15)"
        remarks.append(Remark("reservation_dimension", f"{at}.type", text))


def read_restrictions(
    value: object, at: str, remarks: list[Remark], doubts: tuple[Remark, ...] = ()
) -> Restrictions | None:
    """Read the restrictions of an element. Returns None when there are none or they are empty.

    doubts: unknown fields of the element. Raises: InvalidParameters for a field that cannot be read.
    """
    document = {} if value is None else read_object(value, at)
    doubts += find_unknown(document, RESTRICTIONS, at, remarks)
    doubts += _doubts_of_reservation(document.get("reservation"), f"{at}.reservation", remarks)
    restrictions = Restrictions(
        start_minute=_read_time_of_day(document.get("start_time"), f"{at}.start_time"),
        end_minute=_read_time_of_day(document.get("end_time"), f"{at}.end_time"),
        start_date=_read_date(document.get("start_date"), f"{at}.start_date"),
        end_date=_read_date(document.get("end_date"), f"{at}.end_date"),
        weekdays=_read_weekdays(document.get("day_of_week"), f"{at}.day_of_week"),
        min_duration=_read_count(document.get("min_duration"), f"{at}.min_duration"),
        max_duration=_read_count(document.get("max_duration"), f"{at}.max_duration"),
        reservation=document.get("reservation"),
        doubts=doubts,
        **{key: read_optional_decimal(document.get(key), f"{at}.{key}") for key in _LIMITS},
    )
    return None if restrictions == _UNRESTRICTED else restrictions


def _doubts_of_reservation(value: object, at: str, remarks: list[Remark]) -> tuple[Remark, ...]:
    if value is None or value in RESERVATIONS:
        return ()
    unknown = unknown_value(value, RESERVATIONS, "unknown_reservation", at, "reservation restriction")
    remarks.append(unknown)
    return (unknown,)


_UNRESTRICTED = Restrictions()
_LIMITS = ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power")


def _read_time_of_day(value: object, at: str) -> int | None:
    if value is None:
        return None
    match = _TIME_OF_DAY.fullmatch(read_text(value, at))
    if match is None:
        raise InvalidParameters(f"{value!r} is not a time of day such as 13:30", field=at)
    return int(match[1]) * 60 + int(match[2])


def _read_date(value: object, at: str) -> date | None:
    if value is None:
        return None
    text = read_text(value, at)
    try:
        # `fromisoformat` accepts forms that OCPI does not have.
        return date.fromisoformat(text if len(text) == 10 and text[4] == "-" else "")
    except ValueError as error:
        raise InvalidParameters(f"{text!r} is not a date such as 2015-12-24", field=at) from error


def _read_weekdays(value: object, at: str) -> frozenset[int] | None:
    days = read_list(value, at)
    for number, day in enumerate(days):
        if day not in WEEKDAYS:
            unknown = unknown_value(day, WEEKDAYS, "unknown_day", f"{at}.{number}", "day of the week")
            raise InvalidParameters(unknown.message, field=unknown.field)
    # Spec: an empty list is the same as none (cardinality *).
    return frozenset(WEEKDAYS.index(day) for day in days) if days else None


def _read_count(value: Any, at: str) -> int | None:
    if value is None:
        return None
    number = read_decimal(value, at)
    if number < 0 or number != int(number):
        raise InvalidParameters("expected a whole number that is not negative", field=at)
    return int(number)
