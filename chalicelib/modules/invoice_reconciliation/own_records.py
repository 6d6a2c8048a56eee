"""Changes of the node's own invoice records by the operator. The table's stream then pushes them.

A record is for one partner: the one that is named, or the other side of the record's CDRs.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Push model; IR-01, IR-06
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters
from chalicelib.modules.invoice_reconciliation.billing import CDRS
from chalicelib.modules.invoice_reconciliation.decisions import remove, written
from chalicelib.modules.invoice_reconciliation.keeping import MODULE
from chalicelib.modules.invoice_reconciliation.objects import InvoiceReconciliationRecord
from chalicelib.modules.own_objects import OwnObject, decide_own
from chalicelib.partners.directory import claim_key
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.visibility import Viewer, partition_for_viewer, viewer_in
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.node import Node
    from chalicelib.storage.objects import Keep, KnownItems, Stored, Write

_OTHER_SIDE = {"CPO": "EMSP", "EMSP": "CPO"}
_LOOKED_AT = 25
"""CDRs of a record that are looked at to find the other side."""


def put_own_record(
    node: Node, party: Party, record_id: str, document: Document, to: Party | None, known: KnownItems = None
) -> OwnObject:
    """Create or replace a record of one of the node's parties.

    document: may leave out country_code, party_id, id and last_updated. to: the party that gets the invoice;
    None for that of the stored record, or of the CDRs.
    Raises: InvalidParameters naming the field.
    """
    ref = Ref(MODULE, *party, record_id)
    ids = {**party._asdict(), "id": record_id}
    current = node.objects.get(ref, known)
    if current is not None and to is None:
        partition = current.partition
    else:
        partition = partition_for_viewer(MODULE, party, _viewer(node, party, document, to))
        remember_list(node.table, partition)

    def decide(current: Stored | None) -> Write | Keep:
        return decide_own(
            current,
            lambda _: document,
            ids,
            InvoiceReconciliationRecord,
            lambda valid: replace(written(valid, current), partition=partition),
            node.clock(),
        )

    change = node.objects.change(ref, decide, known, partition=partition, source="")
    remark_on_own(node, ref, change.answer)
    return OwnObject(change.answer, change.created)


def delete_own_record(node: Node, party: Party, record_id: str) -> None:
    """Delete a record, which was an error itself.

    Raises: NotFound.
    """
    ref = Ref(MODULE, *party, record_id)
    node.objects.change(ref, remove, partition=partition_for_viewer(MODULE, party, None), source="")


def _viewer(node: Node, party: Party, document: Document, to: Party | None) -> Viewer:
    """The other side of a record.

    Raises: InvalidParameters when it is no partner, is not named and cannot be told by the CDRs, or the CDRs
    are of several.
    """
    if to is not None:
        roles = [_OTHER_SIDE[role] for role in _OTHER_SIDE if node.settings.owns(party, role)]
        return _partner_of(node, to, roles)
    found = {_viewer_of_cdr(node, cdr) for cdr in _some_cdrs(node, party, document)}
    if len(found) == 1:
        viewer = found.pop()
        return _partner_of(node, viewer.party, [viewer.role])
    if found:
        names = ", ".join(sorted(viewer.party.key() for viewer in found))
        raise InvalidParameters(f"these CDRs are of several parties: {names}", field="cdrs")
    raise InvalidParameters("name the party that gets the invoice: none of these CDRs is known", field="to")


def _partner_of(node: Node, to: Party, roles: list[str]) -> Viewer:
    """The party, in the first of the roles that it plays as a partner of this node.

    Raises: InvalidParameters when it plays none: a party behind a hub cannot be sent a record.
    """
    claims = node.table.get_many(claim_key(to, role) for role in roles)
    role = next((role for role in roles if claim_key(to, role) in claims), None)
    if role is None:
        names = " or ".join(roles)
        text = f"{to.key()} is no {names} that is a partner of this node; a hub passes no records on"
        raise InvalidParameters(text, field="to")
    return Viewer(to, role)


def _some_cdrs(node: Node, party: Party, document: Document) -> Iterable[Stored]:
    """The stored CDRs of some of the ids in a document that is not validated yet."""
    ids = document.get("cdrs")
    names = [str(each) for each in ids[:_LOOKED_AT]] if isinstance(ids, list) else []
    owners = [party] if node.settings.owns(party, "CPO") else []
    if not owners:
        owners = [cpo for partner in node.directory.all() for cpo in partner.parties("CPO")]
    return node.objects.get_many(Ref(CDRS, *owner, name) for owner in owners for name in names).values()


def _viewer_of_cdr(node: Node, cdr: Stored) -> Viewer:
    """The other side of a CDR: the eMSP of ours, also if a hub made it, or the owner of a received one."""
    owner = Party(cdr.ref.country_code, cdr.ref.party_id)
    if not node.settings.owns(owner, "CPO"):
        return Viewer(owner, "CPO")
    viewer = viewer_in(cdr.partition)
    if viewer is not None and viewer.role == "EMSP":
        return viewer
    return emsp_of(read_json(str(cdr.body))["cdr_token"])
