"""One description makes the local resources and the deployed ones."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from chalicelib.pushing.broadcasts import LAST_RECEIVE
from chalicelib.queues import Queues
from infra import resources
from infra.local.emulator import Emulator


def test_a_table_is_made_as_described(emulator: Emulator) -> None:
    dynamodb = emulator.client("dynamodb")

    name = resources.create_table(dynamodb, f"table-{uuid.uuid4()}")

    table = dynamodb.describe_table(TableName=name)["Table"]
    indexes = {index["IndexName"]: index for index in table["GlobalSecondaryIndexes"]}
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert [key["AttributeName"] for key in indexes["by_created"]["KeySchema"]] == ["lp", "cr"]
    assert [key["AttributeName"] for key in indexes["by_updated"]["KeySchema"]] == ["lp", "lu"]
    assert set(indexes["by_created"]["Projection"]["NonKeyAttributes"]) == {"ev", "hidden"}
    assert set(indexes["by_updated"]["Projection"]["NonKeyAttributes"]) == {"v", "ev", "hidden"}
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    time_to_live = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert time_to_live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_a_second_start_finds_the_resources_of_the_first(emulator: Emulator) -> None:
    stage = _stage()

    first = resources.make_node_resources(stage, emulator.client)
    keys = len(emulator.client("kms").list_keys()["Keys"])
    second = resources.make_node_resources(stage, emulator.client)

    assert second == first
    assert len(emulator.client("kms").list_keys()["Keys"]) == keys


def test_a_node_s_variables_lead_to_every_resource_that_it_needs(emulator: Emulator) -> None:
    stack = resources._Stack(emulator.client, {"Stage": _stage(), "AWS::Partition": "aws"})

    for value in resources.node_variables(stack.template).values():
        stack.resolve(value)

    # The dead-letter queue of the stream is filled by Lambda itself, which is not here.
    assert set(stack.made) == {
        name
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] in resources._MAKERS and name != "ChangesDead"
    }


def test_a_message_that_fails_too_often_goes_to_the_dead_letter_queue(emulator: Emulator) -> None:
    made = resources.make_node_resources(_stage(), emulator.client)
    sqs = emulator.client("sqs")
    url = made["OCPI_BROADCASTS_QUEUE_URL"]
    sqs.send_message(QueueUrl=url, MessageBody="m", MessageGroupId="g", MessageDeduplicationId="d")
    described = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sooner = json.loads(described["RedrivePolicy"]) | {"maxReceiveCount": 3}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(sooner)})

    for _ in range(5):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)

    dead = sqs.receive_message(QueueUrl=made["OCPI_BROADCASTS_DEAD_QUEUE_URL"])["Messages"]
    assert [message["Body"] for message in dead] == ["m"]


def test_a_message_that_the_worker_gives_up_goes_there_as_well(emulator: Emulator) -> None:
    made = resources.make_node_resources(_stage(), emulator.client)
    sqs = emulator.client("sqs")

    Queues(sqs, made["OCPI_BROADCASTS_QUEUE_URL"]).bury("given up", "g")

    dead = sqs.receive_message(QueueUrl=made["OCPI_BROADCASTS_DEAD_QUEUE_URL"])["Messages"]
    assert [message["Body"] for message in dead] == ["given up"]


def test_cloudformation_makes_the_same_from_the_same_file(emulator: Emulator) -> None:
    here, there = _stage(), _stage()
    made = resources.make_node_resources(here, emulator.client)

    outputs = _create_stack(emulator, there)

    assert {name: _stable(value) for name, value in outputs.items()} == {
        name: _stable(value.replace(here, there)) for name, value in made.items()
    }
    assert _facts(emulator, outputs) == _facts(emulator, made)


def test_worker_and_queue_agree_on_the_last_receive() -> None:
    queue = resources.read_template()["Resources"]["Broadcasts"]["Properties"]

    assert queue["RedrivePolicy"]["maxReceiveCount"] == LAST_RECEIVE


def test_the_visibility_timeout_is_longer_than_a_worker_may_run() -> None:
    queue = resources.read_template()["Resources"]["Broadcasts"]["Properties"]

    assert queue["VisibilityTimeout"] > 30


def _create_stack(emulator: Emulator, stage: str) -> dict[str, str]:
    cloudformation = emulator.client("cloudformation")
    cloudformation.create_stack(
        StackName=stage,
        TemplateBody=resources.TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stage, WaiterConfig={"Delay": 1})
    outputs = cloudformation.describe_stacks(StackName=stage)["Stacks"][0]["Outputs"]
    return {
        resources.environment_name(each["OutputKey"]): each["OutputValue"]
        for each in outputs
        if each["OutputKey"].startswith("Ocpi")
    }


def _facts(emulator: Emulator, made: dict[str, str]) -> list[Any]:
    """Facts that must be the same for two nodes' resources, however they were made."""
    table = emulator.client("dynamodb").describe_table(TableName=made["OCPI_TABLE"])["Table"]
    indexes = {
        index["IndexName"]: (index["KeySchema"], sorted(index["Projection"]["NonKeyAttributes"]))
        for index in table["GlobalSecondaryIndexes"]
    }
    queue = emulator.client("sqs").get_queue_attributes(
        QueueUrl=made["OCPI_BROADCASTS_QUEUE_URL"], AttributeNames=["All"]
    )["Attributes"]
    kept = (
        "FifoQueue",
        "VisibilityTimeout",
        "MessageRetentionPeriod",
        "DeduplicationScope",
        "FifoThroughputLimit",
    )
    key = emulator.client("kms").describe_key(KeyId=made["OCPI_KMS_KEY_ID"])["KeyMetadata"]
    return [
        table["KeySchema"],
        indexes,
        table["StreamSpecification"],
        {name: queue.get(name) for name in kept},
        int(json.loads(queue["RedrivePolicy"])["maxReceiveCount"]),
        key["KeySpec"],
    ]


def _stable(output: str) -> str:
    """Remove the time of a stream, and the host name of a queue's URL."""
    return re.sub(r"^http://[^/]+|(?<=/stream/).*", "", output)


def _stage() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"
