"""One program as a partner of one node: it registers, sends its objects, and reads the node's lists.

The connection is ours: the runner's (`certification/probe.py`), and of 2.1.1 `partner_2_1_1.py`. The
objects are the program's: its models make them, its JSON is what is sent, and its models read what the node
answers. No request has routing headers, since none of the programs sends them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from certification.ocpi import Party, Reply, authorization, discover, read_reply
from certification.probe import Probe
from certification.probe_partner import ProbePartner
from certification.refuted import Refuted
from certification.spoken import speak, spoken_version
from certification.web import Web, below, with_query
from infra.interop.environments import Environment
from infra.interop.partner_2_1_1 import FlatPartner
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
SITE, CONTRACT = "INTEROP", "PT-EVI-C1"
_LISTED = 20


class Connection(Protocol):
    """A registered partner of a node, played by us."""

    @property
    def party(self) -> Party: ...

    @property
    def url(self) -> str: ...

    def endpoint(self, module: str, interface: str) -> str:
        """The node's URL of an interface."""

    def call(self, method: str, url: str, body: object = None) -> Reply:
        """Send a request to the node."""

    def leave(self) -> object:
        """End the registration."""


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
        "contract_id": CONTRACT,
        "issuer": "Evia",
        "valid": True,
        "whitelist": "NEVER",
    }
    sandbox.door(EMSP).put("tokens", SITE, body=token)


def session_of(party: Party) -> dict[str, Any]:
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
    """Return the values of the examples that depend on the two parties, by field name or path.

    In 2.1.1 a session names a contract only: that of the node's token, or the one of the program's own.
    """
    emsp = party if role == "EMSP" else Party(EMSP.country_code, EMSP.party_id)
    of_emsp = {"country_code": emsp.country_code, "party_id": emsp.party_id}
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        **{f"{part}.{name}": value for part in ("cdr_token", "token") for name, value in of_emsp.items()},
        **({"location_id": SITE} if role == "EMSP" else {}),
        **({"auth_id": CONTRACT} if role == "CPO" else {}),
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
        speak(environment.ocpi)
        connect = self._connect_flat if environment.ocpi == "2.1.1" else self._connect
        try:
            with connect(party) as connection:
                if (self._result.role, self._result.node) == ("EMSP", CPO.name):
                    self._door.put("sessions", f"{SITE}-{party.party_id}", body=session_of(party))
                self._send(connection, environment)
                self._read(connection, environment)
                connection.leave()
        except Refuted as refuted:
            self._result.notes.append(f"not registered: {refuted}")
        return self._result

    @contextmanager
    def _connect(self, party: Party) -> Iterator[Connection]:
        # `discover` reads version details by the letter.
        partner = self._probe.new_partner(self._result.role, OFFERS[self._result.role], party)
        invitation = self._invite(partner.name, credentials_listed_once=True)
        details = discover(self._web, invitation["versions_url"], invitation["token"])
        reply = partner.post_credentials(details, invitation["token"])
        if not reply.is_success:
            raise Refuted(str(reply))
        yield _Routed(partner, self._web)

    @contextmanager
    def _connect_flat(self, party: Party) -> Iterator[Connection]:
        role = self._result.role
        modules = ["credentials", *(module for module, _ in OFFERS[role])]
        with FlatPartner(self._web, role, modules, party) as partner:
            invitation = self._invite(partner.name, role=role)
            partner.register(invitation["versions_url"], invitation["token"])
            yield partner

    def _invite(self, name: str, **settings: object) -> dict[str, Any]:
        answer = self._door.post(
            "partners", "invitations", body={"name": name, "only_version": spoken_version(), **settings}
        )
        assert isinstance(answer, dict)
        return answer

    def _send(self, connection: Connection, environment: Environment) -> None:
        role, node = self._result.role, self._result.node
        context = context_of(role, connection.party, f"{connection.url}/sender/commands/1")
        for example in environment.examples(context):
            module, variant = example["module"], example["variant"]
            if module not in SENDS[role, node]:
                continue
            reason = (
                f"its own model: {example['error']}"
                if "error" in example
                else _refusal(connection, module, json.loads(example["body"]))
            )
            self._result.count(module, variant, reason)

    def _read(self, connection: Connection, environment: Environment) -> None:
        documents = list(_listed(connection, READS[self._result.role], self._result.notes))
        for document, error in zip(documents, environment.read(documents), strict=True):
            if error is None:
                self._result.read += 1
            else:
                self._result.unreadable.append(f"{document['module']}: {error}")


class _Routed:
    """The runner's partner as a connection. Its caller is not used, because it changes words for 2.3.0."""

    def __init__(self, partner: ProbePartner, web: Web) -> None:
        self._partner, self._web = partner, web
        self.party, self.url = partner.party, partner.url

    def endpoint(self, module: str, interface: str) -> str:
        return self._partner.registered_details().url(module, interface)

    def call(self, method: str, url: str, body: object = None) -> Reply:
        headers = {"Authorization": authorization(self._partner.registered_token())}
        answer = self._web.send(method, url, headers, body)
        document = answer.json()
        data = document.get("data") if isinstance(document, dict) else None
        return replace(read_reply(answer), data=data)

    def leave(self) -> Reply:
        return self._partner.delete_credentials()


def _refusal(connection: Connection, module: str, document: Mapping[str, Any]) -> str | None:
    """Send an object or a command; returns the node's reason, None when it was taken."""
    reply = connection.call(*_target(connection, module, document), document)
    result = reply.data.get("result") if isinstance(reply.data, dict) else None
    if reply.is_success and result in (None, "ACCEPTED"):
        return None
    return " ".join(str(part) for part in (reply.status_code, result, reply.status_message) if part)


def _target(connection: Connection, module: str, document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the method and the URL of an object or a command."""
    if module.isupper():
        return "POST", below(connection.endpoint("commands", "RECEIVER"), module)
    url = connection.endpoint(module, "RECEIVER")
    if module == "cdrs":
        return "POST", url
    name = document.get("uid" if module == "tokens" else "id") or "WITHOUT-ID"
    url = below(url, *connection.party, name)
    is_typed = module == "tokens" and spoken_version() != "2.1.1"
    return "PUT", with_query(url, {"type": document["type"]} if is_typed else {})


def _listed(connection: Connection, modules: tuple[str, ...], notes: list[str]) -> Iterator[dict[str, Any]]:
    """List the first objects of the node. notes: gets the modules whose list was refused."""
    for module in modules:
        url = with_query(connection.endpoint(module, "SENDER"), {"limit": _LISTED})
        reply = connection.call("GET", url)
        if not reply.is_success or not isinstance(reply.data, list):
            notes.append(f"GET {module}: {reply.status_code} {reply.status_message}")
            continue
        yield from ({"module": module, "document": item} for item in reply.data)
