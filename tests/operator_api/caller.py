"""A caller of the operator API without a web server: finds the route and calls `serve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from chalicelib.node import Node
from chalicelib.operator_api.endpoint import serve
from chalicelib.operator_api.keys import add_operator_key
from chalicelib.operator_api.routes import operator_routes
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Request
from chalicelib.routes import gather_by_path
from tests.harness.nodes import Answer, Host

KEY = "an-operators-key-of-the-tests"
PATHS = gather_by_path(operator_routes())


class OperatorApi:
    """The operator API of one node, called with a valid key. host: reaches the node for other nodes."""

    def __init__(self, node: Node, host: Host | None = None) -> None:
        self.node = node
        self.host = host
        add_operator_key(node, "the tests", KEY)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = KEY,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request.

        path: below `/operator`, with its query. body: text is sent as it is, other values as JSON.
        """
        own_path, _, query = path.partition("?")
        parameters, routes = _find(own_path)
        sent = {"content-type": "application/json"} if body is not None else {}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        public = self.node.settings.public_url
        request = Request(
            method=method,
            url=f"{public}/operator{own_path}",
            base_url=f"{public}/ocpi",
            path=parameters,
            query=dict(parse_qsl(query)),
            headers={**sent, **(headers or {})},
            body=body if isinstance(body, str) or body is None else write_json(body),
            request_id=(headers or {}).get("x-request-id", "request-1"),
            correlation_id="correlation-1",
        )
        return Answer(*serve(self.node, routes, request))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that must succeed; returns the document of the answer, None when it has no body."""
        answer = self.call(method, path, body)
        assert answer.status < 300, answer.text
        return read_json(answer.text) if answer.text else None

    def all(self, path: str) -> list[Any]:
        """All objects of a list, read page by page by its `next` links."""
        found: list[Any] = []
        while True:
            answer = self.call("GET", path)
            found += answer.json
            link = answer.headers.get("Link")
            if link is None:
                return found
            path = link[1:].partition(">")[0].partition("/operator")[2]


def path_of(*segments: str) -> str:
    """A path of percent-encoded segments."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _find(path: str) -> tuple[dict[str, str], Mapping[str, Any]]:
    given = path.split("/")
    for pattern, routes in sorted(PATHS, key=lambda entry: entry[0].count("{")):
        wanted = pattern.split("/")
        if len(wanted) == len(given) and all(
            w == g or w.startswith("{") for w, g in zip(wanted, given, strict=True)
        ):
            pairs = zip(wanted, given, strict=True)
            return {w[1:-1]: unquote(g) for w, g in pairs if w.startswith("{")}, routes
    raise AssertionError(f"no route for {path}")
