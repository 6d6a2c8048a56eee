"""Example objects, made from a program's own description of its models (JSON Schema).

The description decides which fields there are, which of them are required, and of which type they are. Only
the values are ours: a field has the value that a person would write there. So the example shows what the
program can send, and leaves out what the program does not know.

Standard library only: it runs in the environments of the programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
Context = Mapping[str, str]
"""Values that depend on the two parties, by field name or end of a path."""

NOON, LATER = "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"

VALUES: dict[str, Any] = {
    "address": "Rua do Salitre 1",
    "city": "Lisboa",
    "country": "PRT",
    "postal_code": "1250-096",
    "state": "Lisboa",
    "latitude": "38.72000",
    "longitude": "-9.15000",
    "time_zone": "Europe/Lisbon",
    "currency": "EUR",
    "language": "pt",
    "text": "Ao fundo",
    "issuer": "Interop",
    "contract_id": "PT-IOP-C1",
    "auth_id": "PT-IOP-C1",
    "group_id": "G1",
    "visual_number": "IOP-1",
    "energy_contract.contract_id": "SOL-1",
    "supplier_name": "Sol",
    "energy_product_name": "Verde",
    "evse_id": "PT*IOP*E1",
    "evse_uid": "E1",
    "evses.uid": "E1",
    "publish_allowed_to.uid": "U1",
    "uid": "U1",
    "connector_id": "1",
    "connectors.id": "1",
    "cdr_location.id": "L1",
    "location.id": "L1",  # in sessions and CDRs of 2.1.1
    "tariffs.id": "T1",
    "tariff_id": "T1",
    "tariff_ids": "T1",
    "location_id": "L1",
    "session_id": "S1",
    "reservation_id": "1",
    "meter_id": "M1",
    "authorization_reference": "A1",
    "invoice_reference_id": "I1",
    "credit_reference_id": None,
    "credit": False,
    "start_datetime": NOON,  # sessions of 2.1.1
    "end_datetime": LATER,
    "start_date_time": NOON,
    "end_date_time": LATER,
    "stop_date_time": LATER,  # CDRs of 2.1.1
    "expiry_date": "2030-01-01T00:00:00Z",
    "last_updated": LATER,
    "start_time": "08:00",
    "end_time": "20:00",
    "start_date": "2026-01-01",
    "end_date": "2030-01-01",
    "regular_hours.period_begin": "08:00",
    "regular_hours.period_end": "20:00",
    "period_begin": NOON,
    "period_end": LATER,
    "twentyfourseven": False,
    "weekday": 1,
    "publish": True,
    "publish_allowed_to": None,
    "valid": True,
    "voltage": 230,
    "amperage": 32,
    "max_voltage": 230,
    "max_amperage": 32,
    "max_electric_power": 22000,
    "floor_level": "-1",
    "physical_reference": "3",
    "evses.status": "AVAILABLE",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "connector_standard": "IEC_62196_T2",
    "default_profile_type": "GREEN",
    "images.type": "png",
    "logo.type": "png",
    "dimensions.type": "ENERGY",
    "price_components.type": "ENERGY",
    "restrictions.reservation": None,
    "volume": 1.5,
    "price": 0.25,
    "step_size": 1,
    "percentage": 100,
    "kwh": 1.5,
    "excl_vat": 0.38,
    "incl_vat": 0.47,
    "total_energy": 1.5,
    "total_time": 1,
}
PREFERRED = {"AVAILABLE", "RFID", "IEC_62196_T2", "SOCKET", "AC_3_PHASE", "REGULAR", "WHITELIST", "COMPLETED"}
"""Values of enums that fit together; any other enum has its first value."""


def make_example(schema: Schema, context: Context, only_required: bool) -> Any:
    """Make an example of a schema.

    only_required: leave out each field that the program does not require.
    """
    return _Maker(schema, context, only_required).value(schema, [])


class _Maker:
    """One example. `root` has the definitions that the parts of the schema refer to."""

    def __init__(self, root: Schema, context: Context, only_required: bool) -> None:
        self._definitions = root.get("definitions") or root.get("$defs") or {}
        self._values = {**VALUES, **context}
        self._only_required = only_required

    def value(self, schema: Schema, path: Sequence[str]) -> Any:
        """Make the value of a field. path: names of the fields that lead to it."""
        schema = self._resolved(schema)
        if "properties" in schema:
            return self._object(schema, path)
        if schema.get("type") == "array":
            return [self.value(schema.get("items", {}), path)]
        if "enum" in schema:
            return self._choice(schema["enum"], path)
        known = self._known(path)
        return known[0] if known else _by_type(schema, path)

    def _object(self, schema: Schema, path: Sequence[str]) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        made = {}
        for name, field in schema["properties"].items():
            if self._only_required and name not in required:
                continue
            known = self._known([*path, name])
            if known and known[0] is None:
                continue
            made[name] = self.value(field, [*path, name])
        return made

    def _choice(self, values: Sequence[Any], path: Sequence[str]) -> Any:
        known = self._known(path)
        preferred = {known[0]} if known else PREFERRED
        return next((value for value in values if value in preferred), values[0])

    def _known(self, path: Sequence[str]) -> list[Any]:
        """Return the value for a path in a list, an empty list if there is none. The longest end counts."""
        for start in range(max(0, len(path) - 2), len(path)):
            name = ".".join(path[start:])
            if name in self._values:
                return [self._values[name]]
        return []

    def _resolved(self, schema: Schema) -> Schema:
        while True:
            choices = [
                each
                for word in ("allOf", "anyOf", "oneOf")
                for each in schema.get(word, ())
                if each.get("type") != "null"
            ]
            if "$ref" in schema:
                schema = self._definitions[schema["$ref"].rpartition("/")[2]]
            elif choices:
                schema = choices[0]
            else:
                return schema


def _by_type(schema: Schema, path: Sequence[str]) -> Any:
    """Return the program's own example of a field, or a plain value of its type."""
    if schema.get("examples"):
        return schema["examples"][0]
    name = path[-1] if path else ""
    if "url" in name or name in ("website", "thumbnail", "terms_and_conditions"):
        return "https://interop.example/x"
    plain = {"integer": 1, "number": 1, "boolean": True, "object": {}}
    return plain.get(str(schema.get("type")), "x")
