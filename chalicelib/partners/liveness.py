"""Partners that are away: every minute each is asked for its versions, and is CONNECTED when it answers.

What it missed is queued because the table's stream tells that the partner is back (`changes.py`), so
that a timer that dies after the one cannot leave out the other. The timer also takes the second looks
of `catch_up.py`.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.log import log
from chalicelib.partners.answers import PartnerError
from chalicelib.partners.catch_up import take_second_looks

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

PROBE_S = 5.0
_AT_ONCE = 10


def run(node: Node) -> None:
    """Look for the partners that are away, and catch up where a second look is due."""
    partners = node.directory.all()
    away = [partner for partner in partners if partner.is_registered and partner.connection == "OFFLINE"]
    back = _that_answer(node, away)
    if len(away) > len(back):
        number = len(away) - len(back)
        log.info("partners are away", extra=metrics.partners_offline(node.settings.table, number))
    for partner in back:
        log.info("a partner is back", extra={"partner": partner.id, "offline_since": partner.offline_since})
        node.directory.update(partner.id, _connected)
    take_second_looks(node, {partner.id: partner for partner in partners})


def _that_answer(node: Node, partners: Sequence[Partner]) -> list[Partner]:
    if not partners:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(partners)), thread_name_prefix="probe") as pool:
        answers = list(pool.map(lambda partner: _answers(node, partner), partners))
    return [partner for partner, answered in zip(partners, answers, strict=True) if answered]


def _answers(node: Node, partner: Partner) -> bool:
    try:
        node.client.probe(partner, total_s=PROBE_S)
    except PartnerError:
        return False
    return True


def _connected(partner: Partner) -> Partner | None:
    if partner.connection == "CONNECTED":
        return None
    return partner.model_copy(update={"connection": "CONNECTED", "offline_since": None})
