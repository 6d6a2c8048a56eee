"""The CPO's CSMS, played by a scenario at a site of its own: it executes commands and writes sessions.

Another CSMS may work at the same CPO. It serves its own sites and ignores this one; this one takes only the
commands of its scenario.
Source: OCPI 2.2.1 mod_commands_flow, mod_sessions; CMD-16, SES-10, SES-12
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from certification.ocpi import Document
from certification.operator_apis import OperatorApi, path_of
from certification.own_objects import own, set_status, take_sites
from certification.samples import session
from certification.trial import Trial


class Csms:
    """Serves one site of the CPO until the scenario ends."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        (self.site_id,) = take_sites(trial, 1)
        self._evses = own(trial, "locations", self.site_id)["evses"]
        set_status(trial, self.site_id, str(self._evses[0]["uid"]), "AVAILABLE")
        self._seen = {str(command["id"]) for command in self._pending()}

    def place(self, evse: int = 0, connector: int = 0) -> Document:
        """Name one of the site's connectors."""
        found = self._evses[evse]
        return {
            "location_id": self.site_id,
            "evse_uid": found["uid"],
            "connector_id": found["connectors"][connector]["id"],
        }

    def wait_until_known(self) -> None:
        """Wait until the eMSP knows the site, so that it can send commands there."""
        self._trial.eventually(
            f"the eMSP knows the site {self.site_id}",
            lambda: self._trial.emsp.held("locations", self._trial.cpo.party, self.site_id),
        )

    # Commands

    def fetch(self, name: str, **request: object) -> Document:
        """Wait for a command whose request has these values."""
        found: list[Document] = []
        wanted = ", ".join(f"{field} {value}" for field, value in request.items())

        def look() -> bool:
            found[:] = self.pending(name, **request)
            return bool(found)

        self._trial.eventually(f"the CPO's CSMS finds {name} of {wanted} among the pending commands", look)
        self._seen.add(str(found[0]["id"]))
        return found[0]

    def pending(self, name: str, **request: object) -> list[Document]:
        """Return the new pending commands whose request has these values."""
        return [
            command
            for command in self._pending()
            if command.get("command") == name
            and str(command.get("id")) not in self._seen
            and request.items() <= _flat(command.get("request")).items()
        ]

    def report(self, command: Document, result: str) -> None:
        """Give the result of a command."""
        self._trial.cpo.ask("POST", path_of("commands", command["id"], "result"), {"result": result})

    def look(self, command: Document) -> Document:
        """Return a command as the CPO's operator API shows it now."""
        found: Any = self._trial.cpo.ask("GET", path_of("commands", command["id"]))
        return dict(found)

    # Sessions

    def start(self, token: Document, place: Document, **fields: object) -> str:
        """Write a new session; it is COMPLETED when the scenario ends. Returns its id."""
        session_id = f"CERT-{secrets.token_hex(8).upper()}"
        end = partial(
            self._trial.cpo.ask, "PATCH", path_of("sessions", session_id), {"status": "COMPLETED"},
            (200, 404, 409, 422),
        )  # fmt: skip
        self._trial.afterwards(f"session {session_id} is COMPLETED", end)
        body = session(token, place, **fields)
        self._trial.cpo.ask("PUT", path_of("sessions", session_id), body, (201,))
        return session_id

    def change(self, session_id: str, method: str, body: Document) -> Document:
        """PUT or PATCH a session. Returns it as the CPO's operator API then shows it."""
        self._trial.cpo.ask(method, path_of("sessions", session_id), body, (200,))
        return own(self._trial, "sessions", session_id)

    def see(self, session: Document, what: str) -> None:
        """Wait until the hub and the eMSP have the session exactly as the CPO has it."""
        apis = {"at the hub's operator API": self._trial.hub, "at the eMSP's operator API": self._trial.emsp}
        self._trial.all_eventually(
            what, {place: partial(self._shows, api, session) for place, api in apis.items()}
        )

    def _shows(self, api: OperatorApi, session: Document) -> bool:
        return api.held("sessions", self._trial.cpo.party, str(session["id"])) == session

    def _pending(self) -> list[Document]:
        return self._trial.cpo.list_all("/commands?state=PENDING")


def _flat(request: Any) -> Document:
    """Return the fields of a request that can be compared by value, without the token."""
    fields = request if isinstance(request, dict) else {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}
