from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.protocol.json_text import JsonText
from chalicelib.storage import counters, retry
from chalicelib.storage.objects import New, ObjectStore, Ref, Remove, Stored, Write, is_stale
from chalicelib.storage.table import Check, Conflict, Table
from tests.storage.builders import NOON, OWN, put, query, remove, tariff, tariff_ref
from tests.storage.capacity import measured


def test_an_object_is_read_back_unchanged(objects: ObjectStore) -> None:
    """Source: OCPI 2.2.1 types_number_type; TYP-09."""
    body = JsonText(
        '{"id":"t-1","price":0.250,"name":"Até já","mobie_x":[1e3],"last_updated":"' + NOON + '"}'
    )
    write = Write(body, NOON, extra={"due": "2026"})

    change = objects.change(tariff_ref("t-1"), lambda _: write, partition=OWN, source="partner-1")
    stored = objects.get(tariff_ref("t-1"))

    assert stored == change.after
    assert stored is not None
    assert stored.body == body
    assert stored.ref == tariff_ref("t-1")
    assert (stored.source, stored.partition, stored.extra) == ("partner-1", OWN, {"due": "2026"})
    assert change.created


def test_ids_are_found_in_any_case_and_keep_their_original_case(objects: ObjectStore) -> None:
    """Source: OCPI 2.2.1 types_cistring_type; TYP-01."""
    put(objects, "Night-1")

    stored = objects.get(Ref("tariffs", "pt", "abc", "NIGHT-1"))

    assert stored is not None
    assert stored.ref.id == "Night-1"


def test_the_same_id_of_two_parties_names_two_objects(objects: ObjectStore) -> None:
    """Source: OWN-02."""
    for party in ("ABC", "XYZ"):
        write = Write(JsonText(f'"{party}"'), NOON)
        objects.change(
            Ref("tariffs", "PT", party, "1"), lambda _, write=write: write, partition=OWN, source=""
        )

    found = objects.get_many([Ref("tariffs", "PT", party, "1") for party in ("ABC", "XYZ", "NON")])

    assert sorted(stored.body for stored in found.values()) == ['"ABC"', '"XYZ"']


def test_the_same_id_with_another_variant_names_another_object(objects: ObjectStore) -> None:
    """Source: OWN-05."""
    for kind in ("RFID", "APP_USER"):
        write = Write(JsonText(f'"{kind}"'), NOON)
        ref = Ref("tokens", "PT", "EVI", "1", kind)
        objects.change(ref, lambda _, write=write: write, partition="tokens", source="")

    stored = objects.get(Ref("tokens", "PT", "EVI", "1", "APP_USER"))

    assert stored is not None and stored.body == '"APP_USER"'


def test_the_version_rises_over_every_write_and_over_deletion(objects: ObjectStore, table: Table) -> None:
    versions = []
    later = ObjectStore(table, lambda: datetime(2027, 3, 1, 12, 0, 1, tzinfo=UTC))
    for store in (objects, objects, later):
        change = put(store, "A")
        assert change.after is not None
        versions.append(change.after.version)
        if store is objects and len(versions) == 2:
            remove(objects, "A")

    assert versions == sorted(set(versions))


def test_a_decision_of_none_writes_nothing(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")

    with measured(table) as spent:
        change = objects.change(tariff_ref("A"), lambda _: None, partition=OWN, source="x")

    assert not change.written
    assert spent.calls == ["BatchGetItem"]


def test_removing_a_missing_object_writes_nothing(objects: ObjectStore) -> None:
    assert not remove(objects, "A").written


def test_an_error_of_the_decision_passes_through_and_nothing_is_written(objects: ObjectStore) -> None:
    def refuse(_: Stored | None) -> Write:
        raise InvalidParameters("no")

    with pytest.raises(InvalidParameters):
        objects.change(tariff_ref("A"), refuse, partition=OWN, source="")

    assert objects.get(tariff_ref("A")) is None


def test_a_change_with_items_read_with_the_callers_token_is_one_call(
    objects: ObjectStore, table: Table
) -> None:
    """So PUT, PATCH and DELETE of an object take two calls, including the one for the caller's token."""
    ref = tariff_ref("A")
    decisions = [
        Write(tariff("A"), NOON),
        Write(tariff("A", name="again"), NOON),
        Write(tariff("A"), "2026-12-01T00:00:00Z"),
        Remove(),
    ]

    calls = []
    for decision in decisions:
        known = table.get_many(objects.keys_for_change(ref, OWN))
        with measured(table) as spent:
            objects.change(ref, lambda _, decision=decision: decision, known, partition=OWN, source="")
        calls.append(spent.calls)

    assert calls == [["TransactWriteItems"], ["PutItem"], ["TransactWriteItems"], ["TransactWriteItems"]]


def test_a_change_that_meets_another_change_decides_again(objects: ObjectStore, table: Table) -> None:
    put(objects, "A", name="first")
    known = table.get_many(objects.keys_for_change(tariff_ref("A"), OWN))
    put(objects, "A", name="second")
    seen: list[str] = []

    def decide(current: Stored | None) -> Write:
        assert current is not None
        seen.append(current.body)
        return Write(tariff("A", name="third"), NOON)

    objects.change(tariff_ref("A"), decide, known, partition=OWN, source="")

    assert ["first" in seen[0], "second" in seen[1]] == [True, True]
    stored = objects.get(tariff_ref("A"))
    assert stored is not None and "third" in stored.body


def test_a_creation_that_meets_another_creation_decides_again(objects: ObjectStore, table: Table) -> None:
    known = table.get_many(objects.keys_for_change(tariff_ref("A"), OWN))
    put(objects, "A")
    put(objects, "B")

    seen = []
    objects.change(tariff_ref("A"), lambda current: seen.append(current), known, partition=OWN, source="")
    objects.change(tariff_ref("C"), lambda _: Write(tariff("C"), NOON), known, partition=OWN, source="")

    assert seen == [None]
    page = objects.page([OWN], query())
    assert (page.total, len(page.bodies)) == (3, 3)


def test_too_many_conflicting_changes_end_in_a_server_error(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "TRIES", 3)
    monkeypatch.setattr(retry, "_LONGEST_S", 0)
    put(objects, "A")

    def meddle(_: Stored | None) -> Write:
        put(objects, "A", name="between")
        return Write(tariff("A"), NOON)

    with pytest.raises(ServerError):
        objects.change(tariff_ref("A"), meddle, partition=OWN, source="")


@pytest.mark.parametrize("letter", ["x", "é"])
def test_an_object_above_400_kb_is_refused_and_nothing_is_counted(objects: ObjectStore, letter: str) -> None:
    body = JsonText('"' + letter * (410_000 // len(letter.encode())) + '"')

    with pytest.raises(InvalidParameters, match="at most 409600 can be stored"):
        objects.change(tariff_ref("A"), lambda _: Write(body, NOON), partition=OWN, source="")

    assert objects.page([OWN], query()).total == 0


def test_an_object_just_below_400_kb_is_stored(objects: ObjectStore) -> None:
    body = JsonText('"' + "x" * 409_200 + '"')

    objects.change(tariff_ref("A"), lambda _: Write(body, NOON), partition=OWN, source="")

    stored = objects.get(tariff_ref("A"))
    assert stored is not None and stored.body == body


@pytest.mark.parametrize("last_updated", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_last_updated_in_an_impossible_year_is_refused(objects: ObjectStore, last_updated: str) -> None:
    with pytest.raises(InvalidParameters):
        put(objects, "A", last_updated)


@pytest.mark.parametrize(
    ("last_updated", "stale"),
    [("2026-11-24T11:59:59.999Z", True), (NOON, False), ("2026-11-24T12:00:00.1Z", False)],
)
def test_only_a_strictly_older_update_is_stale(objects: ObjectStore, last_updated: str, stale: bool) -> None:
    """Source: LOC-14."""
    put(objects, "A")

    assert is_stale(objects.get(tariff_ref("A")), last_updated) is stale
    assert not is_stale(None, last_updated)


def _new(tariff_id: str, partition: str = OWN, last_updated: str = NOON) -> New:
    return New(tariff_ref(tariff_id), Write(tariff(tariff_id, last_updated), last_updated, partition))


def test_create_counts_and_numbers_several_objects(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")

    known = objects.create([_new("B"), _new("C", last_updated="2026-10-01T00:00:00Z"), _new("X", "other#l")])
    with measured(table) as spent:
        objects.create([_new("D"), _new("Y", "other#l")], known=known)

    assert [objects.page([name], query()).total for name in (OWN, "other#l")] == [4, 2]
    assert [str(body) for body in objects.page([OWN], query(limit=2, offset=2)).bodies] == [
        tariff("C", "2026-10-01T00:00:00Z"),
        tariff("D"),
    ]
    assert objects.page([OWN], query("2026-11-01T00:00:00Z")).total == 3
    assert spent.calls == ["TransactWriteItems"]


def test_create_writes_all_objects_or_none(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")
    refused = Check(tariff_ref("Z").key, "attribute_exists(#pk)")

    with pytest.raises(Conflict):
        objects.create([_new("B"), _new("A")])
    with pytest.raises(Conflict):
        objects.create([_new("B")], [refused])
    with pytest.raises(Conflict):
        objects.create([_new("B")], known={counters.root_key(OWN): {"next": 7}})

    assert objects.get(tariff_ref("B")) is None
    assert objects.page([OWN], query()).total == 1


def test_the_partition_of_a_write_overrides_that_of_the_change(objects: ObjectStore) -> None:
    write = Write(tariff("A"), NOON, partition="elsewhere")

    objects.change(tariff_ref("A"), lambda _: write, partition=OWN, source="")

    assert objects.page([OWN], query()).total == 0
    assert objects.page(["elsewhere"], query()).total == 1


def test_get_of_an_object_read_with_the_callers_token_is_no_call(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")
    known = table.get_many(objects.keys_for_get(tariff_ref("A")))
    absent = table.get_many(objects.keys_for_get(tariff_ref("B")))

    with measured(table) as spent:
        assert objects.get(tariff_ref("A"), known) is not None
        assert objects.get(tariff_ref("B"), absent) is None

    assert spent.calls == []


def test_a_clock_that_goes_back_does_not_lower_the_version(objects: ObjectStore, table: Table) -> None:
    earlier = ObjectStore(table, lambda: datetime(2020, 1, 1, tzinfo=UTC))

    first, second = put(objects, "A").after, put(earlier, "A").after

    assert first is not None and second is not None
    assert second.version == first.version + 1
