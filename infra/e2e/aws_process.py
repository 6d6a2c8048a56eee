"""The AWS of the end-to-end run: ministack with Lambda, as a child process.

Run as `python -m infra.e2e.aws_process FD [NAME=PORT=FD ...]`: FD is the listening socket of the endpoint,
the others are those of the public addresses of nodes. Roles are enforced (`AUTH=true`): as on AWS, a function
can do only what its own policy allows. `gaps.py` adds the other behaviour of AWS that the run needs.

A node's public address is a port of its own, which API Gateway knows as the custom domain `NAME.ocpi.test`.
Paths are passed on unchanged: a REST API passes `A%2FB` on as one segment, and ministack would decode it
first.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.e2e import gaps
from infra.local import children
from infra.local.emulator import KEEP_ALIVE_SECONDS

DOMAIN = "ocpi.test"
CALLS = "OCPI_E2E_CALLS"
"""The variable with the file of the functions' calls (`gaps.watch_calls`)."""
RUNTIME = "OCPI_E2E_RUNTIME"
"""The variable with the folder of the functions' interpreter."""

Scope = dict[str, Any]


def custom_domain(name: str) -> str:
    """Name of a node's custom domain."""
    return f"{name}.{DOMAIN}"


def as_custom_domain(scope: Scope, domain: str) -> Scope:
    """Turn a request to a node's port into one to its custom domain, with its path unchanged."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return scope | {
        "headers": [(b"host", domain.encode()), *headers],
        "path": scope["raw_path"].decode("latin-1"),
    }


def front_door(app: Callable[..., Awaitable[None]], domains: Mapping[int, str]) -> Callable[..., Any]:
    """Put the nodes' ports in front of ministack. domains: by port."""

    async def serve(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (domain := domains.get(scope["server"][1])):
            scope = as_custom_domain(scope, domain)
        await app(scope, receive, send)

    return serve


def main(arguments: Sequence[str]) -> None:
    """Run the child process."""
    import ministack.app
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    children.stop_with_parent()
    gaps.watch_calls(Path(os.environ[CALLS]))
    gaps.run_functions_as_lambda_does(Path(os.environ[RUNTIME]))
    gaps.import_descriptions()
    gaps.serve_every_account()
    gaps.let_invocations_end()
    gaps.retry_failed_items_of_streams()
    endpoint, *doors = arguments
    domains = {}
    binds = [f"fd://{endpoint}"]
    for door in doors:
        name, port, descriptor = door.split("=")
        domains[int(port)] = custom_domain(name)
        binds.append(f"fd://{descriptor}")
    config = Config()
    config.bind = binds
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    asyncio.run(serve(front_door(ministack.app.app, domains), config))
    gaps.stop_functions()


if __name__ == "__main__":
    main(sys.argv[1:])
