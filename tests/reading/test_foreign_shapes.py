"""Odd objects, as other people's software writes them, are read, and what is stored is canonical.

Each shape is sent over OCPI by a registered partner. Only what would have to be guessed is refused: identity,
ownership, privacy, money. docs/interop.md has the rules and their reasons.

Source: TYP-03, TYP-15, TRP-22
"""

from __future__ import annotations

from itertools import chain

import pytest

from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.types import format_datetime
from tests.harness.nodes import START
from tests.reading.receiver import PLACES, node_with_partners, push, stored
from tests.reading.shapes import cdrs, locations, sessions, tariffs, tokens
from tests.reading.shapes.shape import Shape

ARRIVED = format_datetime(START)

SHAPES: dict[str, list[Shape]] = {
    "location": locations.locations(ARRIVED),
    "evse": locations.evses(),
    "connector": locations.connectors(),
    "tariff": tariffs.tariffs(ARRIVED),
    "session": sessions.sessions(ARRIVED),
    "cdr": cdrs.cdrs(ARRIVED),
    "token": tokens.tokens(ARRIVED),
}
ALL = [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes]
READ = [pytest.param(kind, shape, id=f"{kind} {shape.odd}") for kind, shape in ALL if not shape.refused]
REFUSED = [pytest.param(kind, shape, id=f"{kind} {shape.odd}") for kind, shape in ALL if shape.refused]


@pytest.mark.parametrize("kind", PLACES)
def test_a_valid_object_is_stored_as_it_came(kind: str) -> None:
    place = PLACES[kind]
    node = node_with_partners(place.node_role)

    answer = push(place, node, place.make())

    assert (answer.codes[1], answer.message) == (1000, "")
    assert stored(place, node, place.make().get("id", "")) == place.make()


@pytest.mark.parametrize(("kind", "shape"), READ)
def test_an_odd_object_is_stored_in_its_canonical_form(kind: str, shape: Shape) -> None:
    place = PLACES[kind]
    node = node_with_partners(place.node_role)
    canonical = shape.canonical(place.make())

    answer = push(place, node, shape.request(place.make()))

    assert answer.codes[1] == 1000, answer.message
    assert stored(place, node, canonical.get("id", "")) == canonical


@pytest.mark.parametrize(("kind", "shape"), REFUSED)
def test_an_object_that_would_have_to_be_guessed_is_refused_by_its_field(kind: str, shape: Shape) -> None:
    place = PLACES[kind]
    node = node_with_partners(place.node_role)

    answer = push(place, node, shape.request(place.make()))

    assert answer.codes == (200, 2001)
    assert answer.message.startswith(f"{shape.refused}:"), answer.message


def test_at_least_nine_in_ten_shapes_are_read() -> None:
    assert len(READ) >= 100
    assert len(READ) >= 9 * len(REFUSED)


def test_no_shape_is_listed_twice() -> None:
    names = [str(param.id) for param in chain(READ, REFUSED)]

    assert sorted(set(names)) == sorted(names)


def test_each_shape_differs_from_the_valid_object() -> None:
    same = [
        (kind, shape.odd)
        for kind, shape in ALL
        if write_json(shape.request(PLACES[kind].make())) == write_json(PLACES[kind].make())
    ]

    assert same == []
