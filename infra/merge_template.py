"""Makes the template that is merged into the one of `chalice package`, so that it is a complete node.

The resources of `resources.yaml` are added unchanged. Chalice's resources are connected to them: the
environment of each function, and the event sources. Then come the settings that Chalice does not support:
batch answers, filter and loops (`event_sources.py`), the gateway's own answers (`gateway_responses.py`),
the resource for every other path (`any_path.py`),
access log and throttling (`api_stage.py`), the firewall.

Chalice merges dicts member by member, so `{"Fn::Sub": ...}` of an event source can only be replaced by
another `Fn::Sub`: with `Fn::GetAtt` the result would hold both.

Functions get the names that `chalice deploy` gives them, because policies and log groups refer to them by
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra import any_path, api_stage, event_sources, gateway_responses
from infra.resources import node_variables
from infra.stages import API_HANDLER, API_STAGE, VERSIONS_PATH, function_name

Template = dict[str, Any]


def merge_template(
    resources: Mapping[str, Any], parameters: Mapping[str, str], functions: Iterable[str]
) -> Template:
    """Make the template to be merged.

    resources: `resources.yaml`. parameters: the stage's values of its parameters, `Stage` among them.
    functions: names of all functions, as in Chalice's configuration.
    """
    stage = parameters["Stage"]
    variables = node_variables(resources)
    made = {logical_id(name): _function(stage, name, variables, resources["Resources"]) for name in functions}
    for name, event_source in _event_sources().items():
        made[logical_id(name)]["Properties"]["Events"] = event_source
    return {
        "Description": f"One OCPI node: stage {stage}",
        "Parameters": _with_defaults(resources["Parameters"], parameters),
        "Conditions": resources["Conditions"],
        "Resources": {**resources["Resources"], **made, **_api()},
        "Outputs": {
            **resources["Outputs"],
            "VersionsUrl": {
                "Description": "What partners are given, with a token",
                "Value": {
                    "Fn::Sub": "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
                    f"/{API_STAGE}/{VERSIONS_PATH}"
                },
            },
        },
    }


def logical_id(function: str) -> str:
    """Name of a function's resource, as Chalice makes it.

    >>> logical_id("stream_changes"), logical_id("api_handler")
    ('StreamChanges', 'APIHandler')
    """
    if function == API_HANDLER:
        return "APIHandler"
    return function.title().replace("_", "")


def _with_defaults(described: Mapping[str, Any], values: Mapping[str, str]) -> Template:
    own = {name: {**described[name], "Default": value} for name, value in values.items()}
    # The stage's name is part of policies and names as well, so this parameter alone must not change it.
    own["Stage"] = {**own["Stage"], "AllowedValues": [values["Stage"]]}
    return {**described, **own}


def _function(stage: str, name: str, variables: Mapping[str, Any], resources: Mapping[str, Any]) -> Template:
    log = function_name("${Stage}", name)
    own_log = next(
        key
        for key, resource in resources.items()
        if resource["Type"] == "AWS::Logs::LogGroup"
        and resource["Properties"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{log}"}
    )
    return {
        "DependsOn": [own_log],
        "Properties": {
            "FunctionName": function_name(stage, name),
            "Environment": {"Variables": dict(variables)},
            **({"RecursiveLoop": "Allow"} if name in event_sources.LOOPING else {}),
        },
    }


def _event_sources() -> dict[str, Template]:
    """The event sources by function, each under Chalice's name for it."""
    added = event_sources.settings({"Fn::GetAtt": ["ChangesDead", "Arn"]})
    stream = {"Stream": {"Fn::GetAtt": ["Table", "StreamArn"]}}
    broadcasts, catch_ups, commands, background = (
        {"Queue": {"Fn::Sub": f"${{{name}.Arn}}"}}
        for name in ("Broadcasts", "CatchUps", "Commands", "Background")
    )
    return {
        "stream_changes": _event("StreamChangesDynamodbEventSource", stream, added["stream_changes"]),
        "push_broadcasts": _event("PushBroadcastsSqsEventSource", broadcasts, added["push_broadcasts"]),
        "push_catch_up": _event("PushCatchUpSqsEventSource", catch_ups, added["push_catch_up"]),
        "run_commands": _event("RunCommandsSqsEventSource", commands, added["run_commands"]),
        "run_background": _event("RunBackgroundSqsEventSource", background, added["run_background"]),
    }


def _event(name: str, *properties: Mapping[str, Any]) -> Template:
    return {name: {"Properties": {key: value for each in properties for key, value in each.items()}}}


def _api() -> Template:
    properties = {
        "DefinitionBody": {
            "paths": any_path.path_item(),
            "x-amazon-apigateway-gateway-responses": gateway_responses.openapi_extension(),
        },
        "AccessLogSetting": {
            "DestinationArn": {"Fn::GetAtt": ["AccessLogs", "Arn"]},
            "Format": api_stage.LOG_FORMAT,
        },
        "MethodSettings": [
            {
                "ResourcePath": "/*",
                "HttpMethod": "*",
                "ThrottlingRateLimit": api_stage.RATE,
                "ThrottlingBurstLimit": api_stage.BURST,
            }
        ],
    }
    stage_arn = (
        f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/restapis/${{RestAPI}}/stages/{API_STAGE}"
    )
    return {
        "RestAPI": {"Properties": properties},
        "WebAclAssociation": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Condition": "HasFirewall",
            # SAM makes the stage together with this resource.
            "DependsOn": f"RestAPI{API_STAGE}Stage",
            "Properties": {
                "ResourceArn": {"Fn::Sub": stage_arn},
                "WebACLArn": {"Fn::GetAtt": ["WebAcl", "Arn"]},
            },
        },
    }
