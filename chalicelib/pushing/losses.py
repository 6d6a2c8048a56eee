"""Losses of pushes, as delivery rows keep them: what a partner's OCPI version could not express of an object.

A row keeps the first losses of the last push of its object, and their number. The losses of an EVSE that was
pushed alone name the EVSE, and replace only those of earlier pushes of it alone.

Source: docs/versions.md; X-02
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.pushing.deliveries import Delivery
from chalicelib.versions.version import Loss

MOST_KEPT = 20
"""Losses that a row keeps; a row is read with every push, and a partner may have thousands."""

_LONGEST = 200


def note_losses(row: Delivery, losses: Sequence[Loss], version: str, evse_uid: str = "") -> Delivery:
    """Row with the losses of a push in place of those of earlier pushes.

    version: OCPI version of the partner, if the object is to be sent again to a partner of another one; else
    "". evse_uid: of the EVSE, if one was pushed alone.
    """
    if not losses and not row.losses:
        return row
    others = [each for each in row.losses if evse_uid and each.get("evse_uid") != evse_uid]
    kept = [*others, *(_kept(loss, evse_uid) for loss in losses)][:MOST_KEPT]
    number = len(losses) + (row.lost - (len(row.losses) - len(others)) if evse_uid else 0)
    return replace(row, losses=kept, lost=number, lost_in=version if kept else "")


def _kept(loss: Loss, evse_uid: str) -> dict[str, str]:
    kept = {"pointer": loss.pointer[:_LONGEST], "reason": loss.reason[:_LONGEST]}
    return kept | ({"evse_uid": evse_uid} if evse_uid else {})
