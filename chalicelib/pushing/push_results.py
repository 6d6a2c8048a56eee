"""Delivery rows after a push: one pure function for each result.

Source: docs/design.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.errors import InvalidParameters
from chalicelib.pushing.deliveries import NOT_TAKEN, Delivery, DeliveryStatus
from chalicelib.pushing.push_decisions import Act, Seen, evse_version
from chalicelib.queues import Broadcast
from chalicelib.versions.supported import Inexpressible

PushError = PartnerRefusal | PartnerFault | InvalidParameters
"""Error of a push.

InvalidParameters counts as a refusal, because the object cannot be sent in this form; its kind Inexpressible
does not: the object is held.
"""


def delivered(
    messages: Sequence[Broadcast], seen: Seen, act: Act, status: DeliveryStatus, version: int
) -> Delivery:
    """Row of an object that the partner took.

    messages: the changes that it has then. status: as decided. version: 0 when only an EVSE was sent.
    """
    before = seen.delivery
    row = replace(
        before, status=status, method="PUT", reason="", words="", code=0, http=0, evse_uid="",
        since="", cause="", tries=0, given_up=0, retry_at="",
    )  # fmt: skip
    if act is Act.DELETE:
        return replace(row, version=version, method="DELETE", evse="")
    if act in (Act.PUT, Act.WITHDRAW):
        return replace(row, version=version, evse="")
    assert seen.evse is not None
    reached = before.advance(messages)
    is_behind = before.status in (DeliveryStatus.MISSED, DeliveryStatus.DEAD) and reached == before.version
    # That the whole location or another EVSE was refused or is held stays recorded.
    is_about_another = before.status in NOT_TAKEN and before.evse_uid != seen.evse["uid"]
    return replace(
        before if is_behind or is_about_another else row, version=reached, evse=evse_version(seen.evse)
    )


def refused(messages: Sequence[Broadcast], seen: Seen, act: Act, refusal: PushError) -> Delivery:
    """Row of an object that the partner refused, or that is held because its version cannot express it."""
    before = seen.delivery
    status = DeliveryStatus.HELD if isinstance(refusal, Inexpressible) else DeliveryStatus.REFUSED
    if act is Act.DELETE:
        version = max(messages[-1].version, before.version)
    elif act is Act.PUT_EVSE:
        version = before.advance(messages)
    else:
        assert seen.item is not None
        version = int(seen.item["v"])
    method = "DELETE" if act is Act.DELETE else "PUT"
    problem = problem_of(seen, act, refusal)
    row = replace(before, status=status, version=version, method=method, since="", cause="", tries=0)
    row = replace(row, given_up=0, retry_at="")
    if before.status in NOT_TAKEN and before.evse_uid != problem["evse_uid"]:
        # Several parts of the location were not taken: only a push of the whole location clears that.
        problem["evse_uid"] = ""
    return replace(row, **problem)


def missed(before: Delivery) -> Delivery:
    """Row of an object that is not pushed, because the partner is OFFLINE."""
    return replace(before, status=DeliveryStatus.MISSED, since="", cause="", tries=0)


def missed_after(before: Delivery, problem: dict[str, Any]) -> Delivery:
    """Row of an object that failed at a partner that is OFFLINE.

    When the partner is back, it may take all objects but this one. So this object then has one try, as if it
    had been given up. Otherwise it would make the partner OFFLINE again and again, and delay the others.
    """
    return replace(missed(before), given_up=max(1, before.given_up), **problem)


def problem_of(seen: Seen, act: Act, error: PushError) -> dict[str, Any]:
    """Columns of a row that describe an error."""
    problem: dict[str, Any] = {"reason": str(error), "words": "", "code": 0, "http": 0, "evse_uid": ""}
    if not isinstance(error, InvalidParameters):
        problem |= {"reason": error.reason, "words": error.words}
        problem |= {"code": error.status_code or 0, "http": error.http_status or 0}
    if act is Act.PUT_EVSE and seen.evse is not None:
        problem["evse_uid"] = seen.evse["uid"]
    return problem
