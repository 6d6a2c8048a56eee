"""Nodes with an operator's door, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.account import Account, aws
from tests.nodes import make_network
from tests.operator_api.caller import Door

ROLES = {"cpo": "CPO", "hub": "HUB", "emsp": "EMSP"}


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """Have AWS be moto throughout a file; to turn it on for each test takes longer than some of them."""
    with aws():
        yield


@pytest.fixture
def account(moto: None) -> Iterator[Account]:
    """An AWS account in which nobody was before."""
    with aws() as account:
        yield account


@pytest.fixture
def doors(request: pytest.FixtureRequest, account: Account) -> dict[str, Door]:
    """A node of each role that the test names, of all when it names none.

    They reach each other, and none knows another yet.
    """
    named: dict[str, Any] = {name: role for name, role in ROLES.items() if name in request.fixturenames}
    hosts = make_network(account, **(named or ROLES))
    return {name: Door(host.node, host) for name, host in hosts.items()}


@pytest.fixture
def cpo(doors: dict[str, Door]) -> Door:
    return doors["cpo"]


@pytest.fixture
def hub(doors: dict[str, Door]) -> Door:
    return doors["hub"]


@pytest.fixture
def emsp(doors: dict[str, Door]) -> Door:
    return doors["emsp"]


@pytest.fixture
def two_parties(cpo: Door) -> Door:
    """A CPO's node for two parties: PT*ABC, which comes first, and PT*XYZ."""
    second = OwnRole("CPO", Party("PT", "XYZ"), {"name": "Second"})
    settings = replace(cpo.node.settings, roles=(*cpo.node.settings.roles, second))
    return Door(replace(cpo.node, settings=settings))
