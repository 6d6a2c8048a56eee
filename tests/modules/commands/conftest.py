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
def in_moto() -> None:
    """Put the tables into moto, whose calls can be measured."""


@pytest.fixture
def networks(request: pytest.FixtureRequest, account: Account) -> Networks:
    """Make a network: `networks("cpo", "emsp")`, with each node registered at the next one.

    Its tables are in memory, which is faster than moto, or in moto for a test that uses `in_moto`.
    """
    in_moto = "in_moto" in request.fixturenames

    def make(*names: str) -> Network:
        network = Network(account, next(_numbers), *names, in_moto=in_moto)
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
