"""Starts pulls when a partner has registered, or has got other roles or endpoints.

The table's stream has the record of that change, so it is not missed if a function dies just then. On both
sides of a handshake the partner's record becomes REGISTERED, and a role counts when the operator approves it:
both are such a change. What the partner had refused to it before may be older than any date, so these pulls
are full ones.

Source: OCPI 2.2.1 credentials; docs/security.md, Roles; BR-09, TRN-31
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.partners.directory import Partner
from chalicelib.pulling.objects import Cause
from chalicelib.pushing.stream_changes import read_change
from chalicelib.queues import PullRequest

if TYPE_CHECKING:
    from chalicelib.node import Node

DELAY_S = 5
"""Seconds after the record: the partner may have yet to store the token that we use."""


def note_partners(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Queue a message for each record of a partner whose lists should be read now.

    When the queue fails, Lambda delivers the batch again; a request that comes twice is one pull.
    """
    requests = [request for record in records if (request := _request(record))]
    if requests:
        node.queues.send_background(requests)


def _request(record: Mapping[str, Any]) -> PullRequest | None:
    if record["dynamodb"]["Keys"]["pk"]["S"] != "partners":
        return None
    try:
        change = read_change(record)
        before, after = _partner(change.before), _partner(change.after)
    except Exception:
        log.exception("a record of a partner cannot be read", extra={"record": record.get("eventID")})
        return None
    if after is None or _sources(after) == _sources(before) or not after.is_registered:
        return None
    return PullRequest(
        partner_id=after.id, id=change.id, cause=Cause.REGISTRATION, full=True, delay_s=DELAY_S
    )


def _sources(partner: Partner | None) -> object:
    """Facts that decide which objects a partner has for us."""
    if partner is None:
        return None
    return partner.is_registered, partner.version, partner.endpoints, partner.roles


def _partner(item: Mapping[str, Any] | None) -> Partner | None:
    return Partner.model_validate_json(item["partner"]) if item else None
