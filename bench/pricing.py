"""Benchmark of pricing: CDRs and sessions that one core prices per second (`python -m bench.pricing`).

It measures CPU time of two tasks in one process:

- *ready periods*: parse a CDR from JSON, read it and price it. It has about 5 charging periods and a tariff
  of 6 elements (windows, weekdays, tiers of energy, bands of power, parking). The aim is 2,000 a second.
- *telemetry*: cut a session of 12 meter readings, with charging states and power readings, into periods and
  price it with the same tariff. The aim is 5,000 in 10 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from bench.timing import settle
from chalicelib.pricing.json_fields import write_moment
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import cdr_fields
from chalicelib.pricing.verification import verify_cdr
from chalicelib.protocol.json_text import read_json, write_json

REPORT = Path(__file__).parent.parent / ".local" / "bench" / "pricing.json"
CDRS_A_SECOND = 2000
SESSIONS, SESSIONS_SECONDS = 5000, 10.0
WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]


def main() -> None:
    """Measure, print, write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pricing", description="Measure the pricing engine."
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="how many sessions are priced")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the JSON goes")
    arguments = parser.parse_args()
    measured = measure(arguments.sessions)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    for name, times in measured["times"].items():
        print(f"{name:<32} {times['us_each']:>7,} µs each  {times['a_second']:>9,.0f} a second")
    print(f"aims: {CDRS_A_SECOND:,} CDRs a second, {SESSIONS:,} sessions in {SESSIONS_SECONDS:.0f} s")


def measure(count: int) -> dict[str, Any]:
    """Price `count` sessions and as many CDRs. Returns the report."""
    random = Random(20260114)
    requests = [write_json({"tariffs": [TARIFF], "session": make_session(random)}) for _ in range(count)]
    cdrs = [write_json(_cdr(request)) for request in requests]
    settle()
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "times": {
            "ready periods, priced": _time(lambda text: verify_cdr(read_json(text), "Europe/Lisbon"), cdrs),
            "telemetry, cut and priced": _time(lambda text: price_request(read_json(text)), requests),
        },
    }


def _time(work: Callable[[str], object], texts: list[str]) -> dict[str, Any]:
    started = time.process_time()
    for text in texts:
        work(text)
    seconds = time.process_time() - started
    return {
        "count": len(texts),
        "seconds": round(seconds, 3),
        "us_each": round(seconds / len(texts) * 1e6),
        "a_second": round(len(texts) / seconds),
    }


def _component(kind: str, price: str, step_size: int) -> dict[str, Any]:
    return {"type": kind, "price": Decimal(price), "vat": Decimal(23), "step_size": step_size}


TARIFF: dict[str, Any] = {
    "country_code": "PT",
    "party_id": "ABC",
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {"price_components": [_component("FLAT", "0.26", 1)]},
        {
            "price_components": [_component("ENERGY", "0.18", 1), _component("TIME", "0.60", 60)],
            "restrictions": {"start_time": "22:00", "end_time": "08:00"},
        },
        {
            "price_components": [_component("ENERGY", "0.31", 1)],
            "restrictions": {"day_of_week": WORKDAYS, "max_kwh": Decimal(30)},
        },
        {"price_components": [_component("ENERGY", "0.39", 1)], "restrictions": {"min_power": Decimal(43)}},
        {
            "price_components": [_component("PARKING_TIME", "6.00", 300)],
            "restrictions": {"min_duration": 5400},
        },
        {"price_components": [_component("ENERGY", "0.35", 1), _component("TIME", "1.20", 60)]},
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}


def make_session(random: Random) -> dict[str, Any]:
    """Make a session of 12 readings that starts at a random time of the week and parks at its end."""
    start = datetime(2026, 1, 12, tzinfo=UTC) + timedelta(seconds=random.randrange(7 * 86400))
    minutes = sorted(random.sample(range(5, 170), 10))
    kwh = Decimal(random.randrange(1000, 90000))
    readings = [{"at": write_moment(start), "kwh": kwh}]
    powers = []
    for before, minute in zip([0, *minutes], [*minutes, minutes[-1] + 5], strict=True):
        power = Decimal(random.randrange(70, 1500)) / 10
        powers.append({"at": write_moment(start + timedelta(minutes=before)), "kw": power})
        kwh += round(power * (minute - before) / 60, 3)
        readings.append({"at": write_moment(start + timedelta(minutes=minute)), "kwh": kwh})
    full = write_moment(start + timedelta(minutes=minutes[-1] + 5))
    return {
        "start_date_time": write_moment(start),
        "end_date_time": write_moment(start + timedelta(minutes=minutes[-1] + random.randrange(6, 60))),
        "time_zone": "Europe/Lisbon",
        "meter_readings": readings,
        "power_readings": powers,
        "charging_states": [
            {"at": write_moment(start), "state": "Charging"},
            {"at": full, "state": "SuspendedEV"},
        ],
    }


def _cdr(request: str) -> dict[str, Any]:
    document = read_json(request)
    session = document["session"]
    times = {key: session[key] for key in ("start_date_time", "end_date_time")}
    return {**times, "tariffs": document["tariffs"], **cdr_fields(price_request(document))}


if __name__ == "__main__":
    main()
