"""Chalice's configuration of a stage fits the resources: names, timeouts, and only the needed rights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.settings import read_settings
from infra import resources, stages

CONFIG = stages.read_config()
STAGES = sorted(CONFIG["stages"])
FUNCTIONS = sorted(stages.functions(CONFIG))


def policy(function: str, stage: str = "cpo") -> list[dict[str, Any]]:
    text = stages.read_policy(stages.CONFIG.parent / f"policy-{function}.json", stage)
    statements: list[dict[str, Any]] = json.loads(text)["Statement"]
    return statements


def test_every_function_of_the_application_is_configured() -> None:
    assert set(FUNCTIONS) == {stages.API_HANDLER, *(source.name for source in app.event_sources)}


def test_a_stage_without_a_function_of_this_release_is_refused() -> None:
    new = ("push_catch_up", "run_background")
    functions = {name: value for name, value in stages.functions(CONFIG).items() if name not in new}
    old = {**CONFIG["stages"]["cpo"], "lambda_functions": functions}

    with pytest.raises(stages.UnknownStage) as refused:
        stages.stage_config("mine", {**CONFIG, "stages": {**CONFIG["stages"], "mine": old}}, {})

    assert str(refused.value).splitlines()[1:] == [
        '  "push_catch_up": {"iam_policy_file": "policy-push_catch_up.json"},',
        '  "run_background": {"iam_policy_file": "policy-run_background.json", "lambda_timeout": 60}',
    ]


def test_a_function_that_no_stage_has_is_named_with_its_policy() -> None:
    old = {**CONFIG["stages"]["cpo"], "lambda_functions": {}}

    with pytest.raises(stages.UnknownStage, match=r'"push_catch_up".*policy-push_catch_up'):
        stages.stage_config("mine", {**CONFIG, "stages": {"mine": old}}, {})


def test_the_stages_configure_their_functions_alike() -> None:
    assert all(CONFIG["stages"][stage]["lambda_functions"] == stages.functions(CONFIG) for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_the_committed_configuration_names_the_stage_s_resources(stage: str) -> None:
    """`chalice package --stage cpo` subscribes the workers to the queues that the stage has."""
    variables = CONFIG["stages"][stage]["environment_variables"]

    assert stages.names(stage).items() <= variables.items()
    assert {
        "OCPI_TABLE": f"ocpi-node-{stage}",
        "OCPI_KMS_KEY_ID": f"alias/ocpi-node-{stage}",
    }.items() <= variables.items()


def test_the_stages_play_the_three_roles() -> None:
    played = {
        stage: json.loads(CONFIG["stages"][stage]["environment_variables"]["OCPI_PARTIES"])[0]["role"]
        for stage in STAGES
    }

    assert played == {"cpo": "CPO", "hub": "HUB", "emsp": "EMSP"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_written_with_a_policy_for_each_function(stage: str, tmp_path: Path) -> None:
    stages.write_stage(stage, tmp_path, {"OCPI_TABLE": "here"})

    written = json.loads((tmp_path / ".chalice" / "config.json").read_text())
    own = written["stages"][stage]
    assert set(written["stages"]) == {stage}
    assert own["environment_variables"]["OCPI_TABLE"] == "here"
    for function in FUNCTIONS:
        text = (tmp_path / ".chalice" / own["lambda_functions"][function]["iam_policy_file"]).read_text()
        assert f"ocpi-node-{stage}" in text
        assert "ocpi-node-*" not in text


def test_an_unknown_stage_is_refused_with_a_list_of_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(stages.UnknownStage, match="cpo, emsp, hub"):
        stages.write_stage("prod", tmp_path, {})


def test_a_stage_sets_parameters_of_the_resources() -> None:
    config = {"stages": {"cpo": {"parameters": {"Firewall": "yes"}, "environment_variables": {}}}}

    assert stages.parameters("cpo", config) == {"Stage": "cpo", "Firewall": "yes"}


def test_a_node_can_be_made_from_the_variables_of_a_deployed_function() -> None:
    variables = dict.fromkeys(resources.node_variables(resources.read_template()), "x")

    settings = read_settings({**CONFIG["stages"]["hub"]["environment_variables"], **variables})

    assert settings.plays("HUB")
    assert settings.table == "x"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_touch_its_own_stage_only(function: str) -> None:
    for statement in policy(function, "hub"):
        assert "ocpi-node-hub" in json.dumps([statement["Resource"], statement.get("Condition")])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_scan_or_change_its_resources(function: str) -> None:
    actions = {action for statement in policy(function) for action in statement["Action"]}

    assert not any("*" in action for action in actions)
    assert not actions & {
        "dynamodb:Scan",
        "dynamodb:DeleteTable",
        "dynamodb:UpdateTable",
        "kms:ScheduleKeyDeletion",
        "sqs:PurgeQueue",
        "logs:CreateLogGroup",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_the_log_group_that_is_made_for_it(function: str) -> None:
    [log] = [statement for statement in policy(function) if statement["Sid"] == "WriteItsLog"]
    groups = {
        resource["Properties"]["LogGroupName"]["Fn::Sub"].replace("${Stage}", "cpo")
        for resource in resources.read_template()["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }

    name = f"/aws/lambda/{stages.function_name('cpo', function)}"
    assert name in groups
    assert log["Resource"] == f"arn:*:logs:*:*:log-group:{name}:*"


def test_the_longest_stage_name_leaves_room_for_the_function_names() -> None:
    pattern = resources.read_template()["Parameters"]["Stage"]["AllowedPattern"]
    stage = "s" * 64
    while not re.fullmatch(pattern, stage):
        stage = stage[1:]

    assert max(len(stages.function_name(stage, function)) for function in FUNCTIONS) <= 64


@pytest.mark.parametrize("function", FUNCTIONS)
def test_conditions_with_an_asterisk_use_a_pattern_operator(function: str) -> None:
    """`chalice package` reads the policies as they are."""
    for statement in json.loads((stages.CONFIG.parent / f"policy-{function}.json").read_text())["Statement"]:
        assert set(statement.get("Condition", {})) <= {"ForAnyValue:StringLike"}


def test_only_the_api_may_encrypt_secrets_and_only_functions_with_outbound_calls_may_decrypt_them() -> None:
    may = {
        function: {a for s in policy(function) for a in s["Action"] if a.startswith("kms:")}
        for function in FUNCTIONS
    }

    assert may.pop("api_handler") == {"kms:Encrypt", "kms:Decrypt"}
    assert may.pop("stream_changes") == set()
    assert set(map(frozenset, may.values())) == {frozenset({"kms:Decrypt"})}


@pytest.mark.parametrize(
    ("queue_name", "function"),
    [
        ("Broadcasts", "push_broadcasts"),
        ("CatchUps", "push_catch_up"),
        ("Commands", "run_commands"),
        ("Background", "run_background"),
    ],
)
def test_a_worker_ends_before_its_messages_become_visible_again(queue_name: str, function: str) -> None:
    # Lambda refuses an event source whose queue shows its messages again while the function may run.
    queue = resources.read_template()["Resources"][queue_name]["Properties"]
    worker = {**CONFIG, **stages.functions(CONFIG)[function]}

    assert worker["lambda_timeout"] < queue["VisibilityTimeout"]


def test_the_api_answers_before_the_gateway_times_out() -> None:
    assert stages.functions(CONFIG)["api_handler"]["lambda_timeout"] <= 29
