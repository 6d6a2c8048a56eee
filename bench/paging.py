"""Cost of a page of a long list: the first page, one in the middle, the last; by Link and by offset.

    python -m bench.paging 100000

Calls and read units must be the same on every page. The times are those of an emulator in Python, which sorts
the whole list for each query: DynamoDB is different. The list is written without the store's transactions,
which would take an hour.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.pagination import PageQuery
from chalicelib.protocol.types import format_datetime, sort_key
from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.objects import ObjectStore, Ref, Write, object_item
from chalicelib.storage.table import Item, Key, Table, dynamodb_client
from infra.local.emulator import CREDENTIALS, REGION, Emulator
from infra.resources import create_table
from tests.storage.capacity import measured

LIMIT = 50
PARTITION = "tariffs#PT*ABC"
RESULTS = Path(".local/bench/paging.json")
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 300


@dataclass(frozen=True)
class Row:
    """One page and its cost, including the read of the counters."""

    dates: str
    page: str
    found_by: str
    objects: int
    total: int
    calls: int
    read_units: float
    milliseconds: float


def main() -> None:
    """Measure a list of the length in the command line, print a table and write it as JSON."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as state:
        emulator = Emulator(Path(state), persist=False)
        emulator.start()
        try:
            client = dynamodb_client(
                read_timeout_s=300,
                endpoint_url=emulator.endpoint_url,
                region_name=REGION,
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            )
            rows = list(measure(Table(client, create_table(client, "bench-paging")), number))
        finally:
            emulator.stop()
    print_table(number, rows)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"objects": number, "pages": [asdict(row) for row in rows]}, indent=1))


def measure(table: Table, number: int) -> Iterator[Row]:
    """Write a list of tariffs and measure its pages."""
    lay_out(table, number)
    objects = ObjectStore(table, lambda: START + timedelta(days=DAYS))
    noon = sort_key(format_datetime(START + timedelta(days=DAYS // 10, hours=12)))
    for dates, first in (
        ("none", PageQuery(limit=LIMIT)),
        ("from a midnight", PageQuery(date_from=noon[:10] + "T00:00:00.000000", limit=LIMIT)),
        ("from a noon", PageQuery(date_from=noon, limit=LIMIT)),
    ):
        total = objects.page([PARTITION], first).total
        last = (total - 1) // LIMIT * LIMIT
        for page, offset in (("first", 0), ("middle", last // 2 // LIMIT * LIMIT), ("last", last)):
            yield _measure_page(objects, table, replace(first, offset=offset), (dates, page, "offset"))
            if offset:
                before = objects.page([PARTITION], replace(first, offset=offset - LIMIT))
                linked = replace(first, offset=offset, cursor=before.next_cursor)
                yield _measure_page(objects, table, linked, (dates, page, "Link"))


def lay_out(table: Table, number: int) -> None:
    """Write tariffs, and the counters that so many creations would leave."""
    counts: dict[Key, Counter[str]] = {}
    places = [Place(PARTITION, each, sort_key(_moment(each, number))) for each in range(number)]
    table.write_many(_tariff(each, place) for each, place in enumerate(places))
    for place in places:
        for update in counters.changes(None, place):
            names = {
                name: amount for name, amount in update.values.items() if name not in ("number", "following")
            }
            counts.setdefault(update.key, Counter()).update(names)
    counts[counters.root_key(PARTITION)]["next"] = number
    table.write_many({"pk": key.pk, "sk": key.sk, **amounts} for key, amounts in counts.items())


def print_table(number: int, rows: list[Row]) -> None:
    """Print one line for each page."""
    print(f"Pages of {LIMIT} of {number} tariffs")
    print("dates            page    found by  objects   total  calls  units      ms")
    for row in rows:
        print(
            f"{row.dates:16} {row.page:7} {row.found_by:9} {row.objects:7} {row.total:7} {row.calls:6}"
            f" {row.read_units:6} {row.milliseconds:7.1f}"
        )


def _measure_page(objects: ObjectStore, table: Table, query: PageQuery, what: tuple[str, str, str]) -> Row:
    began = time.perf_counter()
    with measured(table) as spent:
        page = objects.page([PARTITION], query)
    took = (time.perf_counter() - began) * 1000
    return Row(*what, len(page.bodies), page.total, len(spent.calls), spent.read_units, round(took, 1))


def _tariff(number: int, place: Place) -> Item:
    ref = Ref("tariffs", "PT", "ABC", f"T{number:06}")
    element = {"price_components": [{"type": "ENERGY", "price": 0.25, "vat": 23, "step_size": 1}]}
    body = {"id": ref.id, "currency": "EUR", "elements": [element], "last_updated": place.last_updated + "Z"}
    return object_item(ref, Write(JsonText(write_json(body)), place.last_updated), place, number, "")


def _moment(each: int, number: int) -> str:
    """A time, spread over the days in another order than that of creation."""
    return format_datetime(START + timedelta(days=DAYS) * (each * 7919 % number) / number)


if __name__ == "__main__":
    main()
