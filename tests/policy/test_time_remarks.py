"""Updates with a `last_updated` in the future, and updates that are older than the stored object.

A stamp in the future does not block later updates. An overtaken update is ignored, logged and counted.

Source: LOC-14's house rule for every module; protocol/overtaking.py
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.cdrs import receiver as cdrs
from chalicelib.modules.locations import receiver as locations
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.sessions import receiver as sessions
from chalicelib.modules.tariffs import receiver as tariffs
from chalicelib.modules.tokens import receiver as tokens
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key, Update
from tests.harness.partner_api import CPO, EMSP, PartnerApi
from tests.logged import Logged
from tests.logged import logged as logged
from tests.modules import builders
from tests.modules.builders import connector, evse, token
from tests.modules.cdrs.test_receiver import cdr
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import period, session
from tests.storage.capacity import measured

FUTURE = "2062-01-01T00:00:00Z"
"""The clock of a node stands still at 12:00 on 1 March 2026, until a test moves it."""
BEFORE, NOW, SOON = "2026-03-01T11:59:00Z", "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"
LONG_BEFORE = "2026-03-01T11:00:00Z"

HUB_OF_NODE = Party("PT", "MOB")
L1, E1, C1 = (*CPO, "L1"), (*CPO, "L1", "E1"), (*CPO, "L1", "E1", "1")


def owned(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "country_code": CPO.country_code, "party_id": CPO.party_id}


def location(**fields: Any) -> dict[str, Any]:
    return owned(builders.location(**fields))


def tariff(**fields: Any) -> dict[str, Any]:
    return owned(builders.tariff(**fields))


@pytest.fixture(params=["HUB", "EMSP"])
def receiver(request: pytest.FixtureRequest, node_of: NodeOf) -> Any:
    return node_of(request.param)


def api(node: Any, module: Any, partner_of: PartnerOf, name: str = "cpo") -> PartnerApi:
    return PartnerApi(node, module.INTERFACE, partner_of(node, name))


def later(node: Any, **duration: float) -> None:
    node.clock.forward(**duration)


# -- later updates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", [BEFORE, NOW, SOON])
def test_a_location_is_replaced_after_a_put_stamped_in_the_future(
    receiver: Any, partner_of: PartnerOf, stamp: str
) -> None:
    cpo = api(receiver, locations, partner_of)
    document = location(name="old", last_updated=FUTURE)
    assert cpo.call("PUT", *L1, document=document).codes == (201, 1000)
    assert cpo.call("GET", *L1).data == document

    cpo.call("PUT", *L1, document=location(name="new", last_updated=stamp))

    assert cpo.call("GET", *L1).data["name"] == "new"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("ids", [L1, E1, C1])
def test_a_part_of_a_location_changes_after_a_patch_stamped_in_the_future(
    receiver: Any, partner_of: PartnerOf, ids: tuple[str, ...], method: str
) -> None:
    cpo = api(receiver, locations, partner_of)
    cpo.call("PUT", *L1, document=location())
    whole = {3: location(), 4: evse("E1"), 5: connector("1")}[len(ids)]
    cpo.call("PATCH", *ids, document={"x": "old", "last_updated": FUTURE})
    assert cpo.call("GET", *ids).data["last_updated"] == FUTURE

    document = {**(whole if method == "PUT" else {}), "x": "new", "last_updated": BEFORE}
    assert cpo.call(method, *ids, document=document).codes == (200, 1000)

    assert cpo.call("GET", *ids).data["x"] == "new"
    assert cpo.call("GET", *ids).data["last_updated"] == BEFORE
    cpo.call("PUT", *L1, document=location(name="whole", last_updated=NOW))
    assert cpo.call("GET", *L1).data["name"] == "whole"


def test_a_child_in_a_patch_changes_after_a_child_stamped_in_the_future(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, locations, partner_of)
    cpo.call("PUT", *L1, document=location(evses=[evse("E1", last_updated=FUTURE)]))

    patch = {"evses": [{"uid": "E1", "status": "BLOCKED"}], "last_updated": NOW}
    cpo.call("PATCH", *L1, document=patch)

    assert cpo.call("GET", *E1).data["status"] == "BLOCKED"


def test_a_connector_stamped_in_the_future_does_not_move_the_stamp_of_its_evse(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, locations, partner_of)
    cpo.call("PUT", *L1, document=location(evses=[evse("E1", connectors=[connector(last_updated=FUTURE)])]))

    cpo.call("PATCH", *E1, document={"status": "CHARGING", "last_updated": NOW})

    assert cpo.call("GET", *E1).data["last_updated"] == NOW
    assert cpo.call("GET", *L1).data["last_updated"] == NOW


def test_a_price_changes_after_a_tariff_stamped_in_the_future(receiver: Any, partner_of: PartnerOf) -> None:
    cpo = api(receiver, tariffs, partner_of)
    cpo.call("PUT", *CPO, "T1", document=tariff(currency="SEK", last_updated=FUTURE))

    cpo.call("PUT", *CPO, "T1", document=tariff(currency="EUR", last_updated=NOW))

    assert cpo.call("GET", *CPO, "T1").data["currency"] == "EUR"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_session_ends_after_an_update_stamped_in_the_future(
    receiver: Any, partner_of: PartnerOf, method: str
) -> None:
    cpo = api(receiver, sessions, partner_of)
    cpo.call("PUT", *CPO, "S1", document=session(last_updated=FUTURE))

    end = {"status": "COMPLETED", "kwh": 20, "end_date_time": NOW, "last_updated": NOW}
    cpo.call(method, *CPO, "S1", document=session(**end) if method == "PUT" else end)

    assert cpo.call("GET", *CPO, "S1").data["status"] == "COMPLETED"


def test_a_final_session_stamped_in_the_future_can_be_repeated_and_stays_final(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, sessions, partner_of)
    done = session(status="COMPLETED", end_date_time=NOW, last_updated=FUTURE)

    assert cpo.call("PUT", *CPO, "S1", document=done).codes == (201, 1000)
    assert cpo.call("PUT", *CPO, "S1", document=done).codes == (200, 1000)
    again = cpo.call("PATCH", *CPO, "S1", document={"status": "ACTIVE", "last_updated": SOON})
    assert again.codes == (200, 2001)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_token_is_blocked_after_an_update_stamped_in_the_future(
    node_of: NodeOf, partner_of: PartnerOf, method: str
) -> None:
    emsp = api(node_of("CPO"), tokens, partner_of, "emsp")
    emsp.call("PUT", *EMSP, "0102A", document=token(last_updated=FUTURE))

    stolen = {"valid": False, "last_updated": NOW}
    emsp.call(method, *EMSP, "0102A", document=token(**stolen) if method == "PUT" else stolen)

    assert emsp.call("GET", *EMSP, "0102A").data["valid"] is False


def test_updates_of_a_sender_one_hour_ahead_apply_in_order_of_arrival(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, locations, partner_of)
    cpo.call("PUT", *L1, document=location())

    # The last two stamps are in the hour that repeats when DST ends.
    for minute, stamp in enumerate(["13:00:30", "13:01:30", "13:50:00", "13:10:00"]):
        later(receiver, minutes=1)
        cpo.call("PATCH", *E1, document={"x": minute, "last_updated": f"2026-03-01T{stamp}Z"})
        assert cpo.call("GET", *E1).data["x"] == minute


def test_an_update_stamped_in_the_future_replaces_one_stamped_minutes_ahead(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, tariffs, partner_of)
    cpo.call("PUT", *CPO, "T1", document=tariff(currency="SEK", last_updated="2026-03-01T12:04:00Z"))

    cpo.call("PUT", *CPO, "T1", document=tariff(currency="EUR", last_updated=FUTURE))

    assert cpo.call("GET", *CPO, "T1").data["currency"] == "EUR"


def test_an_object_stored_with_a_future_stamp_can_be_updated(receiver: Any, partner_of: PartnerOf) -> None:
    cpo = api(receiver, tariffs, partner_of)
    cpo.call("PUT", *CPO, "T1", document=tariff(currency="SEK", last_updated=FUTURE))
    place = api(receiver, locations, partner_of)
    place.call("PUT", *L1, document=location(evses=[evse("E1", last_updated=FUTURE)], last_updated=FUTURE))
    header = Ref("locations", *L1).key
    for key in (Ref("tariffs", *CPO, "T1").key, header, Key(header.pk, f"E#{'0' * 24}#00000")):
        at = {"lu": "2062-01-01T00:00:00.000000"}
        receiver.table.transact([Update(key, "SET #lu = :lu", at, "attribute_exists(#pk)")])
    later(receiver, minutes=10)

    cpo.call("PUT", *CPO, "T1", document=tariff(currency="EUR", last_updated="2026-03-01T12:09:00Z"))
    patch = {"status": "BLOCKED", "last_updated": "2026-03-01T12:09:00Z"}
    place.call("PATCH", *E1, document=patch)
    place.call("PATCH", *L1, document={"name": "new", "last_updated": "2026-03-01T12:09:30Z"})

    assert cpo.call("GET", *CPO, "T1").data["currency"] == "EUR"
    found = place.call("GET", *L1).data
    assert (found["name"], found["evses"][0]["status"]) == ("new", "BLOCKED")
    assert receiver.table.get(header)["lu"] == "2026-03-01T12:09:30.000000"


# -- lists with dates --------------------------------------------------------------------------------


def test_lists_with_dates_use_the_arrival_of_an_update_stamped_in_the_future(
    node_of: NodeOf, partner_of: PartnerOf
) -> None:
    hub = node_of("HUB")
    cpo = api(hub, locations, partner_of)
    cpo.call("PUT", *L1, document=location())
    cpo.call("PATCH", *E1, document={"status": "BLOCKED", "last_updated": FUTURE})

    emsp = PartnerApi(hub, locations_sender.INTERFACE, partner_of(hub, "emsp"))
    asked = "date_from=2026-03-01T11:59:59Z&date_to=2026-03-01T12:00:01Z"
    found = emsp.call("GET", query=asked, to=HUB_OF_NODE)
    assert [each["id"] for each in found.data] == ["L1"]
    none = emsp.call("GET", query="date_from=2027-01-01T00:00:00Z", to=HUB_OF_NODE)
    assert none.headers["X-Total-Count"] == "0"


# -- remarks -----------------------------------------------------------------------------------------


def test_a_stamp_in_the_future_is_reported_logged_counted_and_recorded(
    receiver: Any, partner_of: PartnerOf, logged: Logged
) -> None:
    cpo = api(receiver, tariffs, partner_of)

    answer = cpo.call("PUT", *CPO, "T1", document=tariff(last_updated=FUTURE))

    assert answer.codes == (201, 1000)
    assert answer.message == (
        f"last_updated {FUTURE} is ahead of this node's clock ({NOW}), so the arrival counts"
    )
    (line,) = logged.measured("StampsAhead")
    assert (line["ref"], line["last_updated"]) == ("tariffs#PT*EDP#T1", FUTURE)
    noted = receiver.directory.get(cpo.caller.id).stamp_ahead
    assert (noted.at, noted.module, noted.last_updated) == (NOW, "tariffs", FUTURE)


def test_a_stamp_in_the_future_is_recorded_once_a_day(
    receiver: Any, partner_of: PartnerOf, in_moto: None
) -> None:
    cpo = api(receiver, tariffs, partner_of)
    cpo.call("PUT", *CPO, "T1", document=tariff(last_updated=FUTURE))

    with measured(receiver.table) as spent:
        cpo.call("PUT", *CPO, "T1", document=tariff(last_updated=FUTURE, currency="NOK"))
    assert len(spent.calls) == 2
    assert receiver.directory.get(cpo.caller.id).revision == 2

    later(receiver, days=1)
    cpo.call("PUT", *CPO, "T1", document=tariff(last_updated=FUTURE))
    assert receiver.directory.get(cpo.caller.id).stamp_ahead.at == "2026-03-02T12:00:00Z"


def test_a_child_stamped_in_the_future_is_reported(receiver: Any, partner_of: PartnerOf) -> None:
    cpo = api(receiver, locations, partner_of)

    answer = cpo.call(
        "PUT", *L1, document=location(evses=[evse(connectors=[connector(last_updated=FUTURE)])])
    )

    assert FUTURE in answer.message


@pytest.mark.parametrize("stamp", [NOW, "2026-03-01T12:05:00Z"])
def test_a_stamp_within_the_tolerance_has_no_remark(
    receiver: Any, partner_of: PartnerOf, logged: Logged, stamp: str
) -> None:
    answer = api(receiver, tariffs, partner_of).call("PUT", *CPO, "T1", document=tariff(last_updated=stamp))

    assert answer.message == ""
    assert not logged.measured("StampsAhead") and not logged.measured("UpdatesOvertaken")


OVERTAKEN: list[tuple[Any, tuple[str, ...], str, dict[str, Any], str]] = [
    (tariffs, (*CPO, "T1"), "PUT", tariff(last_updated=LONG_BEFORE), "tariffs#PT*EDP#T1"),
    (sessions, (*CPO, "S1"), "PUT", session(last_updated=LONG_BEFORE), "sessions#PT*EDP#S1"),
    (sessions, (*CPO, "S1"), "PATCH", {"kwh": 9, "last_updated": LONG_BEFORE}, "sessions#PT*EDP#S1"),
    (locations, L1, "PUT", location(last_updated=LONG_BEFORE), "locations#PT*EDP#L1"),
    (locations, L1, "PATCH", {"name": "x", "last_updated": LONG_BEFORE}, "locations#PT*EDP#L1"),
    (locations, E1, "PUT", evse("E1", last_updated=LONG_BEFORE), "locations#PT*EDP#L1"),
    (locations, E1, "PATCH", {"status": "BLOCKED", "last_updated": LONG_BEFORE}, "locations#PT*EDP#L1"),
    (locations, C1, "PUT", connector("1", last_updated=LONG_BEFORE), "locations#PT*EDP#L1"),
    (locations, C1, "PATCH", {"tariff_ids": [], "last_updated": LONG_BEFORE}, "locations#PT*EDP#L1"),
]


@pytest.mark.parametrize(("module", "ids", "method", "document", "ref"), OVERTAKEN)
def test_an_overtaken_update_is_reported_logged_and_counted(
    node_of: NodeOf,
    partner_of: PartnerOf,
    logged: Logged,
    module: Any,
    ids: tuple[str, ...],
    method: str,
    document: dict[str, Any],
    ref: str,
) -> None:
    """Such a stamp also comes from a sender with local time, in the hour that repeats when DST ends."""
    cpo = api(node_of("EMSP"), module, partner_of)
    evses = [evse("E1", connectors=[connector("1", last_updated=NOW)], last_updated=NOW)]
    stored = {
        tariffs: tariff(last_updated=NOW),
        sessions: session(last_updated=NOW),
        locations: location(evses=evses, last_updated=NOW),
    }
    cpo.call("PUT", *ids[:3], document=stored[module])

    answer = cpo.call(method, *ids, document=document)

    assert answer.codes == (200, 1000)
    assert answer.message == f"not changed, since last_updated {LONG_BEFORE} is older than the stored {NOW}"
    assert cpo.call("GET", *ids[:3]).data == stored[module]
    (line,) = logged.measured("UpdatesOvertaken")
    assert (line["ref"], line["last_updated"], line["stored"]) == (ref, LONG_BEFORE, NOW)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_overtaken_update_of_a_token_is_logged_without_its_uid(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged, method: str
) -> None:
    emsp = api(node_of("CPO"), tokens, partner_of, "emsp")
    emsp.call("PUT", *EMSP, "0102A", document=token(last_updated=NOW))

    old = {"valid": False, "last_updated": LONG_BEFORE}
    answer = emsp.call(method, *EMSP, "0102A", document=token(**old) if method == "PUT" else old)

    assert answer.codes == (200, 1000) and "not changed" in answer.message
    assert len(logged.measured("UpdatesOvertaken")) == 1
    assert "0102A" not in logged.text


def test_an_overtaken_child_of_a_patch_is_reported(
    receiver: Any, partner_of: PartnerOf, logged: Logged
) -> None:
    cpo = api(receiver, locations, partner_of)
    evses = [evse("E1", last_updated=NOW), evse("E2")]
    cpo.call("PUT", *L1, document=location(evses=evses, last_updated=NOW))

    children = [{"uid": "E1", "status": "BLOCKED", "last_updated": LONG_BEFORE}, {"uid": "E2"}]
    answer = cpo.call("PATCH", *L1, document={"evses": children, "last_updated": SOON})

    assert answer.message == (
        f"evses E1: not changed, since last_updated {LONG_BEFORE} is older than the stored {NOW}"
    )
    assert [line["part"] for line in logged.measured("UpdatesOvertaken")] == ["evses E1"]


def test_the_answer_to_an_overtaken_session_patch_reports_that_its_periods_are_kept(
    receiver: Any, partner_of: PartnerOf
) -> None:
    cpo = api(receiver, sessions, partner_of)
    cpo.call("PUT", *CPO, "S1", document=session(last_updated=NOW))

    patch = {"charging_periods": [period()], "last_updated": LONG_BEFORE}
    answer = cpo.call("PATCH", *CPO, "S1", document=patch)

    assert answer.message.startswith("all but new charging periods: not changed")
    assert len(cpo.call("GET", *CPO, "S1").data["charging_periods"]) == 1


def test_a_cdr_stamped_in_the_future_is_accepted_and_listed_by_its_arrival(
    node_of: NodeOf, partner_of: PartnerOf, logged: Logged
) -> None:

    node = node_of("EMSP")
    cpo = api(node, cdrs, partner_of)
    document = cdr(last_updated=FUTURE)

    assert cpo.call("POST", document=document).codes == (201, 1000)

    stored = node.objects.get(Ref("cdrs", *CPO, document["id"]))
    assert stored is not None
    assert read_json(str(stored.body))["last_updated"] == FUTURE
    assert stored.last_updated == "2026-03-01T12:00:00.000000"
    assert len(logged.measured("StampsAhead")) == 1
