"""Who must see a change at the CPO: the hub, the eMSP behind it, and a probe eMSP that reads the push itself.

The doors of the hub and the eMSP show that a change has arrived; only the probe sees what was said on
the wire: from whom, to whom, by which method and at which URL. Without a probe the doors have to do.
Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; RTE-11 to RTE-15
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from operator import eq, not_
from typing import Any

from certification.handshake import RECEIVES, join
from certification.ocpi import Party
from certification.probe_partner import Heard, ProbePartner
from certification.trial import Trial

Document = dict[str, Any]


class Witnesses:
    """The three who hear of a module's changes, for one scenario."""

    def __init__(self, trial: Trial, module: str) -> None:
        self.module = module
        self._trial = trial
        self._probe: ProbePartner | None = None
        if trial.has_probe("the broadcast's method, URL and routing headers"):
            self._probe, _ = join(trial, trial.hub, "EMSP", RECEIVES)
            trial.note(f"{self._probe.name} ({self._probe.party}) is registered at the hub and listens")

    def see(self, document: Document, what: str) -> None:
        """Wait until all three hold the object just as it is at its owner, and check how the probe got it.

        Raises: Refuted when one of them does not in time, or the push is not what the specification asks.
        """
        self._wait(document, what, partial(eq, document), ("PUT", "PATCH"))

    def see_gone(self, document: Document, what: str) -> None:
        """Wait until none of the three has the object any more, the probe by a DELETE."""
        self._wait(document, what, not_, ("PUT", "PATCH", "DELETE"))

    def _wait(
        self, document: Document, what: str, says: Callable[[Document | None], bool], methods: tuple[str, ...]
    ) -> None:
        owner = Party(str(document["country_code"]), str(document["party_id"]))
        object_id, since = str(document["id"]), str(document["last_updated"])
        begun = time.monotonic() - self._trial.deadline_s
        looks: dict[str, Callable[[], bool]] = {
            "at the hub's door": lambda: says(self._trial.hub.find(self.module, owner, object_id, since)),
            "at the eMSP's door": lambda: says(self._trial.emsp.find(self.module, owner, object_id, since)),
        }
        probe = self._probe
        if probe is not None:
            looks["at the probe eMSP"] = lambda: says(probe.copies.get(self.module, owner, object_id))
        self._trial.all_eventually(what, looks)
        if probe is not None:
            self._check_pushes(probe, owner, object_id, begun, methods)

    def _pushes(self, probe: ProbePartner, owner: Party, object_id: str, since: float) -> list[Heard]:
        start = ("receiver", self.module)
        return [
            each
            for each in probe.heard_since(since, *start)
            if len(each.segments) >= 5
            and owner.is_same(*each.segments[2:4])
            and each.segments[4].upper() == object_id.upper()
            and each.method != "GET"
        ]

    def _check_pushes(
        self, probe: ProbePartner, owner: Party, object_id: str, since: float, methods: tuple[str, ...]
    ) -> None:
        """Hold every push of the object to the rules of a broadcast."""
        hub = self._trial.hub.party
        pushes = self._pushes(probe, owner, object_id, since)
        for push in pushes:
            said = f"{push.method} …/{'/'.join(push.segments[1:])}"
            self._trial.expect(push.method in methods, f"{said}: is one of {', '.join(methods)}")
            # A child may reach a receiver before its parent: 404, and the owner sends the parent (LOC-13).
            self._trial.expect(
                push.status_code < 2000 or push.http_status == 404,
                f"{said}: a receiver can accept it, not HTTP {push.http_status}, {push.status_code}",
            )
            self._trial.expect(
                hub.is_same(*push.party("from")), f"{said}: is FROM the hub, not {push.party('from')}"
            )
            self._trial.expect(
                probe.party.is_same(*push.party("to")), f"{said}: is TO its receiver, not {push.party('to')}"
            )
        request_ids = [push.headers.get("x-request-id") for push in pushes]
        self._trial.expect(len(set(request_ids)) == len(pushes), "every push has an X-Request-ID of its own")
        last = pushes[-1]
        self._trial.note(
            f"the probe eMSP heard {last.method} …/{'/'.join(last.segments[1:])}, "
            f"FROM {last.party('from')} TO {last.party('to')}"
        )
