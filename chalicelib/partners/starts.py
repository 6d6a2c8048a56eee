"""Which partner had a token charged by command: what a session, or an authorization, has to know of it.

An eMSP may use tokens in START_SESSION and RESERVE_NOW that it never pushed, so a session of such a token
leads back to its partner only by the command (CMD-10). And what the eMSP has authorized by a command is
not asked again within a quarter of an hour (CMD-11).

Three items per command: under the token the latest one, and one by its authorization_reference where there
is one; and the latest one by uid and type alone, with its token, since that is all that a charge point
reads, and nobody else may ever have told us of the token. They are written together with the command, and
forgotten after a month.

A session of the token is the command's while what was started can begin: for a quarter of an hour, or until
the reservation ends.

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


class Start(NamedTuple):
    """A command that had a token charged or an EVSE reserved for it.

    partner_id: who sent it. at: when. evse_uid: "" where none was named. until: when a session of it has
    begun at the latest. authorization_reference: "" where there is none.
    """

    partner_id: str
    command_id: str
    at: str
    location_id: str
    evse_uid: str
    until: str
    authorization_reference: str = ""


class Authorized(NamedTuple):
    """The latest start of a token. token: the Token as the command had it."""

    start: Start
    token: JsonText


def start_keys(token: Mapping[str, Any], authorization_reference: str | None = None) -> list[Key]:
    """The keys that `find_start` looks for, the better one first.

    token: a Token or a CdrToken: owner, uid and type count.
    """
    owner = Party(token["country_code"], token["party_id"])
    pk = f"start#{owner.key()}#{fold(token['uid'])}#{fold(token['type'])}"
    by_reference = [Key(pk, f"#{fold(authorization_reference)}")] if authorization_reference else []
    return [*by_reference, Key(pk)]


def start_items(
    token: Mapping[str, Any], authorization_reference: str | None, start: Start, now: datetime
) -> list[Item]:
    """The items to be written with a command. token: its Token."""
    remembered = start._replace(authorization_reference=authorization_reference or "")._asdict()
    remembered["expires_at"] = int((now + _KEPT).timestamp())
    by_uid = authorized_key(token["uid"], token["type"])
    return [
        *({**remembered, "pk": key.pk, "sk": key.sk} for key in start_keys(token, authorization_reference)),
        {**remembered, "pk": by_uid.pk, "sk": by_uid.sk, "token": write_json(token)},
    ]


def find_start(
    table: Table,
    token: Mapping[str, Any],
    authorization_reference: str | None = None,
    known: Mapping[Key, Item] | None = None,
) -> Start | None:
    """The command with this reference, or the latest one with this token; None when there was none.

    known: an earlier read of `start_keys`; otherwise one call.
    """
    keys = start_keys(token, authorization_reference)
    items = table.read(keys, known)
    found = next((items[key] for key in keys if key in items), None)
    return _read(found) if found else None


def authorized_key(uid: str, token_type: str) -> Key:
    """The key that `find_authorized` looks for."""
    return Key(f"authorized#{fold(uid)}#{fold(token_type)}")


def find_authorized(
    table: Table, uid: str, token_type: str, owner: Party | None, known: Mapping[Key, Item] | None = None
) -> Authorized | None:
    """The latest start of a token; None when there was none, or it was another eMSP's than the owner's.

    owner: whose token it is, None when nobody knows. known: as for `find_start`.
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
    start: Start | None, token_type: str, location_id: str, evse_uid: str | None, now: datetime
) -> bool:
    """Tell whether a command has authorized a token already, so that the eMSP is not to be asked (CMD-11).

    start: the latest command with the token. For RFID it counts for a quarter of an hour, at its own EVSE,
    or at the whole location when it named none.
    """
    if start is None:
        return False
    if token_type in _NEVER_ASKED:
        return True
    return _is_at(start, location_id, evse_uid) and now - parse_datetime(start.at) < _AUTHORIZED_FOR


def begins(start: Start, location_id: str, evse_uid: str, now: datetime) -> bool:
    """Tell whether a session of the token that is new at a place is what a command has started (SES-13).

    evse_uid: `#NA` while a reservation has none yet (SES-16).
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
) -> Start:
    """A command as it is remembered. expiry_date: a reservation's."""
    until = format_datetime(now + _AUTHORIZED_FOR)
    if expiry_date is not None:
        until = max(until, expiry_date, key=sort_key)
    return Start(partner_id, command_id, format_datetime(now), location_id, evse_uid or "", until)


def _is_at(start: Start, location_id: str, evse_uid: str | None) -> bool:
    is_at_location = fold(start.location_id) == fold(location_id)
    return is_at_location and fold(start.evse_uid) in ("", fold(evse_uid or ""))


def _read(item: Item) -> Start:
    return Start(**{name: item[name] for name in Start._fields})
