"""Kills and restarts processes: nodes now and then, second compilers all the time."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from random import Random

from infra.local import children
from infra.local.children import Child, ChildFailed
from infra.local.sandbox import CPO, EMSP, HUB, Player, Sandbox

KILLS = ((10.0, HUB), (15.0, EMSP), (20.0, CPO), (75.0, EMSP), (85.0, HUB), (95.0, CPO))
"""Seconds after which a node is killed, if changes go on for that long.

The messages of a killed node are invisible for 45 s, the queue's visibility timeout. A second kill, of this
node or of the next one on the way, must not hit the same change again: two in a row take longer than a
minute.
"""
COMPILER_LIVES_S = (2.0, 12.0)
STARTS = 5
"""Tries to start a node, because the calls of its start may fail as well."""
AGAIN_S = 0.5


class Crashes:
    """Kills processes until it is stopped. traffic_s: for how long changes go on."""

    def __init__(self, sandbox: Sandbox, seed: int, traffic_s: float) -> None:
        self._sandbox = sandbox
        self._chance = Random(f"{seed}/crashes")
        self._traffic_s = traffic_s
        self._stopping = threading.Event()
        self._compilers = {player.name: _compiler(sandbox, player) for player in (HUB, CPO)}
        self._threads = [threading.Thread(target=self._kill_nodes, name="kills")]
        self._threads += [
            threading.Thread(target=self._kill_compilers, args=(player,), name="compiler kills")
            for player in (HUB, CPO)
        ]
        self.kills: Counter[str] = Counter()
        self.errors: list[Exception] = []

    def start(self) -> None:
        """Start the second compilers, and the killing."""
        for compiler in self._compilers.values():
            compiler.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the killing. The second compilers run until `end`."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def end(self) -> None:
        """End the second compilers."""
        self.stop()
        for compiler in self._compilers.values():
            compiler.stop()

    def _kill_nodes(self) -> None:
        started = time.monotonic()
        for after, player in KILLS:
            if after > self._traffic_s or self._stopping.wait(started + after - time.monotonic()):
                return
            self._sandbox.node(player).kill()
            self.kills[player.name] += 1
            self._start(player)

    def _start(self, player: Player) -> None:
        for number in range(STARTS):
            try:
                self._sandbox.start_node(player)
                return
            except (ChildFailed, OSError) as error:
                if number == STARTS - 1:
                    self.errors.append(error)
                self._stopping.wait(AGAIN_S)

    def _kill_compilers(self, player: Player) -> None:
        while not self._stopping.wait(self._chance.uniform(*COMPILER_LIVES_S)):
            self._compilers[player.name].kill()
            self._compilers[player.name] = _compiler(self._sandbox, player)
            self._compilers[player.name].start()
            self.kills[f"{player.name} compiler"] += 1


def _compiler(sandbox: Sandbox, player: Player) -> Child:
    return Child(
        f"{player.name} compiler",
        [sys.executable, "-m", "infra.chaos.compiler_process"],
        {**children.clean_environment(), **sandbox.environment_of(player)},
        log=sandbox.state_dir / "logs" / f"{player.name}_compiler.log",
    )
