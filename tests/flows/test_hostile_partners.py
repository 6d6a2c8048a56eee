"""Attacks by partners: false claims in credentials, and requests in another party's name, over HTTP.

Each partner follows the specification and uses what a partner controls: its credentials, its routing headers
and the bodies of its requests. None of the attacks may have an effect.
Chapters: OCPI 2.2.1 credentials, message routing; CRD-25, RTE-32, OWN-01, TRN-28, CMD-12.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest

from tests.flows.conftest import Guests, name_of
from tests.third_party.connection import Connection, routing
from tests.third_party.objects import EARLY, LATER, Object, Party, connector, evse, location, role, tariff
from tests.third_party.operator_door import Node
from tests.third_party.waiting import eventually

TEN, ELEVEN = "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"
SINCE = {"date_from": "2020-01-01T00:00:00Z"}


def card(owner: Party, uid: str, **fields: object) -> Object:
    return {
        **owner._asdict(),
        "uid": uid,
        "type": "RFID",
        "contract_id": "C1",
        "issuer": "A third party",
        "valid": True,
        "whitelist": "ALWAYS",
        "last_updated": EARLY,
        **fields,
    }


def new_uid() -> str:
    return f"card-{uuid.uuid4().hex[:12]}"


def claim(line: Connection, *more: tuple[str, Party]) -> None:
    """PUT credentials with more roles: answered with success, but the new roles stay inactive."""
    line.partner.roles = [*line.partner.roles, *(role(name, party) for name, party in more)]
    assert line.rotate().codes == (200, 1000)


def give(line: Connection, document: Object, **options: Any) -> tuple[int, int]:
    """PUT a token."""
    owner = (document["country_code"], document["party_id"], document["uid"])
    return line.push("PUT", "tokens", owner, document, **options).codes


def session(owner: Party, driver: Party, session_id: str, **fields: object) -> Object:
    return {
        **owner._asdict(),
        "id": session_id,
        "start_date_time": TEN,
        "kwh": 0,
        "cdr_token": {**driver._asdict(), "uid": "RFID1", "type": "RFID", "contract_id": "C1"},
        "auth_method": "WHITELIST",
        "location_id": "SITE",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": EARLY,
        **fields,
    }


def known(node: Node, line: Connection) -> Object:
    partner = node.partner(name_of(line.partner))
    assert partner
    return partner


def ids(line: Connection, module: str, **query: object) -> set[str]:
    return {found.get("id") or found["uid"] for found in line.pull(module, **query)}


@pytest.fixture
def victim(hub: Node, guests: Guests) -> Connection:
    """An eMSP at the hub, with a driver who charges at a CPO of the hub."""
    victim, charging = guests.join("EMSP", hub), guests.join("CPO", hub)
    running = session(charging.partner.party, victim.partner.party, "PRIVATE")
    assert charging.put("sessions", running).codes == (201, 1000)
    assert "PRIVATE" in ids(victim, "sessions", **SINCE)
    return victim


def test_no_partner_can_read_the_sessions_of_an_emsp_that_left(
    hub: Node, guests: Guests, victim: Connection
) -> None:
    """Tried by a partner that adds the eMSP's role, and by a new partner that registers as the eMSP."""
    party = victim.partner.party
    attacker = guests.join("EMSP", hub)
    assert victim.unregister().codes == (200, 1000)

    claim(attacker, ("EMSP", party))

    assert ids(attacker, "sessions", **SINCE) == set()
    shown = known(hub, attacker)
    assert [entry["party_id"] for entry in shown["roles"]] == [attacker.partner.party.party_id]
    assert [entry["party_id"] for entry in shown["pending_roles"]] == [party.party_id]

    impostor = guests.partner("EMSP")
    impostor.roles = [role("EMSP", party)]
    line = guests.connect(impostor, hub)
    headers = routing(party, hub.party)
    assert line.page("sessions", SINCE, headers=headers).status_code == 2000


def test_a_claimed_cpo_role_shows_no_tokens(hub: Node, guests: Guests) -> None:
    """Tokens are shown to CPOs: a role that its claim alone activated would show all tokens."""
    owner, attacker = guests.join("EMSP", hub), guests.join("EMSP", hub)
    uid = new_uid()
    assert give(owner, card(owner.partner.party, uid)) == (201, 1000)

    claim(attacker, ("CPO", Party("PT", attacker.partner.party.party_id)))

    assert ids(attacker, "tokens") == set()
    approved = known(hub, attacker)["id"]
    hub.ask("POST", "partners", approved, "roles", "approve", document={})
    assert uid in ids(attacker, "tokens")


@pytest.mark.parametrize("becomes", ["HUB", "EMSP"])
def test_no_partner_can_overwrite_the_token_of_another(cpo: Node, guests: Guests, becomes: str) -> None:
    owner, attacker = guests.join("EMSP", cpo), guests.join("EMSP", cpo)
    uid, party = new_uid(), owner.partner.party
    document = card(party, uid)
    assert give(owner, document) == (201, 1000)

    attacker.partner.roles = [role(becomes, attacker.partner.party)]
    assert attacker.rotate().codes == (200, 1000)
    forged = card(party, uid, valid=False, last_updated=LATER)

    assert give(attacker, forged)[1] >= 2000
    assert give(attacker, forged, headers=routing(party, cpo.party))[1] >= 2000
    assert cpo.ask("GET", "tokens", uid)["valid"] is True


def test_a_forged_token_authorizes_no_driver(cpo: Node, guests: Guests) -> None:
    """The token belongs to an eMSP that the attacker has invented."""
    attacker = guests.join("EMSP", cpo)
    invented, uid = guests.partner("EMSP").party, new_uid()

    claim(attacker, ("EMSP", invented))

    assert give(attacker, card(invented, uid)) == (404, 2001)
    assert give(attacker, card(invented, uid), headers=routing(invented, cpo.party)) == (200, 2001)
    answer = cpo.call("POST", "tokens", uid, "authorize", document={})
    assert answer.http_status >= 400 or answer.document["allowed"] != "ALLOWED"


@pytest.mark.parametrize("in_headers", [False, True])
@pytest.mark.parametrize("as_role", ["EMSP", "HUB"])
def test_no_partner_can_start_a_session_in_the_name_of_another(
    cpo: Node, guests: Guests, as_role: str, in_headers: bool
) -> None:
    """Tried by an eMSP, and by a hub that the operator has approved."""
    owner, attacker = guests.join("EMSP", cpo), guests.join(as_role, cpo)
    uid, party = new_uid(), owner.partner.party
    command = {
        "response_url": f"{attacker.partner.versions_url}/results/{uid}",
        "token": card(party, uid),
        "location_id": cpo.all("locations")[0]["id"],
    }
    headers = routing(party if in_headers else attacker.partner.party, cpo.party)

    answer = attacker.push("POST", "commands", ("START_SESSION",), command, headers=headers)

    assert answer.status_code == 2001
    assert (answer.envelope.get("data") or {"result": "REJECTED"})["result"] == "REJECTED"
    assert uid not in str(cpo.ask("GET", "commands", query="?limit=100"))


def test_a_cpo_cannot_prevent_the_cdr_of_the_hub(hub: Node, guests: Guests) -> None:
    """The CPO posts a CDR under the id that the hub would use, which a CPO can compute."""
    charging, driver = guests.join("CPO", hub), guests.join("EMSP", hub)
    party = charging.partner.party
    priced = evse("E1", connectors=[connector("1", tariff_ids=["T1"])])
    assert charging.put("tariffs", tariff(party, "T1")).codes == (201, 1000)
    assert charging.put("locations", location(party, "SITE", evses=[priced])).codes == (201, 1000)
    running = session(party, driver.partner.party, "BILLED")
    assert charging.put("sessions", running).codes == (201, 1000)
    guessed = ("*".join(hub.party), f"sessions#{'*'.join(party)}#BILLED", "1")
    digest = hashlib.sha256("\x1f".join(guessed).encode()).hexdigest()
    blocking = cdr(running, f"CDR-{digest[:32].upper()}")
    assert charging.push("POST", "cdrs", (), blocking).codes == (200, 1000)

    ended = {
        **running,
        "status": "COMPLETED",
        "kwh": 5,
        "end_date_time": ELEVEN,
        "charging_periods": [
            {"start_date_time": TEN, "dimensions": [{"type": "ENERGY", "volume": 5}]},
        ],
        "last_updated": LATER,
    }
    assert charging.put("sessions", ended).codes == (200, 1000)

    bill = eventually(lambda: driver.pull("cdrs"), within=60)[0]
    assert bill["session_id"] == "BILLED"
    assert bill["id"] != blocking["id"]
    again = charging.push("POST", "cdrs", (), {**blocking, "id": bill["id"]})
    assert again.codes == (200, 2001)


def cdr(running: Object, cdr_id: str) -> Object:
    copied = {
        name: running[name] for name in ("country_code", "party_id", "cdr_token", "auth_method", "currency")
    }
    place = location(Party("PT", "XXX"), "SITE")
    return {
        **copied,
        "id": cdr_id,
        "session_id": running["id"],
        "start_date_time": TEN,
        "end_date_time": ELEVEN,
        "cdr_location": {
            **{name: place[name] for name in ("id", "address", "city", "country", "coordinates")},
            "evse_uid": "E1",
            "evse_id": "PT*XXX*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "charging_periods": [{"start_date_time": TEN, "dimensions": [{"type": "ENERGY", "volume": 5}]}],
        "total_cost": {"excl_vat": 1},
        "total_energy": 5,
        "total_time": 1,
        "last_updated": LATER,
    }


def test_a_claimed_hub_role_is_inactive_until_the_operator_approves_it(emsp: Node, guests: Guests) -> None:
    """Until then it can call versions and credentials only; other answers name the reason."""
    partner = guests.partner("HUB")
    line = partner.register(*guests.invitation(partner, emsp, hub=False))
    behind = guests.partner("CPO").party
    pushed = tariff(behind, "T1")
    headers = routing(behind, emsp.party)

    refused = line.put("tariffs", pushed, headers=headers)
    assert refused.codes == (200, 2000)
    assert "approval" in refused.envelope["status_message"]
    assert line.credentials("GET").codes == (200, 1000)

    emsp.ask("POST", "partners", known(emsp, line)["id"], "roles", "approve", document={})
    assert line.put("tariffs", pushed, headers=headers).codes == (201, 1000)


def test_a_hub_cannot_change_objects_from_another_hub_until_they_are_released(
    emsp: Node, guests: Guests
) -> None:
    """The operator has approved both hubs; the CPO behind them is no partner."""
    first, second = guests.join("HUB", emsp), guests.join("HUB", emsp)
    behind = guests.partner("CPO").party
    headers = routing(behind, emsp.party)
    assert first.put("tariffs", tariff(behind, "T1"), headers=headers).codes == (201, 1000)
    changed = tariff(behind, "T1", currency="USD", last_updated=LATER)

    assert second.put("tariffs", changed, headers=headers).codes == (404, 2001)
    assert second.push("DELETE", "tariffs", (*behind, "T1"), headers=headers).codes == (404, 2001)

    moves = {"roles": [{**behind._asdict(), "role": "CPO"}]}
    emsp.ask("POST", "partners", known(emsp, first)["id"], "release", document=moves)
    assert second.put("tariffs", changed, headers=headers).codes == (200, 1000)
    assert first.put("tariffs", changed, headers=headers).codes == (404, 2001)
