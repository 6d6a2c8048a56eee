"""The plan is complete, and each function has its row's number in its name."""

from __future__ import annotations

import pytest

from certification.plan import PLAN, select

SPOKEN = str.maketrans(" -", "__")
CHAPTERS = {"1": 5, "2": 5, "3": 6, "4": 4, "5": 3, "6": 5, "7": 3}
MANDATORY = {"1.1", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3"} | {
    "4.1",
    "4.2",
    "4.2b",
    "5.1",
    "5.2",
    "6.1",
    "6.2",
    "6.3",
    "7.1",
}


def test_every_row_of_the_plan_is_listed_once_and_in_order() -> None:
    numbered = [row.id for row in PLAN if not row.id.endswith("b")]

    assert numbered == [
        f"{chapter}.{number}" for chapter, count in CHAPTERS.items() for number in range(1, count + 1)
    ]
    assert len(PLAN) == 33


def test_the_mandatory_rows_are_those_of_the_plan() -> None:
    assert {row.id for row in PLAN if row.is_mandatory} == MANDATORY


def test_a_function_is_named_and_numbered_as_its_row() -> None:
    for row in PLAN:
        assert row.show is not None
        expected = f"scenario_{row.id.replace('.', '_')}_{row.name.lower().translate(SPOKEN)}"
        assert row.show.__name__ == expected


def test_rows_and_chapters_are_selected() -> None:
    assert [row.id for row in select(["2.1", "7"])] == ["2.1", "7.1", "7.2", "7.3"]
    assert select([]) == PLAN
    with pytest.raises(ValueError, match=r"9\.9"):
        select(["9.9"])
