"""A CPO partner pushes tariffs and locations to the hub and to the eMSP.

PUT, PATCH and DELETE at every level, in sequence and in parallel.
Chapters: OCPI 2.2.1 mod_tariffs, mod_locations, transport_and_format (client owned object push, routing).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.flows.conftest import Guests
from tests.third_party.connection import Connection
from tests.third_party.objects import EARLY, LATER, LATEST, connector, evse, location, tariff
from tests.third_party.operator_door import Node

at_both_receivers = pytest.mark.parametrize("at", ["hub", "emsp"])


@pytest.fixture
def line(at: str, nodes: dict[str, Node], guests: Guests) -> Connection:
    """A CPO partner, registered at the hub or the eMSP."""
    return guests.join("CPO", nodes[at])


@at_both_receivers
def test_a_pushed_tariff_is_stored_as_it_came(line: Connection, at: str) -> None:
    """Source: TAR-02, TAR-06, STA-04, STA-05, TRN-15"""
    pushed = tariff(line.partner.party, "T1")

    created, replaced = line.put("tariffs", pushed), line.put("tariffs", pushed)

    assert (created.codes, replaced.codes) == ((201, 1000), (200, 1000))
    assert created.data is None
    assert line.look("tariffs", *line.owned("T1")).data == pushed


@at_both_receivers
def test_put_of_a_known_tariff_replaces_the_whole_tariff(line: Connection, at: str) -> None:
    """Source: TRN-23"""
    line.put("tariffs", tariff(line.partner.party, "T1", tariff_alt_url="https://example.com/t1"))

    line.put("tariffs", tariff(line.partner.party, "T1", currency="NOK", last_updated=LATER))

    assert line.look("tariffs", *line.owned("T1")).data == tariff(
        line.partner.party, "T1", currency="NOK", last_updated=LATER
    )


@at_both_receivers
def test_a_deleted_tariff_is_gone(line: Connection, at: str) -> None:
    """Source: TAR-04, STA-08"""
    line.put("tariffs", tariff(line.partner.party, "T1"))

    assert line.push("DELETE", "tariffs", line.owned("T1")).codes == (200, 1000)

    assert line.look("tariffs", *line.owned("T1")).codes == (404, 2001)
    assert line.push("DELETE", "tariffs", line.owned("T1")).codes == (404, 2001)


@at_both_receivers
def test_a_deleted_tariff_can_be_created_again(line: Connection, at: str) -> None:
    line.put("tariffs", tariff(line.partner.party, "T1", last_updated=LATER))
    line.push("DELETE", "tariffs", line.owned("T1"))

    assert line.put("tariffs", tariff(line.partner.party, "T1")).codes == (201, 1000)

    assert line.look("tariffs", *line.owned("T1")).data["last_updated"] == EARLY


@at_both_receivers
def test_a_pushed_location_is_stored_as_it_came(line: Connection, at: str) -> None:
    """Source: LOC-04, LOC-12"""
    pushed = location(line.partner.party, "L1", evses=[evse("E1"), evse("E2", status="CHARGING")])

    assert line.put("locations", pushed).codes == (201, 1000)
    assert line.put("locations", pushed).codes == (200, 1000)

    assert line.look("locations", *line.owned("L1")).data == pushed
    assert line.look("locations", *line.owned("L1", "E2")).data == pushed["evses"][1]
    assert line.look("locations", *line.owned("L1", "E2", "1")).data == connector("1")


@at_both_receivers
def test_a_new_evse_is_added_and_updates_last_updated_of_its_location(line: Connection, at: str) -> None:
    """Source: LOC-05, OWN-03"""
    line.put("locations", location(line.partner.party, "L1"))

    answer = line.push("PUT", "locations", line.owned("L1", "E2"), evse("E2", last_updated=LATER))

    assert answer.codes == (201, 1000)
    stored = line.look("locations", *line.owned("L1")).data
    assert stored == location(
        line.partner.party, "L1", evses=[evse("E1"), evse("E2", last_updated=LATER)], last_updated=LATER
    )


@at_both_receivers
def test_a_pushed_connector_updates_last_updated_of_evse_and_location(line: Connection, at: str) -> None:
    """Source: LOC-03, LOC-05"""
    line.put("locations", location(line.partner.party, "L1", evses=[evse("E1"), evse("E2")]))
    faster = connector("1", max_amperage=63, last_updated=LATER)

    assert line.push("PUT", "locations", line.owned("L1", "E1", "1"), faster).codes == (200, 1000)

    assert line.look("locations", *line.owned("L1")).data == location(
        line.partner.party,
        "L1",
        evses=[evse("E1", connectors=[faster], last_updated=LATER), evse("E2")],
        last_updated=LATER,
    )


@at_both_receivers
def test_a_second_connector_is_added(line: Connection, at: str) -> None:
    """Source: LOC-05, OWN-03"""
    line.put("locations", location(line.partner.party, "L1"))

    answer = line.push("PUT", "locations", line.owned("L1", "E1", "2"), connector("2", last_updated=LATER))

    assert answer.codes == (201, 1000)
    stored = line.look("locations", *line.owned("L1", "E1")).data
    assert [each["id"] for each in stored["connectors"]] == ["1", "2"]
    assert stored["last_updated"] == LATER


@at_both_receivers
@pytest.mark.parametrize(
    ("children", "patch"),
    [
        ((), {"name": "Praça Nova", "last_updated": LATER}),
        (("E1",), {"status": "CHARGING", "last_updated": LATER}),
        (("E1", "1"), {"tariff_ids": ["T9"], "last_updated": LATER}),
    ],
    ids=["location", "EVSE", "connector"],
)
def test_a_patch_changes_the_fields_it_names(
    line: Connection, at: str, children: tuple[str, ...], patch: dict[str, Any]
) -> None:
    """Updates the last_updated of every parent too. Source: TRN-24, LOC-06"""
    expected = location(line.partner.party, "L1")
    line.put("locations", expected)

    assert line.push("PATCH", "locations", line.owned("L1", *children), patch).codes == (200, 1000)

    level = expected
    for lists, _ in zip(("evses", "connectors"), children, strict=False):
        level["last_updated"] = LATER
        level = level[lists][0]
    level |= patch
    assert line.look("locations", *line.owned("L1")).data == expected


@at_both_receivers
def test_a_patch_removes_an_optional_field_with_null(line: Connection, at: str) -> None:
    """Source: TYP-12"""
    line.put("locations", location(line.partner.party, "L1", name="Old"))

    line.push("PATCH", "locations", line.owned("L1"), {"name": None, "last_updated": LATER})

    assert line.look("locations", *line.owned("L1")).data.get("name") is None


@at_both_receivers
def test_a_patch_with_some_evses_keeps_the_others(line: Connection, at: str) -> None:
    """Source: LOC-08"""
    line.put("locations", location(line.partner.party, "L1", evses=[evse("E1"), evse("E2"), evse("E3")]))
    patch = {"evses": [{"uid": "E2", "status": "BLOCKED", "last_updated": LATER}], "last_updated": LATER}

    assert line.push("PATCH", "locations", line.owned("L1"), patch).codes == (200, 1000)

    stored = line.look("locations", *line.owned("L1")).data
    assert [(each["uid"], each["status"]) for each in stored["evses"]] == [
        ("E1", "AVAILABLE"),
        ("E2", "BLOCKED"),
        ("E3", "AVAILABLE"),
    ]
    assert stored["evses"][1]["connectors"] == [connector("1")]


@at_both_receivers
def test_a_removed_evse_stays_and_can_be_read(line: Connection, at: str) -> None:
    """Source: LOC-09, LOC-11"""
    line.put("locations", location(line.partner.party, "L1"))

    line.push("PATCH", "locations", line.owned("L1", "E1"), {"status": "REMOVED", "last_updated": LATER})

    assert line.look("locations", *line.owned("L1", "E1")).data["status"] == "REMOVED"
    assert line.look("locations", *line.owned("L1")).codes == (200, 1000)


@at_both_receivers
def test_an_older_object_does_not_overwrite_a_newer_one(line: Connection, at: str) -> None:
    """The older object is answered with success and ignored. Source: LOC-14"""
    newer = location(line.partner.party, "L1", name="Newer", last_updated=LATER)
    line.put("locations", newer)
    line.put("tariffs", tariff(line.partner.party, "T1", currency="NOK", last_updated=LATER))

    assert line.put("locations", location(line.partner.party, "L1", name="Older")).codes == (200, 1000)
    assert line.put("tariffs", tariff(line.partner.party, "T1")).codes == (200, 1000)

    assert line.look("locations", *line.owned("L1")).data == newer
    assert line.look("tariffs", *line.owned("T1")).data["currency"] == "NOK"


@at_both_receivers
def test_a_child_older_than_its_parent_does_not_change_the_parents_last_updated(
    line: Connection, at: str
) -> None:
    """Source: LOC-14"""
    line.put("locations", location(line.partner.party, "L1", last_updated=LATEST))

    line.push("PATCH", "locations", line.owned("L1", "E1"), {"status": "CHARGING", "last_updated": LATER})

    stored = line.look("locations", *line.owned("L1")).data
    assert stored["last_updated"] == LATEST
    assert stored["evses"][0] == evse("E1", status="CHARGING", last_updated=LATER)


@at_both_receivers
def test_ids_are_unique_within_an_owner_only(nodes: dict[str, Node], guests: Guests, at: str) -> None:
    """Source: OWN-02"""
    lines = [guests.join("CPO", nodes[at]) for _ in range(2)]

    for each, currency in zip(lines, ("EUR", "NOK"), strict=True):
        assert each.put("tariffs", tariff(each.partner.party, "SAME", currency=currency)).codes == (201, 1000)

    seen = [each.look("tariffs", *each.owned("SAME")).data["currency"] for each in lines]
    assert seen == ["EUR", "NOK"]


@at_both_receivers
def test_another_partners_object_can_neither_be_seen_nor_touched(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """Source: TRN-09, TRN-28"""
    owner, other = guests.join("CPO", nodes[at]), guests.join("CPO", nodes[at])
    document = tariff(owner.partner.party, "MINE")
    owner.put("tariffs", document)

    assert other.look("tariffs", *owner.owned("MINE")).http_status == 404
    assert (
        other.put(
            "tariffs", tariff(owner.partner.party, "MINE", currency="NOK", last_updated=LATER)
        ).http_status
        == 404
    )
    assert other.push("DELETE", "tariffs", owner.owned("MINE")).http_status == 404

    assert owner.look("tariffs", *owner.owned("MINE")).data == document


@at_both_receivers
def test_replies_swap_the_routing_headers(line: Connection, nodes: dict[str, Node], at: str) -> None:
    """Checks a success and an error. Source: RTE-01, RTE-02"""
    for answer in (
        line.put("tariffs", tariff(line.partner.party, "T1")),
        line.put("tariffs", {**tariff(line.partner.party, "T1"), "currency": None}),
        line.look("tariffs", *line.owned("NOPE")),
    ):
        sent_to = (answer.headers["ocpi-to-country-code"], answer.headers["ocpi-to-party-id"])
        sent_from = (answer.headers["ocpi-from-country-code"], answer.headers["ocpi-from-party-id"])
        assert (sent_to, sent_from) == (line.partner.party, nodes[at].party)


@at_both_receivers
def test_routing_headers_may_be_lower_case_or_missing(line: Connection, at: str) -> None:
    """Source: RTE-04, RTE-05"""
    none = dict.fromkeys(
        ("OCPI-from-country-code", "OCPI-from-party-id", "OCPI-to-country-code", "OCPI-to-party-id")
    )
    lower = {
        **none,
        "ocpi-FROM-country-code": line.partner.party.country_code.lower(),
        "ocpi-FROM-party-id": line.partner.party.party_id.lower(),
    }

    assert line.put("tariffs", tariff(line.partner.party, "T1"), headers=none).codes == (201, 1000)
    assert line.put("tariffs", tariff(line.partner.party, "T2"), headers=lower).codes == (201, 1000)


@at_both_receivers
def test_message_ids_are_created_when_the_request_has_none(line: Connection, at: str) -> None:
    """Source: TRN-21"""
    answer = line.look(
        "tariffs", *line.owned("NOPE"), headers={"X-Request-ID": None, "X-Correlation-ID": None}
    )

    assert answer.http_status == 404
    assert answer.headers["x-request-id"]
    assert answer.headers["x-correlation-id"]


@at_both_receivers
def test_a_content_type_with_a_charset_is_json(line: Connection, at: str) -> None:
    """Source: TRN-12"""
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert line.put("tariffs", tariff(line.partner.party, "T1"), headers=headers).codes == (201, 1000)


@at_both_receivers
def test_the_operator_sees_what_was_received(line: Connection, nodes: dict[str, Node], at: str) -> None:
    line.put("tariffs", tariff(line.partner.party, "SEEN"))
    line.put("locations", location(line.partner.party, "SEEN"))

    for module in ("tariffs", "locations"):
        mine = [found for found in nodes[at].all(module) if found["party_id"] == line.partner.party.party_id]
        assert [found["id"] for found in mine] == ["SEEN"]


@at_both_receivers
def test_a_trailing_slash_in_the_url_is_accepted(line: Connection, at: str) -> None:
    """Source: TRP-21"""
    url = line.url("tariffs", "RECEIVER", *line.owned("T1")) + "/"

    assert line.call("PUT", url, tariff(line.partner.party, "T1"), routed=True).codes == (201, 1000)
    assert line.call("GET", url, routed=True).codes == (200, 1000)
    assert line.look("tariffs", *line.owned("T1")).codes == (200, 1000)


@at_both_receivers
def test_parallel_changes_of_one_location_are_all_kept(line: Connection, at: str) -> None:
    """Eight EVSEs change at the same moment, and no change is lost."""
    uids = [f"E{number}" for number in range(8)]
    line.put("locations", location(line.partner.party, "L1", evses=[evse(uid) for uid in uids]))

    def occupy(uid: str) -> tuple[int, int]:
        patch = {"status": "CHARGING", "last_updated": LATER}
        return line.push("PATCH", "locations", line.owned("L1", uid), patch).codes

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(occupy, uids))

    assert codes == [(200, 1000)] * 8
    stored = line.look("locations", *line.owned("L1")).data
    assert [each["status"] for each in stored["evses"]] == ["CHARGING"] * 8
    assert stored["last_updated"] == LATER


@at_both_receivers
def test_parallel_new_evses_of_one_location_are_all_kept(line: Connection, at: str) -> None:
    line.put("locations", location(line.partner.party, "L1", evses=[]))
    uids = [f"E{number}" for number in range(6)]

    def add(uid: str) -> tuple[int, int]:
        return line.push("PUT", "locations", line.owned("L1", uid), evse(uid)).codes

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(add, uids))

    assert codes == [(201, 1000)] * 6
    assert sorted(each["uid"] for each in line.look("locations", *line.owned("L1")).data["evses"]) == uids


@at_both_receivers
def test_of_parallel_puts_of_one_new_tariff_one_is_answered_201(line: Connection, at: str) -> None:
    """Source: STA-04, STA-05"""
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: line.put("tariffs", tariff(line.partner.party, "RACE")), range(6)))

    assert sorted(answer.codes for answer in answers) == [(200, 1000)] * 5 + [(201, 1000)]
