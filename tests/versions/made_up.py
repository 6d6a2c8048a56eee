"""A made-up OCPI version 9.9.

It is as 2.2.1, but a tariff's `currency` is called `money`, and it has no `type`. It has no words for a
tariff of the type AD_HOC_PAYMENT, for one that starts later, and for a location that is not published. A
PATCH of the name of a location means something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known, Loss


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """Call the field `currency`."""
    if kind is not Kind.TARIFF:
        return dict(document)
    return {"currency" if name == "money" else name: value for name, value in document.items()}


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Call the field `money`, and leave `type` out."""
    if kind is Kind.LOCATION and document.get("publish") is False:
        return Converted({}, held="9.9 cannot hide a location")
    if kind is Kind.LOCATION and known.is_patch and "name" in document:
        return Converted({}, whole_needed=True)
    if kind is not Kind.TARIFF:
        return Converted(dict(document))
    if document.get("type") == "AD_HOC_PAYMENT":
        return Converted({}, held="9.9 has no prices of ad hoc payments")
    if "start_date_time" in document and known.now is None:
        return Converted({}, held="it is not valid yet", held_until=document["start_date_time"])
    kept = {name: value for name, value in document.items() if name != "type"}
    losses = (Loss("/type", "9.9 has no type of a tariff"),) if "type" in document else ()
    return Converted({"money" if name == "currency" else name: value for name, value in kept.items()}, losses)


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code
