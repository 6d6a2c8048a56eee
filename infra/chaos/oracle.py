"""Computes what each receiver should have, and finds the differences, from the rules of OCPI alone. Pure.

- A CPO's objects (tariffs, locations) are for every eMSP that is registered where the CPO writes them: at the
  CPO's own node, and at the hub, to which that node passes them on. Objects of an eMSP (tokens) are for the
  CPOs at its node; a CPO's node passes nothing on.
- A session is for the eMSP that issued its token, and for no other.
- Its CDR is for that eMSP. If the eMSP is the hub's, the hub makes it, and it is for the CPO as well.

Source: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push, mod_sessions, mod_cdrs; RTE-17,
RTE-20, SES-11, CDR-13
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.chaos.arrivals import Arrival, CdrArrival
from infra.chaos.documents import read_revision
from infra.chaos.ledger import Change, Item
from infra.chaos.members import Member

OWNED_BY_EMSP = ("tokens",)
Session = tuple[str, str, str]


@dataclass(frozen=True)
class Finding:
    """A difference. kind: `lost`, `stale`, `different`, `late`, `double CDR`, ..."""

    kind: str
    receiver: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Network:
    """The nodes and their partners. cpo: party id of the CPO's node, which is registered at the hub too."""

    members: Sequence[Member]
    cpo: str

    def receivers(self, change: Change) -> list[Member]:
        """Return the partners that must have the last state of a changed item."""
        owner, module = change.item.party_id, change.item.module
        if module == "sessions":
            return [member for member in self.members if member.party_id == driver_of(change)]
        wanted = "CPO" if module in OWNED_BY_EMSP else "EMSP"
        places = self.places(owner) if wanted == "EMSP" else [self.home(owner)]
        return [each for each in self.members if each.role == wanted and each.at in places]

    def home(self, owner: str) -> str:
        """Return the node where an owner writes its objects."""
        if owner == self.cpo:
            return "cpo"
        return next(member.at for member in self.members if member.party_id == owner)

    def places(self, owner: str) -> list[str]:
        """Return the nodes that broadcast the objects of a CPO."""
        home = self.home(owner)
        return [home] if home == "hub" else [home, "hub"]

    def maker(self, session: Change) -> str:
        """Return the node that makes a session's CDR."""
        return self.home(driver_of(session))

    def cdr_receivers(self, session: Change) -> list[Member]:
        """Return the partners that must have a session's CDR."""
        wanted = {driver_of(session)}
        if self.maker(session) == "hub":
            wanted.add(session.item.party_id)
        return [member for member in self.members if member.party_id in wanted]


def driver_of(session: Change) -> str:
    """Return the party id of the eMSP that issued a session's token."""
    assert session.state is not None
    driver: str = session.state["cdr_token"]["party_id"]
    return driver


def sessions_of(last: Mapping[Item, Change]) -> list[Change]:
    """Return the sessions that have ended."""
    return [
        change
        for change in last.values()
        if change.item.module == "sessions" and change.state and change.state["status"] == "COMPLETED"
    ]


def judge_state(receiver: str, change: Change, held: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Compare a receiver's copies with the last changes that were answered with 1000."""
    what = str(change.item)
    if change.state is None:
        if held is not None:
            yield Finding("stale", receiver, what, "was deleted, and is still there")
        return
    if held is None:
        yield Finding("lost", receiver, what, f"revision {change.revision} never came")
        return
    known = read_revision("evses" if change.item.child else change.item.module, held)
    if known < change.revision:
        yield Finding("stale", receiver, what, f"revision {known}, not {change.revision}")
    elif known == change.revision and (fields := _differing(change.state, held)):
        yield Finding("different", receiver, what, ", ".join(fields))


def judge_cdrs(receiver: str, sessions: Iterable[Change], cdrs: Iterable[CdrArrival]) -> Iterator[Finding]:
    """Find sessions with no CDR or more than one at a receiver, and CDRs of other sessions."""
    wanted: set[Session] = {session_key(session.item) for session in sessions}
    found: Counter[Session] = Counter(cdr.session for cdr in cdrs)
    for session in sorted(wanted | found.keys()):
        count, name = found[session], "/".join(session)
        if session not in wanted:
            yield Finding("foreign CDR", receiver, name, "of a session that is not this receiver's")
        elif count == 0:
            yield Finding("missing CDR", receiver, name)
        elif count > 1:
            yield Finding("double CDR", receiver, name, f"{count} CDRs")


def session_key(item: Item) -> Session:
    """Key of a session, as a CDR names it."""
    return (item.country_code, item.party_id, item.id)


def delays(
    changes: Iterable[Change], arrivals: Callable[[Item], Sequence[Arrival]]
) -> Iterator[tuple[Change, float]]:
    """Return the seconds that each change took to a receiver; a later change of the item counts as well.

    Changes that never arrived are left out: `judge_state` finds them.
    """
    for change in changes:
        for arrival in arrivals(change.item):
            if arrival.revision >= change.revision:
                yield change, max(0.0, arrival.at - change.at)
                break


def _comparable(value: Any) -> Any:
    """Remove stamps and read all numbers alike: some copies have floats, others Decimals."""
    if isinstance(value, dict):
        return {name: _comparable(part) for name, part in value.items() if name != "last_updated"}
    if isinstance(value, list):
        return [_comparable(part) for part in value]
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else value


def _differing(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    """Names of the fields that differ. EVSEs are items of their own; times are the node's."""
    expected, actual = _comparable(dict(wanted)), _comparable(dict(held))
    return [name for name in expected if name != "evses" and actual.get(name) != expected[name]]
