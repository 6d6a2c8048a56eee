"""Reconciliation of the hub's CDR and the CPO's own CDR of a session: in the operator API and in a webhook.

Both nodes price the session from the data that they have, so a difference in the data makes a difference in
the price: here, the meaning of a price of time, set by a profile. These tests change the nodes' settings for
each other, so they start three nodes of their own.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-22
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from chalicelib.protocol.json_text import read_json
from infra.local.sandbox import Sandbox
from tests.flows.conftest import ROLES, expect_quiet_logs
from tests.third_party.objects import Object, connector, evse, location, tariff
from tests.third_party.operator_door import Node, plain
from tests.third_party.waiting import eventually

START, END = "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z"
WITHIN_S = 60
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Node]]:
    with Sandbox(app="tests.flows.quick_timers:app") as sandbox:
        described = sandbox.describe()
        yield {role: Node.read(role, described[role]) for role in ROLES}
        logs = {file.name: file.read_text() for file in (sandbox.state_dir / "logs").iterdir()}
    expect_quiet_logs(logs, {described[role]["operator_key"] for role in ROLES})


@pytest.fixture(scope="module")
def books(nodes: dict[str, Node]) -> Iterator[Books]:
    books = Books()
    wanted = {"url": f"http://127.0.0.1:{books.port}/events", "events": ["reconciliation"]}
    books.secret = nodes["cpo"].ask("PUT", "webhooks", "books", document=wanted)["secret"]
    yield books
    books.stop()


@pytest.fixture(scope="module", autouse=True)
def site(nodes: dict[str, Node]) -> None:
    """A connector with a tariff for time; the hub has it too."""
    cpo, hub = nodes["cpo"], nodes["hub"]
    components = [
        {"type": "TIME", "price": Decimal("0.05"), "step_size": 1},
        {"type": "ENERGY", "price": Decimal("0.30"), "step_size": 1},
    ]
    own = tariff(cpo.party, "TIMED", elements=[{"price_components": components}])
    cpo.ask("PUT", "tariffs", "TIMED", document=plain(own))
    priced = evse("E1", connectors=[connector("1", tariff_ids=["TIMED"])])
    cpo.ask("PUT", "locations", "SITE", document=plain(location(cpo.party, "SITE", evses=[priced])))
    eventually(lambda: hub.call("GET", "tariffs", "TIMED").http_status == 200)
    eventually(lambda: hub.call("GET", "locations", "SITE").http_status == 200)


class Books:
    """The operator's system behind a webhook: accepts calls with a valid signature, and counts the others."""

    def __init__(self) -> None:
        self.secret = ""
        self.events: dict[str, Object] = {}
        self.refused = 0
        books = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    Webhook(books.secret).verify(body, dict(self.headers.items()))
                    books.events[self.headers["webhook-id"]] = read_json(body)
                    self.send_response(204)
                except Exception:
                    books.refused += 1
                    self.send_response(401)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, session_id: str) -> list[Object]:
        return [event for event in self.events.values() if event["data"]["session_id"] == session_id]


def end_session(cpo: Node, emsp: Node, session_id: str, kwh: str = "10") -> str:
    """Write a session that has ended; its driver is a customer of the eMSP behind the hub."""
    token = {
        "country_code": emsp.party.country_code,
        "party_id": emsp.party.party_id,
        "uid": "RFID1",
        "type": "RFID",
        "contract_id": "C1",
    }
    document = {
        "start_date_time": START,
        "end_date_time": END,
        "kwh": Decimal(kwh),
        "cdr_token": token,
        "auth_method": "WHITELIST",
        "location_id": "SITE",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "COMPLETED",
    }
    cpo.ask("PUT", "sessions", session_id, document=document)
    return session_id


def found(cpo: Node, session_id: str, state: str) -> Object | None:
    answer = cpo.call("GET", "reconciliation", session_id)
    return answer.document if answer.http_status == 200 and answer.document["state"] == state else None


def wait_for(cpo: Node, session_id: str, state: str) -> Object:
    return eventually(partial(found, cpo, session_id, state), within=WITHIN_S) or {}


@contextmanager
def profile(node: Node, of: Node, name: str) -> Iterator[None]:
    """Add a profile to a node's partner for the time of the `with` block."""
    (known,) = [
        each for each in node.partners() if of.party.party_id in {r["party_id"] for r in each["roles"]}
    ]
    node.ask("PATCH", "partners", known["id"], document={"profiles": [*known["profiles"], name]})
    try:
        yield
    finally:
        node.ask("PATCH", "partners", known["id"], document={"profiles": known["profiles"]})


def test_cdrs_with_the_same_price_agree_also_after_a_correction(cpo: Node, emsp: Node, books: Books) -> None:
    session_id = end_session(cpo, emsp, f"AGREED-{next(NUMBERS)}")

    first = wait_for(cpo, session_id, "AGREED")
    end_session(cpo, emsp, session_id, kwh="8")

    def corrected() -> Object | None:
        entry = found(cpo, session_id, "AGREED")
        return entry if entry and entry["own_cdr_id"] and entry["own_cdr_id"] != first["own_cdr_id"] else None

    second = eventually(corrected, within=WITHIN_S)
    assert second is not None
    own, hubs = (cpo.ask("GET", "cdrs", second[name]) for name in ("own_cdr_id", "hub_cdr_id"))
    assert own["id"] != hubs["id"]
    assert own["total_cost"] == hubs["total_cost"] == {"excl_vat": Decimal("2.5")}
    assert second["differences"] == []
    assert [entry["session_id"] for entry in cpo.all("reconciliation")] == []
    assert books.of(session_id) == []


def test_a_difference_of_prices_is_shown_and_sent_to_the_webhook(
    cpo: Node, hub: Node, emsp: Node, books: Books
) -> None:
    """The CPO's profile of its hub has prices per minute; the hub prices per hour, as OCPI defines it."""
    with profile(cpo, hub, "time_prices_per_minute"):
        session_id = end_session(cpo, emsp, f"DIFFERENT-{next(NUMBERS)}")
        entry = wait_for(cpo, session_id, "DIFFERENT")

    differences = {each["field"]: (each["ours"], each["theirs"]) for each in entry["differences"]}
    assert differences == {
        "total_cost.excl_vat": (9, Decimal("3.1")),
        "total_time_cost.excl_vat": (6, Decimal("0.1")),
    }
    assert session_id in {each["session_id"] for each in cpo.all("reconciliation")}
    (event,) = eventually(lambda: books.of(session_id), within=WITHIN_S)
    assert event["type"] == "reconciliation"
    assert event["data"] == {name: value for name, value in entry.items() if name != "age_s"}
    assert books.refused == 0
    own, hubs = (cpo.ask("GET", "cdrs", entry[name]) for name in ("own_cdr_id", "hub_cdr_id"))
    assert own["tariffs"][0]["elements"] == hubs["tariffs"][0]["elements"]
    breakdown = cpo.ask("GET", "cdrs", entry["own_cdr_id"], "breakdown")["breakdown"]
    assert {line["dimension"]: line["unit"] for line in breakdown["lines"]} == {
        "TIME": "min",
        "ENERGY": "kWh",
    }


def test_a_missing_cdr_of_the_hub_is_shown_as_pending(cpo: Node, hub: Node, emsp: Node, books: Books) -> None:
    """The hub has the profile `cpo_makes_cdr` for the CPO and makes no CDR, but the CPO waits for one."""
    with profile(hub, cpo, "cpo_makes_cdr"):
        session_id = end_session(cpo, emsp, f"PENDING-{next(NUMBERS)}")
        entry = wait_for(cpo, session_id, "PENDING")

    assert (entry["hub_cdr_id"], entry["differences"]) == (None, [])
    assert entry["own_cdr_id"] in {cdr["id"] for cdr in cpo.all("cdrs")}
    assert entry["age_s"] >= 0
    assert books.of(session_id) == []
