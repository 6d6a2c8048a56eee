"""The AWS on this machine for the end-to-end run: accounts, and public addresses of nodes."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from infra.e2e.aws_process import CALLS, RUNTIME
from infra.local import children
from infra.local.children import Child
from infra.local.emulator import REGION

SAM = Path(sys.prefix) / "sam"
"""Folder of the library that translates SAM templates, for ministack alone (`requirements.txt` here)."""


@dataclass(frozen=True)
class Account:
    """One account, as a deployer with every right sees it. The functions have roles.

    id: twelve digits, which ministack takes as the access key of the account's root.
    """

    id: str
    endpoint_url: str

    def environment(self) -> dict[str, str]:
        """Environment for AWS's tools, so that they call this account and no other."""
        return {
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Make the client of a service."""
        session = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
        return session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.id,
            aws_secret_access_key="test",
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )


class Cloud:
    """A running ministack with Lambda.

    names: of the nodes that get a public address. port: of the endpoint; the nodes have the next ones.
    """

    def __init__(self, folder: Path, names: Sequence[str], port: int) -> None:
        self._folder = folder
        self._ports = {name: port + place for place, name in enumerate(names, start=1)}
        self._port = port
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.calls = folder / "calls.jsonl"
        self._child: Child | None = None

    def account(self, id: str) -> Account:
        """Return one of its accounts; all exist from the beginning, and are empty."""
        return Account(id, self.endpoint_url)

    def start(self) -> None:
        """Start it and wait until it answers. Raises: ChildFailed; OSError when a port is taken."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        listeners: dict[str, socket.socket] = {}
        try:
            endpoint = listeners[""] = children.listen(self._port)
            for name, port in self._ports.items():
                listeners[name] = children.listen(port)
            doors = [f"{name}={port}={listeners[name].fileno()}" for name, port in self._ports.items()]
            self._child = Child(
                "AWS",
                [sys.executable, "-m", "infra.e2e.aws_process", str(endpoint.fileno()), *doors],
                self._environment(),
                log=self._folder / "aws.log",
                pass_fds=[listener.fileno() for listener in listeners.values()],
            )
            self._child.start()
        finally:
            for listener in listeners.values():
                listener.close()
        self._child.wait_until_answering(f"{self.endpoint_url}/_ministack/health")

    def stop(self) -> None:
        """Stop it and its functions."""
        if self._child is not None:
            self._child.stop()

    def public_url(self, name: str) -> str:
        """URL at which partners reach a node."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def _environment(self) -> dict[str, str]:
        return children.clean_environment() | {
            "AUTH": "true",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "0",
            "STATE_DIR": str(self._folder / "state"),
            "TMPDIR": str(self._folder / "tmp"),
            # Workers are kept for the whole run, because two cores start new ones slowly.
            "LAMBDA_WARM_TTL_SECONDS": "3600",
            "PYTHONPATH": str(SAM),
            CALLS: str(self.calls),
            RUNTIME: str(self._folder / "runtime"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }
