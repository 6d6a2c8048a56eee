"""Keys of the operator API: stored as hashes, and not valid as partners' tokens."""

from __future__ import annotations

import pytest

from chalicelib.operator_api.keys import (
    add_operator_key,
    key_item_of,
    list_operator_keys,
    read_bearer,
    remove_operator_keys,
)
from tests.operator_api.caller import KEY, OperatorApi


def test_a_key_is_stored_as_its_hash_only(cpo: OperatorApi) -> None:
    key = add_operator_key(cpo.node, "back office")

    item = cpo.node.table.get(key_item_of(cpo.node.directory, key))

    assert item is not None
    assert item["name"] == "back office"
    assert key not in str(item)


def test_keys_are_revoked_by_the_name_of_their_holder(cpo: OperatorApi) -> None:
    for name in ("Ana", "Ana", "Rui"):
        add_operator_key(cpo.node, name)

    assert remove_operator_keys(cpo.node, "Ana") == 2

    assert {key.name for key in list_operator_keys(cpo.node)} == {"Rui", "the tests"}
    assert remove_operator_keys(cpo.node, "Ana") == 0


def test_a_revoked_key_is_unauthorized(cpo: OperatorApi) -> None:
    assert cpo.call("GET", "/partners").status == 200

    remove_operator_keys(cpo.node, "the tests")

    assert cpo.call("GET", "/partners").status == 401


@pytest.mark.parametrize(
    "key", ["short", "with a space in the middle", "não é ASCII, não é ASCII", "x" * 129]
)
def test_a_key_that_is_too_short_or_cannot_be_a_header_is_refused(cpo: OperatorApi, key: str) -> None:
    with pytest.raises(ValueError, match="16 to 128"):
        add_operator_key(cpo.node, "somebody", key)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Token {KEY}", KEY, "Bearer é" + KEY, f"Bearer {KEY} {KEY}"]
)
def test_a_header_without_a_key_is_read_as_none(header: str | None) -> None:
    assert read_bearer(header) is None


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"Bearer  {KEY} "])
def test_the_key_is_read_from_the_header(header: str) -> None:
    assert read_bearer(header) == KEY
