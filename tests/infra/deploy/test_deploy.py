"""Chalice deploys a stage onto the emulator, a second deployment changes nothing, and it is removed again.

The emulator lacks one call (UpdateRestApi without a minimum size for compression), and ignores the
description of ImportRestApi. The first call is left out. Neither matters here, because the API's answers are
tested where the template is deployed. Chalice's sleep of five seconds for each new role is left out as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.deploy import __main__ as command
from infra.deploy import functions
from infra.local.children import clean_environment
from infra.local.emulator import Emulator
from infra.stages import PROJECT

_CHALICE = """
import sys, time
from types import SimpleNamespace
really = time.sleep
time.sleep = lambda seconds: really(min(seconds, 0.1))
from infra.deploy import run_chalice
def skip(**_):
    return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}}
run_chalice.main(*sys.argv[1:], lambda s: s.register("before-call.api-gateway.UpdateRestApi", skip))
"""


@pytest.fixture
def runs(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The runs of Chalice; its record of the stage is kept in a temporary folder."""
    done: list[str] = []

    def run(action: str, stage: str, folder: Path, added: Mapping[str, str]) -> None:
        done.append(action)
        environment = clean_environment() | emulator.environment() | dict(added)
        program = [sys.executable, "-c", _CHALICE, action, stage, str(folder)]
        subprocess.run(program, check=True, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)

    monkeypatch.setattr(functions, "DEPLOYED", tmp_path)
    monkeypatch.setattr(functions, "run_chalice", run)
    return done


def test_a_stage_is_deployed_then_deployed_without_a_change_then_removed(
    emulator: Emulator, runs: list[str], tmp_path: Path
) -> None:
    steps: list[str] = []

    url = command.deploy("cpo", emulator.client, steps.append)
    first = _state(emulator)
    assert command.deploy("cpo", emulator.client, steps.append) == url
    second = _state(emulator)

    assert url.startswith("https://")
    assert url.endswith("/api/ocpi/versions")
    assert runs == ["deploy"]
    assert second == first
    assert all("nothing to change" in line for line in steps[-4:])
    _is_as_described(emulator)

    command.undeploy("cpo", emulator.client, steps.append)

    assert emulator.client("lambda").list_functions()["Functions"] == []
    assert "ocpi-node-cpo" in emulator.client("dynamodb").list_tables()["TableNames"]
    assert (
        not (tmp_path / "cpo.json").exists()
        or not json.loads((tmp_path / "cpo.json").read_text())["resources"]
    )


def test_a_stage_with_its_record_elsewhere_is_not_deployed(
    emulator: Emulator, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "_tag", lambda *_: "deployed from elsewhere")

    with pytest.raises(functions.NotOurs, match=r"deployed/hub\.json"):
        functions.deploy(emulator.client("lambda"), "hub", {}, "arn:aws:sqs:eu-west-1:1:dead")
    assert runs == []


def test_a_stage_with_its_record_elsewhere_is_not_removed(
    emulator: Emulator, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "_tag", lambda *_: "deployed from elsewhere")

    with pytest.raises(functions.NotOurs, match=r"deployed/hub\.json"):
        command.undeploy("hub", emulator.client, lambda _: None)
    assert runs == []


def test_an_unwanted_firewall_is_detached_before_it_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def client(service: str) -> Any:
        return SimpleNamespace(meta=SimpleNamespace(partition="aws", region_name="eu-west-1"))

    monkeypatch.setattr(functions, "api_id", lambda stage: "api-1")
    monkeypatch.setattr(command, "_set_account", lambda client: [])
    monkeypatch.setattr(
        command.settings, "set_firewall", lambda waf, arn, acl: done.append(f"{arn} {acl}") or []
    )

    def stop(*_: Any) -> list[str]:
        raise InterruptedError

    monkeypatch.setattr(command, "_make_resources", stop)
    with pytest.raises(InterruptedError):
        command.deploy("cpo", client, lambda _: None)

    assert done == ["arn:aws:apigateway:eu-west-1::/restapis/api-1/stages/api None"]


def _state(emulator: Emulator) -> list[Any]:
    """All that a deployment can change, with the time of its last change."""
    client = emulator.client
    api = client("apigateway")
    deployed = client("lambda").list_functions()["Functions"]
    arns = [each["FunctionArn"] for each in deployed]
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    [mine] = [each for each in stacks if each["StackName"] == "ocpi-node-cpo"]
    events = client("cloudformation").describe_stack_events(StackName="ocpi-node-cpo")["StackEvents"]
    return [
        deployed,
        [client("lambda").list_tags(Resource=arn)["Tags"] for arn in arns],
        client("lambda").list_event_source_mappings()["EventSourceMappings"],
        [
            (
                each["id"],
                api.get_stages(restApiId=each["id"])["item"],
                api.get_deployments(restApiId=each["id"])["items"],
            )
            for each in api.get_rest_apis()["items"]
        ],
        mine["StackStatus"],
        len(events),
        client("iam").list_roles()["Roles"],
    ]


def _is_as_described(emulator: Emulator) -> None:
    client = emulator.client("lambda")
    for found in client.list_event_source_mappings()["EventSourceMappings"]:
        assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    deployed = {each["FunctionName"]: each for each in client.list_functions()["Functions"]}
    assert len(deployed) == 8
    variables = deployed["ocpi-node-cpo"]["Environment"]["Variables"]
    assert variables["OCPI_TABLE"] == "ocpi-node-cpo"
    assert variables["OCPI_BROADCASTS_QUEUE_URL"].endswith("/ocpi-node-cpo-broadcasts.fifo")
    roles = {each["Role"] for each in deployed.values()}
    assert len(roles) == 8
