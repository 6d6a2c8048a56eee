"""A fresh sandbox is a network: registered partners, and the CPO's data at all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local import first_start
from infra.local.sandbox import CPO, EMSP, HUB, Sandbox
from tests.infra.polling import eventually

SITES = 3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed_sites=SITES) as running:
        yield running


def test_the_cpo_and_the_emsp_are_registered_at_the_hub(sandbox: Sandbox) -> None:
    partners = {partner["name"]: partner for partner in sandbox.door(HUB).all("partners")}

    assert {name: partner["status"] for name, partner in partners.items()} == {
        CPO.title: "REGISTERED",
        EMSP.title: "REGISTERED",
    }


def test_the_profile_of_location_ids_is_on_between_cpo_and_hub_only(sandbox: Sandbox) -> None:
    profiles = {partner["name"]: partner["profiles"] for partner in sandbox.door(HUB).all("partners")}
    [hub_at_cpo] = sandbox.door(CPO).all("partners")

    assert profiles == {CPO.title: ["ptmob"], EMSP.title: []}
    assert hub_at_cpo["profiles"] == ["ptmob"]


@pytest.mark.parametrize("player", [HUB, EMSP])
def test_the_cpo_s_objects_arrive_at_all_nodes(sandbox: Sandbox, player: object) -> None:
    door = sandbox.door(player)  # type: ignore[arg-type]

    assert eventually(lambda: door.count("locations") == SITES and door.count("tariffs") == 4)
    [location] = [each for each in door.all("locations") if each["id"] == next(iter(sandbox_ids(sandbox)))]
    assert location["mobie_cpe"].startswith("PT0002")
    assert (location["country_code"], location["party_id"]) == ("PT", "ABC")


def test_a_second_set_up_changes_nothing(sandbox: Sandbox) -> None:
    reports: list[str] = []

    again = first_start.connect(sandbox.door(CPO), CPO.title, sandbox.door(HUB), HUB.title, ["ptmob"])
    first_start.seed(sandbox.door(CPO), CPO.party_id, SITES, reports.append)

    assert again is False
    assert reports == []
    assert len(list(sandbox.door(HUB).all("partners"))) == 2


def sandbox_ids(sandbox: Sandbox) -> list[str]:
    return [location["id"] for location in sandbox.door(CPO).all("locations")]
