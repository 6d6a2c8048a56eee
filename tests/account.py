"""An AWS account in this process (moto), whose resources are made once and lent to one test after another.

Making a node's table, queues and key takes a hundred times as long as emptying them. Whoever opens an account
gets resources that are as they were made, and nobody else has them until it is closed:

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

from infra.resources import make_node_resources

REGION = "eu-west-1"

Resources = dict[str, str]

_mock = mock_aws()
_open: list[Account] = []
_free: list[Resources] = []
_numbers = itertools.count(1)


class Account:
    """What makes a client by the service's name, and gives each node resources of its own."""

    def __init__(self) -> None:
        self._lent: list[Resources] = []

    def __call__(self, service: str) -> Any:
        """The client of a service; there is one in a process."""
        return _client(service)

    def resources(self) -> Resources:
        """A node's resources: its environment variables, such as OCPI_TABLE, by name. The table is empty."""
        self._lent.append(_free.pop() if _free else self._make())
        return self._lent[-1]

    def close(self) -> None:
        """Take everything back and empty it; what has had messages is not lent again."""
        for resources in self._lent:
            _table(resources).items.clear()
        _free.extend(resources for resources in self._lent if not _has_messages(resources))
        self._lent.clear()

    def _make(self) -> Resources:
        """Make resources, but no stream: nobody reads it here, and moto copies it with every transaction."""
        made = make_node_resources(f"n{next(_numbers)}", self)
        _table(made).stream_shard = None
        return made


@contextmanager
def aws() -> Iterator[Account]:
    """Open an account: while it is open, AWS is moto."""
    account = Account()
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


def _has_messages(resources: Resources) -> bool:
    urls = {value for name, value in resources.items() if name.endswith("_URL")}
    queues = [_backend("sqs").queues[url.rpartition("/")[2]] for url in urls]
    return any(queue._messages or queue.deleted_messages for queue in queues)
