"""One program as a partner of one node: it registers, sends its objects, and reads the node's lists.

The connection is the runner's own (`certification/probe.py`). The objects are the program's: its models make
them, its JSON is what is sent, and its models read what the node answers. No request has routing headers,
since none of the programs sends them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from certification.ocpi import Party, discover
from certification.probe import Probe
from certification.probe_partner import ProbePartner
from certification.refuted import Refuted
from certification.web import Web, below, with_query
from infra.interop.environments import Environment
from infra.local.sandbox import CPO, EMSP, Player, Sandbox

SENDS = {
    ("CPO", "emsp"): ("locations", "tariffs", "sessions", "cdrs"),
    ("CPO", "hub"): ("locations", "tariffs", "sessions", "cdrs"),
    ("EMSP", "cpo"): ("tokens", "START_SESSION", "RESERVE_NOW"),
    ("EMSP", "hub"): ("tokens",),
}
"""The modules and commands that a program sends, by its role and the node."""

READS = {"CPO": ("tokens",), "EMSP": ("locations", "tariffs", "sessions", "cdrs")}
OFFERS = {
    "CPO": (("locations", "SENDER"), ("tariffs", "SENDER"), ("tokens", "RECEIVER"), ("commands", "RECEIVER")),
    "EMSP": (("tokens", "SENDER"), ("locations", "RECEIVER"), ("commands", "SENDER")),
}
SITE = "INTEROP"
_LISTED = 20


@dataclass
class Result:
    """Result of one program in one role at one node.

    refusals: what was refused, with the reason. read: how many objects of the node the program reads.
    unreadable: its errors about the others. notes: what happened besides.
    """

    role: str
    node: str
    offered: int = 0
    taken: int = 0
    refusals: list[str] = field(default_factory=list)
    read: int = 0
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, module: str, variant: str, reason: str | None) -> None:
        """Count an object that was offered. reason: why it was refused, None if it was taken."""
        self.offered += 1
        if reason is None:
            self.taken += 1
        else:
            self.refusals.append(f"{module} ({variant}): {reason}")


def open_site(sandbox: Sandbox) -> None:
    """Give the CPO a location whose two EVSEs can be started and reserved, and the eMSP a token."""
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": "2026-03-01T12:00:00Z",
    }
    evse = {
        "status": "AVAILABLE",
        "capabilities": ["REMOTE_START_STOP_CAPABLE", "RESERVABLE"],
        "connectors": [connector],
        "last_updated": "2026-03-01T12:00:00Z",
    }
    location = {
        "publish": True,
        "address": "Rua do Salitre 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.72000", "longitude": "-9.15000"},
        "time_zone": "Europe/Lisbon",
        "evses": [{**evse, "uid": "E1"}, {**evse, "uid": "E2"}],
    }
    sandbox.door(CPO).put("locations", SITE, body=location)
    token = {
        "type": "RFID",
        "contract_id": "PT-EVI-C1",
        "issuer": "Evia",
        "valid": True,
        "whitelist": "NEVER",
    }
    sandbox.door(EMSP).put("tokens", SITE, body=token)


def _session_of(party: Party) -> dict[str, Any]:
    """A session of the CPO with a token of this eMSP."""
    owner = {"country_code": party.country_code, "party_id": party.party_id}
    return {
        "status": "ACTIVE",
        "start_date_time": "2026-03-01T12:00:00Z",
        "kwh": 1.5,
        "currency": "EUR",
        "cdr_token": {**owner, "uid": "U1", "type": "RFID", "contract_id": "PT-IOP-C1"},
        "auth_method": "WHITELIST",
        "location_id": SITE,
        "evse_uid": "E1",
        "connector_id": "1",
    }


def context_of(role: str, party: Party, response_url: str) -> dict[str, str]:
    """Return the values of the examples that depend on the two parties, by field name or path."""
    emsp = party if role == "EMSP" else Party(EMSP.country_code, EMSP.party_id)
    of_emsp = {"country_code": emsp.country_code, "party_id": emsp.party_id}
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        **{f"{part}.{name}": value for part in ("cdr_token", "token") for name, value in of_emsp.items()},
        **({"location_id": SITE} if role == "EMSP" else {}),
        "response_url": response_url,
    }


class Exchange:
    """One program in one role at one node."""

    def __init__(self, sandbox: Sandbox, player: Player, probe: Probe, web: Web, role: str) -> None:
        self._door = sandbox.door(player)
        self._probe = probe
        self._web = web
        self._result = Result(role, player.name)

    def run(self, environment: Environment, party: Party) -> Result:
        """Register as this party, send, read, and leave."""
        role = self._result.role
        partner = self._probe.new_partner(role, OFFERS[role], party)
        try:
            self._register(partner)
        except Refuted as refuted:
            self._result.notes.append(f"not registered: {refuted}")
            return self._result
        try:
            if (role, self._result.node) == ("EMSP", CPO.name):
                self._door.put("sessions", f"{SITE}-{party.party_id}", body=_session_of(party))
            self._send(partner, environment)
            self._read(partner, environment)
        finally:
            partner.delete_credentials()
        return self._result

    def _register(self, partner: ProbePartner) -> None:
        # `discover` reads version details by the letter.
        body = {"name": partner.name, "credentials_listed_once": True}
        invitation = self._door.post("partners", "invitations", body=body)
        details = discover(self._web, invitation["versions_url"], invitation["token"])
        reply = partner.post_credentials(details, invitation["token"])
        if not reply.is_success:
            raise Refuted(str(reply))

    def _send(self, partner: ProbePartner, environment: Environment) -> None:
        role, node = self._result.role, self._result.node
        context = context_of(role, partner.party, f"{partner.url}/sender/commands/1")
        for example in environment.examples(context):
            module, variant = example["module"], example["variant"]
            if module not in SENDS[role, node]:
                continue
            reason = (
                f"its own model: {example['error']}"
                if "error" in example
                else _refusal(partner, module, json.loads(example["body"]))
            )
            self._result.count(module, variant, reason)

    def _read(self, partner: ProbePartner, environment: Environment) -> None:
        documents = list(_listed(partner, READS[self._result.role], self._result.notes))
        for document, error in zip(documents, environment.read(documents), strict=True):
            if error is None:
                self._result.read += 1
            else:
                self._result.unreadable.append(f"{document['module']}: {error}")


def _refusal(partner: ProbePartner, module: str, document: Mapping[str, Any]) -> str | None:
    """Send an object or a command; returns the node's reason, None when it was taken."""
    reply = partner.caller().call(*_target(partner, module, document), document)
    result = reply.data.get("result") if isinstance(reply.data, dict) else None
    if reply.is_success and result in (None, "ACCEPTED"):
        return None
    return " ".join(str(part) for part in (reply.status_code, result, reply.status_message) if part)


def _target(partner: ProbePartner, module: str, document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the method and the URL of an object or a command."""
    details = partner.registered_details()
    if module.isupper():
        return "POST", below(details.url("commands", "RECEIVER"), module)
    url = details.url(module, "RECEIVER")
    if module == "cdrs":
        return "POST", url
    name = document["uid" if module == "tokens" else "id"]
    url = below(url, *partner.party, name)
    return "PUT", with_query(url, {"type": document["type"]} if module == "tokens" else {})


def _listed(partner: ProbePartner, modules: tuple[str, ...], notes: list[str]) -> Iterator[dict[str, Any]]:
    """List the first objects of the node. notes: gets the modules whose list was refused."""
    for module in modules:
        url = with_query(partner.registered_details().url(module, "SENDER"), {"limit": _LISTED})
        reply = partner.caller().call("GET", url)
        if not reply.is_success or not isinstance(reply.data, list):
            notes.append(f"GET {module}: {reply.status_code} {reply.status_message}")
            continue
        yield from ({"module": module, "document": item} for item in reply.data)
