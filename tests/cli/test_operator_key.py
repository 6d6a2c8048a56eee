"""A key made on the command line opens the door of the stage's node, and only its hash is stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infra import resources
from infra.local.children import PROJECT, clean_environment
from infra.local.emulator import Emulator


def test_the_key_is_printed_and_its_hash_is_in_the_table(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, persist=False)
    emulator.start()
    try:
        made = resources.make_node_resources("clitest", emulator.client)
        environment = clean_environment() | emulator.environment()

        printed = subprocess.run(
            [sys.executable, "-m", "cli.main", "operator-key", "--stage", "clitest", "--name", "Ana"],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

        items = emulator.client("dynamodb").scan(TableName=made["OCPI_TABLE"])["Items"]
    finally:
        emulator.stop()
    [stored] = [item for item in items if item["pk"]["S"].startswith("operator-key#")]
    assert stored["name"] == {"S": "Ana"}
    assert len(printed.strip()) >= 16
    assert printed.strip() not in str(items)
