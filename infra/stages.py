"""What Chalice is told about one stage, from `.chalice/config.json` and the policies beside it.

The committed files say everything once. Chalice wants it said for each stage, so this writes a
configuration with that one stage in it, for the folder in which the stage is built
(`infra/package.py`):

- `lambda_functions`, timeouts and memory by function, which Chalice reads inside of a stage only;
- a policy per function. Those in `.chalice/` are written by hand with `${Stage}` where a resource
  carries the stage's name: six files that can be compared with the code, where one per stage and
  function would be eighteen that nobody compares. Without the name filled in they allow nothing;
- the environment variables that tell a node where its resources are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.resources import read_template

PROJECT = Path(__file__).resolve().parents[1]
CONFIG = PROJECT / ".chalice" / "config.json"

API_HANDLER = "api_handler"
API_STAGE = "api"
VERSIONS_PATH = "ocpi/versions"


class UnknownStage(ValueError):
    """There is no such stage in the configuration."""


def read_config() -> dict[str, Any]:
    """Read the committed configuration."""
    config: dict[str, Any] = json.loads(CONFIG.read_text(encoding="utf-8"))
    return config


def function_name(stage: str, function: str) -> str:
    """Name a function as `chalice deploy` names it.

    >>> function_name("cpo", "tell_changes"), function_name("cpo", "api_handler")
    ('ocpi-node-cpo-tell_changes', 'ocpi-node-cpo')
    """
    return f"ocpi-node-{stage}" if function == API_HANDLER else f"ocpi-node-{stage}-{function}"


def parameters(stage: str, config: Mapping[str, Any]) -> dict[str, str]:
    """What a stage sets of the parameters of `resources.yaml`.

    Raises: UnknownStage.
    """
    return {"Stage": stage, **_entry(stage, config).get("parameters", {})}


def write_stage(stage: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Write a stage's `.chalice` folder.

    folder: where the stage is built. environment: where its resources are, by variable.
    Raises: UnknownStage.
    """
    target = folder / ".chalice"
    target.mkdir(parents=True, exist_ok=True)
    config = read_config()
    text = json.dumps(stage_config(stage, config, environment), indent=2)
    (target / "config.json").write_text(text, encoding="utf-8")
    for policy in sorted(CONFIG.parent.glob("policy-*.json")):
        (target / policy.name).write_text(read_policy(policy, stage), encoding="utf-8")


def stage_config(stage: str, config: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Make the configuration of one stage out of that of all.

    Raises: UnknownStage.
    """
    entry = _entry(stage, config)
    common = {key: value for key, value in config.items() if key not in ("stages", "lambda_functions")}
    functions = {
        name: {"iam_policy_file": f"policy-{name}.json", **settings}
        for name, settings in config["lambda_functions"].items()
    }
    variables = {**environment, **entry["environment_variables"]}
    described = {key: value for key, value in entry.items() if key != "parameters"}
    own = {**described, "environment_variables": variables, "lambda_functions": functions}
    return {**common, "stages": {stage: {"api_gateway_stage": API_STAGE, **own}}}


def read_policy(policy: Path, stage: str) -> str:
    """Read a policy and fill in the stage's name."""
    return policy.read_text(encoding="utf-8").replace("${Stage}", stage)


def names(stage: str) -> dict[str, str]:
    """The names that Chalice needs while the application is declared, before anything exists."""
    resources = read_template()["Resources"]
    return {
        variable: str(resources[resource]["Properties"]["QueueName"]["Fn::Sub"]).replace("${Stage}", stage)
        for variable, resource in (
            ("OCPI_BROADCASTS_QUEUE", "Broadcasts"),
            ("OCPI_COMMANDS_QUEUE", "Commands"),
        )
    }


def _entry(stage: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    stages: Mapping[str, Mapping[str, Any]] = config["stages"]
    if stage not in stages:
        raise UnknownStage(
            f"no stage {stage!r} in .chalice/config.json, which has {', '.join(sorted(stages))}"
        )
    return stages[stage]
