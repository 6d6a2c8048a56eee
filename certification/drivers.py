"""The eMSP's driver: the tokens that the scenarios use, and the CPO's authorization of them.

Tokens are never deleted in OCPI (TOK-05). So all runs use the same two tokens, one of each type with one uid,
and make them invalid when a scenario ends.
Source: OCPI 2.2.1 mod_tokens; TOK-01, TOK-02, TOK-09, TOK-11 to TOK-14
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from certification.ocpi import Document, Party
from certification.operator_apis import OperatorApi, path_of
from certification.samples import token
from certification.trial import Trial
from certification.web import Answer, with_query

UID = "CERT-0001"


def new_uid() -> str:
    """Make up a uid that no token has."""
    return f"CERT-{secrets.token_hex(6).upper()}"


def write_token(trial: Trial, token_type: str, valid: bool = True) -> Document:
    """Create or replace the token at the eMSP, until the scenario ends. Returns the complete token."""
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
        f"the eMSP's operator API shows the {token_type} token with what it fills in, not {stored}",
    )
    assert stored is not None
    return stored


def take_token(trial: Trial, token_type: str, valid: bool = True) -> Document:
    """Write the token, and wait until the hub and the CPO have it."""
    stored = write_token(trial, token_type, valid)
    apis = {"at the hub's operator API": trial.hub, "at the CPO's operator API": trial.cpo}
    trial.all_eventually(
        f"the {token_type} token {UID} of {trial.emsp.party}, valid: {str(valid).lower()}",
        {place: partial(_shows, api, stored) for place, api in apis.items()},
    )
    return stored


def hold_up(trial: Trial, uid: str, token_type: str, asked: Document | None = None) -> Answer:
    """Ask the CPO, as its CSMS does, whether a token may be used; `asked`: LocationReferences."""
    return trial.cpo.call(
        "POST", with_query(path_of("tokens", uid, "authorize"), {"type": token_type}), asked
    )


def authorization_info(trial: Trial, answer: Answer) -> Any:
    """Read the AuthorizationInfo that the CPO's CSMS received. Raises: Refuted when it is none."""
    document = answer.json() if answer.http_status == 200 else None
    trial.expect(
        isinstance(document, dict) and isinstance(document.get("allowed"), str),
        f"{answer}: the CPO's operator API answers 200 with allowed, not {answer.body[:200]!r}",
    )
    return document


def _shows(api: OperatorApi, token: Document) -> bool:
    """Tell whether a node has the token; a change of `last_updated` alone is not passed on."""
    owner = Party(token["country_code"], token["party_id"])
    held = api.held("tokens", owner, token["uid"], {"type": token["type"]})
    return held is not None and {**held, "last_updated": token["last_updated"]} == token
