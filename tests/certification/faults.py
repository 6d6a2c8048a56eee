"""Faults for the proxy, for the negative controls.

Each is a mistake that a real implementation might make. A fault applies to the requests that match its method
and its pattern of the path. Its state lasts for one test.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from certification.samples import read_datetime, write_datetime
from tests.certification.faulty_proxy import Fault, Request, Response

CREDENTIALS = r"/credentials$"
VERSIONS = r"/versions/?$"
PUSHED = r"/receiver/"


def is_at(request: Request, method: str, path: str) -> bool:
    """Tell whether a fault applies to a request; `path` is searched for, without the query."""
    return re.fullmatch(method, request.method) is not None and bool(
        re.search(path, urlsplit(request.path).path)
    )


def envelope(request: Request, status: int = 200, status_code: int = 1000, data: Any = None) -> Response:
    """Make an OCPI answer in a node's place."""
    document: dict[str, Any] = {"status_code": status_code, "timestamp": "2026-01-01T00:00:00Z"}
    if data is not None:
        document["data"] = data
    headers = {"content-type": "application/json"}
    headers |= {
        name: value for name, value in request.headers.items() if name in ("x-request-id", "x-correlation-id")
    }
    for mine, theirs in (("to", "from"), ("from", "to")):
        for name in ("country-code", "party-id"):
            if f"ocpi-{theirs}-{name}" in request.headers:
                headers[f"ocpi-{mine}-{name}"] = request.headers[f"ocpi-{theirs}-{name}"]
    return Response(status, headers, json.dumps(document).encode())


def swallow(method: str, path: str, status: int = 200) -> Fault:
    """Answer with success, and do nothing."""
    return Fault(
        before=lambda request: envelope(request, status) if is_at(request, method, path) else request
    )


def swallow_from_second(method: str, path: str) -> Fault:
    """Forward the first request of each path; answer later ones with success and do nothing."""
    seen: set[str] = set()

    def before(request: Request) -> Request | Response:
        if not is_at(request, method, path):
            return request
        if request.path in seen:
            return envelope(request)
        seen.add(request.path)
        return request

    return Fault(before=before)


def swallow_at_operator_api(method: str, path: str, status: int) -> Fault:
    """In an operator API: answer with success and an empty body, and do nothing."""
    done = Response(status, {}, b"")
    return Fault(before=lambda request: done if is_at(request, method, path) else request)


def answer(
    method: str, path: str, when: int, status: int, status_code: int = 1000, data: Any = None
) -> Fault:
    """Replace answers with HTTP status `when`."""

    def after(request: Request, response: Response) -> Response:
        if is_at(request, method, path) and response.status == when:
            return envelope(request, status, status_code, data)
        return response

    return Fault(after=after)


def accept_refused(method: str, path: str, status: int, data: Any = None) -> Fault:
    """Replace refusals (by status code or HTTP) by success."""

    def after(request: Request, response: Response) -> Response:
        if is_at(request, method, path) and json.loads(response.body)["status_code"] >= 2000:
            return envelope(request, status, data=data)
        return response

    return Fault(after=after)


def change_json(method: str, path: str, change: Callable[[Request, Any], Any]) -> Fault:
    """Change the JSON of successful answers."""

    def after(request: Request, response: Response) -> Response:
        if not is_at(request, method, path) or response.status >= 400 or not response.body:
            return response
        changed = change(request, json.loads(response.body))
        return replace(response, body=json.dumps(changed).encode())

    return Fault(after=after)


def change_body(method: str, path: str, change: Callable[[Any], Any]) -> Fault:
    """Change the JSON of requests."""

    def before(request: Request) -> Request:
        if not is_at(request, method, path) or not request.body:
            return request
        return replace(request, body=json.dumps(change(json.loads(request.body))).encode())

    return Fault(before=before)


def change_headers(
    method: str, path: str, change: Callable[[Request, dict[str, str]], dict[str, str]]
) -> Fault:
    """Change the headers of answers."""

    def after(request: Request, response: Response) -> Response:
        if not is_at(request, method, path):
            return response
        return replace(response, headers=change(request, dict(response.headers)))

    return Fault(after=after)


# Credentials


def tokens_never_die() -> Fault:
    """Accept a token that is no longer valid, as seen at GET versions."""
    last_good: list[bytes] = []

    def after(request: Request, response: Response) -> Response:
        if not is_at(request, "GET", VERSIONS):
            return response
        if response.status == 200:
            last_good[:] = [response.body]
        return replace(response, status=200, body=last_good[0]) if response.status == 401 else response

    return Fault(after=after)


def keep_the_token() -> Fault:
    """Answer PUT credentials with the caller's present token."""

    def change(request: Request, document: Any) -> Any:
        old = base64.b64decode(request.headers["authorization"].split()[1]).decode()
        document["data"]["token"] = old
        return document

    return change_json("PUT", CREDENTIALS, change)


def fetch_no_versions(proxy_url: Callable[[], str]) -> Fault:
    """In front of the probe: hide the node's requests for the probe's versions."""

    def before(request: Request) -> Request | Response:
        if not is_at(request, "GET", VERSIONS):
            return request
        key = request.path.strip("/").split("/")[0]
        return envelope(request, data=[{"version": "2.2.1", "url": f"{proxy_url()}/{key}/details"}])

    return Fault(before=before)


def remember(method: str, path: str, with_query: bool = True) -> Fault:
    """Repeat the first good answer for ever, like a cache that is never cleared."""
    first: dict[str, Response] = {}

    def after(request: Request, response: Response) -> Response:
        if not is_at(request, method, path) or response.status >= 400:
            return response
        known = first.setdefault(request.path if with_query else urlsplit(request.path).path, response)
        ids = {name: response.headers[name] for name in ("x-request-id", "x-correlation-id")}
        return replace(known, headers={**known.headers, **ids})

    return Fault(after=after)


def freeze_endpoints() -> Fault:
    """In an operator API: always show the endpoints with which a partner registered."""
    first: dict[str, Any] = {}

    def change(_: Request, rows: Any) -> Any:
        for row in rows:
            if row["endpoints"]:
                row["endpoints"] = first.setdefault(row["id"], row["endpoints"])
        return rows

    return change_json("GET", r"/operator/partners$", change)


def list_the_departed() -> Fault:
    """In an operator API: keep listing partners that have left."""
    seen: dict[str, Any] = {}

    def change(_: Request, rows: Any) -> Any:
        seen.update({row["id"]: row for row in rows if row["status"] == "REGISTERED"})
        return list({**seen, **{row["id"]: row for row in rows if row["status"] == "REGISTERED"}}.values())

    return change_json("GET", r"/operator/partners$", change)


def kill_token_a_when_broken() -> Fault:
    """Invalidate the invitation when the handshake fails."""
    dead: set[str] = set()

    def after(request: Request, response: Response) -> Response:
        token = request.headers.get("authorization", "")
        if is_at(request, "POST", CREDENTIALS) and b"3001" in response.body:
            dead.add(token)
        elif token in dead:
            return envelope(request, 401, 2001)
        return response

    return Fault(after=after)


# Broadcasts


def forge_from(country_code: str, party_id: str) -> Fault:
    """In front of the probe: pushes with another party in OCPI-from."""
    headers = {"ocpi-from-country-code": country_code, "ocpi-from-party-id": party_id}

    def before(request: Request) -> Request:
        if is_at(request, "PUT|PATCH|DELETE", PUSHED):
            return replace(request, headers={**request.headers, **headers})
        return request

    return Fault(before=before)


def put_hub_into_url() -> Fault:
    """In front of the probe: pushes with the hub's ids in the URL instead of the owner's."""

    def before(request: Request) -> Request:
        return replace(request, path=re.sub(r"(/receiver/\w+)/\w+/\w+/", r"\1/PT/MOB/", request.path))

    return Fault(before=before)


def hide_list(path: str) -> Fault:
    """In an operator API: list nothing."""
    return change_json("GET", path, lambda _, rows: [])


def freeze_list(path: str) -> Fault:
    """In an operator API: show each object in its first state for ever."""
    first: dict[str, Any] = {}

    def change(_: Request, rows: Any) -> Any:
        return [first.setdefault(f"{row['country_code']}{row['party_id']}{row['id']}", row) for row in rows]

    return change_json("GET", path, change)


# Lists


def miscount(path: str) -> Fault:
    """Count the objects from this page on instead of all."""

    def change(request: Request, headers: dict[str, str]) -> dict[str, str]:
        offset = int(dict(parse_qsl(urlsplit(request.path).query)).get("offset", 0))
        return {**headers, "x-total-count": str(int(headers["x-total-count"]) - offset)}

    return change_headers("GET", path, change)


def repeat_an_object(path: str) -> Fault:
    """Begin each page with the last object of the page before."""
    last: list[Any] = []

    def change(_: Request, document: Any) -> Any:
        page = document["data"]
        ended_with = page[-1:]
        if last and page:
            page[0] = last[0]
        last[:] = ended_with
        return document

    return change_json("GET", path, change)


def stop_early(path: str) -> Fault:
    """Leave out the Link to the last page."""

    def change(request: Request, headers: dict[str, str]) -> dict[str, str]:
        offset = int(dict(parse_qsl(urlsplit(request.path).query)).get("offset", 0))
        return {name: value for name, value in headers.items() if name != "link" or offset == 0}

    return change_headers("GET", path, change)


def drop_filters(path: str) -> Fault:
    """Leave the dates out of the Link."""

    def change(_: Request, headers: dict[str, str]) -> dict[str, str]:
        return _with_link(
            headers, lambda query: {n: v for n, v in query.items() if not n.startswith("date_")}
        )

    return change_headers("GET", path, change)


def shift(name: str, path: str) -> Fault:
    """Move a date by a millisecond: date_to becomes inclusive, date_from exclusive."""
    asked: dict[str, str] = {}

    def before(request: Request) -> Request:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query))
        if not is_at(request, "GET", path) or name not in query:
            return request
        later = write_datetime(read_datetime(query[name]) + timedelta(milliseconds=1))
        asked[later] = query[name]
        return replace(request, path=f"{url.path}?{urlencode({**query, name: later})}")

    def restore(query: dict[str, str]) -> dict[str, str]:
        return {key: asked.get(value, value) if key == name else value for key, value in query.items()}

    def after(_: Request, response: Response) -> Response:
        return replace(response, headers=_with_link(dict(response.headers), restore))

    return Fault(before, after)


def _with_link(headers: dict[str, str], change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    found = re.match(r"<([^>]*)>(.*)", headers.get("link", ""))
    if not found:
        return headers
    url = urlsplit(found[1])
    changed = url._replace(query=urlencode(change(dict(parse_qsl(url.query))))).geturl()
    return {**headers, "link": f"<{changed}>{found[2]}"}


# Locations


def repeat_reserved_id() -> Fault:
    """Give every id twice."""
    count = itertools.count()
    last: list[str] = []

    def change(_: Request, document: Any) -> Any:
        if "data" in document and next(count) % 2 and last:
            document["data"]["id"] = last[0]
        last[:] = [document.get("data", {}).get("id")]
        return document

    return change_json("POST", r"/receiver/locations/\w+/\w+$", change)


def forget_request_ids() -> Fault:
    """Treat every reservation as new, whatever its X-Request-ID."""

    def before(request: Request) -> Request:
        if is_at(request, "POST", r"/receiver/locations/\w+/\w+$"):
            return replace(request, headers={**request.headers, "x-request-id": str(uuid.uuid4())})
        return request

    def after(request: Request, response: Response) -> Response:
        return replace(
            response, headers={**response.headers, "x-request-id": request.headers.get("x-request-id", "")}
        )

    return Fault(before, after)


def lift_no_parents(path: str, at_operator_api: bool) -> Fault:
    """Keep the first last_updated of a location when its parts change."""
    first: dict[str, str] = {}

    def change(request: Request, document: Any) -> Any:
        site = document if at_operator_api else document.get("data", {})
        if "evses" in site:
            site["last_updated"] = first.setdefault(request.path, site["last_updated"])
        return document

    return change_json("GET", path, change)


def swap(method: str, path: str, change: Callable[[Any], Any]) -> Fault:
    """Answer with other data."""

    def change_data(_: Request, document: Any) -> Any:
        return {**document, "data": change(document["data"])}

    return change_json(method, path, change_data)
