"""Requests: what was odd around a request's document, its path and its media type, and their tidy form.

Source: docs/interop.md; TRN-12, RTE-24, RTE-27, TRP-21
"""

from __future__ import annotations

from chalicelib.protocol.message import Party, Request
from chalicelib.reading.bodies import tidy_body
from chalicelib.reading.findings import Finding, Outcome

NO_RECEIVER = Finding(Outcome.REPAIRED, "OCPI-to-party-id", "NO_RECEIVER", "required to ask a hub for a list")


def unknown_receiver(receiver: Party) -> Finding:
    """A receiver that is no party of this node, which is no hub: answered as if it were."""
    name = f"{receiver.country_code}/{receiver.party_id}"
    reason = "expected a party of this node"
    return Finding(Outcome.REPAIRED, "OCPI-to-party-id", "UNKNOWN_RECEIVER", reason, name)


def tidy_request(request: Request) -> tuple[Request, tuple[Finding, ...]]:
    """Return a request whose body is JSON alone and announced as JSON, and what was odd.

    The request itself, without findings, when nothing was odd. Its path has been repaired before it came here
    (`application.py`).
    """
    findings: tuple[Finding, ...] = ()
    if request.untidy_path:
        findings = (
            Finding(Outcome.REPAIRED, "path", "EMPTY_SEGMENT", "expected one slash between two segments"),
        )
    if not request.body:
        return request, findings
    tidy = tidy_body(request.body, request.headers.get("content-type"))
    if not tidy.findings:
        return request, findings
    headers = {**request.headers, "content-type": tidy.media_type}
    return request.with_(body=tidy.text, headers=headers), (*findings, *tidy.findings)
