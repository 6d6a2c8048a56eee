"""An AWS account in this process, whose resources are made once and reused by many tests.

Queues are in moto. Tables and keys are in memory, which is faster, or in moto for a test that uses the
fixture `in_moto`, because it counts calls and units or gives botocore the table's name.

Making a node's table, queues and key takes a hundred times as long as emptying them. An open account has
empty resources, and no other account gets them until it is closed:

    with aws() as account:
        account.resources()["OCPI_TABLE"]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from moto import mock_aws
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from chalicelib.storage.table import Table
from chalicelib.storage.vault import Vault
from infra.resources import make_node_resources
from tests.pushing.memory_aws import MemoryDynamoDb, MemoryKms

REGION = "eu-west-1"

Resources = dict[str, str]

_mock = mock_aws()
_open: list[Account] = []
_free: list[Resources] = []
_numbers = itertools.count(1)


class Account:
    """An open account: makes a client by the service's name, and gives each node its own resources."""

    def __init__(self, in_moto: bool) -> None:
        self._lent: list[Resources] = []
        self._in_moto = in_moto

    def __call__(self, service: str) -> Any:
        """Return the client of a service, one for each process."""
        return _client(service)

    def resources(self) -> Resources:
        """Return resources for a node by environment variable, such as OCPI_TABLE; the table is empty."""
        self._lent.append(_free.pop() if _free else self._make())
        return self._lent[-1]

    def table(self, name: str) -> Table:
        """Return the table of these resources."""
        return Table(self("dynamodb") if self._in_moto else MemoryDynamoDb(), name)

    def vault(self, key_id: str) -> Vault:
        """Return a vault with the key of these resources."""
        return Vault(self("kms") if self._in_moto else MemoryKms(), key_id)

    def close(self) -> None:
        """Empty all resources for reuse."""
        for resources in self._lent:
            _table(resources).items.clear()
            for queue in _queues(resources):
                _empty(queue)
        _free.extend(self._lent)
        self._lent.clear()

    def _make(self) -> Resources:
        """Make resources without a stream, which no test reads and moto copies with every transaction."""
        made = make_node_resources(f"n{next(_numbers)}", self)
        _table(made).stream_shard = None
        return made


@contextmanager
def aws(in_moto: bool = False) -> Iterator[Account]:
    """Open an account; while it is open, moto replaces AWS. in_moto: whether also for tables and keys."""
    account = Account(in_moto)
    if not _open:
        _mock.start(reset=False)
    _open.append(account)
    try:
        yield account
    finally:
        account.close()
        _open.remove(account)
        if not _open:
            _mock.stop(remove_data=False)


@cache
def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(ignore_configured_endpoint_urls=True, user_agent="tests"),
    )


def _backend(service: Any) -> Any:
    return get_backend(service)[DEFAULT_ACCOUNT_ID][REGION]


def _table(resources: Resources) -> Any:
    return _backend("dynamodb").tables[resources["OCPI_TABLE"]]


def _queues(resources: Resources) -> list[Any]:
    urls = {value for name, value in resources.items() if name.endswith("_URL")}
    return [_backend("sqs").queues[url.rpartition("/")[2]] for url in urls]


def _empty(queue: Any) -> None:
    """Remove every trace of a message from a queue of moto, that of its deduplication included."""
    for kept in (
        queue._messages,
        queue.deleted_messages,
        queue.pending_messages,
        queue.pending_message_groups,
    ):
        kept.clear()
