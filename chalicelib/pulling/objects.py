"""A pull: the reading of a partner's list of one module, with the place at which it stands.

Source: docs/design.md, A pull; TRN-31, TRN-32, TOK-07
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from chalicelib.calls.pages import Crawl
from chalicelib.protocol.types import parse_datetime

OVERLAP = timedelta(hours=1)
"""A pull reads this much again, because clocks differ and a change may be stored late."""

SILENCE = timedelta(hours=1)
"""A pull that has shown no progress for so long has lost its message: a new one takes its place."""


class Cause(StrEnum):
    """The reason why a pull was started."""

    REGISTRATION = "REGISTRATION"
    OPERATOR = "OPERATOR"
    OUTAGE = "OUTAGE"
    SCHEDULE = "SCHEDULE"


class PullState(StrEnum):
    """The state of a pull.

    WAITING: the partner is away, failed, or asked to be called later. COMPARING: everything is read, and what
    the list no longer had is looked for.
    """

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPARING = "COMPARING"
    DONE = "DONE"
    FAILED = "FAILED"


class Comparison(BaseModel):
    """The place at which the comparison stands: which of our lists, and after which of its entries."""

    model_config = ConfigDict(frozen=True)
    list_index: int = 0
    after: dict[str, Any] | None = None


class Pull(BaseModel):
    """One pull, or the last one of a partner and module.

    id: a new request has a new one. date_from: None for a full pull. version, endpoint: those of the
    partner when it began. crawl: the page to read next. skip: its entries that were taken already. step:
    number of the message that may go on (`PullStep`). revision: rises with every write, so that of two
    workers only one goes on.

    objects: entries of the pages. kept: new or changed here. unchanged: the same as stored. refused: not
    stored. odd: stored with a remark, such as a repair. own: objects of this node, which a hub lists as well.
    vanished: stored objects that a full pull no longer found, None while that is not known. tries: failed
    calls in a row. waits: how often the partner asked to be called later. retry_at: no call before then.
    progressed: time of the last progress. succeeded: start of the last pull after which nothing before it is
    missing.
    """

    model_config = ConfigDict(frozen=True)
    id: str
    partner_id: str
    module: str
    cause: Cause
    state: PullState = PullState.RUNNING
    started: str
    date_from: str | None = None
    version: str | None = None
    endpoint: str | None = None
    crawl: Crawl | None = None
    skip: int = 0
    comparison: Comparison | None = None
    step: int = 0
    revision: int = 0
    pages: int = 0
    objects: int = 0
    kept: int = 0
    unchanged: int = 0
    refused: int = 0
    odd: int = 0
    own: int = 0
    vanished: int | None = None
    tries: int = 0
    waits: int = 0
    error: str | None = None
    retry_at: str | None = None
    progressed: str
    finished: str | None = None
    succeeded: str | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether it is done or has failed."""
        return self.state in (PullState.DONE, PullState.FAILED)

    def is_alive(self, now: datetime) -> bool:
        """Tell whether it is still going on, so that a second one would only do the same."""
        due = max(map(parse_datetime, (self.progressed, self.retry_at or self.progressed)))
        return not self.is_over and now - due < SILENCE

    def is_from(self, version: str | None, endpoint: str | None) -> bool:
        """Tell whether it reads this endpoint in this version; True where it is not known."""
        return self.endpoint is None or (self.version, self.endpoint) == (version, endpoint)

    def covers(self, date_from: str | None) -> bool:
        """Tell whether it reads everything that a pull with another `date_from` would."""
        if self.date_from is None or date_from is None:
            return self.date_from is None
        return parse_datetime(self.date_from) <= parse_datetime(date_from)

    def changed(self, now: str, **changes: Any) -> Pull:
        """This pull with other values, which were made now."""
        return self.model_copy(update={"progressed": now, **changes})

    def done(self, now: str) -> Pull:
        """This pull at its end: what it read is not read again."""
        leaves_no_gap = self.date_from is None or (self.succeeded is not None and self.covers(self.succeeded))
        succeeded = self.started if leaves_no_gap else self.succeeded
        return self.changed(now, state=PullState.DONE, finished=now, crawl=None, succeeded=succeeded)
