"""A probe eMSP at the hub: owns tokens, answers authorizations, sends commands, receives the results.

It sees what no operator API shows: that a question or a result reached the eMSP, how often, from which party,
and under which ids.
Source: OCPI 2.2.1 mod_tokens, mod_commands sender interface, mod_sessions, mod_cdrs receiver interface;
RTE-07 to RTE-10, CMD-05, CMD-06, CMD-18, CDR-02
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from certification.drivers import new_uid
from certification.handshake import join
from certification.ocpi import Caller, Document, Party, Reply
from certification.probe_partner import ProbeReply, Received
from certification.samples import now, token
from certification.trial import Trial
from certification.web import below, with_query

MODULES = (("tokens", "SENDER"), ("commands", "SENDER"), ("sessions", "RECEIVER"), ("cdrs", "RECEIVER"))


class ProbeEmsp:
    """One probe eMSP, registered at the hub until the scenario ends.

    party: a party that a probe eMSP played before; None for a new one.
    """

    def __init__(self, trial: Trial, party: Party | None = None) -> None:
        self._trial = trial
        self.partner, _ = join(trial, trial.hub, "EMSP", MODULES, party=party)
        self.party: Party = self.partner.party
        self.caller: Caller = self.partner.caller(trial.hub.party)
        self.details = self.partner.registered_details()

    # Tokens

    def new_token(self, token_type: str) -> Document:
        """Make up a token that no node knows."""
        names = {"country_code": self.party.country_code, "party_id": self.party.party_id}
        return {**names, "uid": new_uid(), "type": token_type, **token(), "last_updated": now()}

    def push_token(self, token_type: str) -> Document:
        """Push a new token to the hub. It is made invalid when the scenario ends."""
        pushed = self.new_token(token_type)
        receiver = self.details.url("tokens", "RECEIVER")
        url = with_query(below(receiver, *self.party, pushed["uid"]), {"type": token_type})
        reply = self.caller.call("PUT", url, pushed)
        self._trial.expect(
            reply.is_success and reply.http_status == 201,
            f"{reply}: PUT of a new token is answered with HTTP 201 and 1000",
        )
        undo = {"valid": False, "last_updated": now()}
        self._trial.afterwards(
            f"token {pushed['uid']} is not valid", lambda: self.caller.call("PATCH", url, undo)
        )
        return pushed

    def decide(
        self, known: Document, allowed: str, reference: str | None = None, asked: Document | None = None
    ) -> Document:
        """Set the answer to authorizations of a token. Returns the AuthorizationInfo."""
        info: Document = {"allowed": allowed, "token": known}
        info |= {"authorization_reference": reference} if reference else {}
        info |= {"location": asked} if asked else {}
        self.partner.decisions[known["uid"], known["type"]] = ProbeReply(200, 1000, info)
        return info

    def asked_about(self, known: Document) -> list[Received]:
        """Return every authorization request for a token, oldest first."""
        return self.partner.received_since(0, "sender", "tokens", known["uid"], "authorize")

    # Commands

    def response_url(self, name: str) -> str:
        """Make up a URL for a command's result."""
        return f"{self.partner.url}/sender/commands/{name}/{secrets.token_hex(6)}"

    def command(
        self, name: str, body: Document, to: Party | None = None, request_id: str | None = None
    ) -> Reply:
        """Send a command to the hub; without `to` the hub finds the CPO from the command (RTE-22)."""
        caller = replace(self.caller, receiver=to)
        return caller.call("POST", below(self.details.url("commands", "RECEIVER"), name), body, request_id)

    def results(self, response_url: str) -> list[Received]:
        """Return the requests to a response_url, oldest first."""
        path = response_url.removeprefix(self.partner.url).strip("/").split("/")
        return self.partner.received_since(0, *path)

    # Sessions

    def session(self, owner: Party, session_id: str) -> Document | None:
        """Return the session as the hub pushed it."""
        return self.partner.copies.get("sessions", owner, session_id)

    def pushes(self, session_id: str) -> list[Received]:
        """Return every push of a session."""
        return [
            each
            for each in self.partner.received_since(0, "receiver", "sessions")
            if each.method != "GET" and session_id.upper() in [part.upper() for part in each.segments]
        ]

    def crawl_sessions(self, date_from: str) -> list[Document]:
        """Read the hub's list of the sessions that this eMSP may see."""
        url = self.details.url("sessions", "SENDER")
        pages = self.caller.crawl(url, {"date_from": date_from, "limit": 2})
        for page in pages:
            total = sum(len(each.items) for each in pages)
            self._trial.expect(
                page.total == total, f"{page.reply}: X-Total-Count counts the {total} that are shown"
            )
        return [item for page in pages for item in page.items]

    # CDRs

    def posts(self) -> list[Received]:
        """Return every posted CDR, oldest first."""
        return [each for each in self.partner.received_since(0, "receiver", "cdrs") if each.method == "POST"]

    def is_charged(self, cdr: Document) -> bool:
        """Tell whether a CDR is of one of this eMSP's tokens."""
        return self.party.is_same(cdr["cdr_token"]["country_code"], cdr["cdr_token"]["party_id"])
