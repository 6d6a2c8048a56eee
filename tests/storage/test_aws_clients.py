"""AWS clients are made once, and only when they are used."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.queues import sqs_client
from chalicelib.storage.aws_clients import OnFirstUse
from chalicelib.storage.vault import kms_client


class Made:
    """A client that counts how often it is made."""

    number = 0

    def __init__(self) -> None:
        type(self).number += 1

    def send(self) -> int:
        return type(self).number


def test_a_client_is_made_once_by_many_threads() -> None:
    Made.number = 0
    client, start = OnFirstUse(Made), threading.Barrier(8)

    def use(_: int) -> Any:
        start.wait()
        return client.send()

    assert Made.number == 0
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(use, range(8))) == [1] * 8


def test_queues_and_keys_have_no_client_before_their_first_use() -> None:
    assert [each._client for each in (sqs_client(), kms_client())] == [None, None]
