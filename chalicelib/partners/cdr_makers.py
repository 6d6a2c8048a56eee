"""Who makes the CDR of record when a hub stands between CPO and eMSP: the hub, or the CPO.

OCPI knows only CDRs that a CPO makes. At MOBI.E the hub makes them, and ignores those that CPOs send, so
that is what is done with a hub, unless the partner's profile `cpo_makes_cdr` says otherwise: at a hub, for
the sessions of that CPO; at a CPO, for the sessions that go to that hub. Both have to have it, or nobody's
CDR counts, or two do. With an eMSP that is connected directly it is always the CPO.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner

CPO_MAKES_CDR = "cpo_makes_cdr"
"""The profile of a hub's or a CPO's partner with which the CDRs of CPOs count."""


def hub_makes_cdr(partner: Partner | None) -> bool:
    """Tell whether, between us and this partner, the one that is a hub makes the CDRs.

    partner: None when it has left.
    """
    return partner is None or CPO_MAKES_CDR not in partner.profiles
