"""Unit of a partner's prices of TIME and PARKING_TIME in a tariff: per hour, or per minute.

In OCPI they are per hour. At MOBI.E they may be per minute, and the number does not show the unit. So a
partner has a profile, `time_prices_per_minute`. It changes *pricing* only: tariffs are stored, relayed and
put into CDRs as they were sent, and no price is ever converted.

Both sides of a bill have to read a tariff the same way. So the profile of this partner counts:

- *a CPO's own session*: the partner that sees the session. Under MOBI.E this is the hub; a directly
  connected eMSP has its own profile, and OCPI's unit without one;
- *a session that a hub received*: the CPO that sent the session, because the tariff is its own;
- *a received CDR* that is computed again: the partner that sent the CDR.

A session without a viewer is priced per hour. A changed profile counts for the CDRs that are made from then
on, also for those that correct earlier ones. The running cost of a session follows the profile at the time
when the session began or entered its partition.

Source: docs/mobie.md; OCPI 2.2.1 mod_tariffs, PriceComponent
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.policy.visibility import viewer_of

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner

TIME_PRICES_PER_MINUTE = "time_prices_per_minute"
"""The profile of a partner whose prices of time are per minute."""


def means_minutes(partner: Partner | None) -> bool:
    """Return whether a partner's prices of time are per minute.

    partner: None if it has left.
    """
    return partner is not None and TIME_PRICES_PER_MINUTE in partner.profiles


def prices_by_the_minute(partners: Iterable[Partner], source: str, partition: str) -> bool:
    """Return whether a session's time is priced per minute.

    source: id of the partner that sent it, "" for our own. partition: the list that contains it.
    """
    if source:
        return any(means_minutes(partner) for partner in partners if partner.id == source)
    return any(means_minutes(partner) for partner in partners if viewer_of(partner, partition) is not None)
