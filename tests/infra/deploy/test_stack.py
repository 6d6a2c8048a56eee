"""Stacks are made, changed and taken over; without a difference, no change is made."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from infra import resources
from infra.deploy import stack
from infra.local.emulator import Emulator

TEMPLATE = resources.read_template()


@pytest.fixture
def stage() -> str:
    return f"stack-{uuid.uuid4().hex[:8]}"


def test_a_stack_is_made_once_and_then_not_changed(emulator: Emulator, stage: str) -> None:
    cloudformation = emulator.client("cloudformation")

    made = stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})
    again = stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})

    assert (made, again) == (True, False)
    assert stack.outputs(cloudformation, stage)["OcpiTable"] == f"ocpi-node-{stage}"
    sets = cloudformation.list_change_sets(StackName=stage)["Summaries"]
    assert not [each for each in sets if each["Status"] == "FAILED"], "what changes nothing is cleared away"


def test_a_stack_follows_its_template(emulator: Emulator, stage: str) -> None:
    cloudformation = emulator.client("cloudformation")
    stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})
    changed = copy.deepcopy(TEMPLATE)
    changed["Resources"]["Commands"]["Properties"]["VisibilityTimeout"] = 90

    assert stack.apply(cloudformation, stage, changed, {"Stage": stage})

    url = stack.outputs(cloudformation, stage)["OcpiCommandsQueueUrl"]
    queue = emulator.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert queue["Attributes"]["VisibilityTimeout"] == "90"


def test_a_failed_first_attempt_does_not_block_the_next(emulator: Emulator, stage: str) -> None:
    cloudformation = emulator.client("cloudformation")
    broken = copy.deepcopy(TEMPLATE)
    broken["Resources"]["Broken"] = {
        "Type": "AWS::KMS::Alias",
        "DependsOn": ["Table", "KeyAlias"],
        "Properties": {"AliasName": "no name of an alias", "TargetKeyId": {"Ref": "Key"}},
    }

    with pytest.raises(stack.StackFailed):
        stack.apply(cloudformation, stage, broken, {"Stage": stage})

    assert f"ocpi-node-{stage}" not in emulator.client("dynamodb").list_tables()["TableNames"]
    assert stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})


def test_a_deleted_stack_leaves_table_and_key_and_a_new_one_takes_them_over(
    emulator: Emulator, stage: str
) -> None:
    cloudformation, kms = emulator.client("cloudformation"), emulator.client("kms")
    stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})
    emulator.client("dynamodb").put_item(
        TableName=f"ocpi-node-{stage}", Item={"pk": {"S": "kept"}, "sk": {"S": "#"}}
    )
    key = kms.describe_key(KeyId=f"alias/ocpi-node-{stage}")["KeyMetadata"]["KeyId"]

    assert stack.delete(cloudformation, stage)
    assert not stack.delete(cloudformation, stage)
    stack.bring_back(
        cloudformation,
        stage,
        TEMPLATE,
        {"Stage": stage},
        {
            "Table": {"TableName": f"ocpi-node-{stage}"},
            "Key": {"KeyId": key},
            "KeyAlias": {"AliasName": f"alias/ocpi-node-{stage}"},
        },
    )
    stack.apply(cloudformation, stage, TEMPLATE, {"Stage": stage})

    table = stack.outputs(cloudformation, stage)["OcpiTable"]
    assert emulator.client("dynamodb").scan(TableName=table)["Count"] == 1
    assert kms.describe_key(KeyId=f"alias/ocpi-node-{stage}")["KeyMetadata"]["KeyId"] == key


class Refusing:
    """A CloudFormation whose change sets fail for this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.deleted: list[dict[str, str]] = []

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}

    def create_change_set(self, **_: Any) -> None: ...

    def get_waiter(self, name: str) -> Refusing:
        return self

    def wait(self, **_: Any) -> None:
        raise WaiterError("ChangeSetCreateComplete", "failed", {"StatusReason": self.reason})

    def delete_change_set(self, **named: str) -> None:
        self.deleted.append(named)


def test_aws_s_text_for_no_changes_is_a_success() -> None:
    refusing = Refusing(
        "The submitted information didn't contain changes. Submit different information "
        "to create a change set."
    )

    assert not stack.apply(refusing, "s", TEMPLATE, {})
    assert refusing.deleted


def test_another_reason_is_a_failure_with_that_reason() -> None:
    refusing = Refusing("Template error: resource Nope does not exist")

    with pytest.raises(stack.StackFailed, match="Nope"):
        stack.apply(refusing, "s", TEMPLATE, {})
