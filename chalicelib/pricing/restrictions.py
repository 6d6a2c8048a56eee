"""Restrictions of a tariff element: decides whether the element is active at one moment of a session.

All restrictions that are set must match (TAR-11). Minimums include their value, maximums do not (TAR-14).
Times and dates are local to the location (TAR-12, TAR-13), so a window means wall-clock time also on days of
23 or 25 hours.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from chalicelib.errors import NotEnoughInformation
from chalicelib.pricing.json_fields import SECOND_US, Remark

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

MEASURED = ("min_power", "max_power", "min_current", "max_current")


class Moment:
    """A moment of a session, with all values that restrictions compare.

    kwh: energy until then. elapsed_us: microseconds since the session, or the reservation, started. Power and
    current: least and most of the period that begins then, None if unknown.
    """

    __slots__ = (
        "at", "zone", "kwh", "elapsed_us", "min_power", "max_power", "min_current", "max_current", "_local",
    )  # fmt: skip

    def __init__(
        self,
        at: datetime,
        zone: ZoneInfo | None,
        kwh: Decimal,
        elapsed_us: int,
        min_power: Decimal | None = None,
        max_power: Decimal | None = None,
        min_current: Decimal | None = None,
        max_current: Decimal | None = None,
    ) -> None:
        self.at, self.zone, self.kwh, self.elapsed_us = at, zone, kwh, elapsed_us
        self.min_power, self.max_power = min_power, max_power
        self.min_current, self.max_current = min_current, max_current
        self._local: datetime | None = None

    @property
    def local(self) -> datetime:
        """The moment in local time. Raises: NotEnoughInformation when the time zone is not known."""
        if self._local is None:
            if self.zone is None:
                raise NotEnoughInformation(
                    "the tariff depends on the local time: the location's time zone is needed",
                    field="session.time_zone",
                )
            self._local = self.at.astimezone(self.zone)
        return self._local

    def later(self, us: int, kwh: Decimal) -> Moment:
        """Return a later moment of the same period."""
        return Moment(
            self.at + timedelta(microseconds=us),
            self.zone,
            kwh,
            self.elapsed_us + us,
            self.min_power,
            self.max_power,
            self.min_current,
            self.max_current,
        )


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The conditions of one element. Times of day are minutes since midnight, durations seconds.

    doubts: unknown fields that may restrict the element and cannot be judged (`unknown_fields.py`).
    """

    start_minute: int | None = None
    end_minute: int | None = None
    start_date: date | None = None
    end_date: date | None = None
    weekdays: frozenset[int] | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    reservation: str | None = None
    doubts: tuple[Remark, ...] = ()

    @property
    def has_window(self) -> bool:
        """True if the time of day matters."""
        return self.start_minute is not None or self.end_minute is not None

    @property
    def has_days(self) -> bool:
        """True if the date or the day of the week matters."""
        return any(each is not None for each in (self.start_date, self.end_date, self.weekdays))

    @property
    def asks_power(self) -> bool:
        """True if power or current matters."""
        return any(getattr(self, name) is not None for name in MEASURED)

    def match(self, moment: Moment) -> bool:
        """Check whether all restrictions match at a moment; `reservation` is checked elsewhere.

        Spec: an unmeasured power or current matches neither a minimum nor a maximum. An element with an
        unknown restriction never matches.
        """
        return not self.doubts and self.may_match(moment)

    def may_match(self, moment: Moment) -> bool:
        """Check whether all known restrictions match at a moment."""
        return self._match_amounts(moment) and self._match_local(moment) and self._match_power(moment)

    def _match_amounts(self, moment: Moment) -> bool:
        if self.min_kwh is not None and moment.kwh < self.min_kwh:
            return False
        if self.max_kwh is not None and moment.kwh >= self.max_kwh:
            return False
        if self.min_duration is not None and moment.elapsed_us < self.min_duration * SECOND_US:
            return False
        return self.max_duration is None or moment.elapsed_us < self.max_duration * SECOND_US

    def _match_local(self, moment: Moment) -> bool:
        start, end = self.start_minute, self.end_minute
        if start is not None or end is not None:
            local = moment.local
            if not _in_window(local.hour * 60 + local.minute, start or 0, end or 0):
                return False
        if self.weekdays is not None and moment.local.weekday() not in self.weekdays:
            return False
        if self.start_date is not None and moment.local.date() < self.start_date:
            return False
        return self.end_date is None or moment.local.date() < self.end_date

    def _match_power(self, moment: Moment) -> bool:
        return (
            _is_at_least(moment.min_power, self.min_power)
            and _is_below(moment.max_power, self.max_power)
            and _is_at_least(moment.min_current, self.min_current)
            and _is_below(moment.max_current, self.max_current)
        )

    def missing(self, moment: Moment) -> str | None:
        """Name the measurement whose absence alone prevents a match, or None."""
        for name in MEASURED:
            if getattr(self, name) is not None and getattr(moment, name) is None:
                matches = self._match_amounts(moment) and self._match_local(moment)
                return name.upper() if matches else None
        return None

    def explain(self, moment: Moment) -> str:
        """Explain in words why all restrictions match at a moment."""
        return ", ".join(self._reasons(moment)) or "it has no restrictions"

    def _reasons(self, moment: Moment) -> Iterator[str]:
        if self.reservation is not None:
            yield f"reservation {self.reservation}"
        if self.has_window:
            window = f"{write_minute(self.start_minute or 0)}-{write_minute(self.end_minute or 0)}"
            yield f"local time {moment.local:%H:%M} in {window}"
        if self.weekdays is not None:
            yield f"{WEEKDAYS[moment.local.weekday()].title()} is one of its days"
        if self.start_date is not None:
            yield f"{moment.local.date()} not before {self.start_date}"
        if self.end_date is not None:
            yield f"{moment.local.date()} before {self.end_date}"
        seconds = moment.elapsed_us // SECOND_US
        for unit, value, least, most in (
            ("kWh so far", moment.kwh.normalize(), self.min_kwh, self.max_kwh),
            ("s since the start", seconds, self.min_duration, self.max_duration),
        ):
            if least is not None:
                yield f"{value:f} {unit} >= {least}" if unit[0] == "k" else f"{value} {unit} >= {least}"
            if most is not None:
                yield f"{value:f} {unit} < {most}" if unit[0] == "k" else f"{value} {unit} < {most}"
        for name, unit in (("power", "kW"), ("current", "A")):
            if (least := getattr(self, f"min_{name}")) is not None:
                yield f"{getattr(moment, f'min_{name}')} {unit} >= {least}"
            if (most := getattr(self, f"max_{name}")) is not None:
                yield f"{getattr(moment, f'max_{name}')} {unit} < {most}"


def _is_at_least(value: Decimal | None, least: Decimal | None) -> bool:
    return least is None or (value is not None and value >= least)


def _is_below(value: Decimal | None, most: Decimal | None) -> bool:
    return most is None or (value is not None and value < most)


def _in_window(minute: int, start: int, end: int) -> bool:
    """Check whether a time of day lies in a window that may run over midnight.

    Spec: an end of 00:00 is the end of the day. start = end is the whole day, because an empty window
    makes no sense.
    """
    if start < end:
        return start <= minute < end
    return start == end or minute >= start or minute < end


def write_minute(minute: int) -> str:
    """Write minutes since midnight as a time of day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
