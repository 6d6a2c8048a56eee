"""The tools of a scenario: clients of the operator APIs, the probe, waiting with deadlines, and the evidence.

A scenario states its expectations with `expect` and `eventually`. The first that does not hold ends it, and
the report shows its text. So each text says what was expected, not what the code did. Waiting polls until a
deadline; the time that it took goes into the evidence, because the plan's broadcasts have a time limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from certification.nodes import Nodes
from certification.operator_apis import OperatorApi
from certification.probe import Probe
from certification.refuted import Refuted
from certification.web import Web

POLL_S = 0.05
SLOWEST_POLL_S = 0.5
TIMER_S = 90.0  # a node's timers run once a minute


class Trial:
    """One run of one scenario.

    probe: None when the nodes cannot reach this machine; scenarios then use the operator APIs only and note
    that. deadline_s: how long to wait for a broadcast; timer_s: for the work of a node's timer. patience:
    factor for every time limit, for nodes on a slow machine.
    """

    def __init__(
        self,
        nodes: Nodes,
        probe: Probe | None,
        web: Web,
        deadline_s: float,
        timer_s: float = TIMER_S,
        patience: float = 1.0,
    ) -> None:
        self.nodes = nodes
        self.probe = probe
        self.web = web
        self.deadline_s = deadline_s * patience
        self.timer_s = timer_s * patience
        self.patience = patience
        self.cpo = OperatorApi(web, nodes.cpo)
        self.hub = OperatorApi(web, nodes.hub)
        self.emsp = OperatorApi(web, nodes.emsp)
        self.evidence: list[str] = []
        self._afterwards: list[tuple[str, Callable[[], object]]] = []

    def note(self, text: str) -> None:
        """Add a sentence to the evidence."""
        self.evidence.append(text)

    def expect(self, holds: object, text: str) -> None:
        """Continue only if `holds`. Raises: Refuted with `text`."""
        if not holds:
            raise Refuted(text)

    def eventually(self, text: str, look: Callable[[], object], deadline_s: float | None = None) -> None:
        """Poll `look` until it returns something true, and note how long that took.

        Raises: Refuted when the deadline passes first.
        """
        self.all_eventually(text, {"": look}, deadline_s)

    def all_eventually(
        self, text: str, looks: Mapping[str, Callable[[], object]], deadline_s: float | None = None
    ) -> None:
        """Poll several places until each has returned something true, and note how long each took.

        looks: by the name of the place.
        Raises: Refuted when the deadline passes first, naming the missing places and the error of each.
        """
        limit_s = self.deadline_s if deadline_s is None else deadline_s
        missing = dict(looks)
        refusals: dict[str, str] = {}
        found: list[str] = []
        started = time.monotonic()
        pause_s = POLL_S
        while True:
            for place, look in list(missing.items()):
                try:
                    has_found = look()
                except Refuted as error:
                    has_found, refusals[place] = None, f" ({error})"
                if has_found:
                    found.append(f"{place} after {time.monotonic() - started:.2f} s".lstrip())
                    del missing[place]
            if not missing:
                self.note(f"{text}: {', '.join(found)}")
                return
            if time.monotonic() - started > limit_s:
                places = ", ".join(place + refusals.get(place, "") for place in missing)
                raise Refuted(f"{text}, {places}: within {limit_s:g} s".replace(", :", ":"))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, SLOWEST_POLL_S)

    def has_probe(self, what: str) -> bool:
        """Tell whether there is a probe; without one, note in the evidence what is not checked."""
        if self.probe is None:
            self.note(f"not shown on the wire, as the nodes cannot reach a probe (--probe-url): {what}")
        return self.probe is not None

    def afterwards(self, text: str, undo: Callable[[], object]) -> None:
        """Register `undo` to run when the scenario ends, failed or not; the last one runs first."""
        self._afterwards.append((text, undo))

    def clean_up(self) -> list[str]:
        """Undo everything. Returns what could not be undone, and why."""
        trouble = []
        while self._afterwards:
            text, undo = self._afterwards.pop()
            try:
                undo()
            except Exception as error:
                trouble.append(f"{text}: {error}")
        return trouble
