"""Faults of a partner: each answers a request in place of the partner.

A fault is a function of the partner and the request; with the result None the partner answers as usual.
Use: `with partner.misbehaving("tariffs", answer_500): ...`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.third_party.server import Received, Reply

if TYPE_CHECKING:
    from tests.third_party.partner import Partner

Fault = Callable[["Partner", Received], "Reply | None"]


def answer_500(partner: Partner, received: Received) -> Reply:
    return partner.reply(received, 3000, http_status=500)


def refuse_3000(partner: Partner, received: Received) -> Reply:
    """Answer a server error in the envelope, with HTTP 200. Source: STA-12."""
    return partner.reply(received, 3000)


def refuse_3001(partner: Partner, received: Received) -> Reply:
    """Answer 3001, unable to use the client's API. Source: CRD-19"""
    return partner.reply(received, 3001)


def refuse_405(partner: Partner, received: Received) -> Reply:
    """Answer 405. Source: CRD-08"""
    return partner.reply(received, 2001, http_status=405)


def answer_nothing(partner: Partner, received: Received) -> Reply:
    """Answer success, without the required data."""
    return partner.reply(received)


def answer_code(status_code: int, http_status: int = 200) -> Fault:
    """Make a fault that answers an OCPI status code with an HTTP status."""

    def answer(partner: Partner, received: Received) -> Reply:
        return partner.reply(received, status_code, http_status=http_status)

    return answer


def refuse_401(partner: Partner, received: Received) -> Reply:
    return partner.reply(received, 2001, http_status=401)


def refuse_2001(partner: Partner, received: Received) -> Reply:
    """Answer a refusal with HTTP 200: success depends on status_code. Source: STA-15."""
    return partner.reply(received, 2001)


def answer_web_page(partner: Partner, received: Received) -> Reply:
    """Answer 200 with an HTML page."""
    return Reply(200, b"<html><body>Welcome!</body></html>", {"Content-Type": "text/html"})


def answer_page(http_status: int) -> Fault:
    """Make a fault that answers with the HTML page of a gateway in front of the partner."""

    def answer(partner: Partner, received: Received) -> Reply:
        page = f"<html><body>{http_status} nginx</body></html>".encode()
        return Reply(http_status, page, {"Content-Type": "text/html"})

    return answer


def take_and_answer(http_status: int, body: bytes) -> Fault:
    """Make a fault that executes the request, and answers with this status and body, without an envelope."""

    def answer(partner: Partner, received: Received) -> Reply:
        partner.answer(received)
        return Reply(http_status, body, {"Content-Type": "application/json"})

    return answer


def answer_bare_list(partner: Partner, received: Received) -> Reply:
    """Answer a JSON list without an envelope."""
    return Reply(200, b"[]", {"Content-Type": "application/json"})


def redirect(partner: Partner, received: Received) -> Reply:
    """Answer a redirect to another host, which must never receive the caller's token."""
    return Reply(302, b"", {"Location": "https://elsewhere.example/ocpi"})


def hang_up(partner: Partner, received: Received) -> Reply:
    return Reply(0, b"", hang_up=True)


def stay_silent(partner: Partner, received: Received) -> Reply:
    """Send no answer until the caller has timed out (or the partner is stopped), then hang up."""
    partner.server.stopped.wait(40)
    return Reply(0, b"", hang_up=True)


def list_only_2_1_1(partner: Partner, received: Received) -> Reply:
    url = f"{partner.server.base_url}/old/2.1.1"
    return partner.reply(received, data=[{"version": "2.1.1", "url": url}])


def list_only_credentials(partner: Partner, received: Received) -> Reply:
    endpoints = [
        entry for entry in partner.version_details()["endpoints"] if entry["identifier"] == "credentials"
    ]
    return partner.reply(received, data={"version": "2.2.1", "endpoints": endpoints})


def lose_answer(partner: Partner, received: Received) -> Reply:
    """Execute the request, and hang up without an answer."""
    partner.answer(received)
    return Reply(0, b"", hang_up=True)


def after(count: int, fault: Fault) -> Fault:
    """Make a fault that begins after `count` good answers."""
    seen: list[Received] = []

    def counted(partner: Partner, received: Received) -> Reply | None:
        seen.append(received)
        return None if len(seen) <= count else fault(partner, received)

    return counted


def times(count: int, fault: Fault) -> Fault:
    """Make a fault that ends after `count` bad answers."""
    seen: list[Received] = []

    def counted(partner: Partner, received: Received) -> Reply | None:
        seen.append(received)
        return fault(partner, received) if len(seen) <= count else None

    return counted


def only(wanted: Callable[[Received], bool], fault: Fault) -> Fault:
    """Make a fault for the selected requests only."""

    def chosen(partner: Partner, received: Received) -> Reply | None:
        return fault(partner, received) if wanted(received) else None

    return chosen
