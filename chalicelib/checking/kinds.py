"""Kinds of documents that can be checked, by their name or by their fields.

Source: OCPI 2.2.1, the object descriptions of all modules
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.commands.objects import COMMANDS, CommandResponse, CommandResult
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.invoice_reconciliation.objects import InvoiceReconciliationRecord
from chalicelib.modules.locations.objects import Connector, Evse, Location
from chalicelib.modules.sessions.objects import ChargingPreferences, Session
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tokens.objects import AuthorizationInfo, LocationReferences, Token
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.types import OcpiObject

MODELS: dict[Kind, type[OcpiObject]] = {
    Kind.LOCATION: Location,
    Kind.EVSE: Evse,
    Kind.CONNECTOR: Connector,
    Kind.TARIFF: Tariff,
    Kind.TOKEN: Token,
    Kind.SESSION: Session,
    Kind.CDR: Cdr,
    Kind.CREDENTIALS: Credentials,
    **{kind: COMMANDS[kind.name] for kind in Kind if kind.name in COMMANDS},
    Kind.COMMAND_RESPONSE: CommandResponse,
    Kind.COMMAND_RESULT: CommandResult,
    Kind.AUTHORIZATION_INFO: AuthorizationInfo,
    Kind.LOCATION_REFERENCES: LocationReferences,
    Kind.CHARGING_PREFERENCES: ChargingPreferences,
    Kind.INVOICE_RECONCILIATION_RECORD: InvoiceReconciliationRecord,
}
"""The class of each kind."""

_ALSO = {Kind.AUTHORIZATION_INFO: {"info", "location", "token"}}
"""Fields of OCPI that a class leaves out."""


def kind_named(name: str) -> Kind:
    """Find a kind by its name in any spelling.

    >>> kind_named("start-session"), kind_named("evse")
    (<Kind.START_SESSION: 'StartSession'>, <Kind.EVSE: 'EVSE'>)

    Raises: InvalidParameters when there is none.
    """
    for kind in MODELS:
        if _plain(kind) == _plain(name):
            return kind
    raise InvalidParameters(f"expected one of {', '.join(MODELS)}", field="kind")


def recognise(document: object) -> Kind:
    """Find the kind whose fields a document has: most of its own, fewest others, fewest missing.

    Raises: InvalidParameters when it has fields of none, or is no object.
    """
    if not isinstance(document, Mapping):
        raise InvalidParameters("expected a JSON object, a list of objects or an OCPI envelope", field="body")
    best = max(MODELS, key=lambda kind: _likeness(kind, document))
    if _likeness(best, document)[0] <= -len(document):
        raise InvalidParameters("cannot be recognised from the fields of the document", field="kind")
    return best


def _likeness(kind: Kind, document: Mapping[str, object]) -> tuple[int, int]:
    fields = MODELS[kind].model_fields
    known = {*fields, *_ALSO.get(kind, ())}
    shared = sum(name in known for name in document)
    missing = sum(field.is_required() and name not in document for name, field in fields.items())
    return 2 * shared - len(document), -missing


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
