"""Tests of the simulated CSMS at the three nodes of a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib.protocol.json_text import Document
from cli.operator_client import OperatorClient
from infra.local.drivers import DRIVERS, seed_tokens
from infra.local.sandbox import CPO, EMSP, HUB, Sandbox
from tests.infra.polling import eventually


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed_sites=2, csms_speed=120) as running:
        eventually(lambda: list(running.door(CPO).all("webhooks")))
        eventually(lambda: running.door(EMSP).count("locations") == 2)
        yield running


def test_the_secret_is_kept_for_this_user_only(sandbox: Sandbox) -> None:
    file = sandbox.state_dir / "csms.json"

    assert json.loads(file.read_text())["secret"].startswith("whsec_")
    assert file.stat().st_mode & 0o077 == 0


def test_the_drivers_tokens_reach_the_cpo_once(sandbox: Sandbox) -> None:
    cpo, emsp = sandbox.door(CPO), sandbox.door(EMSP)
    wanted = {(driver.uid, driver.type) for driver in DRIVERS}
    eventually(lambda: {(each["uid"], each["type"]) for each in cpo.all("tokens")} >= wanted)
    before = list(emsp.all("tokens"))

    seed_tokens(emsp)

    assert list(emsp.all("tokens")) == before


def test_a_simulated_driver_charges_and_all_three_nodes_see_it(sandbox: Sandbox) -> None:
    """The session has a cost, although the CSMS sends none. Source: SES-14"""
    doors = [sandbox.door(player) for player in (CPO, HUB, EMSP)]

    def has_ended(session: Document) -> bool:
        cost = session.get("total_cost", {"excl_vat": 0})["excl_vat"]
        return bool(session["status"] == "COMPLETED" and session["kwh"] > 0 and cost > 0)

    def ended() -> bool:
        return all(any(has_ended(each) for each in door.all("sessions")) for door in doors)

    assert eventually(ended, seconds=120)


def test_a_remote_start_and_stop_are_executed(sandbox: Sandbox) -> None:
    emsp = sandbox.door(EMSP)
    location_id, evse = eventually(lambda: _free(emsp))
    token = {"uid": DRIVERS[3].uid, "type": DRIVERS[3].type}

    started = emsp.post(
        "commands",
        "START_SESSION",
        body={"location_id": location_id, "evse_uid": evse["uid"], "token": token},
    )
    reference = started["request"]["authorization_reference"]
    assert eventually(lambda: _result(emsp, started)) == "ACCEPTED"
    session = eventually(lambda: _session(emsp, reference, "ACTIVE"))
    assert (session["location_id"], session["evse_uid"]) == (location_id, evse["uid"])
    stopped = emsp.post("commands", "STOP_SESSION", body={"session_id": session["id"]})

    assert eventually(lambda: _result(emsp, stopped)) == "ACCEPTED"
    assert eventually(lambda: _session(emsp, reference, "COMPLETED"))


def _free(emsp: OperatorClient) -> tuple[str, Document] | None:
    for location in emsp.all("locations"):
        for evse in location["evses"]:
            if evse["status"] == "AVAILABLE":
                return location["id"], evse
    return None


def _result(door: OperatorClient, command: Document) -> str | None:
    result = door.get("commands", command["id"]).get("result")
    return str(result["result"]) if result else None


def _session(door: OperatorClient, reference: str, status: str) -> Document | None:
    for session in door.all("sessions"):
        if session.get("authorization_reference") == reference and session["status"] == status:
            return dict(session)
    return None
