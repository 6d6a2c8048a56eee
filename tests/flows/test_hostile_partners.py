"""A partner that claims what it is not, and one that acts as another, over real wires.

Each partner is written from the specification and does what a partner can do: it writes its own credentials,
its own routing headers, and whatever it likes into a body. What it gets for it is nothing.
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
    """PUT credentials with roles more: answered like any other, and of no effect."""
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
    """An eMSP at the hub, a driver of which charges at a CPO there."""
    victim, charging = guests.join("EMSP", hub), guests.join("CPO", hub)
    running = session(charging.partner.party, victim.partner.party, "PRIVATE")
    assert charging.put("sessions", running).codes == (201, 1000)
    assert "PRIVATE" in ids(victim, "sessions", **SINCE)
    return victim


def test_nobody_reads_the_sessions_of_an_emsp_that_left(
    hub: Node, guests: Guests, victim: Connection
) -> None:
    """Neither who adds its role to its own, nor who registers anew as it."""
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


def test_an_invented_cpo_role_shows_no_tokens(hub: Node, guests: Guests) -> None:
    """Tokens are for CPOs: who becomes one by its own word would read every card."""
    owner, attacker = guests.join("EMSP", hub), guests.join("EMSP", hub)
    uid = new_uid()
    assert give(owner, card(owner.partner.party, uid)) == (201, 1000)

    claim(attacker, ("CPO", Party("PT", attacker.partner.party.party_id)))

    assert ids(attacker, "tokens") == set()
    approved = known(hub, attacker)["id"]
    hub.ask("POST", "partners", approved, "roles", "approve", document={})
    assert uid in ids(attacker, "tokens")


@pytest.mark.parametrize("becomes", ["HUB", "EMSP"])
def test_nobody_overwrites_the_card_of_another(cpo: Node, guests: Guests, becomes: str) -> None:
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


def test_a_forged_card_lets_nobody_charge(cpo: Node, guests: Guests) -> None:
    """Of an eMSP that its maker has invented."""
    attacker = guests.join("EMSP", cpo)
    invented, uid = guests.partner("EMSP").party, new_uid()

    claim(attacker, ("EMSP", invented))

    assert give(attacker, card(invented, uid)) == (404, 2001)
    assert give(attacker, card(invented, uid), headers=routing(invented, cpo.party)) == (200, 2001)
    answer = cpo.call("POST", "tokens", uid, "authorize", document={})
    assert answer.http_status >= 400 or answer.document["allowed"] != "ALLOWED"


@pytest.mark.parametrize("in_headers", [False, True])
@pytest.mark.parametrize("as_role", ["EMSP", "HUB"])
def test_nobody_starts_a_charge_in_the_name_of_another(
    cpo: Node, guests: Guests, as_role: str, in_headers: bool
) -> None:
    """Neither an eMSP nor a hub that the operator has let in as one."""
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


def test_a_cpo_cannot_keep_the_hubs_bill_from_being_made(hub: Node, guests: Guests) -> None:
    """By a CDR under the id that follows from what the CPO knows."""
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
    told = {
        name: running[name] for name in ("country_code", "party_id", "cdr_token", "auth_method", "currency")
    }
    place = location(Party("PT", "XXX"), "SITE")
    return {
        **told,
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


def test_a_hub_is_one_only_on_the_operators_word(emsp: Node, guests: Guests) -> None:
    """Until then it may call versions and credentials, and is told why not the rest."""
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


def test_a_hub_changes_nothing_that_came_from_another_until_it_is_released(
    emsp: Node, guests: Guests
) -> None:
    """Two hubs, both of which the operator knows as hubs, and a CPO behind them that is no partner."""
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
