"""Makes a node's resources from `resources.yaml` with the plain AWS APIs, for the local stack.

A deployed node gets them from CloudFormation, which reads the same file. Here a small interpreter makes them,
for exactly the resource types in it. An emulator's CloudFormation leaves out settings that a test would then
miss (time to live), tests want one table quickly, and a restart of the sandbox has to find its earlier
resources instead of making them again.

Only the resources that the node's outputs refer to are made; a test proves that these are all that a node
needs to run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("resources.yaml")

ClientFactory = Callable[[str], Any]
"""Gives the client of a service by its name: "dynamodb", "sqs", "kms"."""


def make_node_resources(stage: str, client: ClientFactory) -> dict[str, str]:
    """Make the missing resources of a node.

    Returns the node's environment variables: OCPI_TABLE and so on, one per output that is the node's.
    """
    stack = _Stack(client, {"Stage": stage, "AWS::Partition": "aws"})
    return {name: str(stack.resolve(value)) for name, value in node_variables(stack.template).items()}


def create_table(dynamodb: Any, name: str) -> str:
    """Create a table like every node's, under the given name. Returns the name."""
    stack = _Stack(lambda service: dynamodb, {})
    properties = stack.template["Resources"]["Table"]["Properties"]
    return _make_table(properties | {"TableName": name}, stack).ref


def read_template() -> dict[str, Any]:
    """Read resources.yaml. The whole file is plain YAML: no CloudFormation tags."""
    template: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    return template


def node_variables(template: Mapping[str, Any]) -> dict[str, Any]:
    """The environment variables of a node, each with its value as the template writes it."""
    return {
        environment_name(output): spec["Value"]
        for output, spec in template["Outputs"].items()
        if output.startswith("Ocpi")
    }


def environment_name(output: str) -> str:
    """Spell an output's name as an environment variable.

    >>> environment_name("OcpiBroadcastsQueueUrl")
    'OCPI_BROADCASTS_QUEUE_URL'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", output).upper()


@dataclass(frozen=True)
class _Made:
    """An existing resource: its values of Ref and Fn::GetAtt."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class _Stack:
    """Resolves the template's values, and makes each resource at the first reference to it."""

    def __init__(self, client: ClientFactory, parameters: Mapping[str, str]) -> None:
        self.template = read_template()
        self.client = client
        self.made: dict[str, _Made] = {}
        self._parameters = dict(parameters)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", name)]:
                return self._make(name).ref
            case [("Fn::GetAtt", [name, attribute])]:
                return self._make(name).attributes[attribute]
            case [("Fn::Sub", text)]:
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._parameter(found[1]), text)
        return {key: self.resolve(item) for key, item in value.items()}

    def _parameter(self, name: str) -> str:
        if name == "AWS::AccountId" and name not in self._parameters:
            self._parameters[name] = self.client("sts").get_caller_identity()["Account"]
        return self._parameters[name]

    def _make(self, name: str) -> _Made:
        if name not in self.made:
            resource = self.template["Resources"][name]
            self.made[name] = _MAKERS[resource["Type"]](resource["Properties"], self)
        return self.made[name]


def _make_table(properties: Mapping[str, Any], stack: _Stack) -> _Made:
    dynamodb = stack.client("dynamodb")
    wanted = stack.resolve(dict(properties))
    name = wanted["TableName"]
    time_to_live = wanted.pop("TimeToLiveSpecification")
    recovery = wanted.pop("PointInTimeRecoverySpecification")
    wanted["StreamSpecification"] = {"StreamEnabled": True} | wanted["StreamSpecification"]
    try:
        dynamodb.create_table(**wanted)
    except dynamodb.exceptions.ResourceInUseException:
        pass
    else:
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    table = dynamodb.describe_table(TableName=name)["Table"]
    return _Made(name, {"Arn": table["TableArn"], "StreamArn": table["LatestStreamArn"]})


def _make_queue(properties: Mapping[str, Any], stack: _Stack) -> _Made:
    sqs = stack.client("sqs")
    wanted = stack.resolve(dict(properties))
    name = wanted.pop("QueueName")
    attributes = {key: _queue_attribute(value) for key, value in wanted.items()}
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return _Made(url, {"Arn": arn, "QueueName": name})


def _queue_attribute(value: Any) -> str:
    """Write a property as SQS takes it: text, or JSON for nested values."""
    return value if isinstance(value, str) else json.dumps(value)


def _make_key(properties: Mapping[str, Any], stack: _Stack) -> _Made:
    kms = stack.client("kms")
    wanted = stack.resolve(dict(properties))
    policy = json.dumps(wanted["KeyPolicy"])
    key = kms.create_key(Description=wanted["Description"], Policy=policy)["KeyMetadata"]
    kms.enable_key_rotation(KeyId=key["KeyId"])
    return _Made(key["KeyId"], {"Arn": key["Arn"]})


def _make_alias(properties: Mapping[str, Any], stack: _Stack) -> _Made:
    """Find the alias, or make it together with its key, because a key has no name to find it by."""
    kms = stack.client("kms")
    alias = stack.resolve(properties["AliasName"])
    try:
        kms.describe_key(KeyId=alias)
    except kms.exceptions.NotFoundException:
        kms.create_alias(AliasName=alias, TargetKeyId=stack.resolve(properties["TargetKeyId"]))
    return _Made(alias)


_MAKERS: dict[str, Callable[[Mapping[str, Any], _Stack], _Made]] = {
    "AWS::DynamoDB::Table": _make_table,
    "AWS::SQS::Queue": _make_queue,
    "AWS::KMS::Key": _make_key,
    "AWS::KMS::Alias": _make_alias,
}
