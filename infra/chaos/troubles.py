"""Makes the bad partners fail, from soon after the beginning until somewhat after the middle of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from infra.chaos.members import MEMBERS, Member
from infra.chaos.partner import ChaosPartner

BEGIN, END = 0.05, 0.65
"""Start and end of the failures, as shares of the traffic's time."""
AGAIN_S = 0.5


class Troubles:
    """Makes partners fail, and work again. `wait` ends when the traffic's time is over."""

    def __init__(self, partners: Mapping[str, ChaosPartner], seed: int, traffic_s: float) -> None:
        self._partners = partners
        self._seed = seed
        self._traffic_s = traffic_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="troubles", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until it is over."""
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        bad = [member for member in MEMBERS if member.trouble]
        self._until(started + BEGIN * self._traffic_s)
        for member in bad:
            self._begin(member)
        self._until(started + END * self._traffic_s)
        for member in bad:
            self._end(member)
        self._until(started + self._traffic_s)

    def _until(self, moment: float) -> None:
        self._stopping.wait(max(0.0, moment - time.monotonic()))

    def _begin(self, member: Member) -> None:
        assert member.trouble is not None
        partner = self._partners[member.name]
        if member.trouble.fault is None:
            partner.die()
        else:
            partner.fault = member.trouble.fault(self._seed)

    def _end(self, member: Member) -> None:
        partner = self._partners[member.name]
        partner.fault = None
        while not partner.is_up:
            try:
                partner.come_back()
            except OSError:
                # Another process may hold the port for a moment, as the local end of a connection.
                self._stopping.wait(AGAIN_S)
