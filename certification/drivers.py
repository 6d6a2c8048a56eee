"""The eMSP's driver: tokens that the scenarios work on, and what the CPO is told when one is held up.

Tokens are never deleted in OCPI (TOK-05), so all runs use the same two, one of each type under one uid,
which are not valid when a scenario has ended.
Source: OCPI 2.2.1 mod_tokens; TOK-01, TOK-02, TOK-09, TOK-11 to TOK-14
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from certification.doors import Document, Door, path_of
from certification.ocpi import Party
from certification.samples import token
from certification.trial import Trial
from certification.web import Answer, with_query

UID = "CERT-0001"


def new_uid() -> str:
    """Make up a uid that nobody has a token of."""
    return f"CERT-{secrets.token_hex(6).upper()}"


def write_token(trial: Trial, token_type: str, valid: bool = True) -> Document:
    """Have the eMSP's operator create or replace the token, until the scenario ends. Returns it complete."""
    path = path_of("tokens", UID)
    query = {"type": token_type}
    undo = partial(trial.emsp.ask, "PATCH", with_query(path, query), {"valid": False})
    trial.afterwards(f"the {token_type} token {UID} is not valid", undo)
    trial.emsp.ask("PUT", with_query(path, query), token(valid), (200, 201))
    stored = trial.emsp.own("tokens", UID, query=query)
    trial.expect(
        stored is not None
        and trial.emsp.party.is_same(stored.get("country_code"), stored.get("party_id"))
        and (stored.get("uid"), stored.get("type"), stored.get("valid")) == (UID, token_type, valid)
        and stored.get("last_updated"),
        f"the eMSP's door shows the {token_type} token with what it fills in, not {stored}",
    )
    assert stored is not None
    return stored


def take_token(trial: Trial, token_type: str, valid: bool = True) -> Document:
    """Write the token, and wait until the hub and the CPO hold it as it is."""
    stored = write_token(trial, token_type, valid)
    doors = {"at the hub's door": trial.hub, "at the CPO's door": trial.cpo}
    trial.all_eventually(
        f"the {token_type} token {UID} of {trial.emsp.party}, valid: {str(valid).lower()}",
        {place: partial(_shows, door, stored) for place, door in doors.items()},
    )
    return stored


def hold_up(trial: Trial, uid: str, token_type: str, asked: Document | None = None) -> Answer:
    """Have the CPO's CSMS ask whether a token may be used; `asked`: LocationReferences."""
    return trial.cpo.call(
        "POST", with_query(path_of("tokens", uid, "authorize"), {"type": token_type}), asked
    )


def told(trial: Trial, answer: Answer) -> Any:
    """Read what the CPO's CSMS was told. Raises: Refuted when it is no AuthorizationInfo."""
    document = answer.json() if answer.http_status == 200 else None
    trial.expect(
        isinstance(document, dict) and isinstance(document.get("allowed"), str),
        f"{answer}: the CPO's door answers 200 with allowed, not {answer.body[:200]!r}",
    )
    return document


def _shows(door: Door, token: Document) -> bool:
    owner = Party(token["country_code"], token["party_id"])
    return door.held("tokens", owner, token["uid"], {"type": token["type"]}) == token
