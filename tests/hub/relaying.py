"""A hub and its clients, each with all endpoints at one server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from chalicelib.node import Node
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.message import Party
from chalicelib.routes import Interface
from tests.calls.answering import AnsweringPartner, reply
from tests.harness.partner_api import CPO, EMSP, Answer, PartnerApi
from tests.harness.partners import register

NUMBERS = itertools.count(1)
OTHER_EMSP = Party("NL", "EMS")
ELSEWHERE = Party("DE", "XXX")
MODULES = ("locations", "tariffs", "tokens", "sessions")
BOTH = [(module, role) for module in MODULES for role in ("SENDER", "RECEIVER")]


class Hub:
    """A hub and its clients, each with all endpoints at one server."""

    def __init__(self, node: Node, there: AnsweringPartner) -> None:
        self.node, self.there = node, there
        self.cpo = self.client("cpo", ("CPO", CPO))
        self.emsp = self.client("emsp", ("EMSP", EMSP))

    def client(self, name: str, *roles: tuple[str, Party], **fields: Any) -> Partner:
        partner = register(self.node, name, *roles)
        endpoints = tuple(
            Endpoint(identifier=module, role=role, url=self.there.url(f"/{name}/{role.lower()}/{module}"))
            for module, role in BOTH
        )
        token = self.node.directory.seal(f"hub-at-{name}")
        return self.change(partner, **{"endpoints": endpoints, "outbound_token": token, **fields})

    def change(self, partner: Partner, **fields: Any) -> Partner:
        return self.node.directory.save(partner.model_copy(update=fields), partner)

    def interface(self, interface: Interface, caller: Partner | None = None) -> PartnerApi:
        return PartnerApi(
            self.node, interface, caller or (self.emsp if interface.role == "SENDER" else self.cpo)
        )

    def put_tariff(self, owner: Party = CPO, to: Party = EMSP, **options: Any) -> Answer:
        return self.interface(tariffs_receiver.INTERFACE).call(
            "PUT", *owner, "T1", to=to, **{"document": {}, **options}
        )

    def list_locations(self, query: str = "", **options: Any) -> Answer:
        return self.interface(locations_sender.INTERFACE).call("GET", query=query, **{"to": CPO, **options})


def answering(
    document: object = None, http_status: int = 200, headers: Mapping[str, str] | None = None
) -> Callable[..., None]:
    return lambda handler, _: reply(handler, document, http_status=http_status, headers=headers)


def parties(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower().removeprefix("ocpi-"): value for name, value in headers.items()}
    return {side: f"{named[f'{side}-country-code']}/{named[f'{side}-party-id']}" for side in ("from", "to")}
