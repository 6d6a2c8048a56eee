"""AWS clients of this process: one botocore session for all, each client made when it is first used.

A session reads the models and the credentials once for all its clients. Making a client takes 10 to 50 ms,
which a cold start pays for those that its first request needs, and for no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session

_making = threading.RLock()


def make_client(service: str, **options: Any) -> Any:
    """Make a client, now; region, endpoint and credentials come from the environment."""
    with _making:  # A session makes one client at a time.
        return _session().create_client(service, **options)


@cache
def _session() -> Any:
    return botocore.session.get_session()


class OnFirstUse:
    """A client that is made when its first method is asked for. make: makes it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        """The client's method."""
        with _making:
            if self._client is None:
                self._client = self._make()
        return getattr(self._client, name)
