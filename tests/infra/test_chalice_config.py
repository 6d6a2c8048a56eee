"""What Chalice deploys fits the resources: names, timeouts, and rights for nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import resources
from infra.local.children import PROJECT

CHALICE = PROJECT / ".chalice"
CONFIG = json.loads((CHALICE / "config.json").read_text())
STAGES = sorted(CONFIG["stages"])


def policy(stage: str) -> dict[str, Any]:
    text = (CHALICE / CONFIG["stages"][stage]["iam_policy_file"]).read_text()
    return {statement["Sid"]: statement for statement in json.loads(text)["Statement"]}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_its_resources_as_the_description_does(stage: str) -> None:
    stack = resources._Stack(lambda service: None, {"Stage": stage})
    described = stack.template["Resources"]
    variables = CONFIG["stages"][stage]["environment_variables"]

    assert variables["OCPI_TABLE"] == stack.resolve(described["Table"]["Properties"]["TableName"])
    assert variables["OCPI_BROADCASTS_QUEUE"] == stack.resolve(
        described["Broadcasts"]["Properties"]["QueueName"]
    )
    assert variables["OCPI_COMMANDS_QUEUE"] == stack.resolve(described["Commands"]["Properties"]["QueueName"])
    assert variables["OCPI_KMS_KEY_ID"] == stack.resolve(described["KeyAlias"]["Properties"]["AliasName"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_may_touch_its_own_resources_only(stage: str) -> None:
    free = {"WriteLogs", "ListStreamsHasNoResource"}
    for sid, statement in policy(stage).items():
        if sid not in free:
            assert f"ocpi-node-{stage}" in json.dumps([statement["Resource"], statement.get("Condition")])


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_may_scan_or_change_its_resources(stage: str) -> None:
    actions = json.dumps([statement["Action"] for statement in policy(stage).values()])

    for forbidden in (
        "dynamodb:Scan",
        "dynamodb:DeleteTable",
        "dynamodb:UpdateTable",
        ":*",
        "kms:ScheduleKey",
    ):
        assert forbidden not in actions


def test_the_stages_differ_by_their_names_alone() -> None:
    texts = {json.dumps(policy(stage)).replace(f"ocpi-node-{stage}", "ocpi-node-STAGE") for stage in STAGES}

    assert len(texts) == 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("queue_name", "function"), [("Broadcasts", "push_broadcasts"), ("Commands", "run_commands")]
)
def test_a_worker_ends_before_its_messages_are_seen_again(stage: str, queue_name: str, function: str) -> None:
    # Lambda refuses an event source whose queue shows its messages again while the function may run.
    queue = resources.read_template()["Resources"][queue_name]["Properties"]
    worker = CONFIG["stages"][stage]["lambda_functions"][function]

    assert worker["lambda_timeout"] < queue["VisibilityTimeout"]
