"""Partitions that the CDRs of a session are stored in. Pure functions.

At a hub both the eMSP and the CPO see a CDR, so it is stored twice, once in the partition of each; this is
safe because a CDR never changes. At a CPO the viewer of the session sees its CDR. If that viewer is a hub
that makes the CDRs itself, only the operator sees it.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.visibility import Viewer, partition_for_viewer, viewer_of
from chalicelib.protocol.message import Party

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings
    from chalicelib.storage.objects import Stored

MODULE = "cdrs"
OF_CPO = "CPO"
"""Variant of the copy of a hub's CDR, in the partition of the CPO."""


@dataclass(frozen=True)
class CdrPartitions:
    """Partitions of a session's new CDR. of_cpo: that of the copy for the CPO; None without a copy."""

    viewer: str
    of_cpo: str | None = None


def makes_cdrs_of(settings: Settings, source: str) -> bool:
    """Return whether this node may make CDRs for a source: a CPO for itself (""), a hub for partners."""
    return settings.plays("HUB") if source else settings.plays("CPO")


def partitions_of(
    settings: Settings, partners: Iterable[Partner], session: Stored, cdr_token: Mapping[str, Any]
) -> CdrPartitions | None:
    """Partitions for the CDRs of a session; None when another node makes them."""
    if not makes_cdrs_of(settings, session.source):
        return None
    owner = Party(session.ref.country_code, session.ref.party_id)
    if session.source:
        sender = next((partner for partner in partners if partner.id == session.source), None)
        return _at_hub(owner, cdr_token) if hub_makes_cdr(sender) else None
    partition = MODULE + session.partition[session.partition.index("#") :]
    is_shown = _is_of_record(partners, partition)
    return CdrPartitions(partition if is_shown else partition_for_viewer(MODULE, owner, None))


def _at_hub(owner: Party, cdr_token: Mapping[str, Any]) -> CdrPartitions:
    return CdrPartitions(
        partition_for_viewer(MODULE, None, emsp_of(cdr_token)),
        partition_for_viewer(MODULE, None, Viewer(owner, OF_CPO)),
    )


def _is_of_record(partners: Iterable[Partner], partition: str) -> bool:
    """Return whether an own CDR is the CDR of record: its viewer is no hub that makes the CDRs."""
    shown = [partner for partner in partners if viewer_of(partner, partition) is not None]
    if not shown:
        return not partition.endswith("#HUB")
    return not any(partner.is_hub and hub_makes_cdr(partner) for partner in shown)
