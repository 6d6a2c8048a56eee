"""Nodes with an operator's door, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from chalicelib.storage.table import Key
from tests.nodes import aws, make_network
from tests.operator_api.caller import Door

ROLES = {"cpo": "CPO", "hub": "HUB", "emsp": "EMSP"}


@pytest.fixture(scope="module")
def account() -> Iterator[Any]:
    """An AWS account for a module: making one takes longer than any of these tests."""
    with aws() as client:
        yield client


@pytest.fixture
def doors(request: pytest.FixtureRequest, account: Any) -> dict[str, Door]:
    """A node of each role that the test names, of all when it names none.

    They reach each other, none knows another yet, and their tables are empty.
    """
    named: dict[str, Any] = {name: role for name, role in ROLES.items() if name in request.fixturenames}
    hosts = make_network(account, **(named or ROLES))
    for host in hosts.values():
        items = account("dynamodb").scan(TableName=host.node.table.name)["Items"]
        host.node.table.write_many(delete=[Key(item["pk"]["S"], item["sk"]["S"]) for item in items])
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
