"""Tests of requests at a hub for another party: they are passed on, or refused.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-27
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.message import Reply
from chalicelib.routes import Interface, Route
from tests.harness.account import aws
from tests.harness.nodes import CONFIGURATION, Host, make_network


def answer(call: Any) -> Reply:
    return Reply(data="handled here")


INTERFACES = (
    Interface("sessions", "SENDER", (Route("PUT", "/{session_id}", answer),), relay=False),
    Interface("sessions", "RECEIVER", (Route("PUT", "/{session_id}", answer),), relay=False),
    Interface("tariffs", "SENDER", (Route("GET", "/{tariff_id}", answer),)),
)
FROM = {"OCPI_from_country_code": "PT", "OCPI_from_party_id": "EVI"}
TO_NOBODY = {**FROM, "OCPI_to_country_code": "ES", "OCPI_to_party_id": "XXX"}


@pytest.fixture(scope="module")
def network() -> Iterator[dict[str, Host]]:
    with aws() as account:
        hosts = make_network(account, (*CONFIGURATION, *INTERFACES), hub="HUB", emsp="EMSP")
        _, token = called_side.invite(hosts["hub"].node, PartnerSettings(name="emsp"))
        calling_side.register(
            hosts["emsp"].node,
            PartnerSettings(name="hub"),
            "https://hub.example/ocpi/versions",
            token,
            "https://emsp.example/ocpi",
        )
        yield hosts


def ask(network: dict[str, Host], method: str, path: str, **headers: str) -> Any:
    emsp = network["emsp"].node
    (hub,) = emsp.directory.all()
    return network["hub"].call(method, f"/ocpi/2.2.1{path}", emsp.directory.token_for(hub), **headers).json


def test_a_sender_interface_that_passes_requests_on_ignores_an_unknown_receiver(
    network: dict[str, Host],
) -> None:
    """For example a command's result: the hub finds the receiver without OCPI-to."""
    answered = ask(network, "PUT", "/sender/sessions/S1", **TO_NOBODY)

    assert (answered["status_code"], answered["data"]) == (1000, "handled here")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/receiver/sessions/S1"), ("GET", "/sender/tariffs/T1")]
)
def test_other_requests_for_an_unknown_receiver_are_refused(
    network: dict[str, Host], method: str, path: str
) -> None:
    """RTE-27"""
    answered = ask(network, method, path, **TO_NOBODY)

    assert answered["status_code"] == 4001
    assert "ES/XXX" in answered["status_message"]


def test_a_request_without_a_receiver_is_handled_by_the_hub(network: dict[str, Host]) -> None:
    assert ask(network, "PUT", "/receiver/sessions/S1", **FROM)["data"] == "handled here"
