"""One node as a process: the app under waitress, with its queues, stream and schedules.

`python -m infra.local.node_process --listener FD --state-dir DIR [--app app:app]`; everything else comes from
its environment, as in a Lambda function.

The supervisor has bound the listening socket already: so a port in use is noticed before the start, and two
sandboxes that look for free ports cannot find the same one.

The operator's key comes from the supervisor, too: a deployed node gets one from `./ocpi operator-key`, which
is not run here.

On SIGTERM it stops accepting, finishes the present requests and batches, and ends.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import botocore.session
from chalice.app import Chalice
from waitress.server import create_server

from infra.local import aws_calls, children
from infra.local.gateway import Gateway
from infra.local.threads import make_thread_safe
from infra.local.triggers import LocalAws, Triggers

# A registration calls back before it is answered, so one exchange can occupy several threads.
THREADS = 16
# The gateway refuses larger bodies with its own answer; this only limits waitress's buffer.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024

OPERATOR_KEY = "SANDBOX_OPERATOR_KEY"

log = logging.getLogger(__name__)


def serve(app: Chalice, listener: socket.socket, aws: LocalAws) -> None:
    """Serve until SIGTERM or SIGINT."""
    make_thread_safe(app)
    triggers = Triggers(app, aws)
    server = create_server(
        Gateway(app), sockets=[listener], threads=THREADS, max_request_body_size=MAX_BUFFERED_BYTES
    )
    triggers.start()
    try:
        server.run()
    finally:
        server.close()
        triggers.stop()


def local_aws(state_dir: Path) -> LocalAws:
    """Read the event sources from this process's environment."""
    session: Any = botocore.session.get_session()
    return LocalAws(session.create_client, os.environ["OCPI_TABLE"], state_dir / "checkpoints")


def admit_operator(key: str) -> None:
    """Store the sandbox's operator key in this node's table."""
    from chalicelib.node import current_node
    from chalicelib.operator_api.keys import add_operator_key

    add_operator_key(current_node(), "sandbox", key)


def load_app(path: str) -> Chalice:
    """Import a Chalice app by its `module:variable`."""
    module, _, variable = path.partition(":")
    app: Chalice = getattr(importlib.import_module(module), variable)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="node_process")
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--app", default="app:app")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children.stop_with_parent()
    aws_calls.make_calls_cheap()
    if key := os.environ.pop(OPERATOR_KEY, None):
        admit_operator(key)
    serve(load_app(options.app), socket.socket(fileno=options.listener), local_aws(options.state_dir))


if __name__ == "__main__":
    main()
