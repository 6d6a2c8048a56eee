"""A node with partners and a site, and its sessions from their start to their CDR."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chalicelib.modules.cdrs import compiler, session_changes
from chalicelib.modules.sessions.own_sessions import put_own_session
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.visibility import list_partitions, partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.pagination import PageQuery
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.modules import builders
from tests.modules.builders import T2, T3, component, connector, element, evse
from tests.modules.sessions.builders import cdr_token, session
from tests.pushing.pushing import OWN, World, partner

CPO = OWN["CPO"]
EVI, XYZ = Party("PT", "EVI"), Party("PT", "XYZ")

MAX_POWER = {"type": "MAX_POWER", "volume": 7}
MODULES = ("tariffs", "locations", "sessions", "cdrs")


class Network:
    """A node with partners and a site with a tariff; `stream` delivers the table's stream."""

    def __init__(self, role: str) -> None:
        self.world = World(role)
        self.world.clock.moment = parse_datetime(T3)
        self.node = self.world.node
        self.source = "" if role == "CPO" else "abc"

    def join(self, partner_id: str, *roles: str, **fields: Any) -> Partner:
        endpoints = tuple(
            Endpoint(identifier=module, role="RECEIVER", url=f"https://{partner_id}.example/{module}")
            for module in MODULES
        )
        return self.world.join(partner(roles, partner_id, endpoints=endpoints, **fields))

    def open_site(self, price: str = "0.25", **fields: Any) -> None:
        components = component(price=Decimal(price)), component("FLAT", price=1)
        own = builders.tariff(elements=[element(*components)])
        document = {
            name: value for name, value in own.items() if name not in ("country_code", "party_id", "id")
        }
        self.world.put_tariff("T1", source=self.source, **document)
        site = builders.location(evses=None, name="Old name", **fields)
        site.pop("evses")
        children = [evse(connectors=[connector(tariff_ids=["T1"])])]
        self.world.put_location("L1", evses=0, source=self.source, **site)
        ref = Ref("locations", *CPO, "L1")
        self.world.put_evse(
            ref, "E1", source=self.source, **{k: v for k, v in children[0].items() if k != "uid"}
        )

    def put(self, session_id: str = "S1", **fields: Any) -> None:
        """Write a session as the CSMS does, or, at a hub, as the CPO's push does."""
        self.world.clock.forward(1)
        written = {"kwh": Decimal("10"), "cdr_token": cdr_token(EVI), **fields}
        document = session(CPO, **{**written, "id": session_id})
        document["last_updated"] = format_datetime(self.world.clock())
        if not self.source:
            put_own_session(self.node, CPO, session_id, document)
            return
        partition = partition_for_viewer("sessions", None, emsp_of(document["cdr_token"]))
        write = Write(JsonText(write_json(document)), document["last_updated"])
        ref = Ref("sessions", *CPO, session_id)
        self.node.objects.change(ref, lambda _: write, partition=partition, source=self.source)

    def end(self, session_id: str = "S1", **fields: Any) -> None:
        self.put(session_id, status="COMPLETED", end_date_time=T2, **fields)

    def stream(self) -> None:
        session_changes.note_sessions(self.node, list(self.world.dynamodb.stream))
        self.world.stream()

    def compile(self) -> None:
        self.stream()
        compiler.run(self.node)
        self.world.settle()

    def cdrs(self) -> list[Document]:
        """List all CDRs of this node, oldest first, without copies for the CPO."""
        lists = [name for name in remembered_lists(self.node.table, "cdrs") if not name.endswith("#CPO")]
        page = self.node.objects.page(lists, PageQuery(limit=100))
        return [read_json(str(body)) for body in page.bodies]

    def sent(self, partner_id: str) -> list[Document]:
        return [each.document for each in self.world.partners.to(partner_id) if each.module == "cdrs"]

    def shown(self, partner_: Partner) -> list[str]:
        lists = list_partitions(self.node, "cdrs", partner_)
        return [read_json(str(body))["id"] for body in self.node.objects.page(lists, PageQuery()).bodies]
