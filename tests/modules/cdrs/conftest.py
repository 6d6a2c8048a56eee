"""A CPO and a hub with partners and a site, and a DynamoDB emulator for the tests with several processes."""

from __future__ import annotations

import pytest

from tests.emulator import emulator as emulator
from tests.modules.cdrs.world import Network


@pytest.fixture
def cpo() -> Network:
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    return network


@pytest.fixture
def hub() -> Network:
    network = Network("HUB")
    network.join("abc", "CPO")
    network.join("evi", "EMSP")
    network.join("xyz", "EMSP")
    network.open_site()
    return network
