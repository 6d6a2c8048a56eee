"""Sessions in the operator API: a CPO's CSMS writes them, every node shows what it has.

Source: OCPI 2.2.1 mod_sessions; SES-05, SES-07, SES-15, SES-17
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.calls.answers import Answer, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.modules.cdrs.session_changes import store_start_snapshot
from chalicelib.modules.sessions.decisions import written
from chalicelib.modules.sessions.objects import ChargingPreferences
from chalicelib.modules.sessions.preferences import take_preferences
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.received_parties import remember_owners
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partners import register
from tests.modules.builders import T0, T1, without
from tests.modules.sessions.builders import cdr_token, period, session
from tests.operator_api.caller import OperatorApi, path_of
from tests.operator_api.objects import connector, evse, location, tariff

OTHERS = Party("PT", "XYZ")
NOW = "2026-03-01T12:00:00Z"


def as_written(**fields: Any) -> dict[str, Any]:
    """A session as a CSMS writes it."""
    return without(session(**fields), "country_code", "party_id", "id", "last_updated")


def receive(api: OperatorApi, session_id: str = "S1", owner: Party = OTHERS, **fields: Any) -> dict[str, Any]:
    """Store a session as the receiver and the stream function store it."""
    document = session(owner, id=session_id, **fields)
    partition = partition_for_viewer("sessions", None, emsp_of(document["cdr_token"]))
    ref = Ref("sessions", *owner, session_id)
    api.node.objects.change(ref, lambda _: written(document, partition), partition=partition, source="cpo-1")
    remember_owners(api.node.table, [ref])
    remember_list(api.node.table, partition)
    return document


def begin_a_session(cpo: OperatorApi, session_id: str = "S1", **fields: Any) -> dict[str, Any]:
    """Write a session at a connector with a tariff, and do the work of the stream function."""
    cpo.ask("PUT", "/tariffs/T1", tariff())
    plug = connector(tariff_ids=["T1"])
    cpo.ask("PUT", "/locations/L1", location(evses=[evse(connectors=[plug])]))
    begun = {"start_date_time": "2026-03-01T11:00:00Z", **fields}
    written: dict[str, Any] = cpo.ask("PUT", f"/sessions/{session_id}", as_written(**begun))
    stored = cpo.node.objects.get(Ref("sessions", "PT", "ABC", session_id))
    assert stored is not None
    store_start_snapshot(cpo.node, stored.ref, written, True, stored.partition, cpo.node.directory.all)
    return written


def test_put_fills_in_what_the_csms_left_out(cpo: OperatorApi) -> None:
    answer = cpo.call("PUT", "/sessions/S1", as_written())

    assert answer.status == 201
    assert answer.json == session(Party("PT", "ABC"), last_updated=NOW)
    assert cpo.ask("GET", "/sessions/S1") == answer.json


def test_a_patch_adds_periods_and_a_put_replaces_them(cpo: OperatorApi) -> None:
    """Source: SES-05, SES-07, SES-08"""
    cpo.ask("PUT", "/sessions/S1", as_written(charging_periods=[period(T0)]))

    for _ in range(2):
        patched = cpo.call(
            "PATCH", "/sessions/S1", {"kwh": Decimal("1.50"), "charging_periods": [period(T1)]}
        )
    assert (patched.status, patched.json["charging_periods"]) == (200, [period(T0), period(T1)])
    assert '"kwh":1.50' in cpo.call("GET", "/sessions/S1").text

    replaced = cpo.call("PUT", "/sessions/S1", as_written())
    assert (replaced.status, "charging_periods" in replaced.json) == (200, False)


def test_a_completed_session_is_final(cpo: OperatorApi) -> None:
    """Source: SES-15"""
    cpo.ask("PUT", "/sessions/S1", as_written())
    done = cpo.ask("PATCH", "/sessions/S1", {"status": "COMPLETED"})
    assert done["end_date_time"] == NOW

    late = cpo.call("PATCH", "/sessions/S1", {"kwh": 9})

    assert (late.status, late.json["errors"][0]["field"]) == (422, "status")
    assert cpo.ask("PATCH", "/sessions/S1", {"status": "COMPLETED"}) == done


def test_sessions_of_all_viewers_are_listed_together(cpo: OperatorApi) -> None:
    """Source: PAG-04, PAG-06, PAG-08"""
    for number in range(5):
        cpo.ask("PUT", f"/sessions/S{number}", as_written())

    first = cpo.call("GET", "/sessions?limit=2")

    assert [found["id"] for found in first.json] == ["S0", "S1"]
    assert first.headers["X-Total-Count"] == "5"
    assert [found["id"] for found in cpo.all("/sessions?limit=2")] == [f"S{number}" for number in range(5)]
    assert cpo.ask("GET", f"/sessions?date_to={NOW}") == []
    assert len(cpo.ask("GET", f"/sessions?date_from={NOW}")) == 5


def test_a_node_without_sessions_lists_none(cpo: OperatorApi) -> None:
    answer = cpo.call("GET", "/sessions")

    assert (answer.status, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")


@pytest.mark.parametrize("name", ["hub", "emsp"])
def test_received_sessions_are_shown_and_read_only(apis: dict[str, OperatorApi], name: str) -> None:
    api = apis[name]
    mine = receive(api)
    other = receive(api, "S2", cdr_token=cdr_token(Party("ES", "TWO")))

    assert api.ask("GET", "/sessions/S1") == mine
    assert sorted(found["id"] for found in api.ask("GET", "/sessions")) == ["S1", "S2"]
    assert api.ask("GET", "/sessions/S2?party=PT*XYZ") == other
    assert api.call("PUT", "/sessions/S1", as_written()).status == 405
    assert api.call("PATCH", "/sessions/S1", {"kwh": 1}).status == 405


def test_a_session_id_of_two_owners_needs_the_party(hub: OperatorApi) -> None:
    """Source: OWN-02"""
    receive(hub)
    other = receive(hub, owner=Party("ES", "TWO"))

    assert hub.call("GET", "/sessions/S1").status == 400
    assert hub.ask("GET", "/sessions/S1?party=ES*TWO") == other


def test_a_list_of_sessions_can_be_filtered_by_own_party(two_parties: OperatorApi) -> None:
    two_parties.ask("PUT", "/sessions/S1", as_written())
    two_parties.ask("PUT", "/sessions/S2?party=PT*XYZ", as_written())

    assert [found["id"] for found in two_parties.ask("GET", "/sessions?party=pt*xyz")] == ["S2"]
    assert len(two_parties.ask("GET", "/sessions")) == 2
    assert two_parties.call("GET", "/sessions?party=ES*NOT").status == 400


def test_an_id_may_have_any_printable_character(cpo: OperatorApi) -> None:
    for session_id in ("A/B", "50%", "#1", "a?b=c"):
        cpo.ask("PUT", path_of("sessions", session_id), as_written())

        assert cpo.ask("GET", path_of("sessions", session_id))["id"] == session_id


# -- cost so far


def test_a_session_shows_its_cost_so_far_from_its_second_write_on(cpo: OperatorApi) -> None:
    """Source: SES-14"""
    assert "total_cost" not in begin_a_session(cpo)

    patched = cpo.ask("PATCH", "/sessions/S1", {"kwh": 4})

    assert patched["total_cost"] == {"excl_vat": 1, "incl_vat": Decimal("1.23")}
    assert cpo.ask("GET", "/sessions/S1") == patched
    assert cpo.ask("PATCH", "/sessions/S1", {"kwh": 8})["total_cost"]["excl_vat"] == 2
    put_back = cpo.ask("PUT", "/sessions/S1", {**patched, "kwh": 12})
    assert put_back["total_cost"]["excl_vat"] == 3


def test_a_total_cost_from_the_csms_is_kept(cpo: OperatorApi) -> None:
    """Source: SES-14"""
    begin_a_session(cpo)

    own = cpo.ask("PATCH", "/sessions/S1", {"kwh": 4, "total_cost": {"excl_vat": 7}})

    assert own["total_cost"] == {"excl_vat": 7}
    assert cpo.ask("PATCH", "/sessions/S1", {"kwh": 8})["total_cost"] == {"excl_vat": 7}
    assert cpo.ask("PATCH", "/sessions/S1", {"total_cost": None})["total_cost"]["excl_vat"] == 2


def test_a_session_of_the_second_party_is_priced_as_well(two_parties: OperatorApi) -> None:
    two_parties.ask("PUT", "/tariffs/T1?party=PT*XYZ", tariff())
    site = location(evses=[evse(connectors=[connector(tariff_ids=["T1"])])])
    two_parties.ask("PUT", "/locations/L1?party=PT*XYZ", site)
    begun = as_written(start_date_time="2026-03-01T11:00:00Z")
    written = two_parties.ask("PUT", "/sessions/S1?party=PT*XYZ", begun)
    node = two_parties.node
    stored = node.objects.get(Ref("sessions", "PT", "XYZ", "S1"))
    assert stored is not None
    store_start_snapshot(node, stored.ref, written, True, stored.partition, node.directory.all)

    patched = two_parties.ask("PATCH", "/sessions/S1?party=PT*XYZ", {"kwh": 4})

    assert patched["total_cost"]["excl_vat"] == 1


# -- preferences


def test_the_csms_reads_the_accepted_charging_preferences(cpo: OperatorApi) -> None:
    """Source: SES-17"""
    cpo.ask("PUT", "/locations/L1", location(evses=[evse(capabilities=["CHARGING_PREFERENCES_CAPABLE"])]))
    cpo.ask("PUT", "/sessions/S1", as_written())
    assert cpo.call("GET", "/sessions/S1/charging_preferences").status == 404

    stored = cpo.node.objects.get(Ref("sessions", "PT", "ABC", "S1"))
    assert stored is not None
    wanted = {"profile_type": "FAST", "energy_need": 40}
    assert take_preferences(cpo.node, stored, wanted, ChargingPreferences(**wanted)) == "ACCEPTED"

    assert cpo.ask("GET", "/sessions/S1/charging_preferences") == wanted
    assert cpo.ask("GET", "/sessions/S1").get("charging_preferences") is None
    assert cpo.call("PUT", "/sessions/S1/charging_preferences", wanted).status == 405


class Asked:
    """A fake of the node's client that records its calls and returns a given outcome."""

    def __init__(self, api: OperatorApi, outcome: Any) -> None:
        self.outcome, self.calls = outcome, []  # type: ignore[var-annotated]
        object.__setattr__(api.node, "client", self)

    def send(self, partner: Any, module: str, role: str, path: Any, exchange: Exchange) -> Answer:
        self.calls.append((partner.id, exchange.method, module, role, path, exchange))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Answer(200, 1000, None, self.outcome, {}, None)  # type: ignore[arg-type]


def test_an_emsp_sends_charging_preferences_to_the_cpo(emsp: OperatorApi) -> None:
    """Source: SES-17"""
    receive(emsp)
    register(emsp.node, "cpo-1", ("CPO", OTHERS))
    asked = Asked(emsp, "ACCEPTED")

    answer = emsp.ask("PUT", "/sessions/S1/charging_preferences", {"profile_type": "GREEN"})

    assert answer == {"response": "ACCEPTED"}
    ((partner_id, method, module, role, path, exchange),) = asked.calls
    assert (partner_id, method, module, role) == ("cpo-1", "PUT", "sessions", "SENDER")
    assert path == ("S1", "charging_preferences")
    assert exchange.routing[:2] == (("PT", "EVI"), OTHERS)
    assert exchange.document == {"profile_type": "GREEN"}


def test_a_cpo_that_refuses_or_is_unreachable_is_a_bad_gateway(emsp: OperatorApi) -> None:
    receive(emsp)
    assert emsp.call("PUT", "/sessions/S1/charging_preferences", {"profile_type": "GREEN"}).status == 502

    register(emsp.node, "cpo-1", ("CPO", OTHERS))
    Asked(emsp, PartnerRefusal("answered 2001 with HTTP 404", http_status=404, status_code=2001))
    refused = emsp.call("PUT", "/sessions/S1/charging_preferences", {"profile_type": "GREEN"})
    assert (refused.status, refused.json["partner"]["http_status"]) == (502, 404)


# -- bad input

PUT, PATCH = ("PUT", "/sessions/S2"), ("PATCH", "/sessions/S1")
CASES: dict[str, tuple[tuple[str, str], Any, int, str | None]] = {
    "broken JSON": (PUT, '{"kwh": ', 400, None),
    "nothing": (PUT, "", 400, None),
    "a list": (PUT, [], 422, "body"),
    **{f"no {name}": (PUT, without(as_written(), name), 422, name) for name in as_written()},
    "kwh as text": (PUT, as_written(kwh="1"), 422, "kwh"),
    "a token without contract": (
        PUT, as_written(cdr_token=without(cdr_token(), "contract_id")), 422, "cdr_token.contract_id",
    ),
    "a long party id": (PUT, as_written(cdr_token=cdr_token(party_id="LONG")), 422, "cdr_token.party_id"),
    "a status in small letters": (PUT, as_written(status="active"), 422, "status"),
    "a volume of words": (
        PUT, as_written(charging_periods=[period(T0, "much")]), 422, "charging_periods.0.dimensions.0.volume",
    ),
    "another id": (PUT, {**as_written(), "id": "S3"}, 422, "id"),
    "another party": (PUT, {**as_written(), "party_id": "NOT"}, 422, "party_id"),
    "an id that is too long": (("PUT", "/sessions/" + "S" * 37), as_written(), 422, "session_id"),
    "an id as long as a key": (("GET", "/sessions/" + "S" * 3000), None, 404, "session_id"),
    "more than an item holds": (PUT, as_written(x="x" * 500_000), 422, None),
    "a patch of a wrong type": (PATCH, {"charging_periods": {}}, 422, "charging_periods"),
    "a patch of a period that is none": (PATCH, {"charging_periods": [5]}, 422, "charging_periods.0"),
    "a patch that takes a required field": (PATCH, {"kwh": None}, 422, "kwh"),
    "a patch of another time": (PATCH, {"kwh": 1, "last_updated": "soon"}, 422, "last_updated"),
    "a patch of nothing that is there": (("PATCH", "/sessions/S9"), {"kwh": 1}, 404, None),
    "an unknown session": (("GET", "/sessions/S9"), None, 404, None),
    "preferences of an unknown session": (("GET", "/sessions/S9/charging_preferences"), None, 404, None),
    "a session to delete": (("DELETE", "/sessions/S1"), None, 405, None),
    "a limit that is none": (("GET", "/sessions?limit=0"), None, 400, "limit"),
    "a date that is none": (("GET", "/sessions?date_from=yesterday"), None, 400, "date_from"),
    "a party that cannot be one": (("GET", "/sessions?party=ABC"), None, 400, "party"),
}  # fmt: skip


@pytest.mark.parametrize(("route", "body", "status", "field"), CASES.values(), ids=CASES.keys())
def test_invalid_input_is_answered_with_its_field_and_changes_nothing(
    cpo: OperatorApi, route: tuple[str, str], body: Any, status: int, field: str | None
) -> None:
    """Source: RFC 9457, SES-10"""
    before = cpo.ask("PUT", "/sessions/S1", as_written())

    answer = cpo.call(*route, body)

    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    if field is not None:
        assert answer.json["errors"][0]["field"] == field
    assert cpo.ask("GET", "/sessions") == [before]
