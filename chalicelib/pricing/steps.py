"""Rounds billed quantities up to whole steps, once per session.

Source: OCPI 2.2.1 mod_cdrs_step_size; mod_tariffs, PriceComponent; TAR-17, TAR-18, TRP-33
"""

from __future__ import annotations

from decimal import Decimal

# A microwatthour or a nanosecond: anything smaller is a rounding error, not consumption.
_NOTHING = Decimal("1E-6")


def surplus_of(used: Decimal, step: int) -> Decimal:
    """Return the quantity that is added to a session's total to fill its last step.

    used: Wh or seconds of the whole session. step: the `step_size` of the last component; 0 means no steps.

    >>> surplus_of(Decimal("115.2"), 25), surplus_of(Decimal(500), 500), surplus_of(Decimal(0), 500)
    (Decimal('9.8'), Decimal('0'), Decimal('0'))

    Source: OCPI 2.2.1 mod_cdrs_step_size
    """
    # Spec: "greater than the consumed amount" is contradicted by every example with an exact multiple.
    if step == 0 or used <= 0:
        return Decimal(0)
    beyond = used % step
    return step - beyond if beyond > _NOTHING else Decimal(0)
