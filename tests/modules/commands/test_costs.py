"""Cost of a command at each node, in calls to the table.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

import pytest

from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.worker import run
from chalicelib.calls.answers import RawAnswer
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.operator_commands import take_result
from chalicelib.queues import RequestTask
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import Member, Network, add_webhook, keep_location, start
from tests.storage.capacity import measured

ACCEPTED = (
    b'{"data": {"result": "ACCEPTED", "timeout": 35}, "status_code": 1000, "timestamp": "2026-03-01T12:00Z"}'
)


@pytest.fixture
def network(networks: Networks) -> Network:
    """Network of a CPO, a hub and an eMSP; requests of the hub and the CPO get a canned answer."""
    network = networks("cpo", "hub", "emsp")
    keep_location(network["hub"], source="cpo")
    keep_location(network["cpo"])
    add_webhook(network["cpo"])
    for name in ("hub", "cpo"):
        network[name].client.faults.append(
            lambda *_: RawAnswer(200, {}, ACCEPTED, network["hub"].node.settings.freshness)
        )
    return network


@pytest.mark.usefixtures("in_moto")
@pytest.mark.parametrize(
    ("to", "at_most"), [({}, 6), ({"ocpi_to_country_code": "PT", "ocpi_to_party_id": "ABC"}, 5)]
)
def test_relaying_a_command_costs_a_hub_few_calls(
    network: Network,
    hub: Member,
    to: dict[str, str],
    at_most: int,
    in_moto: None,
) -> None:
    """The CPO is found by the location, or given in OCPI-to."""
    with measured(hub.node.table) as spent:
        answer = hub.call(
            network["emsp"], "POST", "/receiver/commands/START_SESSION", start(network["emsp"]), **to
        )

    assert answer.json["data"] == {"result": "ACCEPTED", "timeout": 45}
    assert len(spent.calls) <= at_most, spent.calls


@pytest.mark.usefixtures("in_moto")
def test_relaying_a_result_costs_a_hub_few_calls(network: Network, hub: Member, in_moto: None) -> None:
    hub.call(network["emsp"], "POST", "/receiver/commands/START_SESSION", start(network["emsp"]))
    command = hub.the_command()
    path = f"/sender/commands/START_SESSION/{command.id}"

    with measured(hub.node.table) as taking:
        hub.call(network["cpo"], "POST", path, {"result": "ACCEPTED"})
    with measured(hub.node.table) as posting:
        run(AsyncRequests(hub.node, COMMAND), RequestTask(what="RESULT", request_id=command.id), 1)

    assert len(taking.calls) <= 2, taking.calls
    assert len(posting.calls) <= 5, posting.calls
    assert hub.the_command().result and hub.the_command().result.post.status == "SENT"  # type: ignore[union-attr]


@pytest.mark.usefixtures("in_moto")
def test_delivering_a_command_and_taking_its_result_costs_a_cpo_few_calls(
    network: Network, in_moto: None
) -> None:
    cpo = network["cpo"]
    cpo.call(network["hub"], "POST", "/receiver/commands/START_SESSION", start(network["hub"]))
    command = cpo.the_command()

    with measured(cpo.node.table) as delivering:
        run(AsyncRequests(cpo.node, COMMAND), RequestTask(what="DELIVER", request_id=command.id), 1)
    with measured(cpo.node.table) as taking:
        take_result(cpo.node, command.id, {"result": "ACCEPTED"})
    with measured(cpo.node.table) as watching:
        run(AsyncRequests(cpo.node, COMMAND), RequestTask(what="DEADLINE", request_id=command.id), 1)

    assert len(delivering.calls) <= 4, delivering.calls
    assert len(taking.calls) <= 3, taking.calls
    assert len(watching.calls) <= 2, watching.calls
