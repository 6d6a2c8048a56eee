"""Requests between two third parties through the hub.

Chapter: OCPI 2.2.1 transport_and_format_message_routing, Party to Party via Hub.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.conftest import Guests
from tests.third_party import faults
from tests.third_party.connection import Connection, routing
from tests.third_party.faults import Fault
from tests.third_party.objects import Party, location, tariff
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.server import Received, Reply

UNKNOWN = Party("PT", "QQQ")


@pytest.fixture
def cpo_line(guests: Guests, hub: Node) -> Connection:
    return guests.join("CPO", hub)


@pytest.fixture
def emsp_line(guests: Guests, hub: Node) -> Connection:
    return guests.join("EMSP", hub)


def addressed(line: Connection, to: Party) -> dict[str, Any]:
    """The routing headers of a message to one party."""
    return routing(line.partner.party, to)


def both(headers: dict[str, str]) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
    """The FROM and TO party of a message."""
    from_, to = (
        tuple(headers.get(f"ocpi-{side}-{part}") for part in ("country-code", "party-id"))
        for side in ("from", "to")
    )
    return from_, to


def test_a_list_is_read_from_one_cpo_page_by_page(
    cpo_line: Connection, emsp_line: Connection, hub: Node
) -> None:
    """Checks the routing headers of the four messages of a page. Source: RTE-07 … RTE-10, RTE-34, PAG-12"""
    cpo, emsp = cpo_line.partner, emsp_line.partner
    cpo.offer("locations", *(location(cpo.party, f"L{number}", mobie_x=number) for number in range(7)))
    replies: list[Reply] = []

    def listen(partner: Partner, received: Received) -> Reply:
        replies.append(partner.answer(received))
        return replies[-1]

    found: list[Any] = []
    url: str | None = emsp_line.url("locations", "SENDER") + "?limit=3"
    with cpo.misbehaving("locations", listen):
        while url:
            ids = {"X-Request-ID": f"page at {len(found)}", "X-Correlation-ID": f"list at {len(found)}"}
            answer = emsp_line.call("GET", url, headers=addressed(emsp_line, cpo.party) | ids)
            assert answer.codes == (200, 1000)
            assert answer.headers["x-total-count"] == "7"
            found += answer.data
            hop = [got for got in cpo.received if got.module == "locations"][-1]
            back = {name.lower(): value for name, value in replies[-1].headers.items()}
            assert both(dict(hop.headers)) == (emsp.party, cpo.party)
            assert both(back) == both(dict(answer.headers)) == (cpo.party, emsp.party)
            assert hop.headers["x-request-id"] not in ("", ids["X-Request-ID"])
            assert hop.headers["x-correlation-id"] == ids["X-Correlation-ID"]
            assert answer.headers["x-request-id"] == ids["X-Request-ID"]
            url = answer.next_link
            assert url is None or url.startswith(hub.versions_url.removesuffix("versions"))

    assert found == cpo.shelves["locations"].offered
    assert len(replies) == 3


def test_a_push_to_one_emsp_reaches_only_this_emsp(
    cpo_line: Connection, emsp_line: Connection, guests: Guests, hub: Node
) -> None:
    """Source: RTE-07, RTE-11, RTE-12"""
    bystander = guests.join("EMSP", hub).partner
    cpo, emsp = cpo_line.partner, emsp_line.partner
    pushed, to = tariff(cpo.party, "FOR-ONE", mobie_x="kept"), addressed(cpo_line, emsp.party)

    assert cpo_line.put("tariffs", pushed, headers=to).codes == (201, 1000)

    (received,) = [push for push in emsp.pushes("tariffs") if "FOR-ONE" in push.segments]
    assert (received.sender, received.receiver) == (cpo.party, emsp.party)
    assert emsp.held("tariffs", *cpo_line.owned("FOR-ONE")) == pushed
    assert cpo_line.look("tariffs", *cpo_line.owned("FOR-ONE"), headers=to).data == pushed
    assert cpo_line.look("tariffs", *cpo_line.owned("FOR-ONE")).codes == (404, 2001)
    assert [push for push in bystander.pushes("tariffs") if "FOR-ONE" in push.segments] == []


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        (faults.answer_code(2001), (200, 2001)),
        (faults.answer_code(2001, 404), (404, 2001)),
        (faults.refuse_3000, (200, 3000)),
        (faults.refuse_401, (200, 4003)),
        (faults.hang_up, (200, 4003)),
        (faults.answer_500, (200, 4000)),
        (faults.answer_web_page, (200, 4000)),
        (faults.stay_silent, (200, 4002)),
    ],
)
def test_a_failure_at_the_receiver_is_answered_with_its_code(
    cpo_line: Connection, emsp_line: Connection, fault: Fault, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    to = addressed(cpo_line, emsp_line.partner.party)
    with emsp_line.partner.misbehaving("tariffs", fault):
        answer = cpo_line.put("tariffs", tariff(cpo_line.partner.party, "T1"), headers=to)

    assert answer.codes == codes


def test_unknown_receivers_and_objects_of_other_parties_are_refused(
    cpo_line: Connection, emsp_line: Connection, guests: Guests, hub: Node
) -> None:
    """Source: RTE-27, RTE-32, TRP-18"""
    other = guests.join("CPO", hub).partner.party
    cpo, emsp = cpo_line.partner.party, emsp_line.partner.party

    unknown = cpo_line.put("tariffs", tariff(cpo, "UNSENT"), headers=routing(cpo, UNKNOWN))
    foreign = cpo_line.put("tariffs", tariff(other, "UNSENT"), headers=routing(cpo, emsp))
    spoofed = cpo_line.put("tariffs", tariff(other, "UNSENT"), headers=routing(other, emsp))

    assert (unknown.codes, foreign.codes, spoofed.codes) == ((200, 4001), (404, 2001), (200, 2001))
    assert [push for push in emsp_line.partner.pushes("tariffs") if "UNSENT" in push.segments] == []
