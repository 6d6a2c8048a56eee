"""Settings that Chalice does not support: compared with the present ones, and set where they differ.

New event sources have them from the start (`run_chalice.py`). Here they are set for event sources that were
made otherwise, or changed by hand. The API's stage exists only after Chalice has deployed it.

Each function returns its changes as text lines; none when everything is as it should be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from infra import api_stage, event_sources
from infra.stages import API_STAGE, function_name

_EVERY_METHOD = "*/*"
_SETTLED = ("Enabled", "Disabled")
_SETTLES_WITHIN_S = 300.0


def set_event_sources(lambda_client: Any, stage: str, changes_dead: str) -> list[str]:
    """Set batch answers, filter and the other settings on each event source.

    changes_dead: ARN of the dead-letter queue for batches of the stream.
    """
    changed = []
    for function, wanted in event_sources.settings(changes_dead).items():
        name = function_name(stage, function)
        for found in lambda_client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            differing = {key: value for key, value in wanted.items() if found.get(key) != value}
            if differing:
                _wait_until_settled(lambda_client, found["UUID"])
                lambda_client.update_event_source_mapping(UUID=found["UUID"], **differing)
                changed.append(f"event source of {name}: {', '.join(sorted(differing))}")
    return changed


def set_loops(lambda_client: Any, stage: str) -> list[str]:
    """Allow the functions that send messages to their own queue to do so; Lambda's default stops them."""
    changed = []
    for name in (function_name(stage, function) for function in event_sources.LOOPING):
        if lambda_client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] != "Allow":
            lambda_client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
            changed.append(f"{name}: may send itself messages")
    return changed


def set_stage(apigateway: Any, api_id: str, access_logs: str) -> list[str]:
    """Set the access log and the throttling of the API's stage. access_logs: ARN of the log group."""
    found = apigateway.get_stage(restApiId=api_id, stageName=API_STAGE)
    operations = [*_access_log(found, access_logs), *_throttling(found)]
    if operations:
        apigateway.update_stage(restApiId=api_id, stageName=API_STAGE, patchOperations=operations)
    return [f"API stage: {operation['path']}" for operation in operations]


def set_firewall(waf: Any, stage_arn: str, web_acl: str | None) -> list[str]:
    """Attach the firewall to the API's stage, or detach it. web_acl: its ARN; None for no firewall."""
    found = _firewall(waf, stage_arn)
    if found == web_acl:
        return []
    if web_acl is None:
        waf.disassociate_web_acl(ResourceArn=stage_arn)
        return ["firewall: taken away"]
    waf.associate_web_acl(WebACLArn=web_acl, ResourceArn=stage_arn)
    return ["firewall: put before the API"]


def _wait_until_settled(lambda_client: Any, uuid: str) -> None:
    """Wait until Chalice's update of the event source is finished; until then Lambda refuses changes."""
    deadline = time.monotonic() + _SETTLES_WITHIN_S
    while lambda_client.get_event_source_mapping(UUID=uuid)["State"] not in _SETTLED:
        if time.monotonic() > deadline:
            return  # The call that follows gets Lambda's error.
        time.sleep(1)


def _firewall(waf: Any, stage_arn: str) -> str | None:
    try:
        found: str | None = waf.get_web_acl_for_resource(ResourceArn=stage_arn).get("WebACL", {}).get("ARN")
    except waf.exceptions.WAFNonexistentItemException:
        return None
    return found


def _access_log(stage: Mapping[str, Any], access_logs: str) -> Iterator[dict[str, str]]:
    found = stage.get("accessLogSettings", {})
    wanted = {"destinationArn": access_logs.removesuffix(":*"), "format": api_stage.LOG_FORMAT}
    for name, value in wanted.items():
        if found.get(name) != value:
            yield {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value}


def _throttling(stage: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    found = stage.get("methodSettings", {}).get(_EVERY_METHOD, {})
    wanted = {
        "throttlingRateLimit": ("rateLimit", api_stage.RATE),
        "throttlingBurstLimit": ("burstLimit", api_stage.BURST),
    }
    for name, (path, value) in wanted.items():
        if found.get(name) != value:
            yield {"op": "replace", "path": f"/{_EVERY_METHOD}/throttling/{path}", "value": str(value)}
