"""Scenarios 2.1 to 2.5: the CPO's tariffs reach MOBI.E and, by broadcast, the eMSPs; MOBI.E reads them.

The changes are made with the CPO's operator API and checked at three receivers. Only the sender sees the
hub's HTTP 201 and 200, so a probe CPO pushes a tariff of its own.
Source: OCPI 2.2.1 mod_tariffs, transport_and_format_message_routing_broadcast_push; TAR-01 to TAR-06, RTE-12
to RTE-15
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from certification.crawling import check_crawls, check_windows
from certification.handshake import SENDS, join
from certification.ocpi import Caller, Document
from certification.operator_apis import path_of
from certification.own_objects import create_tariff, own
from certification.samples import as_pushed, new_tariff_id, tariff, write_datetime
from certification.trial import Trial
from certification.web import below
from certification.witnesses import Witnesses


def scenario_2_1_create_tariff(trial: Trial) -> None:
    """The CPO's operator creates a tariff: the hub and the eMSPs have it, under the CPO's ids."""
    witnesses = Witnesses(trial, "tariffs")
    tariff_id = create_tariff(trial, "0.25")
    stored = own(trial, "tariffs", tariff_id)
    witnesses.see(stored, f"tariff {tariff_id}")

    if trial.has_probe("the hub's 201"):
        owner = _ProbeOwner(trial)
        owner.put("0.30", 201)
        witnesses.see(owner.pushed, "the probe CPO's tariff")


def scenario_2_2_update_tariff(trial: Trial) -> None:
    """The CPO's operator changes a tariff: the hub and the eMSPs have the new one."""
    witnesses = Witnesses(trial, "tariffs")
    tariff_id = create_tariff(trial, "0.25")
    first = own(trial, "tariffs", tariff_id)
    witnesses.see(first, "the first state")
    trial.cpo.ask("PUT", path_of("tariffs", tariff_id), tariff("0.27"), (200,))
    second = own(trial, "tariffs", tariff_id)
    trial.expect(
        second["elements"] != first["elements"] and second["last_updated"] != first["last_updated"],
        "the CPO's operator API shows the new price and a new last_updated",
    )
    witnesses.see(second, "the new state")

    if trial.has_probe("the hub's 200"):
        owner = _ProbeOwner(trial)
        owner.put("0.30", 201)
        owner.put("0.31", 200)
        witnesses.see(owner.pushed, "the probe CPO's new state")


def scenario_2_3_delete_tariff(trial: Trial) -> None:
    """The CPO's operator deletes a tariff: it is gone from the hub and the eMSPs, and GET is 404."""
    witnesses = Witnesses(trial, "tariffs")
    tariff_id = create_tariff(trial, "0.25")
    stored = own(trial, "tariffs", tariff_id)
    witnesses.see(stored, "the tariff")
    trial.cpo.ask("DELETE", path_of("tariffs", tariff_id))
    trial.expect(
        trial.cpo.own("tariffs", tariff_id) is None,
        "the CPO's operator API answers 404 for the deleted tariff",
    )
    witnesses.see_gone(stored, "the tariff is gone")

    if trial.has_probe("the hub's 404 after a DELETE"):
        owner = _ProbeOwner(trial)
        owner.put("0.30", 201)
        witnesses.see(owner.pushed, "the probe CPO's tariff")
        reply = owner.caller.call("DELETE", owner.url)
        trial.expect(reply.is_success, f"{reply}: DELETE of a tariff is answered with 1000")
        gone = owner.caller.call("GET", owner.url)
        trial.expect(gone.http_status == 404, f"{gone}: GET of a deleted tariff is 404")
        trial.note(f"DELETE at the hub answers {reply.status_code}, GET then HTTP {gone.http_status}")
        witnesses.see_gone(owner.pushed, "the probe CPO's tariff is gone")


def scenario_2_4_get_all_tariffs(trial: Trial) -> None:
    """MOBI.E reads all tariffs of the CPO by pages: each once, every X-Total-Count correct."""
    for price in ("0.21", "0.22", "0.23", "0.24", "0.25"):
        create_tariff(trial, price)
    check_crawls(trial, "tariffs", limit=2)


def scenario_2_5_get_filtered_tariffs(trial: Trial) -> None:
    """MOBI.E reads the tariffs between two dates: first inclusive, second exclusive, kept by Link."""
    # Five random instants in the past, so that hardly any other tariff of the CPO is between them.
    start = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(20 * 365 * 86400))
    moments = [start + timedelta(milliseconds=later) for later in (0, 1000, 1200, 2000, 3000)]
    ids = [create_tariff(trial, "0.25", write_datetime(moment)) for moment in moments]
    check_windows(
        trial,
        "tariffs",
        [str(own(trial, "tariffs", tariff_id)["last_updated"]) for tariff_id in ids],
        limit=1,
    )


class _ProbeOwner:
    """A probe CPO at the hub, and one tariff of its own, which is deleted when the scenario ends."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        partner, _ = join(trial, trial.hub, "CPO", SENDS)
        self.party = partner.party
        self.tariff_id = new_tariff_id()
        self.caller: Caller = partner.caller(trial.hub.party)
        receiver = partner.registered_details().url("tariffs", "RECEIVER")
        self.url = below(receiver, *self.party, self.tariff_id)
        self.pushed: Document = {}
        trial.afterwards(f"tariff {self.tariff_id} is deleted", lambda: self.caller.call("DELETE", self.url))

    def put(self, price: str, http_status: int) -> None:
        self.pushed = as_pushed(tariff(price), self.party, self.tariff_id)
        reply = self.caller.call("PUT", self.url, self.pushed)
        self._trial.expect(
            reply.is_success and reply.http_status == http_status,
            f"{reply}: PUT of the probe CPO's tariff is answered with HTTP {http_status} and 1000",
        )
        self._trial.note(
            f"PUT of the probe CPO's tariff at the hub answers HTTP {http_status}, {reply.status_code}"
        )
