"""The embedded AWS: ministack as a child process, on loopback, with its state in a folder.

Run as a module (`python -m infra.local.emulator`) this is that child. It adds to ministack what the sandbox
needs and ministack lacks:

* **Streams survive a restart.** ministack saves tables, queues and keys when it stops, but not the
  records of a table's stream; a change that had not been broadcast yet would never be. We save
  those that no reader has confirmed (the checkpoints of `stream_reader.py`).
* **Streams without haste.** A reader of an idle stream waits for its answer, as at an SQS queue with a long
  poll, so that it sees a change soon and needs one request a second.
* **No orphan.** It stops, and saves, when everything that uses it is gone (`children.py`).
* **No stolen port.** It gets its listening socket, already bound to loopback, from its parent.
* **Fast HTTP.** uvicorn serves it: under ministack's own server (hypercorn) a call takes twice the CPU.

ministack writes its state when it stops in an orderly way: what a `kill -9` of the emulator itself cuts off
is lost since the last start.
"""

from __future__ import annotations

import asyncio
import copy
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from infra.local import checkpoints, children
from infra.local.children import Child

REGION = "eu-west-1"
# The value of ministack's own start command: clients keep their connections between calls.
KEEP_ALIVE_SECONDS = 75
IDLE_READ_SECONDS = 1.0
"""How long GetRecords waits for a record; a reader that is asked to stop waits no longer than that."""

# An emulator accepts any key. A person's real keys must never be sent.
_NO_PROFILE: dict[str, Any] = {"profile": (None, [], None, None)}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}


class Emulator:
    """A running ministack."""

    def __init__(self, state_dir: Path, *, persist: bool) -> None:
        self._state_dir = state_dir
        self._persist = persist
        self._child: Child | None = None
        self._clients: dict[str, Any] = {}
        self.endpoint_url = ""

    def start(self) -> None:
        """Start it on a free port and wait until it answers.

        Raises: ChildFailed when it does not come up.
        """
        with children.listen(0) as listener:
            port: int = listener.getsockname()[1]
            self.endpoint_url = f"http://127.0.0.1:{port}"
            self._clients.clear()
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._child = Child(
                "emulator",
                [sys.executable, "-m", "infra.local.emulator", str(listener.fileno())],
                self._environment(port),
                log=self._state_dir / "logs" / "emulator.log",
                pass_fds=[listener.fileno()],
            )
            self._child.start()
        self._child.wait_until_answering(f"{self.endpoint_url}/_ministack/health")

    def environment(self) -> dict[str, str]:
        """Environment of a node, so that botocore calls this emulator."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Return the client of a service; it is made at first use, because that takes 100 ms."""
        if service not in self._clients:
            session = botocore.session.Session(session_vars=_NO_PROFILE)
            self._clients[service] = session.create_client(
                service,
                region_name=REGION,
                endpoint_url=self.endpoint_url,
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                config=Config(proxies={}),
            )
        return self._clients[service]

    @property
    def child(self) -> Child:
        assert self._child is not None, "not started"
        return self._child

    def stop(self) -> None:
        """Stop it in order; it saves its state first."""
        if self._child is not None:
            self._child.stop()

    def _environment(self, port: int) -> dict[str, str]:
        return children.clean_environment() | {
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1" if self._persist else "0",
            "STATE_DIR": str(self._state_dir / "aws"),
            # Unused here: it would listen on more ports and manage Docker containers.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }


def keep_streams(directory: Path) -> None:
    """Make ministack's DynamoDB save and restore the stream records that wait for a reader.

    directory: where the readers of the streams keep their checkpoints.
    """
    from ministack.services import dynamodb

    save, restore = dynamodb.get_state, dynamodb.load_persisted_state

    def save_with_streams() -> dict[str, Any]:
        waiting = type(dynamodb._stream_records)()
        for (account, region, table), records in dynamodb._stream_records.all_items():
            confirmed = checkpoints.oldest(directory, table)
            kept = [record for record in records if record["dynamodb"]["SequenceNumber"] > confirmed]
            waiting.set_scoped(account, region, table, copy.deepcopy(kept))
        return {**save(), "stream_records": waiting}

    def restore_with_streams(state: dict[str, Any]) -> None:
        restore(state)
        dynamodb._stream_records.update(state.get("stream_records", {}))

    dynamodb.get_state = save_with_streams
    dynamodb.load_persisted_state = restore_with_streams


def wait_for_records() -> None:
    """Make ministack answer GetRecords when there is a record, or after IDLE_READ_SECONDS."""
    from ministack.services import dynamodb, dynamodb_streams

    handle = dynamodb_streams.handle_request

    def newest() -> list[str]:
        streams = [records for _, records in dynamodb._stream_records.all_items() if records]
        return [records[-1]["dynamodb"]["SequenceNumber"] for records in streams]

    async def handle_with_wait(*request: Any) -> Any:
        deadline = time.monotonic() + IDLE_READ_SECONDS
        while True:
            seen = newest()
            status, headers, body = await handle(*request)
            is_idle = b'"Records": []' in body and b"NextShardIterator" in body
            if not is_idle or time.monotonic() >= deadline:
                return status, headers, body
            while newest() == seen and time.monotonic() < deadline:
                await asyncio.sleep(0.05)

    dynamodb_streams.handle_request = handle_with_wait


def main(listener: str) -> None:
    """Run the child process. listener: the descriptor of the listening socket."""
    # Imported here, because it reads the environment at import, which only this process may do.
    import ministack.app
    import uvicorn

    children.stop_with_parent()
    keep_streams(Path(os.environ["STATE_DIR"]).with_name("checkpoints"))
    wait_for_records()
    config = uvicorn.Config(
        ministack.app.app,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(listener))])


if __name__ == "__main__":
    main(sys.argv[1])
