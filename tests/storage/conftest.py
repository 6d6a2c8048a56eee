"""The stores over an emulator, as fixtures."""

from __future__ import annotations

import pytest

from chalicelib.storage.locations import LocationStore
from chalicelib.storage.objects import ObjectStore
from chalicelib.storage.table import Table
from tests.emulator import dynamodb as dynamodb
from tests.emulator import emulator as emulator
from tests.emulator import table as table
from tests.storage.builders import now


@pytest.fixture
def objects(table: Table) -> ObjectStore:
    return ObjectStore(table, now)


@pytest.fixture
def locations(table: Table) -> LocationStore:
    return LocationStore(table, now)
