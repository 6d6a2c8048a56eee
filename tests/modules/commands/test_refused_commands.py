"""Tests of commands that a CPO refuses.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; TRP-12, TRP-23
"""

from __future__ import annotations

import pytest

from chalicelib.modules.commands import receiver
from chalicelib.modules.commands.objects import COMMANDS
from chalicelib.protocol.json_text import Document, write_json
from chalicelib.protocol.message import Request
from tests.flows import wrong
from tests.harness.partners import make_strict
from tests.modules.builders import connector, evse, without
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import Member, Network, keep_location, response_url, start, token
from tests.modules.commands.receiving import SEVERAL, codes, post, reserve, unlock
from tests.modules.commands.receiving import network as network


def test_only_an_emsp_or_a_hub_sends_commands(networks: Networks) -> None:
    """Source: OCPI 2.2.1 mod_commands, Sender Interface"""
    network = networks("hub", "cpo")
    keep_location(network["cpo"])
    for caller, taker in (("hub", "cpo"), ("cpo", "hub")):
        document = unlock(network[caller])
        answer = post(network[taker], network[caller], "UNLOCK_CONNECTOR", document)
        expected = (200, 1000, "ACCEPTED") if caller == "hub" else (200, 2000, "REJECTED")
        assert codes(answer) == expected
    assert not network["hub"].commands()


def test_a_long_body_is_parsed_only_after_authentication(cpo: Member, emsp: Member) -> None:
    document = start(emsp, x_note="x" * 64 * 1024)
    request = Request(
        method="POST",
        path={"command": "START_SESSION"},
        query={},
        headers={"content-type": "application/json"},
        body=write_json(document),
        request_id="r1",
        correlation_id="c1",
        base_url="",
        url="",
    )
    (route,) = receiver.INTERFACE.routes

    assert route.keys is not None and not route.keys(cpo.node, request)
    assert codes(post(cpo, emsp, "START_SESSION", document)) == (200, 1000, "ACCEPTED")


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        ("START_SESSION", {"location_id": "L9"}, "location_id"),
        ("START_SESSION", {"evse_uid": "E9"}, "evse_uid"),
        ("START_SESSION", {"evse_uid": "E3"}, "evse_uid"),
        ("START_SESSION", {"connector_id": "9"}, "connector_id"),
        ("RESERVE_NOW", {"location_id": "L9"}, "location_id"),
        ("UNLOCK_CONNECTOR", {"evse_uid": "E9"}, "evse_uid"),
        ("UNLOCK_CONNECTOR", {"connector_id": "9"}, "connector_id"),
    ],
)
def test_an_unknown_location_evse_or_connector_is_2003_and_rejected(
    network: Network, cpo: Member, emsp: Member, name: str, fields: Document, field: str
) -> None:
    """Source: CMD-07, TRP-12"""
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock}[name]

    answer = post(cpo, emsp, name, make(emsp, **fields))

    assert codes(answer) == (200, 2003, "REJECTED")
    assert field in answer.json["status_message"]
    assert not cpo.commands()


def test_a_connector_id_without_an_evse_uid_is_2001(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    answer = post(cpo, emsp, "START_SESSION", without(start(emsp, connector_id="1"), "evse_uid"))

    assert codes(answer) == (200, 2001, None)
    assert "connector_id" in answer.json["status_message"]


def test_an_evse_may_require_a_connector_id(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    keep_location(cpo, "L1", "", evse("E2", connectors=[connector("1"), connector("2")], **SEVERAL))
    without_one = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"))
    with_one = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2", connector_id="1"))

    assert codes(without_one) == (200, 2001, None)
    assert codes(with_one) == (200, 1000, "ACCEPTED")


def test_the_only_connector_of_an_evse_is_meant(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    assert codes(post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"))) == (200, 1000, "ACCEPTED")


def test_a_strict_partner_has_to_name_the_only_connector(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    for partner in cpo.node.directory.all():
        make_strict(cpo.node, partner)

    assert codes(post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"))) == (200, 2001, None)


def test_a_start_of_2_2_is_for_the_only_connector(cpo: Member, emsp: Member) -> None:
    """Source: V22-12"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"), version="2.2")

    assert codes(answer) == (200, 1000, "ACCEPTED")
    assert cpo.the_command().document()["connector_id"] == "1"


def test_a_start_of_2_2_is_rejected_if_an_evse_requires_one_of_several_connectors(
    cpo: Member, emsp: Member
) -> None:
    """Source: V22-12"""
    keep_location(cpo, "L1", "", evse("E2", connectors=[connector("1"), connector("2")], **SEVERAL))

    answer = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"), version="2.2")

    assert codes(answer) == (200, 2001, "REJECTED")


def test_a_token_of_another_emsp_is_refused(cpo: Member, emsp: Member) -> None:
    """Source: CMD-12"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp, token=token(party_id="XYZ")))

    assert codes(answer) == (200, 2001, "REJECTED")
    assert "token.party_id" in answer.json["status_message"]


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/result",
        "https://169.254.169.254/latest",
        "http://emsp.example/result",
        "https://other.example/result",
        "https://localhost/result",
        "https://user@emsp.example/",
    ],
)
def test_a_response_url_that_is_not_the_caller_s_is_refused(cpo: Member, emsp: Member, url: str) -> None:
    """Source: TRP-23"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp, response_url=url))

    assert codes(answer) == (200, 2001, None)
    assert "response_url" in answer.json["status_message"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("START_SESSION", {"token": {}}),
        ("START_SESSION", {"location_id": "x" * 5000}),
        ("START_SESSION", {"location_id": {"id": 1}}),
        ("START_SESSION", {"response_url": None}),
        ("UNLOCK_CONNECTOR", {"evse_uid": None}),
        ("RESERVE_NOW", {"expiry_date": "tomorrow"}),
        ("RESERVE_NOW", {"reservation_id": ""}),
    ],
)
def test_a_body_that_does_not_fit_its_command_is_2001(
    cpo: Member, emsp: Member, name: str, document: Document
) -> None:
    """Source: CMD-02"""
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock}[name]

    answer = post(cpo, emsp, name, {**make(emsp), **document})

    assert codes(answer) == (200, 2001, None)
    assert next(iter(document)) in answer.json["status_message"]


@pytest.mark.parametrize("body", ["[]", "null", "1"])
def test_a_body_that_is_no_object_is_2001(cpo: Member, emsp: Member, body: str) -> None:
    assert codes(post(cpo, emsp, "STOP_SESSION", body)) == (200, 2001, None)


@pytest.mark.parametrize("name", COMMANDS)
def test_invalid_json_and_hostile_bodies_are_refused(cpo: Member, emsp: Member, name: str) -> None:
    """Source: STA-01"""
    for body in (*wrong.NOT_JSON.values(), *wrong.HOSTILE.values()):
        text = body.decode("utf-8", "surrogateescape")
        assert codes(post(cpo, emsp, name, text)) in [(400, 2001, None), (200, 2001, None)]
    assert not cpo.commands()


def test_an_unknown_command_is_404_and_another_method_405(cpo: Member, emsp: Member) -> None:
    """Source: CMD-01"""
    assert codes(post(cpo, emsp, "EXPLODE", {})) == (404, 2001, None)
    assert codes(post(cpo, emsp, "start_session", start(emsp))) == (404, 2001, None)
    assert codes(cpo.call(emsp, "GET", "/receiver/commands/START_SESSION", None)) == (405, 2001, None)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("START_SESSION", "REMOTE_START_STOP_CAPABLE"),
        ("RESERVE_NOW", "RESERVABLE"),
        ("UNLOCK_CONNECTOR", "UNLOCK_CAPABLE"),
    ],
)
@pytest.mark.parametrize(
    ("listed", "result"), [(None, "ACCEPTED"), ([], "ACCEPTED"), (["RFID_READER"], "NOT_SUPPORTED")]
)
def test_an_evse_that_lists_other_capabilities_alone_does_not_support_a_command(
    cpo: Member, emsp: Member, name: str, needed: str, listed: list[str] | None, result: str
) -> None:
    """Source: CMD-04; without a list nothing is known, so it is tried"""
    of = {} if listed is None else {"capabilities": listed}
    able = {"capabilities": [*(listed or []), needed]}
    keep_location(cpo, "L7", "", evse(**of), evse("E2", **able))
    place = {"location_id": "L7", "evse_uid": "E1"}
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock}[name]

    assert codes(post(cpo, emsp, name, make(emsp, **place))) == (200, 1000, result)

    other = make(emsp, **{**place, "evse_uid": "E2"}, response_url=response_url(emsp, name, "other"))
    assert codes(post(cpo, emsp, name, other)) == (200, 1000, "ACCEPTED")
