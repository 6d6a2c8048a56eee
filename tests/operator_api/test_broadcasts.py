"""Broadcasts at the operator's door; what they count is tested where it is counted, tests/partners."""

from __future__ import annotations

from tests.operator_api.caller import Door
from tests.operator_api.test_partners import connect


def test_every_registered_partner_is_listed(cpo: Door, hub: Door, emsp: Door) -> None:
    partners = [connect(cpo, hub)["id"], connect(cpo, emsp)["id"]]
    cpo.ask("POST", "/partners/invitations", {"name": "Not yet"})

    listed = cpo.ask("GET", "/broadcasts")

    assert {entry["partner_id"] for entry in listed} == set(partners)
    for entry in listed:
        assert entry["delivered"] == 0
        assert (entry["waiting"], entry["refused"], entry["dead"]) == ([], [], [])


def test_broadcasts_are_listed_in_pages(cpo: Door, hub: Door, emsp: Door) -> None:
    connect(cpo, hub)
    connect(cpo, emsp)

    first = cpo.call("GET", "/broadcasts?limit=1")

    assert len(first.json) == 1
    assert first.headers["X-Total-Count"] == "2"
    assert len({entry["partner_id"] for entry in cpo.all("/broadcasts?limit=1")}) == 2


def test_without_partners_the_list_is_empty(cpo: Door) -> None:
    answer = cpo.call("GET", "/broadcasts")

    assert (answer.status, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")
