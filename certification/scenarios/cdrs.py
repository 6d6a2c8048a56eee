"""Scenarios 7.1 to 7.3: the hub makes one CDR of each finished session; an eMSP reads its own CDRs.

Sessions end with the CPO's operator API, as its CSMS ends them. The expected content of their CDRs is
computed here from the tariff. A probe eMSP at the hub receives its CDRs and reads its list. A probe CPO sends
CDRs that must change nothing. 7.2 and 7.3 use CDRs that exist already: they play the party of 7.1's probe
eMSP again.
Source: OCPI 2.2.1 mod_cdrs; CDR-01, CDR-02, CDR-10, CDR-13, CDR-16, CDR-22
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

from certification.charging import CHARGED, KWH, Charging, is_of, list_cdrs
from certification.crawling import FAR_FUTURE, check_pages, crawl_window, is_inside
from certification.drivers import UID, take_token
from certification.handshake import join
from certification.ocpi import Document, Party
from certification.operator_apis import OperatorApi
from certification.prices import price_of
from certification.probe_emsp import ProbeEmsp
from certification.refuted import Refuted
from certification.samples import as_pushed, cdr, now, read_datetime
from certification.trial import Trial
from certification.web import below

ENOUGH = 5  # CDRs of one eMSP: enough for several pages and windows
DIFFERENT = 3  # different times at which they were made
WINDOW = timedelta(hours=24)  # older CDRs are not read again


def scenario_7_1_create_cdr(trial: Trial) -> None:
    """A session ends: the hub makes one CDR for eMSP and CPO; a CPO's own CDR changes nothing."""
    charging, driver = Charging(trial), take_token(trial, "RFID")
    if not trial.has_probe("the CDR's POST, that another eMSP gets its own only, a CDR that a CPO sends"):
        (made,) = charging.cdrs_of([session := charging.charge(driver)])
        _check_bill(trial, charging, made, session)
        _check_arrives(trial, charging, made, session)
        return
    emsp, sender = ProbeEmsp(trial), _ProbeCpo(trial)
    for token in (driver, emsp.new_token("RFID")):
        sender.post(token, charging)
    session = charging.charge(driver)
    (made, *others) = charging.cdrs_of([session, *_charge_as(emsp, charging, ENOUGH)])
    _check_bill(trial, charging, made, session)
    _check_arrives(trial, charging, made, session)
    _check_posts(trial, charging, emsp, others)
    sender.check_ignored(charging, emsp)


def scenario_7_2_get_all_cdrs(trial: Trial) -> None:
    """An eMSP reads its CDRs at the hub by pages: each once, every total correct, none of other eMSPs."""
    if not trial.has_probe("the pages of the hub's CDRs and their owners"):
        _check_emsp_holds(trial)
        return
    reader = _Reader(trial)
    pages = reader.emsp.caller.crawl(reader.url, {"limit": 2})
    check_pages(trial, pages, reader.own, {"limit": 2})
    trial.expect(len(pages) > 1, f"{len(reader.own)} CDRs at 2 a page are more than one page")
    trial.note(
        f"crawled {len(reader.own)} CDRs in {len(pages)} pages: each once, every total right, "
        f"none of the {len(reader.others)} of others"
    )
    reader.check_cannot_get(reader.others[-1])


def scenario_7_3_get_filtered_cdrs(trial: Trial) -> None:
    """An eMSP reads its CDRs between two dates: first inclusive, second exclusive, kept by Link."""
    if not trial.has_probe("the filters of the hub's CDRs and their owners"):
        _check_emsp_holds(trial)
        return
    reader = _Reader(trial)
    first, second, *_, last = reader.moments()
    for window in (
        {"date_from": first, "date_to": last},
        {"date_from": second, "date_to": last},
        {"date_from": second, "date_to": second},
        {"date_from": second},
        {"date_to": last},
        {"date_from": FAR_FUTURE},
    ):
        crawl_window(trial, reader.emsp.caller, reader.url, reader.own, window, limit=1)
    inside = [each for each in reader.others if is_inside(each["last_updated"], {"date_from": first})]
    trial.note(f"the hub has {len(inside)} CDRs of others from {first} on, none of which is shown")


def _charge_as(emsp: ProbeEmsp, charging: Charging, count: int) -> list[Document]:
    """Let `count` drivers of an eMSP charge. Returns the sessions."""
    return [charging.charge(emsp.new_token("RFID")) for _ in range(count)]


def _check_bill(trial: Trial, charging: Charging, made: Document, session: Document) -> None:
    """Compare a CDR with its session and tariff."""
    expected = price_of(charging.tariff, KWH, CHARGED)
    trial.expect(
        made["total_cost"] == expected,
        f"session {session['id']} costs {_as_text(expected)} by its tariff, "
        f"not {_as_text(made['total_cost'])}",
    )
    hours = Decimal(int(CHARGED.total_seconds())) / 3600
    for name, value in (("total_energy", KWH), ("total_time", hours), ("currency", "EUR")):
        trial.expect(made[name] == value, f"the CDR's {name} is {value}, not {made[name]}")
    for name in ("start_date_time", "end_date_time"):
        trial.expect(
            read_datetime(made[name]) == read_datetime(session[name]),
            f"the CDR's {name} is the session's {session[name]}, not {made[name]}",
        )
    trial.expect(made["cdr_token"] == session["cdr_token"], "the CDR has the session's cdr_token")
    place = made["cdr_location"]
    trial.expect(
        (place["id"], place["evse_uid"], place["connector_id"]) == tuple(charging.place.values()),
        "the CDR has the session's location, EVSE and connector",
    )
    trial.expect(made.get("tariffs") == [charging.tariff], "the CDR has the tariff, and no other")
    trial.expect(not made.get("credit"), "the CDR is no credit CDR")
    trial.note(
        f"CDR {made['id']} of {KWH} kWh in {CHARGED} costs {_as_text(expected)}, as computed from the tariff"
    )


def _check_arrives(trial: Trial, charging: Charging, made: Document, session: Document) -> None:
    """Wait until the eMSP and the CPO have the hub's CDR unchanged; the hub and the eMSP have no second one.

    A CPO may have a CDR of its own as well, to compare.
    """
    trial.all_eventually(
        f"CDR {made['id']} as the hub has it",
        {
            "at the eMSP's operator API": lambda: (
                trial.emsp.held("cdrs", trial.cpo.party, made["id"]) == made
            ),
            "at the CPO's operator API": lambda: trial.cpo.held("cdrs", trial.cpo.party, made["id"]) == made,
        },
    )
    # A list may lag behind a GET by id: a DynamoDB index follows its table.
    trial.all_eventually(
        f"CDR {made['id']} is listed",
        {
            f"at {api.name}'s operator API": partial(_lists, api, charging, session, str(made["id"]))
            for api in (trial.hub, trial.emsp)
        },
    )
    for api in (trial.hub, trial.emsp):
        ids = _ids(api, charging, session)
        trial.expect(
            ids == [made["id"]], f"{api.name} has one CDR of session {session['id']}, not {len(ids)}"
        )


def _lists(api: OperatorApi, charging: Charging, session: Document, cdr_id: str) -> bool:
    return cdr_id in _ids(api, charging, session)


def _ids(api: OperatorApi, charging: Charging, session: Document) -> list[str]:
    """List the CDRs of a session at a node."""
    return [str(each["id"]) for each in list_cdrs(api, charging.since) if is_of(each, session)]


def _check_posts(trial: Trial, charging: Charging, emsp: ProbeEmsp, cdrs: Sequence[Document]) -> None:
    """Check the pushes to the probe eMSP: POST of its own CDRs only, complete, FROM the hub."""
    by_id = {str(each["id"]): each for each in cdrs}
    trial.eventually(
        f"the {len(cdrs)} CDRs of {emsp.party}'s tokens are posted to the probe eMSP",
        lambda: by_id.keys() <= {each.body["id"] for each in emsp.posts()},
    )
    for post in emsp.posts():
        trial.expect(
            post.body == by_id.get(post.body["id"]),
            f"{post.body['id']}, posted to the probe eMSP, is a CDR of its tokens as the hub has it",
        )
        trial.expect(post.segments == ("receiver", "cdrs"), "a CDR is posted to the endpoint itself (CDR-02)")
        trial.expect(
            trial.hub.party.is_same(*post.party("from")) and emsp.party.is_same(*post.party("to")),
            f"a CDR that the hub made is FROM the hub TO the eMSP, "
            f"not FROM {post.party('from')} TO {post.party('to')}",
        )
    trial.expect(
        not any(emsp.is_charged(each) for each in list_cdrs(trial.emsp, charging.since)),
        f"the eMSP does not hold a CDR of {emsp.party}'s tokens",
    )
    trial.note(f"{emsp.party} was sent its own CDRs only, by POST, FROM {emsp.posts()[-1].party('from')}")


def _check_emsp_holds(trial: Trial) -> None:
    """Without a probe: expect the eMSP to have the hub's CDRs of its driver, and no others."""
    cdrs = [each for each in _recent(trial) if each["cdr_token"]["uid"] == UID]
    if not cdrs:
        charging = Charging(trial)
        cdrs = charging.cdrs_of([charging.charge(take_token(trial, "RFID"))])
    trial.eventually(
        f"the eMSP's operator API has the {len(cdrs)} CDRs of {UID} that the hub's operator API lists",
        lambda: all(trial.emsp.held("cdrs", _owner(each), each["id"]) == each for each in cdrs),
    )
    held = list_cdrs(trial.emsp, now(-WINDOW))
    others = [each for each in held if not trial.emsp.party.is_same(*_token(each))]
    trial.expect(not others, f"the eMSP's operator API has no CDRs of others' tokens, not {len(others)}")


def _recent(trial: Trial) -> list[Document]:
    return list_cdrs(trial.hub, now(-WINDOW))


def _owner(each: Document) -> Party:
    return Party(each["country_code"], each["party_id"])


def _token(each: Document) -> Party:
    """Return the party that issued a CDR's token."""
    return Party(each["cdr_token"]["country_code"], each["cdr_token"]["party_id"])


def _as_text(price: Document) -> str:
    return f"{price['excl_vat']} excl. and {price['incl_vat']} incl. VAT"


class _ProbeCpo:
    """A probe CPO at the hub that sends CDRs, which are answered with 1000 and ignored."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._partner, _ = join(trial, trial.hub, "CPO", (("cdrs", "SENDER"),))
        self._caller = self._partner.caller(trial.hub.party)
        self._sent: list[Document] = []

    def post(self, token: Document, charging: Charging) -> None:
        self._send(cdr(token, charging.place, charging.tariff, KWH))

    def check_gets_own(self, other: Document) -> None:
        """Send a copy of a CDR and expect GET to return it: GET works for a sender's own CDRs."""
        own = {"country_code", "party_id", "id", "last_updated"}
        sent = self._send({name: value for name, value in other.items() if name not in own})
        url = below(self._url(), *_owner(sent), sent["id"])
        reply = self._caller.call("GET", url)
        is_it = reply.is_success and isinstance(reply.data, dict) and reply.data.get("id") == sent["id"]
        self._trial.expect(
            is_it, f"{reply}: GET of a CDR by the CPO that sent it is answered with it (CDR-04)"
        )

    def _send(self, document: Document) -> Document:
        sent = as_pushed(document, self._partner.party, f"CERT-{secrets.token_hex(8).upper()}")
        reply = self._caller.call("POST", self._url(), sent)
        self._trial.expect(reply.is_success, f"{reply}: a CDR of a CPO is answered with 1000")
        self._sent.append(sent)
        return sent

    def _url(self) -> str:
        return self._partner.registered_details().url("cdrs", "RECEIVER")

    def check_ignored(self, charging: Charging, emsp: ProbeEmsp) -> None:
        """Expect the sent CDRs at the hub's operator only, marked as ignored.

        This is checked when CDRs of sessions that ended later have reached all receivers.
        """
        trial, party = self._trial, self._partner.party
        sent = {str(each["id"]) for each in self._sent}
        listed = {str(each["id"]) for each in list_cdrs(trial.hub, charging.since)}
        trial.expect(not sent & listed, "a CDR of a CPO is not among the hub's CDRs")
        for each in sent:
            trial.expect(
                trial.emsp.held("cdrs", party, each) is None, "the eMSP does not get a CDR that a CPO sent"
            )
        posted = {str(post.body["id"]) for post in emsp.posts()}
        trial.expect(not sent & posted, "the probe eMSP does not get a CDR that a CPO sent")
        for caller, details in (
            (emsp.caller, emsp.details),
            (self._caller, self._partner.registered_details()),
        ):
            pages = caller.crawl(details.url("cdrs", "SENDER"), {"limit": 100})
            shown = {str(item["id"]) for page in pages for item in page.items}
            trial.expect(not sent & shown, "the hub's list shows no partner a CDR that a CPO sent")
        ignored = list_cdrs(trial.hub, charging.since, ignored="true")
        aside = {str(each["id"]) for each in ignored}
        trial.expect(sent <= aside, "the hub's operator sees a CDR that a CPO sent among the ignored ones")
        trial.note(f"{len(sent)} CDRs that {party} sent are answered with 1000, ignored, and at no partner")


class _Reader:
    """A probe eMSP that reads its CDRs at the hub: those of an earlier probe's party, or new ones."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.emsp = ProbeEmsp(trial, _party_of_before(trial))
        self.url = self.emsp.details.url("cdrs", "SENDER")
        self._look()
        if not self.own:
            self._make()

    def moments(self) -> list[str]:
        """Return the times at which its CDRs were made, each once, in order."""
        return _moments(self.own)

    def check_cannot_get(self, other: Document) -> None:
        """Expect that GET does not return a CDR of another eMSP's token either.

        The path itself works: the partner that has sent a CDR gets it there.
        """
        _ProbeCpo(self._trial).check_gets_own(other)
        url = below(self.emsp.details.url("cdrs", "RECEIVER"), *_owner(other), other["id"])
        reply = self.emsp.caller.call("GET", url)
        is_refused = reply.http_status == 404 and 2000 <= reply.status_code < 3000 and reply.data is None
        self._trial.expect(
            is_refused, f"{reply}: GET of another eMSP's CDR is refused with HTTP 404 and a status_code 2xxx"
        )
        self._trial.note(f"GET of {_token(other)}'s CDR: HTTP {reply.http_status}, {reply.status_code}")

    def _look(self) -> None:
        recent = _recent(self._trial)
        self.own = [each for each in recent if self.emsp.is_charged(each)]
        self.others = [each for each in recent if not self.emsp.is_charged(each)]

    def _make(self) -> None:
        charging = Charging(self._trial)
        another = charging.charge(take_token(self._trial, "RFID"))
        for count in (ENOUGH, 1, 1):  # a hub's times may have whole seconds only, so that all are equal
            charging.cdrs_of([another, *_charge_as(self.emsp, charging, count)])
            self._look()
            if len(self.moments()) >= DIFFERENT:
                return
        raise Refuted("CDRs that are made one after the other have a later last_updated each")


def _party_of_before(trial: Trial) -> Party | None:
    """Return a party of an earlier probe eMSP with enough CDRs, all of them recent."""
    by_party: dict[Party, list[Document]] = {}
    for each in _recent(trial):
        by_party.setdefault(_token(each), []).append(each)
    begin = now(timedelta(hours=1) - WINDOW)  # a scenario takes less than an hour
    for party, cdrs in reversed(by_party.items()):
        is_probe = all(each["cdr_token"]["uid"].startswith("CERT-") for each in cdrs)
        is_whole = all(is_inside(each["last_updated"], {"date_from": begin}) for each in cdrs)
        is_enough = len(cdrs) >= ENOUGH and len(_moments(cdrs)) >= DIFFERENT and len(by_party) > 1
        if is_probe and is_whole and is_enough and not trial.emsp.party.is_same(*party):
            return party
    return None


def _moments(cdrs: Sequence[Document]) -> list[str]:
    by_moment = {read_datetime(each["last_updated"]): str(each["last_updated"]) for each in cdrs}
    return [by_moment[moment] for moment in sorted(by_moment)]
