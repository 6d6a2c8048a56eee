"""Tests of a hub's direct relay, over real connections to partners with the answers of a test.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-07 … RTE-10, RTE-27 … RTE-34, TRP-18, TRP-19
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.hub import relay
from chalicelib.hub.relayed_links import LINK
from chalicelib.modules.locations import receiver as locations_receiver
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.sessions import sender as sessions_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from chalicelib.modules.tokens import receiver as tokens_receiver
from chalicelib.modules.tokens import sender as tokens_sender
from chalicelib.node import Node
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.message import Party
from chalicelib.routes import Interface
from tests.account import Account, aws
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply
from tests.modules.partner_api import CPO, EMSP, OTHER_CPO, Answer, PartnerApi, register
from tests.nodes import make_network
from tests.storage.capacity import measured

NUMBERS = itertools.count(1)
OTHER_EMSP = Party("NL", "EMS")
ELSEWHERE = Party("DE", "XXX")
MODULES = ("locations", "tariffs", "tokens", "sessions")
BOTH = [(module, role) for module in MODULES for role in ("SENDER", "RECEIVER")]


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """Replace AWS by moto for the whole file; starting moto takes longer than some of the tests."""
    with aws():
        yield


@pytest.fixture
def account(moto: None) -> Iterator[Account]:
    with aws() as account:
        yield account


@pytest.fixture
def there() -> Iterator[AnsweringPartner]:
    """The server behind every partner of the hub."""
    with answering_partner() as partner:
        yield partner


class Hub:
    """A hub and its clients, each with all endpoints at one server."""

    def __init__(self, node: Node, there: AnsweringPartner) -> None:
        self.node, self.there = node, there
        self.cpo = self.client("cpo", ("CPO", CPO))
        self.emsp = self.client("emsp", ("EMSP", EMSP))

    def client(self, name: str, *roles: tuple[str, Party], **fields: Any) -> Partner:
        partner = register(self.node, name, *roles)
        endpoints = tuple(
            Endpoint(identifier=module, role=role, url=self.there.url(f"/{name}/{role.lower()}/{module}"))
            for module, role in BOTH
        )
        token = self.node.directory.seal(f"hub-at-{name}")
        return self.change(partner, **{"endpoints": endpoints, "outbound_token": token, **fields})

    def change(self, partner: Partner, **fields: Any) -> Partner:
        return self.node.directory.save(partner.model_copy(update=fields), partner)

    def interface(self, interface: Interface, caller: Partner | None = None) -> PartnerApi:
        return PartnerApi(
            self.node, interface, caller or (self.emsp if interface.role == "SENDER" else self.cpo)
        )

    def put_tariff(self, owner: Party = CPO, to: Party = EMSP, **options: Any) -> Answer:
        return self.interface(tariffs_receiver.INTERFACE).call(
            "PUT", *owner, "T1", to=to, **{"document": {}, **options}
        )

    def list_locations(self, query: str = "", **options: Any) -> Answer:
        return self.interface(locations_sender.INTERFACE).call("GET", query=query, **{"to": CPO, **options})


@pytest.fixture
def hub(account: Account, there: AnsweringPartner) -> Hub:
    name = f"hub{next(NUMBERS)}"
    node = make_network(account, (), **{name: "HUB"})[name].node
    return Hub(replace(node, client=OcpiClient(UrlPolicy(True), node.directory, node.new_id)), there)


def answering(
    document: object = None, http_status: int = 200, headers: Mapping[str, str] | None = None
) -> Callable[..., None]:
    return lambda handler, _: reply(handler, document, http_status=http_status, headers=headers)


def parties(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower().removeprefix("ocpi-"): value for name, value in headers.items()}
    return {side: f"{named[f'{side}-country-code']}/{named[f'{side}-party-id']}" for side in ("from", "to")}


def following(answer: Answer) -> str:
    """The query of the Link, which must be a URL of the hub."""
    link = answer.headers["Link"]
    assert link.startswith("<https://node.example/ocpi/2.2.1/sender/") and link.endswith('>; rel="next"')
    return urlsplit(link[1:].partition(">")[0]).query


# -- relayed requests ------------------------------------------------------------------------------


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


def test_a_relay_costs_two_reads(hub: Hub) -> None:
    with measured(hub.node.table) as spent:
        hub.list_locations()

    assert spent.calls == ["BatchGetItem", "GetItem"]


# -- refused requests ------------------------------------------------------------------------------


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


def test_a_list_without_a_receiver_is_refused(hub: Hub) -> None:
    """Source: RTE-24"""
    assert hub.list_locations(to=None).codes == (200, 2001)


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


# -- relayed answers -------------------------------------------------------------------------------


def test_an_answer_is_relayed_without_its_other_headers(hub: Hub) -> None:
    """Source: RTE-30, TRP-19"""
    counts = {"X-Total-Count": "7", "X-Limit": "3", "Set-Cookie": "x=1", "Server": "theirs"}
    sent = envelope([{"price": 0.25, "mobie_x": None}], 1001, status_message="hm")
    hub.there.answer = answering(sent, headers=counts)

    answer = hub.list_locations()

    assert answer.codes == (200, 1001)
    assert (answer.data, answer.message) == (sent["data"], "hm")
    assert (answer.headers["X-Total-Count"], answer.headers["X-Limit"]) == ("7", "3")
    assert not {"Set-Cookie", "Server", "Date", "Content-Length", "Link"} & set(answer.headers)


def test_an_answer_too_large_to_relay_is_a_4000(hub: Hub) -> None:
    hub.there.answer = answering(envelope(["ä" * 1_100_000]), headers={"X-Total-Count": "9"})

    answer = hub.list_locations()

    assert answer.codes == (200, 4000)
    assert "smaller limit" in answer.message
    assert "X-Total-Count" not in answer.headers


def test_http_201_is_relayed(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201)

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert not answer.has_data


@pytest.mark.parametrize("body", [b"", b"OK", b"{}"])
def test_an_odd_success_is_relayed_if_no_data_is_needed(hub: Hub, body: bytes) -> None:
    hub.there.answer = answering(body)

    assert hub.put_tariff().codes == (200, 1000)
    assert hub.list_locations().codes == (200, 4000)


@pytest.mark.parametrize(
    ("http_status", "document", "codes"),
    [
        (200, envelope({"x": 1}, 2003, status_message="no"), (200, 2003)),
        (404, envelope(None, 2001), (404, 2001)),
        (400, envelope(None, 2001), (400, 2001)),
        (405, envelope(None, 2001), (405, 2001)),
        (200, envelope(None, 3000), (200, 3000)),
        (200, envelope(None, 4001), (200, 4001)),
        (401, envelope(None, 2001), (200, 4003)),
        (403, b"no", (200, 4003)),
        (500, envelope(None, 3000), (200, 4000)),
        (503, b"<html>", (200, 4000)),
        (200, b"<html>", (200, 4000)),
        (404, b"<html>", (200, 4000)),
        (302, b"", (200, 4000)),
    ],
)
def test_the_receiver_s_own_codes_are_relayed_and_other_failures_get_the_hub_s_codes(
    hub: Hub, http_status: int, document: Any, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    hub.there.answer = answering(document, http_status)

    answer = hub.put_tariff()

    assert answer.codes == codes
    if codes == (200, 2003):
        assert (answer.data, answer.message) == ({"x": 1}, "no")


def test_a_receiver_that_takes_too_long_is_a_4002(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: RTE-28"""
    monkeypatch.setattr(relay, "RELAY_S", 0.3)
    hub.there.answer = lambda handler, _: hub.there.stopped.wait(30) and None

    assert hub.put_tariff().codes == (200, 4002)


def test_a_receiver_without_an_open_port_is_a_4003(hub: Hub) -> None:
    """Source: RTE-29"""
    closed = Endpoint(identifier="tariffs", role="RECEIVER", url=hub.there.url(host="127.0.0.2"))
    hub.change(hub.emsp, endpoints=(closed,))

    assert hub.put_tariff().codes == (200, 4003)


# -- Link and Location -----------------------------------------------------------------------------


def pages_behind(url: str) -> Callable[..., None]:
    """Answer a list of five objects, two on a page; its Links are this URL with the offset appended."""

    def answer(handler: Any, request: Received) -> None:
        start = int(request.path.rpartition("offset=")[2]) if "offset=" in request.path else 0
        found = [{"id": str(number)} for number in range(start, min(start + 2, 5))]
        link = {"Link": f'<{url}{start + 2}>; rel="next"'} if start + 2 < 5 else None
        reply(handler, envelope(found), headers=link)

    return answer


def test_a_link_is_rewritten_to_the_hub_with_a_readable_query(hub: Hub) -> None:
    """Source: RTE-34, PAG-06"""
    hub.there.answer = pages_behind(hub.there.url("/cpo/sender/locations/?date_from=x&limit=2&offset="))

    pages = hub.interface(locations_sender.INTERFACE).pages("limit=2&date_from=x", to=CPO)

    assert [found["id"] for page in pages for found in page] == ["0", "1", "2", "3", "4"]
    assert following(hub.list_locations()) == "date_from=x&limit=2&offset=2"


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere/p?offset=",
        "/cpo/sender/locations/next?offset=",
        "/cpo/sender/locations?a=1&a=2&offset=",
        "/cpo/sender/locations?x&offset=",
        "/cpo/sender/locations?x=%FF&offset=",
    ],
)
def test_a_link_with_another_path_is_rewritten_to_the_hub_as_well(hub: Hub, path: str) -> None:
    """Source: RTE-34"""
    hub.there.answer = pages_behind(hub.there.url(path))

    pages = hub.interface(locations_sender.INTERFACE).pages(to=CPO)

    assert [found["id"] for page in pages for found in page] == ["0", "1", "2", "3", "4"]
    assert [hop.path for hop in hub.there.received[1:]] == [f"{path}2", f"{path}4"]


def test_a_relative_link_is_resolved_against_the_receiver_s_url(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<?offset=9>; rel="next"'})

    assert following(hub.list_locations()) == "offset=9"


def test_a_link_to_another_host_is_a_4000_because_the_list_would_end_unnoticed(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<https://other.example/x>; rel="next"'})

    assert hub.list_locations().codes == (200, 4000)


def test_only_the_caller_that_got_a_link_can_follow_it_unchanged(hub: Hub) -> None:
    """Source: RTE-34, TRP-23"""
    another = hub.client("another", ("EMSP", OTHER_EMSP))
    hub.client("other", ("CPO", OTHER_CPO))
    hub.there.answer = pages_behind(hub.there.url("/elsewhere?offset="))
    query = following(hub.list_locations())
    assert query.startswith(f"{LINK}=")
    hub.there.received.clear()

    tampered = query[:-4] + ("AAAA" if not query.endswith("AAAA") else "BBBB")
    answers = [
        hub.list_locations(tampered),
        hub.list_locations(f"{LINK}=x"),
        hub.list_locations(f"{LINK}=%C3%A9"),
        hub.list_locations(query, to=OTHER_CPO),
        hub.interface(locations_sender.INTERFACE, another).call("GET", query=query, to=CPO),
    ]

    assert [answer.codes for answer in answers] == [(200, 2001)] * len(answers)
    assert hub.there.received == []
    assert hub.list_locations(query).codes == (200, 1000)


def test_a_location_header_is_rewritten_to_the_hub(hub: Hub) -> None:
    """Source: RTE-34"""
    hub.there.answer = answering(http_status=201, headers={"Location": "/made/T1"})
    location = hub.put_tariff().headers["Location"]

    hub.there.answer = answering(envelope({"id": "T1"}))
    looked = hub.interface(tariffs_receiver.INTERFACE).call(
        "GET", *CPO, "T1", query=urlsplit(location).query, to=EMSP
    )

    assert location.startswith("https://node.example/ocpi/2.2.1/receiver/tariffs")
    assert (hub.there.received[-1].path, looked.data) == ("/made/T1", {"id": "T1"})


def test_a_location_on_another_host_is_left_out(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201, headers={"Location": "https://other.example/T1"})

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert "Location" not in answer.headers


def test_a_link_that_cannot_be_read_is_a_4000(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<//[::1>; rel="next"'})

    assert hub.list_locations().codes == (200, 4000)


def test_a_location_that_cannot_be_read_is_left_out(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201, headers={"Location": "//["})

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert "Location" not in answer.headers


def test_relays_are_counted_and_a_circle_ends(hub: Hub) -> None:
    hub.list_locations()
    hub.list_locations(headers={"x-relay-count": "2"})
    hub.list_locations(headers={"x-relay-count": "none"})
    sent = [hop.headers["x-relay-count"] for hop in hub.there.received]

    refused = hub.list_locations(headers={"x-relay-count": "4"})

    assert sent == ["1", "3", "1"]
    assert refused.codes == (200, 4000)
    assert "circle" in refused.message
    assert len(hub.there.received) == 3


# -- the sender --------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_link_parameter_is_ignored_except_with_get(hub: Hub, there: AnsweringPartner, method: str) -> None:
    """Only the page of a list is requested by it."""
    there.answer = answering(envelope(None))

    answer = hub.interface(tariffs_receiver.INTERFACE).call(
        method, *CPO, "T1", to=EMSP, document={} if method == "PUT" else None, query=f"{LINK}=elsewhere"
    )

    assert answer.codes == (200, 1000)
    assert there.received[-1].path.startswith("/emsp/receiver/tariffs/PT/EDP/T1?")


def test_a_hub_does_not_relay_a_lookup_of_another_partner_s_token(hub: Hub, there: AnsweringPartner) -> None:
    """The receiver would show any token to this hub. Source: TRN-28"""
    nosy = hub.client("nosy", ("HUB", ELSEWHERE))
    there.answer = answering(envelope({"uid": "SECRET"}))
    tokens = hub.interface(tokens_receiver.INTERFACE, nosy)

    assert tokens.call("GET", *EMSP, "SECRET", to=CPO).codes == (404, 2001)
    assert there.received == []
    assert tokens.call("GET", *OTHER_EMSP, "SECRET", to=CPO).codes == (200, 1000)
