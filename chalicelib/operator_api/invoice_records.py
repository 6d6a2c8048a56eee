"""Invoice records in the operator API: a CPO or an eMSP writes its own, and compares those it has received.

Source: OCPI 2.3.0 mod_invoice_reconciliation; IR-01 … IR-07
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.modules.invoice_reconciliation import own_records
from chalicelib.modules.invoice_reconciliation.decisions import earlier
from chalicelib.modules.invoice_reconciliation.reconciling import reconcile
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import (
    find_object,
    keys_to_find,
    narrow_to_party,
    owner_to_write,
    page_of,
    party_in_query,
)
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Key

_PATH = "/invoicereconciliation"
_RECORD = f"{_PATH}/{{record_id}}"
_MODULE = "invoicereconciliation"


def list_records(call: OperatorCall) -> Reply:
    """A page of the records: own and received ones."""
    node, request = call.node, call.request
    return page_of(
        call,
        _MODULE,
        lambda: narrow_to_party(node.settings, request, _MODULE, remembered_lists(node.table, _MODULE)),
    )


def get_record(call: OperatorCall) -> Reply:
    """One record, with its earlier versions."""
    found = find_object(call, _MODULE)
    return Reply(data={**read_json(str(found.body)), "earlier": earlier(found)})


def get_reconciliation(call: OperatorCall) -> Reply:
    """The sum of a record's CDRs, the unknown ids, and the CDRs that are in no record."""
    return Reply(data=reconcile(call.node, find_object(call, _MODULE)))


def put_record(call: OperatorCall) -> Reply:
    """Create or replace an own record; `?to=PT*EVI` names the party that gets the invoice."""
    document = {name: value for name, value in call.request.json_object().items() if name != "earlier"}
    party = owner_to_write(call.node.settings, call.request, document, _MODULE)
    to = party_in_query(call.request, "to")
    written = own_records.put_own_record(call.node, party, id_in_url(call.request, "record_id"), document, to)
    return Reply(data=written.document, http_status=201 if written.created else 200)


def delete_record(call: OperatorCall) -> Reply:
    """Delete an own record, which was an error itself."""
    party = owner_to_write(call.node.settings, call.request, module=_MODULE)
    own_records.delete_own_record(call.node, party, id_in_url(call.request, "record_id"))
    return Reply(http_status=204)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, _MODULE)


ROUTES = (
    OperatorRoute("GET", _PATH, list_records),
    OperatorRoute("GET", _RECORD, get_record, _keys_of_get),
    OperatorRoute("PUT", _RECORD, put_record),
    OperatorRoute("DELETE", _RECORD, delete_record),
    OperatorRoute("GET", f"{_RECORD}/reconciliation", get_reconciliation, _keys_of_get),
)
