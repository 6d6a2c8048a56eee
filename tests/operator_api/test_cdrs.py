"""CDRs and prices in the operator API. Source: OCPI 2.2.1 mod_cdrs; CDR-05, CDR-07"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.cdrs import compiler
from chalicelib.modules.cdrs.due_sessions import make_due
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.visibility import partition_for_own
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import parse_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.harness.partners import register
from tests.modules.builders import T0, T2, component, connector, element, evse, location, tariff, without
from tests.modules.sessions.builders import session
from tests.operator_api.caller import OperatorApi

IDS = ("country_code", "party_id", "id")


def end_a_session(cpo: OperatorApi, **fields: Any) -> None:
    """Write a site, its tariff and a session that has ended, and make its CDR."""
    # The sessions of these tests end after the time of the fixed clock.
    if cpo.node.clock() < parse_datetime(T2):
        cpo.node.clock.moment = parse_datetime(T2)  # type: ignore[attr-defined]
    own = tariff(elements=[element(component(price=Decimal("0.5")))])
    cpo.ask("PUT", "/tariffs/T1", without(own, *IDS))
    site = location(evses=[evse(connectors=[connector(tariff_ids=["T1"])])])
    cpo.ask("PUT", "/locations/L1", without(site, *IDS))
    ended = session(**{"status": "COMPLETED", "end_date_time": T2, "kwh": Decimal("8"), **fields})
    cpo.ask("PUT", "/sessions/S1", without(ended, *IDS))
    compile_it(cpo)


def compile_it(cpo: OperatorApi, session_id: str = "S1") -> None:
    """Compile a session as the table's stream and the timer do."""
    stored = cpo.node.objects.get(Ref("sessions", "PT", "ABC", session_id))
    assert stored is not None
    make_due(cpo.node, stored)
    compiler.run(cpo.node)
    remember_list(cpo.node.table, f"{partition_for_own('cdrs', Party('PT', 'ABC'))}#nobody")


def test_a_cdr_is_listed_read_and_explained(cpo: OperatorApi) -> None:
    end_a_session(cpo)

    (cdr,) = cpo.all("/cdrs")
    assert cpo.ask("GET", f"/cdrs/{cdr['id']}") == cdr
    breakdown = cpo.ask("GET", f"/cdrs/{cdr['id']}/breakdown")

    assert (cdr["session_id"], cdr["start_date_time"]) == ("S1", T0)
    assert breakdown["total_cost"]["excl_vat"] == 4
    (line,) = breakdown["breakdown"]["lines"]
    assert (line["dimension"], line["billed"], line["price"]) == ("ENERGY", 8, Decimal("0.5"))
    assert cpo.call("GET", "/cdrs/C9").status == 404


def test_a_credit_cdr_has_the_explanation_of_its_cdr_without_discrepancies(cpo: OperatorApi) -> None:
    """Source: CDR-07"""
    end_a_session(cpo)
    end_a_session(cpo, auth_method="COMMAND")
    (credit,) = [cdr for cdr in cpo.all("/cdrs") if cdr.get("credit")]

    breakdown = cpo.ask("GET", f"/cdrs/{credit['id']}/breakdown")

    assert breakdown["total_cost"]["excl_vat"] == -4
    assert breakdown["discrepancies"] == []
    assert [line["billed"] for line in breakdown["breakdown"]["lines"]] == [8]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_operator_cannot_change_a_cdr(cpo: OperatorApi, method: str) -> None:
    """Source: CDR-05"""
    assert cpo.call(method, "/cdrs/C1", {}).status == 405


def test_a_replay_answers_with_the_partners_that_have_not_accepted_the_cdr(cpo: OperatorApi) -> None:
    """Source: TRN-32"""
    end_a_session(cpo)
    (cdr,) = cpo.all("/cdrs")

    answer = cpo.call("POST", f"/cdrs/{cdr['id']}/replay")

    assert (answer.status, answer.json) == (202, {"cdr_id": cdr["id"], "partners": []})
    assert cpo.call("POST", "/cdrs/C9/replay").status == 404


def test_a_session_without_a_price_is_listed_and_can_be_retried(cpo: OperatorApi) -> None:
    end_a_session(cpo, currency="USD")

    (aside,) = cpo.all("/sessions_without_cdr")
    again = cpo.call("POST", "/sessions_without_cdr/S1")

    assert (aside["session_id"], aside["field"]) == ("S1", "currency")
    assert again.status == 202
    assert cpo.call("POST", "/sessions_without_cdr/S2").status == 404
    assert cpo.all("/cdrs") == []


def test_a_price_is_computed_and_nothing_is_stored(cpo: OperatorApi) -> None:
    asked = {
        "tariffs": [tariff()],
        "session": {
            "start_date_time": T0,
            "end_date_time": T2,
            "meter_readings": [{"at": T0, "kwh": 0}, {"at": T2, "kwh": 10}],
        },
    }

    breakdown = cpo.ask("POST", "/price", asked)
    refused = cpo.call("POST", "/price", {"tariffs": [], "session": asked["session"]})

    assert breakdown["total_cost"]["excl_vat"] == Decimal("2.5")
    assert refused.status == 422
    assert cpo.all("/cdrs") == []


def test_time_prices_of_a_price_request_may_be_per_minute(cpo: OperatorApi) -> None:
    asked = {
        "tariffs": [tariff(elements=[element(component("TIME", price=Decimal("0.05")))])],
        "session": {"start_date_time": T0, "end_date_time": T2},
    }

    per_hour = cpo.ask("POST", "/price", asked)
    per_minute = cpo.ask("POST", "/price", {**asked, "time_prices_per_minute": True})

    assert per_hour["total_cost"]["excl_vat"] == Decimal("0.1")
    assert per_minute["total_cost"]["excl_vat"] == 6


def test_a_received_cdr_is_explained_by_the_time_price_profile_of_its_partner(cpo: OperatorApi) -> None:
    hub = register(cpo.node, "hub", ("HUB", Party("PT", "MOB")))
    own = tariff(elements=[element(component("TIME", price=Decimal("0.05")))])
    end_a_session(cpo)
    (made,) = cpo.all("/cdrs")
    periods = [{"start_date_time": T0, "dimensions": [{"type": "TIME", "volume": 2}], "tariff_id": "T1"}]
    names = [name for name in made if name.startswith("total_")]
    came = {
        **without(made, *names),
        "id": "MOB-1",
        "tariffs": [own],
        "charging_periods": periods,
        "total_cost": {"excl_vat": 6},
        "total_energy": 0,
        "total_time": 2,
    }
    write = Write(JsonText(write_json(came)), T2)
    ref = Ref("cdrs", "PT", "ABC", "MOB-1")
    cpo.node.objects.change(ref, lambda _: write, partition="cdrs#*#nobody", source=hub.id)

    by_hour = cpo.ask("GET", "/cdrs/MOB-1/breakdown")
    cpo.ask("PATCH", f"/partners/{hub.id}", {"profiles": ["time_prices_per_minute"]})
    by_minute = cpo.ask("GET", "/cdrs/MOB-1/breakdown")

    assert [each["field"] for each in by_hour["discrepancies"]] == ["total_cost.excl_vat"]
    assert by_minute["discrepancies"] == []
    assert by_minute["breakdown"]["lines"][0]["unit"] == "min"


@pytest.mark.parametrize("fields", [{"tariffs": None}, {"tariffs": [tariff(minPrice={"excl_vat": 9})]}])
def test_costs_of_a_received_cdr_that_cannot_be_checked_are_listed_as_not_judged(
    cpo: OperatorApi, fields: dict[str, Any]
) -> None:
    end_a_session(cpo)
    (made,) = cpo.all("/cdrs")
    came = {**made, "id": "MOB-1", **fields, "total_cost": {"excl_vat": 77}}
    write = Write(JsonText(write_json(came)), T2)
    ref = Ref("cdrs", "PT", "ABC", "MOB-1")
    cpo.node.objects.change(ref, lambda _: write, partition="cdrs#*#nobody", source="hub")

    breakdown = cpo.ask("GET", "/cdrs/MOB-1/breakdown")

    assert breakdown["discrepancies"] == []
    assert "total_cost" in breakdown["not_judged"]
    assert "not_judged" not in cpo.ask("GET", f"/cdrs/{made['id']}/breakdown")


def test_a_credit_cdr_is_explained_by_the_cdr_that_it_credits(cpo: OperatorApi) -> None:
    end_a_session(cpo)
    (first,) = cpo.all("/cdrs")
    ended = session(status="COMPLETED", end_date_time=T2, kwh=Decimal("6"))
    cpo.ask("PUT", "/sessions/S1", without(ended, *IDS))
    compile_it(cpo)

    (credit,) = [cdr for cdr in cpo.all("/cdrs") if cdr.get("credit")]
    breakdown = cpo.ask("GET", f"/cdrs/{credit['id']}/breakdown")

    assert credit["credit_reference_id"] == first["id"]
    assert breakdown["total_cost"]["excl_vat"] == -4
    assert breakdown["breakdown"] == cpo.ask("GET", f"/cdrs/{first['id']}/breakdown")["breakdown"]


def test_a_session_with_impossible_quantities_gets_a_cdr_after_its_release(cpo: OperatorApi) -> None:
    """Source: TRP-32"""
    end_a_session(cpo, kwh=8_000)

    (aside,) = cpo.all("/sessions_without_cdr")
    before = cpo.all("/cdrs")
    released = cpo.call("POST", "/sessions_without_cdr/S1/release")
    compiler.run(cpo.node)

    assert (aside["field"], aside["can_release"], before) == ("kwh", True, [])
    assert "are they Wh?" in aside["reason"]
    assert (released.status, released.json) == (202, {"session_id": "S1"})
    (cdr,) = cpo.all("/cdrs")
    warnings = cpo.ask("GET", f"/cdrs/{cdr['id']}/breakdown")["warnings"]
    assert [each["code"] for each in warnings][:2] == ["released_by_operator", "odd_energy"]
    assert cpo.call("POST", "/sessions_without_cdr/S1/release").status == 404


def test_a_session_without_a_price_cannot_be_released(cpo: OperatorApi) -> None:
    end_a_session(cpo, currency="USD")

    answer = cpo.call("POST", "/sessions_without_cdr/S1/release")

    assert answer.status == 409
    assert cpo.all("/sessions_without_cdr")[0]["can_release"] is False
