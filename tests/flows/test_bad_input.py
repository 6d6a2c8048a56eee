"""Invalid objects sent to the routes of tariffs and locations.

Each answer must have an envelope, the code of the checklist and both message ids (the third party's client
checks the ids of every call). It must not be a 5xx, and the stored objects must not change. Hub and eMSP
share their routes, so each table is sent to one of them.
Chapters: status_codes, mod_tariffs, mod_locations; STA-01 .. STA-08, TRN-12, TRN-22, TRN-27, TRN-28.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.flows import wrong
from tests.flows.stand import (
    TWO_MEGABYTES,
    Stand,
    at_receivers,
    at_the_emsp,
    at_the_hub,
    build,
    of_each_module,
    table,
)
from tests.third_party.objects import LATER, Party, connector, evse, location, tariff
from tests.third_party.wire import Answer, write_json

UNKNOWN = {"tariffs": (404, 2001), "locations": (404, 2003)}


@at_the_hub
@table(wrong.TARIFF)
def test_an_invalid_tariff_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: TAR-07, TRN-22, TRN-27, STA-02, STA-07"""
    answer = stand.line.push(
        "PUT", "tariffs", stand.line.owned("BAD"), wrong.build(tariff(stand.owner, "BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("tariffs", "BAD")


@at_the_emsp
@table(wrong.TARIFF)
def test_an_invalid_tariff_does_not_replace_a_stored_one(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: STA-02"""
    document = wrong.build(tariff(stand.owner, "GOOD", last_updated=LATER), row)

    stand.expect(stand.line.push("PUT", "tariffs", stand.line.owned("GOOD"), document), (200, 2001))
    stand.expect_untouched("tariffs")


@at_the_hub
@table(wrong.LOCATION)
def test_an_invalid_location_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-15 .. LOC-21, TRN-22, TRN-27, STA-07"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("BAD"), wrong.build(location(stand.owner, "BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "BAD")


@at_the_emsp
@table(wrong.EVSE)
def test_an_invalid_evse_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-21, TRN-27"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("GOOD", "BAD"), wrong.build(evse("BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "GOOD", "BAD")


@at_the_hub
@table(wrong.CONNECTORS)
def test_an_invalid_connector_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-21, TRN-27"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("GOOD", "E1", "BAD"), wrong.build(connector("BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "GOOD", "E1", "BAD")


@at_the_emsp
@table(wrong.PATCHES)
def test_an_invalid_patch_changes_nothing(
    stand: Stand, at: str, row: tuple[tuple[str, ...], dict[str, Any]]
) -> None:
    """Source: LOC-07, STA-02"""
    children, patch = row

    stand.expect(
        stand.line.push("PATCH", "locations", stand.line.owned("GOOD", *children), patch), (200, 2001)
    )
    stand.expect_untouched("locations")


@at_receivers
def test_unknown_objects_are_not_found(stand: Stand, at: str) -> None:
    """Source: STA-03, STA-08, LOC-13, TAR-04"""
    line, status = stand.line, {"status": "CHARGING", "last_updated": LATER}

    stand.expect(line.look("tariffs", *stand.line.owned("NOPE")), UNKNOWN["tariffs"])
    stand.expect(line.push("DELETE", "tariffs", stand.line.owned("NOPE")), UNKNOWN["tariffs"])
    for unknown in (
        ("NOPE",),
        ("NOPE", "E1"),
        ("GOOD", "NOPE"),
        ("GOOD", "E1", "NOPE"),
        ("GOOD", "NOPE", "1"),
    ):
        stand.expect(line.look("locations", *stand.line.owned(*unknown)), UNKNOWN["locations"])
        stand.expect(
            line.push("PATCH", "locations", stand.line.owned(*unknown), status), UNKNOWN["locations"]
        )
    stand.expect(
        line.push("PUT", "locations", stand.line.owned("NOPE", "E1"), evse("E1")), UNKNOWN["locations"]
    )
    stand.expect(
        line.push("PUT", "locations", stand.line.owned("GOOD", "NOPE", "1"), connector("1")),
        UNKNOWN["locations"],
    )
    stand.expect_untouched("locations", "NOPE")


@at_receivers
@of_each_module
def test_a_party_that_is_not_the_callers_is_not_found(stand: Stand, at: str, module: str) -> None:
    """Source: TRN-28"""
    stranger = Party("PT", "999")
    document = build(module, stranger, "X1")

    for answer in (
        stand.line.look(module, *stranger, "X1"),
        stand.line.push("PUT", module, (*stranger, "X1"), document),
        stand.line.push(
            "PATCH" if module == "locations" else "DELETE", module, (*stranger, "X1"), {"last_updated": LATER}
        ),
    ):
        stand.expect(answer, (404, 2001), (404, 2003))
    assert not [found for found in stand.node.all(module) if found["party_id"] == "999"]


@at_the_hub
def test_an_emsp_cannot_push_tariffs(stand: Stand, at: str) -> None:
    """Refused both in a CPO's name and in its own. Source: OWN-01"""
    line = stand.lines[1]

    for owner in (stand.owner, line.partner.party):
        answer = line.push("PUT", "tariffs", (*owner, "BAD"), tariff(owner, "BAD"))

        assert answer.status_code != 1000
        stand.expect_discretion(answer)
        assert not [found for found in stand.node.all("tariffs") if found["id"] == "BAD"]


# Bodies


class Route(NamedTuple):
    """A request with a body: its method, its module, and the ids that follow the owner's in the URL."""

    method: str
    module: str
    ids: tuple[str, ...]


ROUTES = {
    "tariff": Route("PUT", "tariffs", ("BAD",)),
    "location": Route("PUT", "locations", ("BAD",)),
    "location patch": Route("PATCH", "locations", ("GOOD",)),
    "EVSE": Route("PUT", "locations", ("GOOD", "BAD")),
    "EVSE patch": Route("PATCH", "locations", ("GOOD", "E1")),
    "connector": Route("PUT", "locations", ("GOOD", "E1", "BAD")),
    "connector patch": Route("PATCH", "locations", ("GOOD", "E1", "1")),
}
at_every_body = pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))


def send(stand: Stand, route: Route, body: bytes, content_type: str = "application/json") -> Answer:
    method, module, ids = route
    headers = {"Content-Type": content_type}
    return stand.line.push(method, module, stand.line.owned(*ids), body=body, headers=headers)


@at_the_hub
@at_every_body
def test_a_body_that_is_not_json_is_a_bad_request(stand: Stand, at: str, route: Route) -> None:
    """Source: STA-01"""
    for body in wrong.NOT_JSON.values():
        stand.expect(send(stand, route, body), (400, 2001))
    stand.expect_untouched(route.module)


@at_the_emsp
@at_every_body
def test_a_json_body_that_is_no_object_is_refused(stand: Stand, at: str, route: Route) -> None:
    """Source: STA-02"""
    for body in wrong.NOT_AN_OBJECT.values():
        stand.expect(send(stand, route, body), (200, 2001))
    stand.expect_untouched(route.module)


@at_the_hub
@at_every_body
def test_hostile_json_is_refused(stand: Stand, at: str, route: Route) -> None:
    for body in wrong.HOSTILE.values():
        stand.expect(send(stand, route, body), (200, 2001), (400, 2001))
    stand.expect_untouched(route.module)


@at_the_emsp
@at_every_body
def test_another_content_type_is_refused(stand: Stand, at: str, route: Route) -> None:
    """Source: TRN-12"""
    body = write_json(tariff(stand.owner, "BAD"))

    for content_type in wrong.CONTENT_TYPES:
        stand.expect(send(stand, route, body, content_type), (400, 2001), (415, 2001))
    stand.expect_untouched(route.module)


@at_receivers
@of_each_module
def test_an_object_of_two_megabytes_is_refused(stand: Stand, at: str, module: str) -> None:
    """DynamoDB cannot store an object of that size."""
    document = build(module, stand.owner, "BAD", padding="x" * TWO_MEGABYTES)

    answer = stand.line.push("PUT", module, stand.line.owned("BAD"), document)

    stand.expect(answer, (200, 2001), (413, 2001))
    stand.expect_untouched(module, "BAD")


@at_receivers
def test_a_price_with_a_thousand_digits_causes_no_failure(stand: Stand, at: str) -> None:
    for number in (b"1e400", b"0." + b"3" * 1000, b"-1e-400"):
        body = write_json(tariff(stand.owner, "BAD")).replace(b"0.2500", number)

        answer = send(stand, ROUTES["tariff"], body)

        stand.expect(answer, (400, 2001), (200, 2001), (201, 1000), (200, 1000))
        stand.line.push("DELETE", "tariffs", stand.line.owned("BAD"))
    stand.expect_untouched("tariffs", "BAD")
