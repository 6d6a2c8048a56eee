"""Nodes with an operator's door, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.nodes import aws, make_network
from tests.operator_api.caller import Door


@pytest.fixture
def doors() -> Iterator[dict[str, Door]]:
    """One node of each role; they reach each other, and none knows another yet."""
    with aws() as client:
        hosts = make_network(client, cpo="CPO", hub="HUB", emsp="EMSP")
        yield {name: Door(host.node, host) for name, host in hosts.items()}


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
