"""Bad credentials, from a sender with a token A and from a registered partner.

They register no partner and update nothing, and the token A stays valid.
Chapter: OCPI 2.2.1 credentials; CRD-09, CRD-10, CRD-19, CRD-22 .. CRD-25, STA-01, STA-02, TRN-12.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows import wrong
from tests.flows.conftest import Guests, name_of
from tests.flows.stand import (
    TWO_MEGABYTES,
    Stand,
    at_every_node,
    at_the_hub,
    table,
)
from tests.third_party.connection import Connection, Unusable
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.wire import write_json


@pytest.fixture(scope="module")
def invited(nodes: dict[str, Node], module_guests: Guests) -> Iterator[dict[str, Connection]]:
    """One connection of a strict partner per node, with a token A only, which still works at the end."""
    roles = {"cpo": "EMSP", "hub": "CPO", "emsp": "CPO"}
    lines = {
        at: module_guests.discover(module_guests.partner(role), nodes[at], strict=True)
        for at, role in roles.items()
    }
    yield lines
    for at, line in lines.items():
        assert nodes[at].status_of(name_of(line.partner)) == "INVITED"
        assert line.register().status_code == 1000


@at_the_hub
@table(wrong.CREDENTIALS)
def test_invalid_credentials_register_no_partner(
    stand: Stand, at: str, row: wrong.Change, invited: dict[str, Connection]
) -> None:
    """Source: CRD-23, CRD-24, CRD-25"""
    line = invited[at]
    calls = len(line.partner.received)

    answer = line.credentials("POST", wrong.build(credentials(line.partner), row))

    stand.expect(answer, (200, 2001))
    assert len(line.partner.received) == calls


def credentials(partner: Partner) -> dict[str, Any]:
    return partner.credentials("a-token-of-a-third-party")


@pytest.mark.parametrize("at", ["cpo"])
@table(wrong.CREDENTIALS)
def test_invalid_credentials_update_nothing(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: CRD-22, CRD-23, CRD-24, CRD-25"""
    before = stand.node.partner(name_of(stand.line.partner))

    answer = stand.line.credentials("PUT", wrong.build(credentials(stand.line.partner), row))

    stand.expect(answer, (200, 2001))
    assert stand.node.partner(name_of(stand.line.partner)) == before
    assert stand.line.credentials("GET").data["token"] == stand.line.outbound_token


@at_every_node
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_credentials_that_are_no_json_object_are_refused(
    stand: Stand, at: str, method: str, invited: dict[str, Connection]
) -> None:
    """Source: STA-01, STA-02, TRN-12"""
    line = invited[at] if method == "POST" else stand.line
    good = write_json(credentials(line.partner))

    for body in wrong.NOT_JSON.values():
        stand.expect(line.credentials(method, body=body), (400, 2001))
    for body in wrong.NOT_AN_OBJECT.values():
        stand.expect(line.credentials(method, body=body), (200, 2001))
    for body in wrong.HOSTILE.values():
        stand.expect(line.credentials(method, body=body), (200, 2001), (400, 2001))
    text = line.credentials(method, body=good, headers={"Content-Type": "application/xml"})
    stand.expect(text, (400, 2001), (415, 2001))
    large = line.credentials(method, credentials(line.partner) | {"padding": "x" * TWO_MEGABYTES})
    stand.expect_discretion(large)
    assert large.status_code != 1000


@at_every_node
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/versions", "http://169.254.169.254/latest/meta-data", "http://[::1]:1/"]
)
def test_a_versions_url_that_cannot_be_read_registers_no_partner(
    stand: Stand, at: str, address: str, invited: dict[str, Connection]
) -> None:
    """Source: CRD-19"""
    line = invited[at]

    answer = line.credentials("POST", credentials(line.partner) | {"url": address})

    stand.expect(answer, (200, 3001), (200, 2001))


@at_every_node
def test_an_unknown_token_can_neither_update_nor_unregister(stand: Stand, at: str) -> None:
    """Source: CRD-09, CRD-10, TRN-07"""
    headers = {"Authorization": "Token bm9ib2R5"}
    for method in ("GET", "POST", "PUT", "DELETE"):
        body = credentials(stand.line.partner) if method in ("POST", "PUT") else None

        stand.expect(stand.line.credentials(method, body, headers=headers), (401, 2001))
    with pytest.raises(Unusable, match="401"):
        stand.line.partner.discover(stand.node.versions_url, "nobody")
