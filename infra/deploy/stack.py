"""CloudFormation stacks, made or updated through change sets, so that "no change" is a success.

Source: CloudFormation API reference, CreateChangeSet
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError, WaiterError

_CAPABILITIES = ["CAPABILITY_IAM"]
# CloudFormation's text for a change set without changes; it has no code for it.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_WAIT = {"Delay": 3, "MaxAttempts": 600}


class StackFailed(RuntimeError):
    """A stack could not be made or changed; the text has the reason."""


def apply(cloudformation: Any, name: str, template: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    """Make or update a stack from this template. Returns whether anything was changed.

    Raises: StackFailed.
    """
    status = status_of(cloudformation, name)
    if status == "ROLLBACK_COMPLETE":
        # The first attempt failed and the stack is empty. It can only be deleted.
        delete(cloudformation, name)
        status = None
    kind = "CREATE" if status in (None, "REVIEW_IN_PROGRESS") else "UPDATE"
    return _execute(cloudformation, name, kind, template, parameters)


def bring_back(
    cloudformation: Any,
    name: str,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    identifiers: Mapping[str, Mapping[str, str]],
) -> None:
    """Make a stack that takes over existing resources, such as those that an earlier stack retained.

    identifiers: of each such resource, by logical id, such as {"Table": {"TableName": "t"}}.
    Raises: StackFailed.
    """
    kept = {logical_id: template["Resources"][logical_id] for logical_id in identifiers}
    alone = {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"],
        "Parameters": template["Parameters"],
        "Resources": kept,
    }
    imported = [
        {
            "ResourceType": kept[logical_id]["Type"],
            "LogicalResourceId": logical_id,
            "ResourceIdentifier": dict(own),
        }
        for logical_id, own in identifiers.items()
    ]
    _execute(cloudformation, name, "IMPORT", alone, parameters, imported)


def outputs(cloudformation: Any, name: str) -> dict[str, str]:
    """Outputs of a stack, by name."""
    described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}


def status_of(cloudformation: Any, name: str) -> str | None:
    """Status of a stack; None when there is none."""
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise
    return str(found[0]["StackStatus"]) if found else None


def delete(cloudformation: Any, name: str) -> bool:
    """Delete a stack, except the resources that it retains. Returns whether there was one.

    Raises: StackFailed.
    """
    if status_of(cloudformation, name) is None:
        return False
    cloudformation.delete_stack(StackName=name)
    _wait(cloudformation, "stack_delete_complete", name)
    return True


def _execute(
    cloudformation: Any,
    name: str,
    kind: str,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    imported: Sequence[Mapping[str, Any]] = (),
) -> bool:
    change_set = {"StackName": name, "ChangeSetName": f"deploy-{uuid.uuid4()}"}
    more = {"ResourcesToImport": list(imported)} if imported else {}
    cloudformation.create_change_set(
        **change_set,
        **more,
        ChangeSetType=kind,
        TemplateBody=json.dumps(template, separators=(",", ":")),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=_CAPABILITIES,
    )
    if not _is_ready(cloudformation, change_set):
        cloudformation.delete_change_set(**change_set)
        return False
    cloudformation.execute_change_set(**change_set)
    _wait(cloudformation, f"stack_{kind.lower()}_complete", name)
    return True


def _is_ready(cloudformation: Any, change_set: Mapping[str, str]) -> bool:
    """Wait until a change set is made. Returns False when there is nothing to change."""
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=_WAIT)
    except WaiterError as error:
        reason = str(error.last_response.get("StatusReason", error))
        if any(text in reason for text in _NO_CHANGES):
            return False
        raise StackFailed(f"{change_set['StackName']}: {reason}") from error
    return True


def _wait(cloudformation: Any, waiter: str, name: str) -> None:
    try:
        cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig=_WAIT)
    except WaiterError as error:
        raise StackFailed(f"{name}: {_first_failure(cloudformation, name) or error}") from error


def _first_failure(cloudformation: Any, name: str) -> str:
    """Reason of the first failure; the later ones are only cancellations."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    return f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason')}" if failed else ""
