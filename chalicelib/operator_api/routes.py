"""Every route of the operator's door; paths are relative to `/operator`."""

from __future__ import annotations

from chalicelib.operator_api import broadcasts, location_ids, locations, partners, tariffs
from chalicelib.protocol.message import Route

ROUTES: tuple[Route, ...] = (
    *partners.ROUTES,
    *tariffs.ROUTES,
    *locations.ROUTES,
    *location_ids.ROUTES,
    *broadcasts.ROUTES,
)
