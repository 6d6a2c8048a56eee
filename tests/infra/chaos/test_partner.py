"""Partners that can be made to fail, each with a server of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from certification.ocpi import Caller, Party, Reply
from certification.refuted import Refuted
from certification.web import Unreachable, Web, below
from infra.chaos import partner_faults
from infra.chaos.arrivals import GONE
from infra.chaos.documents import evse, location, owned, tariff
from infra.chaos.ledger import Item
from infra.chaos.partner import ChaosPartner
from infra.chaos.partner_faults import PartnerFault

OWNER, NODE = Party("PT", "ABC"), Party("PT", "MOB")
STAMP = "2026-03-01T12:00:00.000Z"
TARIFF = Item("tariffs", *OWNER, "T1")


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(timeout_s=5)
    yield web
    web.close()


@pytest.fixture
def partner(web: Web) -> Iterator[ChaosPartner]:
    partner = ChaosPartner("emsp", "EMSP", Party("PT", "EVI"), web)
    partner.ocpi.accepted.append("secret")
    yield partner
    partner.stop()


def push(
    web: Web, partner: ChaosPartner, method: str, module: str, ids: tuple[str, ...], body: object
) -> Reply:
    caller = Caller(web, "secret", NODE, partner.party)
    return caller.call(method, below(f"{partner.ocpi.url}/receiver/{module}", *ids), body)


def push_tariff(web: Web, partner: ChaosPartner, revision: int) -> Reply:
    return push(web, partner, "PUT", "tariffs", TARIFF[1:4], owned(tariff("T1", revision), OWNER, STAMP))


def test_a_partner_records_pushes_and_their_times(web: Web, partner: ChaosPartner) -> None:
    assert push_tariff(web, partner, 1).is_success
    assert push_tariff(web, partner, 2).is_success

    held = partner.held(TARIFF)
    assert held is not None and held["tariff_alt_url"].endswith("rev-2")
    assert [arrival.revision for arrival in partner.arrivals.of(TARIFF)] == [1, 2]


def test_a_deleted_tariff_is_gone(web: Web, partner: ChaosPartner) -> None:
    push_tariff(web, partner, 1)
    push(web, partner, "DELETE", "tariffs", TARIFF[1:4], None)

    assert partner.held(TARIFF) is None
    assert partner.arrivals.of(TARIFF)[-1].revision == GONE


def test_an_evse_is_an_item_of_its_own(web: Web, partner: ChaosPartner) -> None:
    site = location("L1", 5, [evse("E1", 1, "AVAILABLE", "T1", STAMP)])
    item = Item("locations", *OWNER, "L1", "E1")
    push(web, partner, "PUT", "locations", item[1:4], owned(site, OWNER, STAMP))
    push(web, partner, "PUT", "locations", item[1:], evse("E1", 2, "CHARGING", "T1", STAMP))

    held = partner.held(item)
    assert held is not None and held["status"] == "CHARGING"
    assert [arrival.revision for arrival in partner.arrivals.of(item)] == [1, 2]
    assert [arrival.revision for arrival in partner.arrivals.of(item._replace(child=""))] == [5]


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (partner_faults.answer_html_4xx(), []),
        (partner_faults.answer_garbage(1), [2, 8, 14]),
        (partner_faults.lie_about_lengths(), [8, 10, 12, 14]),
    ],
    ids=["html", "garbage", "lengths"],
)
def test_a_bad_answer_takes_a_push_only_with_http_200(
    web: Web, partner: ChaosPartner, fault: PartnerFault, taken: list[int]
) -> None:
    partner.fault = fault
    for revision in range(1, 15):
        with pytest.raises(Exception):  # noqa: B017 - the client's kind of error does not matter here
            push_tariff(web, partner, revision)
    assert [arrival.revision for arrival in partner.arrivals.of(TARIFF)] == taken

    partner.fault = None
    assert push_tariff(web, partner, 1).is_success


def test_a_refused_push_is_not_kept(web: Web, partner: ChaosPartner) -> None:
    partner.fault = partner_faults.refuse()

    with pytest.raises(Refuted):  # a refusal has no message ids
        push_tariff(web, partner, 1)
    assert partner.held(TARIFF) is None


def test_a_success_without_an_envelope_keeps_the_push(web: Web, partner: ChaosPartner) -> None:
    partner.fault = partner_faults.succeed_oddly()

    for revision in range(1, 6):
        with pytest.raises(Refuted):
            push_tariff(web, partner, revision)
        assert [arrival.revision for arrival in partner.arrivals.of(TARIFF)][-1] == revision


def test_of_three_pushes_one_is_dropped_one_taken_without_an_answer_and_one_answered(
    web: Web, partner: ChaosPartner
) -> None:
    partner.fault = partner_faults.lose_answers()

    for revision in (1, 2):
        with pytest.raises(Unreachable):
            push_tariff(web, partner, revision)
    assert push_tariff(web, partner, 3).is_success
    assert [arrival.revision for arrival in partner.arrivals.of(TARIFF)] == [2, 3]


def test_a_stopped_partner_comes_back_at_its_port(web: Web, partner: ChaosPartner) -> None:
    assert push_tariff(web, partner, 1).is_success
    partner.die()
    with pytest.raises(Unreachable):
        push_tariff(web, partner, 2)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(partner.ocpi.url.rpartition(":")[2])), timeout=5)

    partner.come_back()

    assert push_tariff(web, partner, 3).is_success
