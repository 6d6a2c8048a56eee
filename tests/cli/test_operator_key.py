"""Tests of operator keys made on the command line: only the hash of a key is stored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra import resources
from infra.local.children import PROJECT, clean_environment
from infra.local.emulator import Emulator


def test_a_key_is_printed_once_stored_as_a_hash_listed_and_revoked(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, persist=False)
    emulator.start()
    try:
        made = resources.make_node_resources("clitest", emulator.client)
        environment = clean_environment() | emulator.environment()

        def run(command: str, *arguments: str) -> str:
            return subprocess.run(
                [sys.executable, "-m", "cli.main", command, "--stage", "clitest", *arguments],
                cwd=PROJECT, env=environment, capture_output=True, text=True, check=True,
            ).stdout.strip()  # fmt: skip

        def stored() -> list[dict[str, dict[str, str]]]:
            items = emulator.client("dynamodb").scan(TableName=made["OCPI_TABLE"])["Items"]
            return [item for item in items if item["pk"]["S"] == "operator-keys"]

        printed = run("operator-key", "--name", "Ana")
        [item] = stored()
        listed = run("operator-keys")
        revoked = run("revoke-operator-key", "--name", "Ana")

        assert len(printed) >= 16
        assert item["name"] == {"S": "Ana"}
        assert printed not in str(item)
        assert listed == f"{item['created']['S']}  Ana"
        assert revoked == "1 revoked"
        assert stored() == []
    finally:
        emulator.stop()


def test_a_missing_region_is_reported_in_one_line() -> None:
    environment = clean_environment() | {"AWS_CONFIG_FILE": os.devnull}

    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "operator-key", "--stage", "cpo"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ocpi: You must specify a region.\n"
