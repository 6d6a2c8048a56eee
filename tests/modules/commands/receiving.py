"""Commands that a partner sends to a CPO."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.json_text import Document
from chalicelib.versions.supported import CANONICAL
from tests.harness.nodes import Answer
from tests.modules.builders import evse
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import Member, Network, add_webhook, keep_location, response_url, token

SEVERAL = {"capabilities": ["START_SESSION_CONNECTOR_REQUIRED"]}


@pytest.fixture
def network(networks: Networks) -> Network:
    """A CPO with a location and a CSMS, and two eMSPs."""
    network = networks("emsp", "cpo", "other")
    keep_location(network["cpo"], "L1", "", evse(), evse("E2", **SEVERAL), evse("E3", status="REMOVED"))
    add_webhook(network["cpo"])
    return network


def post(
    cpo: Member, caller: Member, name: str, document: Any, *, version: str = CANONICAL, **headers: str
) -> Answer:
    return cpo.call(caller, "POST", f"/receiver/commands/{name}", document, version=version, **headers)


def codes(answer: Answer) -> tuple[int, int, str | None]:
    """HTTP status, OCPI status code, result."""
    data = answer.json.get("data") or {}
    return answer.status, answer.json["status_code"], data.get("result")


def unlock(caller: Member, **fields: Any) -> Document:
    ids = {"location_id": "L1", "evse_uid": "E1", "connector_id": "1"}
    return {"response_url": response_url(caller, "UNLOCK_CONNECTOR"), **ids, **fields}


def reserve(caller: Member, **fields: Any) -> Document:
    return {
        "response_url": response_url(caller, "RESERVE_NOW", fields.pop("response_id", "1")),
        "token": token(),
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": "R1",
        "location_id": "L1",
        **fields,
    }


def stop(caller: Member, session_id: str = "S1", response_id: str = "1") -> Document:
    return {"response_url": response_url(caller, "STOP_SESSION", response_id), "session_id": session_id}


def cancel(caller: Member, reservation_id: str = "R1") -> Document:
    url = response_url(caller, "CANCEL_RESERVATION")
    return {"response_url": url, "reservation_id": reservation_id}
