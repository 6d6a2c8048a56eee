"""The models of py-ocpi, and of extrawest-ocpi, its fork: pydantic 1, and one package name for both."""

from __future__ import annotations

import json
from typing import Any

from py_ocpi.modules.cdrs.v_2_2_1.schemas import Cdr
from py_ocpi.modules.commands.v_2_2_1.schemas import ReserveNow, StartSession
from py_ocpi.modules.locations.v_2_2_1.schemas import Location
from py_ocpi.modules.sessions.v_2_2_1.schemas import Session
from py_ocpi.modules.tariffs.v_2_2_1.schemas import Tariff
from py_ocpi.modules.tokens.v_2_2_1.schemas import Token

from infra.interop.adapters.protocol import Model, main

CLASSES = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": Cdr,
    "tokens": Token,
    "START_SESSION": StartSession,
    "RESERVE_NOW": ReserveNow,
}


def model_of(model: Any) -> Model:
    # Its push sends `.dict()` through httpx, which writes it with json.dumps.
    return Model(model.schema(), lambda document: json.dumps(model(**document).dict()), lambda d: model(**d))


if __name__ == "__main__":
    main({module: model_of(model) for module, model in CLASSES.items()})
