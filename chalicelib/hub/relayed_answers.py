"""Makes a hub's answer from the answer of the receiver that the hub called for a requester.

The receiver's answer about the request goes to the requester unchanged. If the receiver's answer is about
the hub, or there is no answer, the hub answers with its own 4xxx codes: a relayed 401 would mean that the
requester's token is bad, but the hub's token is.

If the parties speak different versions, `status_message` also names what was lost between them.

Source: OCPI 2.2.1 status_codes, 4xxx; RTE-28 … RTE-31, X-02
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.calls.answers import Answer, PartnerError, PartnerFault
from chalicelib.errors import ConnectionProblem, HubError, ReceiverTimeout
from chalicelib.protocol.message import ABSENT, Reply
from chalicelib.versions.version import Loss

NOT_RECEIVED = "left out for the receiver"
NOT_ANSWERED = "left out of the answer"

_MOST_NAMED = 5
_LONGEST = 120
_RELAYED = frozenset({200, 201, 400, 404, 405})


def relayed_answer(
    answer: Answer, headers: Mapping[str, str] | None = None, *, needs_data: bool = True
) -> Reply:
    """Return the receiver's success unchanged, with only the given headers (TRP-19).

    needs_data: whether the request needs data in its answer.
    Raises: HubError when the answer has neither data nor a proper envelope without data.
    """
    if needs_data and answer.is_empty:
        raise HubError("the receiver answered neither data nor an OCPI envelope")
    data = ABSENT if answer.data is None else answer.data
    http_status = answer.http_status if answer.http_status in _RELAYED else 200
    message = message_with(answer.status_message, NOT_RECEIVED, answer.losses)
    return Reply(data, http_status, answer.status_code, message, headers or {})


def message_with(message: str | None, what: str, losses: Sequence[Loss]) -> str | None:
    """Return a status_message that also names losses: all of them, or the first and their number.

    >>> message_with("hello", NOT_ANSWERED, [Loss("/state", "2.2 does not have this field")])
    'hello; left out of the answer: /state (2.2 does not have this field)'
    """
    if not losses:
        return message
    named = ", ".join(
        f"{loss.pointer[:_LONGEST]} ({loss.reason[:_LONGEST]})" for loss in losses[:_MOST_NAMED]
    )
    more = f" and {len(losses) - _MOST_NAMED} more" if len(losses) > _MOST_NAMED else ""
    return "; ".join(part for part in (message, f"{what}: {named}{more}") if part)


def relayed_error(error: PartnerError) -> Reply:
    """Return the receiver's own 2xxx, 3xxx or 4xxx unchanged.

    Raises: ReceiverTimeout, ConnectionProblem or HubError for every other failure.
    """
    if error.status_code is not None and error.status_code >= 2000 and error.http_status in _RELAYED:
        data = ABSENT if error.data is None else error.data
        message = message_with(error.status_message, NOT_RECEIVED, error.losses)
        return Reply(data, error.http_status, error.status_code, message)
    if isinstance(error, PartnerFault) and error.timed_out:
        raise ReceiverTimeout from error
    if isinstance(error, PartnerFault) and error.not_connected:
        raise ConnectionProblem from error
    raise HubError(f"the receiver {error.reason}") from error
