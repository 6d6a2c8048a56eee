"""Tests of size limits: an answer as Lambda's runtime sends it, and a whole location."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.sizes import (
    LARGEST_ANSWER,
    LARGEST_LOCATION,
    MAX_BODY_BYTES,
    Size,
    answer_size,
    check_location_size,
    fits_answer,
)

LAMBDA_LIMIT = 6_291_556


@given(st.text())
def test_an_answer_is_measured_as_lambda_s_json_writes_it(text: str) -> None:
    assert answer_size(text) == len(json.dumps(text)) - 2


def test_the_largest_answer_leaves_room_for_headers() -> None:
    answer = {"statusCode": 200, "headers": {"Link": "x" * 8000}, "body": "ä" * (LARGEST_ANSWER // 6)}

    assert len(json.dumps(answer)) < LAMBDA_LIMIT


@pytest.mark.parametrize(("letter", "bytes_each"), [("a", 1), ('"', 2), ("\\", 2), ("ω", 6), ("😀", 12)])
def test_a_body_fits_up_to_the_largest_answer_and_no_further(letter: str, bytes_each: int) -> None:
    most = LARGEST_ANSWER // bytes_each

    assert fits_answer(letter * most)
    assert not fits_answer(letter * (most + 1))


def test_a_location_may_grow_to_the_limit_by_additions() -> None:
    check_location_size(Size(LARGEST_LOCATION, LARGEST_LOCATION), None, adds=True)

    with pytest.raises(InvalidParameters, match="at most 1000000 can be stored") as refused:
        check_location_size(Size(LARGEST_LOCATION + 1, LARGEST_LOCATION + 1), None, adds=True)
    assert refused.value.field == "evses"


def test_a_location_that_takes_too_many_bytes_in_an_answer_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="5000001 bytes in an answer, at most 5000000"):
        check_location_size(Size(900_000, 5_000_001), None, adds=True)


def test_a_change_by_one_character_is_accepted_at_the_limit_of_additions() -> None:
    full = Size(LARGEST_LOCATION, LARGEST_LOCATION)

    check_location_size(full.plus(Size(1, 1)), full, adds=False)


def test_a_change_that_makes_a_location_too_large_to_push_is_refused() -> None:
    full = Size(MAX_BODY_BYTES, MAX_BODY_BYTES)

    with pytest.raises(InvalidParameters):
        check_location_size(full.plus(Size(1, 1)), full, adds=False)


@pytest.mark.parametrize("growth", [0, -5, 10])
def test_a_location_stored_above_the_limit_still_accepts_a_small_change(growth: int) -> None:
    before = Size(7_000_000, 7_500_000)

    check_location_size(before.plus(Size(growth, growth)), before, adds=False)


@pytest.mark.parametrize(("growth", "adds"), [(2000, False), (10, True)])
def test_a_location_stored_above_the_limit_must_not_grow_much(growth: int, adds: bool) -> None:
    before = Size(7_000_000, 7_500_000)

    with pytest.raises(InvalidParameters):
        check_location_size(before.plus(Size(growth, growth)), before, adds=adds)
