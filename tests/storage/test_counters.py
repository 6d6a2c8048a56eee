from __future__ import annotations

from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.table import Update

NOON, EVENING = "2026-11-24T12:00:00.000000", "2026-11-24T20:00:00.000000"


def changes(before: Place | None, after: Place | None) -> dict[tuple[str, str], Update]:
    return {(update.key.pk, update.key.sk): update for update in counters.changes(before, after)}


def test_a_change_on_the_same_day_changes_no_counter() -> None:
    assert changes(Place("L", 3, NOON), Place("L", 3, EVENING)) == {}


def test_a_move_to_another_day_of_the_quarter_changes_one_counter_item() -> None:
    found = changes(Place("L", 3, NOON), Place("L", 3, "2026-12-01T00:00:00.000000"))

    assert list(found) == [("count#L", "2026Q4")]
    assert dict(found["count#L", "2026Q4"].values) == {"1124": -1, "1201": 1}


def test_a_move_to_another_quarter_changes_both_quarters_and_the_root() -> None:
    found = changes(Place("L", 3, NOON), Place("L", 3, "2027-01-01T00:00:00.000000"))

    assert dict(found["count#L", "#"].values) == {"2026Q4": -1, "2027Q1": 1}
    assert {key[1] for key in found} == {"#", "2026Q4", "2027Q1"}


def test_a_new_object_takes_the_next_number() -> None:
    first, second = (changes(None, Place("L", number, NOON))["count#L", "#"] for number in (0, 7))

    assert first.condition == "attribute_not_exists(#next)"
    assert (second.condition, second.values["number"], second.values["following"]) == (
        "#next = :number",
        7,
        8,
    )


def test_a_deleted_object_counts_as_free_number_in_its_block() -> None:
    found = changes(Place("L", 2345, NOON), None)

    assert dict(found["count#L", "#"].values) == {"total": -1, "2026Q4": -1, "h2": 1}


def test_a_move_to_another_list_changes_the_counters_of_both() -> None:
    found = changes(Place("L", 2345, NOON), Place("M", 9, NOON))

    assert dict(found["count#L", "#"].values) == {"total": -1, "2026Q4": -1, "h2": 1}
    assert found["count#M", "#"].condition == "#next = :number"
    assert dict(found["count#M", "2026Q4"].values) == {"1124": 1}


def test_the_counter_item_of_a_quarter_fits_one_write_unit() -> None:
    from chalicelib.storage.items import item_size

    every_day = {f"{month:02}{day:02}": 12345 for month in (10, 11, 12) for day in range(1, 32)}

    item = {"pk": "count#locations#PT*ABC", "sk": "2026Q4", **every_day}

    # A number of five digits takes 4 bytes, not the 21 that item_size allows for.
    assert item_size(item) - (21 - 4) * len(every_day) < 1024


def test_seek_is_exact_in_full_blocks_and_starts_at_the_block_otherwise() -> None:
    root = {"total": 2900, "next": 3000, "h1": 100}

    assert counters.seek(root, 999) == (999, 0)
    assert counters.seek(root, 1000) == (1000, 0)
    assert counters.seek(root, 1500) == (1000, 500)
    assert counters.seek(root, 1900) == (2000, 0)
    assert counters.seek(root, 2899) == (2999, 0)
    assert counters.seek(None, 0) == (0, 0)


def test_adding_an_object_moves_emptied_blocks_into_one_attribute() -> None:
    root = {"total": 7, "next": 4007, "h0": 1000, "h1": 1000, "h2": 3, "h3": 1000}

    found = changes(None, Place("L", 4007, NOON, counters.emptied(root)))["count#L", "#"]

    assert found.values["empty"] == [0, 2, 3, 4]
    assert found.expression.endswith("REMOVE #h0, #h1, #h3")
    assert found.condition == "#next = :number"


def test_adding_an_object_without_emptied_blocks_leaves_the_attribute_out() -> None:
    assert counters.emptied(None) == counters.emptied({"next": 5000, "h0": 999, "empty": [1, 4]})
    assert (
        "empty"
        not in changes(None, Place("L", 7, NOON, counters.emptied({"next": 7})))["count#L", "#"].values
    )


def test_the_number_of_emptied_blocks_in_one_operation_is_limited() -> None:
    """DynamoDB's limits are 4 KB and 300 operators for an expression."""
    root: dict[str, object] = {"next": 1_000_000, **{f"h{block}": 1000 for block in range(900)}}
    rounds = 0
    while noted := counters.emptied(root).blocks:
        update = changes(None, Place("L", 1_000_000, NOON, counters.emptied(root)))["count#L", "#"]
        assert len(update.expression) < 2000
        root = {name: value for name, value in root.items() if name not in {f"h{block}" for block in noted}}
        root["empty"] = update.values["empty"]
        rounds += 1

    assert (root, rounds) == ({"next": 1_000_000, "empty": [0, 900]}, 18)


def test_seek_skips_ranges_of_empty_blocks() -> None:
    root = {"total": 2100, "next": 9100, "h4": 10, "h8": 990, "empty": [0, 4, 5, 7]}

    assert counters.seek(root, 0) == (4000, 0)
    assert counters.seek(root, 989) == (4000, 989)
    assert counters.seek(root, 990) == (7000, 0)
    assert counters.seek(root, 1990) == (8000, 0)
    assert counters.seek(root, 2000) == (9000, 0)
    assert counters.seek(root, 2100) == (9100, 0)
