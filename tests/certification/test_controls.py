"""Each scenario passes; those of chapters 1 to 3 fail when the behaviour they check is broken."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from certification.nodes import Nodes
from certification.plan import PLAN, Row
from certification.report import Status
from certification.runner import main, run_row
from certification.trial import Trial
from certification.web import Web
from tests.certification import faults, test_controls_4_6, test_controls_7
from tests.certification.control import (
    Control,
    broken,
    expect_failure,
    trial_through_proxies,
)

PATIENT_S = 15.0  # where nothing is broken; only a failure waits that long
TARIFFS = r"/sender/tariffs/?$"
LOCATIONS = r"/sender/locations/?$"
RESERVATION = r"/receiver/locations/\w+/\w+$"


CONTROLS = [
    broken(
        "1.1",
        "cpo",
        "tokens never die",
        faults.tokens_never_die,
        "token A, after the registration, is refused",
    ),
    broken("1.1", "cpo", "PUT keeps the token", faults.keep_the_token, "PUT gives the hub a new token"),
    Control(
        "1.1",
        "probe",
        "no callback",
        lambda proxy: faults.fetch_no_versions(lambda: proxy.url),
        "before it answers POST, the CPO fetches the partner's versions",
    ),
    broken(
        "1.1",
        "cpo",
        "token A opens modules",
        lambda: faults.answer("GET", TARIFFS, 401, 200, data=[]),
        "token A is valid for versions and credentials only",
    ),
    broken(
        "1.1",
        "cpo",
        "POST twice",
        lambda: faults.answer("POST", faults.CREDENTIALS, 405, 200),
        "POST by a registered party is 405",
    ),
    broken(
        "1.2",
        "hub",
        "endpoints as they were first",
        faults.freeze_endpoints,
        "endpoints of the CPO have sessions SENDER added",
    ),
    broken(
        "1.2",
        "probe",
        "details from a cache",
        lambda: faults.remember("GET", r"/details$"),
        "endpoints of the CPO have sessions SENDER added",
    ),
    broken("1.3", "hub", "tokens never die", faults.tokens_never_die, "old token at the hub is refused"),
    broken(
        "1.3",
        "hub",
        "business details ignored",
        lambda: faults.change_body("PUT", faults.CREDENTIALS, _without_new_name),
        "new business details",
    ),
    broken(
        "1.3",
        "cpo",
        "the operator's PUT does nothing",
        lambda: faults.swallow_at_operator_api("PUT", r"/operator/partners/[^/]+/credentials$", 200),
        "has it PUT its credentials",
    ),
    broken(
        "1.4",
        "hub",
        "DELETE does nothing",
        lambda: faults.swallow("DELETE", faults.CREDENTIALS),
        "after its DELETE, is refused",
    ),
    broken(
        "1.4",
        "hub",
        "DELETE twice",
        lambda: faults.answer("DELETE", faults.CREDENTIALS, 401, 200),
        "a second DELETE is 401 or 405",
    ),
    broken(
        "1.4",
        "hub",
        "the departed still listed",
        faults.list_the_departed,
        "is not listed as connected, at the hub's operator API",
    ),
    broken(
        "1.4",
        "cpo",
        "the operator's DELETE does nothing",
        lambda: faults.swallow_at_operator_api("DELETE", r"/operator/partners/[^/]+$", 204),
        "has it DELETE its credentials",
    ),
    Control(
        "1.5",
        "probe",
        "the broken versions URL unnoticed",
        lambda proxy: faults.fetch_no_versions(lambda: proxy.url),
        "answered with 3001",
    ),
    broken(
        "1.5",
        "cpo",
        "token A lost",
        faults.kill_token_a_when_broken,
        "token A, after the hub's versions failed, works",
    ),
    broken(
        "1.5",
        "cpo",
        "DELETE does nothing",
        lambda: faults.swallow("DELETE", faults.CREDENTIALS),
        "after its DELETE, is refused",
    ),
    broken(
        "2.1",
        "probe",
        "no broadcast",
        lambda: faults.swallow("PUT", r"/receiver/tariffs/"),
        "tariff .*at the probe eMSP",
    ),
    broken(
        "2.1",
        "emsp",
        "nothing arrives",
        lambda: faults.hide_list(r"/operator/tariffs$"),
        "tariff .*at the eMSP's operator API",
    ),
    broken("2.1", "probe", "FROM is the CPO", lambda: faults.forge_from("PT", "ABC"), "is FROM the hub"),
    broken("2.1", "probe", "the hub in the URL", faults.put_hub_into_url, "tariff .*at the probe eMSP"),
    broken(
        "2.1",
        "hub",
        "200 for a new one",
        lambda: faults.answer("PUT", r"/receiver/tariffs/", 201, 200),
        "answered with HTTP 201",
    ),
    broken(
        "2.2",
        "probe",
        "no second broadcast",
        lambda: faults.swallow_from_second("PUT", r"/receiver/tariffs/"),
        "the new state, at the probe eMSP",
    ),
    broken(
        "2.2",
        "emsp",
        "tariffs as they were first",
        lambda: faults.freeze_list(r"/operator/tariffs$"),
        "the new state, at the eMSP's operator API",
    ),
    broken(
        "2.3",
        "probe",
        "DELETE not broadcast",
        lambda: faults.swallow("DELETE", r"/receiver/tariffs/"),
        "the tariff is gone, at the probe eMSP",
    ),
    broken(
        "2.3",
        "hub",
        "GET of what is deleted",
        lambda: faults.answer("GET", r"/receiver/tariffs/", 404, 200, data={}),
        "GET of a deleted tariff is 404",
    ),
    broken(
        "2.3",
        "cpo",
        "the operator's DELETE does nothing",
        lambda: faults.swallow_at_operator_api("DELETE", r"/operator/tariffs/", 204),
        "answers 404 for the deleted tariff",
    ),
    broken("2.4", "cpo", "wrong total", lambda: faults.miscount(TARIFFS), "X-Total-Count is"),
    broken(
        "2.4", "cpo", "an object twice", lambda: faults.repeat_an_object(TARIFFS), "each object comes once"
    ),
    broken("2.4", "cpo", "no Link to the end", lambda: faults.stop_early(TARIFFS), "missing"),
    broken(
        "2.5",
        "cpo",
        "date_to inclusive",
        lambda: faults.shift("date_to", TARIFFS),
        "X-Total-Count is 2, not 3",
    ),
    broken(
        "2.5",
        "cpo",
        "date_from exclusive",
        lambda: faults.shift("date_from", TARIFFS),
        "X-Total-Count is 2, not 1",
    ),
    broken(
        "2.5", "cpo", "Link drops the filters", lambda: faults.drop_filters(TARIFFS), "Link keeps date_from"
    ),
    broken("3.1", "hub", "every id twice", faults.repeat_reserved_id, "are all different"),
    broken(
        "3.1", "hub", "X-Request-ID ignored", faults.forget_request_ids, "same X-Request-ID gets the same id"
    ),
    broken(
        "3.1",
        "hub",
        "another's id accepted",
        lambda: faults.accept_refused("PUT", r"/receiver/locations/", 201),
        "that another CPO reserved is refused",
    ),
    broken(
        "3.1",
        "hub",
        "reserved without the profile",
        lambda: faults.accept_refused("POST", RESERVATION, 200, {"id": "PRT-1"}),
        "without the profile nothing is reserved",
    ),
    broken(
        "3.2",
        "probe",
        "no broadcast",
        lambda: faults.swallow("PUT", r"/receiver/locations/"),
        "location .*at the probe eMSP",
    ),
    broken(
        "3.2",
        "emsp",
        "nothing arrives",
        lambda: faults.hide_list(r"/operator/locations$"),
        "location .*at the eMSP's operator API",
    ),
    broken(
        "3.2",
        "hub",
        "200 for a new one",
        lambda: faults.answer("PUT", r"/receiver/locations/", 201, 200),
        "answered with HTTP 201",
    ),
    broken(
        "3.3",
        "probe",
        "no broadcast of changes",
        lambda: faults.swallow("PUT|PATCH", r"/receiver/locations/"),
        "PUT of the location, at the probe eMSP",
    ),
    broken(
        "3.3",
        "cpo",
        "parents not lifted",
        lambda: faults.lift_no_parents(r"/operator/locations/[^/]+$", at_operator_api=True),
        "lifts last_updated of the object and its parents",
    ),
    broken(
        "3.3",
        "hub",
        "parents not lifted by a push",
        lambda: faults.lift_no_parents(r"/receiver/locations/\w+/\w+/[^/]+$", at_operator_api=False),
        "it and its parents have",
    ),
    broken(
        "3.4",
        "cpo",
        "unknown is nothing",
        lambda: faults.answer("GET", r"/sender/locations/.", 404, 200, data={}),
        "what is unknown is HTTP 404",
    ),
    broken(
        "3.4",
        "cpo",
        "the EVSE for a connector",
        lambda: faults.swap("GET", r"/sender/locations/[^/]+/[^/]+/[^/]+$", lambda data: {"uid": data["id"]}),
        "data is the object that the CPO's operator API shows",
    ),
    broken("3.5", "cpo", "wrong total", lambda: faults.miscount(LOCATIONS), "X-Total-Count is"),
    broken(
        "3.5", "cpo", "an object twice", lambda: faults.repeat_an_object(LOCATIONS), "each object comes once"
    ),
    broken("3.5", "cpo", "no Link to the end", lambda: faults.stop_early(LOCATIONS), "missing"),
    broken(
        "3.6",
        "cpo",
        "date_to inclusive",
        lambda: faults.shift("date_to", LOCATIONS),
        "X-Total-Count is 2, not 3",
    ),
    broken(
        "3.6", "cpo", "Link drops the filters", lambda: faults.drop_filters(LOCATIONS), "Link keeps date_from"
    ),
    broken(
        "3.6",
        "cpo",
        "a change stays out of the window",
        lambda: faults.remember("GET", LOCATIONS),
        "X-Total-Count is 1, not 0",
    ),
]


def _without_new_name(credentials: dict[str, object]) -> dict[str, object]:
    for role in credentials["roles"]:  # type: ignore[attr-defined]
        role["business_details"] = {"name": role["business_details"]["name"].removesuffix(" renamed")}
    return credentials


@pytest.mark.parametrize("row", PLAN, ids=lambda row: row.id)
def test_a_scenario_passes_when_nothing_is_broken(sandbox_nodes: Nodes, row: Row) -> None:
    with trial_through_proxies(sandbox_nodes, {}, PATIENT_S) as trial:
        finding = run_row(row, trial)

    assert finding.status == Status.PASSED, "\n".join(finding.evidence)


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_scenario_fails_when_its_behaviour_is_broken(sandbox_nodes: Nodes, control: Control) -> None:
    expect_failure(sandbox_nodes, control)


def test_the_command_runs_rows_against_described_nodes(
    sandbox_nodes: Nodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = tmp_path / "nodes.json"
    description.write_text(json.dumps({node.role.lower(): asdict(node) for node in sandbox_nodes}))
    rows = [part for row in ("1.4", "2.1", "3.4") for part in ("--only", row)]

    code = main(["--sandbox", str(description), "--out", str(tmp_path), *rows])

    printed = capsys.readouterr().out
    assert code == 0 and "3 passed, 0 failed, 0 not implemented" in printed, printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["status"] for each in report["scenarios"]] == ["passed"] * 3
    assert all(node.operator_key not in printed for node in sandbox_nodes)


def test_every_scenario_has_a_control() -> None:
    controls = [*CONTROLS, *test_controls_4_6.CONTROLS, *test_controls_7.CONTROLS]

    assert {control.row for control in controls} == {row.id for row in PLAN}


@pytest.mark.parametrize("row", PLAN, ids=lambda row: row.id)
def test_without_a_probe_a_scenario_passes_with_the_operator_apis_alone(
    sandbox_nodes: Nodes, row: Row
) -> None:
    web = Web()

    finding = run_row(row, Trial(sandbox_nodes, None, web, PATIENT_S))

    web.close()
    assert finding.status == Status.PASSED, "\n".join(finding.evidence)
    assert any("--probe-url" in line for line in finding.evidence)
