"""One chaos run: nodes and partners, the injected faults, and the comparison at the end.

1. *Set up* in calm weather: a sandbox of three nodes, the partners registered, every object created and known
   everywhere.
2. *Chaos*: owners make changes, while AWS fails, nodes and compilers are killed, messages come twice, and the
   bad partners fail.
3. *Settle*: partners work again, owners are done; all receivers are compared until nothing is wrong, or until
   the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certification.ocpi import Party
from certification.web import Web
from cli.operator_client import OperatorApiError, OperatorClient
from infra.chaos.crashes import Crashes
from infra.chaos.faulty_aws import FaultyAws
from infra.chaos.ledger import Ledger
from infra.chaos.members import MEMBERS, Member
from infra.chaos.oracle import Network
from infra.chaos.partner import ChaosPartner
from infra.chaos.traffic import CpoTraffic, EmspTraffic, TrafficThread
from infra.chaos.troubles import Troubles
from infra.chaos.verdict import Judge, Row
from infra.chaos.weather import CALM, Weather
from infra.chaos.writers import DoorWriter, OcpiWriter, Owner, Writer
from infra.local.sandbox import CPO, HUB, PLAYERS, Sandbox

APP = "infra.chaos.quick_app:app"
FRESHNESS_S = 10
LOOK_S = 2.0
KNOWN_S = 120.0


@dataclass(frozen=True)
class Plan:
    """Settings of a run. settle_s: time limit until all receivers are correct again."""

    seed: int
    traffic_s: float
    settle_s: float
    pause_s: float
    weather: Weather


class ChaosRun:
    """One run. folder: of the nodes' data and logs."""

    def __init__(self, plan: Plan, folder: Path, show: Callable[[str], None]) -> None:
        self.plan = plan
        self._show = show
        environment = {player.name: {"OCPI_FRESHNESS_SECONDS": str(FRESHNESS_S)} for player in PLAYERS}
        self._aws = FaultyAws(folder)
        self._sandbox = Sandbox(
            state_dir=folder, environment=environment, app=APP, emulator=lambda _: self._aws
        )
        self._web = Web()
        self._partners = {
            member.name: ChaosPartner(member.name, member.role, member.party, self._web) for member in MEMBERS
        }
        self._network = Network(MEMBERS, CPO.party_id)
        self._ledger = Ledger()
        self._crashes: Crashes | None = None
        self._partner_ids: dict[str, str] = {}
        self._owners: list[Owner] = []
        self._give_up_at = 0.0
        self.errors: list[Exception] = []
        self.settled_s: float | None = None

    def stop(self) -> None:
        """Stop everything that runs."""
        if self._crashes is not None:
            self._crashes.end()
        self._sandbox.stop()
        for partner in self._partners.values():
            partner.stop()

    def set_up(self) -> None:
        """Start the nodes, register the partners, create every object and wait until it is known."""
        self._show("Starting three nodes and the fault layer ...")
        self._sandbox.start()
        self._show(f"Registering {len(MEMBERS)} partners ...")
        for member in MEMBERS:
            self._register(member)
        self._traffics = self._make_traffics()
        self._give_up_at = time.monotonic() + KNOWN_S
        for traffic in reversed(self._traffics):
            traffic.prepare()
        if not self._wait_until_right(KNOWN_S):
            raise RuntimeError(f"before anything went wrong, not everything arrived: {self._wrong()[:5]}")

    def make_chaos(self) -> None:
        """Inject faults while changes go on."""
        plan = self.plan
        self._show(f"Chaos for {plan.traffic_s:.0f} s, seed {plan.seed} ...")
        self._give_up_at = time.monotonic() + plan.traffic_s + plan.settle_s / 2
        self._crashes = Crashes(self._sandbox, plan.seed, plan.traffic_s)
        troubles = Troubles(self._partners, plan.seed, plan.traffic_s)
        threads = [TrafficThread(traffic, plan.pause_s, self.errors.append) for traffic in self._traffics]
        self._aws.set_weather(plan.weather)
        self._ledger.began = time.monotonic()
        for thread in threads:
            thread.start()
        self._crashes.start()
        troubles.start()
        troubles.wait()
        self._crashes.stop()
        for thread in threads:
            thread.stop()
        self.errors += self._crashes.errors
        self._aws.set_weather(CALM)

    def settle(self) -> None:
        """Wait until all receivers are correct, after the operators have sent refused objects again."""
        self._show("All partners work again; comparing ...")
        started = time.monotonic()
        for member in MEMBERS:
            if member.trouble and member.trouble.refuses:
                self._replay(member)
        if self._wait_until_right(self.plan.settle_s):
            self.settled_s = time.monotonic() - started

    def rows(self) -> list[Row]:
        """Judge all receivers."""
        return self._judge.rows()

    def counts(self) -> dict[str, Any]:
        """Count the injected faults."""
        assert self._crashes is not None
        aws = self._aws.counts()
        return {
            "changes": len(self._ledger.changes),
            "not_accepted": sum(owner.not_accepted for owner in self._owners),
            "sent_again": sum(owner.sent_again for owner in self._owners),
            "kills": dict(self._crashes.kills),
            "aws_calls": aws["calls"],
            "injected": aws["injected"],
        }

    @property
    def _judge(self) -> Judge:
        doors = {player.name: self._sandbox.door(player) for player in PLAYERS}
        return Judge(self._network, self._partners, doors, self._ledger)

    def _door(self, at: str) -> OperatorClient:
        return self._sandbox.door(HUB if at == "hub" else CPO)

    def _register(self, member: Member) -> None:
        # The partners are written by the specification, where credentials is one entry (VER-05).
        body = {"name": member.name, "credentials_listed_once": True}
        invited = self._door(member.at).post("partners", "invitations", body=body)
        self._partner_ids[member.name] = invited["id"]
        self._partners[member.name].register(invited["versions_url"], invited["token"])

    def _make_traffics(self) -> list[CpoTraffic | EmspTraffic]:
        hub, cpo = (Party(player.country_code, player.party_id) for player in (HUB, CPO))
        emsps = [member for member in MEMBERS if member.role == "EMSP"]
        at_hub = [member.party for member in emsps if member.at == "hub"]
        node = {"hub": hub, "cpo": cpo}
        source = next(member for member in MEMBERS if member.role == "CPO" and member.trouble is None)
        own = CpoTraffic(
            self._owner(DoorWriter(cpo, self._door("cpo"))), [each.party for each in emsps], self.plan.seed
        )
        other = CpoTraffic(self._owner(OcpiWriter(self._partners[source.name], hub)), at_hub, self.plan.seed)
        cards = [self._owner(OcpiWriter(self._partners[each.name], node[each.at])) for each in emsps]
        return [own, other, EmspTraffic(cards, self.plan.seed)]

    def _owner(self, writer: Writer) -> Owner:
        owner = Owner(writer, self._ledger, lambda: time.monotonic() < self._give_up_at)
        self._owners.append(owner)
        return owner

    def _replay(self, member: Member) -> None:
        partner_id = self._partner_ids[member.name]
        try:
            self._door(member.at).post("broadcasts", partner_id, "replay", body={})
        except OperatorApiError as error:
            self.errors.append(error)

    def _wait_until_right(self, seconds: float) -> bool:
        """Compare until nothing is lost, stale or doubled. Late changes stay late."""
        deadline = time.monotonic() + seconds
        while self._wrong():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def _wrong(self) -> list[Any]:
        judge = self._judge
        try:
            at_partners = [each for row in judge.rows(with_nodes=False) for each in _wrong_in(row)]
            # Compare the nodes only when their partners have everything.
            return at_partners or [each for row in judge.rows() for each in _wrong_in(row)]
        except OperatorApiError as error:
            return [error]


def _wrong_in(row: Row) -> list[Any]:
    return [finding for finding in row.findings if finding.kind != "late"]
