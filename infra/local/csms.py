"""The sandbox's simulated CSMS: one process beside the three nodes, which uses the operator APIs alone.

`python -m infra.local.csms --state-dir DIR --sites N --speed S`. It reads the URLs of the operator APIs from
`sandbox.json`, registers a webhook for commands at the CPO, and verifies the signature of every call, as a
real CSMS has to. One loop does the work (`charge_points.py`), so it needs no lock; drivers (`drivers.py`) run
in a thread of their own.

The webhook's secret is shown once, so it is kept, readable for this user only, beside the sandbox's data.
"""

from __future__ import annotations

import argparse
import json
import logging
import queue
import random
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from cli.operator_client import OperatorApiError, OperatorClient
from infra.local import children, network_seed
from infra.local.charge_points import Card, ChargePoints
from infra.local.csms_memory import Memory
from infra.local.drivers import Drivers, seed_tokens

WEBHOOK = "simulated-csms"
PULSE_S = 0.2
RESTS_S = 1.0
MOST_AT_ONCE = 3
REMEMBERED = 1000

log = logging.getLogger(__name__)


class Inbox:
    """Queue of work; a repeated call of the webhook is taken once."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[dict[str, Any] | Card] = queue.SimpleQueue()
        self._seen: dict[str, None] = {}

    def take_command(self, message_id: str, command: dict[str, Any]) -> None:
        """Queue a command, unless its message is known."""
        if message_id in self._seen:
            return
        self._seen[message_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        self._queue.put(command)

    def take_card(self, card: Card) -> None:
        """Queue a card that a driver presents at a charge point."""
        self._queue.put(card)

    def next(self, timeout_s: float) -> dict[str, Any] | Card | None:
        """Return the oldest entry; None when there is none in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


def webhook_server(read_secret: Callable[[], str], inbox: Inbox) -> ThreadingHTTPServer:
    """Make the server that the CPO's node calls, on a free port of loopback, not yet started."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(take_call(read_secret(), body, headers, inbox))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: the work that follows from a call is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def take_call(secret: str, body: bytes, headers: Mapping[str, str], inbox: Inbox) -> int:
    """Take one call of the webhook. Returns the HTTP status: 401 when it is not from the node."""
    try:
        event = Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as error:
        log.warning("a call of the webhook is not signed as it must be: %s", error)
        return 401
    if event["type"] == "command":
        inbox.take_command(headers["webhook-id"], event["data"])
    return 204


def register(door: OperatorClient, url: str, memory: Memory) -> None:
    """Register the webhook at the CPO's node. Raises: OperatorApiError."""
    wanted = {"url": url, "events": ["command"]}
    webhook = door.put("webhooks", WEBHOOK, body=wanted)
    if "secret" not in webhook and not memory.secret:
        # The secret is shown once, and the process that got it has lost it.
        door.delete("webhooks", WEBHOOK)
        webhook = door.put("webhooks", WEBHOOK, body=wanted)
    if "secret" in webhook:
        memory.keep_secret(webhook["secret"])


def work(points: ChargePoints, inbox: Inbox, stopping: threading.Event) -> None:
    """Run the charge points until it is stopped, whatever the node answers."""
    while not stopping.is_set():
        given = inbox.next(PULSE_S)
        try:
            if isinstance(given, Card):
                points.hold_up(given)
            elif given is not None:
                points.obey(given)
            points.tick()
        except (OperatorApiError, LookupError, ValueError) as error:
            log.warning("%s: %s", type(error).__name__, error)
            stopping.wait(RESTS_S)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the process."""
    options = _read_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    children.stop_with_parent()

    described = json.loads((options.state_dir / "sandbox.json").read_text(encoding="utf-8"))
    cpo, emsp = (
        OperatorClient(described[name]["operator_url"], described[name]["operator_key"])
        for name in ("cpo", "emsp")
    )
    sites = [
        location["id"]
        for location in network_seed.generate(options.sites, party_id=described["cpo"]["party_id"]).locations
    ]
    memory = Memory(options.state_dir / "csms.json")
    chance = random.Random()
    points = ChargePoints(cpo, sites, options.speed, memory, lambda: datetime.now(UTC), chance)
    inbox = Inbox()
    server = webhook_server(lambda: memory.secret, inbox)
    threading.Thread(target=server.serve_forever, name="webhook", daemon=True).start()
    points.end_left_over()
    register(cpo, f"http://127.0.0.1:{server.server_address[1]}/", memory)
    seed_tokens(emsp)
    if sites:
        drivers = Drivers(
            emsp, sites, options.speed, inbox.take_card, lambda: points.busy < MOST_AT_ONCE, chance
        )
        threading.Thread(target=drivers.run, args=(stopping,), name="drivers", daemon=True).start()
    log.info("serves %d sites at %g times the speed of life", len(sites), options.speed)
    work(points, inbox, stopping)
    server.shutdown()


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="csms", description="The sandbox's simulated CSMS.")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--sites", type=int, required=True, help="how many of the seeded sites it serves")
    parser.add_argument("--speed", type=float, required=True, help="simulated seconds per second")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
