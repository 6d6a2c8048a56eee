"""`make package`: a stage as one CloudFormation template and two zips, for people who deploy by pipeline.

Chalice builds in a folder that is made new each time: a copy of the code, without files of tests and local
runs, and the stage's configuration (`stages.py`). The settings that Chalice does not support are merged in
(`merge_template.py`), and the zips are finished here (`bundle.py`).

No call goes to AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from infra import bundle, stages
from infra.merge_template import merge_template
from infra.resources import read_template
from infra.stages import PROJECT, UnknownStage

CACHE = PROJECT / ".chalice" / "deployments"
"""Folder of Chalice's downloads: the layer, by the hash of requirements.txt."""

CHALICE = (sys.executable, "-c", "from chalice.cli import main; main()")


def package(stage: str, out: Path) -> int:
    """Write a stage's `sam.json`, `deployment.zip` and `layer-deployment.zip`. Returns the zips' bytes.

    Raises: UnknownStage; TooLarge; CalledProcessError when Chalice failed, after it printed why.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(stage, folder, stages.names(stage))
        size = run_chalice_package(stage, folder)
        for made in sorted((folder / "out").iterdir()):
            shutil.copyfile(made, out / made.name)
    return size


def build(stage: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Write the folder that Chalice packages.

    environment: the known variables with the names and URLs of the node's resources.
    """
    stages.write_stage(stage, folder, environment)
    shutil.copyfile(PROJECT / "app.py", folder / "app.py")
    shutil.copyfile(PROJECT / "requirements.txt", folder / "requirements.txt")
    shutil.copytree(
        PROJECT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
    )
    if CACHE.exists():
        shutil.copytree(CACHE, folder / ".chalice" / "deployments")


def run_chalice_package(stage: str, folder: Path) -> int:
    """Package the folder that `build` wrote into its `out`, with finished zips. Returns their bytes."""
    config = stages.read_config()
    merged = merge_template(read_template(), stages.parameters(stage, config), stages.functions(config))
    (folder / "merge.json").write_text(json.dumps(merged), encoding="utf-8")
    out = folder / "out"
    command = [*CHALICE, "package", "--stage", stage, "--merge-template", "merge.json", str(out)]
    subprocess.run(command, check=True, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL)
    _keep_layer(folder)
    code, layer = out / "deployment.zip", out / "layer-deployment.zip"
    bundle.finish(code, code, bundle.CODE_ROOT)
    bundle.finish(layer, layer, bundle.LAYER_ROOT)
    return bundle.check_size(code, layer)


def _environment() -> dict[str, str]:
    # Chalice would package the .pyc files that it writes; and it needs a region, although it calls no AWS.
    return {"AWS_DEFAULT_REGION": "eu-west-1", **os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def _keep_layer(folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for made in (folder / ".chalice" / "deployments").glob("managed-layer-*.zip"):
        if not (CACHE / made.name).exists():
            shutil.copyfile(made, CACHE / made.name)


def main() -> int:
    """Package the stage that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stage")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out: Path = arguments.out or PROJECT / "out" / arguments.stage
    try:
        size = package(arguments.stage, out)
    except UnknownStage as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{out}: sam.json, deployment.zip, layer-deployment.zip ({size:,} bytes zipped)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
