"""Which partner had a token charged by command: what a session, or an authorization, has to know of it.

An eMSP may use tokens in START_SESSION and RESERVE_NOW that it never pushed, so a session of such a token
leads back to its partner only by the command (CMD-10). And what the eMSP has authorized by a command is
not asked again within a quarter of an hour (CMD-11).

Two items per command, under the token: the latest one, and one by its authorization_reference where there
is one. They are written together with the command, and forgotten after a month.

Source: OCPI 2.2.1 mod_commands_startsession_object, mod_commands_reservenow_object; CMD-10, CMD-11
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, parse_datetime
from chalicelib.storage.table import Item, Key, Table

_KEPT = timedelta(days=30)
_AUTHORIZED_FOR = timedelta(minutes=15)
_NEVER_ASKED = frozenset({"AD_HOC_USER", "APP_USER"})


class Start(NamedTuple):
    """A command that had a token charged or an EVSE reserved for it.

    partner_id: who sent it. at: when. evse_uid: "" where none was named.
    """

    partner_id: str
    command_id: str
    at: str
    location_id: str
    evse_uid: str


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
    """The items to be written with a command."""
    expires_at = int((now + _KEPT).timestamp())
    return [
        {"pk": key.pk, "sk": key.sk, **start._asdict(), "expires_at": expires_at}
        for key in start_keys(token, authorization_reference)
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
    return Start(**{name: found[name] for name in Start._fields}) if found else None


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
    is_at_location = fold(start.location_id) == fold(location_id)
    is_here = is_at_location and fold(start.evse_uid) in ("", fold(evse_uid or ""))
    return is_here and now - parse_datetime(start.at) < _AUTHORIZED_FOR


def started(partner_id: str, command_id: str, now: datetime, location_id: str, evse_uid: str | None) -> Start:
    """A command as it is remembered."""
    return Start(partner_id, command_id, format_datetime(now), location_id, evse_uid or "")
