"""Every route of the operator API; paths are relative to `/operator`.

The routes of a module are named in its descriptor (`modules/<module>/module.py`); the others are here.
"""

from __future__ import annotations

from chalicelib.modules.registry import load_operator_routes
from chalicelib.operator_api import about, broadcasts, check, findings, prices, pulls, webhooks
from chalicelib.routes import OperatorRoute


def operator_routes() -> list[OperatorRoute]:
    """All routes, for the mount."""
    return [
        *about.ROUTES,
        *broadcasts.ROUTES,
        *findings.ROUTES,
        *pulls.ROUTES,
        *webhooks.ROUTES,
        *prices.ROUTES,
        *check.ROUTES,
        *load_operator_routes(),
    ]
