"""The models of ocpplab-ocpi-211-sdk: pydantic 2; it is generated from an OpenAPI document of OCPI 2.1.1.

Commands are arguments of its client, which writes them as the fields of the same name.
"""

from __future__ import annotations

from typing import Any

from ocpplab_ocpi_211 import Cdr, Location, Session, Tariff, Token
from pydantic import BaseModel

from infra.interop.adapters.protocol import Model, main


class StartSession(BaseModel):
    response_url: str
    token: Token
    location_id: str
    evse_uid: str | None = None
    authorization_reference: str | None = None


class ReserveNow(StartSession):
    expiry_date: str
    reservation_id: int


CLASSES = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": Cdr,
    "tokens": Token,
    "START_SESSION": StartSession,
    "RESERVE_NOW": ReserveNow,
}


def _model(model: Any) -> Model:
    return Model(
        model.model_json_schema(),
        lambda document: str(model.model_validate(document).model_dump_json(exclude_unset=True)),
        model.model_validate,
    )


if __name__ == "__main__":
    main({module: _model(model) for module, model in CLASSES.items()})
