"""Lists of a CPO that speaks OCPI 2.1.1: its objects name no owner.

Source: OCPI 2.1.1, GET of each module; V211-07, V211-71
"""

from __future__ import annotations

import pytest

from tests.pulling.world import CPO, World
from tests.versions.test_emsp_of_2_1_1 import CDR, LOCATION, SESSION, TARIFF

LISTS = {"locations": LOCATION, "tariffs": TARIFF, "sessions": SESSION, "cdrs": CDR}


@pytest.fixture
def emsp() -> World:
    """An eMSP with a CPO of 2.1.1 that has an object in each list."""
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO), version="2.1.1")
    world.partners.objects = {("cpo", module): [document] for module, document in LISTS.items()}
    world.stream()
    world.settle()
    return world


def test_the_objects_belong_to_the_only_party_of_the_partner(emsp: World) -> None:
    """Source: V211-71"""
    for module in LISTS:
        ((document,), pull) = emsp.stored(module).values(), emsp.pull("cpo", module)
        assert (document["country_code"], document["party_id"]) == tuple(CPO)
        assert (pull.kept, pull.refused) == (1, 0)


def test_an_object_that_comes_again_is_unchanged(emsp: World) -> None:
    """A pull asks for more than it needs; what it has already is not stored again. Source: V211-07"""
    emsp.clock.forward(hours=24)

    emsp.start("cpo", "locations")
    emsp.settle()

    assert "date_from" in emsp.partners.of("cpo", "locations")[-1]
    emsp.start("cpo", "locations", full=True)
    emsp.settle()
    pull = emsp.pull("cpo", "locations")
    assert (pull.unchanged, pull.kept, pull.refused) == (1, 0, 0)
