"""Tests of the client of the operator API: pages of lists, and readable refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cli.operator_client import OperatorApiError, OperatorClient


class CannedOperatorApi(BaseHTTPRequestHandler):
    """A fake operator API that has three tariffs in pages of two and refuses every PUT."""

    seen: list[tuple[str, str, str | None, bytes]] = []

    def do_GET(self) -> None:
        self._note(b"")
        if "limit=1" in self.path:
            self._answer(200, [{"id": "1"}], {"X-Total-Count": "3"})
        elif "offset=2" in self.path:
            self._answer(200, [{"id": "3"}])
        else:
            link = '</operator/tariffs?offset=2>; rel="next"'
            self._answer(200, [{"id": "1"}, {"id": "2"}], {"Link": link})

    def do_PUT(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        problem = {
            "title": "Bad Request",
            "detail": "currency: is missing" if "ONE" in self.path else "the tariff is not valid",
            "errors": [{"field": "currency", "pointer": "/currency", "detail": "is missing"}],
        }
        self._answer(400, problem)

    def do_DELETE(self) -> None:
        self._note(b"")
        self._answer(204, None)

    def _note(self, body: bytes) -> None:
        self.seen.append((self.command, self.path, self.headers["Authorization"], body))

    def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[OperatorClient]:
    CannedOperatorApi.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), CannedOperatorApi)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield OperatorClient(f"http://127.0.0.1:{server.server_port}/operator/", "the-key")
    server.shutdown()
    server.server_close()


def test_all_pages_of_a_list_are_read(api: OperatorClient) -> None:
    assert [tariff["id"] for tariff in api.all("tariffs")] == ["1", "2", "3"]
    assert api.count("tariffs") == 3


def test_a_query_is_sent_with_a_list(api: OperatorClient) -> None:
    list(api.all("sessions", date_from="2026-03-01T12:00:00Z"))

    assert CannedOperatorApi.seen[0][1] == "/operator/sessions?date_from=2026-03-01T12%3A00%3A00Z"


def test_requests_carry_the_key_and_encode_ids(api: OperatorClient) -> None:
    api.delete("tariffs", "A/B *")

    assert CannedOperatorApi.seen == [("DELETE", "/operator/tariffs/A%2FB%20%2A", "Bearer the-key", b"")]


def test_a_refusal_that_is_about_one_field_is_printed_once(api: OperatorClient) -> None:
    with pytest.raises(OperatorApiError, match=r"HTTP 400 currency: is missing$"):
        api.put("tariffs", "ONE", body={})


def test_a_refusal_names_the_field_and_numbers_keep_their_digits(api: OperatorClient) -> None:
    with pytest.raises(
        OperatorApiError, match=r"HTTP 400 the tariff is not valid \(currency: is missing\)"
    ) as refused:
        api.put("tariffs", "T1", body={"price": Decimal("0.250")})

    assert refused.value.http_status == 400
    assert CannedOperatorApi.seen[-1][3] == b'{"price":0.250}'


def test_an_operator_api_that_does_not_answer_is_named() -> None:
    with pytest.raises(OperatorApiError, match="no answer from http://127.0.0.1:1/operator/partners"):
        OperatorClient("http://127.0.0.1:1/operator", "k").get("partners")
