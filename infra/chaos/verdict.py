"""Verdict of a chaos run: the oracle's findings at every receiver, and the delays of changes.

Receivers are the partners, which are asked for their copies and arrival times, and the nodes themselves,
whose operator APIs show their copies at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from certification.ocpi import Document
from cli.operator_client import OperatorClient
from infra.chaos import oracle
from infra.chaos.arrivals import CdrArrival
from infra.chaos.ledger import Change, Item, Ledger
from infra.chaos.members import Member
from infra.chaos.oracle import Finding, Network
from infra.chaos.partner import ChaosPartner

LATE_S = 60.0
"""A healthy partner must have a change within this time."""


@dataclass(frozen=True)
class Row:
    """One receiver: how many objects it should have, and what is wrong there.

    is_healthy: whether changes must arrive in time. delays_s: of the changes that arrived, in order.
    """

    receiver: str
    at: str
    trouble: str
    items: int
    sessions: int
    findings: Sequence[Finding]
    is_healthy: bool = False
    delays_s: Sequence[float] = field(default_factory=tuple)
    pushes: int = 0

    def count(self, *kinds: str) -> int:
        """Count the findings of some kinds."""
        return sum(finding.kind in kinds for finding in self.findings)

    @property
    def is_timed(self) -> bool:
        """Tell whether changes must arrive there in time."""
        return self.is_healthy and bool(self.delays_s)

    def delay_s(self, share: float) -> float | None:
        """Return the delay that a share of the changes did not exceed."""
        if not self.delays_s:
            return None
        return self.delays_s[min(len(self.delays_s) - 1, int(share * len(self.delays_s)))]


class Judge:
    """Compares the changes that were answered with 1000 with every receiver's copies."""

    def __init__(
        self,
        network: Network,
        partners: Mapping[str, ChaosPartner],
        doors: Mapping[str, OperatorClient],
        ledger: Ledger,
    ) -> None:
        self._network = network
        self._partners = partners
        self._doors = doors
        self._ledger = ledger

    def rows(self, with_nodes: bool = True) -> list[Row]:
        """Judge all receivers; with_nodes: the nodes as well, which takes requests.

        Raises: OperatorApiError.
        """
        changes = self._ledger.changes
        last = {change.item: change for change in changes}
        rows = [self._row(member, changes, last) for member in self._network.members]
        return rows + (list(self._node_rows(last)) if with_nodes else [])

    def _row(self, member: Member, changes: Sequence[Change], last: Mapping[Item, Change]) -> Row:
        partner = self._partners[member.name]
        wanted = [change for change in last.values() if member in self._network.receivers(change)]
        sessions = [each for each in oracle.sessions_of(last) if member in self._network.cdr_receivers(each)]
        findings: list[Finding] = []
        for change in wanted:
            findings += oracle.judge_state(member.name, change, partner.held(change.item))
        cdrs = partner.arrivals.cdrs
        findings += oracle.judge_cdrs(member.name, sessions, cdrs)
        items = {change.item for change in wanted}
        delays = [
            *oracle.delays((change for change in changes if change.item in items), partner.arrivals.of),
            *_cdr_delays(sessions, cdrs),
        ]
        is_healthy = member.trouble is None or member.trouble.takes_all
        if is_healthy:
            findings += _late(member.name, delays, self._ledger.began)
        return Row(
            receiver=member.name,
            at=member.at,
            trouble=member.trouble.name if member.trouble else "",
            items=len(wanted),
            sessions=len(sessions),
            findings=findings,
            is_healthy=is_healthy,
            delays_s=sorted(seconds for _, seconds in delays),
            pushes=partner.arrivals.pushes,
        )

    def _node_rows(self, last: Mapping[Item, Change]) -> Iterator[Row]:
        """Judge the nodes: the CPOs' objects at the hub and the eMSP's node, the cards at the CPO's node."""
        sessions = oracle.sessions_of(last)
        at_hub = [each for each in sessions if self._network.maker(each) == "hub"]
        own = [each for each in sessions if each.item.party_id == self._network.cpo]
        by_cpos = [change for change in last.values() if change.item.module in ("tariffs", "locations")]
        cards = [change for change in last.values() if change.item.module == "tokens"]
        through_hub = [each for each in last.values() if each.item.module == "sessions" and each in at_hub]
        yield self._node_row("hub", [*by_cpos, *through_hub], at_hub)
        yield self._node_row("emsp", by_cpos, [])
        yield self._node_row("cpo", cards, own)

    def _node_row(self, name: str, wanted: Sequence[Change], sessions: Sequence[Change]) -> Row:
        door = self._doors[name]
        findings: list[Finding] = []
        held: dict[tuple[str, ...], Document] = {
            (module, *_key(module, document)): document
            for module in {change.item.module for change in wanted}
            for document in door.all(module, limit="100")
        }
        for change in wanted:
            findings += oracle.judge_state(f"node {name}", change, _find(held, change.item))
        if sessions:
            findings += oracle.judge_cdrs(f"node {name}", sessions, self._cdrs_of_record(name, sessions))
        return Row(f"node {name}", name, "", len(wanted), len(sessions), findings)

    def _cdrs_of_record(self, name: str, sessions: Sequence[Change]) -> list[CdrArrival]:
        """Read the CDRs of record at a node; a CPO's own CDR beside its hub's is for comparison only."""
        cdrs = [_read_cdr(document) for document in self._doors[name].all("cdrs", limit="100")]
        if name == "hub":
            return cdrs
        of_hub = {cdr["id"] for cdr in self._doors["hub"].all("cdrs", limit="100")}
        through_hub = {
            oracle.session_key(each.item) for each in sessions if self._network.maker(each) == "hub"
        }
        return [cdr for cdr in cdrs if cdr.session not in through_hub or cdr.id in of_hub]


def _read_cdr(document: Document) -> CdrArrival:
    session = (document["country_code"], document["party_id"], document.get("session_id") or "")
    return CdrArrival(0.0, session, document["id"], bool(document.get("credit")))


def _key(module: str, document: Document) -> tuple[str, str, str]:
    own_id = "uid" if module == "tokens" else "id"
    return (document["country_code"], document["party_id"], document[own_id])


def _find(held: Mapping[tuple[str, ...], Document], item: Item) -> Document | None:
    found = held.get(item[:4])
    if found is None or not item.child:
        return found
    return next((evse for evse in found.get("evses") or [] if evse["uid"] == item.child), None)


def _cdr_delays(sessions: Iterable[Change], cdrs: Iterable[CdrArrival]) -> Iterator[tuple[Change, float]]:
    came = {cdr.session: cdr.at for cdr in cdrs}
    for session in sessions:
        if at := came.get(oracle.session_key(session.item)):
            yield session, max(0.0, at - session.at)


def _late(receiver: str, delays: Iterable[tuple[Change, float]], began: float) -> Iterator[Finding]:
    for change, seconds in delays:
        if seconds > LATE_S:
            what = f"{change.item} revision {change.revision}"
            yield Finding("late", receiver, what, f"{seconds:.1f} s, changed at {change.at - began:.0f} s")
