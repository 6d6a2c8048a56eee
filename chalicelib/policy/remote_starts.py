"""Record of START_SESSION and RESERVE_NOW commands, by token: used by sessions and by authorization.

An eMSP may send commands with a token that it never pushed. Only the command links a session of such a
token to the partner that receives it (CMD-10). And a token that a command has authorized is not sent to the
eMSP for authorization again within 15 minutes (CMD-11).

Each command writes up to three items, in its own transaction. They expire after 30 days:

- the latest command of the token;
- the command by its authorization_reference, if it has one;
- the latest command by the token's uid and type alone, with the Token. A charge point reads only uid and
  type, and the Token may be unknown to this node otherwise.

A new session of the token belongs to the command if it begins within 15 minutes, or before the reservation
ends.

Source: OCPI 2.2.1 mod_commands_startsession_object, mod_commands_reservenow_object; CMD-10, CMD-11, SES-13
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, parse_datetime, sort_key
from chalicelib.storage.table import Item, Key, Table

_KEPT = timedelta(days=30)
_AUTHORIZED_FOR = timedelta(minutes=15)
_NEVER_ASKED = frozenset({"AD_HOC_USER", "APP_USER"})
"""Token types that need no authorization after a command, at any time and place."""


class RemoteStart(NamedTuple):
    """Record of one START_SESSION or RESERVE_NOW.

    partner_id: the partner that sent it. at: time of arrival. evse_uid: "" when the command names none.
    until: a session of it begins before this time. authorization_reference: "" when it has none.
    """

    partner_id: str
    command_id: str
    at: str
    location_id: str
    evse_uid: str
    until: str
    authorization_reference: str = ""


class Authorized(NamedTuple):
    """The latest command of a token. token: the Token in the command."""

    start: RemoteStart
    token: JsonText


def start_keys(token: Mapping[str, Any], authorization_reference: str | None = None) -> list[Key]:
    """Keys of the items that `find_start` reads; the more exact one first.

    token: a Token or a CdrToken; only owner, uid and type are used.
    """
    owner = Party(token["country_code"], token["party_id"])
    pk = f"start#{owner.key()}#{fold(token['uid'])}#{fold(token['type'])}"
    by_reference = [Key(pk, f"#{fold(authorization_reference)}")] if authorization_reference else []
    return [*by_reference, Key(pk)]


def start_items(
    token: Mapping[str, Any], authorization_reference: str | None, start: RemoteStart, now: datetime
) -> list[Item]:
    """Make the items to write with a command. token: its Token."""
    record = start._replace(authorization_reference=authorization_reference or "")._asdict()
    record["expires_at"] = int((now + _KEPT).timestamp())
    by_uid = authorized_key(token["uid"], token["type"])
    return [
        *({**record, "pk": key.pk, "sk": key.sk} for key in start_keys(token, authorization_reference)),
        {**record, "pk": by_uid.pk, "sk": by_uid.sk, "token": write_json(token)},
    ]


def find_start(
    table: Table,
    token: Mapping[str, Any],
    authorization_reference: str | None = None,
    known: Mapping[Key, Item] | None = None,
) -> RemoteStart | None:
    """Find the command with this reference, else the latest one with this token. Returns None without any.

    known: an earlier read of `start_keys`; without it, one call.
    """
    keys = start_keys(token, authorization_reference)
    items = table.read(keys, known)
    found = next((items[key] for key in keys if key in items), None)
    return _read(found) if found else None


def authorized_key(uid: str, token_type: str) -> Key:
    """Key of the item that `find_authorized` reads."""
    return Key(f"authorized#{fold(uid)}#{fold(token_type)}")


def find_authorized(
    table: Table, uid: str, token_type: str, owner: Party | None, known: Mapping[Key, Item] | None = None
) -> Authorized | None:
    """Find the latest command of a token. Returns None without any, or if its Token has another owner.

    owner: the token's eMSP, None when it is unknown. known: an earlier read of `authorized_key`.
    """
    key = authorized_key(uid, token_type)
    found = table.read([key], known).get(key)
    if found is None:
        return None
    token = read_json(found["token"])
    if owner is not None and not owner.same_as(Party(token["country_code"], token["party_id"])):
        return None
    return Authorized(_read(found), JsonText(found["token"]))


def is_authorized(
    start: RemoteStart | None, token_type: str, location_id: str, evse_uid: str | None, now: datetime
) -> bool:
    """Check whether a command has authorized a token already, so that the eMSP is not asked (CMD-11).

    start: the latest command with the token. An RFID command counts for 15 minutes, at its EVSE, or at the
    whole location when it names no EVSE.
    """
    if start is None:
        return False
    if token_type in _NEVER_ASKED:
        return True
    return _is_at(start, location_id, evse_uid) and now - parse_datetime(start.at) < _AUTHORIZED_FOR


def begins(start: RemoteStart, location_id: str, evse_uid: str, now: datetime) -> bool:
    """Check whether a new session of the token at a location is the one that a command has started (SES-13).

    evse_uid: `#NA` while a reservation has no EVSE yet (SES-16).
    """
    is_here = _is_at(start, location_id, start.evse_uid if evse_uid == "#NA" else evse_uid)
    return is_here and now < parse_datetime(start.until)


def started(
    partner_id: str,
    command_id: str,
    now: datetime,
    location_id: str,
    evse_uid: str | None,
    expiry_date: str | None = None,
) -> RemoteStart:
    """Make the record of a command. expiry_date: end of the reservation, for RESERVE_NOW."""
    until = format_datetime(now + _AUTHORIZED_FOR)
    if expiry_date is not None:
        until = max(until, expiry_date, key=sort_key)
    return RemoteStart(partner_id, command_id, format_datetime(now), location_id, evse_uid or "", until)


def _is_at(start: RemoteStart, location_id: str, evse_uid: str | None) -> bool:
    is_at_location = fold(start.location_id) == fold(location_id)
    return is_at_location and fold(start.evse_uid) in ("", fold(evse_uid or ""))


def _read(item: Item) -> RemoteStart:
    return RemoteStart(**{name: item[name] for name in RemoteStart._fields})
