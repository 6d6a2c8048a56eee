"""Commands from an eMSP through the hub to a charge point, and their results back, over HTTP.

These tests kill the hub, so they start three nodes of their own. The test itself is the CSMS: it fetches the
pending commands from the CPO's operator API. Chapters: OCPI 2.2.1 mod_commands_flow; CMD-03 .. CMD-06,
CMD-16 .. CMD-18, RTE-33. Plan: 5.1, 5.2.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from infra.local.sandbox import HUB, Sandbox
from tests.flows.conftest import ROLES, Guests, expect_quiet_logs
from tests.third_party import faults
from tests.third_party.connection import Connection, routing
from tests.third_party.objects import EARLY, Object
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.server import Received, Reply
from tests.third_party.waiting import eventually
from tests.third_party.wire import Answer

AT_MOST_S = 3.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed_sites=2) as sandbox:
        yield sandbox
        described = sandbox.describe()
        logs = {file.name: file.read_text() for file in (sandbox.state_dir / "logs").iterdir()}
    expect_quiet_logs(logs, {described[role]["operator_key"] for role in ROLES})


@pytest.fixture(scope="module")
def nodes(sandbox: Sandbox) -> dict[str, Node]:
    described = sandbox.describe()
    return {role: Node.read(role, described[role]) for role in ROLES}


@pytest.fixture
def place(cpo: Node) -> Object:
    """A connector of the CPO."""
    location = cpo.all("locations")[0]
    evse = location["evses"][0]
    return {
        "location_id": location["id"],
        "evse_uid": evse["uid"],
        "connector_id": evse["connectors"][0]["id"],
    }


def new_uid() -> str:
    return f"APP-{uuid.uuid4().hex[:12]}"


def fetch(cpo: Node, uid: str, *, state: str = "PENDING") -> Object:
    """Fetch the command for one driver, as the CSMS does."""

    def look() -> Object | None:
        found = cpo.ask("GET", "commands", query=f"?state={state}&limit=100")
        return next((one for one in found if one["request"].get("token", {}).get("uid") == uid), None)

    return eventually(look)


def give_result(cpo: Node, uid: str, result: str) -> str:
    """Post a result, as the CSMS does; returns the command's id at the CPO."""
    command_id: str = fetch(cpo, uid)["id"]
    cpo.ask("POST", "commands", command_id, "result", document={"result": result})
    return command_id


def wait_until_posted(node: Node, command_id: str) -> Object:
    def look() -> Object | None:
        result: Object = node.ask("GET", "commands", command_id)["result"]
        return result if result["posted"] == "SENT" else None

    return eventually(look, within=40)


def test_a_remote_start_has_its_result_within_three_seconds(cpo: Node, emsp: Node, place: Object) -> None:
    """The CSMS has no webhook and fetches. Source: CMD-16"""
    uid = new_uid()
    token = {"type": "APP_USER", "contract_id": "C1", "issuer": "Evia", "valid": True, "whitelist": "NEVER"}
    emsp.ask("PUT", "tokens", uid, document=token, query="?type=APP_USER")
    eventually(lambda: emsp.call("GET", "locations", place["location_id"]).http_status == 200)
    document = {"token": {"uid": uid, "type": "APP_USER"}, **place}

    started = time.monotonic()
    sent = emsp.ask("POST", "commands", "START_SESSION", document=document)
    give_result(cpo, uid, "ACCEPTED")
    arrived = eventually(partial(ended, emsp, sent["id"]))
    took_s = time.monotonic() - started

    assert (sent["state"], sent["response"]["result"]) == ("PENDING", "ACCEPTED")
    assert (arrived["state"], arrived["result"]["result"]) == ("COMPLETED", "ACCEPTED")
    assert took_s < AT_MOST_S


def ended(node: Node, command_id: str) -> Object | None:
    command: Object = node.ask("GET", "commands", command_id)
    return command if "result" in command else None


# -- an eMSP that counts the results -------------------------------------------------------------------


class Driver:
    """A third party's eMSP at the hub, and the results posted to each of its response_urls."""

    def __init__(self, guests: Guests, hub: Node, cpo: Node) -> None:
        partner = guests.partner("EMSP")
        partner.paths["commands", "SENDER"] = "/results/come/here"
        partner.faults["commands"] = self._take
        self.line: Connection = guests.connect(partner, hub)
        self.partner = partner
        self._cpo = cpo
        self.failures = 0

    def start(self, uid: str, place: Object) -> Answer:
        """Send START_SESSION for a driver; the driver's uid is the last segment of the response_url."""
        party = self.partner.party
        token = {
            "country_code": party.country_code,
            "party_id": party.party_id,
            "uid": uid,
            "type": "APP_USER",
            "contract_id": "C1",
            "issuer": "A third party",
            "valid": True,
            "whitelist": "NEVER",
            "last_updated": EARLY,
        }
        document = {
            "response_url": f"{self.partner.url('commands', 'SENDER')}/{uid}",
            "token": token,
            **place,
        }
        url = self.line.url("commands", "RECEIVER", "START_SESSION")
        return self.line.call("POST", url, document, routed=True, headers=routing(party, self._cpo.party))

    def results(self, uid: str) -> list[Any]:
        return [
            got.document
            for got in self.partner.received
            if (got.module, got.method, got.segments) == ("commands", "POST", (uid,))
        ]

    def wait_for_result(self, uid: str, count: int = 1) -> list[Any]:
        eventually(lambda: len(self.results(uid)) >= count, within=40, what=f"{count} posts for {uid}")
        return self.results(uid)

    def _take(self, partner: Partner, received: Received) -> Reply:
        if self.failures:
            self.failures -= 1
            return faults.answer_500(partner, received)
        return partner.reply(received)


@pytest.fixture
def driver(guests: Guests, hub: Node, cpo: Node) -> Driver:
    return Driver(guests, hub, cpo)


def test_a_hub_killed_during_a_command_relays_one_result_after_its_restart(
    sandbox: Sandbox, driver: Driver, cpo: Node, hub: Node, place: Object
) -> None:
    """The hub is killed between the command and its result. Source: CMD-05, CMD-18, RTE-33"""
    uid = new_uid()
    assert driver.start(uid, place).data["result"] == "ACCEPTED"

    sandbox.node(HUB).kill()
    command_id = give_result(cpo, uid, "ACCEPTED")
    eventually(lambda: cpo.ask("GET", "commands", command_id)["result"]["tries"] >= 1, what="a try in vain")
    sandbox.start_node(HUB)

    assert driver.wait_for_result(uid) == [{"result": "ACCEPTED"}]
    wait_until_posted(cpo, command_id)
    wait_until_posted(hub, fetch(hub, uid, state="COMPLETED")["id"])
    assert driver.results(uid) == [{"result": "ACCEPTED"}]


def test_a_result_is_posted_again_when_the_response_url_fails(
    driver: Driver, cpo: Node, hub: Node, place: Object
) -> None:
    """The URL answers 500 first, then 200. Source: CMD-06, TRP-10"""
    uid = new_uid()
    driver.start(uid, place)
    driver.failures = 1

    give_result(cpo, uid, "FAILED")

    assert driver.wait_for_result(uid, count=2) == [{"result": "FAILED"}] * 2
    posted = wait_until_posted(hub, fetch(hub, uid, state="COMPLETED")["id"])
    assert (posted["tries"], len(driver.results(uid))) == (2, 2)


def test_two_parallel_starts_on_one_evse_each_get_their_own_result(
    driver: Driver, cpo: Node, place: Object
) -> None:
    """Source: CMD-05, CMD-18"""
    uids = [new_uid(), new_uid()]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda uid: driver.start(uid, place), uids))
    assert [answer.data["result"] for answer in answers] == ["ACCEPTED", "ACCEPTED"]

    for uid, result in zip(uids, ("ACCEPTED", "EVSE_OCCUPIED"), strict=True):
        give_result(cpo, uid, result)

    assert [driver.wait_for_result(uid) for uid in uids] == [
        [{"result": "ACCEPTED"}],
        [{"result": "EVSE_OCCUPIED"}],
    ]
