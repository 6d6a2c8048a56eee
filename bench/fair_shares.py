"""Push latency of a healthy partner while other partners are slow, in the sandbox over HTTP.

    python -m bench.fair_shares alone          no other partner, to compare with
    python -m bench.fair_shares hanging        12 of 13 eMSPs accept connections and never answer
    python -m bench.fair_shares newcomer 5000  a new eMSP receives 5000 objects

Prints percentiles of the time from the answer to the operator's PUT until the healthy partner has the change.
docs/reliability.md has the results. It takes minutes, so `make test` leaves it out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from infra.local.sandbox import Sandbox
from tests.third_party import faults
from tests.third_party.objects import Party
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.waiting import eventually

HANGING = 12
SECONDS = 75.0
PAUSE_S = 0.25
LATE_S = 120.0


def measure_alone(cpo: Node) -> None:
    """Change a tariff every quarter of a second for half a minute."""
    with joined(cpo, 1) as (healthy,):
        started = time.monotonic()
        report(changes_until(cpo, healthy, lambda: time.monotonic() > started + 30))


def measure_hanging(cpo: Node) -> None:
    """Change a tariff every quarter of a second; all partners except one hang from the first change on."""
    with joined(cpo, 1 + HANGING) as (healthy, *others):
        for other in others:
            other.faults["*"] = faults.stay_silent
        started = time.monotonic()
        report(changes_until(cpo, healthy, lambda: time.monotonic() > started + SECONDS))
        print("requests to each hanging partner:", sorted(len(each.pushes("tariffs")) for each in others))


def measure_newcomer(cpo: Node, number: int) -> None:
    """Change a tariff every quarter of a second while a new partner receives all objects."""
    with joined(cpo, 1) as (healthy,):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: cpo.offer(f"OLD-{each}"), range(number)))
        eventually(lambda: len(healthy.pushes("tariffs")) >= number, within=1200)
        with joined(cpo, 1, first=50) as (newcomer,):
            started = time.monotonic()
            report(changes_until(cpo, healthy, lambda: len(newcomer.shelves["tariffs"].held) >= number))
            print(f"the newcomer had {number} objects after {time.monotonic() - started:.0f} s")


@contextmanager
def joined(cpo: Node, number: int, first: int = 10) -> Iterator[list[Partner]]:
    """Register new eMSPs at the node for the time of the `with` block."""
    partners = [Partner("EMSP", Party("PT", f"Z{first + each}")) for each in range(number)]
    try:
        for partner in partners:
            invited = cpo.invite(f"Bench {partner.party.party_id}")
            partner.register(invited["versions_url"], invited["token"])
        yield partners
    finally:
        for partner in partners:
            partner.stop()


def changes_until(cpo: Node, healthy: Partner, is_over: Callable[[], bool]) -> list[float]:
    """Make changes. Returns the seconds until each reached the healthy partner."""
    made: dict[str, float] = {}
    while not is_over():
        tariff_id = f"NEW-{len(made)}"
        cpo.offer(tariff_id)
        made[tariff_id] = time.monotonic()
        time.sleep(PAUSE_S)
    arrived: dict[str, float] = {}

    def all_arrived() -> bool:
        for got in healthy.pushes("tariffs"):
            arrived.setdefault(got.segments[2], got.at)
        return made.keys() <= arrived.keys()

    eventually(all_arrived, within=LATE_S)
    return [max(0.0, arrived[tariff_id] - at) for tariff_id, at in made.items()]


def report(seconds: Sequence[float]) -> None:
    """Print the percentiles."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    found = {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in shares.items()
    }
    text = "  ".join(f"{name} {value:.2f} s" for name, value in {**found, "max": ordered[-1]}.items())
    print(f"{len(ordered)} changes: {text}", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Start the sandbox and measure."""
    what, *more = arguments
    with Sandbox(connected=False) as sandbox:
        cpo = Node.read("cpo", sandbox.describe()["cpo"])
        if what == "alone":
            measure_alone(cpo)
        elif what == "hanging":
            measure_hanging(cpo)
        else:
            measure_newcomer(cpo, int(more[0]) if more else 5000)


if __name__ == "__main__":
    main(sys.argv[1:])
