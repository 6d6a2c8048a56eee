"""Sums of the CDRs that an invoice record lists, for the operator to compare with the invoice.

The listed CDRs decide, not their dates. The sum of their costs is to be the total of the invoice.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Flow and Lifecycle; IR-07
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.modules.invoice_reconciliation.billing import sides_of
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.keys import Ref
    from chalicelib.storage.objects import Stored

MOST_SHOWN = 1000
"""CDRs that are in no record and are shown; `never_invoiced_count` counts all."""


def reconcile(node: Node, record: Stored) -> Document:
    """Sum up the CDRs of a record, and name those that are unknown, listed elsewhere too, or in no record."""
    document = read_json(str(record.body))
    partner = node.directory.get(record.source) if record.source else None
    sides = sides_of(node.settings, record, partner)
    named = {fold(name): name for name in document["cdrs"]}
    found = node.objects.get_many(ref for name in named.values() for ref in sides.cdrs_named(name))
    cdrs = [read_json(str(cdr.body)) for cdr in found.values()]
    known = {fold(ref.id) for ref in found}
    others = _listed_elsewhere(node, record)
    left = [
        ref
        for partition in sides.partitions_of_cdrs()
        for ref, _ in node.objects.versions(partition)
        if sides.is_between(ref) and fold(ref.id) not in named and fold(ref.id) not in others
    ]
    return {
        **{name: document[name] for name in ("id", "invoice_id")},
        "cdrs": len(named),
        "totals": totals_of(cdrs),
        "unknown": [name for folded, name in named.items() if folded not in known],
        "also_in": {name: others[folded] for folded, name in named.items() if folded in others},
        "never_invoiced_count": len(left),
        "never_invoiced": _summaries(node, left[:MOST_SHOWN]),
    }


def totals_of(cdrs: Iterable[Document]) -> list[Document]:
    """The sums of CDRs by currency. Without a gross amount a CDR counts with its net amount."""
    sums: dict[str, list[Any]] = {}
    for cdr in cdrs:
        cost = cdr["total_cost"]
        entry = sums.setdefault(cdr["currency"], [0, Decimal(), Decimal()])
        gross = cost.get("incl_vat")
        entry[0] += 1
        entry[1] += cost["excl_vat"]
        entry[2] += cost["excl_vat"] if gross is None else gross
    return [
        {"currency": currency, "cdrs": count, "excl_vat": net, "incl_vat": gross}
        for currency, (count, net, gross) in sorted(sums.items())
    ]


def _listed_elsewhere(node: Node, record: Stored) -> dict[str, str]:
    """The folded ids of CDRs in the other records between the same two sides, with the id of the record."""
    listed: dict[str, str] = {}
    for ref, document in _records(node, record):
        if ref.key != record.ref.key:
            listed |= {fold(name): document["id"] for name in document["cdrs"]}
    return listed


def _records(node: Node, record: Stored) -> Iterable[tuple[Ref, Document]]:
    """The records of the same owner for the same partner."""
    owner = Party(record.ref.country_code, record.ref.party_id)
    refs = [
        ref
        for ref, _ in node.objects.versions(record.partition)
        if owner.same_as(Party(ref.country_code, ref.party_id))
    ]
    for ref, stored in node.objects.get_many(refs).items():
        yield ref, read_json(str(stored.body))


def _summaries(node: Node, refs: Iterable[Ref]) -> list[Document]:
    cdrs = (read_json(str(cdr.body)) for cdr in node.objects.get_many(refs).values())
    return [
        {name: cdr[name] for name in ("id", "end_date_time", "currency", "total_cost", "last_updated")}
        for cdr in cdrs
    ]
