"""Remarks on the times of updates that came: stamped ahead of our clock, or overtaken on their way.

Both are answered with 1000, since what the sender did is no error of this request. But nobody could see that
an object stands still, so each is counted and logged, and said in the answer's `status_message`. A stamp
ahead of our clock is also noted in the record of the partner that sent it, for the operator: once a day,
not for each message, so that it costs a request nothing.

Source: protocol/order.py; LOC-14
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.errors import OcpiError
from chalicelib.log import log
from chalicelib.partners.directory import Partner, StampAhead
from chalicelib.protocol.order import Overtaken, stamps_ahead
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.protocol.message import Request


def remark_on(
    node: Node, request: Request, ref: Ref, document: Mapping[str, Any], overtaken: Sequence[Overtaken] = ()
) -> str | None:
    """Log, count and note what is odd about an update's times, and return what the answer says of it.

    document: a valid PUT, PATCH or POST. overtaken: what of it was older than what is stored.
    """
    ahead = max(stamps_ahead(document, node.clock()), default=None)
    if ahead is not None:
        _log_ahead(node, request, ref, ahead)
    for each in overtaken:
        log.warning(
            "an update was overtaken: it is older than what is stored, and changed nothing",
            partner=request.caller.id,
            ref=for_log(str(ref)),
            part=each.part,
            last_updated=each.came,
            stored=each.stored,
            **metrics.update_overtaken(node.settings.table),
        )
    remarks = [_said_of(each) for each in overtaken]
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


def _said_of(overtaken: Overtaken) -> str:
    part = f"{overtaken.part}: " if overtaken.part else ""
    return (
        f"{part}not changed, since last_updated {overtaken.came} is older than the stored {overtaken.stored}"
    )


def _log_ahead(node: Node, request: Request, ref: Ref, last_updated: str) -> None:
    now = node.clock()
    ahead_s = int((parse_datetime(last_updated) - now).total_seconds())
    log.warning(
        "an update is stamped ahead of our clock, so it counts by its arrival",
        partner=request.caller.id,
        ref=for_log(str(ref)),
        last_updated=last_updated,
        ahead_s=ahead_s,
        **metrics.stamp_ahead(node.settings.table),
    )
    noted = StampAhead(at=format_datetime(now), module=ref.module, last_updated=last_updated, ahead_s=ahead_s)
    if _is_news(request.caller, noted):
        _write_down(node, request.caller.id, noted)


def _is_news(partner: Partner, noted: StampAhead) -> bool:
    """Tell whether it is the first of its day; the caller was read with its token, so this costs no call."""
    return partner.stamp_ahead is None or partner.stamp_ahead.at[:10] < noted.at[:10]


def _write_down(node: Node, partner_id: str, noted: StampAhead) -> None:
    def change(partner: Partner) -> Partner | None:
        return partner.model_copy(update={"stamp_ahead": noted}) if _is_news(partner, noted) else None

    try:
        node.directory.update(partner_id, change)
    except (OcpiError, Conflict):
        # The object is stored already, and tomorrow's first is noted again.
        log.warning("a partner's stamp could not be noted", partner=partner_id)
