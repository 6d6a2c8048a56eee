"""Tests of the connections below the client: limits of reading, and faults of a connection.

Source: OCPI 2.2.1 transport_and_format; TRN-01
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import urllib3.util.connection

from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.calls.connections import Connections
from chalicelib.calls.urls import Origin, Target
from tests.calls.answering import AnsweringPartner


def get(server: AnsweringPartner, addresses: tuple[str, ...] = ("127.0.0.1",)) -> RawAnswer:
    target = Target(server.url(), Origin("http", "127.0.0.1", server.port), addresses)
    return Connections().request(target, "GET", "/", {}, None, connect_s=2.0, deadline=time.monotonic() + 5.0)


def test_a_connect_timeout_counts_as_never_sent(
    server: AnsweringPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller relies on it: it may then cancel a command, or revoke a new token."""

    def hang(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", hang)

    with pytest.raises(PartnerFault) as caught:
        get(server)

    assert caught.value.never_sent and not caught.value.timed_out
    assert server.received == []


def test_an_answer_timeout_does_not_count_as_never_sent(
    server: AnsweringPartner,
) -> None:
    server.answer = lambda handler, request: None if server.stopped.wait(5) else None
    target = Target(server.url(), Origin("http", "127.0.0.1", server.port), ("127.0.0.1",))

    with pytest.raises(PartnerFault) as caught:
        Connections().request(target, "GET", "/", {}, None, connect_s=2.0, deadline=time.monotonic() + 0.3)

    assert caught.value.timed_out and not caught.value.never_sent
