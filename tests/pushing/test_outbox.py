"""Outbox: messages for the records of the table's stream.

Source: OCPI 2.2.1 ..._broadcast_push; RTE-12, RTE-17, TRN-32
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import ServerError
from chalicelib.policy import received_parties
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.protocol.message import Party
from chalicelib.pushing import outbox
from chalicelib.pushing.catch_up import RECHECK_DELAY, run_rechecks
from chalicelib.pushing.stream_changes import StreamChange
from chalicelib.storage.table import Conflict, Key, Senseless
from tests.pushing.memory_aws import Record
from tests.pushing.pushing import World, partner

CPO = Party("PT", "XYZ")


def taken(world: World) -> list[Record]:
    records = list(world.dynamodb.stream)
    world.dynamodb.stream.clear()
    return records


def queued(world: World) -> list[tuple[str, str, str]]:
    """Queued messages: partner, module, and the sort key of the item without its generation."""
    return [
        (body["partner_id"], body["module"], body["sk"].rpartition("#")[2]) for body in world.queue.bodies
    ]


def test_a_new_and_a_changed_tariff_are_queued(world: World) -> None:
    world.put_tariff(currency="EUR")
    world.put_tariff(currency="NOK")
    world.stream()

    assert queued(world) == [("one", "tariffs", "")] * 2


def test_a_message_names_the_object_and_has_no_content_of_it(world: World) -> None:
    """Source: TRN-32"""
    world.put_tariff("T-é#1", currency="NOK")
    world.stream()

    (body,) = world.queue.bodies
    assert set(body) == {
        "partner_id",
        "module",
        "pk",
        "sk",
        "ref",
        "cause",
        "version",
        "after",
        "again",
        "tried",
    }
    assert "NOK" not in str(body)


def test_the_message_of_a_deleted_tariff_keeps_the_case_of_its_ids(world: World) -> None:
    ref = world.put_tariff("Night-1")
    taken(world)
    world.delete_tariff(ref)
    world.stream()

    (body,) = world.queue.bodies
    assert body["ref"] == "tariffs#PT*ABC#Night-1"
    assert body["version"] > 0


def test_a_whole_location_is_one_message_for_any_number_of_evses(world: World) -> None:
    world.put_location(evses=5)
    world.stream()

    assert queued(world) == [("one", "locations", "")]


def test_an_evse_changed_alone_has_a_message_with_the_version_it_followed(world: World) -> None:
    ref = world.put_location()
    world.stream()
    before = world.table.get(ref.key)
    world.queue._groups.clear()
    world.put_evse(ref, "E1", status="CHARGING")
    world.stream()

    (body,) = world.queue.bodies
    assert body["sk"].startswith("E#")
    assert before is not None and body["after"] == before["v"]
    assert body["version"] > body["after"]


def test_an_evse_is_queued_when_the_record_of_its_header_is_in_another_batch(world: World) -> None:
    ref = world.put_location()
    taken(world)
    world.put_evse(ref)
    for record in taken(world):
        outbox.handle_stream(world.node, [record])

    (body,) = world.queue.bodies
    assert body["after"] == 0


def test_counters_and_delivery_rows_are_not_pushed(world: World) -> None:
    world.put_tariff()
    world.settle()
    world.queue._sent_ids.clear()
    world.table.put({"pk": "owners#tariffs", "sk": "#", "PT_XYZ": 1})
    world.stream()

    assert queued(world) == []


def test_a_record_delivered_twice_is_one_message(world: World) -> None:
    world.put_tariff()
    records = taken(world)
    for _ in range(2):
        outbox.handle_stream(world.node, records)

    assert len(queued(world)) == 1


def test_the_partners_are_read_once_for_a_batch(world: World) -> None:
    for number in range(20):
        world.put_tariff(f"T{number}")
    records = taken(world)
    world.dynamodb.calls.clear()

    outbox.handle_stream(world.node, records)

    assert world.dynamodb.calls == ["Query"]


def test_a_batch_without_objects_reads_nothing(world: World) -> None:
    world.table.put({"pk": "delivery#one", "sk": "x", "status": "delivered"})
    records = taken(world)
    world.dynamodb.calls.clear()

    assert outbox.handle_stream(world.node, records) == {"batchItemFailures": []}
    assert world.dynamodb.calls == []


def test_an_offline_partner_gets_no_message(world: World) -> None:
    """Source: HCI-09"""
    world.join(partner("EMSP", "two", connection="OFFLINE", offline_since="2026-03-01T11:00:00Z"))
    world.put_tariff()
    world.stream()

    assert queued(world) == [("one", "tariffs", "")]


def test_a_display_gets_a_message_when_a_location_stops_being_published() -> None:
    """Source: LOC-16"""
    world = World("CPO")
    world.join(partner("NSP", "nsp"))
    world.put_location(publish=True)
    taken(world)

    world.put_location(publish=False)
    world.put_location(publish=False, name="changed again")
    world.stream()

    assert queued(world) == [("nsp", "locations", "")]


def test_a_hub_queues_messages_for_every_receiver_but_the_source(world: World) -> None:
    """Source: RTE-12, RTE-17"""
    hub = World("HUB")
    for each in (partner("CPO", "xyz"), partner("CPO", "abc"), partner("EMSP", "one"), partner("NSP", "two")):
        hub.join(each)
    ref = hub.put_location(owner=CPO, source="xyz")
    hub.put_evse(ref, source="xyz")
    hub.stream()

    assert sorted(queued(hub)) == sorted(
        (name, "locations", sk) for name in ("one", "two") for sk in ("", "00000")
    )


def test_an_emsp_pushes_received_tariffs_to_no_one() -> None:
    """A hub would forward it to the other eMSP."""
    emsp = World("EMSP")
    emsp.join(partner(("CPO", "HUB", "EMSP"), "hub"))
    emsp.join(partner("EMSP", "another"))
    emsp.put_tariff(owner=CPO, source="hub")
    emsp.stream()

    assert queued(emsp) == []


def test_the_owner_of_a_new_received_object_is_recorded() -> None:
    """Source: OWN-02"""
    emsp = World("EMSP")
    emsp.put_tariff(owner=CPO, source="hub")
    emsp.stream()

    key = owners_key("tariffs")
    assert known_owners(emsp.table.get_many([key]), "tariffs") == [CPO]


# -- failures


def test_when_the_queue_refuses_messages_the_batch_is_retried_from_that_record(world: World) -> None:
    for number in range(25):
        world.put_tariff(f"T{number}")
    records = taken(world)
    sent = world.node.queues.send_broadcasts
    calls: list[Any] = []

    def send(broadcasts: Any) -> None:
        calls.append(broadcasts)
        world.queue.broken = 1 if len(calls) == 2 else 0
        sent(broadcasts)

    object.__setattr__(world.node.queues, "send_broadcasts", send)
    objects = [r for r in records if r["dynamodb"]["Keys"]["pk"]["S"].startswith("tariffs#")]

    answer = outbox.handle_stream(world.node, records)

    assert answer == {"batchItemFailures": [{"itemIdentifier": objects[10]["dynamodb"]["SequenceNumber"]}]}
    assert len(queued(world)) == 10


def three_tariffs(world: World) -> tuple[list[Record], list[Record]]:
    """Records of the stream, and those among them that are about T1, T2 and T3."""
    for tariff_id in ("T1", "T2", "T3"):
        world.put_tariff(tariff_id)
    records = taken(world)
    return records, [r for r in records if r["dynamodb"]["Keys"]["pk"]["S"].startswith("tariffs#")]


@pytest.mark.parametrize("broken", [ServerError("the store cannot be reached"), Conflict("throttled")])
def test_when_aws_fails_the_batch_is_retried_from_that_record(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    records, objects = three_tariffs(world)
    decide_effects = outbox.decide_effects

    def fail_at_the_second(settings: Any, change: StreamChange, *rest: Any) -> Any:
        if change.pk.endswith("#T2"):
            raise broken
        return decide_effects(settings, change, *rest)

    monkeypatch.setattr(outbox, "decide_effects", fail_at_the_second)
    answer = outbox.handle_stream(world.node, records)

    assert answer == {"batchItemFailures": [{"itemIdentifier": objects[1]["dynamodb"]["SequenceNumber"]}]}
    assert [body["pk"][-2:] for body in world.queue.bodies] == ["T1"]


def lose_its_name(record: Record) -> None:
    del record["dynamodb"]["NewImage"]["ref"]


def lose_its_version(record: Record) -> None:
    del record["dynamodb"]["NewImage"]["v"]


def lose_its_keys(record: Record) -> None:
    del record["dynamodb"]["Keys"]["sk"]


def become_unreadable(record: Record) -> None:
    record["dynamodb"]["NewImage"]["v"] = {"B": "AAAA"}


@pytest.mark.parametrize("spoil", [lose_its_name, lose_its_version, lose_its_keys, become_unreadable])
def test_an_unprocessable_record_is_skipped_and_a_recheck_finds_its_object(world: World, spoil: Any) -> None:
    """Otherwise it would block the stream for every partner, for ever."""
    world.table.delete(Key("catch-up", "one"))
    records, objects = three_tariffs(world)
    spoil(objects[1])

    assert outbox.handle_stream(world.node, records) == {"batchItemFailures": []}

    assert [body["pk"][-2:] for body in world.queue.bodies] == ["T1", "T3"]
    world.clock.forward(RECHECK_DELAY.total_seconds())
    run_rechecks(world.node, {"one": world.partner("one")})
    world.settle()
    assert len(world.partners.held["one"]) == 3


def test_a_record_that_leads_to_an_invalid_call_is_skipped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, _ = three_tariffs(world)
    monkeypatch.setattr(outbox, "decide_effects", lambda *_: throw(Senseless("ValidationException")))

    assert outbox.handle_stream(world.node, records) == {"batchItemFailures": []}


def test_while_the_partners_cannot_be_read_no_record_is_skipped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other record would fail for the same reason."""
    records, objects = three_tariffs(world)
    monkeypatch.setattr(world.node.directory, "all", lambda: throw(KeyError("partner")))

    answer = outbox.handle_stream(world.node, records)

    assert answer == {"batchItemFailures": [{"itemIdentifier": objects[0]["dynamodb"]["SequenceNumber"]}]}


def throw(error: Exception) -> None:
    raise error


def test_above_the_most_owners_no_owner_is_recorded_but_its_objects_are_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(received_parties, "MOST_OWNERS", 3)
    hub = World("HUB")
    hub.join(partner("EMSP", "one"))
    for number in range(5):
        hub.put_tariff(owner=Party("PT", f"X{number:02}"), source="xyz")
        hub.put_tariff("ANOTHER", owner=Party("PT", f"X{number:02}"), source="xyz")
    hub.stream()

    known = known_owners(hub.table.get_many([owners_key("tariffs")]), "tariffs")
    assert known == [Party("PT", f"X{number:02}") for number in range(3)]
    assert len(queued(hub)) == 10


# -- partners


def test_a_partner_that_registers_is_caught_up_with_every_object() -> None:
    world = World("CPO")
    world.put_tariff()
    world.put_location()
    world.stream()

    invited = world.join(partner("EMSP", "one", status="INVITED", endpoints=(), roles=()))
    assert queued(world) == []
    registered = partner("EMSP", "one").model_copy(update={"revision": invited.revision})
    world.node.directory.save(registered, invited)
    world.stream()
    world.catch_up()

    assert queued(world) == [("one", "tariffs", ""), ("one", "locations", "")]


def test_the_stream_reads_no_list_for_a_partner_that_registers(world: World) -> None:
    """Reading tens of thousands of objects would delay the records behind, for all partners."""
    for number in range(20):
        world.put_tariff(f"T{number}")
    taken(world)
    world.node.directory.save(partner("EMSP", "two"))
    records = taken(world)
    world.dynamodb.calls.clear()

    outbox.handle_stream(world.node, records)

    assert world.dynamodb.calls == ["PutItem"]
    assert [body["what"] for body in world.queue.bodies] == ["CATCH_UP"]


def test_a_partner_that_adds_an_interface_receives_the_objects_of_that_module() -> None:
    """Source: RTE-18"""
    world = World("CPO")
    first = world.join(partner("EMSP", "one", endpoints=partner().endpoints[:1]))
    world.put_tariff()
    world.put_location()
    world.settle()

    world.node.directory.save(first.model_copy(update={"endpoints": partner("EMSP", "one").endpoints}), first)
    world.settle()

    assert [sent.module for sent in world.partners.to("one")] == ["tariffs", "locations"]


def test_a_partner_that_changes_its_name_gets_no_messages(world: World) -> None:
    world.put_tariff()
    taken(world)
    before = world.partner("one")

    world.node.directory.save(before.model_copy(update={"name": "other"}), before)
    world.stream()

    assert queued(world) == []


def test_the_delivery_rows_of_a_partner_that_leaves_are_deleted(world: World) -> None:
    world.put_tariff()
    world.settle()
    assert world.table.query("#pk = :pk", {"pk": "delivery#one"}).items

    world.node.directory.remove(world.partner("one"))
    world.stream()
    world.catch_up()

    assert not world.table.query("#pk = :pk", {"pk": "delivery#one"}).items


def test_a_catch_up_starts_at_the_time_when_the_partner_record_was_written(world: World) -> None:
    """Changes between the write and the reading have their own messages, in the live lane."""
    world.node.directory.save(partner("EMSP", "new", last_updated="2026-03-01T12:00:00.250Z"))
    (record,) = [each for each in taken(world) if each["dynamodb"]["Keys"]["pk"]["S"] == "partners"]
    record["dynamodb"]["ApproximateCreationDateTime"] = 1772366400
    world.clock.forward(30)

    outbox.handle_stream(world.node, [record])

    (step,) = world.catch_ups.bodies
    assert step["newest"] == 1772366400_250_000
