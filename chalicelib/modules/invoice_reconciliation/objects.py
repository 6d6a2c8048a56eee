"""InvoiceReconciliationRecord: which CDRs an invoice is about.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Object description; IR-02, IR-05
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chalicelib.modules.cdrs.objects import CdrId
from chalicelib.modules.locations.objects import Id
from chalicelib.protocol.types import CountryCode2, DateTime, OcpiObject, PartyId, ci_string

MOST_CDRS = 5000
"""CDRs of one record: more would not fit into an item of the table."""

InvoiceId: Any = ci_string(255)


class InvoiceReconciliationRecord(OcpiObject):
    """One invoice of a party, and the ids of the CDRs in it.

    # Spec: a CDR's id has 36 characters here, but that of a credit CDR has 39 (IR-05).
    """

    country_code: CountryCode2
    party_id: PartyId
    id: Id
    invoice_id: InvoiceId
    cdrs: Annotated[list[CdrId], Field(min_length=1, max_length=MOST_CDRS)]
    last_updated: DateTime
