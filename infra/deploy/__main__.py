"""`make deploy` and `make undeploy`: one stage, from an empty account to a URL that partners can call.

1. settings that the account has once: API Gateway's right to write access logs (`account.yaml`);
2. the stage's resources, by CloudFormation (`resources.yaml`);
3. the functions and the API, by Chalice (`functions.py`);
4. settings that Chalice does not support (`settings.py`).

Each step first compares with the present state, so a second run changes nothing. Undeploying removes 3 and 2.
The table and the key stay, and the next deployment of the stage uses them again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import botocore.session
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from infra import stages
from infra.deploy import functions, settings, stack
from infra.resources import environment_name, read_template
from infra.stages import API_STAGE, VERSIONS_PATH

ACCOUNT_STACK = "ocpi-node-account"
ACCOUNT_TEMPLATE = Path(__file__).parents[1] / "account.yaml"

Client = Callable[[str], Any]
"""Returns the client of a service by its name."""
Report = Callable[[str], None]


def deploy(stage: str, client: Client, report: Report, run: functions.Runner | None = None) -> str:
    """Deploy a stage and report each step. Returns its versions URL.

    Raises: UnknownStage, StackFailed, NotOurs.
    """
    parameters = stages.parameters(stage, stages.read_config())
    report(_step("account", _set_account(client)))
    taken = _take_firewall_away(client, stage, parameters)
    report(_step("resources", _make_resources(client("cloudformation"), stage, parameters, client)))
    outputs = stack.outputs(client("cloudformation"), stack_name(stage))
    environment = {environment_name(key): value for key, value in outputs.items() if key.startswith("Ocpi")}
    dead = outputs["ChangesDeadArn"]
    is_new = functions.deploy(client("lambda"), stage, environment, dead, run)
    report(_step("functions and API", ["deployed"] if is_new else []))
    region = client("lambda").meta.region_name
    api = functions.api_id(stage)
    assert api is not None, "Chalice has made one"
    report(
        _step(
            "settings",
            [
                *taken,
                *settings.set_event_sources(client("lambda"), stage, dead),
                *settings.set_loops(client("lambda"), stage),
                *settings.set_stage(client("apigateway"), api, outputs["AccessLogsArn"]),
                *settings.set_firewall(client("wafv2"), _stage_arn(client, api), outputs.get("WebAclArn")),
            ],
        )
    )
    return f"https://{api}.execute-api.{region}.{_domain(client)}/{API_STAGE}/{VERSIONS_PATH}"


def undeploy(stage: str, client: Client, report: Report, run: functions.Runner | None = None) -> None:
    """Remove a stage, except its table and its key.

    Raises: UnknownStage, StackFailed, NotOurs.
    """
    stages.parameters(stage, stages.read_config())
    report(_step("functions and API", ["deleted"] if functions.delete(client("lambda"), stage, run) else []))
    was_there = stack.delete(client("cloudformation"), stack_name(stage))
    report(_step("resources", ["deleted, but the table and the key"] if was_there else []))


def stack_name(stage: str) -> str:
    """Name of the stack of a stage's resources."""
    return f"ocpi-node-{stage}"


def _set_account(client: Client) -> list[str]:
    if client("apigateway").get_account().get("cloudwatchRoleArn"):
        return []
    template = yaml.safe_load(ACCOUNT_TEMPLATE.read_text(encoding="utf-8"))
    stack.apply(client("cloudformation"), ACCOUNT_STACK, template, {})
    return ["API Gateway may write access logs"]


def _take_firewall_away(client: Client, stage: str, parameters: dict[str, str]) -> list[str]:
    """Detach an unwanted firewall from the API: CloudFormation cannot delete an attached one."""
    api = functions.api_id(stage)
    if api is None or parameters.get("Firewall") == "yes":
        return []
    return settings.set_firewall(client("wafv2"), _stage_arn(client, api), None)


def _make_resources(cloudformation: Any, stage: str, parameters: dict[str, str], client: Client) -> list[str]:
    template, name = read_template(), stack_name(stage)
    changed = []
    if stack.status_of(cloudformation, name) is None and (left := _left_behind(client, stage)):
        stack.bring_back(cloudformation, name, template, parameters, left)
        changed.append("what an earlier deployment left: the table and the key")
    if stack.apply(cloudformation, name, template, parameters):
        changed.append(f"stack {name}")
    return changed


def _left_behind(client: Client, stage: str) -> dict[str, dict[str, str]]:
    """Identifiers of the table, the key and its alias that an earlier deployment left."""
    table, alias = f"ocpi-node-{stage}", f"alias/ocpi-node-{stage}"
    try:
        client("dynamodb").describe_table(TableName=table)
        key = client("kms").describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NotFoundException"):
            return {}
        raise
    return {"Table": {"TableName": table}, "Key": {"KeyId": key}, "KeyAlias": {"AliasName": alias}}


def _stage_arn(client: Client, api: str) -> str:
    meta = client("lambda").meta
    return f"arn:{meta.partition}:apigateway:{meta.region_name}::/restapis/{api}/stages/{API_STAGE}"


def _domain(client: Client) -> str:
    return "amazonaws.com.cn" if client("lambda").meta.partition == "aws-cn" else "amazonaws.com"


def _step(name: str, changed: list[str]) -> str:
    return f"{name + ':':20}{'; '.join(changed) or 'nothing to change'}"


def _print(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["deploy", "undeploy"])
    parser.add_argument("stage")
    arguments = parser.parse_args()
    session = botocore.session.get_session()
    try:
        if arguments.action == "undeploy":
            undeploy(arguments.stage, session.create_client, _print)
            print(
                f"\nThe table ocpi-node-{arguments.stage} and the key alias/ocpi-node-{arguments.stage} are"
                "\nstill there, and `make deploy` brings them back. Without the key the table's tokens cannot"
                "\nbe read."
            )
            return 0
        url = deploy(arguments.stage, session.create_client, _print)
    except (stages.UnknownStage, stack.StackFailed, functions.NotOurs, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    except CalledProcessError:
        return 1  # Chalice has printed the reason.
    print(f"\nVersions URL: {url}\nNext: an operator's key, then a partner (docs/deploy.md, Register).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
