"""Chooses the tariff of a session among those of its connector.

The tariff that is valid when the session starts prices the whole session: the driver agreed to it, and in
many countries the law requires it (TAR-24). A tariff of an unknown type is never chosen. Where it could have
been the right one, the chosen tariff carries a doubt, and no CDR is made.

Source: OCPI 2.2.1 mod_tariffs, TariffType; mod_sessions, Set Charging Preferences; TAR-08
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import Remark
from chalicelib.pricing.tariffs import ParsedTariff
from chalicelib.pricing.unknown_fields import unknown_value

TARIFF_TYPES = ("AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR")


@dataclass(frozen=True, slots=True)
class Wish:
    """Wishes of the driver: a tariff by its id, a profile type, ad hoc payment."""

    tariff_id: str | None = None
    profile_type: str | None = None
    ad_hoc_payment: bool = False


def choose_tariff(
    tariffs: Sequence[ParsedTariff], start: datetime, wish: Wish, remarks: list[Remark]
) -> ParsedTariff:
    """Choose the tariff that prices a session.

    Raises: InvalidParameters when none is valid for it; a wrong price would be worse.
    """
    if wish.tariff_id is not None:
        return _named(tariffs, start, wish.tariff_id, remarks)
    valid = [tariff for tariff in tariffs if tariff.is_valid_at(start)]
    if not valid:
        raise InvalidParameters("no tariff is valid at the start of the session", field="tariffs")
    wanted = _wanted_type(wish)
    # Spec: a tariff without a type is valid for all sessions, one for regular sessions is for those only.
    for tariff_type in (wanted, None):
        for tariff in valid:
            if tariff.type == tariff_type:
                return tariff if tariff_type == wanted else _with_doubts(tariff, tariffs, valid, remarks)
    if wish.profile_type is not None:
        for tariff in valid:
            if tariff.type == "REGULAR":
                text = f"no tariff is for the profile {wish.profile_type}, the regular one is taken"
                remarks.append(Remark("no_profile_tariff", "session.charging_preferences", text))
                return _with_doubts(tariff, tariffs, valid, remarks)
    offered = ", ".join(f"{tariff.id} is {tariff.type}" for tariff in valid)
    text = f"no tariff is valid for this session: it needs {wanted}, {offered}"
    raise InvalidParameters(text, field="tariffs")


def _with_doubts(
    chosen: ParsedTariff,
    tariffs: Sequence[ParsedTariff],
    valid: Sequence[ParsedTariff],
    remarks: list[Remark],
) -> ParsedTariff:
    """Add a doubt to a fallback tariff for each valid tariff of an unknown type that might fit better."""
    doubts = tuple(
        unknown_value(each.type, TARIFF_TYPES, "unknown_type", f"tariffs.{number}.type", "tariff type")
        for number, each in enumerate(tariffs)
        if each in valid and each.type is not None and each.type not in TARIFF_TYPES
    )
    if not doubts:
        return chosen
    remarks.extend(doubts)
    return replace(chosen, doubts=(*chosen.doubts, *doubts))


def _named(
    tariffs: Sequence[ParsedTariff], start: datetime, tariff_id: str, remarks: list[Remark]
) -> ParsedTariff:
    named = [tariff for tariff in tariffs if tariff.id.upper() == tariff_id.upper()]
    if not named:
        raise InvalidParameters(f"there is no tariff {tariff_id!r}", field="session.tariff_id")
    for tariff in named:
        if tariff.is_valid_at(start):
            return tariff
    text = f"the tariff {tariff_id!r} is not valid at the start of the session"
    remarks.append(Remark("tariff_not_valid", "tariffs", text))
    return named[0]


def _wanted_type(wish: Wish) -> str:
    if wish.profile_type is not None:
        return "REGULAR" if wish.profile_type == "REGULAR" else f"PROFILE_{wish.profile_type}"
    return "AD_HOC_PAYMENT" if wish.ad_hoc_payment else "REGULAR"
