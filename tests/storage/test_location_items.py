from __future__ import annotations

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.storage.location_items import (
    FIRST_GENERATION,
    current_evses,
    evses_agree,
    make_evses,
    make_roster,
    roster_agrees,
    slot_of,
    whole_text,
)
from chalicelib.storage.table import Item
from tests.storage.builders import NOON, evse

PK = "locations#PT*ABC#L1"


def header(**other: object) -> Item:
    versions = {"v": 5, "hv": 5, "wv": 5, "gen": FIRST_GENERATION, "n": 2}
    return {"pk": PK, "sk": "#", "body": '{"id":"L1"}', "lu_text": NOON, **versions, **other}


def evses(version: int = 5, number: int = 2) -> list[Item]:
    return make_evses(PK, FIRST_GENERATION, [evse(str(slot)) for slot in range(number)], version)


def test_items_of_one_write_agree() -> None:
    assert evses_agree(header(), evses())
    assert evses_agree(header(v=6, hv=6), evses())


def test_items_of_an_evse_written_alone_agree() -> None:
    first, second = evses()

    assert evses_agree(header(v=7), [first, {**second, "v": 7}])


@pytest.mark.parametrize(
    ("seen", "items"),
    [
        (header(), evses(number=1)),
        (header(), evses(version=4)),
        (header(v=6, hv=6, wv=6), evses()),
        (header(v=7), evses()),
        (header(), [{**each, "v": 7} for each in evses()]),
    ],
    ids=["one is missing", "older EVSEs", "newer header", "EVSE not yet seen", "header not yet seen"],
)
def test_items_of_two_states_do_not_agree(seen: Item, items: list[Item]) -> None:
    assert not evses_agree(seen, items)


def test_a_roster_of_another_state_does_not_agree() -> None:
    assert roster_agrees(header(), make_roster(PK, ["1", "2"], 5))
    assert not roster_agrees(header(), make_roster(PK, ["1"], 5))
    assert not roster_agrees(header(), make_roster(PK, ["1", "2"], 4))
    assert not roster_agrees(header(), None)
    assert roster_agrees(header(n=0), None)


def test_the_slot_of_a_uid_is_found_in_any_case() -> None:
    """Source: TYP-01."""
    roster = make_roster(PK, ["Abc", "Def"], 5)

    assert (slot_of(roster, "DEF"), slot_of(roster, "x"), slot_of(None, "x")) == (1, None, None)


def test_evses_of_other_generations_are_not_current() -> None:
    other = [{**each, "sk": each["sk"].replace("000#", "999#")} for each in evses()]

    assert current_evses(header(), [*other, *reversed(evses()), header()]) == evses()


def test_the_whole_text_is_joined_from_the_items() -> None:
    assert read_json(str(whole_text(header(), evses()))) == {
        "id": "L1",
        "evses": [evse("0"), evse("1")],
        "last_updated": NOON,
    }
    assert whole_text(header(n=0, body="{}"), []) == f'{{"last_updated":"{NOON}"}}'
