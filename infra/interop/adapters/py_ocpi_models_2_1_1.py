"""The models of extrawest-ocpi for OCPI 2.1.1."""

from __future__ import annotations

from py_ocpi.modules.cdrs.v_2_1_1.schemas import Cdr
from py_ocpi.modules.commands.v_2_1_1.schemas import ReserveNow, StartSession
from py_ocpi.modules.locations.v_2_1_1.schemas import Location
from py_ocpi.modules.sessions.v_2_1_1.schemas import Session
from py_ocpi.modules.tariffs.v_2_1_1.schemas import Tariff
from py_ocpi.modules.tokens.v_2_1_1.schemas import Token

from infra.interop.adapters.protocol import main
from infra.interop.adapters.py_ocpi_models import model_of

CLASSES = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": Cdr,
    "tokens": Token,
    "START_SESSION": StartSession,
    "RESERVE_NOW": ReserveNow,
}

if __name__ == "__main__":
    main({module: model_of(model) for module, model in CLASSES.items()})
