"""The copies that a probe keeps of other parties' objects, by the rules of an OCPI receiver.

PUT creates or replaces at the level that the URL names. PATCH changes the fields in it, and adds the charging
periods of a session. DELETE is for tariffs only. A CDR is posted and never changes. Tokens of different types
are different tokens. A change of a connector or EVSE lifts `last_updated` of its parents. A push that the
specification does not allow is refused, so that the scenario notices it.
Source: OCPI 2.2.1 mod_locations, mod_tariffs, mod_tokens, mod_sessions, mod_cdrs receiver interfaces; LOC-04
to LOC-07, LOC-13, TAR-02 to TAR-04, TOK-01 to TOK-05, SES-04 to SES-06, CDR-02, CDR-05, CDR-06
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from certification.ocpi import Document, Party

OF_CDR = ("country_code", "party_id", "id")
CHILDREN = (("evses", "uid"), ("connectors", "id"))


class Outcome(NamedTuple):
    """Answer to a push or a GET."""

    http_status: int
    status_code: int
    data: Document | None = None


class Copies:
    """Objects by module, owner and id; ids are compared as CiStrings (TYP-01)."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, ...], Document] = {}
        self._lock = threading.Lock()

    def get(
        self, module: str, owner: Party, object_id: str, token_type: str | None = None
    ) -> Document | None:
        """Return a copy of the object as it is now."""
        with self._lock:
            key = _key(_module_key(module, token_type), *owner, object_id)
            return copy.deepcopy(self._documents.get(key))

    def answer(
        self, method: str, module: str, segments: Sequence[str], body: object, token_type: str | None = None
    ) -> Outcome:
        """Apply a request to a receiver interface.

        segments: country_code, party_id, id, then child ids; none for POST of a CDR. token_type: the `type`
        of the query (TOK-02).
        """
        if module == "cdrs" and method != "GET":
            return self._post(body) if method == "POST" and not segments else Outcome(405, 2001)
        if len(segments) < 3 or len(segments) > (5 if module == "locations" else 3):
            return Outcome(404, 2001)
        module = _module_key(module, token_type)
        with self._lock:
            if method == "GET":
                found = self._find(module, segments)
                return Outcome(404, 2001) if found is None else Outcome(200, 1000, copy.deepcopy(found))
            if method == "DELETE" and module == "tariffs":
                gone = self._documents.pop(_key(module, *segments), None)
                return Outcome(404 if gone is None else 200, 2001 if gone is None else 1000)
            if method == "PUT" and isinstance(body, dict):
                return self._put(module, segments, body)
            if method == "PATCH" and isinstance(body, dict) and module != "tariffs":
                return self._patch(module, segments, body)
        return Outcome(405, 2001)

    def _post(self, body: object) -> Outcome:
        if not isinstance(body, dict) or not all(body.get(name) for name in OF_CDR):
            return Outcome(200, 2001)
        key = _key("cdrs", *(str(body[name]) for name in OF_CDR))
        with self._lock:
            known = self._documents.setdefault(key, copy.deepcopy(body))
            if known != body:
                return Outcome(200, 2001)
        return Outcome(201, 1000)

    def _put(self, module: str, segments: Sequence[str], body: Document) -> Outcome:
        own_id = "uid" if module.startswith("tokens") else "id"
        id_field = ([own_id] + [field for _, field in CHILDREN])[len(segments) - 3]
        if str(body.get(id_field)).upper() != segments[-1].upper() or "last_updated" not in body:
            return Outcome(200, 2001)
        if len(segments) == 3:
            if not Party(*segments[:2]).is_same(body.get("country_code"), body.get("party_id")):
                return Outcome(200, 2001)
            known = _key(module, *segments) in self._documents
            self._documents[_key(module, *segments)] = copy.deepcopy(body)
            return Outcome(200 if known else 201, 1000)
        parent = self._find(module, segments[:-1])
        if parent is None:
            return Outcome(404, 2003)
        siblings = parent.setdefault(CHILDREN[len(segments) - 4][0], [])
        place = next(
            (n for n, each in enumerate(siblings) if each[id_field].upper() == segments[-1].upper()), None
        )
        if place is None:
            siblings.append(copy.deepcopy(body))
        else:
            siblings[place] = copy.deepcopy(body)
        self._lift(module, segments, str(body["last_updated"]))
        return Outcome(201 if place is None else 200, 1000)

    def _patch(self, module: str, segments: Sequence[str], body: Document) -> Outcome:
        target = self._find(module, segments)
        if target is None:
            return Outcome(404, 2003)
        if "last_updated" not in body:
            return Outcome(200, 2001)
        change = copy.deepcopy(body)
        if module == "sessions":
            change["charging_periods"] = _with_periods(target, change)
        target.update(change)
        self._lift(module, segments, str(body["last_updated"]))
        return Outcome(200, 1000)

    def _lift(self, module: str, segments: Sequence[str], last_updated: str) -> None:
        for depth in range(3, len(segments)):
            parent = self._find(module, segments[:depth])
            if parent is not None:
                parent["last_updated"] = last_updated

    def _find(self, module: str, segments: Sequence[str]) -> Document | None:
        found = self._documents.get(_key(module, *segments[:3]))
        for (name, id_field), wanted in zip(CHILDREN, segments[3:], strict=False):
            children = (found or {}).get(name) or []
            found = next((each for each in children if each[id_field].upper() == wanted.upper()), None)
        return found


def _module_key(module: str, token_type: str | None) -> str:
    """Name under which the objects of a module are kept; each type of token has its own (OWN-05)."""
    return f"tokens?type={token_type or 'RFID'}" if module == "tokens" else module


def _with_periods(session: Document, patch: Document) -> list[Any]:
    """Add the periods of a PATCH; a repeated PATCH adds them once (SES-05, SES-08)."""
    periods = list(session.get("charging_periods") or [])
    return periods + [each for each in patch.get("charging_periods") or [] if each not in periods]


def _key(*parts: str) -> tuple[str, ...]:
    return tuple(part.upper() for part in parts)
