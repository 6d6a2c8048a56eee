"""A hub receives objects that change nothing, and tells nobody.

Source: OCPI 2.2.1 mod_locations, Object last_updated; LOC-03, LOC-14, RTE-12; docs/decisions.md
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.locations import receiver as locations
from chalicelib.modules.sessions import receiver as sessions
from chalicelib.modules.tariffs import receiver as tariffs
from chalicelib.modules.tokens import receiver as tokens
from chalicelib.protocol.json_text import write_json
from chalicelib.pushing.catch_up import count_pending
from chalicelib.pushing.deliveries import read_deliveries
from chalicelib.routes import Interface
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, EMSP, PartnerApi
from tests.harness.partners import register
from tests.modules import builders
from tests.modules.builders import T0, T1, T2, connector, evse, without
from tests.modules.sessions.builders import session as make_session
from tests.pushing.pushing import World, partner

SITE = Ref("locations", *CPO, "L1")
TARIFF = Ref("tariffs", *CPO, "T1")
TIMES = 15


def location(**fields: Any) -> dict[str, Any]:
    return builders.location(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


def tariff(**fields: Any) -> dict[str, Any]:
    return builders.tariff(country_code=CPO.country_code, party_id=CPO.party_id, **fields)


@pytest.fixture
def hub() -> World:
    """A hub with the eMSP `one`, whose initial catch-up is done."""
    world = World("HUB")
    world.join(partner("EMSP", "one"))
    return world


def api(hub: World, interface: Interface, name: str = "cpo") -> PartnerApi:
    caller = hub.node.directory.get(name) or register(
        hub.node, name, ("CPO", CPO) if name == "cpo" else ("EMSP", EMSP)
    )
    return PartnerApi(hub.node, interface, caller)


def pushed(hub: World) -> int:
    """Let every push end. Returns how many the eMSP has had so far."""
    hub.settle()
    return len(hub.partners.to("one"))


def pending(hub: World) -> int:
    """Count the objects that the eMSP lacks in the eyes of a catch-up."""
    one = hub.partner("one")
    return count_pending(hub.node, one, read_deliveries(hub.table, one.id))


def is_listed_since(hub: World, ref: Ref, moment: str) -> bool:
    entry = hub.table.get(ref.key)
    assert entry is not None
    return bool(entry["lu"] >= moment[:19])


def test_a_location_that_comes_15_times_is_pushed_once(hub: World) -> None:
    cpo, document = api(hub, locations.INTERFACE), location(evses=[evse("E1"), evse("E2")])

    for _ in range(TIMES + 1):
        assert cpo.call("PUT", *CPO, "L1", document=document).codes[1] == 1000

    assert pushed(hub) == 1


def test_a_tariff_that_comes_15_times_is_pushed_once(hub: World) -> None:
    cpo = api(hub, tariffs.INTERFACE)

    for _ in range(TIMES + 1):
        assert cpo.call("PUT", *CPO, "T1", document=tariff()).codes[1] == 1000

    assert pushed(hub) == 1


def test_an_unchanged_object_is_read_and_not_written(hub: World) -> None:
    site, price = api(hub, locations.INTERFACE), api(hub, tariffs.INTERFACE)
    site.call("PUT", *CPO, "L1", document=location())
    price.call("PUT", *CPO, "T1", document=tariff())

    for call in (
        lambda: site.call("PUT", *CPO, "L1", document=location()),
        lambda: site.call("PUT", *CPO, "L1", "E1", document=evse("E1")),
        lambda: site.call("PATCH", *CPO, "L1", "E1", document={"status": "AVAILABLE", "last_updated": T0}),
        lambda: site.call("PUT", *CPO, "L1", "E1", "1", document=connector("1")),
        lambda: price.call("PUT", *CPO, "T1", document=tariff()),
    ):
        before = dict(hub.dynamodb.items)
        assert call().codes == (200, 1000)
        assert hub.dynamodb.items == before


@pytest.mark.parametrize(
    ("ids", "method", "document"),
    [
        ((), "PUT", location(evses=[evse(last_updated=T1)], last_updated=T2)),
        ((), "PUT", location(last_updated=T2)),
        ((), "PATCH", {"city": "Lisboa", "last_updated": T2}),
        (("E1",), "PUT", evse("E1", last_updated=T2)),
        (("E1",), "PATCH", {"status": "AVAILABLE", "last_updated": T2}),
        (("E1", "1"), "PUT", connector("1", last_updated=T2)),
        (("E1", "1"), "PATCH", {"max_voltage": 230, "last_updated": T2}),
    ],
)
def test_another_last_updated_alone_is_stored_and_pushed_to_nobody(
    hub: World, ids: tuple[str, ...], method: str, document: dict[str, Any]
) -> None:
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location())
    assert pushed(hub) == 1

    assert cpo.call(method, *CPO, "L1", *ids, document=document).codes == (200, 1000)

    assert pushed(hub) == 1
    assert pending(hub) == 0
    assert cpo.call("GET", *CPO, "L1", *ids).data["last_updated"] == T2
    assert cpo.call("GET", *CPO, "L1").data["last_updated"] == T2
    assert is_listed_since(hub, SITE, T2)


def test_a_tariff_with_another_last_updated_alone_is_pushed_to_nobody(hub: World) -> None:
    cpo = api(hub, tariffs.INTERFACE)
    cpo.call("PUT", *CPO, "T1", document=tariff())
    assert pushed(hub) == 1

    cpo.call("PUT", *CPO, "T1", document=tariff(last_updated=T2))

    assert pushed(hub) == 1
    assert pending(hub) == 0
    assert cpo.call("GET", *CPO, "T1").data["last_updated"] == T2
    assert is_listed_since(hub, TARIFF, T2)


def test_a_change_after_an_unchanged_push_is_pushed_and_nothing_is_left_to_push(hub: World) -> None:
    """The delivery row of a location advances over EVSEs that came unchanged in between."""
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location(evses=[evse("E1"), evse("E2")]))
    assert pushed(hub) == 1
    cpo.call("PATCH", *CPO, "L1", "E2", document={"status": "AVAILABLE", "last_updated": T1})

    cpo.call("PATCH", *CPO, "L1", "E1", document={"status": "CHARGING", "last_updated": T2})

    assert pushed(hub) == 2
    assert hub.partners.sent[-1].segments[-1] == "E1"
    assert pending(hub) == 0


def test_a_whole_location_that_repeats_the_changes_of_its_evses_is_pushed_to_nobody(hub: World) -> None:
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location(evses=[evse("E1"), evse("E2")]))
    cpo.call("PATCH", *CPO, "L1", "E1", document={"status": "CHARGING", "last_updated": T1})
    cpo.call("PUT", *CPO, "L1", "E3", document=evse("E3", last_updated=T1))
    before = pushed(hub)
    evses = [evse("E1", status="CHARGING", last_updated=T1), evse("E2"), evse("E3", last_updated=T1)]

    cpo.call("PUT", *CPO, "L1", document=location(evses=evses, last_updated=T1))
    cpo.call("PUT", *CPO, "L1", document=location(evses=evses, last_updated=T2))

    assert pushed(hub) == before
    assert pending(hub) == 0


@pytest.mark.parametrize(
    "evses",
    [
        [evse("E1", status="BLOCKED", last_updated=T2), evse("E2")],
        [evse("E2"), evse("E1")],
        [evse("E1")],
        [evse("E1"), evse("E3")],
    ],
)
def test_a_whole_location_with_other_evses_is_pushed(hub: World, evses: list[dict[str, Any]]) -> None:
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location(evses=[evse("E1"), evse("E2")]))
    assert pushed(hub) == 1

    cpo.call("PUT", *CPO, "L1", document=location(evses=evses, last_updated=T2))

    assert pushed(hub) == 2
    assert cpo.call("GET", *CPO, "L1").data["evses"] == evses


def test_a_large_location_with_other_times_alone_is_stored_and_pushed_to_nobody(hub: World) -> None:
    cpo, uids = api(hub, locations.INTERFACE), [f"E{number}" for number in range(150)]
    cpo.call("PUT", *CPO, "L1", document=location(evses=[evse(uid) for uid in uids]))
    before, later = pushed(hub), [evse(uid, last_updated=T1) for uid in uids]

    cpo.call("PUT", *CPO, "L1", document=location(evses=later, last_updated=T2))

    assert pushed(hub) == before
    assert cpo.call("GET", *CPO, "L1").data == location(evses=later, last_updated=T2)


def test_a_number_with_other_digits_is_a_change(hub: World) -> None:
    """TYP-09: every digit is passed on."""
    cpo = api(hub, tariffs.INTERFACE)
    cpo.call("PUT", *CPO, "T1", document=tariff())
    assert pushed(hub) == 1
    text = write_json(tariff(last_updated=T1))

    cpo.call("PUT", *CPO, "T1", body=text.replace('"price":0.2500', '"price":0.25'))

    assert pushed(hub) == 2


def test_an_older_push_after_an_unchanged_newer_one_is_ignored(hub: World) -> None:
    """LOC-14"""
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location())
    cpo.call("PATCH", *CPO, "L1", "E1", document={"status": "AVAILABLE", "last_updated": T2})

    cpo.call("PATCH", *CPO, "L1", "E1", document={"status": "BLOCKED", "last_updated": T1})

    assert cpo.call("GET", *CPO, "L1", "E1").data["status"] == "AVAILABLE"


def test_a_location_is_as_new_as_its_newest_child(hub: World) -> None:
    """LOC-03, TRP-28: so that it is found by `date_from`."""
    cpo = api(hub, locations.INTERFACE)
    newest = evse("E1", connectors=[connector(last_updated=T2)])

    cpo.call("PUT", *CPO, "L1", document=location(evses=[newest, evse("E2")]))

    stored = cpo.call("GET", *CPO, "L1").data
    assert stored["last_updated"] == T2
    assert [each["last_updated"] for each in stored["evses"]] == [T2, T0]
    assert is_listed_since(hub, SITE, T2)


def test_an_evse_is_as_new_as_its_newest_connector(hub: World) -> None:
    """LOC-03"""
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location())

    cpo.call("PUT", *CPO, "L1", "E1", document=evse("E1", connectors=[connector(last_updated=T2)]))

    assert cpo.call("GET", *CPO, "L1", "E1").data["last_updated"] == T2
    assert cpo.call("GET", *CPO, "L1").data["last_updated"] == T2


def test_a_location_that_its_owner_never_lifts_is_taken_after_a_change_of_its_evse(hub: World) -> None:
    """LOC-03, LOC-14: the PUT is as new as its EVSE, so it is not older than the stored location."""
    cpo = api(hub, locations.INTERFACE)
    cpo.call("PUT", *CPO, "L1", document=location())
    cpo.call("PATCH", *CPO, "L1", "E1", document={"status": "CHARGING", "last_updated": T1})

    cpo.call("PUT", *CPO, "L1", document=location(name="New", evses=[evse("E1", last_updated=T1)]))

    assert cpo.call("GET", *CPO, "L1").data["name"] == "New"


def test_a_child_with_a_time_in_the_future_lifts_nothing(hub: World) -> None:
    cpo = api(hub, locations.INTERFACE)

    cpo.call("PUT", *CPO, "L1", document=location(evses=[evse("E1", last_updated="2062-01-01T00:00:00Z")]))

    assert cpo.call("GET", *CPO, "L1").data["last_updated"] == T0


def test_an_unchanged_token_and_session_are_not_written(hub: World) -> None:
    emsp, cpo = api(hub, tokens.INTERFACE, "emsp"), api(hub, sessions.INTERFACE)
    token = builders.token(country_code=EMSP.country_code, party_id=EMSP.party_id)
    session = make_session()
    calls = [
        lambda: emsp.call("PUT", *EMSP, token["uid"], document=token),
        lambda: emsp.call("PATCH", *EMSP, token["uid"], document={"valid": True, "last_updated": T0}),
        lambda: cpo.call("PUT", *CPO, session["id"], document=session),
        lambda: cpo.call("PATCH", *CPO, session["id"], document={"kwh": session["kwh"], "last_updated": T0}),
    ]
    calls[0](), calls[2]()

    for call in calls:
        before = dict(hub.dynamodb.items)
        assert call().codes == (200, 1000)
        assert hub.dynamodb.items == before


def test_objects_without_any_time_are_pushed_once_although_each_arrival_fills_in_another(hub: World) -> None:
    """Source: docs/interop.md, Findings; LOC-14"""
    connectors = [without(connector(), "last_updated")]
    site = without(
        location(evses=[without(evse("E1", connectors=connectors), "last_updated")]), "last_updated"
    )
    price = without(tariff(), "last_updated")
    done = without(make_session(CPO, status="COMPLETED"), "last_updated")
    before, versions = pushed(hub), set()

    for _ in range(TIMES):
        hub.clock.forward(60)
        assert api(hub, locations.INTERFACE).call("PUT", *CPO, "L1", document=site).codes[1] == 1000
        assert api(hub, tariffs.INTERFACE).call("PUT", *CPO, "T1", document=price).codes[1] == 1000
        assert api(hub, sessions.INTERFACE).call("PUT", *CPO, "S1", document=done).codes[1] == 1000
        stored = hub.table.get(Ref("sessions", *CPO, "S1").key)
        versions.add(stored["v"] if stored else None)

    assert pushed(hub) - before == 2
    assert len(versions) == 1
