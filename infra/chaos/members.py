"""Partners of a chaos run: where each is registered, and what fails there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from certification.ocpi import Party
from infra.chaos import partner_faults
from infra.chaos.partner_faults import PartnerFault

COUNTRY_CODE = "PT"


@dataclass(frozen=True)
class Trouble:
    """Temporary failure of a partner.

    fault: makes its answers, from the run's seed; None: the partner is gone. refuses: whether the operator
    has to send again what it refused. takes_all: whether it takes every push and is healthy, except for the
    form of its answers.
    """

    name: str
    fault: Callable[[int], PartnerFault] | None
    refuses: bool = False
    takes_all: bool = False


REFUSES = Trouble("refuses (2001)", lambda seed: partner_faults.refuse(), refuses=True)
HANGS = Trouble("hangs", lambda seed: partner_faults.hang())
HTML_4XX = Trouble("HTML 4xx", lambda seed: partner_faults.answer_html_4xx())
HTML_5XX = Trouble("HTML 5xx", lambda seed: partner_faults.answer_html_5xx())
ODD = Trouble("204, OK, {}", lambda seed: partner_faults.succeed_oddly(), takes_all=True)
GARBAGE = Trouble("garbage", partner_faults.answer_garbage)
LENGTHS = Trouble("false lengths", lambda seed: partner_faults.lie_about_lengths())
LOSES = Trouble("loses answers", lambda seed: partner_faults.lose_answers())
DEAD = Trouble("dead for a while", None)


@dataclass(frozen=True)
class Member:
    """One partner. at: the node where it is registered, `hub` or `cpo`."""

    name: str
    at: str
    role: str
    party_id: str
    trouble: Trouble | None = None

    @property
    def party(self) -> Party:
        """Party of the partner."""
        return Party(COUNTRY_CODE, self.party_id)


MEMBERS = (
    Member("cpo-1", "hub", "CPO", "HC1"),
    Member("cpo-dead", "hub", "CPO", "HC2", DEAD),
    Member("emsp-1", "hub", "EMSP", "HE1"),
    Member("emsp-2", "hub", "EMSP", "HE2"),
    Member("emsp-refuses", "hub", "EMSP", "HER", REFUSES),
    Member("emsp-hangs", "hub", "EMSP", "HEH", HANGS),
    Member("emsp-hangs-2", "hub", "EMSP", "HEI", HANGS),
    Member("emsp-4xx", "hub", "EMSP", "HE4", HTML_4XX),
    Member("emsp-5xx", "hub", "EMSP", "HE5", HTML_5XX),
    Member("emsp-odd", "hub", "EMSP", "HEO", ODD),
    Member("emsp-garbage", "hub", "EMSP", "HEG", GARBAGE),
    Member("emsp-lengths", "hub", "EMSP", "HEL", LENGTHS),
    Member("emsp-loses", "hub", "EMSP", "HEA", LOSES),
    Member("emsp-dead", "hub", "EMSP", "HED", DEAD),
    Member("direct-1", "cpo", "EMSP", "CE1"),
    Member("direct-hangs", "cpo", "EMSP", "CEH", HANGS),
    Member("direct-4xx", "cpo", "EMSP", "CE4", HTML_4XX),
    Member("direct-dead", "cpo", "EMSP", "CED", DEAD),
)
