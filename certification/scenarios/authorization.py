"""Scenarios 4.1 to 4.4: a driver presents a token at the CPO, and the eMSP that issued it decides.

The token is written with the eMSP's operator API, reaches the CPO through the hub, and is authorized with the
CPO's operator API, as its CSMS does it. Its whitelist is NEVER, so the CPO has to ask each time. Two probes
check that it asks and that it receives the eMSP's answer unchanged: an eMSP that the hub asks, and a CPO that
asks the hub.
Source: OCPI 2.2.1 mod_tokens_post_method, transport_and_format_message_routing_open_routing_request; TOK-09
to TOK-14, RTE-07 to RTE-10, RTE-22, RTE-23
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from certification.drivers import UID, authorization_info, hold_up, new_uid, take_token
from certification.handshake import join
from certification.ocpi import Caller, Document, Party, Reply
from certification.own_objects import own, take_sites
from certification.probe_emsp import ProbeEmsp
from certification.probe_partner import Received
from certification.trial import Trial
from certification.web import below, with_query

REFUSALS = ("BLOCKED", "EXPIRED", "NOT_ALLOWED")


def scenario_4_1_authorize_valid_rfid_token(trial: Trial) -> None:
    """A valid card: the eMSP allows it in real time, and its authorization_reference comes back unchanged."""
    _authorize_valid(trial, "RFID")


def scenario_4_2_authorize_invalid_rfid_token(trial: Trial) -> None:
    """An invalid card: HTTP 200 and 1000, with BLOCKED, EXPIRED or NOT_ALLOWED."""
    _authorize_invalid(trial, "RFID")


def scenario_4_2b_authorize_non_existent_rfid_token(trial: Trial) -> None:
    """A card that no eMSP knows: HTTP 404 with 2004."""
    _authorize_non_existent(trial, "RFID", "APP_USER")


def scenario_4_3_authorize_app_user_token(trial: Trial) -> None:
    """A user of an app, with `?type=APP_USER`; an RFID card with the same uid is a different token."""
    card = take_token(trial, "RFID", valid=False)
    _authorize_valid(trial, "APP_USER")
    allowed = authorization_info(trial, hold_up(trial, card["uid"], "RFID"))["allowed"]
    trial.expect(
        allowed in REFUSALS, f"the card of the same uid is another token and stays refused, not {allowed}"
    )
    trial.note(f"the card of the same uid, which is not valid, is {allowed} meanwhile")


def scenario_4_4_authorize_invalid_app_user_token(trial: Trial) -> None:
    """An invalid app user: the same as an invalid card."""
    _authorize_invalid(trial, "APP_USER")


def scenario_4_4b_authorize_non_existent_app_user_token(trial: Trial) -> None:
    """An app user that no eMSP knows: the same as such a card."""
    _authorize_non_existent(trial, "APP_USER", "RFID")


def _authorize_valid(trial: Trial, token_type: str) -> None:
    token, asked = take_token(trial, token_type), _place(trial)
    answer = hold_up(trial, UID, token_type, asked)
    info = authorization_info(trial, answer)
    trial.expect(info["allowed"] == "ALLOWED", f"{answer}: the token is ALLOWED, not {info['allowed']}")
    trial.expect(
        info.get("token") == token, f"{answer}: the answer has the token as the eMSP holds it (TOK-12)"
    )
    trial.expect(
        info.get("authorization_reference"),
        f"{answer}: the eMSP, asked in real time, gives an authorization_reference",
    )
    trial.expect(
        info.get("location") == asked,
        f"{answer}: it is allowed at the location that was asked for, not {info.get('location')}",
    )
    trial.note(
        f"{UID} at {asked['location_id']} is ALLOWED after {answer.seconds:.2f} s, "
        f"authorization_reference {info['authorization_reference']}"
    )
    if trial.has_probe("that the eMSP is asked, by whom, and what it answered"):
        _check_emsp_is_asked(trial, token_type, asked)
        _check_hub_relays(trial, token_type, asked)


def _check_emsp_is_asked(trial: Trial, token_type: str, asked: Document) -> None:
    """Authorize a token of a probe eMSP twice at the CPO, and expect the eMSP's answer each time."""
    emsp = ProbeEmsp(trial)
    token = emsp.push_token(token_type)
    query = {"type": token_type}
    trial.eventually(
        f"the CPO holds the token {token['uid']} of {emsp.party}",
        lambda: trial.cpo.held("tokens", emsp.party, token["uid"], query) == token,
    )
    for number in (1, 2):
        info = emsp.decide(token, "ALLOWED", f"CERT-{secrets.token_hex(8)}", asked)
        before = len(emsp.asked_about(token))
        answer = hold_up(trial, token["uid"], token_type, asked)
        questions = emsp.asked_about(token)[before:]
        trial.expect(
            len(questions) == 1,
            f"the eMSP of the token is asked in real time, once for each authorization, not {len(questions)}",
        )
        _check_question(trial, questions[0], token_type, asked, trial.cpo.party, emsp.party)
        document = authorization_info(trial, answer)
        trial.expect(
            document.get("authorization_reference") == info["authorization_reference"],
            f"the CPO receives the authorization_reference {info['authorization_reference']} that the eMSP "
            f"gave, not {document.get('authorization_reference')}",
        )
        trial.expect(document == info, f"the CPO receives what the eMSP answered, {info}, not {document}")
        trial.note(
            f"authorization {number}: the probe eMSP was asked FROM {questions[0].party('from')} "
            f"and the CPO's operator API gave its reference {info['authorization_reference']}"
        )


def _check_hub_relays(trial: Trial, token_type: str, asked: Document) -> None:
    """Ask the hub as a CPO, with and without OCPI-to: about a probe eMSP's token and about the eMSP's own."""
    emsp, cpo = ProbeEmsp(trial), _ProbeCpo(trial)
    token = emsp.push_token(token_type)
    for to in (None, trial.hub.party, emsp.party):
        info = emsp.decide(token, "ALLOWED", f"CERT-{secrets.token_hex(8)}", asked)
        reply = cpo.authorize(token["uid"], token_type, asked, to)
        trial.expect(
            reply.is_success and reply.http_status == 200,
            f"{reply}: a known token is answered with HTTP 200 and 1000",
        )
        trial.expect(
            reply.object().get("authorization_reference") == info["authorization_reference"],
            f"{reply}: the hub passes the eMSP's authorization_reference on, "
            f"not {reply.object().get('authorization_reference')}",
        )
        trial.expect(reply.data == info, f"{reply}: the hub passes the eMSP's answer on")
        question = emsp.asked_about(token)[-1]
        _check_question(trial, question, token_type, asked, cpo.party, emsp.party)
        headers = reply.answer.headers
        trial.expect(
            question.headers.get("x-correlation-id") == headers["x-correlation-id"],
            "the hub asks the eMSP under the same X-Correlation-ID (RTE-09)",
        )
        trial.expect(
            question.headers.get("x-request-id") != headers["x-request-id"],
            "the hub asks the eMSP under an X-Request-ID of its own (RTE-08)",
        )
    trial.note("the hub finds the eMSP when OCPI-to is absent, the hub or the eMSP; X-Correlation-ID is kept")
    reply = cpo.authorize(UID, token_type, asked, None)
    info = reply.object()
    trial.expect(
        reply.is_success and info.get("allowed") == "ALLOWED" and info.get("authorization_reference"),
        f"{reply}: the hub has the eMSP's token authorized, with a reference",
    )
    trial.note(f"{UID} by the probe CPO: HTTP {reply.http_status}, {reply.status_code}, ALLOWED")


def _authorize_invalid(trial: Trial, token_type: str) -> None:
    token = take_token(trial, token_type, valid=False)
    answer = hold_up(trial, token["uid"], token_type, _place(trial))
    allowed = authorization_info(trial, answer)["allowed"]
    trial.expect(
        allowed in REFUSALS, f"{answer}: a token that is not valid is {' or '.join(REFUSALS)}, not {allowed}"
    )
    trial.note(f"{UID}, which is not valid, is {allowed} at the CPO's operator API")
    if trial.has_probe("the hub's HTTP 200 and 1000"):
        reply = _ProbeCpo(trial).authorize(UID, token_type, None, None)
        allowed_by_hub = reply.object().get("allowed")
        trial.expect(
            reply.is_success and reply.http_status == 200 and allowed_by_hub in REFUSALS,
            f"{reply}: a token that is not valid is HTTP 200 and 1000 with {' or '.join(REFUSALS)}, "
            f"not {allowed_by_hub} (TOK-13)",
        )
        trial.note(f"by the hub: HTTP {reply.http_status}, {reply.status_code}, {allowed_by_hub}")
        emsp = ProbeEmsp(trial)
        known = emsp.push_token(token_type)
        for decision in REFUSALS:
            emsp.decide(known, decision)
            allowed = authorization_info(trial, hold_up(trial, known["uid"], token_type))["allowed"]
            trial.expect(
                allowed == decision, f"the CPO receives the eMSP's {decision} of a valid token, not {allowed}"
            )
        trial.note(f"the eMSP's decision is passed on unchanged: {', '.join(REFUSALS)}")


def _authorize_non_existent(trial: Trial, token_type: str, other_type: str) -> None:
    uid = new_uid()
    answer = hold_up(trial, uid, token_type, _place(trial))
    trial.expect(
        answer.http_status == 404, f"{answer}: a token that does not exist is 404 at the CPO's operator API"
    )
    trial.note(f"{uid} is HTTP 404 at the CPO's operator API")
    if trial.has_probe("the hub's HTTP 404 and 2004"):
        cpo, emsp = _ProbeCpo(trial), ProbeEmsp(trial)
        pushed = emsp.push_token(other_type)
        emsp.decide(pushed, "ALLOWED")
        unknown = (
            (uid, "a uid that no eMSP has"),
            (pushed["uid"], f"a uid that is known as {other_type} only"),
            (emsp.push_token(token_type)["uid"], "a uid that its eMSP no longer knows"),
        )
        for each, what in unknown:
            reply = cpo.authorize(each, token_type, None, None)
            trial.expect(
                (reply.http_status, reply.status_code) == (404, 2004) and reply.data is None,
                f"{reply}: {what} is HTTP 404 with 2004 and no data (TOK-14)",
            )
            trial.note(f"{what}: HTTP {reply.http_status}, {reply.status_code}")


def _check_question(
    trial: Trial, question: Received, token_type: str, asked: Document, cpo: Party, emsp: Party
) -> None:
    """Compare the request that reached an eMSP with the request to the hub."""
    trial.expect(
        question.query.get("type", "RFID") == token_type,
        f"the eMSP is asked about type {token_type}, not {question.query.get('type')} (TOK-02)",
    )
    trial.expect(
        question.body == asked, f"the eMSP is asked with the LocationReferences {asked}, not {question.body}"
    )
    trial.expect(
        cpo.is_same(*question.party("from")) and emsp.is_same(*question.party("to")),
        f"the eMSP is asked FROM {cpo} TO {emsp}, "
        f"not FROM {question.party('from')} TO {question.party('to')}",
    )


def _place(trial: Trial) -> Document:
    """Return a place to charge at, as LocationReferences."""
    (site_id,) = take_sites(trial, 1)
    evses = own(trial, "locations", site_id)["evses"]
    return {"location_id": site_id, "evse_uids": [str(evses[0]["uid"])]}


class _ProbeCpo:
    """A probe CPO at the hub that asks it about tokens."""

    def __init__(self, trial: Trial) -> None:
        partner, _ = join(trial, trial.hub, "CPO", (("tokens", "RECEIVER"),))
        self.party = partner.party
        self._caller: Caller = partner.caller(trial.hub.party)
        self._sender = partner.registered_details().url("tokens", "SENDER")

    def authorize(self, uid: str, token_type: str, asked: Document | None, to: Party | None) -> Reply:
        """Ask; without `to` there is no receiver, and the hub has to find the token's eMSP."""
        url = with_query(below(self._sender, uid, "authorize"), {"type": token_type})
        return replace(self._caller, receiver=to).call("POST", url, asked)
