"""An eMSP partner pulls pages of tariffs and locations, and single objects, from the CPO and the hub node.

Chapters: OCPI 2.2.1 transport_and_format_pagination; PAG-01 .. PAG-14, LOC-01 .. LOC-03, RTE-26.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.flows.conftest import Guests
from tests.third_party.objects import LATER, location, tariff
from tests.third_party.operator_door import Node, plain


@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_a_crawl_returns_every_object_once(cpo: Node, guests: Guests, module: str) -> None:
    """Source: PAG-04, PAG-06, PAG-07, PAG-08, PAG-09, PAG-12, TRN-14, TRN-31, LOC-01, TAR-01"""
    line = guests.join("EMSP", cpo)
    for number in range(7):
        put_at_cpo(cpo, module, f"P{number}-{line.partner.party.party_id}")

    pages = list(line.pages(module, {"limit": 5}))

    seen = [found["id"] for page in pages for found in page.data]
    assert sorted(seen) == sorted(found["id"] for found in cpo.all(module))
    assert len(seen) == len(set(seen))
    assert {page.headers["x-total-count"] for page in pages} == {str(len(seen))}
    assert {page.headers["x-limit"] for page in pages} == {pages[0].headers["x-limit"]}
    assert int(pages[0].headers["x-limit"]) >= 5
    assert all(len(page.data) == 5 for page in pages[:-1])
    assert all("limit=5" in (page.next_link or "") for page in pages[:-1])


def put_at_cpo(cpo: Node, module: str, object_id: str) -> str:
    """Create an object at the CPO node; returns its last_updated."""
    if module == "tariffs":
        cpo.offer(object_id)
    else:
        cpo.ask("PUT", module, object_id, document=plain(location(cpo.party, object_id)))
    last_updated: str = cpo.ask("GET", module, object_id)["last_updated"]
    return last_updated


def test_a_crawl_misses_nothing_while_objects_come_and_go(cpo: Node, guests: Guests) -> None:
    """Source: PAG-11"""
    line = guests.join("EMSP", cpo)
    mine = line.partner.party.party_id
    stay = [f"C{number}-{mine}" for number in range(8)]
    for number, tariff_id in enumerate(stay):
        put_at_cpo(cpo, "tariffs", f"GO{number}-{mine}")
        put_at_cpo(cpo, "tariffs", tariff_id)

    seen: list[str] = []
    for number, page in enumerate(line.pages("tariffs", {"limit": 4})):
        seen += [found["id"] for found in page.data]
        if number < 8:
            cpo.ask("DELETE", "tariffs", f"GO{number}-{mine}")
            put_at_cpo(cpo, "tariffs", f"NEW{number}-{mine}")
        if number < 4:
            put_at_cpo(cpo, "tariffs", stay[number])

    assert [found for found in seen if found in stay] == stay


@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_raw_offsets_give_the_same_pages_as_the_links(cpo: Node, guests: Guests, module: str) -> None:
    """Source: PAG-04, PAG-11"""
    line = guests.join("EMSP", cpo)
    for number in range(5):
        put_at_cpo(cpo, module, f"O{number}-{line.partner.party.party_id}")
    by_link = line.pull(module, limit=3)

    by_offset: list[dict[str, Any]] = []
    while page := line.page(module, {"offset": len(by_offset), "limit": 3}).data:
        by_offset += page

    assert by_offset == by_link


@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_date_from_is_inclusive_and_date_to_exclusive(cpo: Node, guests: Guests, module: str) -> None:
    """Source: PAG-01, PAG-02, PAG-03, PAG-08"""
    line = guests.join("EMSP", cpo)
    ids = [f"D{number}-{line.partner.party.party_id}" for number in range(3)]
    first, middle, last = (put_at_cpo(cpo, module, object_id) for object_id in ids)

    def found(**query: str) -> set[str]:
        pages = list(line.pages(module, {**query, "limit": 2}))
        assert all("date_from" in (page.next_link or "date_from") for page in pages)
        assert {page.headers["x-total-count"] for page in pages} == {
            str(sum(len(page.data) for page in pages))
        }
        return {each["id"] for page in pages for each in page.data} & set(ids)

    after_last = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert first < middle < last
    assert found(date_from=first) == set(ids)
    assert found(date_from=middle, date_to=last) == {ids[1]}
    assert found(date_from=first, date_to=middle) | found(date_from=middle, date_to=after_last) == set(ids)
    assert found(date_from=after_last) == set()


def test_a_status_change_moves_a_location_into_the_date_range(cpo: Node, guests: Guests) -> None:
    """Source: LOC-03"""
    line = guests.join("EMSP", cpo)
    location_id = f"W-{line.partner.party.party_id}"
    before = put_at_cpo(cpo, "locations", location_id)
    cpo.ask("PATCH", "locations", location_id, "E1", document={"status": "CHARGING"})
    changed: str = cpo.ask("GET", "locations", location_id)["last_updated"]

    assert changed > before
    assert location_id in {found["id"] for found in line.pull("locations", date_from=changed)}


def test_an_empty_list_is_a_list(cpo: Node, guests: Guests) -> None:
    """Source: PAG-10, PAG-14, TRN-14"""
    line = guests.join("EMSP", cpo)

    for query in ({"date_from": "2099-01-01T00:00:00Z"}, {"offset": 1_000_000}):
        answer = line.page("tariffs", query)

        assert answer.codes == (200, 1000)
        assert answer.data == []
        assert answer.next_link is None
        assert "x-limit" in answer.headers
    assert line.page("tariffs", {"date_from": "2099-01-01T00:00:00Z"}).headers["x-total-count"] == "0"


def test_a_limit_above_the_cap_is_capped(cpo: Node, guests: Guests) -> None:
    """Source: PAG-05, PAG-09"""
    answer = guests.join("EMSP", cpo).page("tariffs", {"limit": 2000})

    assert answer.codes == (200, 1000)
    assert len(answer.data) <= int(answer.headers["x-limit"]) < 2000


def test_single_objects_can_be_fetched(cpo: Node, guests: Guests) -> None:
    """Source: LOC-02, STA-03"""
    line = guests.join("EMSP", cpo)
    location_id = f"G-{line.partner.party.party_id}"
    put_at_cpo(cpo, "locations", location_id)
    whole = cpo.ask("GET", "locations", location_id)

    assert line.fetch("locations", location_id).data == whole
    assert line.fetch("locations", location_id, "E1").data == whole["evses"][0]
    assert line.fetch("locations", location_id, "E1", "1").data == whole["evses"][0]["connectors"][0]
    for unknown in (("NOPE",), (location_id, "NOPE"), (location_id, "E1", "NOPE"), ("NOPE", "E1")):
        assert line.fetch("locations", *unknown).codes == (404, 2003)


def test_a_list_of_a_hub_is_requested_from_the_hub(hub: Node, guests: Guests) -> None:
    """A list is addressed to the hub, because open routing is for single objects: a strict partner does so.

    Source: RTE-24
    """
    line = guests.connect(guests.partner("EMSP"), hub, strict=True)

    unaddressed = line.page("tariffs", headers={"OCPI-to-country-code": None, "OCPI-to-party-id": None})

    assert unaddressed.codes == (200, 2001)


def test_the_hub_lists_the_objects_of_all_parties(hub: Node, guests: Guests) -> None:
    """Source: RTE-26, RTE-11"""
    owners = [guests.join("CPO", hub) for _ in range(2)]
    sent = [tariff(owner.partner.party, "ALL") for owner in owners]
    for owner, document in zip(owners, sent, strict=True):
        owner.put("tariffs", document)
    line = guests.join("EMSP", hub)

    pulled = line.pull("tariffs", limit=20)

    parties = {owner.partner.party.party_id for owner in owners}
    assert [found for found in pulled if found["party_id"] in parties] == sent
    answer = line.page("tariffs", {"limit": 1})
    assert (answer.headers["ocpi-from-country-code"], answer.headers["ocpi-from-party-id"]) == hub.party


def test_a_partner_that_left_can_no_longer_push(hub: Node, guests: Guests) -> None:
    """Source: CRD-14"""
    line = guests.join("CPO", hub)
    line.put("tariffs", tariff(line.partner.party, "T1"))

    line.unregister()

    assert line.put("tariffs", tariff(line.partner.party, "T1", last_updated=LATER)).http_status == 401
