"""A network of the nodes that a test names."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.account import Account
from tests.modules.commands.network import Network

_numbers = itertools.count(1)

Networks = Callable[..., Network]


@pytest.fixture
def networks(account: Account) -> Networks:
    """Makes a network: `networks("cpo", "emsp")`, each node registered at the next."""

    def make(*names: str) -> Network:
        network = Network(account, next(_numbers), *names)
        for one, other in itertools.pairwise(names):
            network.link(one, other)
        return network

    return make
