"""Pulls between real nodes: whoever registers has what the other side had before, without a push.

The nodes call each other inside this process, with real handshakes, lists and Links. Source: BR-09
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.background import handle_messages
from chalicelib.calls.answers import RawAnswer
from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import Target, UrlPolicy
from chalicelib.modules.registry import load_interfaces, load_keeping
from chalicelib.node import Node
from chalicelib.protocol.message import Party
from chalicelib.pulling import registrations
from chalicelib.pulling.store import read_pulls
from chalicelib.queues import Queues
from tests.harness.account import Account
from tests.harness.nodes import Host, make_network
from tests.harness.partners import register
from tests.harness.standard_queue import StandardQueue
from tests.operator_api.caller import OperatorApi
from tests.operator_api.test_partners import connect
from tests.pulling.world import locations, tariffs, tokens
from tests.pushing.memory_aws import MemorySqs

CPO, EMSP = Party("PT", "OLD"), Party("PT", "OEM")


class Wires:
    """The connections of a node: they end in another node of this process."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        self._hosts = hosts
        self.asked: list[str] = []

    def request(
        self, target: Target, method: str, path: str, headers: dict[str, str], body: bytes | None, **_: Any
    ) -> RawAnswer:
        self.asked.append(f"{method} {path}")
        host = self._hosts[f"https://{target.origin.host}"]
        lower = {name.lower(): value for name, value in headers.items()}
        answer = host.receive(method, path, lower, body.decode() if body else None)
        return replace(answer.raw, elapsed=timedelta())


class Network:
    """A hub with a CPO and an eMSP that have filled it, and nodes that are not registered yet."""

    def __init__(self, account: Account) -> None:
        interfaces = tuple(load_interfaces())
        self.hosts = make_network(account, interfaces, cpo="CPO", hub="HUB", emsp="EMSP")
        by_url = {str(host.node.settings.public_url): host for host in self.hosts.values()}
        self.wires = {name: Wires(by_url) for name in self.hosts}
        self.queues = {name: StandardQueue(host.node.clock) for name, host in self.hosts.items()}
        for name, host in self.hosts.items():
            policy = UrlPolicy(True, resolve=lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 443))])
            client = OcpiClient(policy, host.node.directory, host.node.new_id)
            client._connections = self.wires[name]  # type: ignore[assignment]
            sqs = MemorySqs({"https://queue/b": self.queues[name]})  # type: ignore[dict-item]
            queues = Queues(sqs, "", background_url="https://queue/b")
            host.node = replace(host.node, client=client, queues=queues)
        self.apis = {name: OperatorApi(host.node, host) for name, host in self.hosts.items()}

    def node(self, name: str) -> Node:
        return self.hosts[name].node

    def fill_hub(self, number: dict[str, int]) -> None:
        """Store objects at the hub as if partners had pushed them before."""
        hub = self.node("hub")
        from_cpo, from_emsp = (
            register(hub, "old-cpo", ("CPO", CPO)),
            register(hub, "old-emsp", ("EMSP", EMSP)),
        )
        made = {"locations": locations, "tariffs": tariffs, "tokens": tokens}
        for module, make in made.items():
            owner, partner = (EMSP, from_emsp) if module == "tokens" else (CPO, from_cpo)
            for document in make(number[module], owner):
                load_keeping(module).keep(hub, partner, document)

    def settle(self) -> None:
        """Handle the streams and the background queues until nothing is left to do."""
        for _ in range(100):
            for host in self.hosts.values():
                stream = host.node.table._client.stream
                registrations.note_partners(host.node, list(stream))
                stream.clear()
            if not any(len(queue) for queue in self.queues.values()):
                return
            for name, queue in self.queues.items():
                self.node(name).clock.forward(10)  # type: ignore[attr-defined]
                records = queue.receive()
                queue.settle(records, handle_messages(self.node(name), records))
        raise AssertionError("the nodes do not come to rest")

    def total(self, name: str, module: str) -> int:
        """The number of objects of a module that a node's operator sees."""
        return int(self.apis[name].call("GET", f"/{module}").headers["X-Total-Count"])


@pytest.fixture
def network(account: Account) -> Iterator[Network]:
    yield Network(account)


HAS = {"locations": 60, "tariffs": 10, "tokens": 200}


def test_who_registers_at_a_hub_has_all_that_the_hub_had(network: Network) -> None:
    network.fill_hub(HAS)

    for name in ("emsp", "cpo"):
        connect(network.apis[name], network.apis["hub"])
    network.settle()

    assert [network.total("emsp", module) for module in ("locations", "tariffs")] == [60, 10]
    assert network.total("cpo", "tokens") == 200
    for name, modules in (("emsp", ("locations", "tariffs")), ("cpo", ("tokens",))):
        (partner,) = network.node(name).directory.all()
        pulls = read_pulls(network.node(name).table, partner.id)
        assert [pulls[module].state for module in modules] == ["DONE"] * len(modules)
        assert not any(pull.refused or pull.error for pull in pulls.values())


def test_the_hub_reads_the_lists_of_those_who_register(network: Network) -> None:
    """Source: BR-09: both sides of a registration read."""
    for uid in ("A1", "A2"):
        token = {key: value for key, value in tokens(1)[0].items() if key not in ("country_code", "party_id")}
        network.apis["emsp"].ask("PUT", f"/tokens/{uid}", {**token, "uid": uid})

    connect(network.apis["emsp"], network.apis["hub"])
    network.settle()

    assert network.total("hub", "tokens") == 2


def test_a_second_pull_finds_everything_unchanged(network: Network) -> None:
    network.fill_hub(HAS)
    connect(network.apis["emsp"], network.apis["hub"])
    network.settle()
    (partner,) = network.node("emsp").directory.all()

    network.apis["emsp"].call("POST", f"/partners/{partner.id}/pull", {"full": True})
    network.settle()

    pulls = read_pulls(network.node("emsp").table, partner.id)
    counts = {module: (pull.kept, pull.unchanged, pull.vanished) for module, pull in pulls.items()}
    assert counts["locations"] == (0, 60, 0)
    assert counts["tariffs"] == (0, 10, 0)
