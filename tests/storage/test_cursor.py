from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.protocol.json_text import write_json
from chalicelib.storage.cursor import Cursor, Position

numbers = st.integers(0, 2**40)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=26)
cursors = st.builds(
    Cursor,
    numbers,
    st.integers(0, 3),
    st.builds(Position, numbers, texts, texts),
    st.one_of(st.none(), numbers),
)


@given(cursors)
def test_a_cursor_is_read_back_from_its_text(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode()) == cursor


@given(st.text())
def test_other_text_is_read_as_no_cursor_without_an_error(text: str) -> None:
    """Source: PAG-14."""
    found = Cursor.decode(text)
    assert found is None or is_sound(found)


def is_sound(cursor: Cursor) -> bool:
    """Return whether a cursor could have been made by a list."""
    offset, list_index, (number, last_updated, pk), total = cursor
    texts = last_updated + pk
    return (
        offset >= 0
        and list_index >= 0
        and -1 <= number < 2**53
        and (total is None or total >= 0)
        and texts.isascii()
        and len(last_updated) <= 26
        and len(pk) <= 1024
    )


def encoded(*parts: object) -> str:
    return base64.urlsafe_b64encode(write_json(list(parts)).encode()).decode().rstrip("=")


SOUND = [50, 0, 49, "2026-11-24T10:00:00.123000", "tariffs#PT*ABC#T1", 7]


def test_a_valid_cursor_is_accepted() -> None:
    assert Cursor.decode(encoded(*SOUND)) == Cursor(50, 0, Position(*SOUND[2:5]), 7)


@pytest.mark.parametrize(
    ("place", "forged"),
    [
        (0, -1), (0, True), (0, "50"), (0, None),
        (1, -1), (1, "0"),
        (2, -2), (2, 2**53), (2, 1.5), (2, None),
        (3, "2026-11-24T10:00:00.123000Z"), (3, "é"), (3, 5), (3, None),
        (4, "é"), (4, "x" * 1025), (4, 5), (4, None),
        (5, -1), (5, "7"), (5, True), (5, [1]),
    ],
)  # fmt: skip
def test_a_cursor_with_one_invalid_part_is_not_accepted(place: int, forged: object) -> None:
    parts = [forged if number == place else part for number, part in enumerate(SOUND)]

    assert Cursor.decode(encoded(*parts)) is None


@pytest.mark.parametrize("parts", [SOUND[:5], SOUND[:3], [*SOUND, 1], [], ["x"]])
def test_a_cursor_with_another_number_of_parts_is_not_accepted(parts: list[object]) -> None:
    assert Cursor.decode(encoded(*parts)) is None


@pytest.mark.parametrize("json_text", ["{}", '"abc"', "5", "null", "[", "\xff"])
def test_a_cursor_that_is_no_json_list_is_not_accepted(json_text: str) -> None:
    assert Cursor.decode(base64.urlsafe_b64encode(json_text.encode("latin-1")).decode()) is None


@given(cursors, st.integers(0, 40), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_manipulated_cursor_raises_no_error(cursor: Cursor, at: int, letter: str) -> None:
    text = cursor.encode()
    found = Cursor.decode(text[:at] + letter + text[at + 1 :])
    assert found is None or is_sound(found)


@pytest.mark.parametrize(
    ("place", "bound"), [(0, 0), (1, 0), (2, -1), (2, 2**53 - 1), (3, ""), (4, "x" * 1024), (5, 0), (5, None)]
)
def test_a_cursor_with_a_part_at_its_limit_is_accepted(place: int, bound: object) -> None:
    parts = [bound if number == place else part for number, part in enumerate(SOUND)]

    found = Cursor.decode(encoded(*parts))

    assert found is not None and [*found[:2], *found.position, found.total] == parts


@pytest.mark.parametrize("junk", ["!!!!", "\n\n\n\n", "    ", "++++", "////"])
def test_a_cursor_with_characters_outside_its_alphabet_is_not_accepted(junk: str) -> None:
    assert Cursor.decode(encoded(*SOUND)[:8] + junk + encoded(*SOUND)[8:]) is None


def test_a_cursor_is_safe_in_a_url_and_needs_no_padding() -> None:
    text = Cursor(50, 0, Position(49, "", "tariffs#??>>~~")).encode()

    assert not set(text) & set("+/=")
