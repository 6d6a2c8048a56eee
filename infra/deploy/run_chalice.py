"""Runs `chalice deploy` and `chalice delete` in a process of their own, with settings that Chalice lacks.

It is Chalice's own deployer. Its AWS session adds to Chalice's own calls

- the settings of a new event source (`event_sources.py`): set afterwards, a batch that failed in between
  would be lost;
- the gateway's own answers (`gateway_responses.py`) and the resource for every other path (`any_path.py`) in
  the API's description: Chalice overwrites the whole
  description each time, so set afterwards they would be missing for a while after every deployment.

It is a separate process because Chalice imports the application and sets its variables in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.utils import UI

from infra import any_path, event_sources, gateway_responses
from infra.stages import function_name

CHANGES_DEAD = "OCPI_DEPLOY_CHANGES_DEAD"
"""The variable with the ARN of the dead-letter queue for batches of the stream."""

Prepare = Callable[[Any], None]


def main(action: str, stage: str, folder: str, prepare: Prepare | None = None) -> None:
    """Deploy or delete the folder that `infra/package.py` wrote.

    prepare: is called with the session before its use, for example by a test whose emulator lacks a call.
    """
    factory = CLIFactory(folder, environ=os.environ)
    config = factory.create_config_obj(chalice_stage_name=stage)
    session = factory.create_botocore_session()
    if prepare is not None:
        prepare(session)
    if action == "delete":
        factory.create_deletion_deployer(session=session, ui=UI()).deploy(config, chalice_stage_name=stage)
        return
    add_to_calls(session, stage, os.environ[CHANGES_DEAD])
    factory.create_default_deployer(session=session, config=config, ui=UI()).deploy(
        config, chalice_stage_name=stage
    )


def add_to_calls(session: Any, stage: str, changes_dead: str) -> None:
    """Make a session add the settings that Chalice lacks to Chalice's calls."""
    settings = {function_name(stage, name): own for name, own in event_sources.settings(changes_dead).items()}
    session.register("before-parameter-build.lambda.CreateEventSourceMapping", _adder(settings))
    for operation in ("ImportRestApi", "PutRestApi"):
        session.register(f"before-parameter-build.api-gateway.{operation}", _add_answers)


def _adder(settings: Mapping[str, Mapping[str, Any]]) -> Callable[..., None]:
    def add(params: dict[str, Any], **_: Any) -> None:
        name = str(params["FunctionName"]).rpartition(":")[2]
        params.update(settings.get(name, {}))

    return add


def _add_answers(params: dict[str, Any], **_: Any) -> None:
    described = json.loads(params["body"])
    described["x-amazon-apigateway-gateway-responses"] = gateway_responses.openapi_extension()
    if (uri := any_path.uri_in(described)) is not None:
        described["paths"].update(any_path.path_item(uri))
    params["body"] = json.dumps(described)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], str(Path(sys.argv[3])))
