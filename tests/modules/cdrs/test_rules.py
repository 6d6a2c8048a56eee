"""Source: OCPI 2.2.1 mod_cdrs; CDR-13"""

from __future__ import annotations

from chalicelib.modules.cdrs.rules import token_of
from tests.modules.door import EMSP
from tests.modules.sessions.builders import cdr_token, session

AT_START = cdr_token(contract_id="PT-GLP-OLD")


def test_the_token_is_as_it_was_at_the_start() -> None:
    assert token_of(session(), AT_START) == AT_START


def test_a_token_of_the_same_uid_of_another_emsp_is_another_token() -> None:
    """Source: OWN-05"""
    token = cdr_token(EMSP._replace(party_id="XYZ"))

    assert token_of(session(cdr_token=token), AT_START) == token
