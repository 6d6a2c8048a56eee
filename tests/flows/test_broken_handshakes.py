"""Handshakes that fail half-way leave the earlier state unchanged.

The partner's API fails in many ways: on a first registration and on an update, as server and as client.
Chapter: OCPI 2.2.1 credentials_errors_during_registration; CRD-18 .. CRD-22, TRP-15.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flows.conftest import Guests, name_of
from tests.third_party import faults
from tests.third_party.connection import Connection, Unusable
from tests.third_party.faults import Fault
from tests.third_party.operator_door import Node
from tests.third_party.wire import authorization

UNUSABLE: dict[str, tuple[str, Fault, int]] = {
    "versions answer 500": ("versions", faults.answer_500, 3001),
    "versions answer 401": ("versions", faults.refuse_401, 3001),
    "versions answer 2001": ("versions", faults.refuse_2001, 3001),
    "versions are a web page": ("versions", faults.answer_web_page, 3001),
    "versions are a bare list": ("versions", faults.answer_bare_list, 3001),
    "versions are elsewhere": ("versions", faults.redirect, 3001),
    "versions hang up": ("versions", faults.hang_up, 3001),
    "versions list 2.1.1 only": ("versions", faults.list_only_2_1_1, 3002),
    "details answer 500": ("details", faults.answer_500, 3001),
    "details are a web page": ("details", faults.answer_web_page, 3001),
    "details hang up": ("details", faults.hang_up, 3001),
    "details list credentials only": ("details", faults.list_only_credentials, 3003),
}
in_every_way = pytest.mark.parametrize(
    ("module", "fault", "status_code"), UNUSABLE.values(), ids=UNUSABLE.keys()
)


def works(line: Connection) -> bool:
    """Check both directions of a connection: the partner can call the node, and the node the partner."""
    return line.credentials("GET").codes == (200, 1000)


def arrives(node: Node, line: Connection) -> bool:
    """Check that a change at the node is pushed to the partner, with a token that the partner accepts."""
    tariff_id = f"STILL-{line.partner.party.party_id}"
    push = line.partner.wait_for_push("tariffs", *node.offer(tariff_id))
    return push.credentials_token in line.inbound_tokens


@in_every_way
def test_a_partner_that_cannot_be_called_back_is_not_registered(
    cpo: Node, guests: Guests, module: str, fault: Fault, status_code: int
) -> None:
    """Token B is dropped, and token A stays valid for another try. Source: CRD-19, CRD-20, CRD-21, CRD-22"""
    partner = guests.partner("EMSP")
    line = guests.discover(partner, cpo)

    with partner.misbehaving(module, fault):
        answer = line.register()

    assert answer.codes == (200, status_code)
    assert not answer.data or "token" not in answer.data
    assert cpo.status_of(name_of(partner)) == "INVITED"
    assert line.register().status_code == 1000
    assert works(line)


@in_every_way
def test_an_update_that_cannot_be_verified_changes_nothing(
    cpo: Node, guests: Guests, module: str, fault: Fault, status_code: int
) -> None:
    """The old pair of tokens stays valid, at the old URL. Source: CRD-19, CRD-22"""
    line = guests.join("EMSP", cpo)
    before = cpo.partner(name_of(line.partner))

    with line.partner.misbehaving(module, fault):
        answer = line.rotate()

    assert answer.codes == (200, status_code)
    assert cpo.partner(name_of(line.partner)) == before
    assert works(line)
    assert arrives(cpo, line)


def test_a_registration_with_a_silent_partner_is_answered_before_the_gateway_times_out(
    cpo: Node, guests: Guests
) -> None:
    """API Gateway ends a request after 29 seconds, so the node must answer earlier. Source: CRD-19, TRP-14"""
    partner = guests.partner("EMSP")
    line = guests.discover(partner, cpo)

    with partner.misbehaving("versions", faults.stay_silent):
        answer = line.register()

    assert answer.codes == (200, 3001)
    assert cpo.status_of(name_of(partner)) == "INVITED"


REFUSING: dict[str, tuple[str, Fault]] = {
    "credentials answer 500": ("credentials", faults.answer_500),
    "credentials answer 3001": ("credentials", faults.refuse_3001),
    "credentials answer 405": ("credentials", faults.refuse_405),
    "credentials are a web page": ("credentials", faults.answer_web_page),
    "credentials answer without data": ("credentials", faults.answer_nothing),
    "credentials hang up": ("credentials", faults.hang_up),
}
CALLING = {name: (module, fault) for name, (module, fault, _) in UNUSABLE.items()} | REFUSING


@pytest.mark.parametrize(("module", "fault"), CALLING.values(), ids=CALLING.keys())
def test_a_node_that_cannot_register_stays_unregistered(
    cpo: Node, guests: Guests, module: str, fault: Fault
) -> None:
    """Token B is revoked, the operator gets an error, and token A can be used for another try.

    Source: CRD-18, CRD-22
    """
    partner = guests.partner("EMSP")
    token_a = partner.invite()
    guests.expect(partner, cpo)

    with partner.misbehaving(module, fault):
        answer = cpo.register_with(name_of(partner), partner.versions_url, token_a)

    assert 400 <= answer.http_status < 600
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.document["title"]
    assert token_a not in answer.text
    assert cpo.status_of(name_of(partner)) != "REGISTERED"
    posted = [got for got in partner.received if got.method == "POST"]
    assert bool(posted) == (module == "credentials")
    for got in posted:
        with pytest.raises(Unusable, match="401"):
            partner.discover(cpo.versions_url, got.document["token"])
    again = cpo.register_with(name_of(partner), partner.versions_url, token_a)
    assert again.http_status == 201, again


@pytest.mark.parametrize(("module", "fault"), REFUSING.values(), ids=REFUSING.keys())
def test_a_node_that_cannot_rotate_keeps_the_old_pair(
    cpo: Node, guests: Guests, module: str, fault: Fault
) -> None:
    """Source: CRD-22, TRP-15"""
    line = guests.join("EMSP", cpo)
    partner = line.partner
    known = cpo.partner(name_of(partner))
    assert known

    with partner.misbehaving(module, fault):
        answer = cpo.call("PUT", "partners", known["id"], "credentials", document={})

    assert 400 <= answer.http_status < 600
    assert cpo.status_of(name_of(partner)) == "REGISTERED"
    assert works(line)
    assert arrives(cpo, line)


def test_a_node_whose_rotation_was_done_but_not_answered_can_still_be_called(
    cpo: Node, guests: Guests
) -> None:
    """The partner uses the new pair of tokens, so the node must accept the token that it sent.

    Source: TRP-15
    """
    line = guests.join("EMSP", cpo)
    old_c = line.outbound_token
    known = cpo.partner(name_of(line.partner))
    assert known

    with line.partner.misbehaving("credentials", faults.lose_answer):
        answer = cpo.call("PUT", "partners", known["id"], "credentials", document={})

    assert 400 <= answer.http_status < 600
    assert line.outbound_token != old_c
    assert works(line)


def test_a_put_whose_answer_was_lost_can_be_sent_again(cpo: Node, guests: Guests) -> None:
    """The partner did not get its new token, so the old one must stay valid. Source: TRP-15"""
    line = guests.join("EMSP", cpo)
    (old_b,), old_c = line.inbound_tokens, line.outbound_token
    line.rotate()
    line.outbound_token = old_c
    line.inbound_tokens |= {old_b}

    assert line.rotate().codes == (200, 1000)

    assert works(line)
    assert arrives(cpo, line)
    assert line.credentials("PUT", {}, headers={"Authorization": authorization(old_c)}).http_status == 401


def test_of_two_partners_that_claim_one_party_in_parallel_one_gets_it(hub: Node, guests: Guests) -> None:
    """Source: CRD-25"""
    first = guests.partner("CPO")
    partners = [first, guests.partner("CPO")]
    lines = [guests.discover(partner, hub) for partner in partners]
    partners[1].roles = first.roles

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda line: line.register(), lines))

    assert sorted(answer.status_code == 1000 for answer in answers) == [False, True]
    assert all(answer.http_status < 500 for answer in answers)
    assert [works(line) for line in lines if line.inbound_tokens] == [True]


def test_an_unregistration_ends_the_connection_even_when_the_partner_fails(cpo: Node, guests: Guests) -> None:
    """The registration ends at the node although the partner answers 500. Source: CRD-14"""
    line = guests.join("EMSP", cpo)
    known = cpo.partner(name_of(line.partner))
    assert known

    with line.partner.misbehaving("credentials", faults.answer_500):
        cpo.call("DELETE", "partners", known["id"])

    assert line.credentials("GET").http_status == 401
