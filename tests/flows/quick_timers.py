"""The node's own app with its timers hurried: what a schedule does every minute, it does every second.

The sandbox loads this instead of `app` for the stories and for the certification's tests, so that a partner
that went OFFLINE is looked for again, and a session that ended becomes a CDR, within a test's patience.
Nothing else is different.
"""

from __future__ import annotations

from datetime import timedelta

from app import app
from infra.local import triggers
from infra.local.schedules import Rate, Schedule


def parse_hurried(text: str) -> Schedule:
    return Rate(timedelta(seconds=1))


vars(triggers)["parse_schedule"] = parse_hurried

__all__ = ["app"]
