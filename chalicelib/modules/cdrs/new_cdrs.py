"""New CDRs of a session, decided from its draft and its latest CDR. Pure functions.

A session that is corrected after its CDR gets a credit CDR for the latest CDR, then a new CDR. A session
without a draft (it became INVALID) gets the credit CDR only. If the new CDR would be equal to the old one,
nothing is written. A credit CDR goes to the partition of the CDR that it credits, even if the new CDR goes to
another partner. If it goes to the same one, its item names the credit CDR that has to be pushed before it
(`follows`, see `pushing/cdr_order.py`).

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-09
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.modules.cdrs.assembly import FinishedDraft
from chalicelib.modules.cdrs.cdr_partitions import OF_CPO, CdrPartitions
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.pricing.credit import credit_cdr
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.types import validate
from chalicelib.queues import CREDIT
from chalicelib.storage.objects import New, Write

if TYPE_CHECKING:
    from chalicelib.modules.cdrs.earlier_cdrs import LatestCdr
    from chalicelib.storage.keys import Ref
    from chalicelib.storage.objects import Stored

_NOT_COMPARED = frozenset({"id", "last_updated"})


def new_cdrs(
    version: int,
    latest: LatestCdr,
    draft: FinishedDraft | None,
    ref: Ref,
    partitions: CdrPartitions,
    last_updated: str,
) -> list[New]:
    """Build the CDRs that a version of a session lacks, with their copies.

    draft: None if the session gets no CDR. ref: of the new CDR.
    """
    old, extra = latest.cdr, {"sv": version}
    credit = []
    if old is not None and not latest.is_credited:
        if draft is not None and has_same_content(read_json(str(old.body)), draft.cdr):
            return []
        document = credit_cdr(read_json(str(old.body)), last_updated=last_updated)
        of_credit = CdrPartitions(old.partition, partitions.of_cpo)
        credit = _new(old.ref._replace(id=document["id"]), document, of_credit, extra)
    if draft is None:
        return credit
    document = {**draft.cdr, "id": ref.id, "last_updated": last_updated}
    return [*credit, *_new(ref, document, partitions, {**extra, "why": draft.reasons}, old)]


def _new(
    ref: Ref, document: Document, partitions: CdrPartitions, extra: Document, old: Stored | None = None
) -> list[New]:
    """Build a new CDR, and its copy for the CPO if it has one. old: the CDR that it replaces."""
    validate(Cdr, document)
    body, last_updated = JsonText(write_json(document)), document["last_updated"]
    own, copied = ({}, {}) if old is None else (_follows(old.ref), _follows(old.ref, OF_CPO))
    if old is not None and old.partition != partitions.viewer:
        own = {}
    written = [New(ref, Write(body, last_updated, partitions.viewer, {**extra, **own}))]
    if partitions.of_cpo is not None:
        copy = Write(body, last_updated, partitions.of_cpo, copied)
        written.append(New(ref._replace(variant=OF_CPO), copy))
    return written


def _follows(replaced: Ref, variant: str = "") -> Document:
    """The key of the credit CDR of a replaced CDR, as a column of the new one."""
    return {"follows": replaced._replace(id=f"{replaced.id}{CREDIT}", variant=variant).key.pk}


def has_same_content(cdr: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two CDRs are equal apart from `id` and `last_updated`."""
    names = (cdr.keys() | other.keys()) - _NOT_COMPARED
    return all(cdr.get(name) == other.get(name) for name in names)
