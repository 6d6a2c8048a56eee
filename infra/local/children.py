"""Child processes that end together with their parent.

A child leads its own session, so that Ctrl-C in a terminal reaches only the supervisor, which then stops the
children in the right order. It also watches a *lifeline*: its standard input, a pipe whose other end the
supervisor holds. When the supervisor ends, for any reason, the pipe closes and the child stops as on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ChildFailed(RuntimeError):
    """A child process ended, or did not come up in time. The text holds the end of its log."""


class Child:
    """A process of ours, with a log file and a lifeline."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._pass_fds,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def lifeline(self) -> IO[bytes]:
        """Our end of the child's lifeline. Every process that holds it keeps the child alive."""
        assert self._process is not None and self._process.stdin is not None, "not started"
        return self._process.stdin

    def is_running(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def wait_until_answering(self, url: str) -> None:
        """Wait until the URL answers, with any HTTP status.

        Raises: ChildFailed when the process ends first, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if not self.is_running():
                raise ChildFailed(f"{self.name} ended while it was starting\n{self.end_of_log()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} does not answer at {url}\n{self.end_of_log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask the process to stop, wait, and end it by force if it does not."""
        if self._process is None:
            return
        if self.is_running():
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.lifeline.close()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()
        self.lifeline.close()

    def end_of_log(self, lines: int = 20) -> str:
        """Return the last lines of the process's log."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def stop_with_parent() -> None:
    """In a child: stop as on SIGTERM when the lifeline closes."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables of AWS or of a node.

    A person's profile, keys and endpoints must not reach the local stack, and processes on one machine need
    no proxy.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OCPI_"))}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def listen(port: int) -> socket.socket:
    """Take a port (0: any free one) on loopback. Raises: OSError when it is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it; without it an answer in two writes waits 40 ms for its second half.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(url: str) -> bool:
    try:
        _direct.open(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
