"""Nodes that send each other commands. Each file of tests has its own `network`."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.harness.account import Account
from tests.modules.commands.network import Member, Network

_numbers = itertools.count(1)

Networks = Callable[..., Network]


@pytest.fixture
def networks(account: Account) -> Networks:
    """Make a network: `networks("cpo", "emsp")`, with each node registered at the next one."""

    def make(*names: str) -> Network:
        network = Network(account, next(_numbers), *names)
        for one, other in itertools.pairwise(names):
            network.link(one, other)
        return network

    return make


@pytest.fixture
def cpo(network: Network) -> Member:
    return network["cpo"]


@pytest.fixture
def hub(network: Network) -> Member:
    return network["hub"]


@pytest.fixture
def emsp(network: Network) -> Member:
    return network["emsp"]
