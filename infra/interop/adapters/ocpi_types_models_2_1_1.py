"""The classes of ocpi-types for OCPI 2.1.1, which have no commands.

Locations, sessions and tokens require no field at all, so what is required of them is no object.
"""

from __future__ import annotations

from ocpi_types import v2_1_1

from infra.interop.adapters.ocpi_types_models import model_of
from infra.interop.adapters.protocol import main

CLASSES = {
    "locations": v2_1_1.Location,
    "tariffs": v2_1_1.Tariff,
    "sessions": v2_1_1.Session,
    "cdrs": v2_1_1.Cdr,
    "tokens": v2_1_1.Token,
}

if __name__ == "__main__":
    main({module: model_of(kind) for module, kind in CLASSES.items()})
