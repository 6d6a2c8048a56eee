"""The sandbox: an embedded AWS and three nodes, a CPO, a hub that plays MOBI.E, and an eMSP.

More eMSPs, each of one OCPI version, can stand beside them (`emsp_of`).

`make run` runs it (`run.py`). Tests and the certification use it as a library:

    with Sandbox(seed_sites=5) as sandbox:
        sandbox.describe()["hub"]["versions_url"]

which takes free ports, keeps no data and needs no folder. However it ends, all processes that it started end
as well (`children.py`).

It stops in this order: the simulated CSMS, if there is one; the nodes, all at once, which finish their
present work; the emulator, which saves its state.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from chalicelib.calls.urls import may_be_called
from chalicelib.versions.supported import is_supported, supported_numbers, traits_of
from cli.operator_client import OperatorClient
from infra import resources
from infra.local import children, first_start, operator_keys
from infra.local.children import Child, ChildFailed
from infra.local.emulator import Emulator
from infra.local.node_process import OPERATOR_KEY

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Player:
    """One of the nodes, and the party it plays. version: the only OCPI version that it offers, "" for all."""

    name: str
    role: str
    country_code: str
    party_id: str
    title: str
    version: str = ""

    def parties(self) -> str:
        """Write OCPI_PARTIES."""
        role = {
            "role": self.role,
            "country_code": self.country_code,
            "party_id": self.party_id,
            "business_details": {"name": self.title},
        }
        return json.dumps([role])


CPO = Player("cpo", "CPO", "PT", "ABC", "Alfa Charging")
HUB = Player("hub", "HUB", "PT", "MOB", "MOBI.E (sandbox)")
EMSP = Player("emsp", "EMSP", "PT", "EVI", "Evia Mobility")
PLAYERS = (CPO, HUB, EMSP)


class SandboxError(RuntimeError):
    """The sandbox cannot run here; the text has the reason."""


def emsp_of(version: str) -> Player:
    """An eMSP that speaks one OCPI version only.

    >>> emsp_of("2.2").name
    'emsp22'

    Raises: SandboxError for a version that this release does not speak.
    """
    if not is_supported(version):
        spoken = " ".join(sorted(supported_numbers()))
        raise SandboxError(f"EMSP_VERSIONS: this release does not speak OCPI {version!r}; it speaks {spoken}")
    digits = version.replace(".", "")
    party_id = {"2.1.1": "E11", "2.2.1": "E21"}.get(version, f"E{digits[:2]}")
    return Player(f"emsp{digits}", "EMSP", "PT", party_id, f"eMSP of OCPI {version}", version)


class Sandbox:
    """Three nodes and their AWS, from `start` to `stop`.

    port: of the CPO; the hub and the eMSP have the next two. 0 takes free ones.
    state_dir: where data, keys and logs are kept; None is a temporary folder.
    seed_sites: how many sites the CPO has; persist: whether the data outlives the sandbox.
    environment: variables for single nodes, such as {"hub": {"OCPI_FRESHNESS_SECONDS": "2"}}.
    ocpi_versions: the versions that the nodes offer; "" for all. Two nodes take the newest, and most of what
    starts a sandbox is about 2.2.1.
    connected: whether the CPO and the eMSP are registered at the hub.
    csms_speed: simulated seconds per second of the CSMS that runs the seeded sites; 0 is no CSMS.
    emulator: makes another embedded AWS, from the folder of its state.
    emsp_versions: OCPI versions, each of which one more eMSP speaks; they have the ports behind the others.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        state_dir: Path | None = None,
        seed_sites: int = 0,
        persist: bool = False,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        ocpi_versions: str = "2.2.1 2.2 2.1.1",
        connected: bool = True,
        app: str = "app:app",
        csms_speed: float = 0.0,
        emulator: Callable[[Path], Emulator] | None = None,
        emsp_versions: Sequence[str] = (),
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.players = (*PLAYERS, *map(emsp_of, dict.fromkeys(emsp_versions)))
        self._port = port
        self._is_temporary = state_dir is None
        self.state_dir = Path(tempfile.mkdtemp(prefix="ocpi-")) if state_dir is None else state_dir.resolve()
        self._seed_sites = seed_sites
        self._environment = dict(environment or {})
        self._ocpi_versions = ocpi_versions
        self._connected = connected
        self._app = app
        self._csms_speed = csms_speed
        self._csms: Child | None = None
        self._report = report
        self._lock: IO[str] | None = None
        make_emulator = emulator or partial(Emulator, persist=persist)
        self.emulator: Emulator = make_emulator(self.state_dir)
        self._ports: dict[str, int] = {}
        self._nodes: dict[str, Child] = {}
        self._keys: dict[str, str] = {}
        self._resources: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it answers.

        Raises: SandboxError when a port is taken or the folder is in use; ChildFailed when a
        process does not come up; OperatorApiError when the nodes refuse to be set up.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything. Data stays if `persist` is set."""
        if self._lock is None:
            return
        (self.state_dir / "sandbox.json").unlink(missing_ok=True)
        if self._csms is not None:
            self._csms.stop()
        if self._nodes:
            with ThreadPoolExecutor(len(self._nodes)) as pool:
                for _ in pool.map(Child.stop, self._nodes.values()):
                    pass
        self.emulator.stop()
        if self._is_temporary:
            shutil.rmtree(self.state_dir, ignore_errors=True)
        self._lock.close()
        self._lock = None

    def describe(self) -> dict[str, dict[str, str]]:
        """Return URLs, keys and parties of the nodes: the content of sandbox.json."""
        return {
            player.name: {
                "versions_url": f"{self.public_url(player)}/ocpi/versions",
                "operator_url": f"{self.public_url(player)}/operator",
                "operator_key": self._keys[player.name],
                "country_code": player.country_code,
                "party_id": player.party_id,
            }
            for player in self.players
        }

    def public_url(self, player: Player) -> str:
        """Return a node's URL."""
        return f"http://{LOOPBACK}:{self._ports[player.name]}"

    def door(self, player: Player) -> OperatorClient:
        """Return a client of a node's operator API."""
        return OperatorClient(f"{self.public_url(player)}/operator", self._keys[player.name])

    def node(self, player: Player) -> Child:
        """Return a node's process."""
        return self._nodes[player.name]

    def start_node(self, player: Player) -> None:
        """Start a stopped or killed node again, on the same port."""
        self._launch(player, children.listen(self._ports[player.name]))
        self.node(player).wait_until_answering(f"{self.public_url(player)}/ocpi/versions")

    def environment_of(self, player: Player) -> dict[str, str]:
        """Return the environment that makes a process this node."""
        return {
            **children.clean_environment(),
            **self.emulator.environment(),
            **self._resources[player.name],
            "OCPI_PARTIES": player.parties(),
            "OCPI_PUBLIC_URL": self.public_url(player),
            "OCPI_ALLOW_LOOPBACK": "1",
            "OCPI_VERSIONS": player.version or self._ocpi_versions,
            OPERATOR_KEY: self._keys[player.name],
            **self._environment.get(player.name, {}),
        }

    def dead_children(self) -> list[Child]:
        """Return the names of the processes that have ended unexpectedly."""
        expected = [self.emulator.child, *self._nodes.values(), *([self._csms] if self._csms else [])]
        return [child for child in expected if not child.is_running()]

    def _start(self) -> None:
        self._take_folder()
        listeners = self._take_ports()
        self._report("Starting the embedded AWS ...")
        self.emulator.start()
        self._keys = operator_keys.read_or_make(self.state_dir, [player.name for player in self.players])
        for player in self.players:
            self._resources[player.name] = resources.make_node_resources(player.name, self.emulator.client)
        self._report("Starting the nodes ...")
        for player in self.players:
            self._launch(player, listeners[player.name])
        for player in self.players:
            self.node(player).wait_until_answering(f"{self.public_url(player)}/ocpi/versions")
        if self._connected:
            self._connect()
        if self._seed_sites:
            first_start.seed(self.door(CPO), CPO.party_id, self._seed_sites, self._report)
        self._write_description()
        if self._csms_speed:
            self._start_csms()

    def _take_folder(self) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        lock = (self.state_dir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise SandboxError(f"another sandbox runs on {self.state_dir}: stop it first") from None
        self._lock = lock

    def _take_ports(self) -> dict[str, socket.socket]:
        for wanted in range(self._port, self._port + len(self.players)):
            if self._port and not may_be_called(wanted):
                raise SandboxError(f"a node calls no other one at port {wanted}: try PORT=9000 make run")
        listeners: dict[str, socket.socket] = {}
        for offset, player in enumerate(self.players):
            wanted = self._port + offset if self._port else 0
            try:
                listener = children.listen(wanted)
            except OSError as error:
                for taken in listeners.values():
                    taken.close()
                raise SandboxError(
                    f"port {wanted} for the {player.name} cannot be taken ({error.strerror}): stop what "
                    f"listens there, or move all of them with PORT=9000 make run"
                ) from None
            listeners[player.name] = listener
            self._ports[player.name] = listener.getsockname()[1]
        return listeners

    def _launch(self, player: Player, listener: socket.socket) -> None:
        """Start a node on a listening socket, which then belongs to it."""
        # The node also holds the emulator's lifeline: even if we are killed, it can finish its present work,
        # and the emulator ends, and saves, only after it.
        lifeline = self.emulator.child.lifeline.fileno()
        child = Child(
            player.name,
            [
                sys.executable,
                "-m",
                "infra.local.node_process",
                *("--listener", str(listener.fileno())),
                *("--state-dir", str(self.state_dir)),
                *("--app", self._app),
            ],
            self.environment_of(player),
            log=self.state_dir / "logs" / f"{player.name}.log",
            pass_fds=[listener.fileno(), lifeline],
        )
        self._nodes[player.name] = child
        with listener:
            child.start()

    def _connect(self) -> None:
        hub = self.door(HUB)
        for player in (each for each in self.players if each is not HUB):
            profiles = ["ptmob"] if player is CPO else []
            # OCPI 2.1.1 has no hubs, and nobody says his role: toward an eMSP, the hub is a CPO.
            roles = None if traits_of(player.version).has_roles else (player.role, "CPO")
            is_new = first_start.connect(
                self.door(player), player.title, hub, HUB.title, profiles, is_hub=roles is None, roles=roles
            )
            if is_new:
                self._report(f"Registered {player.title} at {HUB.title}.")

    def _start_csms(self) -> None:
        """Start the simulated CSMS, which reads the operator APIs' URLs from the description."""
        self._csms = Child(
            "csms",
            [
                sys.executable,
                "-m",
                "infra.local.csms",
                *("--state-dir", str(self.state_dir)),
                *("--sites", str(self._seed_sites)),
                *("--speed", str(self._csms_speed)),
            ],
            children.clean_environment(),
            log=self.state_dir / "logs" / "csms.log",
        )
        self._csms.start()

    def _write_description(self) -> None:
        file = self.state_dir / "sandbox.json"
        with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(self.describe(), out, indent=2)
            out.write("\n")


__all__ = ["CPO", "EMSP", "HUB", "PLAYERS", "ChildFailed", "Player", "Sandbox", "SandboxError"]
