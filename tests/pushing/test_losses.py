"""Objects that a partner's OCPI version cannot express whole, or not at all.

Source: X-02, X-04
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.protocol.message import Party
from chalicelib.pushing import liveness
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, key_of
from chalicelib.pushing.delivery_report import delivery_report
from chalicelib.pushing.losses import MOST_KEPT, note_losses
from chalicelib.pushing.replays import replay_object
from chalicelib.pushing.retries import queue_due_retries
from chalicelib.versions import supported
from chalicelib.versions.version import Loss, Traits
from tests.logged import Logged
from tests.logged import logged as logged
from tests.pushing.pushing import World, break_down, partner, refuse
from tests.reading.shapes import whole

UNKNOWN_PLUG = [{**whole.connector(), "standard": "CHAOJI"}]
LONG = {"address": "A" * 60}
LOST = {"pointer": "/address", "reason": "2.2 has at most 45 characters"}
AD_HOC = {"type": "AD_HOC_PAYMENT"}


@pytest.fixture(autouse=True)
def made_up_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "VERSIONS", {**supported.VERSIONS, "9.9": "tests.versions.made_up"})


@pytest.fixture
def world() -> Iterator[World]:
    """A CPO with an eMSP of 9.9, one of 2.2, and one of 2.2.1, which take part as `new`, `old` and `one`."""
    made = World("CPO")
    for name, version in (("new", "9.9"), ("old", "2.2"), ("one", "2.2.1")):
        made.join(partner("EMSP", name, version=version))
    yield made


def change(world: World, name: str, **changes: Any) -> None:
    before = world.partner(name)
    world.node.directory.save(before.model_copy(update=changes), before)
    world.settle()


def test_an_object_that_a_version_cannot_express_is_held_and_not_sent(world: World) -> None:
    ref = world.put_tariff("T1", **AD_HOC)

    world.settle(seconds=120)

    row = world.delivery("new", ref)
    assert (row.status, row.method, row.again_at) == (DeliveryStatus.HELD, "PUT", "")
    assert row.reason == (
        "not sent, because OCPI 9.9 cannot express it: 9.9 has no prices of ad hoc payments"
    )
    assert world.partners.to("new") == []
    assert world.partner("new").breaker is None
    assert world.held("one", ref) == world.stored(ref)
    assert list(world.table.query_all("#pk = :pk", {"pk": "retries"})) == []


def test_a_held_object_is_sent_when_it_becomes_expressible(world: World) -> None:
    ref = world.put_tariff("T1", **AD_HOC)
    world.settle()

    world.put_tariff("T1", currency="NOK")
    world.settle()

    assert [each.document["money"] for each in world.partners.to("new")] == ["NOK"]
    assert world.delivery("new", ref).status == DeliveryStatus.DELIVERED


def test_a_held_object_is_sent_when_the_partner_changes_its_version(world: World) -> None:
    ref = world.put_tariff("T1", **AD_HOC)
    world.settle()

    change(world, "new", version="2.2.1")

    assert world.held("new", ref) == world.stored(ref)


def test_a_hub_pushes_as_its_own_party_where_a_connection_has_one_party(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Source: V211-06"""
    monkeypatch.setattr(supported, "TRAITS", {**supported.TRAITS, "9.9": Traits(is_routed=False)})
    hub = World("HUB")
    for name, version in (("new", "9.9"), ("one", "2.2.1")):
        hub.join(partner("EMSP", name, version=version))

    hub.put_tariff("T1", owner=Party("PT", "XYZ"), source="xyz")
    hub.settle()

    assert [each.segments for each in hub.partners.to("new")] == [("PT", "MOB", "T1")]
    assert [each.segments for each in hub.partners.to("one")] == [("PT", "XYZ", "T1")]


def test_an_object_that_is_held_for_a_time_is_decided_again_then(world: World) -> None:
    starts = "2026-03-01T15:00:00Z"
    ref = world.put_tariff("T1", start_date_time=starts)
    world.settle()
    (shown,) = delivery_report(world.node, world.partner("new"))["held"]
    assert shown["again_at"] == starts

    world.clock.forward(3 * 3600 + 60)
    queue_due_retries(world.node)

    (message,) = world.queue.take(lambda body: body["partner_id"] == "new")
    assert (message["ref"], message["again"], message["tried"]) == (str(ref), True, 0)


def test_the_operator_can_have_a_held_object_decided_again(world: World) -> None:
    ref = world.put_tariff("T1", **AD_HOC)
    world.settle()

    assert replay_object(world.node, world.partner("new"), [ref]) is True
    world.settle()

    assert world.delivery("new", ref).status == DeliveryStatus.HELD
    assert world.partners.to("new") == []


def test_what_is_left_out_stands_in_the_delivery_row(world: World, logged: Logged) -> None:
    ref = world.put_location(**LONG)

    world.settle()

    row = world.delivery("old", ref)
    assert (row.status, row.losses, row.lost, row.lost_in) == (DeliveryStatus.DELIVERED, [LOST], 1, "2.2")
    (line,) = [each for each in logged.lines if each["message"] == "push delivered" and "left_out" in each]
    assert (line["partner"], line["left_out"], line["fields"]) == ("old", 1, ["/address"])


def test_a_row_of_a_partner_that_gets_everything_has_no_attribute_for_losses(world: World) -> None:
    ref = world.put_location(**LONG)
    world.settle()

    row = world.table.get(key_of("one", ref.key.pk)) or {}

    assert set(row) == {"pk", "sk", "ref", "status", "version", "method", "at", "writes"}


def test_what_is_left_out_of_a_refused_object_is_kept(world: World) -> None:
    world.partners.faults["old"] = refuse()
    ref = world.put_location(**LONG)

    world.settle()

    row = world.delivery("old", ref)
    assert (row.status, row.losses) == (DeliveryStatus.REFUSED, [LOST])


def test_an_object_with_losses_is_sent_whole_when_the_partner_changes_its_version(world: World) -> None:
    lossy, plain = world.put_location(**LONG), world.put_tariff("T1")
    world.settle()
    sent = len(world.partners.to("old"))

    change(world, "old", version="2.2.1")

    assert world.held("old", lossy) == world.stored(lossy)
    assert world.delivery("old", lossy).losses == ()
    assert len(world.partners.to("old")) == sent + 1
    assert world.held("old", plain) == world.stored(plain)


def test_new_endpoints_of_the_same_version_do_not_send_again_what_had_losses(world: World) -> None:
    world.put_location(**LONG)
    world.settle()
    sent = len(world.partners.to("old"))

    change(world, "old", endpoints=partner("EMSP", "other").endpoints)

    assert len(world.partners.to("old")) == sent


def test_an_evse_that_a_version_cannot_express_is_held_alone(world: World) -> None:
    ref = world.put_location()
    world.settle()
    sent = len(world.partners.to("old"))

    world.put_evse(ref, "E0", connectors=UNKNOWN_PLUG)
    world.put_evse(ref, "E1", status="CHARGING")
    world.settle()

    row = world.delivery("old", ref)
    assert (row.status, row.evse_uid) == (DeliveryStatus.HELD, "E0")
    assert [each.segments[-1] for each in world.partners.to("old")[sent:]] == ["E1"]

    world.put_evse(ref, "E0", connectors=[whole.connector()])
    world.settle()

    assert world.delivery("old", ref).status == DeliveryStatus.DELIVERED
    assert world.held("old", ref) == world.stored(ref)


def test_no_evse_of_a_held_location_is_sent(world: World) -> None:
    """Its partner cannot be told that the location is not published. Source: X-04"""
    ref = world.put_location(publish=False)
    world.settle()

    world.put_evse(ref, "E0", status="CHARGING")
    world.settle()

    assert world.partners.to("new") == []
    assert world.delivery("new", ref).status == DeliveryStatus.HELD
    assert world.held("one", ref) == world.stored(ref)

    world.put_location(publish=True)
    world.settle()

    assert world.held("new", ref) == world.stored(ref)


def test_a_held_object_is_no_probe_of_an_offline_partner(world: World) -> None:
    world.partners.faults["new"] = break_down
    world.put_tariff("T1")
    world.settle(seconds=70)
    assert world.partner("new").connection == "OFFLINE"
    held = world.put_tariff("A0", **AD_HOC)
    world.settle()

    world.clock.forward(60)
    liveness.run(world.node, world.node.directory.all())

    assert world.partner("new").connection == "OFFLINE"
    assert world.delivery("new", held).status == DeliveryStatus.HELD


def test_the_report_shows_held_objects_and_what_was_left_out(world: World) -> None:
    world.put_tariff("T1", **AD_HOC)
    world.put_location(**LONG)
    world.settle()

    new = delivery_report(world.node, world.partner("new"))
    old = delivery_report(world.node, world.partner("old"))

    (held,) = new["held"]
    assert (held["object"], new["counts"]["held"]) == ("PT/ABC/T1", 1)
    assert held["reason"].endswith("9.9 has no prices of ad hoc payments")
    (left_out,) = old["left_out"]
    assert (left_out["object"], left_out["losses"], left_out["losses_count"]) == ("PT/ABC/L1", [LOST], 1)
    assert (old["counts"]["left_out"], old["delivered"], old["held"]) == (1, 2, [])


def losses(*pointers: str) -> list[Loss]:
    return [Loss(pointer, "no field") for pointer in pointers]


def kept(*pointers: str, **more: str) -> list[dict[str, str]]:
    return [{"pointer": pointer, "reason": "no field", **more} for pointer in pointers]


@pytest.mark.parametrize(
    ("before", "lost", "evse_uid", "after"),
    [
        ([], losses(), "", []),
        ([], losses("/a", "/b"), "", kept("/a", "/b")),
        (kept("/a"), losses("/b"), "", kept("/b")),
        (kept("/a"), losses(), "", []),
        (kept("/a"), losses("/c"), "E1", [*kept("/a"), *kept("/c", evse_uid="E1")]),
        (kept("/c", evse_uid="E1"), losses("/d"), "E1", kept("/d", evse_uid="E1")),
        (kept("/c", evse_uid="E2"), losses(), "E1", kept("/c", evse_uid="E2")),
        (kept("/c", evse_uid="E1"), losses(), "E1", []),
    ],
)
def test_losses_replace_those_of_the_same_part(
    before: list[dict[str, str]], lost: list[Loss], evse_uid: str, after: list[dict[str, str]]
) -> None:
    row = note_losses(Delivery(losses=before, lost=len(before), lost_in="2.2"), lost, "2.2", evse_uid)

    assert (list(row.losses), row.lost) == (after, len(after))


def test_only_the_first_losses_are_kept_and_all_are_counted() -> None:
    row = note_losses(Delivery(), losses(*(f"/{number}" for number in range(30))), "2.2")

    assert (len(row.losses), row.lost) == (MOST_KEPT, 30)
