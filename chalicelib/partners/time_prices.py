"""What a partner means by the prices of TIME and PARKING_TIME in a tariff: per hour, or per minute.

OCPI says per hour. At MOBI.E they may mean per minute, and a number alone does not tell. So it is a partner's
profile, `time_prices_per_minute`, and it is about *pricing* only: tariffs are stored, relayed and put into
CDRs as they were sent, and no price is ever converted.

Whose profile counts follows from whom a session is settled with, since both sides have to read a tariff the
same way:

- *a CPO's own session*: that of the partner that the session is shown to. Under MOBI.E this is the hub; an
  eMSP that is connected directly beside it has its own profile, and OCPI's meaning without one;
- *a session that a hub received*: that of the CPO that sent it, whose tariff it is;
- *a CDR that was received* and is computed again: that of the partner that it came from.

A session that is shown to nobody is priced per hour. A profile that is changed counts for the CDRs that are
made from then on, also for those that correct earlier ones. What a session costs while it goes on follows the
profile as it was when the session began, or came into its list.

Source: docs/mobie.md; OCPI 2.2.1 mod_tariffs, PriceComponent
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.partners.visibility import viewer_of

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner

TIME_PRICES_PER_MINUTE = "time_prices_per_minute"
"""The profile of a partner that means prices of time per minute."""


def means_minutes(partner: Partner | None) -> bool:
    """Tell whether a partner means prices of time per minute; None is one that has left."""
    return partner is not None and TIME_PRICES_PER_MINUTE in partner.profiles


def prices_by_the_minute(partners: Iterable[Partner], source: str, partition: str) -> bool:
    """Tell whether a session's time is priced per minute.

    source: id of the partner that it came from, "" for an own one. partition: the list that it stands in.
    """
    if source:
        return any(means_minutes(partner) for partner in partners if partner.id == source)
    return any(means_minutes(partner) for partner in partners if viewer_of(partner, partition) is not None)
