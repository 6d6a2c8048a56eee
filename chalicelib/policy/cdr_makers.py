"""Decides which side makes the CDR if a hub is between CPO and eMSP: the hub, or the CPO.

In OCPI the CPO makes CDRs. At MOBI.E the hub makes them and ignores CDRs that CPOs send, so this is the
default between a CPO and a hub. The profile `cpo_makes_cdr` of a partner changes it: at a hub, for the
sessions of that CPO; at a CPO, for the sessions that go to that hub. Both sides have to set it. If only one
does, a session has no CDR or two. With a directly connected eMSP the CPO always makes the CDR.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner

CPO_MAKES_CDR = "cpo_makes_cdr"
"""The partner profile that lets the CPO make the CDRs."""


def hub_makes_cdr(partner: Partner | None) -> bool:
    """Return whether the hub makes the CDRs between us and this partner.

    partner: None if it has left.
    """
    return partner is None or CPO_MAKES_CDR not in partner.profiles
