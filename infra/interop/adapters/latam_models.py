"""The models of latam-evra-ocpi: pydantic 2, OCPI 2.3.0 as its hub has it."""

from __future__ import annotations

from typing import Any

from latam_evra_ocpi.models.cdrs import Cdr
from latam_evra_ocpi.models.commands import ReserveNowCommand, StartSessionCommand
from latam_evra_ocpi.models.locations import Location
from latam_evra_ocpi.models.sessions import Session
from latam_evra_ocpi.models.tariffs import Tariff
from latam_evra_ocpi.models.tokens import Token

from infra.interop.adapters.protocol import Model, main

CLASSES = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": Cdr,
    "tokens": Token,
    "START_SESSION": StartSessionCommand,
    "RESERVE_NOW": ReserveNowCommand,
}


def _model(model: Any) -> Model:
    return Model(
        model.model_json_schema(),
        lambda document: str(model.model_validate(document).model_dump_json()),
        model.model_validate,
    )


if __name__ == "__main__":
    main({module: _model(model) for module, model in CLASSES.items()})
