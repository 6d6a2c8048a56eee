"""Source: OCPI 2.2.1 mod_sessions_set_charging_preferences; SES-17, SES-18"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.answers import Answer, PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.modules.locations.own_locations import put_own_location
from chalicelib.modules.sessions import receiver
from chalicelib.modules.sessions.own_sessions import patch_own_session, put_own_session
from chalicelib.modules.sessions.preferences import read_preferences
from chalicelib.modules.sessions.sender import INTERFACE
from chalicelib.modules.tariffs.own_tariffs import put_own_tariff
from chalicelib.node import Node
from chalicelib.policy.received_parties import remember_owners
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO, PartnerApi
from tests.harness.partners import make_strict, register
from tests.modules.builders import connector, evse, location, tariff, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import cdr_token, session

FAST = {"profile_type": "FAST", "departure_time": "2026-03-01T18:00:00Z", "energy_need": 40}
URL = ("S1", "charging_preferences")


@pytest.fixture
def emsp(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A CPO called by an eMSP whose driver charges at E1. E1 accepts preferences, E2 does not."""
    node = node_of("CPO")
    api = PartnerApi(node, INTERFACE, partner_of(node, "emsp"))
    party = node.settings.roles[0].party
    capable = evse("E1", capabilities=["CHARGING_PREFERENCES_CAPABLE"])
    put_own_location(node, party, "L1", location(evses=[capable, evse("E2")]))
    put(node)
    return api


def put(node: Node, session_id: str = "S1", **fields: Any) -> None:
    document = without(session(**fields), "country_code", "party_id", "id")
    put_own_session(node, node.settings.roles[0].party, session_id, document)


def kept(node: Node) -> str | None:
    return read_preferences(node.table, Ref("sessions", "PT", "ABC", "S1"))


def test_accepted_preferences_are_answered_with_a_string_and_stored(emsp: PartnerApi) -> None:
    """Source: SES-17"""
    answer = emsp.call("PUT", *URL, document=FAST)

    assert (answer.codes, answer.data) == ((200, 1000), "ACCEPTED")
    assert (
        kept(emsp.node) == '{"profile_type":"FAST","departure_time":"2026-03-01T18:00:00Z","energy_need":40}'
    )


def test_later_preferences_replace_earlier_ones_and_stay_after_a_patch_of_the_session(
    emsp: PartnerApi,
) -> None:
    emsp.call("PUT", *URL, document=FAST)
    emsp.call("PUT", *URL, document={"profile_type": "GREEN"})
    patch_own_session(emsp.node, emsp.node.settings.roles[0].party, "S1", {"kwh": 2})

    assert kept(emsp.node) == '{"profile_type":"GREEN"}'


def test_preferences_do_not_change_the_session(emsp: PartnerApi) -> None:
    before = emsp.node.objects.get(Ref("sessions", "PT", "ABC", "S1"))

    emsp.call("PUT", *URL, document=FAST)

    assert emsp.node.objects.get(Ref("sessions", "PT", "ABC", "S1")) == before


def test_preferences_for_an_evse_without_the_capability_are_not_found(emsp: PartnerApi) -> None:
    """Source: SES-18"""
    put(emsp.node, evse_uid="E2")

    assert emsp.call("PUT", *URL, document=FAST).codes == (404, 2001)
    assert kept(emsp.node) is None


def test_preferences_for_a_session_without_an_evse_are_not_found(emsp: PartnerApi) -> None:
    put(emsp.node, evse_uid="#NA", connector_id="#NA", status="RESERVATION")

    assert emsp.call("PUT", *URL, document=FAST).codes == (404, 2001)


def test_preferences_that_are_not_possible_are_not_stored(emsp: PartnerApi) -> None:
    put(emsp.node, status="COMPLETED")

    assert emsp.call("PUT", *URL, document=FAST).data == "NOT_POSSIBLE"
    assert kept(emsp.node) is None


def test_a_profile_without_a_tariff_is_not_supported_when_another_profile_has_one(emsp: PartnerApi) -> None:
    """Source: SES-17"""
    party = emsp.node.settings.roles[0].party
    put_own_tariff(
        emsp.node, party, "GREEN", without(tariff(type="PROFILE_GREEN"), "country_code", "party_id", "id")
    )
    capable = evse(
        "E1", capabilities=["CHARGING_PREFERENCES_CAPABLE"], connectors=[connector(tariff_ids=["green"])]
    )
    put_own_location(emsp.node, party, "L1", location(evses=[capable]))

    assert emsp.call("PUT", *URL, document=FAST).data == "PROFILE_TYPE_NOT_SUPPORTED"
    assert emsp.call("PUT", *URL, document={"profile_type": "GREEN"}).data == "ACCEPTED"


def test_ids_are_the_same_in_any_case(emsp: PartnerApi) -> None:
    """Source: TYP-01"""
    assert emsp.call("PUT", "s1", "charging_preferences", document=FAST).data == "ACCEPTED"


def test_preferences_for_another_partner_s_session_are_not_found(
    emsp: PartnerApi, partner_of: PartnerOf
) -> None:
    """Source: SES-11"""
    stranger = register(emsp.node, "stranger", ("EMSP", Party("ES", "STR")))
    hub = partner_of(emsp.node, "hub")

    for caller in (stranger, hub):
        answer = PartnerApi(emsp.node, INTERFACE, caller).call("PUT", *URL, document=FAST)
        assert (answer.codes, answer.has_data) == ((404, 2001), False)
    assert kept(emsp.node) is None


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        ({"document": {}}, (200, 2001)),
        ({"document": {"profile_type": "fast"}}, (200, 2001)),
        ({"document": {**FAST, "departure_time": "soon"}}, (200, 2001)),
        ({"document": {**FAST, "energy_need": "40"}}, (200, 2001)),
        ({"document": [FAST]}, (200, 2001)),
        ({"body": "{"}, (400, 2001)),
        ({}, (400, 2001)),
        ({"document": FAST, "headers": {"content-type": "application/xml"}}, (415, 2001)),
    ],
)
def test_bad_preferences_are_refused(emsp: PartnerApi, sent: dict[str, Any], codes: tuple[int, int]) -> None:
    make_strict(emsp.node, emsp.caller)

    assert emsp.call("PUT", *URL, **sent).codes == codes
    assert kept(emsp.node) is None


@pytest.mark.parametrize("session_id", ["S9", "x" * 37, "é", "x" * 3000])
def test_an_unknown_session_is_refused(emsp: PartnerApi, session_id: str) -> None:
    answer = emsp.call("PUT", session_id, "charging_preferences", document=FAST)

    assert answer.codes in ((404, 2001), (200, 2001))


# -- a hub forwards to the CPO


class Asked:
    """Stand-in for the node's client: records calls and returns or raises `outcome`."""

    def __init__(self, node: Node, outcome: Any) -> None:
        self.outcome = outcome
        self.calls: list[tuple[Any, ...]] = []
        object.__setattr__(node, "client", self)

    def send(self, partner: Any, module: str, role: str, path: Any, exchange: Exchange) -> Answer:
        self.calls.append((partner.id, exchange.method, module, role, tuple(path), exchange))
        if isinstance(self.outcome, PartnerError):
            raise self.outcome
        return Answer(200, 1000, None, self.outcome, {}, None)  # type: ignore[arg-type]


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A hub with session S1 of a CPO, called by the eMSP of its token."""
    node = node_of("HUB")
    PartnerApi(node, receiver.INTERFACE, partner_of(node, "cpo")).call("PUT", *CPO, "S1", document=session())
    remember_owners(node.table, [Ref("sessions", *CPO, "S1"), Ref("sessions", *OTHER_CPO, "S1")])
    return PartnerApi(node, INTERFACE, partner_of(node, "emsp"))


@pytest.mark.parametrize("to", ["hub", "cpo", "nobody"])
def test_a_hub_forwards_preferences_to_the_cpo_and_relays_the_answer(hub: PartnerApi, to: str) -> None:
    """OCPI-to may name the hub, the CPO, or be absent. Source: RTE-07, RTE-09, RTE-22, RTE-23"""
    asked = Asked(hub.node, "DEPARTURE_REQUIRED")

    addressed = {"hub": hub.node.settings.roles[0].party, "cpo": CPO}.get(to)

    answer = hub.call("PUT", *URL, document=FAST, to=addressed)

    assert (answer.codes, answer.data) == ((200, 1000), "DEPARTURE_REQUIRED")
    ((partner_id, method, module, role, path, exchange),) = asked.calls
    assert (partner_id, method, module, role, path) == ("cpo", "PUT", "sessions", "SENDER", URL)
    assert (exchange.routing.sender, exchange.routing.receiver) == (EMSP, CPO)
    assert (exchange.document, exchange.correlation_id) == (FAST, "c")


@pytest.mark.parametrize(
    ("outcome", "codes"),
    [
        (PartnerRefusal("no", http_status=404, status_code=2001), (404, 2001)),
        (PartnerFault("slow", timed_out=True), (200, 4002)),
        (PartnerFault("gone", not_connected=True), (200, 4003)),
        (PartnerFault("broken", http_status=500), (200, 4000)),
    ],
)
def test_a_failed_call_to_the_cpo_is_answered_with_the_hub_s_codes(
    hub: PartnerApi, outcome: PartnerError, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    Asked(hub.node, outcome)

    assert hub.call("PUT", *URL, document=FAST).codes == codes


def test_a_hub_forwards_no_preferences_of_a_partner_without_that_session(hub: PartnerApi) -> None:
    """Source: SES-11"""
    asked = Asked(hub.node, "ACCEPTED")
    stranger = register(hub.node, "stranger", ("EMSP", Party("ES", "STR")))

    assert PartnerApi(hub.node, INTERFACE, stranger).call("PUT", *URL, document=FAST).codes == (404, 2001)
    assert asked.calls == []


def test_a_hub_refuses_preferences_when_two_cpos_have_a_session_of_this_id(
    hub: PartnerApi, partner_of: PartnerOf
) -> None:
    """Source: TRP-17"""
    other = PartnerApi(hub.node, receiver.INTERFACE, partner_of(hub.node, "other"))
    other.call("PUT", *OTHER_CPO, "S1", document=session(OTHER_CPO, cdr_token=cdr_token()))

    assert hub.call("PUT", *URL, document=FAST).codes == (200, 2001)
