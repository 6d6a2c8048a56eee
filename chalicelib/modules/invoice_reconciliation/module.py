"""The descriptor of the invoice reconciliation module, new in the second edition of OCPI 2.3.0.

A CPO or an eMSP owns its records, so both offer both interfaces. A hub does not.

Source: OCPI 2.3.0 mod_invoice_reconciliation; IR-01
"""

from __future__ import annotations

from chalicelib.modules.module import Module

MODULE = Module(
    "invoicereconciliation",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.invoice_records",),
    offered_by={"SENDER": ("CPO", "EMSP"), "RECEIVER": ("CPO", "EMSP")},
    owner_roles=("CPO", "EMSP"),
    viewer_roles=("EMSP", "CPO", "HUB"),
    pushed=True,
    push_method="POST_ONCE",
    deletable=True,
    id_name="record_id",
    first_version="2.3.0",
)
