"""Tests of a hub's direct relay, over real connections to partners with the answers of a test.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-07 … RTE-10, RTE-15, RTE-27 … RTE-32, TRP-18
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.modules.locations import receiver as locations_receiver
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.sessions import sender as sessions_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from chalicelib.modules.tokens import receiver as tokens_receiver
from chalicelib.modules.tokens import sender as tokens_sender
from chalicelib.protocol.message import Party
from chalicelib.routes import Interface
from tests.calls.answering import AnsweringPartner, envelope
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO
from tests.hub.relaying import ELSEWHERE, OTHER_EMSP, Hub, answering, parties
from tests.storage.capacity import measured


def test_a_relay_keeps_both_parties_and_gives_the_second_request_a_new_id(hub: Hub) -> None:
    """Source: RTE-07, RTE-08, RTE-09, RTE-10"""
    ids = {"x-request-id": "theirs", "x-correlation-id": "theirs", "ocpi-from-party-id": "ODD"}
    hub.there.answer = answering(envelope([]), headers=ids)

    answer = hub.list_locations()

    (hop,) = hub.there.received
    assert parties(hop.headers) == {"from": "PT/GLP", "to": "PT/EDP"}
    assert hop.headers["x-correlation-id"] == "c"
    assert hop.headers["x-request-id"] not in ("r", "")
    assert parties(answer.headers) == {"from": "PT/EDP", "to": "PT/GLP"}
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("r", "c")


def test_the_hub_uses_its_own_token_toward_the_receiver(hub: Hub) -> None:
    hub.list_locations()

    (hop,) = hub.there.received
    assert hop.headers["authorization"] == "Token aHViLWF0LWNwbw=="


def test_path_and_query_are_relayed_unchanged(hub: Hub) -> None:
    """Source: RTE-07, TRP-21"""
    hub.interface(tokens_sender.INTERFACE, hub.cpo).call(
        "POST", "DE/1*A B", "authorize", query="type=APP_USER&x=a%26b", to=EMSP
    )

    (hop,) = hub.there.received
    assert (hop.method, hop.path) == (
        "POST",
        "/emsp/sender/tokens/DE%2F1%2AA%20B/authorize?type=APP_USER&x=a%26b",
    )


def test_a_body_is_relayed_byte_for_byte(hub: Hub) -> None:
    """Source: RTE-11"""
    body = '{"price" :0.2500,\n "last_updated":"2026-01-01T00:00:00Z", "mobie_x":"\u00e7"}'

    assert hub.put_tariff(document=None, body=body).codes == (200, 1000)

    assert hub.there.received[0].body == body.encode()


@pytest.mark.parametrize(
    ("interface", "method", "ids"),
    [
        (tariffs_receiver.INTERFACE, "GET", ("T1",)),
        (tariffs_receiver.INTERFACE, "PUT", ("T1",)),
        (tariffs_receiver.INTERFACE, "DELETE", ("T1",)),
        (locations_receiver.INTERFACE, "GET", ("L1", "E1", "1")),
        (locations_receiver.INTERFACE, "PATCH", ("L1", "E1")),
    ],
)
def test_every_method_goes_to_the_same_interface(
    hub: Hub, interface: Interface, method: str, ids: tuple[str, ...]
) -> None:
    answer = hub.interface(interface).call(method, *CPO, *ids, to=EMSP)

    (hop,) = hub.there.received
    assert answer.codes == (200, 1000)
    assert hop.method == method
    assert hop.path == f"/emsp/receiver/{interface.module}/PT/EDP/{'/'.join(ids)}"


def test_tokens_are_relayed_from_emsp_to_cpo(hub: Hub) -> None:
    hub.interface(tokens_receiver.INTERFACE, hub.emsp).call("PUT", *EMSP, "0102", document={}, to=CPO)

    assert [hop.path for hop in hub.there.received] == ["/cpo/receiver/tokens/PT/GLP/0102"]


def test_a_relayed_object_is_neither_stored_nor_broadcast(hub: Hub) -> None:
    hub.put_tariff()

    assert hub.interface(tariffs_receiver.INTERFACE).call("GET", *CPO, "T1").codes == (404, 2001)


def test_the_receiver_s_name_is_read_in_any_case(hub: Hub) -> None:
    """Source: RTE-04"""
    assert hub.list_locations(to=Party("pt", "edp")).codes == (200, 1000)

    assert parties(hub.there.received[0].headers)["to"] == "pt/edp"


def test_a_party_of_two_partners_is_reached_at_the_one_with_the_interface(hub: Hub) -> None:
    hub.client("more", ("EMSP", CPO))

    hub.list_locations()

    assert hub.there.received[0].path == "/cpo/sender/locations"


def test_a_relay_costs_two_reads(hub: Hub, in_moto: None) -> None:
    with measured(hub.node.table) as spent:
        hub.list_locations()

    assert spent.calls == ["BatchGetItem", "GetItem"]


@pytest.mark.parametrize("to", [ELSEWHERE, Party("PT", "GL")])
def test_an_unknown_receiver_is_a_4001(hub: Hub, to: Party) -> None:
    """Source: RTE-27"""
    assert hub.put_tariff(to=to).codes == (200, 4001)
    assert hub.there.received == []


@pytest.mark.parametrize("fields", [{"connection": "OFFLINE"}, {"status": "UNREGISTERED"}])
def test_an_offline_receiver_is_a_4003_without_a_call(hub: Hub, fields: dict[str, str]) -> None:
    """Source: RTE-29"""
    hub.change(hub.emsp, **fields)

    assert hub.put_tariff().codes == (200, 4003)
    assert hub.there.received == []


def test_a_receiver_without_the_interface_is_a_4000(hub: Hub) -> None:
    """Source: RTE-30"""
    hub.change(hub.emsp, endpoints=hub.emsp.endpoints[:1])

    assert hub.put_tariff().codes == (200, 4000)


def test_a_partner_cannot_push_an_object_of_another_owner(hub: Hub) -> None:
    """The receiver would accept it, because a hub sends it. Source: RTE-15, RTE-32, TRP-18"""
    hub.client("other", ("CPO", OTHER_CPO))

    assert hub.put_tariff(owner=OTHER_CPO).codes == (404, 2001)
    assert hub.there.received == []


def test_a_caller_cannot_read_through_a_relay_what_the_hub_would_not_show(hub: Hub) -> None:
    """The receiver sees the hub as the caller. Source: LOC-16, RTE-17"""
    display = hub.client("display", ("NSP", ELSEWHERE))
    another = hub.client("another", ("EMSP", OTHER_EMSP))

    answers = [
        hub.interface(locations_sender.INTERFACE, display).call("GET", to=CPO),
        hub.interface(tokens_sender.INTERFACE, another).call("GET", to=EMSP),
        hub.interface(tokens_sender.INTERFACE, another).call("POST", "0102", "authorize", to=EMSP),
    ]

    assert [answer.codes for answer in answers] == [(404, 2001)] * 3
    assert hub.there.received == []


def test_private_objects_are_never_relayed(hub: Hub) -> None:
    """Source: RTE-20, RTE-24, SES-11"""
    careless = replace(sessions_sender.INTERFACE, relay=True)

    asked = hub.interface(sessions_sender.INTERFACE).call(
        "GET", query="date_from=2026-01-01T00:00:00Z", to=CPO
    )
    wrong = hub.interface(careless).call("GET", query="date_from=2026-01-01T00:00:00Z", to=CPO)

    assert (asked.codes, wrong.codes) == ((200, 2001), (200, 4000))
    assert hub.there.received == []


def test_a_list_without_a_receiver_is_the_hub_s_own(hub: Hub) -> None:
    """Source: RTE-24, RTE-26"""
    assert hub.list_locations(to=None).codes == (200, 1000)
    assert hub.there.received == []


def test_a_request_is_not_relayed_back_to_the_hub_that_sent_it(hub: Hub) -> None:
    chained = hub.client("chained", ("HUB", ELSEWHERE), ("CPO", OTHER_CPO))

    answer = hub.interface(locations_sender.INTERFACE, chained).call("GET", to=OTHER_CPO)

    assert answer.codes == (200, 4001)
    assert hub.there.received == []


@pytest.mark.parametrize("owner", [("P" * 3000, "EDP"), ("PT", "P" * 3000), ("PT", "\u00e9"), ("..", "EDP")])
def test_an_invalid_owner_in_the_url_is_refused_without_a_call(hub: Hub, owner: tuple[str, str]) -> None:
    assert hub.put_tariff(owner=Party(*owner)).codes == (200, 2001)
    assert hub.there.received == []


def test_an_id_that_would_change_the_path_is_not_relayed(hub: Hub) -> None:
    """Source: TRP-21"""
    answer = hub.interface(tariffs_receiver.INTERFACE).call("PUT", *CPO, "..", document={}, to=EMSP)

    assert answer.codes == (200, 4000)
    assert hub.there.received == []


def test_a_body_that_is_not_utf_8_is_a_400(hub: Hub) -> None:
    """Source: STA-01"""
    assert hub.put_tariff(document=None, body="\udcff").codes == (400, 2001)


def test_a_relay_keeps_the_sender_that_a_partner_with_two_parties_names(
    hub: Hub, there: AnsweringPartner
) -> None:
    """Source: RTE-07, RTE-32"""
    two = hub.client("two", ("CPO", OTHER_CPO), ("CPO", ELSEWHERE))
    there.answer = answering(envelope(None))
    headers = {"ocpi-from-country-code": "de", "ocpi-from-party-id": "xxx"}

    answer = hub.interface(tariffs_receiver.INTERFACE, two).call(
        "PUT", *ELSEWHERE, "T1", to=EMSP, document={}, headers=headers
    )

    assert answer.codes == (200, 1000)
    assert parties(there.received[-1].headers)["from"].upper() == "DE/XXX"


def test_a_hub_does_not_relay_a_lookup_of_another_partner_s_token(hub: Hub, there: AnsweringPartner) -> None:
    """The receiver would show any token to this hub. Source: TRN-28"""
    nosy = hub.client("nosy", ("HUB", ELSEWHERE))
    there.answer = answering(envelope({"uid": "SECRET"}))
    tokens = hub.interface(tokens_receiver.INTERFACE, nosy)

    assert tokens.call("GET", *EMSP, "SECRET", to=CPO).codes == (404, 2001)
    assert there.received == []
    assert tokens.call("GET", *OTHER_EMSP, "SECRET", to=CPO).codes == (200, 1000)
