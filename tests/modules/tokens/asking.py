"""Stand-in for the node's client: partners answer authorization requests as a test defines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from chalicelib.calls.answers import Answer, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.node import Node
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.message import Routing
from tests.modules.builders import token

UNREACHABLE = PartnerFault("does not accept connections", never_sent=True)
SILENT = PartnerFault("did not answer in time", timed_out=True)
BROKEN = PartnerFault("answered HTTP 500 without an OCPI envelope", http_status=500)
UNKNOWN = PartnerRefusal("answered 2004 with HTTP 404", http_status=404, status_code=2004)
TOO_LITTLE = PartnerRefusal("answered 2002 with HTTP 200", http_status=200, status_code=2002)


class Asked(NamedTuple):
    """One request that a partner received."""

    partner_id: str
    method: str
    module: str
    role: str
    segments: tuple[str, ...]
    query: dict[str, Any]
    document: Any
    routing: Routing
    correlation_id: str | None
    request_id: str | None


class Answering:
    """Partners that answer. answers: by partner id, the data, Answer or exception of that partner."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def send(
        self,
        partner: Partner,
        module: str,
        role: str,
        path_segments: Sequence[str],
        exchange: Exchange,
        query: dict[str, Any],
    ) -> Answer:
        self.asked.append(
            Asked(
                partner.id,
                exchange.method,
                module,
                role,
                tuple(path_segments),
                query,
                exchange.document,
                exchange.routing,
                exchange.correlation_id,
                exchange.request_id,
            )
        )
        self.meanwhile()
        configured = self.answers.get(partner.id, allowed())
        if isinstance(configured, Exception):
            raise configured
        return configured if isinstance(configured, Answer) else answer(configured)


def answer(data: Any, http_status: int = 200, status_code: int = 1000) -> Answer:
    read = None if data is None else read_json(write_json(data))
    return Answer(http_status, status_code, None, read, {}, timedelta())


def allowed(**fields: Any) -> Document:
    """An AuthorizationInfo."""
    return {"allowed": "ALLOWED", "token": token(), "authorization_reference": "ref-1", **fields}


def asking(node: Node) -> tuple[Node, Answering]:
    """Return the node with partners that answer."""
    partners = Answering()
    return replace(node, client=partners), partners  # type: ignore[arg-type]


def offering(node: Node, partner: Partner, **fields: Any) -> Partner:
    """Save the partner with a SENDER endpoint of tokens."""
    endpoint = Endpoint(identifier="tokens", role="SENDER", url=f"https://{partner.id}.example/tokens")
    return node.directory.save(partner.model_copy(update={"endpoints": (endpoint,), **fields}), partner)
