"""A hub in moto, whose partners answer as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from tests.calls.answering import AnsweringPartner, answering_partner
from tests.harness.account import Account
from tests.harness.nodes import make_network
from tests.hub.relaying import NUMBERS, Hub


@pytest.fixture
def there() -> Iterator[AnsweringPartner]:
    """The server behind every partner of the hub."""
    with answering_partner() as partner:
        yield partner


@pytest.fixture
def hub(account: Account, there: AnsweringPartner) -> Hub:
    name = f"hub{next(NUMBERS)}"
    node = make_network(account, (), **{name: "HUB"})[name].node
    client = OcpiClient(UrlPolicy(True), node.directory, node.new_id, clock=node.clock)
    return Hub(replace(node, client=client), there)
