"""Rounds what is billed up to whole steps, once per session.

Source: OCPI 2.2.1 mod_cdrs_step_size; mod_tariffs, PriceComponent; TAR-17, TAR-18, TRP-33
"""

from __future__ import annotations

from decimal import Decimal

# A microwatthour, a nanosecond: less than that is no consumption but somebody's arithmetic.
_NOTHING = Decimal("1E-6")


def surplus_of(used: Decimal, step: int) -> Decimal:
    """Tell how much is billed beyond a session's total to fill its last step.

    used: Wh or seconds, over the session and not over the last period. step: the `step_size` of the
    last component; 0 stands for none.

    >>> surplus_of(Decimal("115.2"), 25), surplus_of(Decimal(500), 500), surplus_of(Decimal(0), 500)
    (Decimal('9.8'), Decimal('0'), Decimal('0'))

    Source: OCPI 2.2.1 mod_cdrs_step_size
    """
    # Spec: "greater than the consumed amount" is contradicted by every example with an exact multiple.
    if step == 0 or used <= 0:
        return Decimal(0)
    beyond = used % step
    return step - beyond if beyond > _NOTHING else Decimal(0)
