"""Three nodes that can call each other and are not registered yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.account import aws
from tests.harness.nodes import Host, make_network


@pytest.fixture
def network() -> Iterator[dict[str, Host]]:
    with aws() as account:
        yield make_network(account, cpo="CPO", hub="HUB", emsp="EMSP")


@pytest.fixture
def hub(network: dict[str, Host]) -> Host:
    return network["hub"]


@pytest.fixture
def cpo(network: dict[str, Host]) -> Host:
    return network["cpo"]
