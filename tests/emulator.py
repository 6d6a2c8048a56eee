"""An AWS emulator for tests of concurrent transactions, which moto does not run correctly under threads.

Import the fixtures into a folder's conftest.py:

    from tests.emulator import dynamodb as dynamodb
    from tests.emulator import emulator as emulator
    from tests.emulator import table as table

One emulator serves the whole test session; every test has a table of its own. With `OCPI_FAST_CLIENT=0` in
the environment of pytest, botocore makes all calls.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.storage.table import Table, dynamodb_client
from infra.local.aws_calls import make_calls_cheap
from infra.local.emulator import CREDENTIALS, REGION, Emulator
from infra.resources import create_table

FAST = os.environ.get("OCPI_FAST_CLIENT") != "0"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator: `emulator.client("sqs")`, `emulator.environment()`."""
    running = Emulator(tmp_path_factory.mktemp("emulator"), persist=False)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def dynamodb(emulator: Emulator) -> Iterator[Any]:
    """The DynamoDB client with a node's options."""
    client = make_dynamodb_client(emulator)
    yield client
    client.close()


@pytest.fixture
def table(emulator: Emulator, dynamodb: Any) -> Table:
    """A table that no other test uses."""
    return make_table(dynamodb)


def make_dynamodb_client(emulator: Emulator, fast: bool = FAST) -> Any:
    """Make a DynamoDB client with a node's options, connected to an emulator."""
    client = dynamodb_client(
        fast=fast,
        endpoint_url=emulator.endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    make_calls_cheap(client.meta.events.register)
    return client


def make_table(dynamodb: Any) -> Table:
    """Make a new table with a node's schema."""
    return Table(dynamodb, create_table(dynamodb, f"test-{next(_numbers)}"))
