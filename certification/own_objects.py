"""The CPO's tariffs and locations that the scenarios use, written and read with its operator API.

A tariff is deleted when its scenario ends. A location is never deleted in OCPI (LOC-09, LOC-10), so the sites
of a run stay. Their name marks them: the next run uses them again instead of adding its own. When a scenario
ends, their EVSEs are INOPERATIVE, so that drivers do not take them for places to charge. Only scenario 3.2,
which creates a location, adds a site.
"""

from __future__ import annotations

from functools import partial

from certification.ocpi import Document
from certification.operator_apis import path_of
from certification.samples import SITE_NAME, location, new_tariff_id, place_to_reserve, tariff
from certification.trial import Trial


def create_tariff(trial: Trial, price: str = "0.25", last_updated: str | None = None) -> str:
    """Create a tariff, which is deleted when the scenario ends. Returns its id."""
    tariff_id = new_tariff_id()
    path = path_of("tariffs", tariff_id)
    delete = partial(trial.cpo.ask, "DELETE", path, status=(200, 204, 404))
    trial.afterwards(f"tariff {tariff_id} is deleted", delete)
    body = tariff(price) | ({"last_updated": last_updated} if last_updated else {})
    trial.cpo.ask("PUT", path, body, (201,))
    return tariff_id


def own(trial: Trial, module: str, object_id: str) -> Document:
    """Read a tariff or location, with the fields that the node filled in."""
    stored = trial.cpo.own(module, object_id)
    trial.expect(stored is not None, f"the CPO's operator API has {object_id} among its {module}")
    assert stored is not None
    trial.expect(
        trial.cpo.party.is_same(stored.get("country_code"), stored.get("party_id"))
        and stored.get("id") == object_id
        and stored.get("last_updated"),
        "the CPO's operator API fills in country_code, party_id, id and last_updated",
    )
    return stored


def reserve_id(trial: Trial) -> str:
    """Reserve a location id at the hub, with the CPO's operator API."""
    answer = trial.cpo.ask("POST", "/location-ids", place_to_reserve(), (201,))
    reserved = answer.get("id") if isinstance(answer, dict) else None
    trial.expect(
        isinstance(reserved, str) and reserved, f"the CPO's operator API gives the reserved id, not {answer}"
    )
    return str(reserved)


def create_site(trial: Trial) -> str:
    """Reserve an id and create a location with it. Returns the id."""
    site_id = reserve_id(trial)
    trial.cpo.ask("PUT", path_of("locations", site_id), location(site_id), (201,))
    _close_afterwards(trial, own(trial, "locations", site_id))
    return site_id


def take_sites(trial: Trial, count: int) -> list[str]:
    """Return the ids of `count` sites of earlier runs; missing ones are created."""
    found = [each for each in trial.cpo.list_all("/locations") if str(each.get("name")).startswith(SITE_NAME)]
    kept = sorted(found, key=lambda site: str(site["id"]))[:count]
    for site in kept:
        _close_afterwards(trial, site)
    return [str(site["id"]) for site in kept] + [create_site(trial) for _ in range(count - len(kept))]


def set_status(trial: Trial, site_id: str, uid: str, status: str) -> None:
    """Change an EVSE's status, as a CSMS does."""
    trial.cpo.ask("PATCH", path_of("locations", site_id, uid), {"status": status}, (200, 204))


def _close_afterwards(trial: Trial, site: Document) -> None:
    for each in site["evses"]:
        close = partial(set_status, trial, str(site["id"]), str(each["uid"]), "INOPERATIVE")
        trial.afterwards(f"EVSE {each['uid']} is INOPERATIVE", close)
