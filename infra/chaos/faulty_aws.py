"""The embedded AWS of a chaos run: the emulator, and the fault layer between it and the nodes.

The harness itself calls the emulator directly, so its own faults do not change what it counts.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.chaos.fault_layer import CONTROL
from infra.chaos.weather import Weather
from infra.local import children
from infra.local.children import Child
from infra.local.emulator import Emulator

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CONTROL_S = 10.0


class FaultyAws(Emulator):
    """An emulator whose nodes reach it through the fault layer."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, persist=False)
        self._logs = state_dir / "logs"
        self._layer: Child | None = None
        self._layer_url = ""

    def start(self) -> None:
        """Start the emulator and the layer. Raises: ChildFailed when one does not come up."""
        super().start()
        with children.listen(0) as listener:
            self._layer_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._layer = Child(
                "fault layer",
                [
                    *(sys.executable, "-m", "infra.chaos.fault_layer"),
                    *(str(listener.fileno()), self.endpoint_url),
                ],
                children.clean_environment(),
                log=self._logs / "fault_layer.log",
                pass_fds=[listener.fileno()],
            )
            self._layer.start()
        self._layer.wait_until_answering(f"{self._layer_url}{CONTROL}")

    def environment(self) -> dict[str, str]:
        """Environment of a node, so that botocore calls the fault layer."""
        return {**super().environment(), "AWS_ENDPOINT_URL": self._layer_url}

    def set_weather(self, weather: Weather) -> None:
        """Set the weather by which calls fail from now on."""
        self._control("PUT", asdict(weather))

    def counts(self) -> dict[str, Any]:
        """Return the number of `calls`, and of `injected` faults by service and fault."""
        return self._control("GET")

    def stop(self) -> None:
        """Stop the layer, then the emulator."""
        if self._layer is not None:
            self._layer.stop()
        super().stop()

    def _control(self, method: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        content = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self._layer_url}{CONTROL}", data=content, method=method)
        with _direct.open(request, timeout=CONTROL_S) as reply:
            counted: dict[str, Any] = json.loads(reply.read())
        return counted
