"""The Chalice application of a node: it also takes paths with empty segments.

API Gateway decides before the function whether a path exists. Some partners join an endpoint that ends with a
slash and a path that begins with one, so their URLs have two slashes. The gateway's description therefore has
one more resource, `/{proxy+}`, which takes every path that no other resource takes. The function removes the
empty segments of an OCPI path and finds its resource again.

An empty segment between two ids stays an unknown path: there an id is missing, and without it another object
would be named. A gateway that ignores empty segments does not change that, because the path as it was sent
decides.

Source: docs/interop.md; TRP-21, TRN-16
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalice.app import Chalice

from chalicelib.errors import NotFound
from chalicelib.node import Node
from chalicelib.protocol.envelope import error_reply, write_envelope
from chalicelib.protocol.headers import CORRELATION_ID, REQUEST_ID
from chalicelib.route_tree import RouteTree

ANY_PATH = "/{proxy+}"
"""The resource of API Gateway for every path that no other resource takes."""

UNTIDY = "untidyPath"
"""Member of an event's `requestContext`: the path had empty segments, which were removed."""

_START = "ocpi"
_FIXED_SEGMENTS = 4
"""Segments before the ids: `ocpi`, version, role, module."""


class NodeApplication(Chalice):
    """The application, whose functions `app.py` declares. current_node: returns this process's node."""

    def __init__(self, app_name: str, current_node: Callable[[], Node]) -> None:
        # Powertools configures the log (chalicelib/log.py); Chalice would set its level to ERROR.
        super().__init__(app_name=app_name, configure_logs=False)
        self._current_node = current_node

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer an event of API Gateway."""
        routed = find_resource(self._tree, event)
        known = self.routes[routed["requestContext"]["resourcePath"]] if routed is not None else {}
        if routed is None or event["requestContext"]["httpMethod"] not in known:
            return _unknown_path(self._current_node(), event)
        return super().__call__(routed, context)

    @functools.cached_property
    def _tree(self) -> RouteTree:
        return RouteTree(self.routes)


def find_resource(tree: RouteTree, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the event with the resource of its path; unchanged where the path has no empty segment.

    Returns None for a path that no resource has.
    """
    context = event["requestContext"]
    path, resource = context["path"], context["resourcePath"]
    if resource != ANY_PATH and "//" not in path:
        return event
    segments = path.split("/")
    # The path begins with the stage or the base path of a domain, and that may be called `ocpi` as well.
    for start in [place for place, segment in enumerate(segments) if segment == _START]:
        own = "/" + "/".join(_without_empty(segments[start:]))
        match = tree.find(own)
        if match is not None:
            before = "".join(f"/{segment}" for segment in segments[:start] if segment)
            changed = {**context, "path": before + own, "resourcePath": match.resource, UNTIDY: True}
            return {
                **event,
                "resource": match.resource,
                "path": before + own,
                "pathParameters": match.parameters or None,
                "requestContext": changed,
            }
    return None


def _without_empty(segments: Sequence[str]) -> list[str]:
    """Remove empty segments before the ids and at the end; those between ids stay."""
    kept: list[str] = []
    for place, segment in enumerate(segments):
        if segment or (len(kept) > _FIXED_SEGMENTS and any(segments[place:])):
            kept.append(segment)
    return kept


def _unknown_path(node: Node, event: Mapping[str, Any]) -> dict[str, Any]:
    reply = error_reply(NotFound("no such path or method"))
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    echoed = {name: sent[name.lower()] for name in (REQUEST_ID, CORRELATION_ID) if name.lower() in sent}
    return {
        "statusCode": reply.http_status,
        "headers": {"Content-Type": "application/json", **echoed},
        "multiValueHeaders": {},
        "body": write_envelope(reply, node.clock()),
    }
