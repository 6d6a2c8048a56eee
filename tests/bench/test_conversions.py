"""The bench of conversions runs, on few rounds; and a conversion leaves the stored objects as they are."""

from __future__ import annotations

from copy import deepcopy

import pytest

from bench import conversions
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.supported import CANONICAL, VERSIONS, load_version
from tests.reading.shapes import whole

OBJECTS = {
    **conversions._OBJECTS,
    Kind.EVSE: whole.evse(),
    Kind.CONNECTOR: whole.connector(),
    Kind.SESSION: {**whole.session(), "location_id": conversions._LOCATION["id"]},
}


def test_every_conversion_is_measured() -> None:
    times = conversions.measure(1)

    assert len(times) == len(conversions._OBJECTS) * (len(VERSIONS) - 1)
    assert all(down > 0 and up > 0 for down, up in times.values())


@pytest.mark.parametrize("version", [each for each in VERSIONS if each != CANONICAL])
def test_a_conversion_changes_neither_the_object_nor_the_location_that_it_looks_up(version: str) -> None:
    for kind, document in OBJECTS.items():
        before = deepcopy((document, conversions._LOCATION))

        load_version(version).down(kind, document, conversions.KNOWN)

        assert (document, conversions._LOCATION) == before, kind
