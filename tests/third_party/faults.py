"""What a bad partner does: each fault answers a request in place of the partner that it befalls.

A fault is any function of the partner and the request; None lets the partner answer by itself.
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
    """A server error told in the envelope, under HTTP 200. Source: STA-12."""
    return partner.reply(received, 3000)


def refuse_3001(partner: Partner, received: Received) -> Reply:
    """Source: CRD-19"""
    return partner.reply(received, 3001)


def refuse_405(partner: Partner, received: Received) -> Reply:
    """Source: CRD-08"""
    return partner.reply(received, 2001, http_status=405)


def answer_nothing(partner: Partner, received: Received) -> Reply:
    """Success, but the data that it promises is missing."""
    return partner.reply(received)


def answer_code(status_code: int, http_status: int = 200) -> Fault:
    """Any OCPI code, under any HTTP status."""

    def answer(partner: Partner, received: Received) -> Reply:
        return partner.reply(received, status_code, http_status=http_status)

    return answer


def refuse_401(partner: Partner, received: Received) -> Reply:
    return partner.reply(received, 2001, http_status=401)


def refuse_2001(partner: Partner, received: Received) -> Reply:
    """A refusal under HTTP 200: success is judged by status_code. Source: STA-15."""
    return partner.reply(received, 2001)


def answer_web_page(partner: Partner, received: Received) -> Reply:
    """200, but not an envelope."""
    return Reply(200, b"<html><body>Welcome!</body></html>", {"Content-Type": "text/html"})


def answer_page(http_status: int) -> Fault:
    """The page of a gateway that stands before the partner."""

    def answer(partner: Partner, received: Received) -> Reply:
        page = f"<html><body>{http_status} nginx</body></html>".encode()
        return Reply(http_status, page, {"Content-Type": "text/html"})

    return answer


def take_and_answer(http_status: int, body: bytes) -> Fault:
    """Do what was asked, and answer in a way of its own, without an envelope that is right."""

    def answer(partner: Partner, received: Received) -> Reply:
        partner.answer(received)
        return Reply(http_status, body, {"Content-Type": "application/json"})

    return answer


def answer_bare_list(partner: Partner, received: Received) -> Reply:
    """JSON, but not an envelope."""
    return Reply(200, b"[]", {"Content-Type": "application/json"})


def redirect(partner: Partner, received: Received) -> Reply:
    """Where it points to, our token must not follow."""
    return Reply(302, b"", {"Location": f"{partner.server.base_url}/elsewhere"})


def hang_up(partner: Partner, received: Received) -> Reply:
    return Reply(0, b"", hang_up=True)


def stay_silent(partner: Partner, received: Received) -> Reply:
    """Say nothing until the caller must have given up (or the partner is stopped), then hang up."""
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
    """Do what was asked, and hang up before saying so."""
    partner.answer(received)
    return Reply(0, b"", hang_up=True)


def after(count: int, fault: Fault) -> Fault:
    """Behave `count` times, then not any more."""
    seen: list[Received] = []

    def counted(partner: Partner, received: Received) -> Reply | None:
        seen.append(received)
        return None if len(seen) <= count else fault(partner, received)

    return counted


def times(count: int, fault: Fault) -> Fault:
    """Misbehave `count` times, then recover."""
    seen: list[Received] = []

    def counted(partner: Partner, received: Received) -> Reply | None:
        seen.append(received)
        return fault(partner, received) if len(seen) <= count else None

    return counted


def only(wanted: Callable[[Received], bool], fault: Fault) -> Fault:
    """Misbehave for the requests that are wanted."""

    def chosen(partner: Partner, received: Received) -> Reply | None:
        return fault(partner, received) if wanted(received) else None

    return chosen
