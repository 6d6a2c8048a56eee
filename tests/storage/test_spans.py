from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.storage.spans import Span, before

days = st.dates(date(2025, 12, 28), date(2026, 1, 4)).map(date.isoformat)
times = st.sampled_from(["00:00:00.000000", "00:00:00.000001", "09:00:00.200000", "23:59:59.999999"])
moments = st.builds(lambda day, time: f"{day}T{time}", days, times)
ends = st.one_of(st.none(), moments)


@given(ends, ends, moments)
def test_the_parts_of_a_span_contain_each_of_its_moments_once(
    start: str | None, end: str | None, moment: str
) -> None:
    """Source: PAG-02, PAG-03."""
    span = Span.of(start, end)
    head, (after, until), tail = span.parts()

    holders = [
        head is not None and moment in head,
        after < moment[:10] < until,
        tail is not None and moment in tail,
    ]

    assert sum(holders) == ((start or "") <= moment < (end or "~"))


@given(ends, ends, moments)
def test_the_bounds_contain_exactly_the_moments_of_the_span(
    start: str | None, end: str | None, moment: str
) -> None:
    span = Span.of(start, end)
    first, last = span.bounds

    assert (first <= moment <= last) == (moment in span)


@given(days, days)
def test_a_span_from_midnight_to_midnight_has_no_partial_days(first: str, last: str) -> None:
    span = Span.of(f"{first}T00:00:00.000000", f"{last}T00:00:00.000000")
    head, (after, until), tail = span.parts()

    assert (head, tail) == (None, None)
    day = date.fromisoformat(first)
    assert span.is_empty or after < first < until
    assert not after < (day - timedelta(days=1)).isoformat()
    assert before(first) < first


def test_a_span_that_ends_before_it_starts_is_empty() -> None:
    """Source: PAG-14."""
    span = Span.of("2026-11-24T12:00:00.000000", "2026-11-01T12:00:00.000000")

    assert span.is_empty
    assert span.parts()[::2] == (None, None)
