"""The probe: a small OCPI server of the runner, on which it plays partners of the nodes under test.

Some rows of the plan are visible to a partner only: that an old token is answered with 401, the sender of a
broadcast, what a node fetches during a handshake. So the runner plays those partners. They register at a node
like any other partner and record every request that reaches them. One server serves them all, each party
below a path of its own.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from certification.ocpi import Party
from certification.probe_partner import ProbePartner, ProbeReply, Received
from certification.web import Web

NAME = "certification probe"
COUNTRY_CODE = "PT"
IN_PARTY_ID = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Probe:
    """Serves the runner's partners.

    listen: address and port to bind; port 0 is any free one. public_url: URL at which the nodes reach the
    server, when it differs from the bound address.
    """

    def __init__(
        self, web: Web, listen: tuple[str, int] = ("127.0.0.1", 0), public_url: str | None = None
    ) -> None:
        self._web = web
        self._partners: dict[str, ProbePartner] = {}
        self._server = ThreadingHTTPServer(listen, _handler(self._partners))
        self._server.daemon_threads = True
        host, port = self._server.server_address[:2]
        self.local_url = f"http://{host if isinstance(host, str) else host.decode()}:{port}"
        self.public_url = (public_url or self.local_url).rstrip("/")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def new_partner(
        self, role: str, modules: Iterable[tuple[str, str]], party: Party | None = None
    ) -> ProbePartner:
        """Make up a party that plays `role` and offers `modules`, pairs of identifier and interface role.

        party: None for a random party id, so that a party left behind by an interrupted run does not collide
        with it.
        """
        key = secrets.token_hex(8)
        party = party or Party(COUNTRY_CODE, "Z" + "".join(secrets.choice(IN_PARTY_ID) for _ in range(2)))
        partner = ProbePartner(
            web=self._web,
            url=f"{self.public_url}/{key}",
            name=f"{NAME} {role} {key[:6]}",
            role=role,
            country_code=party.country_code,
            party_id=party.party_id,
            modules=modules,
        )
        self._partners[key] = partner
        return partner


def _handler(partners: dict[str, ProbePartner]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one write per answer: two small writes would wait for a delayed TCP acknowledgement

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            parts = urlsplit(self.path)
            key, *segments = [unquote(part) for part in parts.path.split("/") if part] or [""]
            partner = partners.get(key)
            if partner is None:
                self.send_error(404)
                return
            received = Received(
                method=self.command,
                segments=tuple(segments),
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=_read(content),
            )
            self.write(received, partner.answer(received))

        def write(self, received: Received, reply: ProbeReply) -> None:
            body = json.dumps(reply.envelope(), default=_number).encode()
            self.send_response(reply.http_status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name in ("X-Request-ID", "X-Correlation-ID"):
                self.send_header(name, received.headers.get(name.lower(), ""))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: the partner's record has every request."""

    return Handler


def _read(content: bytes) -> object:
    try:
        return json.loads(content, parse_float=Decimal) if content else None
    except ValueError:
        return None


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
