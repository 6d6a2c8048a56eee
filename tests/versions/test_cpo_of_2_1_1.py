"""A CPO of this node and an eMSP that speaks exactly OCPI 2.1.1: assertions on the bytes that left.

Source: OCPI 2.1.1; V211-06, V211-09 … V211-86
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.tokens.cpo_authorization import Question, authorize
from chalicelib.policy.visibility import Viewer, is_hidden, partition_for_own, partition_for_viewer
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteLocation
from tests.reading.shapes import whole
from tests.versions.partner_of_2_1_1 import Connection, connected

CPO = Party("PT", "ABC")
OWNED = {"country_code": "PT", "party_id": "ABC"}
EMSP = Viewer(Party("PT", "GLP"), "EMSP")
TARIFF = {
    **OWNED, "id": "T1", "currency": "EUR", "last_updated": "2026-03-01T12:00:00.250Z",
    "elements": [{"price_components": [{"type": "ENERGY", "price": Decimal("0.25"), "step_size": 1}]}],
}  # fmt: skip


@pytest.fixture
def cpo() -> Iterator[Connection]:
    with connected("CPO") as connection:
        yield connection


def location(**fields: Any) -> dict[str, Any]:
    made = {**whole.location(), **OWNED, **fields}
    del made["mobie_cpe"]
    return made


def put_location(cpo: Connection, **fields: Any) -> Ref:
    """Store location L1 with EVSE E1 of this node, and push it."""
    cpo.world.clock.forward(1)
    made = {**location(**fields), "last_updated": format_datetime(cpo.world.clock())}
    write = WriteLocation(made, made.pop("evses"))
    ref = Ref("locations", *CPO, "L1")
    partition = partition_for_own("locations", CPO, is_hidden("locations", made))
    cpo.world.node.locations.change(ref, lambda _: write, partition=partition, source="")
    cpo.world.settle()
    return ref


def private(cpo: Connection, document: dict[str, Any], module: str) -> Ref:
    """Store a session or CDR of this node for the eMSP, and push it."""
    return cpo.put(module, {**document, **OWNED}, partition_for_viewer(module, CPO, EMSP))


def test_a_location_is_sent_in_the_words_of_2_1_1(cpo: Connection) -> None:
    """Source: V211-06, V211-12, V211-20, V211-21, V211-26, V211-27"""
    cpo.put("tariffs", TARIFF)

    put_location(cpo)

    (request,), (body,) = cpo.requests("locations"), cpo.bodies("locations")
    assert request.path == "/locations/PT/ABC/L1"
    assert request.headers["authorization"] == "Token token-of-glp"
    assert not [name for name in request.headers if name.startswith("ocpi-")]
    assert (body["type"], body["coordinates"]["latitude"]) == ("ON_STREET", "38.720000")
    connector = body["evses"][0]["connectors"][0]
    assert (connector["tariff_id"], connector["voltage"]) == ("T1", 230)
    assert cpo.world.delivery("glp", Ref("locations", *CPO, "L1")).status == DeliveryStatus.DELIVERED


def test_an_evse_is_sent_alone_with_its_tariff(cpo: Connection) -> None:
    """Source: V211-27"""
    cpo.put("tariffs", {**TARIFF, "id": "T0", "end_date_time": "2026-01-01T00:00:00Z"})
    cpo.put("tariffs", TARIFF)
    ref = put_location(cpo)
    evse = {**whole.evse(), "connectors": [{**whole.connector(), "tariff_ids": ["T0", "T1"]}]}

    cpo.world.put_evse(ref, "E1", **{name: value for name, value in evse.items() if name != "uid"})
    cpo.world.settle()

    assert cpo.requests("locations")[-1].path == "/locations/PT/ABC/L1/E1"
    assert cpo.bodies("locations")[-1]["connectors"][0]["tariff_id"] == "T1"


def test_the_list_of_locations_is_that_of_the_pushes(cpo: Connection) -> None:
    """Source: V211-20"""
    put_location(cpo)

    answer = cpo.call("GET", "/sender/locations")

    (listed,) = answer.json["data"]
    assert not listed.keys() & {"publish", "country_code", "party_id"}
    assert listed["evses"][0]["connectors"][0]["tariff_id"] == "T1"
    assert not [name for name in answer.headers if name.lower().startswith("ocpi-")]
    evse = cpo.call("GET", "/sender/locations/L1/E1").json["data"]
    assert evse == listed["evses"][0]


def test_a_location_that_is_not_published_is_held_and_not_listed(cpo: Connection) -> None:
    """Source: V211-20, X-04"""
    ref = put_location(cpo, publish=False)

    assert cpo.requests("locations") == []
    row = cpo.world.delivery("glp", ref)
    assert (row.status, row.reason) == (
        DeliveryStatus.HELD,
        "not sent, because OCPI 2.1.1 cannot express that it is not published",
    )
    listed = cpo.call("GET", "/sender/locations")
    assert (listed.json["data"], listed.headers["X-Total-Count"]) == ([], "0")
    assert cpo.call("GET", "/sender/locations/L1").json["status_code"] == 2003


def test_a_location_that_is_hidden_later_loses_its_evses_once(cpo: Connection) -> None:
    """The partner could not hide it: it is sent once more, with every EVSE REMOVED. Source: V211-20"""
    ref = put_location(cpo)
    cpo.server.received.clear()

    put_location(cpo, publish=False)
    put_location(cpo, publish=False, name="Another name")

    (body,) = cpo.bodies("locations")
    assert [evse["status"] for evse in body["evses"]] == ["REMOVED"] * len(body["evses"])
    assert cpo.world.delivery("glp", ref).status == DeliveryStatus.HELD
    put_location(cpo)
    assert cpo.bodies("locations")[-1]["evses"][0]["status"] == "AVAILABLE"


def test_a_hidden_location_is_not_sent_after_an_outage(cpo: Connection) -> None:
    """Source: V211-20"""
    before = cpo.world.partner("glp")
    away = before.model_copy(update={"connection": "OFFLINE"})
    cpo.world.node.directory.save(away, before)
    put_location(cpo, publish=False)

    offline = cpo.world.partner("glp")
    cpo.world.node.directory.save(offline.model_copy(update={"connection": "CONNECTED"}), offline)
    cpo.world.settle(seconds=20)

    assert cpo.requests("locations") == []


def test_a_session_has_its_location_inside(cpo: Connection) -> None:
    """Source: V211-40, V211-41, V211-42, V211-44"""
    put_location(cpo)

    ref = private(cpo, whole.session(), "sessions")

    (request,) = cpo.requests("sessions")
    (body,) = cpo.bodies("sessions")
    assert request.path == "/sessions/PT/ABC/S1"
    assert (body["auth_id"], body["start_datetime"]) == ("PT-GLP-C1", "2026-03-01T08:00:00Z")
    assert (body["location"]["id"], body["location"]["evses"][0]["uid"]) == ("L1", "E1")
    assert body["total_cost"] == Decimal("3.13")
    assert cpo.world.delivery("glp", ref).status == DeliveryStatus.DELIVERED
    assert cpo.call("GET", "/sender/sessions?date_from=2026-01-01T00:00:00Z").json["data"] == [body]


def test_a_session_whose_location_is_unknown_is_held(cpo: Connection) -> None:
    """Source: V211-42"""
    ref = private(cpo, whole.session(), "sessions")

    assert cpo.requests("sessions") == []
    assert cpo.world.delivery("glp", ref).status == DeliveryStatus.HELD


def test_the_location_of_a_hidden_session_is_sent(cpo: Connection) -> None:
    """The driver has been there. Source: V211-42"""
    put_location(cpo, publish=False)

    private(cpo, whole.session(), "sessions")

    assert cpo.bodies("sessions")[0]["location"]["id"] == "L1"


def test_a_cdr_is_posted_in_the_words_of_2_1_1(cpo: Connection) -> None:
    """Source: V211-50, V211-51, V211-52, V211-54"""
    put_location(cpo)

    private(cpo, whole.cdr(), "cdrs")

    (request,) = cpo.requests("cdrs")
    (body,) = cpo.bodies("cdrs")
    assert (request.method, request.path) == ("POST", "/cdrs")
    assert (body["stop_date_time"], body["auth_id"], body["total_cost"]) == (
        "2026-03-01T09:00:00Z",
        "PT-GLP-C1",
        Decimal("3.13"),
    )
    assert body["location"]["evses"][0]["connectors"][0]["voltage"]
    assert cpo.world.delivery("glp", Ref("cdrs", *CPO, "C1")).status == DeliveryStatus.DELIVERED


def test_a_credit_cdr_is_held(cpo: Connection) -> None:
    """A negative amount without the flag would be taken for an invoice. Source: V211-52, X-04"""
    credit = {**whole.cdr(), "id": "C1-C", "credit": True, "credit_reference_id": "C1"}

    ref = private(cpo, credit, "cdrs")

    assert cpo.requests("cdrs") == []
    row = cpo.world.delivery("glp", ref)
    assert row.status == DeliveryStatus.HELD
    assert "credit" in row.reason


def test_a_tariff_is_sent_and_deleted(cpo: Connection) -> None:
    """Source: V211-12, V211-61"""
    ref = cpo.put("tariffs", TARIFF)
    assert cpo.world.delivery("glp", ref).status == DeliveryStatus.DELIVERED
    cpo.world.delete_tariff(ref)
    cpo.world.settle()

    put, delete = cpo.requests("tariffs")
    assert (put.method, delete.method, put.path) == ("PUT", "DELETE", "/tariffs/PT/ABC/T1")
    assert cpo.bodies("tariffs")[0] == {
        "id": "T1",
        "currency": "EUR",
        "last_updated": "2026-03-01T12:00:00Z",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
    }


def test_the_owner_of_a_token_is_the_one_in_its_url(cpo: Connection) -> None:
    """A later request finds it, though no URL of 2.1.1 names a type. Source: V211-70, V211-71, V211-73"""
    body = {
        "uid": "012345", "type": "OTHER", "auth_id": "PT-GLP-C1", "issuer": "GLP", "valid": True,
        "whitelist": "ALLOWED", "last_updated": "2026-03-01T10:00:00Z",
    }  # fmt: skip

    path = "/receiver/tokens/PT/GLP/012345"
    answers = [cpo.call("PUT", path, body), cpo.call("PATCH", path, {"valid": False}), cpo.call("GET", path)]

    assert [each.json["status_code"] for each in answers] == [1000, 1000, 1000]
    assert answers[2].json["data"] | {"last_updated": ""} == {**body, "valid": False, "last_updated": ""}
    stored = cpo.world.stored(Ref("tokens", "PT", "GLP", "012345", "OTHER"))
    assert stored is not None
    assert (stored["party_id"], stored["contract_id"], stored["type"]) == ("GLP", "PT-GLP-C1", "OTHER")


def test_a_patch_without_a_time_gets_the_time_of_its_arrival(cpo: Connection) -> None:
    """Source: V211-09"""
    token = {name: value for name, value in whole.token().items() if name not in OWNED}
    token["auth_id"] = token.pop("contract_id")
    path = f"/receiver/tokens/PT/GLP/{token['uid']}"
    cpo.call("PUT", path, token)

    answer = cpo.call("PATCH", path, {"valid": False, "auth_id": "PT-GLP-C2"})

    assert answer.json["status_code"] == 1000
    stored = cpo.world.stored(Ref("tokens", "PT", "GLP", token["uid"], "RFID"))
    assert stored is not None
    assert (stored["valid"], stored["contract_id"]) == (False, "PT-GLP-C2")
    assert stored["last_updated"].startswith("2026-03-01T12:00:")


def test_modules_and_commands_of_later_versions_do_not_exist(cpo: Connection) -> None:
    """Source: V211-47, V211-82, V211-86"""
    cancel = {"response_url": "https://x.example", "reservation_id": "1"}

    answers = [
        cpo.call("POST", "/receiver/commands/CANCEL_RESERVATION", cancel).json,
        cpo.call("PUT", "/sender/sessions/S1/charging_preferences", {"profile_type": "FAST"}).json,
    ]

    assert [each["status_code"] for each in answers] == [2001, 2001]


def test_the_time_of_an_answer_has_no_fractions(cpo: Connection) -> None:
    """Source: V211-12"""
    cpo.world.clock.forward(0.25)

    assert "." not in cpo.call("GET", "/credentials").json["timestamp"]


@pytest.mark.parametrize("is_known", [True, False])
def test_the_token_of_an_authorization_is_the_one_that_was_asked_for(cpo: Connection, is_known: bool) -> None:
    """Source: V211-74"""
    cpo.answers["tokens"] = {"allowed": "ALLOWED"}
    known = None
    if is_known:
        body = {
            "uid": "A1", "type": "RFID", "auth_id": "C7", "issuer": "GLP", "valid": True,
            "whitelist": "NEVER", "last_updated": "2026-03-01T10:00:00Z",
        }  # fmt: skip
        cpo.call("PUT", "/receiver/tokens/PT/GLP/A1", body)

        known = cpo.world.node.objects.get(Ref("tokens", "PT", "GLP", "A1", "RFID"))
    own = cpo.world.node.settings.parties("CPO")[0]
    asked = {"location_id": "L1", "evse_uids": ["E1"]}

    info = authorize(cpo.world.node, Question(own, "A1", "RFID", known, asked, "c"))

    (request,) = cpo.requests("tokens")
    assert request.path == "/tokens/A1/authorize?type=RFID"
    named = info["token"]
    assert (named["party_id"], named["uid"]) == ("GLP", "A1")
    assert named["contract_id"] == ("C7" if is_known else "A1")
