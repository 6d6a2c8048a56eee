"""The three that must receive a change of the CPO: the hub, the eMSP behind it, and a probe eMSP.

The operator APIs of the hub and the eMSP show that a change has arrived. Only the probe sees the push itself:
sender, receiver, method and URL. Without a probe, the operator APIs are checked alone.
Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; RTE-11 to RTE-15
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from operator import eq, not_

from certification.handshake import RECEIVES, join
from certification.ocpi import Document, Party
from certification.probe_partner import ProbePartner, Received
from certification.trial import Trial


class Witnesses:
    """The three receivers of a module's changes, for one scenario."""

    def __init__(self, trial: Trial, module: str) -> None:
        self.module = module
        self._trial = trial
        self._probe: ProbePartner | None = None
        if trial.has_probe("the broadcast's method, URL and routing headers"):
            self._probe, _ = join(trial, trial.hub, "EMSP", RECEIVES)
            trial.note(f"{self._probe.name} ({self._probe.party}) is registered at the hub and listens")

    def see(self, document: Document, what: str) -> None:
        """Wait until all three have the object as its owner has it, and check the pushes to the probe.

        Raises: Refuted when one of them does not in time, or a push breaks the specification.
        """
        self._wait(document, what, partial(eq, document), ("PUT", "PATCH"))

    def see_gone(self, document: Document, what: str) -> None:
        """Wait until none of the three has the object; the probe must have received a DELETE."""
        self._wait(document, what, not_, ("PUT", "PATCH", "DELETE"))

    def _wait(
        self,
        document: Document,
        what: str,
        matches: Callable[[Document | None], bool],
        methods: tuple[str, ...],
    ) -> None:
        owner = Party(str(document["country_code"]), str(document["party_id"]))
        object_id, since = str(document["id"]), str(document["last_updated"])
        begun = time.monotonic() - self._trial.deadline_s
        looks: dict[str, Callable[[], bool]] = {
            "at the hub's operator API": lambda: matches(
                self._trial.hub.find(self.module, owner, object_id, since)
            ),
            "at the eMSP's operator API": lambda: matches(
                self._trial.emsp.find(self.module, owner, object_id, since)
            ),
        }
        probe = self._probe
        if probe is not None:
            looks["at the probe eMSP"] = lambda: matches(probe.copies.get(self.module, owner, object_id))
        self._trial.all_eventually(what, looks)
        if probe is not None:
            self._check_pushes(probe, owner, object_id, begun, methods)

    def _pushes(self, probe: ProbePartner, owner: Party, object_id: str, since: float) -> list[Received]:
        start = ("receiver", self.module)
        return [
            each
            for each in probe.received_since(since, *start)
            if len(each.segments) >= 5
            and owner.is_same(*each.segments[2:4])
            and each.segments[4].upper() == object_id.upper()
            and each.method != "GET"
        ]

    def _check_pushes(
        self, probe: ProbePartner, owner: Party, object_id: str, since: float, methods: tuple[str, ...]
    ) -> None:
        """Check every push of the object against the rules of a broadcast."""
        hub = self._trial.hub.party
        pushes = self._pushes(probe, owner, object_id, since)
        for push in pushes:
            label = f"{push.method} …/{'/'.join(push.segments[1:])}"
            self._trial.expect(push.method in methods, f"{label}: is one of {', '.join(methods)}")
            # LOC-13: a child may arrive before its parent; after the 404 the owner sends the parent.
            self._trial.expect(
                push.status_code < 2000 or push.http_status == 404,
                f"{label}: a receiver can accept it, not HTTP {push.http_status}, {push.status_code}",
            )
            self._trial.expect(
                hub.is_same(*push.party("from")), f"{label}: is FROM the hub, not {push.party('from')}"
            )
            self._trial.expect(
                probe.party.is_same(*push.party("to")), f"{label}: is TO its receiver, not {push.party('to')}"
            )
        request_ids = [push.headers.get("x-request-id") for push in pushes]
        self._trial.expect(len(set(request_ids)) == len(pushes), "every push has an X-Request-ID of its own")
        last = pushes[-1]
        self._trial.note(
            f"the probe eMSP received {last.method} …/{'/'.join(last.segments[1:])}, "
            f"FROM {last.party('from')} TO {last.party('to')}"
        )
