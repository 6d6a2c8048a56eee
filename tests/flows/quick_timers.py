"""The node's app with fast timers: every schedule runs once a second.

The sandbox loads this module instead of `app` in the flow tests and the certification's tests, so that probes
of OFFLINE partners and the CDRs of ended sessions come within the time limits of the tests. All else is as in
`app`.
"""

from __future__ import annotations

from datetime import timedelta

from app import app
from infra.local import triggers
from infra.local.schedules import Rate, Schedule


def parse_every_second(text: str) -> Schedule:
    return Rate(timedelta(seconds=1))


vars(triggers)["parse_schedule"] = parse_every_second

__all__ = ["app"]
