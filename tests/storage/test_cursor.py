from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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
def test_any_other_text_is_no_cursor_and_no_error(text: str) -> None:
    """Source: PAG-14."""
    Cursor.decode(text)


@given(cursors, st.integers(0, 40), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_cursor_that_somebody_changed_is_no_error(cursor: Cursor, at: int, letter: str) -> None:
    text = cursor.encode()
    Cursor.decode(text[:at] + letter + text[at + 1 :])
