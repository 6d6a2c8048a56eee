"""Tests of the size limit of a whole location: it holds for every kind of write and costs no further call."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.sizes import LARGEST_LOCATION, MAX_BODY_BYTES, Size
from chalicelib.storage import location_writer
from chalicelib.storage.location_items import evses_size_in, whole_size
from chalicelib.storage.locations import LocationStore, WriteLocation
from chalicelib.storage.table import Table, Update
from tests.storage.builders import NOON, SITES, crawl, evse, put_evse, put_site, query, site, site_ref
from tests.storage.capacity import measured

LARGE = "x" * 390_000


def header(table: Table, location_id: str = "L1") -> dict[str, Any]:
    item = table.get(site_ref(location_id).key)
    assert item is not None
    return item


def forget_size(table: Table) -> None:
    """Remove the size from the location's header, as in headers written before sizes were stored."""
    table.transact([Update(site_ref("L1").key, "REMOVE #ec, #ea", {}, "attribute_exists(#pk)")])


def uids(locations: LocationStore) -> list[str]:
    return [each["uid"] for each in read_json(str(locations.get(site_ref("L1"))))["evses"]]


def test_an_evse_that_makes_its_location_too_large_is_refused(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1", text=LARGE), evse("2", text=LARGE)])

    with pytest.raises(InvalidParameters, match=f"at most {LARGEST_LOCATION} can be stored and answered"):
        put_evse(locations, "L1", evse("3", text=LARGE))

    assert uids(locations) == ["1", "2"]


def test_a_location_written_whole_has_the_same_size_limit(locations: LocationStore) -> None:
    with pytest.raises(InvalidParameters, match=f"at most {LARGEST_LOCATION} can be stored and answered"):
        put_site(locations, "L1", [evse(str(slot), text=LARGE) for slot in range(3)])

    assert locations.get(site_ref("L1")) is None


def test_an_evse_may_grow_only_while_its_location_fits_a_push(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1", text=LARGE), evse("2", text=LARGE), evse("3")])

    with pytest.raises(InvalidParameters, match=f"at most {MAX_BODY_BYTES} can be stored and answered"):
        put_evse(locations, "L1", evse("3", text=LARGE))


def test_a_location_may_grow_only_while_it_fits_a_push(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1", text=LARGE), evse("2", text=LARGE)])

    with pytest.raises(InvalidParameters, match=f"at most {MAX_BODY_BYTES} can be stored and answered"):
        put_site(locations, "L1", None, text=LARGE)


def test_the_stored_size_matches_the_answer_after_any_change(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1", text='é "ω" \\ 😀'), evse("2")])
    put_evse(locations, "L1", evse("2", text="x" * 50))
    put_evse(locations, "L1", evse("3", text="Köln"))
    put_evse(locations, "L1", evse("1"))
    put_site(locations, "L1", None, text="Lisboa")

    stored, text = header(table), locations.get(site_ref("L1"))
    counted = evses_size_in(stored)
    assert counted is not None and text is not None
    size = whole_size(stored, counted)
    assert 0 <= size.characters - len(text) <= 80
    assert 0 <= size.answer - Size.of(text).answer <= 100


def test_the_size_limit_costs_no_further_call(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1")])

    with measured(table) as spent:
        put_evse(locations, "L1", evse("2"))

    assert spent.calls == ["BatchGetItem", "TransactWriteItems"]


def test_a_location_stored_without_its_size_is_measured_once(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1", text=LARGE), evse("2", text=LARGE)])
    forget_size(table)

    with pytest.raises(InvalidParameters):
        put_evse(locations, "L1", evse("3", text=LARGE))
    put_evse(locations, "L1", evse("1", status="CHARGING", text=LARGE))
    with measured(table) as spent:
        put_evse(locations, "L1", evse("2"))

    assert spent.calls == ["BatchGetItem", "GetItem", "TransactWriteItems"]
    assert evses_size_in(header(table)) is not None


def write_larger_than_any_answer(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write L1 as it could be before there was a limit: 17 EVSEs of 390,000 characters each."""
    with monkeypatch.context() as before:
        before.setattr(location_writer, "check_location_size", lambda *_, **__: None)
        put_site(locations, "L1", [evse(str(slot), text=LARGE) for slot in range(17)])
    forget_size(table)


def test_a_location_too_large_for_any_answer_still_accepts_a_status(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_larger_than_any_answer(locations, table, monkeypatch)

    put_evse(locations, "L1", evse("3", status="OUTOFORDER", text=LARGE))

    found = locations.get_evse(site_ref("L1"), "3")
    assert found is not None and read_json(str(found.body))["status"] == "OUTOFORDER"
    with pytest.raises(InvalidParameters):
        put_evse(locations, "L1", evse("99"))


def test_a_location_too_large_for_any_answer_is_left_out_of_lists(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_site(locations, "A", [evse("1")])
    write_larger_than_any_answer(locations, table, monkeypatch)
    put_site(locations, "Z", [evse("1")])

    pages = crawl(lambda asked: locations.page([SITES], asked), query(limit=1))
    assert [[read_json(str(body))["id"] for body in page.bodies] for page in pages] == [["A"], [], ["Z"]]
    assert [page.total for page in pages] == [3, 3, 3]
    assert [page.next_offset for page in pages] == [1, 2, None]
    ((pk, size),) = pages[1].too_large
    assert pk == site_ref("L1").key.pk and size > 17 * 390_000
    together = crawl(lambda asked: locations.page([SITES], asked), query(NOON))
    assert [read_json(str(body))["id"] for page in together for body in page.bodies] == ["A", "Z"]


def test_a_location_too_large_for_any_answer_can_be_replaced_by_a_smaller_one(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_larger_than_any_answer(locations, table, monkeypatch)

    locations.change(
        site_ref("L1"), lambda _: WriteLocation(site("L1"), [evse("1")]), partition=SITES, source=""
    )

    assert uids(locations) == ["1"]
