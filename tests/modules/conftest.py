"""Fixtures for nodes and partners over moto, created on first use."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from tests.harness.account import Account
from tests.harness.nodes import make_network
from tests.harness.partner_api import CPO, EMSP, HUB, OTHER_CPO
from tests.harness.partners import register

_ROLES = {"cpo": ("CPO", CPO), "other": ("CPO", OTHER_CPO), "hub": ("HUB", HUB), "emsp": ("EMSP", EMSP)}
_numbers = itertools.count(1)

NodeOf = Callable[[str], Node]
PartnerOf = Callable[[Node, str], Partner]


@pytest.fixture
def node_of(account: Account) -> NodeOf:
    """Returns the node with a role; within a test always the same one."""
    made: dict[str, Node] = {}

    def node_of(role: str) -> Node:
        if role not in made:
            name = f"{role.lower()}{next(_numbers)}"
            made[role] = make_network(account, (), **{name: role})[name].node
        return made[role]

    return node_of


@pytest.fixture
def partner_of() -> PartnerOf:
    """Returns a node's partner by name: `cpo`, `other` (another CPO), `hub`, `emsp`."""
    made: dict[tuple[int, str], Partner] = {}

    def partner_of(node: Node, name: str) -> Partner:
        if (id(node), name) not in made:
            made[id(node), name] = register(node, name, _ROLES[name])
        return made[id(node), name]

    return partner_of
