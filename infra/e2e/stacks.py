"""CloudFormation stacks, one per node."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from infra.e2e.cloud import Account
from infra.e2e.packages import Package, upload
from infra.stages import API_STAGE

BUCKET = "ocpi-e2e"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
WAIT_S = 120.0


class StackFailed(RuntimeError):
    """A stack could not be made or changed."""


class Stacks:
    """The stacks of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._s3 = account.client("s3")
        self._cloudformation = account.client("cloudformation")

    def make_bucket(self) -> None:
        """Make the bucket for packages."""
        self._s3.create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": self._s3.meta.region_name},
        )

    def create(self, stage: str, package: Package) -> dict[str, str]:
        """Create a stage's stack. Returns its outputs. Raises: StackFailed."""
        self._cloudformation.create_stack(
            StackName=_name(stage),
            TemplateURL=upload(package, self._s3, BUCKET, stage),
            Capabilities=CAPABILITIES,
        )
        outputs = self._wait(stage, "CREATE_COMPLETE")
        # CloudFormation does this; ministack's does not.
        self._account.client("dynamodb").update_time_to_live(
            TableName=outputs["OcpiTable"], TimeToLiveSpecification=_time_to_live(package.template)
        )
        return outputs

    def update(self, stage: str, package: Package) -> None:
        """Deploy another package into a stage's stack. Raises: StackFailed."""
        self._cloudformation.update_stack(
            StackName=_name(stage),
            TemplateURL=upload(package, self._s3, BUCKET, stage),
            Capabilities=CAPABILITIES,
        )
        self._wait(stage, "UPDATE_COMPLETE")

    def changes(self, stage: str, package: Package) -> list[str]:
        """List the changes that a package would make to the stack, by a change set that is not executed."""
        self._cloudformation.create_change_set(
            StackName=_name(stage),
            ChangeSetName="probe",
            ChangeSetType="UPDATE",
            TemplateURL=upload(package, self._s3, BUCKET, stage),
            Capabilities=CAPABILITIES,
        )
        described = self._cloudformation.describe_change_set(StackName=_name(stage), ChangeSetName="probe")
        self._cloudformation.delete_change_set(StackName=_name(stage), ChangeSetName="probe")
        return [change["ResourceChange"]["LogicalResourceId"] for change in described.get("Changes", [])]

    def _wait(self, stage: str, wanted: str) -> dict[str, str]:
        deadline = time.monotonic() + WAIT_S
        while True:
            stack = self._cloudformation.describe_stacks(StackName=_name(stage))["Stacks"][0]
            if stack["StackStatus"] == wanted:
                return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
            if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
                raise StackFailed(f"{_name(stage)} is {stack['StackStatus']}: {self._reasons(stage)}")
            time.sleep(0.2)

    def _reasons(self, stage: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=_name(stage))["StackEvents"]
        return "; ".join(
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in events
            if event.get("ResourceStatusReason") and "FAILED" in event["ResourceStatus"]
        )


def give_domain(apigateway: Any, domain: str, api_id: str) -> None:
    """Make an API answer at a custom domain; on AWS that is not part of the stack either."""
    apigateway.create_domain_name(domainName=domain, endpointConfiguration={"types": ["REGIONAL"]})
    apigateway.create_base_path_mapping(domainName=domain, restApiId=api_id, stage=API_STAGE)


def _time_to_live(template: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]["Table"]["Properties"]["TimeToLiveSpecification"]
    return found


def _name(stage: str) -> str:
    return f"ocpi-node-{stage}"
