"""Odd commands are tried, and odd results reach the driver.

Source: CMD-02, CMD-06, TRP-22; docs/interop.md
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.async_requests.view import show
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.protocol.json_text import read_json
from tests.modules.builders import T0, evse
from tests.modules.commands.conftest import Networks, networks  # noqa: F401
from tests.modules.commands.network import Network, add_webhook, keep_location, start, token
from tests.modules.commands.receiving import codes, post, reserve, unlock
from tests.modules.commands.round_trip import send_start
from tests.reading.shapes import commands
from tests.reading.shapes.shape import Shape

TOKEN = token(language="pt", visual_number="1", group_id="G1", energy_contract={"supplier_name": "Sol"})
MAKE: dict[str, Any] = {
    "START_SESSION": lambda emsp: start(emsp, token=TOKEN, connector_id="1", authorization_reference="A1"),
    "RESERVE_NOW": lambda emsp: reserve(emsp, token=TOKEN, evse_uid="E1", expiry_date=T0),
    "UNLOCK_CONNECTOR": unlock,
}
SHAPES = {
    "START_SESSION": commands.starts(TOKEN),
    "RESERVE_NOW": commands.reservations(),
    "UNLOCK_CONNECTOR": commands.unlocks(),
}
ALL = [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
READ = [pytest.param(name, shape, id=f"{name} {shape.odd}") for name, shape in ALL if not shape.refused]
REFUSED = [pytest.param(name, shape, id=f"{name} {shape.odd}") for name, shape in ALL if shape.refused]


@pytest.fixture
def network(networks: Networks) -> Network:  # noqa: F811
    """A CPO with a location, and an eMSP that has the location as well."""
    network = networks("emsp", "cpo")
    keep_location(network["cpo"], "L1", "", evse())
    keep_location(network["emsp"], "L1", "cpo", evse())
    add_webhook(network["cpo"])
    return network


@pytest.mark.parametrize("name", MAKE)
def test_a_valid_command_is_stored_as_it_came(network: Network, name: str) -> None:
    document = MAKE[name](network["emsp"])

    assert codes(post(network["cpo"], network["emsp"], name, document)) == (200, 1000, "ACCEPTED")
    assert read_json(network["cpo"].the_command().body) == document


@pytest.mark.parametrize(("name", "shape"), READ)
def test_an_odd_command_is_accepted_and_stored_in_its_canonical_form(
    network: Network, name: str, shape: Shape
) -> None:
    valid = MAKE[name](network["emsp"])

    answer = post(network["cpo"], network["emsp"], name, shape.request(valid))

    assert codes(answer) == (200, 1000, "ACCEPTED"), answer.json
    assert read_json(network["cpo"].the_command().body) == shape.canonical(valid)


@pytest.mark.parametrize(("name", "shape"), REFUSED)
def test_a_command_that_would_have_to_be_guessed_is_refused_by_its_field(
    network: Network, name: str, shape: Shape
) -> None:
    valid = MAKE[name](network["emsp"])

    answer = post(network["cpo"], network["emsp"], name, shape.request(valid))

    assert answer.json["status_code"] == 2001
    assert answer.json["status_message"].startswith(f"{shape.refused}:"), answer.json
    assert not network["cpo"].commands()


@pytest.mark.parametrize(
    ("document", "message"), commands.RESULTS.values(), ids=[f"result {odd}" for odd in commands.RESULTS]
)
def test_an_odd_result_ends_the_command(network: Network, document: Any, message: Any) -> None:
    """Source: CMD-06, BR-15 of the cases from the field"""
    emsp, cpo = network["emsp"], network["cpo"]
    sent = send_start(emsp)

    answer = emsp.call(cpo, "POST", f"/sender/commands/START_SESSION/{sent['id']}", document)

    assert (answer.status, answer.json["status_code"]) == (200, 1000), answer.json
    shown = show(COMMAND, emsp.the_command())
    assert (shown["state"], shown["result"]["result"]) == ("COMPLETED", "ACCEPTED")
    assert shown["result"].get("message") == message


def test_a_result_that_cannot_be_read_is_refused(network: Network) -> None:
    emsp, cpo = network["emsp"], network["cpo"]
    sent = send_start(emsp)

    answer = emsp.call(cpo, "POST", f"/sender/commands/START_SESSION/{sent['id']}", {"result": 7})

    assert answer.json["status_code"] == 2001
    assert answer.json["status_message"].startswith("result:")
    assert emsp.the_command().state == "PENDING"
