"""All routes of the operator API; paths are relative to `/operator`."""

from __future__ import annotations

from chalicelib.operator_api import (
    about,
    broadcasts,
    cdrs,
    commands,
    location_ids,
    locations,
    partners,
    prices,
    reconciliation,
    sessions,
    tariffs,
    tokens,
    webhooks,
)
from chalicelib.protocol.message import Route

ROUTES: tuple[Route, ...] = (
    *about.ROUTES,
    *partners.ROUTES,
    *tariffs.ROUTES,
    *locations.ROUTES,
    *location_ids.ROUTES,
    *broadcasts.ROUTES,
    *tokens.ROUTES,
    *sessions.ROUTES,
    *commands.ROUTES,
    *webhooks.ROUTES,
    *cdrs.ROUTES,
    *reconciliation.ROUTES,
    *prices.ROUTES,
)
