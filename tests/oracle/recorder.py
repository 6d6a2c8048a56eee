"""Records the requests and answers that leave a node: one line of JSON each, in the file of its process.

A node of a sandbox loads it through `tests/flows/quick_timers.py`, where the variable `RECORD_DOCUMENTS` of
its environment names the file. `recording` gives the variables and reads the files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from chalicelib import endpoint
from chalicelib.calls.client import OcpiClient
from chalicelib.calls.connections import Connections

VARIABLE = "RECORD_DOCUMENTS"
ROLES = ("cpo", "hub", "emsp")


@dataclass(frozen=True)
class Recorded:
    """One request or answer of a node.

    node: cpo, hub or emsp. version: "" if it is not known. interface: the side that is called. segments: the
    path below the module, decoded. status: HTTP status of an answer, 0 for a request.
    """

    node: str
    version: str
    module: str
    interface: str
    method: str
    segments: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    status: int = 0


def recording(folder: Path) -> dict[str, dict[str, str]]:
    """The variables of a sandbox's nodes by role, for a recording in a folder."""
    return {role: {VARIABLE: str(folder / f"{role}.jsonl")} for role in ROLES}


def read_recording(folder: Path) -> list[Recorded]:
    """All that the nodes have recorded in a folder so far."""
    return [
        Recorded(**{**document, "segments": tuple(document["segments"])})
        for file in sorted(folder.glob("*.jsonl"))
        for document in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def record_documents() -> None:
    """Let this process record what leaves it, if its environment names a file."""
    if VARIABLE in os.environ:
        recorder = _Recorder(Path(os.environ[VARIABLE]))
        recorder.watch_answers()
        recorder.watch_requests()


class _Recorder:
    def __init__(self, file: Path) -> None:
        self._node = file.stem
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._call: ContextVar[dict[str, Any] | None] = ContextVar("call", default=None)

    def write(self, headers: Mapping[str, str], body: str | bytes | None, **fields: Any) -> None:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
        kept = {name.lower(): value for name, value in headers.items() if name != "Authorization"}
        line = asdict(Recorded(node=self._node, headers=kept, body=text, **fields))
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def watch_answers(self) -> None:
        serve = endpoint.serve

        def recorded(node: Any, interface: Any, routes: Any, request: Any) -> Any:
            status, headers, body = serve(node, interface, routes, request)
            self.write(
                headers,
                body,
                version=request.version,
                module=interface.module,
                interface=interface.role,
                method=request.method,
                segments=_below(request.url, interface.module),
                status=status,
            )
            return status, headers, body

        endpoint.serve = recorded

    def watch_requests(self) -> None:
        real: dict[str, Any] = {
            name: getattr(OcpiClient, name) for name in ("send", "follow", "post_to", "call_url")
        }

        def send(client: Any, partner: Any, module: str, role: str, segments: Any, *rest: Any) -> Any:
            with self._calling(
                version=partner.version, module=module, interface=role, segments=tuple(segments)
            ):
                return real["send"](client, partner, module, role, segments, *rest)

        def follow(client: Any, partner: Any, module: str, role: str, *rest: Any) -> Any:
            with self._calling(version=partner.version, module=module, interface=role, segments=()):
                return real["follow"](client, partner, module, role, *rest)

        def post_to(client: Any, partner: Any, url: str, exchange: Any) -> Any:
            segments = _below(url, "commands")
            with self._calling(
                version=partner.version, module="commands", interface="SENDER", segments=segments
            ):
                return real["post_to"](client, partner, url, exchange)

        def call_url(client: Any, url: str, method: str, *rest: Any, **options: Any) -> Any:
            module = "versions" if method == "GET" else "credentials"
            segments = _below(url, "versions") if method == "GET" else ()
            with self._calling(
                version=_version_in(url), module=module, interface="SENDER", segments=segments
            ):
                return real["call_url"](client, url, method, *rest, **options)

        for each in (send, follow, post_to, call_url):
            setattr(OcpiClient, each.__name__, each)
        self._watch_connections()

    def _watch_connections(self) -> None:
        request: Callable[..., Any] = Connections.request

        def recorded(
            connections: Any, target: Any, method: str, path: str, headers: Any, body: Any, **limits: Any
        ) -> Any:
            if (call := self._call.get()) is not None:
                self.write(headers, body, method=method, **call)
            return request(connections, target, method, path, headers, body, **limits)

        Connections.request = recorded  # type: ignore[method-assign]

    @contextmanager
    def _calling(self, **call: Any) -> Iterator[None]:
        token = self._call.set(call)
        try:
            yield
        finally:
            self._call.reset(token)


def _version_in(url: str) -> str:
    """The version that a URL names, such as https://a.example/ocpi/2.3.0/credentials, or ""."""
    found = re.search(r"/(\d(\.\d+)+)(/|$)", urlsplit(url).path)
    return found[1] if found else ""


def _below(url: str, module: str) -> tuple[str, ...]:
    """The decoded segments after the module's name; the URL of version details need not have any.

    >>> _below("https://a.example/ocpi/2.2.1/receiver/tariffs/PT/ABC/1%2F2", "tariffs")
    ('PT', 'ABC', '1/2')
    """
    segments = [unquote(part) for part in urlsplit(url).path.strip("/").split("/")]
    return tuple(segments[segments.index(module) + 1 :]) if module in segments else ("details",)
