"""The node's app with fast timers: every schedule runs once a second.

The sandbox loads this module instead of `app` in the flow tests and the certification's tests, so that probes
of OFFLINE partners and the CDRs of ended sessions come within the time limits of the tests. What the
node sends and answers is recorded for `test_openapi.py`. All else is as in `app`.
"""

from __future__ import annotations

from datetime import timedelta

from app import app
from infra.local import triggers
from tests.oracle.recorder import record_documents


def parse_every_second(expression: str) -> timedelta:
    return timedelta(seconds=1)


vars(triggers)["parse_rate"] = parse_every_second
record_documents()

__all__ = ["app"]
