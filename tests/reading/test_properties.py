"""Properties of the reader: it never raises, what it returns is valid, and it changes nothing twice.

Hypothesis makes documents from valid ones: with several odd shapes at once, and with arbitrary JSON at
arbitrary places.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.locations.objects import Connector, Evse, Location
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tokens.objects import Token
from chalicelib.protocol.json_text import Document, write_json
from chalicelib.protocol.types import OcpiObject, validation_errors
from chalicelib.reading.findings import Outcome
from chalicelib.reading.missing import Context
from chalicelib.reading.patches import is_valid_patch
from chalicelib.reading.reader import Reading, read_document
from tests.reading.receiver import PLACES
from tests.reading.shapes.shape import Shape
from tests.reading.test_foreign_shapes import ARRIVED, SHAPES

MODELS: dict[str, type[OcpiObject]] = {
    "location": Location,
    "evse": Evse,
    "connector": Connector,
    "tariff": Tariff,
    "session": Session,
    "cdr": Cdr,
    "token": Token,
}
CONTEXT = Context(now=ARRIVED)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

kinds = st.sampled_from(sorted(MODELS))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(["", " ", "true", "24:00", "8:00", "2026-03-01 08:00:00", "1e400", "-0", "x" * 600])
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths of all values in a document."""
    found = [path] if path else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for step, value in items:
        found += _places(value, (*path, step))
    return found


def _check(kind: str, document: Document) -> Reading:
    """Read a document and check what holds for each."""
    came = write_json(document)

    reading = read_document(MODELS[kind], document, CONTEXT)

    assert write_json(document) == came
    if reading.error is not None:
        assert reading.document is None
        assert any(finding.outcome is Outcome.REFUSED for finding in reading.findings)
        return reading
    assert validation_errors(MODELS[kind], reading.document) == []
    again = read_document(MODELS[kind], reading.document, CONTEXT)
    assert (again.document is reading.document, again.findings) == (True, ())
    return reading


@QUICK
@given(st.data())
def test_a_document_with_several_odd_shapes_is_read_once_and_for_all(data: st.DataObject) -> None:
    kind = data.draw(kinds)
    shapes = [shape for shape in SHAPES[kind] if not shape.refused]
    document = copy.deepcopy(PLACES[kind].make())
    for shape in data.draw(st.lists(st.sampled_from(shapes), max_size=4)):
        document = _applied(shape, document)

    _check(kind, document)


def _applied(shape: Shape, document: Document) -> Document:
    """Make a document odd in one more way; as it is where an earlier shape took the place away."""
    try:
        return shape.request(document)
    except (LookupError, TypeError, ValueError):
        return document


@QUICK
@given(st.data())
def test_arbitrary_json_at_arbitrary_places_is_read_or_refused(data: st.DataObject) -> None:
    kind = data.draw(kinds)
    document = copy.deepcopy(PLACES[kind].make())
    for _ in range(data.draw(st.integers(1, 3))):
        *steps, last = data.draw(st.sampled_from(_places(document)))
        parent = document
        for step in steps:
            parent = parent[step]
        if data.draw(st.booleans()):
            parent[last] = data.draw(junk)
        else:
            del parent[last]
        if not document:
            break

    _check(kind, document)


@QUICK
@given(st.data())
def test_a_valid_document_is_returned_as_it_is(data: st.DataObject) -> None:
    """It has some of the optional fields, and fields that OCPI does not know."""
    kind = data.draw(kinds)
    document = copy.deepcopy(PLACES[kind].make())
    fields = MODELS[kind].model_fields
    for name in data.draw(st.sets(st.sampled_from(sorted(set(document) & set(fields))))):
        if not fields[name].is_required():
            del document[name]
    document |= data.draw(st.dictionaries(st.text("xyz_", min_size=2, max_size=6), junk, max_size=2))

    reading = read_document(MODELS[kind], document, CONTEXT)

    assert (reading.document is document, reading.findings, reading.aside) == (True, (), {})


PATCHED = sorted(set(MODELS) - {"tariff", "cdr"})


@QUICK
@given(st.data())
def test_a_patch_with_arbitrary_json_is_read_or_refused(data: st.DataObject) -> None:
    """The quick check of a PATCH finds valid what the whole model finds valid."""
    kind = data.draw(st.sampled_from(PATCHED))
    whole = copy.deepcopy(PLACES[kind].make())
    for _ in range(data.draw(st.integers(0, 3))):
        *steps, last = data.draw(st.sampled_from(_places(whole)))
        parent = whole
        for step in steps:
            parent = parent[step]
        if data.draw(st.booleans()):
            parent[last] = data.draw(junk)
        else:
            del parent[last]
        if not whole:
            break
    patch = {name: value for name, value in whole.items() if data.draw(st.booleans())}
    came = write_json(patch)

    reading = read_document(MODELS[kind], patch, CONTEXT, is_patch=True)

    assert write_json(patch) == came
    if is_valid_patch(MODELS[kind], patch):
        assert (reading.document is patch, reading.findings) == (True, ())
        assert _unknown_errors(kind, patch) == []
    if reading.error is None:
        assert _unknown_errors(kind, reading.document) == []
        again = read_document(MODELS[kind], reading.document, CONTEXT, is_patch=True)
        assert (again.document is reading.document, again.findings) == (True, ())


def _unknown_errors(kind: str, patch: Document) -> list[str]:
    """Return the errors of the whole model that are not about a field left out or removed."""
    errors = validation_errors(MODELS[kind], patch)
    return [str(each["loc"]) for each in errors if each["type"] != "missing" and each["input"] is not None]


@QUICK
@given(st.data())
def test_some_fields_of_a_valid_document_are_a_valid_patch(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(PATCHED))
    whole = PLACES[kind].make()
    patch = {
        name: data.draw(st.just(value) | st.none())
        for name, value in whole.items()
        if data.draw(st.booleans())
    }
    patch |= data.draw(st.dictionaries(st.text("xyz_", min_size=2, max_size=6), junk, max_size=2))

    reading = read_document(MODELS[kind], patch, CONTEXT, is_patch=True)

    assert (reading.document is patch, reading.findings, reading.aside) == (True, (), {})


def test_the_usual_patch_is_found_valid_without_the_whole_model() -> None:
    times = {"last_updated": ARRIVED}
    charging = {"uid": "E1", "status": "CHARGING", **times}

    assert is_valid_patch(Evse, {"status": "CHARGING", "floor_level": None, "x": 1, **times})
    assert is_valid_patch(Location, {"evses": [charging], "name": "A", **times})
    assert is_valid_patch(Session, {"kwh": 3, "total_cost": {"excl_vat": 1}, "status": "ACTIVE", **times})
    assert is_valid_patch(Token, {"valid": False, "whitelist": "NEVER", **times})
    assert not is_valid_patch(Location, {"evses": [charging, charging]})
    assert not is_valid_patch(Evse, {"status": "charging"})
    assert not is_valid_patch(Evse, {"connectors": []})
