"""Delivery report for the operator. Source: docs/design.md, A broadcast; TRN-32"""

from __future__ import annotations

from chalicelib.pushing.deliveries import key_of
from chalicelib.pushing.delivery_report import MOST_SHOWN, delivery_report
from tests.pushing.pushing import World, break_down, partner, refuse


def test_the_report_shows_delivered_waiting_refused_and_dead_objects() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    location = world.put_location()
    world.put_tariff("TAKEN")
    world.settle()
    world.partners.faults["one"] = refuse(200, 2001)
    world.put_tariff("Refused-1")
    world.settle()
    world.partners.faults["one"] = break_down
    world.put_evse(location, "E1")
    world.settle()

    shown = delivery_report(world.node, world.partner("one"))

    assert (shown["partner_id"], shown["connection"], shown["delivered"]) == ("one", "CONNECTED", 1)
    assert shown["version"] == "2.2.1"
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
        "again_at": "2026-03-01T13:00:00.030Z",
    }
    (waiting,) = shown["waiting"]
    assert (waiting["object"], waiting["since"]) == ("PT/ABC/L1/E1", "2026-03-01T12:00:00.040Z")


def test_the_report_shows_the_partner_s_own_words() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = refuse(200, 2001, "no such currency")
    world.put_tariff("Refused-1")
    world.settle()

    (refused,) = delivery_report(world.node, world.partner("one"))["refused"]

    assert refused["reason"] == "answered 2001: no such currency"
    assert refused["partner_words"] == "no such currency"


def test_a_row_of_an_earlier_release_is_shown() -> None:
    """Its reason has the partner's words behind ours."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = refuse()
    ref = world.put_tariff("Refused-1")
    world.settle()
    key = key_of("one", ref.key.pk)
    row = world.node.table.get(key) or {}
    assert "words" not in row
    world.node.table.put({**row, "reason": "answered 2001: no"})

    (refused,) = delivery_report(world.node, world.partner("one"))["refused"]

    assert refused["reason"] == "answered 2001: no"
    assert "partner_words" not in refused


def test_the_report_of_an_offline_partner_counts_the_missed_objects() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.away.add("one")
    world.put_tariff("T1")
    world.settle(seconds=70)
    world.put_tariff("T2")
    world.put_tariff("T2", currency="NOK")
    world.stream()

    shown = delivery_report(world.node, world.partner("one"))

    assert (shown["connection"], shown["missed"], shown["waiting"]) == ("OFFLINE", 2, [])
    assert shown["offline_since"] is not None


def test_the_report_shows_the_newest_of_very_many_rows_and_counts_all() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = refuse()
    for number in range(MOST_SHOWN + 20):
        world.put_tariff(f"T{number}")
        world.settle()

    shown = delivery_report(world.node, world.partner("one"))

    assert shown["counts"] == {
        "waiting": 0,
        "refused": MOST_SHOWN + 20,
        "held": 0,
        "dead": 0,
        "left_out": 0,
    }
    assert len(shown["refused"]) == MOST_SHOWN
    assert shown["refused"][0]["object"] == f"PT/ABC/T{MOST_SHOWN + 19}"
    assert shown["refused"][-1]["object"] == "PT/ABC/T20"
