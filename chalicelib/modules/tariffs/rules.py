"""What can be told of a tariff by reading it.

Source: OCPI 2.2.1 mod_tariffs
"""

from __future__ import annotations

from chalicelib.modules.tariffs.objects import Tariff


def is_free_of_charge(tariff: Tariff) -> bool:
    """Tell whether this is OCPI's way to say that charging is free: one flat price of 0, no restrictions.

    Source: OCPI 2.2.1 mod_tariffs_tariff_object; TAR-22
    """
    if len(tariff.elements) != 1 or tariff.elements[0].restrictions is not None:
        return False
    components = tariff.elements[0].price_components
    return len(components) == 1 and components[0].type == "FLAT" and components[0].price == 0
