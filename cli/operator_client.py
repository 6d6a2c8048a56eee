"""Client of the operator API of a node: JSON under `/operator`, with a key as Bearer token.

It follows the `Link` of lists from page to page. It raises a refusal with the texts of the problem document
(RFC 9457), so that a person sees which field is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import urllib3

from chalicelib.protocol.json_text import write_json

TIMEOUT_SECONDS = 60.0


class OperatorApiError(Exception):
    """The operator API refused or did not answer; the text is for a person."""

    def __init__(self, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class OperatorClient:
    """The operator API of one node. Safe to use from several threads."""

    def __init__(self, operator_url: str, key: str) -> None:
        self._url = operator_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._http = urllib3.PoolManager(maxsize=8, retries=False, timeout=TIMEOUT_SECONDS)

    def get(self, *path: str) -> Any:
        """Read one object. Raises: OperatorApiError."""
        return self._send("GET", self._at(path))[0]

    def put(self, *path: str, body: object) -> Any:
        """Create or replace one object. Raises: OperatorApiError."""
        return self._send("PUT", self._at(path), body)[0]

    def patch(self, *path: str, body: object) -> Any:
        """Change some fields of one object. Raises: OperatorApiError."""
        return self._send("PATCH", self._at(path), body)[0]

    def post(self, *path: str, body: object, **query: str) -> Any:
        """Create an object or start an action. Raises: OperatorApiError."""
        return self._send("POST", self._at(path, query), body)[0]

    def delete(self, *path: str, **query: str) -> Any:
        """Delete one object, or what the query selects. Raises: OperatorApiError."""
        return self._send("DELETE", self._at(path, query))[0]

    def all(self, *path: str, **query: str) -> Iterator[Any]:
        """Read a list, page after page. Raises: OperatorApiError."""
        url: str | None = self._at(path, query)
        while url is not None:
            page, headers = self._send("GET", url)
            yield from page
            next_page = re.search(r'<([^>]*)>;\s*rel="?next"?', headers.get("Link", ""))
            url = urljoin(url, next_page[1]) if next_page else None

    def count(self, *path: str) -> int:
        """Count the objects of a list without reading it. Raises: OperatorApiError."""
        _, headers = self._send("GET", self._at(path) + "?limit=1")
        return int(headers["X-Total-Count"])

    def _at(self, path: tuple[str, ...], query: Mapping[str, str] | None = None) -> str:
        url = "/".join([self._url, *(quote(part, safe="") for part in path)])
        return f"{url}?{urlencode(query)}" if query else url

    def _send(self, method: str, url: str, body: object = None) -> tuple[Any, Mapping[str, str]]:
        payload = None if body is None else write_json(body).encode("utf-8")
        try:
            answer = self._http.request(method, url, body=payload, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise OperatorApiError(f"no answer from {url}: {error}") from error
        if answer.status >= 400:
            raise OperatorApiError(f"{method} {url}: {_explain(answer)}", answer.status)
        return (json.loads(answer.data) if answer.data else None), answer.headers


def _explain(answer: urllib3.BaseHTTPResponse) -> str:
    try:
        problem = json.loads(answer.data)
        text = problem.get("detail") or problem.get("title") or problem.get("status_message")
        texts = [f"{each['field']}: {each['detail']}" for each in problem.get("errors", [])]
        fields = "; ".join(each for each in texts if each != text)
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"HTTP {answer.status} {answer.data[:200].decode(errors='replace')}"
    return f"HTTP {answer.status} {text}" + (f" ({fields})" if fields else "")
