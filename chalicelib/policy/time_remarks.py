"""Remarks on the `last_updated` of received updates: ahead of our clock, or overtaken by a newer update.

Both kinds of update are answered with 1000, because the request itself is valid. Without a remark, a stored
object that no longer changes would stay unnoticed. So each case is counted and logged, and the answer's
`status_message` has a text about it. A stamp ahead of our clock is also recorded in the partner's record
for the operator, once a day only, so that the other requests need no additional call.

Source: protocol/overtaking.py; LOC-14
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.errors import OcpiError
from chalicelib.log import log
from chalicelib.partners.directory import Partner, StampAhead
from chalicelib.protocol.overtaking import Overtaken, stamps_ahead
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory


def remark_on(
    node: Node, partner: Partner, ref: Ref, document: Mapping[str, Any], overtaken: Sequence[Overtaken] = ()
) -> str | None:
    """Log, count and record odd times of an update. Returns the text for `status_message`, None without any.

    partner: the sender. document: a valid object or PATCH. overtaken: its parts that are older than stored.
    """
    ahead = max(stamps_ahead(document, node.clock()), default=None)
    if ahead is not None:
        _log_ahead(node, partner, ref, ahead)
    for each in overtaken:
        log.warning(
            "an update was overtaken: it is older than the stored object, and changed nothing",
            partner=partner.id,
            ref=for_log(str(ref)),
            part=each.part,
            last_updated=each.came,
            stored=each.stored,
            **metrics.update_overtaken(node.settings.table),
        )
    remarks = [_overtaken_text(each) for each in overtaken]
    if ahead is not None:
        now = format_datetime(node.clock())
        remarks.append(f"last_updated {ahead} is ahead of this node's clock ({now}), so the arrival counts")
    return "; ".join(remarks) or None


def remark_on_own(node: Node, ref: Ref, document: Mapping[str, Any]) -> None:
    """Log and count an object of the operator's own that is stamped ahead of our clock."""
    ahead = max(stamps_ahead(document, node.clock()), default=None)
    if ahead is not None:
        log.warning(
            "an object of our own is stamped ahead of our clock, so it counts by its arrival",
            ref=for_log(str(ref)),
            last_updated=ahead,
            **metrics.stamp_ahead(node.settings.table),
        )


def _overtaken_text(overtaken: Overtaken) -> str:
    part = f"{overtaken.part}: " if overtaken.part else ""
    return (
        f"{part}not changed, since last_updated {overtaken.came} is older than the stored {overtaken.stored}"
    )


def _log_ahead(node: Node, partner: Partner, ref: Ref, last_updated: str) -> None:
    now = node.clock()
    ahead_s = int((parse_datetime(last_updated) - now).total_seconds())
    log.warning(
        "an update is stamped ahead of our clock, so it counts by its arrival",
        partner=partner.id,
        ref=for_log(str(ref)),
        last_updated=last_updated,
        ahead_s=ahead_s,
        **metrics.stamp_ahead(node.settings.table),
    )
    noted = StampAhead(at=format_datetime(now), module=ref.module, last_updated=last_updated, ahead_s=ahead_s)
    if _is_news(partner, noted):
        _record_ahead(node.directory, partner.id, noted)


def _is_news(partner: Partner, noted: StampAhead) -> bool:
    """Check whether it is the first one of a day.

    The partner is read with its token, so this costs no call.
    """
    return partner.stamp_ahead is None or partner.stamp_ahead.at[:10] < noted.at[:10]


def _record_ahead(directory: Directory, partner_id: str, noted: StampAhead) -> None:
    def change(partner: Partner) -> Partner | None:
        return partner.model_copy(update={"stamp_ahead": noted}) if _is_news(partner, noted) else None

    try:
        directory.update(partner_id, change)
    except (OcpiError, Conflict):
        # The object is stored already, and the next stamp ahead of our clock is recorded again.
        log.warning("failed to record a partner's stamp ahead of our clock", partner=partner_id)
