"""What a hub answers when it has asked a partner for somebody else.

What the partner said about the request is for the requester, unchanged. What it said about *us*, and what
it did not say, is the hub's own trouble and has the hub's own codes: a 401 of the receiver, handed on,
would tell the requester that its own token is bad.

Source: OCPI 2.2.1 status_codes, 4xxx; RTE-28 … RTE-31
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import ConnectionProblem, HubError, ReceiverTimeout
from chalicelib.partners.answers import Answer, PartnerError, PartnerFault
from chalicelib.protocol.message import ABSENT, Reply

_RELAYED = frozenset({200, 201, 400, 404, 405})


def relayed_answer(
    answer: Answer, headers: Mapping[str, str] | None = None, *, needs_data: bool = True
) -> Reply:
    """The receiver's success, as it was said; of its headers none but those given (TRP-19).

    needs_data: whether the requester asked for something.
    Raises: HubError when there is neither data nor an envelope that says that there is none.
    """
    if needs_data and answer.is_empty:
        raise HubError("the receiver answered neither data nor an OCPI envelope")
    data = ABSENT if answer.data is None else answer.data
    http_status = answer.http_status if answer.http_status in _RELAYED else 200
    return Reply(data, http_status, answer.status_code, answer.status_message, headers or {})


def relayed_error(error: PartnerError) -> Reply:
    """The receiver's own 2xxx, 3xxx or 4xxx, as it was said.

    Raises: ReceiverTimeout, ConnectionProblem or HubError for everything else.
    """
    if error.status_code is not None and error.status_code >= 2000 and error.http_status in _RELAYED:
        data = ABSENT if error.data is None else error.data
        return Reply(data, error.http_status, error.status_code, error.status_message)
    if isinstance(error, PartnerFault) and error.timed_out:
        raise ReceiverTimeout from error
    if isinstance(error, PartnerFault) and error.not_connected:
        raise ConnectionProblem from error
    raise HubError(f"the receiver {error.reason}") from error
