"""The two sides of an invoice record: the CPO whose CDRs it lists, and the eMSP whose drivers charged.

Direct billing: the CPO owns the record. Reverse billing: the eMSP owns it. Either side may be this node.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Flow and Lifecycle; IR-01
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.policy.visibility import Viewer, partition_for_viewer, viewer_in
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings
    from chalicelib.storage.objects import Stored

CDRS = "cdrs"


class Sides(NamedTuple):
    """The parties of a record; several where this node's side is not named.

    is_cpo: whether this node is the CPO.
    """

    cpos: Sequence[Party]
    emsps: Sequence[Party]
    is_cpo: bool

    def cdrs_named(self, cdr_id: str) -> list[Ref]:
        """The possible names of a CDR that the record lists."""
        return [Ref(CDRS, *cpo, cdr_id) for cpo in self.cpos]

    def partitions_of_cdrs(self) -> list[str]:
        """The lists that have all CDRs between the two sides, and perhaps those of other CPOs."""
        viewers = [Viewer(emsp, "EMSP") for emsp in self.emsps]
        owners: Sequence[Party | None] = self.cpos if self.is_cpo else [None]
        return [partition_for_viewer(CDRS, owner, viewer) for owner in owners for viewer in viewers]

    def is_between(self, cdr: Ref) -> bool:
        """Tell whether a CDR of those lists is of one of the CPOs."""
        return any(cpo.same_as(Party(cdr.country_code, cdr.party_id)) for cpo in self.cpos)


def sides_of(settings: Settings, record: Stored, partner: Partner | None) -> Sides:
    """Find the sides of a stored record. partner: the one that it came from, None for our own."""
    owner = Party(record.ref.country_code, record.ref.party_id)
    if not record.source:
        viewer = viewer_in(record.partition)
        others = [viewer.party] if viewer else []
        is_cpo = settings.owns(owner, "CPO") and (viewer is None or viewer.role != "CPO")
        return Sides([owner], others, True) if is_cpo else Sides(others, [owner], False)
    if settings.plays("CPO") and partner is not None and partner.plays_as(owner, "EMSP"):
        return Sides(settings.parties("CPO"), [owner], True)
    return Sides([owner], settings.parties("EMSP"), False)
