from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.storage.table import Check, Conflict, Delete, Key, Put, Snapshot, Table, Update
from chalicelib.storage.values import decode_value, encode_value
from infra.local.emulator import Emulator
from tests.emulator import make_dynamodb_client, make_table
from tests.storage.capacity import measured

A, B, C = Key("a"), Key("b"), Key("c", "x")

numbers = st.one_of(
    st.integers(-(10**37), 10**37),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20),
)
values = st.recursive(
    st.one_of(st.text(), numbers, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(min_size=1), inner)),
    max_leaves=8,
)


@pytest.fixture(params=[True, False], ids=["fast client", "botocore"])
def table(request: pytest.FixtureRequest, emulator: Emulator) -> Table:
    """A table with the fast client, then with botocore's: both behave the same."""
    return make_table(make_dynamodb_client(emulator, fast=request.param))


def item(key: Key, **attributes: Any) -> dict[str, Any]:
    return {"pk": key.pk, "sk": key.sk, **attributes}


@given(values)
def test_values_are_read_back_unchanged(value: object) -> None:
    """Source: TYP-09."""
    assert decode_value(encode_value(value)) == value


def test_a_float_is_refused() -> None:
    with pytest.raises(TypeError):
        encode_value(0.1)


def test_whole_numbers_stay_int_and_fractions_stay_decimal() -> None:
    assert [type(decode_value(encode_value(number))) for number in (7, Decimal("0.50"), -3)] == [
        int,
        Decimal,
        int,
    ]


def test_get_reads_what_put_wrote(table: Table) -> None:
    table.put(item(A, size=3, name="São"))

    assert table.get(A) == item(A, size=3, name="São")
    assert table.get(B) is None


def test_a_put_whose_condition_does_not_hold_is_a_conflict(table: Table) -> None:
    table.put(item(A, v=1), "attribute_not_exists(#pk)")

    with pytest.raises(Conflict):
        table.put(item(A, v=2), "attribute_not_exists(#pk)")
    with pytest.raises(Conflict):
        table.put(item(A, v=2), "#v = :read", {"read": 7})

    assert table.get(A) == item(A, v=1)


def test_update_returns_the_item_as_it_is_now(table: Table) -> None:
    assert table.update(A, "SET #name = :name ADD #size :size", {"name": "x", "size": 2}) == item(
        A, name="x", size=2
    )
    with pytest.raises(Conflict):
        table.update(A, "ADD #size :size", {"size": 2, "read": 9}, "#size = :read")


def test_a_delete_whose_condition_does_not_hold_is_a_conflict(table: Table) -> None:
    table.put(item(A, v=1))

    with pytest.raises(Conflict):
        table.delete(A, "#v = :read", {"read": 2})
    table.delete(A, "#v = :read", {"read": 1})

    assert table.get(A) is None


def test_a_transaction_is_all_or_nothing(table: Table) -> None:
    table.put(item(B, v=1))

    with pytest.raises(Conflict):
        table.transact([Put(item(A)), Check(B, "#v = :read", {"read": 2})])
    assert table.get(A) is None

    table.transact([Put(item(A)), Check(B, "#v = :read", {"read": 1}), Update(C, "SET #v = :v", {"v": 5})])
    table.transact([Delete(A), Delete(B)])
    assert table.get_many([A, B, C]) == {C: item(C, v=5)}


def test_a_transaction_with_one_operation_is_a_plain_write(table: Table) -> None:
    with measured(table) as spent:
        table.transact([Put(item(A))])

    assert (spent.calls, spent.write_units) == (["PutItem"], 1)


def test_many_keys_are_read_a_hundred_in_a_call_and_each_once(table: Table) -> None:
    keys = [Key(f"k{number}") for number in range(205)]
    table.write_many(item(key) for key in keys)

    with measured(table) as spent:
        found = table.get_many([*keys, *keys])

    assert (len(found), spent.calls) == (205, ["BatchGetItem"] * 3)


def test_unprocessed_keys_of_a_batch_are_read_again(table: Table) -> None:
    keys = [Key(f"k{number}") for number in range(60)]
    table.write_many(item(key, body="x" * 390_000) for key in keys)

    assert len(table.get_many(keys)) == 60


def test_known_items_are_not_read_again(table: Table) -> None:
    table.write_many([item(A), item(B)])
    known = table.get_many([A, C])

    with measured(table) as spent:
        again = table.read([A, C], known)
        more = table.read([A, B, C], known)

    assert again == {A: item(A)}
    assert more == {A: item(A), B: item(B)}
    assert spent.calls == ["BatchGetItem"]


def test_only_the_items_in_a_plain_mapping_count_as_known(table: Table) -> None:
    table.put(item(B))

    assert table.read([A, B], {A: item(A)}) == Snapshot({A: item(A), B: item(B)})


def test_write_many_deletes_too(table: Table) -> None:
    table.write_many(item(Key("k", str(number))) for number in range(30))
    table.write_many([item(A)], [Key("k", str(number)) for number in range(30)])

    assert list(table.query_all("#pk = :pk", {"pk": "k"})) == []
    assert table.get(A) is not None


def test_a_query_continues_after_its_last_item(table: Table) -> None:
    table.write_many(item(Key("k", f"{number:02}")) for number in range(5))
    condition, given_values = "#pk = :pk AND #sk >= :first", {"pk": "k", "first": "01"}

    rows = table.query(condition, given_values, limit=3)
    rest = table.query(condition, given_values, limit=3, after=rows.last)

    assert [each["sk"] for each in rows.items + rest.items] == ["01", "02", "03", "04"]
    assert rest.last is None
    assert [each["sk"] for each in table.query(condition, given_values, forward=False).items][0] == "04"
    assert table.count(condition, given_values) == 4


def test_more_than_1_mb_is_read_and_counted_in_several_calls(table: Table) -> None:
    table.write_many(item(Key("k", f"{number:02}"), body="x" * 300_000) for number in range(8))

    with measured(table) as spent:
        assert len(list(table.query_all("#pk = :pk", {"pk": "k"}))) == 8
        assert table.count("#pk = :pk", {"pk": "k"}) == 8

    assert len(spent.calls) > 4


def test_an_item_too_large_for_dynamodb_is_a_client_error(table: Table) -> None:
    with pytest.raises(InvalidParameters):
        table.put(item(A, body="x" * 410_000))
    with pytest.raises(InvalidParameters):
        table.transact([Put(item(A, body="x" * 410_000)), Put(item(B))])


def test_another_dynamodb_error_is_a_server_error_with_its_code_only(table: Table) -> None:
    with pytest.raises(ServerError, match="ValidationException"):
        table.put(item(A), "#v = :nowhere")
    with pytest.raises(ServerError, match="ResourceNotFoundException"):
        Table(table._client, "elsewhere").get(A)
