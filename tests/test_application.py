"""Paths with empty segments find their resource; a path with a missing id does not. Source: TRP-21, TRN-16"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.app import Response

from chalicelib.application import ANY_PATH, NodeApplication, find_resource
from chalicelib.route_tree import RouteTree
from infra.local.gateway import Gateway
from infra.local.threads import make_thread_safe

TREE = RouteTree(
    [
        "/ocpi/versions",
        "/ocpi/{version}",
        "/ocpi/{version}/credentials",
        "/ocpi/{version}/sender/tokens",
        "/ocpi/{version}/sender/tokens/{token_uid}/authorize",
        "/ocpi/{version}/receiver/locations/{country_code}/{party_id}/{location_id}",
        "/ocpi/{version}/receiver/locations/{country_code}/{party_id}/{location_id}/{evse_uid}",
        "/operator/tariffs/{tariff_id}",
    ]
)
LOCATION = "/ocpi/{version}/receiver/locations/{country_code}/{party_id}/{location_id}"
VERSION = {"version": "2.2.1"}
L1 = {**VERSION, "country_code": "PT", "party_id": "ABC", "location_id": "L1"}


def event(path: str, resource: str = ANY_PATH) -> dict[str, Any]:
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "pathParameters": {"proxy": path[1:]},
        "requestContext": {"path": path, "resourcePath": resource},
    }


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("//ocpi/versions", "/ocpi/versions", None),
        ("/ocpi//versions//", "/ocpi/versions", None),
        ("/ocpi//2.2.1", "/ocpi/{version}", VERSION),
        ("/ocpi/2.2.1//credentials", "/ocpi/{version}/credentials", VERSION),
        ("/ocpi/2.2.1/sender/tokens//", "/ocpi/{version}/sender/tokens", VERSION),
        ("/ocpi/2.2.1//receiver//locations//PT/ABC/L1", LOCATION, L1),
        ("/ocpi/2.2.1/receiver/locations/PT/ABC/L1//", LOCATION, L1),
        ("/ocpi/2.2.1/receiver/locations///PT/ABC/a%2F%2Fb", LOCATION, {**L1, "location_id": "a%2F%2Fb"}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/api", "/ocpi"])
def test_empty_segments_around_the_fixed_part_are_removed(
    path: str, resource: str, parameters: dict[str, str] | None, prefix: str
) -> None:
    found = find_resource(TREE, event(prefix + path))

    assert found is not None
    assert (found["resource"], found["pathParameters"]) == (resource, parameters)
    assert found["requestContext"]["resourcePath"] == resource
    assert "//" not in found["path"] and found["path"].startswith(f"{prefix}/ocpi")
    assert found["requestContext"]["path"] == found["path"]


@pytest.mark.parametrize(
    "path",
    [
        "/ocpi/2.2.1/receiver/locations/PT/ABC//E1",
        "/ocpi/2.2.1/receiver/locations/PT//ABC/L1",
        "/ocpi/2.2.1/sender/tokens/0102//authorize",
        "/ocpi/2.2.1/nothing",
        "/operator//tariffs/T1",
        "/elsewhere",
    ],
)
@pytest.mark.parametrize("resource", [ANY_PATH, LOCATION])
def test_a_missing_id_and_an_unknown_path_have_no_resource(path: str, resource: str) -> None:
    """Also when a gateway that ignores empty segments found one, of another object."""
    if "//" in path or resource == ANY_PATH:
        assert find_resource(TREE, event(path, resource)) is None


def test_a_path_without_empty_segments_keeps_its_event() -> None:
    sent = event("/ocpi/2.2.1/receiver/locations/PT/ABC/L1/", LOCATION)

    assert find_resource(TREE, sent) is sent


def node() -> Any:
    return SimpleNamespace(clock=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))


def call(uri: str, method: str = "GET") -> tuple[str, dict[str, str], Any]:
    """Call a small application behind the local gateway."""
    app = NodeApplication("small", node)

    @app.route("/ocpi/{version}/sender/{module}/{id}", methods=["GET"], content_types=["*/*"])
    def show(version: str, module: str, id: str) -> Response:
        return Response(json.dumps([version, module, id, app.current_request.context["path"]]))

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_X_REQUEST_ID": "r-1",
        "wsgi.input": io.BytesIO(b""),
    }
    seen: list[Any] = []
    body = b"".join(Gateway(make_thread_safe(app))(environ, lambda *start: seen.extend(start)))
    return seen[0], dict(seen[1]), json.loads(body)


def test_the_local_gateway_hands_such_paths_to_the_function() -> None:
    status, _, body = call("/ocpi//2.2.1/sender/tariffs//T%2F1?limit=//")

    assert status == "200 OK"
    assert body == ["2.2.1", "tariffs", "T%2F1", "/ocpi/2.2.1/sender/tariffs/T%2F1"]


@pytest.mark.parametrize(
    ("method", "uri"),
    [("GET", "/wp-login.php"), ("POST", "/ocpi/2.2.1/sender/tariffs/T1"), ("PUT", "/ocpi//2.2.1/sender/x/1")],
)
def test_an_unknown_path_or_method_is_404_in_an_envelope_with_the_message_id(method: str, uri: str) -> None:
    status, headers, body = call(uri, method)

    assert status == "404 Not Found"
    assert body == {
        "status_code": 2001,
        "status_message": "no such path or method",
        "timestamp": "2026-03-01T12:00:00Z",
    }
    assert (headers["Content-Type"], headers["X-Request-ID"]) == ("application/json", "r-1")
