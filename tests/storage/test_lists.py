from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.protocol.json_text import JsonText, read_json
from chalicelib.protocol.pagination import PageQuery
from chalicelib.protocol.types import sort_key
from chalicelib.storage import counters, list_orders, lists
from chalicelib.storage.cursor import Cursor, Position
from chalicelib.storage.objects import ObjectStore, Ref, Write
from chalicelib.storage.table import Table
from tests.storage.builders import OWN, crawl, now, put, query, remove, tariff_ref
from tests.storage.capacity import measured

MOMENTS = [
    "2025-12-31T23:59:59.999Z",
    "2026-01-01T00:00:00Z",
    "2026-03-31T23:59:59Z",
    "2026-03-31T23:59:59.5Z",
    "2026-04-01T00:00:00.001Z",
    "2026-11-20T00:00:00Z",
    "2026-11-24T08:00:09Z",
    "2026-11-24T08:00:09.2Z",
    "2026-11-24T23:59:59.999Z",
    "2026-11-25T00:00:00Z",
    "2026-11-30T12:00:00Z",
    "2026-12-01T00:00:00Z",
    "2027-02-01T00:00:00Z",
]
HIDDEN = "#hidden"
_names = itertools.count(1)

ids = st.sampled_from([f"T{number}" for number in range(12)])
moments = st.sampled_from(MOMENTS)
changes = st.lists(
    st.one_of(
        st.tuples(ids, moments, st.sampled_from(["", "", "", HIDDEN])),
        st.tuples(ids, st.none(), st.just("")),
    ),
    max_size=30,
)
dates = st.one_of(st.none(), moments)


def ids_of(bodies: list[JsonText]) -> list[str]:
    return [read_json(str(body))["id"] for body in bodies]


class Model:
    """A simple model of the lists, which computes the expected pages."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.partition = f"tariffs#{next(_names)}"
        self.created = itertools.count()
        self.kept: dict[str, tuple[str, str, int]] = {}

    def apply(self, tariff_id: str, last_updated: str | None, list_suffix: str) -> None:
        ref = self.name(tariff_id)
        if last_updated is None:
            remove(self.objects, ref)
            self.kept.pop(tariff_id, None)
            return
        put(self.objects, ref, last_updated, self.partition + list_suffix)
        before = self.kept.get(tariff_id)
        stays = before is not None and before[1] == list_suffix
        number = before[2] if before and stays else next(self.created)
        self.kept[tariff_id] = (sort_key(last_updated), list_suffix, number)

    def name(self, tariff_id: str) -> str:
        return f"{self.partition}-{tariff_id}"

    def expected(self, asked: PageQuery) -> list[str]:
        found: list[str] = []
        for suffix in ("", HIDDEN):
            here = [(key, *kept) for key, kept in self.kept.items() if kept[1] == suffix]
            if asked.date_from is None and asked.date_to is None:
                found += [key for key, *_ in sorted(here, key=lambda each: each[3])]
            else:
                start, end = asked.date_from or "", asked.date_to or "~"
                inside = [(lu, self.name(key).upper(), key) for key, lu, *_ in here if start <= lu < end]
                found += [key for *_, key in sorted(inside)]
        return [self.name(key) for key in found]


@pytest.fixture(scope="module")
def shared(emulator: object, dynamodb: object) -> ObjectStore:
    from tests.emulator import make_table

    return ObjectStore(make_table(dynamodb), now)


@pytest.mark.parametrize("one_call", [2, 7, 7000])
def test_pages_and_totals_are_those_of_a_naive_model(
    shared: ObjectStore, monkeypatch: pytest.MonkeyPatch, one_call: int
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-02, PAG-03, PAG-04, PAG-06, PAG-08."""
    monkeypatch.setattr(list_orders, "ONE_CALL", one_call)
    monkeypatch.setattr("chalicelib.storage.counters.BLOCK", 4)

    @settings(max_examples=60, deadline=None)
    @given(changes, st.lists(st.tuples(dates, dates, st.integers(0, 13), st.integers(1, 6)), max_size=8))
    def check(
        done: list[tuple[str, str | None, str]], asked: list[tuple[str | None, str | None, int, int]]
    ) -> None:
        model = Model(shared)
        for change in done:
            model.apply(*change)
        both = [model.partition, model.partition + HIDDEN]
        for date_from, date_to, offset, limit in asked:
            first = query(date_from, date_to, offset, limit)
            if first.date_from and first.date_to and first.date_to < first.date_from:
                continue
            expected = model.expected(first)
            pages = crawl(lambda each: shared.page(both, each), first)
            assert [ids_of(page.bodies) for page in pages] == [
                expected[start : start + limit]
                for start in range(offset, max(len(expected), offset + 1), limit)
            ]
            assert {page.total for page in pages} == {len(expected)}

    check()


def test_a_viewer_of_one_list_sees_and_counts_nothing_of_the_other(objects: ObjectStore) -> None:
    """Source: PAG-08."""
    put(objects, "A")
    put(objects, "B", partition=OWN + HIDDEN)

    page = objects.page([OWN], query())

    assert (ids_of(page.bodies), page.total) == (["A"], 1)
    assert objects.page([OWN, OWN + HIDDEN], query()).total == 2


def test_an_object_that_moves_to_another_list_leaves_the_first(objects: ObjectStore) -> None:
    put(objects, "A")
    put(objects, "B")
    put(objects, "A", partition=OWN + HIDDEN)

    assert ids_of(objects.page([OWN], query()).bodies) == ["B"]
    assert ids_of(objects.page([OWN + HIDDEN], query()).bodies) == ["A"]
    assert objects.page([OWN], query("2026-11-24T00:00:00Z")).total == 1


@pytest.mark.parametrize(
    "dates", [(), ("2026-01-01T00:00:00Z",), ("2026-03-01T08:00:00Z", "2026-12-01T08:00:00Z")]
)
def test_a_crawl_neither_misses_nor_repeats_an_unchanged_object(
    objects: ObjectStore, dates: tuple[str, ...]
) -> None:
    """Source: PAG-11."""
    chance = random.Random(7)
    moments = [f"2026-{month:02}-{day:02}T10:00:00.{day}Z" for month in (3, 6, 11) for day in range(1, 21)]
    for number, moment in enumerate(moments):
        put(objects, f"T{number}", moment)
    touched: set[str] = set()

    def read_while_others_write(asked: PageQuery):  # type: ignore[no-untyped-def]
        page = objects.page([OWN], asked)
        for _ in range(3):
            victim = f"T{chance.randrange(60)}"
            touched.add(victim)
            put(objects, victim, chance.choice(moments)) if chance.random() < 0.5 else remove(objects, victim)
        put(objects, f"N{chance.randrange(1000)}", chance.choice(moments))
        return page

    pages = crawl(read_while_others_write, query(*dates, limit=7))
    seen = [name for page in pages for name in ids_of(page.bodies)]

    untouched = [f"T{number}" for number in range(60) if f"T{number}" not in touched]
    assert len(untouched) > 15
    assert sorted(name for name in seen if name in untouched) == sorted(untouched)


def test_a_page_without_dates_costs_three_calls_by_link_and_by_offset(
    objects: ObjectStore, table: Table
) -> None:
    for number in range(30):
        put(objects, f"T{number}")
    pages = crawl(lambda each: objects.page([OWN], each), query(limit=5))
    last = pages[-2]

    costs = []
    for asked in (
        query(limit=5),
        query(limit=5, offset=15),
        query(limit=5, offset=25),
        PageQuery(limit=5, offset=last.next_offset or 0, cursor=last.next_cursor),
    ):
        with measured(table) as spent:
            assert len(objects.page([OWN], asked).bodies) == 5
        costs.append((spent.calls, spent.read_units))

    assert costs == [(["BatchGetItem", "Query", "BatchGetItem"], costs[0][1])] * 4


def test_counters_read_with_the_callers_token_are_not_read_again(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")
    asked = query("2026-11-24T08:00:00Z", "2026-12-24T08:00:00Z")
    known = table.get_many(objects.keys_for_page([OWN], asked))

    with measured(table) as spent:
        objects.page([OWN], asked, known)

    assert spent.calls == ["Query", "BatchGetItem"]


@pytest.mark.parametrize(
    ("dates", "offset", "calls"),
    [
        (("2026-11-21T00:00:00Z",), 0, 3),
        (("2026-11-21T00:00:00Z",), 6, 3),
        (("2026-11-20T10:00:00.5Z",), 0, 3),
        (("2026-11-20T10:00:00.5Z",), 6, 3),
        (("2026-11-20T10:00:00.5Z", "2026-11-23T11:00:00Z"), 0, 3),
        (("2026-11-20T10:00:00.5Z", "2026-11-23T11:00:00Z"), 6, 3),
        ((None, "2026-11-23T11:00:00Z"), 0, 3),
        ((None, "2026-11-23T11:00:00Z"), 6, 3),
    ],
)
def test_a_page_with_dates_of_a_span_that_fits_one_call_costs_three_calls(
    objects: ObjectStore, table: Table, dates: tuple[str, ...], offset: int, calls: int
) -> None:
    for day in range(19, 25):
        for number in range(4):
            put(objects, f"T{day}-{number}", f"2026-11-{day}T{8 + number:02}:00:00Z")

    with measured(table) as spent:
        page = objects.page([OWN], query(*dates, offset=offset, limit=5))

    assert len(page.bodies) == 5
    assert len(spent.calls) <= calls, spent.calls


def test_a_page_with_a_cursor_counts_again_and_costs_four_calls(objects: ObjectStore, table: Table) -> None:
    """The total is the current one, not that of the first page. Source: PAG-08"""
    for number in range(9):
        put(objects, f"T{number}", f"2026-11-24T1{number}:00:00Z")
    first = query("2026-11-24T11:00:00Z", "2026-11-24T18:00:00Z", limit=3)
    page = objects.page([OWN], first)
    remove(objects, "T1")

    with measured(table) as spent:
        following = objects.page([OWN], replace(first, offset=page.next_offset, cursor=page.next_cursor))

    assert (page.total, following.total) == (7, 6)
    assert ids_of(following.bodies) == ["T4", "T5", "T6"]
    assert len(spent.calls) == 4


def test_two_partial_days_too_large_for_one_count_cost_four_calls(
    objects: ObjectStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_orders, "ONE_CALL", 10)
    for day in range(19, 25):
        for number in range(4):
            put(objects, f"T{day}-{number}", f"2026-11-{day}T{8 + number:02}:00:00Z")
    first = query("2026-11-20T10:00:00Z", "2026-11-23T10:00:00Z", limit=3)

    with measured(table) as spent:
        page = objects.page([OWN], first)
    with measured(table) as later:
        following = objects.page(
            [OWN], PageQuery(first.date_from, first.date_to, page.next_offset or 0, 3, page.next_cursor)
        )

    assert (page.total, following.total) == (12, 12)
    assert len(spent.calls) == 4
    assert len(later.calls) == 3


def test_an_offset_without_cursor_reads_the_counters_of_its_quarters_in_one_call(
    objects: ObjectStore, table: Table
) -> None:
    for month in range(1, 12):
        put(objects, f"A{month}", f"2024-{month:02}-11T10:00:00Z")
        put(objects, f"B{month}", f"2025-{month:02}-11T10:00:00Z")

    with measured(table) as spent:
        page = objects.page([OWN], query("2024-01-01T08:00:00Z", offset=15, limit=3))

    assert ids_of(page.bodies) == ["B5", "B6", "B7"]
    assert spent.calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_a_changed_offset_overrides_the_cursor(objects: ObjectStore) -> None:
    """Source: PAG-13."""
    for number in range(10):
        put(objects, f"T{number}")
    page = objects.page([OWN], query(limit=4))

    again = objects.page([OWN], query(limit=4, offset=3, cursor=page.next_cursor))

    assert ids_of(again.bodies) == ["T3", "T4", "T5", "T6"]


@pytest.mark.parametrize("cursor", ["xyz", "WzQsMCwzXQ", "WzQsNSwzLCIiLCIiLG51bGxd", "%%%", "é", "A" * 5000])
@pytest.mark.parametrize("date_from", [None, "2026-11-01T00:00:00Z"])
def test_an_invalid_cursor_is_ignored_and_the_offset_counts(
    objects: ObjectStore, cursor: str, date_from: str | None
) -> None:
    """Source: PAG-14."""
    for number in range(6):
        put(objects, f"T{number}")

    page = objects.page([OWN], query(date_from, limit=2, offset=4, cursor=cursor))

    assert ids_of(page.bodies) == ["T4", "T5"]


def test_an_offset_beyond_the_end_gives_an_empty_page_with_the_total(objects: ObjectStore) -> None:
    """Source: PAG-14."""
    put(objects, "A")

    for asked in (query(offset=5), query("2026-01-01T00:00:00Z", offset=5)):
        page = objects.page([OWN], asked)
        assert (page.bodies, page.total, page.next_offset) == ([], 1, None)


def test_a_list_that_never_had_an_object_is_empty_and_costs_the_counters(
    objects: ObjectStore, table: Table
) -> None:
    """Source: PAG-10."""
    with measured(table) as spent:
        page = objects.page(["tariffs#XX*YYY"], query("2026-01-01T00:00:00Z"))

    assert (page.bodies, page.total, page.next_offset) == ([], 0, None)
    assert spent.calls == ["BatchGetItem"]


def test_a_page_ends_at_the_size_limit_of_an_answer(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE_BYTES", 2500)
    for number in range(5):
        put(objects, f"T{number}", text="x" * 1000)
    put(objects, "BIG", text="x" * 9000)

    pages = crawl(lambda each: objects.page([OWN], each), query(limit=4))

    assert [ids_of(page.bodies) for page in pages] == [["T0", "T1"], ["T2", "T3"], ["T4"], ["BIG"]]


def test_an_object_deleted_while_its_page_is_read_is_left_out(objects: ObjectStore, table: Table) -> None:
    for name in "ABC":
        put(objects, name)
    listing = lists.Lists(table, now).read([OWN], query())
    remove(objects, "B")

    found = objects.get_many([tariff_ref(name) for name in "ABC"])
    page = listing.page([found[ref].body if ref in found else None for ref in map(tariff_ref, "ABC")])

    assert ids_of(page.bodies) == ["A", "C"]


def test_versions_yield_every_object_of_a_list(objects: ObjectStore) -> None:
    put(objects, "A", "2026-11-02T00:00:00Z")
    put(objects, "B", "2026-11-01T00:00:00Z")

    stored = {name: objects.get(tariff_ref(name)) for name in "AB"}

    assert list(objects.versions(OWN)) == [
        (Ref("tariffs", "PT", "ABC", name), found.version) for name in "BA" if (found := stored[name])
    ]


def test_a_day_with_too_many_objects_to_read_is_skipped_by_a_count(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_orders, "ONE_CALL", 5)
    for number in range(20):
        write = Write(JsonText(f'{{"id":"T{number:02}"}}'), f"2026-11-24T10:00:{number:02}Z")
        objects.change(tariff_ref(f"T{number:02}"), lambda _, write=write: write, partition=OWN, source="")

    page = objects.page([OWN], query("2026-11-24T00:00:00Z", offset=17, limit=2))

    assert ids_of(page.bodies) == ["T17", "T18"]


def test_a_page_is_cut_by_the_bytes_that_lambda_sends(objects: ObjectStore) -> None:
    """A Greek letter is one character, two bytes in the table, and six bytes in an answer of Python 3.11."""
    for number in range(12):
        put(objects, f"T{number}", text="ω" * 150_000)

    pages = crawl(lambda each: objects.page([OWN], each), query(limit=20))

    assert [len(page.bodies) for page in pages] == [6, 6]
    for page in pages:
        assert len(json.dumps({"body": "[" + ",".join(page.bodies) + "]"})) < 6_291_556


def test_an_offset_without_cursor_is_exact_everywhere_in_a_span_of_many_quarters(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: PAG-02, PAG-06, PAG-13."""
    monkeypatch.setattr(list_orders, "ONE_CALL", 3)
    kept = []
    for month, day, hour in itertools.product((1, 4, 5, 7, 8, 11), (3, 20), (5, 15, 20)):
        stamp = f"2026-{month:02}-{day:02}T{hour:02}:00:00Z"
        put(objects, f"T{len(kept):02}", stamp)
        kept.append((stamp, f"T{len(kept):02}"))

    spans = [
        ("2026-01-03T10:00:00Z", "2026-11-20T18:00:00Z"),
        ("2026-01-03T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("2026-01-03T20:00:00Z", None),
        (None, "2026-08-20T05:00:00Z"),
    ]
    for start, end in spans:
        inside = [name for stamp, name in kept if (start or "") <= stamp < (end or "9")]
        for offset in range(len(inside) + 2):
            page = objects.page([OWN], query(start, end, offset=offset, limit=2))
            assert ids_of(page.bodies) == inside[offset : offset + 2], (start, end, offset)
            assert page.total == len(inside)


@pytest.fixture
def days(objects: ObjectStore) -> ObjectStore:
    """Eight tariffs, one for each day, created in the reverse order of their days."""
    for number in range(8):
        put(objects, f"T{number}", f"2026-11-{20 - number}T00:00:00Z")
    return objects


DATED = ("2026-11-01T00:00:00Z", "2026-11-19T00:00:00Z")


@pytest.mark.parametrize(
    ("asked", "position"),
    [
        (query(offset=3, limit=2), Position(last_updated="2026-11-16T00:00:00.000000", pk="TARIFFS#X")),
        (query(offset=3, limit=2), Position(5, "2026-11-16T00:00:00.000000")),
        (query(*DATED, offset=3, limit=2), Position(number=5)),
        (query(*DATED, offset=3, limit=2), Position(last_updated="2026-11-14T00:00:00.000000")),
        (
            query(*DATED, offset=3, limit=2),
            Position(last_updated="2026-11-19T00:00:00.000000", pk="tariffs#PT*ABC#T1"),
        ),
        (
            query(*DATED, offset=3, limit=2),
            Position(last_updated="2026-10-31T00:00:00.000000", pk="tariffs#PT*ABC#T1"),
        ),
    ],
)
def test_a_cursor_of_another_query_is_ignored_and_the_offset_counts(
    days: ObjectStore, asked: PageQuery, position: Position
) -> None:
    """Source: PAG-13"""
    cursor = Cursor(3, 0, position).encode()

    assert days.page([OWN], replace(asked, cursor=cursor)) == days.page([OWN], asked)


@pytest.mark.parametrize("since", [None, "2020-01-01T10:00:00Z"], ids=["without dates", "with date_from"])
def test_the_last_page_of_a_million_objects_costs_what_the_first_one_costs(
    objects: ObjectStore, table: Table, since: str | None
) -> None:
    """Only the ends of the list are there; the counters say that a million objects are between them."""
    for number in range(10):
        put(objects, f"A{number}", "2026-11-23T08:00:00Z")
    table.update(
        counters.root_key(OWN),
        "ADD #next :more, #total :more, #2026Q4 :more",
        {"more": 1_000_000},
    )
    table.update(counters.quarter_key(OWN, "2026-11-23"), "ADD #1123 :more", {"more": 1_000_000})
    for number in range(10):
        put(objects, f"Z{number}", "2026-11-25T08:00:00Z")

    first = query(since, limit=5)
    with measured(table) as at_the_start:
        objects.page([OWN], first)
    place = Position(number=1_000_009) if since is None else _place_of(table, "Z4")
    cursor = Cursor(1_000_010, 0, place).encode()
    with measured(table) as at_the_end:
        page = objects.page([OWN], replace(first, offset=1_000_010, cursor=cursor))

    assert page.total == 1_000_020
    assert ids_of(page.bodies) == [f"Z{number}" for number in (range(5) if since is None else range(5, 10))]
    assert at_the_end.calls == at_the_start.calls
    assert at_the_end.read_units == at_the_start.read_units


def _place_of(table: Table, tariff_id: str) -> Position:
    item = table.get(tariff_ref(tariff_id).key)
    assert item is not None
    return Position(last_updated=item["lu"], pk=item["pk"])
