"""Scenarios 5.1 to 5.3: an eMSP starts, stops and unlocks at a site of the CPO, through the hub.

The command is sent with the eMSP's operator API. The scenario plays the CPO's CSMS, which fetches the command
and reports its result. The result has to come back to the eMSP. A probe eMSP at the hub checks the messages
in between: the immediate answer, and one bare CommandResult at its own response_url, sent once.
Source: OCPI 2.2.1 mod_commands; CMD-03 to CMD-10, CMD-16 to CMD-18, CMD-20, TRN-20
"""

from __future__ import annotations

import time
import uuid

from certification.csms import Csms
from certification.drivers import take_token
from certification.ocpi import Document, Party, Reply
from certification.operator_apis import path_of
from certification.probe_emsp import ProbeEmsp
from certification.samples import cdr_token
from certification.spoken import fields_of_start
from certification.trial import Trial

END_TO_END_S = 3.0
"""Time limit for the result of a remote start to reach the eMSP, the CSMS's answer included."""


def scenario_5_1_remote_start_transaction(trial: Trial) -> None:
    """The eMSP starts a session at the CPO: the result comes back, and all three nodes have the session."""
    csms, token = Csms(trial), take_token(trial, "APP_USER")
    csms.wait_until_known()
    refused = _Sent(trial, "START_SESSION", {**csms.place(1), "token": _name(token)})
    csms.report(csms.fetch("START_SESSION", authorization_reference=refused.reference), "EVSE_OCCUPIED")
    refused.expect_result("EVSE_OCCUPIED")

    sent, session_id = _start(trial, csms, token)
    slowest, limit_s = max(sent.seconds, refused.seconds), END_TO_END_S * trial.patience
    trial.expect(
        slowest <= limit_s,
        f"eMSP -> hub -> CPO -> CSMS -> result at the eMSP takes {limit_s:g} s at most, not {slowest:.2f} s",
    )
    trial.note(f"from the eMSP's request to its result: {refused.seconds:.2f} s, then {sent.seconds:.2f} s")
    session = csms.change(session_id, "PATCH", {"kwh": 1})
    trial.expect(
        session["cdr_token"] == cdr_token(token) and session.get("authorization_reference") == sent.reference,
        "the session has the command's token and authorization_reference",
    )
    csms.see(session, f"session {session_id} with the command's authorization_reference {sent.reference}")

    if trial.has_probe(
        "the CommandResponse and the CommandResult on the wire, and a command that is repeated"
    ):
        _check_wire_of_start(trial, csms)


def scenario_5_2_remote_stop_transaction(trial: Trial) -> None:
    """The eMSP stops the session that it started: the result comes back, and the session is COMPLETED."""
    csms, token = Csms(trial), take_token(trial, "APP_USER")
    csms.wait_until_known()
    _, session_id = _start(trial, csms, token)
    session = csms.change(session_id, "PATCH", {"kwh": 1})
    csms.see(session, f"session {session_id}, ACTIVE")

    if trial.has_probe("the refusal of STOP_SESSION for another eMSP's session"):
        _check_stop_is_private(trial, csms, session_id)
    sent = _Sent(trial, "STOP_SESSION", {"session_id": session_id})
    csms.report(csms.fetch("STOP_SESSION", session_id=session_id), "ACCEPTED")
    sent.expect_result("ACCEPTED")
    ended = csms.change(session_id, "PATCH", {"kwh": 2, "status": "COMPLETED"})
    trial.expect(ended.get("end_date_time"), "a COMPLETED session has an end_date_time")
    csms.see(ended, f"session {session_id}, COMPLETED at {ended['end_date_time']}")


def scenario_5_3_unlock_connector(trial: Trial) -> None:
    """A help desk unlocks a connector. If the CSMS does not answer, the result is TIMEOUT, sent once."""
    csms = Csms(trial)
    csms.wait_until_known()
    silent = _Sent(trial, "UNLOCK_CONNECTOR", csms.place(1, 1))
    ignored = csms.fetch("UNLOCK_CONNECTOR", **csms.place(1, 1))
    probe = _SilentUnlock(trial, csms) if trial.has_probe("TIMEOUT at a response_url, once") else None

    sent = _Sent(trial, "UNLOCK_CONNECTOR", csms.place())
    csms.report(csms.fetch("UNLOCK_CONNECTOR", **csms.place()), "ACCEPTED")
    sent.expect_result("ACCEPTED")

    trial.note(
        f"a command stays unanswered by the CSMS: the CPO waits until {ignored['deadline']} and gave "
        f"the eMSP a timeout of {silent.timeout_s} s. Only the CPO's configuration can shorten that"
    )
    silent.expect_result("TIMEOUT", silent.timeout_s + trial.deadline_s)
    if probe is not None:
        probe.expect_timeout()
    csms.report(ignored, "ACCEPTED")
    late = csms.look(ignored)
    trial.expect(
        (late.get("late_result") or {}).get("result") == "ACCEPTED"
        and (late.get("result") or {}).get("result") == "TIMEOUT",
        f"the CPO's operator sees a result that comes too late beside the TIMEOUT, not {late}",
    )
    trial.expect(
        silent.result() == "TIMEOUT", f"a late result is not sent to the eMSP, which has {silent.result()}"
    )
    trial.note("a result that came later is kept at the CPO's operator API and not sent")
    if probe is not None:
        probe.expect_no_more()


def _start(trial: Trial, csms: Csms, token: Document) -> tuple[_Sent, str]:
    """Start a session from the eMSP and execute it as the CSMS. Returns the command and the session's id."""
    sent = _Sent(trial, "START_SESSION", {**csms.place(), "token": _name(token)})
    command = csms.fetch("START_SESSION", authorization_reference=sent.reference)
    trial.expect(
        command["request"].get("token") == token,
        f"the CSMS receives the whole token, not {command['request'].get('token')}",
    )
    place = {name: each for name, each in csms.place().items() if name in fields_of_start()}
    trial.expect(place.items() <= command["request"].items(), f"the CSMS receives {', '.join(place)}")
    csms.report(command, "ACCEPTED")
    sent.expect_result("ACCEPTED")
    reference = {"authorization_reference": sent.reference, "auth_method": "COMMAND"}
    return sent, csms.start(token, csms.place(), **reference)


def _check_wire_of_start(trial: Trial, csms: Csms) -> None:
    """Start as a probe eMSP: open routing, sent twice under one X-Request-ID, with an unknown token."""
    emsp = ProbeEmsp(trial)
    token, reference = emsp.new_token("APP_USER"), f"CERT-{uuid.uuid4().hex[:20]}"
    url, request_id = emsp.response_url("START_SESSION"), str(uuid.uuid4())
    body = {**csms.place(), "token": token, "authorization_reference": reference, "response_url": url}
    replies = [emsp.command("START_SESSION", body, request_id=request_id) for _ in range(2)]
    for reply in replies:
        _check_accepted(trial, reply)
    command = csms.fetch("START_SESSION", authorization_reference=reference)
    trial.expect(
        command["request"].get("token") == token,
        "START_SESSION reaches the CSMS with a token that no node knows (CMD-10)",
    )
    csms.report(command, "ACCEPTED")
    trial.eventually("its CommandResult is at the response_url", lambda: emsp.results(url))
    _check_result(trial, emsp, url, "ACCEPTED", replies[0])
    session_id = csms.start(token, csms.place(), authorization_reference=reference, auth_method="COMMAND")
    trial.eventually(
        f"session {session_id} is pushed to the probe eMSP",
        lambda: (emsp.session(trial.cpo.party, session_id) or {}).get("authorization_reference") == reference,
    )
    again = csms.pending("START_SESSION", authorization_reference=reference)
    trial.expect(not again, f"the same command sent twice reaches the CSMS once, not again as {again}")
    _check_result(trial, emsp, url, "ACCEPTED", replies[0])

    nowhere = {**body, "location_id": "NOPE", "response_url": emsp.response_url("START_SESSION")}
    for to in (None, trial.cpo.party):
        reply = emsp.command("START_SESSION", nowhere, to)
        result = reply.data.get("result") if isinstance(reply.data, dict) else None
        trial.expect(
            (reply.http_status, reply.status_code, result) == (200, 2003, "REJECTED"),
            f"{reply}: an unknown location is HTTP 200 and 2003 with REJECTED, not {result} (CMD-07)",
        )
    trial.note("the same command sent twice started one session; an unknown location is 2003 with REJECTED")


def _check_stop_is_private(trial: Trial, csms: Csms, session_id: str) -> None:
    """Expect a refusal when a probe eMSP stops the eMSP's session, or one that does not exist."""
    emsp = ProbeEmsp(trial)
    for wanted, answers in ((session_id, ("REJECTED", "UNKNOWN_SESSION")), ("NOPE", ("UNKNOWN_SESSION",))):
        for to in (None, trial.cpo.party):
            url = emsp.response_url("STOP_SESSION")
            reply = emsp.command("STOP_SESSION", {"session_id": wanted, "response_url": url}, to)
            result = reply.data.get("result") if isinstance(reply.data, dict) else None
            trial.expect(
                result in answers,
                f"{reply}: STOP_SESSION of {wanted}, which is not this eMSP's, is {' or '.join(answers)}, "
                f"not {result} (CMD-08)",
            )
            trial.expect(
                not csms.pending("STOP_SESSION", session_id=wanted), "a command that is refused is not tried"
            )
            trial.note(f"STOP_SESSION of {wanted} by another eMSP: {result}")


class _SilentUnlock:
    """UNLOCK_CONNECTOR by a probe eMSP that the CSMS does not answer."""

    def __init__(self, trial: Trial, csms: Csms) -> None:
        self._trial = trial
        self._emsp = ProbeEmsp(trial)
        self._url = self._emsp.response_url("UNLOCK_CONNECTOR")
        body = {**csms.place(1, 0), "response_url": self._url}
        self._reply = self._emsp.command("UNLOCK_CONNECTOR", body, trial.cpo.party)
        self._timeout_s = _check_accepted(trial, self._reply)
        csms.fetch("UNLOCK_CONNECTOR", **csms.place(1, 0))

    def expect_timeout(self) -> None:
        self._trial.eventually(
            "TIMEOUT is at the probe eMSP's response_url",
            lambda: self._emsp.results(self._url),
            self._timeout_s + self._trial.deadline_s,
        )
        self.expect_no_more()

    def expect_no_more(self) -> None:
        _check_result(self._trial, self._emsp, self._url, "TIMEOUT", self._reply)


class _Sent:
    """A command that the eMSP's operator has sent and the CPO has ACCEPTED."""

    def __init__(self, trial: Trial, name: str, body: Document) -> None:
        self._trial = trial
        self._name = name
        answer = trial.emsp.call("POST", path_of("commands", name), body)
        self._started = answer.started
        trial.expect(
            answer.http_status == 202,
            f"{answer}: the eMSP's operator API takes the command with 202, not {answer.body[:200]!r}",
        )
        command = answer.json()
        assert isinstance(command, dict)
        response = command.get("response") or {}
        trial.expect(
            response.get("result") == "ACCEPTED" and isinstance(response.get("timeout"), int),
            f"{answer}: {name} is ACCEPTED with a timeout in seconds, "
            f"not {response} {command.get('problem', '')}",
        )
        self.id = str(command["id"])
        self.reference = str((command.get("request") or {}).get("authorization_reference"))
        self.timeout_s = int(response["timeout"])
        self.seconds = 0.0

    def result(self) -> str | None:
        """Return the result as the eMSP's operator API shows it now."""
        found = self._trial.emsp.ask("GET", path_of("commands", self.id))
        given = (found or {}).get("result") or {}
        return str(given["result"]) if "result" in given else None

    def expect_result(self, wanted: str, deadline_s: float | None = None) -> None:
        """Wait for the result at the eMSP's operator API, and note how long the command took."""
        self._trial.eventually(f"the eMSP has a result of {self._name}", self.result, deadline_s)
        self.seconds = time.monotonic() - self._started
        found = self.result()
        self._trial.expect(
            found == wanted, f"the eMSP receives the result {wanted} of {self._name}, not {found}"
        )
        self._trial.note(f"{self._name}: ACCEPTED with a timeout of {self.timeout_s} s, result {found}")


def _check_accepted(trial: Trial, reply: Reply) -> int:
    """Expect an ACCEPTED CommandResponse. Returns its timeout in seconds (CMD-03, CMD-04)."""
    trial.expect(
        reply.is_success and reply.http_status == 200,
        f"{reply}: a command is answered with HTTP 200 and 1000",
    )
    response = reply.object()
    timeout = response.get("timeout")
    trial.expect(
        response.get("result") == "ACCEPTED" and isinstance(timeout, int) and timeout > 0,
        f"{reply}: the CommandResponse is ACCEPTED with a timeout in seconds, not {response}",
    )
    assert isinstance(timeout, int)
    return timeout


def _check_result(trial: Trial, emsp: ProbeEmsp, url: str, wanted: str, reply: Reply) -> None:
    """Expect one result at a response_url, bare, FROM the CPO TO the eMSP (CMD-05, CMD-06, CMD-18)."""
    results = emsp.results(url)
    trial.expect(
        len(results) == 1, f"a command's result is posted to its response_url once, not {len(results)} times"
    )
    (result,) = results
    body = result.body if isinstance(result.body, dict) else {}
    trial.expect(
        result.method == "POST" and body.get("result") == wanted and "data" not in body,
        f"the response_url gets the bare CommandResult {wanted}, not {result.method} {result.body}",
    )
    _check_parties(trial, result.party("from"), result.party("to"), trial.cpo.party, emsp.party)
    trial.expect(
        result.headers.get("x-correlation-id") == reply.answer.headers["x-correlation-id"],
        "the result has the command's X-Correlation-ID",
    )
    trial.note(
        f"the response_url got {result.method} {body} once, FROM {result.party('from')} "
        f"TO {result.party('to')}"
    )


def _check_parties(trial: Trial, sender: Party, receiver: Party, cpo: Party, emsp: Party) -> None:
    trial.expect(
        cpo.is_same(*sender) and emsp.is_same(*receiver),
        f"the result is FROM {cpo} TO {emsp}, not FROM {sender} TO {receiver}",
    )


def _name(token: Document) -> Document:
    return {"uid": token["uid"], "type": token["type"]}
