"""A partner of the nodes that can be made to fail: an OCPI server and client written from the specification.

It keeps pushes by the rules of an OCPI receiver (`certification/copies.py`) and records the time of each
arrival. Its port stays its own: a partner that was stopped comes back at the same URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from certification.ocpi import Party, discover
from certification.probe_partner import ProbePartner, ProbeReply, Received
from certification.refuted import Refuted
from certification.web import Unreachable, Web, below
from infra.chaos.arrivals import Arrivals
from infra.chaos.ledger import Item
from infra.chaos.partner_faults import PartnerFault, Raw
from infra.chaos.partner_server import PartnerServer

MODULES = {
    "CPO": {
        *(("locations", "SENDER"), ("tariffs", "SENDER"), ("sessions", "SENDER")),
        *(("tokens", "RECEIVER"), ("cdrs", "RECEIVER")),
    },
    "EMSP": {
        *(("locations", "RECEIVER"), ("tariffs", "RECEIVER"), ("sessions", "RECEIVER")),
        *(("cdrs", "RECEIVER"), ("tokens", "SENDER")),
    },
}


class Sent(Enum):
    """Result of a change that was sent to a node."""

    ACCEPTED = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    """Not answered, or with a fault: send it again."""


class ChaosPartner:
    """One partner, from `start` to `stop`."""

    def __init__(self, name: str, role: str, party: Party, web: Web) -> None:
        self.name = name
        self.role = role
        self.party = party
        self.arrivals = Arrivals()
        self.fault: PartnerFault | None = None
        self._web = web
        self._server: PartnerServer | None = None
        self._port = 0
        self._start_listening()
        url = f"http://127.0.0.1:{self._port}"
        self.ocpi = ProbePartner(web, url, name, role, *party, MODULES[role])

    def register(self, versions_url: str, token: str) -> None:
        """Register at a node that invited this partner. Raises: Refuted, Unreachable."""
        reply = self.ocpi.post_credentials(discover(self._web, versions_url, token), token)
        if not reply.is_success:
            raise Refuted(f"{reply}: {self.name} registers")

    def send(self, method: str, module: str, ids: tuple[str, ...], body: object, to: Party) -> Sent:
        """Push an own object to the node."""
        url = below(self.ocpi.registered_details().url(module, "RECEIVER"), *self.party, *ids)
        try:
            reply = self.ocpi.caller(to).call(method, url, body)
        except (Refuted, Unreachable):
            return Sent.UNKNOWN
        if reply.is_success:
            return Sent.ACCEPTED
        return Sent.REFUSED if 2000 <= reply.status_code < 3000 else Sent.UNKNOWN

    @property
    def is_up(self) -> bool:
        """Tell whether it listens."""
        return self._server is not None

    def held(self, item: Item) -> Mapping[str, Any] | None:
        """Return the partner's present copy of an item."""
        found = self.ocpi.copies.get(item.module, Party(*item[1:3]), item.id)
        if found is None or not item.child:
            return found
        return next((evse for evse in found.get("evses") or [] if evse["uid"] == item.child), None)

    def die(self) -> None:
        """Close the port, and every connection."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def come_back(self) -> None:
        """Listen again. Raises: OSError when another process took the port meanwhile."""
        if self._server is None:
            self._start_listening()

    def stop(self) -> None:
        """End for good."""
        self.die()

    def answer(self, received: Received) -> Raw | ProbeReply:
        """Answer a node's request."""
        raw = self.fault(received) if self.fault else None
        if raw is None:
            return self._take(received)
        if raw.takes:
            self._take(received)
        return raw

    def _take(self, received: Received) -> ProbeReply:
        reply = self.ocpi.answer(received)
        if received.segments[:1] == ("receiver",) and received.method != "GET" and reply.status_code == 1000:
            self.arrivals.take(received.method, received.segments[1], received.segments[2:], received.body)
        return reply

    def _start_listening(self) -> None:
        self._server = PartnerServer(self.answer, self._port)
        self._port = self._server.port
