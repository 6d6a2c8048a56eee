"""What the operator sees of broadcasts. Source: DESIGN.md, A broadcast; TRN-32"""

from __future__ import annotations

from chalicelib.partners.overview import depths, overview
from tests.partners.pushing import World, break_down, partner, refuse


def test_the_operator_sees_what_each_partner_was_told_and_what_not() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.join(partner("EMSP", "two", status="INVITED"))
    location = world.put_location()
    world.put_tariff("TAKEN")
    world.settle()
    world.partners.faults["one"] = refuse(200, 2001)
    world.put_tariff("Refused-1")
    world.settle()
    world.partners.faults["one"] = break_down
    world.put_evse(location, "E1")
    world.settle()

    (shown,) = overview(world.node)

    assert (shown["partner_id"], shown["connection"], shown["delivered"]) == ("one", "CONNECTED", 1)
    assert (shown["offline_since"], shown["missed"], shown["dead"]) == (None, 0, [])
    (refused,) = shown["refused"]
    assert refused == {
        "module": "tariffs",
        "object": "PT/ABC/Refused-1",
        "method": "PUT",
        "reason": "answered 2001",
        "status_code": 2001,
        "http_status": 200,
        "at": "2026-03-01T12:00:00.030Z",
    }
    (waiting,) = shown["waiting"]
    assert (waiting["object"], waiting["since"]) == ("PT/ABC/L1/E1", "2026-03-01T12:00:00.040Z")


def test_of_a_partner_that_is_away_it_tells_how_much_it_misses() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.away.add("one")
    world.put_tariff("T1")
    world.settle(seconds=70)
    world.put_tariff("T2")
    world.put_tariff("T2", currency="NOK")
    world.stream()

    (shown,) = overview(world.node)

    assert (shown["connection"], shown["missed"], shown["waiting"]) == ("OFFLINE", 2, [])
    assert shown["offline_since"] is not None


def test_it_tells_how_deep_the_queues_are() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.put_tariff()
    world.stream()

    assert depths(world.node) == (1, 0)
