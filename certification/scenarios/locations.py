"""Scenarios 3.1 to 3.6: a CPO reserves an id, creates and changes the location; MOBI.E reads locations.

The reservation is MOBI.E's own and not part of OCPI: POST to the hub's locations receiver, below the CPO's
country code and party id, offered to partners with the profile `ptmob`.
Source: OCPI 2.2.1 mod_locations, transport_and_format_message_routing_broadcast_push; docs/mobie.md, Location
ids; LOC-01 to LOC-07, LOC-12, RTE-11
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from certification.crawling import check_crawls, check_windows, crawl_window, join_as_reader
from certification.handshake import SENDS, join
from certification.ocpi import Document, Party
from certification.operator_apis import path_of
from certification.own_objects import create_site, own, reserve_id, set_status, take_sites
from certification.probe_partner import ProbePartner
from certification.samples import as_pushed, connector, evse, location, now, place_to_reserve, read_datetime
from certification.trial import Trial
from certification.web import below
from certification.witnesses import Witnesses

AT_ONCE = 6
PROFILE = {"profiles": ["ptmob"]}


def scenario_3_1_reserve_location_id(trial: Trial) -> None:
    """CPOs reserve ids at MOBI.E, also at the same time: no id is given twice, only its holder may use it."""
    asking: list[Callable[[], str]] = [lambda: reserve_id(trial)] * AT_ONCE
    probes: list[_ProbeCpo] = []
    if trial.has_probe("reservations by two CPOs at once, and the refusal of another's id"):
        probes = [_ProbeCpo(trial, switched_on=False), _ProbeCpo(trial)]
        _check_switching_on(trial, probes[0])
        for probe in probes:
            asking += [probe.reserve] * AT_ONCE
    with ThreadPoolExecutor(len(asking)) as pool:
        ids = list(pool.map(lambda ask: ask(), asking))
    trial.expect(
        len({each.upper() for each in ids}) == len(ids), f"ids reserved at once are all different: {ids}"
    )
    trial.expect(all(0 < len(each) <= 36 for each in ids), f"a location id has 1 to 36 characters: {ids}")
    trial.note(f"{len(ids)} ids reserved at once by {1 + len(probes)} CPOs, all different, such as {ids[0]}")
    if probes:
        _check_repeated(trial, probes[0])
        _check_holder(trial, *probes)


def scenario_3_2_create_location(trial: Trial) -> None:
    """The CPO's operator creates a location with a reserved id: the hub and the eMSPs have it."""
    witnesses = Witnesses(trial, "locations")
    site_id = create_site(trial)
    stored = own(trial, "locations", site_id)
    witnesses.see(stored, f"location {site_id}")

    if trial.has_probe("the hub's 201"):
        cpo = _ProbeCpo(trial)
        pushed = cpo.site(cpo.reserve())
        cpo.push("PUT", pushed, str(pushed["id"]), http_status=201)
        cpo.expect_stored(pushed)
        cpo.push("PUT", pushed, str(pushed["id"]), http_status=200)


def scenario_3_3_update_location(trial: Trial) -> None:
    """The CPO's operator changes a location, an EVSE and a connector; parents are lifted, all receive it."""
    witnesses = Witnesses(trial, "locations")
    (site_id,) = take_sites(trial, 1)
    uid = str(own(trial, "locations", site_id)["evses"][0]["uid"])
    plug = str(own(trial, "locations", site_id)["evses"][0]["connectors"][0]["id"])
    other_plug = str(own(trial, "locations", site_id)["evses"][0]["connectors"][1]["id"])
    site = location(site_id)
    mark = uuid.uuid4().hex[:6]
    changes: Sequence[tuple[str, str, tuple[str, ...], Document]] = (
        ("PUT of the location", "PUT", (), site | {"name": f"{site['name']} {mark}"}),
        ("PATCH of the location", "PATCH", (), {"name": f"{site['name']} again"}),
        ("PUT of the EVSE", "PUT", (uid,), evse(uid, now(), "CHARGING") | {"physical_reference": mark}),
        ("PATCH of the EVSE's status", "PATCH", (uid,), {"status": "AVAILABLE"}),
        ("PUT of the connector", "PUT", (uid, plug), connector(plug, now(), [f"CERT-{mark}"])),
        ("PATCH of the connector's tariff_ids", "PATCH", (uid, plug), {"tariff_ids": [f"CERT-{mark}-2"]}),
    )
    for what, method, ids, body in changes:
        before = own(trial, "locations", site_id)
        fields = {
            name: value for name, value in body.items() if name not in ("last_updated", "evses", "connectors")
        }
        trial.cpo.ask(method, path_of("locations", site_id, *ids), _without_stamp(body), (200, 204))
        after = own(trial, "locations", site_id)
        trial.expect(_holds(after, ids, fields), f"after {what}, the CPO's operator API shows it")
        _check_lifted(trial, what, before, after, ids)
        trial.expect(
            _level(after, (uid, other_plug)) == _level(before, (uid, other_plug)) or len(ids) < 2,
            f"after {what}, the other connector is as it was",
        )
        witnesses.see(after, what)

    if trial.has_probe("last_updated as the hub holds it after a push"):
        _check_hub_lifts(trial)


def scenario_3_4_get_specific_location(trial: Trial) -> None:
    """MOBI.E reads one location, one EVSE and one connector at the CPO; an unknown one is 404."""
    (site_id,) = take_sites(trial, 1)
    site = own(trial, "locations", site_id)
    uid, other_uid = (str(each["uid"]) for each in site["evses"][:2])
    plug, other_plug = (str(site["evses"][number]["connectors"][0]["id"]) for number in (0, 1))
    if not trial.has_probe("GET of one location, EVSE and connector by OCPI"):
        trial.eventually(
            f"the hub's operator API shows {site_id} as the CPO's operator API does",
            lambda: trial.hub.find("locations", trial.cpo.party, site_id) == site,
        )
        return
    caller, url = join_as_reader(trial, "locations")
    known: Sequence[tuple[str, ...]] = ((), (uid,), (uid, plug), (other_uid, other_plug))
    for ids in known:
        reply = caller.call("GET", below(url, site_id, *ids))
        trial.expect(reply.is_success, f"{reply}: GET is answered with 1000")
        trial.expect(
            reply.data == _level(site, ids), f"{reply}: data is the object that the CPO's operator API shows"
        )
        trial.note(f"GET …/{'/'.join((site_id, *ids))} is the object that the CPO's operator API shows")
    unknown: Sequence[tuple[str, ...]] = (
        ("NOPE",),
        (site_id, "NOPE"),
        (site_id, uid, "NOPE"),
        (site_id, uid, other_plug),
    )
    for ids in unknown:
        reply = caller.call("GET", below(url, *ids))
        trial.expect(
            reply.http_status == 404 and not reply.is_success and reply.data is None,
            f"{reply}: what is unknown is HTTP 404",
        )
        trial.note(f"GET …/{'/'.join(ids)} is HTTP 404, {reply.status_code}")


def scenario_3_5_get_all_locations(trial: Trial) -> None:
    """MOBI.E reads all locations of the CPO by pages: each once, every X-Total-Count correct."""
    take_sites(trial, 3)
    check_crawls(trial, "locations", limit=max(1, len(trial.cpo.list_all("/locations")) // 8))


def scenario_3_6_get_filtered_locations(trial: Trial) -> None:
    """MOBI.E reads the locations between two dates; a status change moves a location into the window."""
    sites = take_sites(trial, 4)
    moments = []
    for site_id in sites:
        uid = str(own(trial, "locations", site_id)["evses"][0]["uid"])
        set_status(trial, site_id, uid, "BLOCKED")
        moments.append(str(own(trial, "locations", site_id)["last_updated"]))
    trial.expect(len(set(moments)) == len(moments), f"each change has an instant of its own: {moments}")
    check_windows(trial, "locations", moments, limit=1)

    if trial.has_probe("a location that moves into the window"):
        caller, url = join_as_reader(trial, "locations")
        window = {"date_from": now()}
        crawl_window(trial, caller, url, trial.cpo.list_all("/locations"), window, limit=1)
        uid = str(own(trial, "locations", sites[0])["evses"][0]["uid"])
        set_status(trial, sites[0], uid, "AVAILABLE")
        everything = trial.cpo.list_all("/locations")
        moved = [
            str(each["id"]) for each in everything if read_datetime(each["last_updated"]) >= _first(window)
        ]
        trial.expect(
            sites[0] in moved, f"the status change lifts the location's last_updated to {window} or later"
        )
        crawl_window(trial, caller, url, everything, window, limit=1)
        trial.note(f"the status change moved {sites[0]} into the window from {window['date_from']}")


class _ProbeCpo:
    """A probe CPO at the hub, with the profile, that reserves ids and pushes locations of its own.

    Its locations have `publish` = false, so that those that stay at the hub are not shown to drivers.
    """

    def __init__(self, trial: Trial, switched_on: bool = True) -> None:
        self._trial = trial
        self.partner: ProbePartner
        self.partner, self.id_at_hub = join(trial, trial.hub, "CPO", SENDS, PROFILE if switched_on else None)
        self.party: Party = self.partner.party
        self._caller = self.partner.caller(trial.hub.party)
        self.receiver = below(self.partner.registered_details().url("locations", "RECEIVER"), *self.party)

    def site(self, site_id: str) -> Document:
        return as_pushed(location(site_id, publish=False, status="INOPERATIVE"), self.party, site_id)

    def try_to_reserve(self, request_id: str | None = None) -> Any:
        return self._caller.call("POST", self.receiver, place_to_reserve(), request_id)

    def reserve(self, request_id: str | None = None) -> str:
        reply = self.try_to_reserve(request_id)
        self._trial.expect(
            reply.is_success and reply.http_status == 200 and isinstance(reply.object().get("id"), str),
            f"{reply}: a reservation is answered with HTTP 200, 1000 and data.id",
        )
        return str(reply.object()["id"])

    def push(self, method: str, body: Document, *ids: str, http_status: int = 200) -> None:
        reply = self._caller.call(method, below(self.receiver, *ids), body)
        self._trial.expect(
            reply.is_success and reply.http_status == http_status,
            f"{reply}: {method} at the hub is answered with HTTP {http_status} and 1000",
        )
        self._trial.note(
            f"{method} …/{'/'.join(ids)} by the probe CPO answers HTTP {reply.http_status}, 1000"
        )

    def stored(self, site_id: str) -> Document:
        """Read the location as the hub has it (LOC-12)."""
        reply = self._caller.call("GET", below(self.receiver, site_id))
        self._trial.expect(
            reply.is_success, f"{reply}: GET of the own location at the hub is answered with 1000"
        )
        return reply.object()

    def expect_stored(self, pushed: Document) -> None:
        self._trial.expect(
            self.stored(str(pushed["id"])) == pushed, "the hub holds the location as it was pushed"
        )

    def expect_refused(self, site_id: str) -> None:
        body = self.site(site_id)
        reply = self._caller.call("PUT", below(self.receiver, site_id), body)
        self._trial.expect(
            not reply.is_success, f"{reply}: a PUT with an id that another CPO reserved is refused"
        )
        held = self._caller.call("GET", below(self.receiver, site_id))
        self._trial.expect(held.http_status == 404, f"{held}: of a refused location nothing is stored")
        self._trial.note(
            f"PUT with another's id {site_id} is refused: HTTP {reply.http_status}, {reply.status_code}"
        )


def _check_switching_on(trial: Trial, probe: _ProbeCpo) -> None:
    """Expect that the hub offers the reservation as soon as its operator has added the profile."""
    reply = probe.try_to_reserve()
    trial.expect(not reply.is_success, f"{reply}: without the profile nothing is reserved")
    trial.hub.ask("PATCH", path_of("partners", probe.id_at_hub), PROFILE)
    trial.note(
        f"before the hub's operator switched the profile on: HTTP {reply.http_status}, {reply.status_code}"
    )


def _check_repeated(trial: Trial, probe: _ProbeCpo) -> None:
    """Expect that a repeated request is recognised by its X-Request-ID."""
    request_id = str(uuid.uuid4())
    first, again, new = probe.reserve(request_id), probe.reserve(request_id), probe.reserve()
    trial.expect(first == again, f"the same X-Request-ID gets the same id, not {first} and {again}")
    trial.expect(new != first, f"another X-Request-ID gets another id than {first}")
    trial.note(f"the same X-Request-ID got {first} twice, another one {new}")


def _check_holder(trial: Trial, one: _ProbeCpo, other: _ProbeCpo) -> None:
    """Expect that only the CPO that reserved an id can use it."""
    site_id = one.reserve()
    other.expect_refused(site_id)
    own = one.site(site_id)
    one.push("PUT", own, site_id, http_status=201)
    one.expect_stored(own)


def _check_hub_lifts(trial: Trial) -> None:
    """Push a change at each level, and expect every parent to carry the child's last_updated (LOC-05)."""
    cpo = _ProbeCpo(trial)
    site = cpo.site(cpo.reserve())
    site_id, uid = str(site["id"]), str(site["evses"][0]["uid"])
    plug = str(site["evses"][0]["connectors"][0]["id"])
    cpo.push("PUT", site, site_id, http_status=201)
    changes: Sequence[tuple[str, tuple[str, ...], Document]] = (
        ("PATCH", (), {"name": "renamed"}),
        ("PUT", (uid,), evse(uid, "", "BLOCKED")),
        ("PATCH", (uid,), {"status": "INOPERATIVE"}),
        ("PUT", (uid, plug), connector(plug, "", ["CERT-1"])),
        ("PATCH", (uid, plug), {"tariff_ids": ["CERT-2"]}),
    )
    for method, ids, fields in changes:
        stamp = now()
        body = fields | {"last_updated": stamp}
        if "connectors" in body:
            body["connectors"] = [each | {"last_updated": stamp} for each in body["connectors"]]
        cpo.push(method, body, site_id, *ids)
        held = cpo.stored(site_id)
        trial.expect(
            _holds(held, ids, body), f"after {method} of {'/'.join((site_id, *ids))}, the hub holds it"
        )
        stamps = [_level(held, ids[:depth])["last_updated"] for depth in range(len(ids) + 1)]
        trial.expect(
            set(stamps) == {stamp},
            f"after {method} of {'/'.join((site_id, *ids))}, it and its parents have {stamp}, not {stamps}",
        )
    trial.note("after each push the hub holds the child's last_updated at all its parents")


def _check_lifted(trial: Trial, what: str, before: Document, after: Document, ids: tuple[str, ...]) -> None:
    """Expect the changed object and all its parents to have one new last_updated (LOC-03)."""
    stamps = [str(_level(after, ids[:depth])["last_updated"]) for depth in range(len(ids) + 1)]
    trial.expect(
        len(set(stamps)) == 1 and read_datetime(stamps[0]) > read_datetime(str(before["last_updated"])),
        f"{what} lifts last_updated of the object and its parents alike, "
        f"from {before['last_updated']}, not to {stamps}",
    )


def _level(site: Document, ids: tuple[str, ...]) -> Document:
    """Return the location itself, one of its EVSEs, or one of that EVSE's connectors."""
    found = site
    for (children, id_field), wanted in zip((("evses", "uid"), ("connectors", "id")), ids, strict=False):
        found = next(each for each in found[children] if each[id_field] == wanted)
    return found


def _holds(site: Document, ids: tuple[str, ...], fields: Document) -> bool:
    found = _level(site, ids)
    return all(found.get(name) == value for name, value in fields.items())


def _without_stamp(body: Document) -> Document:
    return {name: value for name, value in body.items() if name != "last_updated"}


def _first(window: dict[str, str]) -> Any:
    return read_datetime(window["date_from"])
