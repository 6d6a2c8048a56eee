"""Stress test of the CDR compiler: many due sessions, two compilers that are killed at random.

    python -m bench.compiler 10000

Each session must have exactly one CDR in the end. The node is a hub, so each CDR is stored twice: in the
partition of its eMSP (there are two eMSPs) and in that of its CPO. The compilers are processes, as in a
deployment. SIGKILL ends them at random moments, also during an import, and they are started again until no
session is due. Then the CDRs are counted.

A first run measures one undisturbed compiler on the same number of sessions: sessions per second, and
DynamoDB calls per CDR. The times are those of an emulator in Python on this machine; the calls are as on AWS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.modules.cdrs import compiler
from chalicelib.modules.cdrs.cdr_partitions import OF_CPO
from chalicelib.modules.cdrs.due_sessions import due_session_item, read_due_sessions, sessions_set_aside
from chalicelib.modules.cdrs.earlier_cdrs import cdr_id
from chalicelib.modules.cdrs.start_snapshots import start_snapshot_item, take_snapshot
from chalicelib.node import Node, new_secret, now
from chalicelib.partners.directory import Directory, Endpoint, Partner, PartnerRole
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.visibility import Viewer, partition_for_received, partition_for_viewer
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.pagination import PageQuery
from chalicelib.queues import Queues
from chalicelib.settings import read_settings
from chalicelib.storage.counters import Place
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import LocationStore, WriteLocation
from chalicelib.storage.objects import ObjectStore, Write, object_item
from chalicelib.storage.table import Table, dynamodb_client
from chalicelib.storage.vault import Vault
from infra.local.children import clean_environment
from infra.local.emulator import CREDENTIALS, REGION, Emulator
from infra.resources import make_node_resources
from tests.storage.capacity import measured

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / ".local" / "bench" / "compiler.json"
HUB, CPO = Party("PT", "MOB"), Party("PT", "ABC")
EMSPS = (Party("PT", "EVI"), Party("PT", "XYZ"))
START, END, NOW = "2026-11-24T08:00:00Z", "2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z"
SOURCE = "cpo-1"

_COMPILER = """
import os, sys
from chalicelib.modules.cdrs import compiler
from chalicelib.modules.cdrs import due_sessions
from chalicelib.node import current_node

node = current_node()
os.write(int(sys.argv[1]), b".")
while next(due_sessions.read_due_sessions(node.table), None):
    compiler.run(node)
"""


@dataclass(frozen=True)
class Alone:
    """Result of one undisturbed compiler in this process."""

    sessions: int
    seconds: float
    a_second: int
    calls_each: float
    write_units_each: float


@dataclass(frozen=True)
class UnderFire:
    """Result of two parallel compilers, killed at random. wrong: the mistakes found afterwards."""

    sessions: int
    kills: int
    seconds: float
    wrong: list[str]


def main() -> None:
    """Measure with the number of sessions of the command line, print and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as state:
        emulator = Emulator(Path(state), persist=False)
        emulator.start()
        try:
            alone = run_alone(make_hub(emulator, "alone"), count)
            print(alone, flush=True)
            fired = run_under_fire(make_hub(emulator, "fired"), count, Random(7), (1.0, 20.0))
            print(fired, flush=True)
        finally:
            emulator.stop()
    runs = -(-count // max(1, int(alone.a_second * compiler.BUDGET.total_seconds())))
    results = {"alone": asdict(alone), "runs": runs, "under_fire": asdict(fired), "load": os.getloadavg()[0]}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"{count:,} sessions take {runs} runs of {compiler.BUDGET.total_seconds():.0f} s at most")
    sys.exit(bool(fired.wrong))


# -- a hub -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hub:
    """A node, and the environment variables that make another process the same node."""

    node: Node
    environment: Mapping[str, str]


def make_hub(emulator: Emulator, stage: str) -> Hub:
    """Make a hub with a CPO and two eMSPs, and the CPO's location with its tariff."""
    resources = make_node_resources(stage, emulator.client)
    parties = json.dumps([{"role": "HUB", "country_code": HUB.country_code, "party_id": HUB.party_id}])
    environment = {**clean_environment(), **emulator.environment(), **resources, "OCPI_PARTIES": parties}
    settings = read_settings(environment)
    client = dynamodb_client(
        read_timeout_s=60,
        endpoint_url=emulator.endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    table = Table(client, settings.table)
    directory = Directory(table, Vault(emulator.client("kms"), settings.kms_key_id), new_secret)
    node = Node(
        settings=settings,
        table=table,
        objects=ObjectStore(table, now),
        locations=LocationStore(table, now),
        directory=directory,
        queues=Queues(emulator.client("sqs"), settings.broadcasts_queue_url),
        client=OcpiClient(UrlPolicy(True), directory, new_secret),
    )
    for partner_id, role, party in ((SOURCE, "CPO", CPO), *((e.party_id, "EMSP", e) for e in EMSPS)):
        node.directory.save(_partner(partner_id, role, party))
    _open_site(node)
    return Hub(node, environment)


def lay_out(node: Node, count: int) -> list[Ref]:
    """Write ended sessions that are due, as the stream function leaves them. Returns their references."""
    refs, items = [], []
    numbers = dict.fromkeys(EMSPS, 0)
    start = take_snapshot(node, Ref("sessions", *CPO, "any"), _session("any", EMSPS[0]))
    for number in range(count):
        emsp = EMSPS[number % len(EMSPS)]
        ref = Ref("sessions", *CPO, f"S{number:05}")
        session = _session(ref.id, emsp)
        partition = partition_for_viewer("sessions", None, emsp_of(session["cdr_token"]))
        place = Place(partition, numbers[emsp], NOW)
        numbers[emsp] += 1
        write = Write(JsonText(write_json(session)), NOW, partition)
        items += [object_item(ref, write, place, 1, SOURCE), start_snapshot_item(ref, start)]
        items.append(due_session_item(str(ref), 1, node.clock()))
        refs.append(ref)
    node.table.write_many(items)
    return refs


# -- the two measurements ----------------------------------------------------------------------------


def run_alone(hub: Hub, count: int) -> Alone:
    """Run one compiler until no session is due."""
    lay_out(hub.node, count)
    started = time.monotonic()
    with measured(hub.node.table) as spent:
        while next(read_due_sessions(hub.node.table), None):
            compiler.run(hub.node)
    seconds = time.monotonic() - started
    return Alone(
        count,
        round(seconds, 1),
        round(count / seconds),
        round(len(spent.calls) / count, 2),
        round(spent.write_units / count, 1),
    )


def run_under_fire(
    hub: Hub, count: int, random: Random, moments: tuple[float, float], most_kills: int = 1000
) -> UnderFire:
    """Run two compilers, each killed and started again, until no session is due.

    moments: the shortest and the longest time until a kill, in seconds. most_kills: the number of kills after
    which the compilers run to their end.
    """
    refs = lay_out(hub.node, count)
    started, kills = time.monotonic(), 0
    compilers = [_Compiler(hub.environment), _Compiler(hub.environment)]
    try:
        while kills < most_kills:
            number = random.randrange(len(compilers))
            if compilers[number].ends_within(random.uniform(*moments)):
                break
            compilers[number].kill()
            kills += 1
            compilers[number] = _Compiler(hub.environment)
        for each in compilers:
            each.finish()
    finally:
        for each in compilers:
            each.kill()
    return UnderFire(count, kills, round(time.monotonic() - started, 1), find_wrong(hub.node, refs))


class _Compiler:
    """A compiler in a process of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._ready, ready = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMPILER, str(ready)],
            cwd=ROOT,
            env=dict(environment),
            stdout=subprocess.DEVNULL,
            pass_fds=[ready],
        )
        os.close(ready)

    def ends_within(self, seconds: float) -> bool:
        """Wait at most so many seconds for its normal end; returns False if it still runs."""
        os.read(self._ready, 1)
        try:
            return self._judge(self._process.wait(seconds))
        except subprocess.TimeoutExpired:
            return False

    def finish(self) -> None:
        """Wait for its normal end."""
        self._judge(self._process.wait())

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._process.kill()
        self._process.wait()
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1

    def _judge(self, exit_code: int) -> bool:
        if exit_code:
            raise RuntimeError(f"a compiler ended with {exit_code}")
        return True


def find_wrong(node: Node, sessions: list[Ref]) -> list[str]:
    """Find mistakes: each session must have one CDR for its eMSP and the CPO, and no other CDR may exist.

    Returns one text per mistake.
    """
    wrong = []
    if left := len(list(read_due_sessions(node.table))):
        wrong.append(f"{left} sessions are still due")
    if aside := sessions_set_aside(node.table):
        wrong.append(f"{len(aside)} sessions were set aside: {aside[0]}")
    expected = {cdr_id(node.directory.keyed_digest, HUB.key(), ref.key.pk, 1): ref.id for ref in sessions}
    lists = [partition_for_viewer("cdrs", None, Viewer(emsp, "EMSP")) for emsp in EMSPS]
    of_cpo = partition_for_viewer("cdrs", None, Viewer(CPO, OF_CPO))
    for names, what in ((lists, "eMSPs"), ([of_cpo], "CPO")):
        found = [ref for name in names for ref, _ in node.objects.versions(name)]
        total = node.objects.page(names, PageQuery(limit=1)).total
        if sorted(ref.id for ref in found) != sorted(expected) or total != len(expected):
            wrong.append(f"of {len(expected)} CDRs the {what} have {len(found)}, counted as {total}")
    for number, emsp in enumerate(EMSPS):
        shown = [ref for ref, _ in node.objects.versions(lists[number])]
        stored = node.objects.get_many(shown).values()
        if any(read_json(str(each.body))["cdr_token"]["party_id"] != emsp.party_id for each in stored):
            wrong.append(f"{emsp.key()} has a CDR of another's token")
        if any(expected.get(each.ref.id) != read_json(str(each.body))["session_id"] for each in stored):
            wrong.append(f"{emsp.key()} has a CDR whose id belongs to another session")
    return wrong


# -- documents ---------------------------------------------------------------------------------------


def _partner(partner_id: str, role: str, party: Party) -> Partner:
    url = f"https://{partner_id.lower()}.example"
    return Partner(
        id=partner_id,
        name=partner_id,
        status="REGISTERED",
        last_updated=START,
        versions_url=f"{url}/versions",
        version="2.2.1",
        endpoints=(Endpoint(identifier="cdrs", role="RECEIVER", url=f"{url}/cdrs"),),
        roles=(PartnerRole(role=role, country_code=party.country_code, party_id=party.party_id),),
    )


def _open_site(node: Node) -> None:
    owner = {"country_code": CPO.country_code, "party_id": CPO.party_id, "last_updated": START}
    price = {"type": "ENERGY", "price": Decimal("0.25"), "vat": Decimal(23), "step_size": 1}
    tariff = {**owner, "id": "T1", "currency": "EUR", "elements": [{"price_components": [price]}]}
    write = Write(JsonText(write_json(tariff)), START)
    lists = {module: partition_for_received(module) for module in ("tariffs", "locations")}
    tariff_ref, site_ref = Ref("tariffs", *CPO, "T1"), Ref("locations", *CPO, "L1")
    node.objects.change(tariff_ref, lambda _: write, partition=lists["tariffs"], source=SOURCE)
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "tariff_ids": ["T1"],
        "last_updated": START,
    }
    evse = {
        "uid": "E1",
        "evse_id": "PT*ABC*E1",
        "status": "AVAILABLE",
        "connectors": [connector],
        "last_updated": START,
    }
    site = {
        **owner,
        "id": "L1",
        "publish": True,
        "address": "Rua do Salitre 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.72000", "longitude": "-9.15000"},
        "time_zone": "Europe/Lisbon",
    }
    whole = WriteLocation(site, [evse])
    node.locations.change(site_ref, lambda _: whole, partition=lists["locations"], source=SOURCE)


def _session(session_id: str, emsp: Party) -> dict[str, Any]:
    quarters = [f"2026-11-24T{8 + part // 4:02}:{part % 4 * 15:02}:00Z" for part in range(8)]
    energy = {"type": "ENERGY", "volume": Decimal("1.25")}
    return {
        "country_code": CPO.country_code,
        "party_id": CPO.party_id,
        "id": session_id,
        "start_date_time": START,
        "end_date_time": END,
        "kwh": Decimal(10),
        "cdr_token": {
            "country_code": emsp.country_code,
            "party_id": emsp.party_id,
            "uid": "0102A",
            "type": "RFID",
            "contract_id": "PT-EVI-C1",
        },
        "auth_method": "WHITELIST",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": [{"start_date_time": quarter, "dimensions": [energy]} for quarter in quarters],
        "status": "COMPLETED",
        "last_updated": NOW,
    }


if __name__ == "__main__":
    main()
