"""A program with a server of its own: the node registers at it, it pushes to the node, the node pushes to it.

Its `/push` sends an object with the program's own HTTP client, to the URLs in the node's version details.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from certification.ocpi import Party
from certification.web import Unreachable, Web
from cli.operator_client import OperatorApiError
from infra.interop.environments import Environment
from infra.interop.exchange import SENDS, SITE, Result, context_of, session_of
from infra.local import children
from infra.local.sandbox import CPO, LOOPBACK, Player, Sandbox

START_SECONDS = 60
DELIVERY_SECONDS = 20
POLL_SECONDS = 0.2
VARIANTS = ("required", "all")


class ServerExchange:
    """One program's server in one role, and one node."""

    def __init__(self, sandbox: Sandbox, player: Player, web: Web, role: str) -> None:
        self._door = sandbox.door(player)
        self._web = web
        self._result = Result(role, player.name)
        self._token_c = str(uuid.uuid4())
        self._url, self._ocpi = "", ""

    def run(self, environment: Environment, adapter: str, party: Party) -> Result:
        """Start the server, have the node register at it, and let both push to each other."""
        token_a, self._ocpi = str(uuid.uuid4()), environment.ocpi
        with self._server(environment, adapter, party, token_a):
            try:
                partner = self._door.post("partners", "registrations", body=self._invitation(token_a))
            except OperatorApiError as error:
                self._result.notes.append(f"our node cannot register at its server: {error}")
                return self._result
            try:
                self._push_to_node()
                if (self._result.role, self._result.node) == ("EMSP", CPO.name):
                    self._door.put("sessions", f"{SITE}-{party.party_id}", body=session_of(party))
                    self._authorize_and_command(party)
                self._wait_for_pushes(partner["id"])
            finally:
                self._door.delete("partners", partner["id"])
            self._register_from_its_side()
        return self._result

    def _authorize_and_command(self, party: Party) -> None:
        """Ask it for an authorization, have it send commands, and answer them as our CSMS would."""
        place = {"location_id": SITE, "evse_uids": ["E1"]}
        try:
            allowed = self._door.post("tokens", "U1", "authorize", body=place, emsp=f"PT*{party.party_id}")[
                "allowed"
            ]
        except OperatorApiError as error:
            allowed = str(error)
        if allowed != "ALLOWED":
            self._result.notes.append(f"authorization: {allowed}")
        for name in ("START_SESSION", "RESERVE_NOW"):
            reply = self._web.send("POST", f"{self._url}/interop/command/{name}", body={}).json()
            assert isinstance(reply, dict)
            result = (reply.get("data") or {}).get("result")
            self._result.count(name, "required", None if result == "ACCEPTED" else str(reply))
        for command in list(self._door.all("commands", state="PENDING")):
            self._door.post("commands", command["id"], "result", body={"result": "ACCEPTED"})

    def _register_from_its_side(self) -> None:
        """Have it register at the node, after the node has left it."""
        name = f"interop server {self._result.role}"
        body = {
            "name": name,
            "role": self._result.role,
            "only_version": self._ocpi,
            "endpoints_with_slash": True,
        }
        invitation = self._door.post("partners", "invitations", body=body)
        sent = {"versions_url": invitation["versions_url"], "token": invitation["token"]}
        reply = self._web.send("POST", f"{self._url}/interop/register", body=sent)
        status = reply.json().get("status_code") if reply.http_status == 200 else None  # type: ignore[attr-defined]
        if status != 1000:
            self._result.notes.append(f"it cannot register at our node: {reply.body[:300]!r}")
        self._door.delete("partners", invitation["id"])

    @contextmanager
    def _server(self, environment: Environment, adapter: str, party: Party, token_a: str) -> Iterator[None]:
        with children.listen(0) as listener:
            port = listener.getsockname()[1]
        self._url = f"http://{LOOPBACK}:{port}"
        context = json.dumps(context_of(self._result.role, party, f"{self._url}/x"))
        arguments = (
            environment.ocpi,
            str(port),
            self._result.role,
            party.party_id,
            token_a,
            self._token_c,
            context,
        )
        process = environment.start(adapter, *arguments)
        try:
            self._wait_until_it_answers()
            yield
        finally:
            process.kill()
            process.wait()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self._web.send("GET", f"{self._url}/interop")
                return
            except Unreachable:
                time.sleep(POLL_SECONDS)
        raise Unreachable(f"{self._url} does not answer after {START_SECONDS} s")

    def _invitation(self, token_a: str) -> dict[str, Any]:
        return {
            "name": f"interop server {self._result.role}",
            "versions_url": f"{self._url}/ocpi/versions",
            "token": token_a,
            "endpoints_with_slash": True,
            "only_version": self._ocpi,
            "role": self._result.role,
        }

    def _state(self) -> dict[str, Any]:
        """Return the node's credentials and endpoints as the server has them, and what it received."""
        state = self._web.send("GET", f"{self._url}/interop").json()
        assert isinstance(state, dict)
        return state

    def _push_to_node(self) -> None:
        node = self._state()["node"]
        for module in SENDS[self._result.role, self._result.node]:
            for number, variant in enumerate(VARIANTS, 1) if module.islower() else ():
                prefix = "U" if module == "tokens" else module[0].upper()
                self._result.count(module, variant, self._refusal(node, module, f"{prefix}{number}"))

    def _refusal(self, node: dict[str, Any], module: str, object_id: str) -> str | None:
        """Have the server push one object; returns the reason of a refusal, None when it was taken."""
        credentials = node["credentials"]
        receiver = {
            "endpoints_url": credentials["url"].replace("/versions", f"/{self._ocpi}"),
            "auth_token": credentials["token"],
        }
        token = self._token_c if self._ocpi == "2.1.1" else base64.b64encode(self._token_c.encode()).decode()
        answer = self._web.send(
            "POST",
            f"{self._url}/push/{self._ocpi}",
            {"Authorization": f"Token {token}"},
            {"module_id": module, "object_id": object_id, "receivers": [receiver]},
        )
        try:
            (pushed,) = json.loads(answer.body)["receiver_responses"]
        except (ValueError, KeyError, TypeError):
            return f"its server fails: HTTP {answer.http_status} {answer.body[:80]!r}"
        response = pushed["response"]
        # Of an answer to a CDR the program keeps the headers only; a CDR that was taken has its URL there.
        if pushed["status_code"] < 300 and (response.get("status_code") == 1000 or "location" in response):
            return None
        return f"HTTP {pushed['status_code']} {response.get('status_message', '')}"

    def _wait_for_pushes(self, partner_id: str) -> None:
        """Count the objects of the node that the server took, and note those that it refused."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while True:
            entries = self._door.get("broadcasts")
            entry: dict[str, Any] = next((e for e in entries if e.get("partner_id") == partner_id), {})
            is_over = self._state()["received"] and not entry.get("waiting")
            if is_over or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        self._result.read = sum(self._state()["received"].values())
        for state in ("refused", "waiting"):
            self._result.unreadable += [
                f"{each['module']}: {each['reason']}" for each in entry.get(state, ())
            ]
