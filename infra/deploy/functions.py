"""Deploys the functions and the API of a stage with Chalice, and only when something has changed.

Chalice records its resources in `.chalice/deployed/<stage>.json`. Keep that file with the project (in version
control, or where the deployment runs): without it Chalice would make a second API. So a deployed stage
without that file is not deployed again.

`chalice deploy` replaces the code, the layer and the API's description each time, even when they are the
same. So that a second deployment changes nothing, a tag on the API's handler holds a hash of all inputs. It
is set after everything else, and compared first. (Chalice removes the tag when it deploys, so an interrupted
deployment does not count as a complete one.)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra import any_path, event_sources, gateway_responses, package
from infra.deploy.run_chalice import CHANGES_DEAD
from infra.stages import API_HANDLER, PROJECT, function_name

DEPLOYED = PROJECT / ".chalice" / "deployed"
BUILD_TAG = "ocpi-node-build"

Runner = Callable[[str, str, Path, Mapping[str, str]], None]
"""Runs Chalice: action, stage, folder, additions to the environment."""


class NotOurs(RuntimeError):
    """The stage was deployed from another place, which has Chalice's record of it."""


def deploy(
    lambda_client: Any,
    stage: str,
    environment: Mapping[str, str],
    changes_dead: str,
    run: Runner | None = None,
) -> bool:
    """Deploy a stage's functions and API, if they differ from the present ones. Returns whether they did.

    environment: variables with the names and URLs of the node's resources. changes_dead: ARN of the
    dead-letter queue for batches of the stream.
    Raises: NotOurs; CalledProcessError when Chalice failed, after it printed why.
    """
    found = _tag(lambda_client, stage)
    if found and not is_recorded(stage):
        raise _not_ours(stage)
    with _folder(stage) as folder:
        package.build(stage, folder, environment)
        package.run_chalice_package(stage, folder)
        _use_finished(folder)
        wanted = _hash(folder, changes_dead)
        if found == wanted:
            return False
        (run or run_chalice)("deploy", stage, folder, {CHANGES_DEAD: changes_dead})
        tag = {BUILD_TAG: wanted}
        lambda_client.tag_resource(Resource=api_handler_arn(lambda_client, stage), Tags=tag)
    return True


def delete(lambda_client: Any, stage: str, run: Runner | None = None) -> bool:
    """Delete a stage's functions and API. Returns whether there is a record of any.

    Raises: NotOurs, because then the resources must stay as well; CalledProcessError.
    """
    if not is_recorded(stage):
        if _tag(lambda_client, stage):
            raise _not_ours(stage)
        return False
    with _folder(stage) as folder:
        package.build(stage, folder, {})
        (run or run_chalice)("delete", stage, folder, {})
    return True


def is_recorded(stage: str) -> bool:
    """Tell whether Chalice's record of the stage exists here."""
    return (DEPLOYED / f"{stage}.json").exists()


def api_handler_arn(lambda_client: Any, stage: str) -> str:
    """ARN of the API's handler."""
    name = function_name(stage, API_HANDLER)
    arn: str = lambda_client.get_function_configuration(FunctionName=name)["FunctionArn"]
    return arn


def api_id(stage: str) -> str | None:
    """Id of the API in Chalice's record; None when there is none."""
    if not is_recorded(stage):
        return None
    resources = json.loads((DEPLOYED / f"{stage}.json").read_text(encoding="utf-8"))["resources"]
    return next((each["rest_api_id"] for each in resources if each["resource_type"] == "rest_api"), None)


def run_chalice(action: str, stage: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run Chalice in a process of its own."""
    command = [sys.executable, "-m", "infra.deploy.run_chalice", action, stage, str(folder)]
    own = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, check=True, cwd=PROJECT, env=own)


@contextmanager
def _folder(stage: str) -> Iterator[Path]:
    """Yield a folder for Chalice to work in, with its record of the stage, which is always saved."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept, used = DEPLOYED / f"{stage}.json", folder / ".chalice" / "deployed" / f"{stage}.json"
        if kept.exists():
            used.parent.mkdir(parents=True)
            shutil.copyfile(kept, used)
        try:
            yield folder
        finally:
            if used.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(used, kept)


def _use_finished(folder: Path) -> None:
    """Put the finished zips where Chalice keeps its packages."""
    kept = folder / ".chalice" / "deployments"
    for pattern, finished in (("appcode-*", "deployment.zip"), ("managed-layer-*", "layer-deployment.zip")):
        for each in kept.glob(pattern):
            shutil.copyfile(folder / "out" / finished, each)


def _hash(folder: Path, changes_dead: str) -> str:
    """Hash of all inputs of Chalice, and of the additions to them."""
    digest = hashlib.sha256()
    for path in (
        *sorted((folder / ".chalice").glob("*.json")),
        folder / "out" / "deployment.zip",
        folder / "out" / "layer-deployment.zip",
        folder / "out" / "sam.json",
    ):
        digest.update(path.name.encode() + path.read_bytes())
    added = [
        event_sources.settings(changes_dead),
        gateway_responses.openapi_extension(),
        any_path.path_item(),
    ]
    digest.update(json.dumps(added, sort_keys=True).encode())
    return digest.hexdigest()


def _not_ours(stage: str) -> NotOurs:
    return NotOurs(
        f"{function_name(stage, API_HANDLER)} is in this account, but .chalice/deployed/{stage}.json "
        "is not here: bring it from where the stage was deployed before"
    )


def _tag(lambda_client: Any, stage: str) -> str | None:
    """Hash on the deployed handler; None when it has none or there is no such function."""
    try:
        arn = api_handler_arn(lambda_client, stage)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    tag: str | None = lambda_client.list_tags(Resource=arn)["Tags"].get(BUILD_TAG)
    return tag
