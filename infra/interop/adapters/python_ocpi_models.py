"""The models of python-ocpi: flask-restx marshals what it sends, and validates what it receives."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask_restx import Api, marshal
from ocpi.models import cdrs, commands, location, sessions, tariffs, tokens

from infra.interop.adapters.protocol import Model, main

CLASSES = {
    "locations": location.Location,
    "tariffs": tariffs.Tariff,
    "sessions": sessions.Session,
    "cdrs": cdrs.Cdr,
    "tokens": tokens.Token,
    "START_SESSION": commands.StartSession,
    "RESERVE_NOW": commands.ReserveNow,
}


def _model(api: Any, model: Any) -> Model:
    # A model finds the ones it is made of in an API.
    _add(api, model)
    schema = {**model.__schema__, "definitions": {n: m.__schema__ for n, m in api.models.items()}}
    return Model(
        schema,
        lambda document: json.dumps(marshal(document, model)),
        lambda document: model.validate(document, resolver=api.refresolver),
    )


def _add(api: Any, model: Any) -> None:
    api.add_model(model.name, model)
    for field in model.values():
        inner = getattr(field, "container", field)
        nested = getattr(inner, "model", None)
        if nested is not None and nested.name not in api.models:
            _add(api, nested)


if __name__ == "__main__":
    flask_api = Api(Flask("interop"))
    main({module: _model(flask_api, model) for module, model in CLASSES.items()})
