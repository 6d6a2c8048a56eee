"""Simultaneous requests do not see each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from infra.local.sandbox import CPO, Sandbox
from infra.local.threads import make_thread_safe
from tests.infra.toy_app import app as toy_app


def test_every_request_sees_its_own_data_and_context(toys: Sandbox) -> None:
    http = urllib3.PoolManager(maxsize=8)

    def call(number: int) -> Any:
        answer: Any = http.request("GET", f"{toys.public_url(CPO)}/slow/{number}").json()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(200)))

    assert answers == [{"name": str(number), "same": True} for number in range(200)]


def test_a_thread_that_has_served_no_request_has_none() -> None:
    app = make_thread_safe(toy_app)

    assert app.current_request is None
    assert app.lambda_context is None


@pytest.mark.parametrize("name", ["A%2FB", "a%20b", "DE*ABC*E1"])
def test_encoded_segments_pass_the_web_server_untouched(toys: Sandbox, name: str) -> None:
    answer = urllib3.request("GET", f"{toys.public_url(CPO)}/echo/{name}/?x=1").json()

    assert answer["name"] == name
    assert answer["path"] == f"/echo/{name}/"
    assert answer["query"] == {"x": ["1"]}


def test_a_large_body_arrives_whole_and_a_larger_one_is_refused_in_an_envelope(toys: Sandbox) -> None:
    url = f"{toys.public_url(CPO)}/echo/x"

    large = urllib3.request("PUT", url, body=b"x" * (2 * 1024 * 1024))
    larger = urllib3.request("PUT", url, body=b"x" * (11 * 1024 * 1024))

    assert large.json()["length"] == 2 * 1024 * 1024
    assert larger.status == 413
    assert larger.json()["status_code"] == 2001
