"""A fresh sandbox is a network: registered partners, and the CPO's data at all of them, in any version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import first_start, operator_keys
from infra.local.sandbox import CPO, EMSP, HUB, Player, Sandbox, SandboxError, emsp_of
from tests.infra.polling import eventually

SITES = 3
VERSIONS = ("2.1.1", "2.2")
OTHERS = [emsp_of(version) for version in VERSIONS]
PARTNERS = (CPO, EMSP, *OTHERS)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed_sites=SITES, emsp_versions=VERSIONS) as running:
        yield running


def test_the_cpo_and_the_emsps_are_registered_at_the_hub_in_their_versions(sandbox: Sandbox) -> None:
    partners = {partner["name"]: partner for partner in sandbox.door(HUB).all("partners")}

    assert {name: partner["status"] for name, partner in partners.items()} == {
        player.title: "REGISTERED" for player in PARTNERS
    }
    assert [partners[player.title]["version"] for player in OTHERS] == list(VERSIONS)


def test_the_profile_of_location_ids_is_on_between_cpo_and_hub_only(sandbox: Sandbox) -> None:
    profiles = {partner["name"]: partner["profiles"] for partner in sandbox.door(HUB).all("partners")}
    [hub_at_cpo] = sandbox.door(CPO).all("partners")

    assert profiles == {player.title: ["ptmob"] if player is CPO else [] for player in PARTNERS}
    assert hub_at_cpo["profiles"] == ["ptmob"]


@pytest.mark.parametrize("player", [HUB, EMSP])
def test_the_cpo_s_objects_arrive_at_all_nodes(sandbox: Sandbox, player: object) -> None:
    door = sandbox.door(player)  # type: ignore[arg-type]

    assert eventually(lambda: door.count("locations") == SITES and door.count("tariffs") == 4)
    [location] = [each for each in door.all("locations") if each["id"] == next(iter(sandbox_ids(sandbox)))]
    assert location["mobie_cpe"].startswith("PT0002")
    assert (location["country_code"], location["party_id"]) == ("PT", "ABC")


@pytest.mark.parametrize("player", OTHERS, ids=VERSIONS)
def test_a_change_at_the_cpo_is_seen_at_an_emsp_of_each_version(sandbox: Sandbox, player: Player) -> None:
    location_id = sandbox_ids(sandbox)[0]
    [location] = [each for each in sandbox.door(CPO).all("locations") if each["id"] == location_id]
    evse = location["evses"][0]["uid"]

    sandbox.door(CPO).patch("locations", location_id, evse, body={"status": "OUTOFORDER"})

    def seen() -> list[str]:
        found = [each for each in sandbox.door(player).all("locations") if each["id"] == location_id]
        return [each["status"] for here in found for each in here["evses"] if each["uid"] == evse]

    assert eventually(lambda: seen() == ["OUTOFORDER"])


def test_an_emsp_of_a_version_that_is_not_spoken_is_refused() -> None:
    with pytest.raises(SandboxError, match=r"does not speak OCPI '9\.9'; it speaks 2\.1\.1"):
        emsp_of("9.9")


def test_a_node_that_is_added_later_gets_a_key(tmp_path: Path) -> None:
    first = operator_keys.read_or_make(tmp_path, ["cpo"])

    both = operator_keys.read_or_make(tmp_path, ["cpo", "emsp22"])

    assert both["cpo"] == first["cpo"]
    assert both == operator_keys.read_or_make(tmp_path, ["emsp22"])


def test_a_second_set_up_changes_nothing(sandbox: Sandbox) -> None:
    reports: list[str] = []

    again = first_start.connect(sandbox.door(CPO), CPO.title, sandbox.door(HUB), HUB.title, ["ptmob"])
    first_start.seed(sandbox.door(CPO), CPO.party_id, SITES, reports.append)

    assert again is False
    assert reports == []
    assert len(list(sandbox.door(HUB).all("partners"))) == len(PARTNERS)


def sandbox_ids(sandbox: Sandbox) -> list[str]:
    return [location["id"] for location in sandbox.door(CPO).all("locations")]
