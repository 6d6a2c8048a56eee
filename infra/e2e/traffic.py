"""Steady changes at the CPO, and the check that each of them arrived at the hub and at the eMSP.

Each change creates a tariff, so each can be looked for. A status of an EVSE changes with it, of which the
last one must have arrived. A request that the CPO did not accept (its worker was ended by an update) is no
change, and the traffic counts it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from cli.operator_client import OperatorApiError, OperatorClient

PAUSE_S = 0.4
ARRIVES_WITHIN_S = 120.0
"""Longer than the visibility timeout of a message whose worker died (45 s), plus one retry."""
STATUSES = ("CHARGING", "AVAILABLE")


@dataclass
class Traffic:
    """Changes from `start` to `stop`."""

    cpo: OperatorClient
    location_id: str
    evse_uid: str
    tariffs: list[str] = field(default_factory=list)
    status: str = ""
    not_accepted: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._prefix = f"E2E-{int(time.time())}"

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the present change and end."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(PAUSE_S):
            number += 1
            tariff_id, status = f"{self._prefix}-{number}", STATUSES[number % 2]
            if self._accepts(tariff(), "tariffs", tariff_id):
                self.tariffs.append(tariff_id)
            if self._accepts({"status": status}, "locations", self.location_id, self.evse_uid):
                self.status = status

    def _accepts(self, body: dict[str, Any], *path: str) -> bool:
        """Make a change. Returns whether the CPO took it."""
        change = self.cpo.put if path[0] == "tariffs" else self.cpo.patch
        try:
            change(*path, body=body)
        except OperatorApiError:
            self.not_accepted += 1
            return False
        return True


def missing(traffic: Traffic, receivers: dict[str, OperatorClient], since: str) -> dict[str, list[str]]:
    """Wait for all changes to arrive. Returns the missing ones by receiver."""
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    lacking = dict.fromkeys(receivers, ["not looked yet"])
    while any(lacking.values()) and time.monotonic() < deadline:
        time.sleep(1.0)
        lacking = {name: _lacks(traffic, door, since) for name, door in receivers.items()}
    return {name: objects for name, objects in lacking.items() if objects}


def _lacks(traffic: Traffic, door: OperatorClient, since: str) -> list[str]:
    held = {tariff["id"] for tariff in door.all("tariffs", date_from=since, limit="100")}
    lacks = [tariff_id for tariff_id in traffic.tariffs if tariff_id not in held]
    location = door.get("locations", traffic.location_id)
    status = next(evse["status"] for evse in location["evses"] if evse["uid"] == traffic.evse_uid)
    if status != traffic.status:
        lacks.append(f"{traffic.evse_uid} {traffic.status}, not {status}")
    return lacks


def tariff() -> dict[str, Any]:
    """Write a tariff."""
    return {
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
    }
