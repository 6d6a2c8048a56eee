"""Chalice's configuration of one stage, made from `.chalice/config.json` and the policies beside it.

`chalice package --stage cpo` reads the committed files, too. But the queues and the stream are known only
when the resources exist. So this writes the configuration of one stage for the folder in which the stage is
built (`infra/package.py`), with

- the environment variables with the names and URLs of the node's resources;
- policies for that stage alone. Those in `.chalice/` are written by hand, one for each function, for nodes
  of any stage (`ocpi-node-*`): eight files that a person can compare with the code, instead of twenty-four.
  Here the stage's name replaces the asterisk.
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
    """The configuration lacks this stage, or a function of this release."""


def read_config() -> dict[str, Any]:
    """Read the committed configuration."""
    config: dict[str, Any] = json.loads(CONFIG.read_text(encoding="utf-8"))
    return config


def function_name(stage: str, function: str) -> str:
    """Name of a function, as `chalice deploy` makes it.

    >>> function_name("cpo", "stream_changes"), function_name("cpo", "api_handler")
    ('ocpi-node-cpo-stream_changes', 'ocpi-node-cpo')
    """
    return f"ocpi-node-{stage}" if function == API_HANDLER else f"ocpi-node-{stage}-{function}"


def parameters(stage: str, config: Mapping[str, Any]) -> dict[str, str]:
    """A stage's values of the parameters of `resources.yaml`.

    Raises: UnknownStage.
    """
    return {"Stage": stage, **_entry(stage, config).get("parameters", {})}


def write_stage(stage: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Write a stage's `.chalice` folder.

    folder: in which the stage is built. environment: names and URLs of its resources, by variable.
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
    """Make the configuration of one stage from that of all.

    Raises: UnknownStage.
    """
    entry = _entry(stage, config)
    _check_functions(stage, entry, functions(config))
    variables = {**entry["environment_variables"], **environment}
    own = {key: value for key, value in entry.items() if key != "parameters"}
    return {**config, "stages": {stage: {**own, "environment_variables": variables}}}


def functions(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Configuration of each function, the same in each stage."""
    stage = next(iter(config["stages"].values()))
    described: dict[str, dict[str, Any]] = stage["lambda_functions"]
    return described


def read_policy(policy: Path, stage: str) -> str:
    """Read a policy and limit it to one stage."""
    return policy.read_text(encoding="utf-8").replace("ocpi-node-*", f"ocpi-node-{stage}")


def names(stage: str) -> dict[str, str]:
    """The names that Chalice needs while the application is declared, before any resource exists."""
    resources = read_template()["Resources"]
    return {
        variable: str(resources[resource]["Properties"]["QueueName"]["Fn::Sub"]).replace("${Stage}", stage)
        for variable, resource in (
            ("OCPI_BROADCASTS_QUEUE", "Broadcasts"),
            ("OCPI_CATCH_UP_QUEUE", "CatchUps"),
            ("OCPI_COMMANDS_QUEUE", "Commands"),
            ("OCPI_BACKGROUND_QUEUE", "Background"),
        )
    }


def _check_functions(stage: str, entry: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that a stage names every function that has a policy, because Chalice's own error would mislead.

    expected: the functions of the first stage; their settings are those to add.
    Raises: UnknownStage with the lines to add.
    """
    policies = {
        policy.stem.removeprefix("policy-"): policy.name for policy in CONFIG.parent.glob("policy-*.json")
    }
    known = entry.get("lambda_functions", {})
    lines = [
        f"  {json.dumps(name)}: {json.dumps({'iam_policy_file': policies[name]} | expected.get(name, {}))}"
        for name in sorted(policies)
        if "iam_policy_file" not in known.get(name, {})
    ]
    if lines:
        raise UnknownStage(
            f"stage {stage!r} in .chalice/config.json lacks functions of this release; "
            "add to its lambda_functions:\n" + ",\n".join(lines)
        )


def _entry(stage: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    stages: Mapping[str, Mapping[str, Any]] = config["stages"]
    if stage not in stages:
        raise UnknownStage(
            f"no stage {stage!r} in .chalice/config.json, which has {', '.join(sorted(stages))}"
        )
    return stages[stage]
