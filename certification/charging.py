"""Finished sessions, and the CDRs that the hub makes of them.

The hub makes CDRs by a timer, once a minute, and a scenario should wait for it only once. So all sessions of
a scenario end before it waits, and scenarios that only read may use CDRs of an earlier scenario or run.
Source: OCPI 2.2.1 mod_cdrs, mod_sessions; CDR-13, CDR-16, CDR-22
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from certification.csms import Csms
from certification.ocpi import Document
from certification.operator_apis import OperatorApi, path_of
from certification.own_objects import create_tariff, own
from certification.samples import read_datetime, write_datetime
from certification.trial import Trial
from certification.web import with_query

KWH = Decimal("9.72")
CHARGED = timedelta(hours=1, seconds=45)  # the tariff bills whole minutes
CLOCKS = timedelta(minutes=1)  # how far the clocks of two nodes may be apart


class Charging:
    """A connector of the CPO with a tariff of its own, until the scenario ends."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._csms = Csms(trial)
        self.place = self._csms.place()
        self.tariff = own(trial, "tariffs", create_tariff(trial))
        self.since = write_datetime(read_datetime(str(self.tariff["last_updated"])) - CLOCKS)
        self._set_tariff()

    def charge(self, token: Document) -> Document:
        """Let a driver charge KWH within CHARGED, ending now. Returns the COMPLETED session."""
        ended = datetime.now(UTC)
        begun = write_datetime(ended - CHARGED)
        session_id = self._csms.start(token, self.place, start_date_time=begun)
        hours = Decimal(int(CHARGED.total_seconds())) / 3600
        dimensions = [{"type": "ENERGY", "volume": KWH}, {"type": "TIME", "volume": hours}]
        end = {
            "kwh": KWH,
            "charging_periods": [{"start_date_time": begun, "dimensions": dimensions}],
            "end_date_time": write_datetime(ended),
            "status": "COMPLETED",
        }
        return self._csms.change(session_id, "PATCH", end)

    def cdrs_of(self, sessions: Sequence[Document]) -> list[Document]:
        """Wait until the hub has made a CDR of each session. Returns them in the same order.

        Raises: Refuted when one is missing, or has two.
        """
        found: list[list[Document]] = []

        def look() -> bool:
            listed = list_cdrs(self._trial.hub, self.since)
            found[:] = [[cdr for cdr in listed if is_of(cdr, session)] for session in sessions]
            return all(found)

        ids = ", ".join(str(session["id"]) for session in sessions)
        self._trial.eventually(f"the hub's operator API has a CDR of {ids}", look, self._trial.timer_s)
        for session, cdrs in zip(sessions, found, strict=True):
            self._trial.expect(
                len(cdrs) == 1, f"session {session['id']} has one CDR at the hub, not {len(cdrs)}"
            )
        return [cdr for (cdr,) in found]

    def _set_tariff(self) -> None:
        """Put the tariff on the connector, and wait until the hub has both."""
        trial, tariff_id = self._trial, str(self.tariff["id"])
        path = path_of("locations", *self.place.values())
        trial.afterwards(
            f"tariff {tariff_id} is off the connector",
            partial(trial.cpo.ask, "PATCH", path, {"tariff_ids": None}),
        )
        trial.cpo.ask("PATCH", path, {"tariff_ids": [tariff_id]})
        site_id = self.place["location_id"]
        site = own(trial, "locations", site_id)
        trial.eventually(
            f"the hub's operator API has tariff {tariff_id} and site {site_id}, where it holds",
            lambda: (
                trial.hub.held("tariffs", trial.cpo.party, tariff_id) == self.tariff
                and trial.hub.held("locations", trial.cpo.party, site_id) == site
            ),
        )


def list_cdrs(api: OperatorApi, since: str, **query: object) -> list[Document]:
    """Return the CDRs of a node since a moment; with `ignored`, those marked as ignored."""
    return api.list_all(with_query("/cdrs", {"date_from": since, "limit": 100, **query}))


def is_of(cdr: Document, session: Document) -> bool:
    """Tell whether a CDR is of this session."""
    names = ("country_code", "party_id")
    return cdr.get("session_id") == session["id"] and all(cdr[name] == session[name] for name in names)
