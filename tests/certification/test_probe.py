"""The probe is a partner by the specification alone: two of its parties can register with each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification.handshake import RECEIVES, SENDS
from certification.ocpi import Caller, Party, discover
from certification.probe import Probe
from certification.probe_partner import ProbePartner
from certification.samples import as_pushed, tariff
from certification.web import Answer, Web, below


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture
def probe(web: Web) -> Iterator[Probe]:
    with Probe(web) as probe:
        yield probe


@pytest.fixture
def hub(probe: Probe) -> ProbePartner:
    return probe.new_partner("HUB", (*SENDS, *RECEIVES))


@pytest.fixture
def cpo(probe: Probe) -> ProbePartner:
    return probe.new_partner("CPO", SENDS)


def register(web: Web, caller: ProbePartner, called: ProbePartner) -> str:
    token_a = called.invite()
    reply = caller.post_credentials(discover(web, called.versions_url, token_a), token_a)
    assert reply.is_success, str(reply)
    return token_a


def versions(web: Web, partner: ProbePartner, token: str) -> Answer:
    return Caller(web, token).call("GET", partner.versions_url).answer


def test_a_handshake_gives_both_sides_new_tokens_and_ends_token_a(
    web: Web, cpo: ProbePartner, hub: ProbePartner
) -> None:
    """Source: OCPI 2.2.1 credentials_registration; CRD-02 to CRD-07"""
    token_a = register(web, cpo, hub)

    assert cpo.token == hub.accepted[0] and hub.token == cpo.accepted[0]
    assert [each.segments[0] for each in cpo.received] == ["versions", "details"]
    assert versions(web, hub, token_a).http_status == 401
    assert versions(web, hub, str(cpo.token)).http_status == 200


def test_an_update_changes_both_tokens(web: Web, cpo: ProbePartner, hub: ProbePartner) -> None:
    """Source: OCPI 2.2.1 credentials_put_method; CRD-11, CRD-12"""
    register(web, cpo, hub)
    before = {cpo.token, hub.token}

    assert cpo.put_credentials().is_success

    assert not before & {cpo.token, hub.token}
    assert cpo.token == hub.accepted[0] and hub.token == cpo.accepted[0]


def test_a_party_that_left_is_unknown(web: Web, cpo: ProbePartner, hub: ProbePartner) -> None:
    register(web, cpo, hub)
    token = str(cpo.token)

    assert cpo.delete_credentials().is_success

    assert versions(web, hub, token).http_status == 401


@pytest.mark.parametrize("broken", ["versions", "details"])
def test_a_handshake_that_fails_leaves_the_caller_unregistered(
    web: Web, cpo: ProbePartner, hub: ProbePartner, broken: str
) -> None:
    """Source: OCPI 2.2.1 credentials_errors_during_registration; CRD-19"""
    cpo.failing = {broken}
    token_a = hub.invite()

    reply = cpo.post_credentials(discover(web, hub.versions_url, token_a), token_a)

    assert (reply.status_code, cpo.token, cpo.accepted) == (3001, None, [])
    assert versions(web, hub, token_a).http_status == 200


def test_a_push_is_recorded_and_answered_to_its_sender(
    web: Web, cpo: ProbePartner, hub: ProbePartner
) -> None:
    register(web, cpo, hub)
    receiver = cpo.registered_details().url("tariffs", "RECEIVER")
    body = as_pushed(tariff(), cpo.party, "T 1")

    reply = cpo.caller(hub.party).call("PUT", below(receiver, *cpo.party, "T 1"), body)

    assert (reply.http_status, reply.status_code) == (201, 1000)
    (received,) = hub.received_since(0, "receiver", "tariffs")
    assert received.segments[2:] == (*cpo.party, "T 1")
    assert (received.party("from"), received.party("to"), received.token) == (cpo.party, hub.party, cpo.token)
    assert hub.copies.get("tariffs", cpo.party, "T 1") == body


def test_a_posted_cdr_is_returned_at_its_location(web: Web, cpo: ProbePartner, probe: Probe) -> None:
    """Source: OCPI 2.2.1 mod_cdrs, response headers; CDR-02 to CDR-04"""
    emsp = probe.new_partner("EMSP", (("cdrs", "RECEIVER"),), Party("PT", "EVI"))
    register(web, cpo, emsp)
    caller = cpo.caller(emsp.party)
    body = {"country_code": "PT", "party_id": "ABC", "id": "C 1", "total_energy": 3}

    reply = caller.call("POST", cpo.registered_details().url("cdrs", "RECEIVER"), body)

    assert (emsp.party, reply.http_status, reply.status_code) == (("PT", "EVI"), 201, 1000)
    assert caller.call("GET", reply.answer.headers["location"]).data == body


def test_an_interface_that_is_not_offered_is_404(web: Web, cpo: ProbePartner, hub: ProbePartner) -> None:
    register(web, hub, cpo)

    reply = hub.caller(cpo.party).call("PUT", f"{cpo.url}/receiver/tariffs/PT/ABC/T1", {})

    assert reply.http_status == 404


def test_methods_that_the_state_forbids_are_405(web: Web, cpo: ProbePartner, hub: ProbePartner) -> None:
    """Source: OCPI 2.2.1 credentials; CRD-08, CRD-09"""
    token_a = hub.invite()
    url = f"{hub.url}/credentials"

    assert Caller(web, token_a).call("PUT", url, {}).http_status == 405
    assert Caller(web, token_a).call("DELETE", url).http_status == 405
    register(web, cpo, hub)
    assert Caller(web, str(cpo.token)).call("POST", url, {}).http_status == 405
