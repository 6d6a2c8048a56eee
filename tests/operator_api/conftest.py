"""Nodes with their operator APIs, over an emulated AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.harness.account import Account
from tests.harness.nodes import make_network
from tests.operator_api.caller import OperatorApi

ROLES = {"cpo": "CPO", "hub": "HUB", "emsp": "EMSP"}


@pytest.fixture
def apis(request: pytest.FixtureRequest, account: Account) -> dict[str, OperatorApi]:
    """A node of each role that the test names, or of all roles if it names none.

    The nodes can call each other, and are not connected yet.
    """
    named: dict[str, Any] = {name: role for name, role in ROLES.items() if name in request.fixturenames}
    hosts = make_network(account, **(named or ROLES))
    return {name: OperatorApi(host.node, host) for name, host in hosts.items()}


@pytest.fixture
def cpo(apis: dict[str, OperatorApi]) -> OperatorApi:
    return apis["cpo"]


@pytest.fixture
def hub(apis: dict[str, OperatorApi]) -> OperatorApi:
    return apis["hub"]


@pytest.fixture
def emsp(apis: dict[str, OperatorApi]) -> OperatorApi:
    return apis["emsp"]


@pytest.fixture
def two_parties(cpo: OperatorApi) -> OperatorApi:
    """A CPO's node of two parties: PT*ABC, the first one, and PT*XYZ."""
    second = OwnRole("CPO", Party("PT", "XYZ"), {"name": "Second"})
    settings = replace(cpo.node.settings, roles=(*cpo.node.settings.roles, second))
    return OperatorApi(replace(cpo.node, settings=settings))
