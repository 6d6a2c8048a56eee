"""Corrections of ministack, in its own process, where it differs from AWS; the product has none of them.

* **The interpreter.** Lambda's Python has boto3 and nothing else of ours; ministack's workers run on
  ministack's own interpreter with everything installed beside it. Here they get the standard library and
  boto3, so an import that a package lacks fails here as well.
* **Names of actions.** AWS authorizes a batch of SQS as the action of its entries.
* **Aliases of keys.** AWS authorizes the use of an alias as that of its key, and gives the condition
  `kms:ResourceAliases` the names of the key.
* **The description of an API.** ministack imports one that stands in a template, without the gateway's own
  answers, and none that comes by ImportRestApi or PutRestApi, as Chalice sends it; and it keeps an empty
  `minimumCompressionSize`, and a type of endpoint that is replaced by itself, so that no client can read
  them back.
* **Accounts.** ministack looks for the API of a request without credentials, and all of OCPI's are, in one
  account only.
* **Invocations in flight.** ministack kills a function's workers when it is updated, in the middle of what
  they do; AWS lets that end and takes new workers for what comes next.
* **Failed items of a stream.** ministack passes over what a handler reports as failed; AWS hands it out
  again. Here the whole batch comes again.
"""

from __future__ import annotations

import json
import stat
import sys
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LAMBDA_BRINGS = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
ANSWERS = "x-amazon-apigateway-gateway-responses"
TYPES = "/endpointConfiguration/types"


def watch_calls(file: Path) -> None:
    """Record every kind of call of a function, and authorize it as AWS would.

    One line of JSON each: `{"account", "function", "action", "resource", "allowed"}`.
    """
    from ministack.core import iam_evaluator
    from ministack.services import sts

    judge = iam_evaluator.enforce
    seen: set[tuple[str, str, str, str, bool]] = set()

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        action, resource = authorized_action(iam_action), resource_arn
        context = dict(service_context or {})
        if service == "kms":
            resource, context["kms:ResourceAliases"] = _key_and_aliases(resource_arn)
        denied = judge(access_key_id, action, service, region, resource, context)
        session = sts._sessions.get(access_key_id)
        if session is not None:
            arn = session["Arn"]
            call = (arn.split(":")[4], arn.rpartition("/")[2], action, resource, denied is None)
            if call not in seen:
                seen.add(call)
                names = ("account", "function", "action", "resource", "allowed")
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(dict(zip(names, call, strict=True))) + "\n")
        return denied

    iam_evaluator.enforce = enforce


def authorized_action(action: str) -> str:
    """Name the action that AWS authorizes.

    >>> authorized_action("sqs:SendMessageBatch"), authorized_action("dynamodb:BatchGetItem")
    ('sqs:SendMessage', 'dynamodb:BatchGetItem')
    """
    return action.removesuffix("Batch") if action.startswith("sqs:") else action


def _key_and_aliases(arn: str) -> tuple[str, list[str]]:
    """Find the key that an ARN of a key or an alias refers to, and its aliases."""
    from ministack.services import kms

    key_id = kms._aliases.get(arn) or arn.rpartition("/")[2]
    names = [alias.partition(":alias/")[2] for alias, target in kms._aliases.items() if target == key_id]
    return f"{arn.rpartition(':')[0]}:key/{key_id}", [f"alias/{name}" for name in names]


def run_functions_as_lambda_does(runtime: Path) -> None:
    """Give the functions an interpreter with only the standard library and the packages of Lambda's runtime.

    runtime: folder for the interpreter.
    """
    from ministack.core import lambda_runtime

    python = _make_interpreter(runtime)
    detect = lambda_runtime._detect_runtime_binary

    def detect_runtime_binary(name: str) -> tuple[str, str]:
        binary, worker = detect(name)
        return (str(python) if name.startswith("python") else binary), worker

    lambda_runtime._detect_runtime_binary = detect_runtime_binary


def _make_interpreter(runtime: Path) -> Path:
    packages = runtime / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name in LAMBDA_BRINGS:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None, f"{name} is not installed"
        origin = Path(spec.origin)
        target = origin.parent if origin.name == "__init__.py" else origin
        (packages / target.name).symlink_to(target)
    python = runtime / "python"
    base = getattr(sys, "_base_executable", sys.executable)
    command = f'PYTHONPATH="{packages}" exec "{base}" -S "$@"'
    python.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def import_descriptions() -> None:
    """Make and update APIs from their descriptions, with the gateway's own answers.

    A new description replaces the old one at once and completely: ministack answers from the description, AWS
    from the last deployment.
    """
    from ministack.services import apigateway_v1

    create, update = apigateway_v1._create_rest_api, apigateway_v1._update_rest_api
    import_rest_api, handle = apigateway_v1._import_rest_api, apigateway_v1.handle_request

    def import_with_answers(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> str:
        api_id: str = import_rest_api(spec, base_data)
        for kind, answer in (spec.get(ANSWERS) or {}).items():
            apigateway_v1._put_gateway_response(api_id, kind, answer)
        return api_id

    def create_or_import(data: dict[str, Any]) -> Any:
        if "swagger" not in data:
            return create(data)
        api_id = import_with_answers(data)
        return (201, *apigateway_v1._get_rest_api(api_id)[1:])

    def update_what_can_be_read(api_id: str, data: dict[str, Any]) -> Any:
        operations = [each for each in data.get("patchOperations", []) if each.get("value") != ""]
        operations = [each for each in operations if each["path"] != f"{TYPES}/{each.get('value')}"]
        return update(api_id, {**data, "patchOperations": operations})

    def overwrite(api_id: str, spec: dict[str, Any]) -> Any:
        if api_id not in apigateway_v1._rest_apis:
            return apigateway_v1._get_rest_api(api_id)  # which answers that it does not exist
        made = import_with_answers(spec)
        apigateway_v1._rest_apis[api_id]["name"] = apigateway_v1._rest_apis[made]["name"]
        for described in (
            apigateway_v1._resources,
            apigateway_v1._authorizers_v1,
            apigateway_v1._gateway_responses,
        ):
            described[api_id] = described[made]
        apigateway_v1._delete_rest_api(made)
        return apigateway_v1._get_rest_api(api_id)

    async def handle_or_overwrite(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        top, _, api_id = path.strip("/").partition("/")
        if (method, top) == ("PUT", "restapis") and api_id and "/" not in api_id:
            assert query.get("mode") in ("overwrite", ["overwrite"]), "Chalice merges nothing"
            return overwrite(api_id, json.loads(body))
        return await handle(method, path, headers, body, query)

    apigateway_v1.handle_request = handle_or_overwrite
    apigateway_v1._import_rest_api = import_with_answers
    apigateway_v1._create_rest_api = create_or_import
    apigateway_v1._update_rest_api = update_what_can_be_read


def serve_every_account() -> None:
    """Make the APIs of all accounts answer."""
    from ministack.services import apigateway_v1

    def find_api_scope(api_id: str) -> tuple[str, str] | None:
        return next(
            (
                (account, region)
                for (account, region, found), _ in apigateway_v1._rest_apis.all_items()
                if found == api_id
            ),
            None,
        )

    def find_domain_scope(name: str) -> tuple[str, str, str] | None:
        return next(
            (
                (account, region, found)
                for (account, region, found), _ in apigateway_v1._domain_names.all_items()
                if found.lower() == name.lower()
            ),
            None,
        )

    apigateway_v1.find_api_scope = find_api_scope
    apigateway_v1.find_domain_scope = find_domain_scope


def let_invocations_end() -> None:
    """Make an update of a function kill its idle workers at once, and the busy ones when they are done."""
    from ministack.core import lambda_runtime

    kill_workers = lambda_runtime.kill_workers

    def kill_when_idle(workers: Sequence[Any]) -> None:
        while any(worker.in_use for worker in workers):
            time.sleep(0.05)
        kill_workers(workers)

    def kill_idle_workers(workers: Sequence[Any]) -> None:
        busy = [worker for worker in workers if worker is not None and worker.in_use]
        kill_workers([worker for worker in workers if worker not in busy])
        if busy:
            threading.Thread(target=kill_when_idle, args=(busy,), daemon=True).start()

    lambda_runtime.kill_workers = kill_idle_workers


def stop_functions() -> None:
    """End the workers of all functions; ministack would leave them to notice that it is gone."""
    from ministack.core import lambda_runtime

    lambda_runtime.reset()


def retry_failed_items_of_streams() -> None:
    """Deliver a batch of a stream again when its handler reports a failed item."""
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function

    def execute_function(func: dict[str, Any], event: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event)
        failed = failed_items_of_stream(event, result.get("body"))
        if failed:
            error = {"errorType": "ReportBatchItemFailures", "errorMessage": str(failed)}
            return {"error": True, "body": error}
        return result

    lambda_svc._execute_function = execute_function


def failed_items_of_stream(event: Any, answer: Any) -> list[Any]:
    """Items that a stream's handler reports as failed; none for other events and answers."""
    records = event.get("Records") or [{}] if isinstance(event, dict) else [{}]
    is_stream = records[0].get("eventSource") == "aws:dynamodb"
    failed = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    return list(failed or []) if is_stream else []
