"""The kinds of documents that requests and answers carry.

A route declares which kind it takes and gives, so that a document is converted to and from a partner's OCPI
version in one place (`chalicelib/versions/`). A list of a kind, and a PATCH with some fields of it, are of
the same kind.

Source: OCPI 2.2.1, the object descriptions of all modules
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kind of a document, named as the specification names the class."""

    LOCATION = "Location"
    EVSE = "EVSE"
    CONNECTOR = "Connector"
    TARIFF = "Tariff"
    TOKEN = "Token"
    LOCATION_REFERENCES = "LocationReferences"
    AUTHORIZATION_INFO = "AuthorizationInfo"
    SESSION = "Session"
    CHARGING_PREFERENCES = "ChargingPreferences"
    CHARGING_PREFERENCES_RESPONSE = "ChargingPreferencesResponse"
    CDR = "CDR"
    START_SESSION = "StartSession"
    STOP_SESSION = "StopSession"
    RESERVE_NOW = "ReserveNow"
    CANCEL_RESERVATION = "CancelReservation"
    UNLOCK_CONNECTOR = "UnlockConnector"
    COMMAND_RESPONSE = "CommandResponse"
    COMMAND_RESULT = "CommandResult"
    CREDENTIALS = "Credentials"
    INVOICE_RECONCILIATION_RECORD = "InvoiceReconciliationRecord"
