"""Source: OCPI 2.2.1 mod_sessions, Sender Interface; SES-01 … SES-03, PAG-01 … PAG-14"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.sessions import receiver
from chalicelib.modules.sessions.own_sessions import put_own_session
from chalicelib.modules.sessions.sender import INTERFACE
from chalicelib.node import Node
from chalicelib.protocol.message import Party
from chalicelib.settings import OwnRole
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO, PartnerApi
from tests.harness.partners import register
from tests.modules.builders import T0, T1, T2, T3, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import cdr_token, session
from tests.storage.capacity import measured

ALL = f"date_from={T0}"


@pytest.fixture
def emsp(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A CPO node's sessions, called by an eMSP."""
    node = node_of("CPO")
    return PartnerApi(node, INTERFACE, partner_of(node, "emsp"))


def put(
    node: Node, session_id: str, last_updated: str = T1, party: Party | None = None, **fields: Any
) -> None:
    party = party or node.settings.roles[0].party
    document = without(session(last_updated=last_updated, **fields), "country_code", "party_id", "id")
    put_own_session(node, party, session_id, document)


def ids(pages: list[list[Any]]) -> list[list[str]]:
    return [[one["id"] for one in page] for page in pages]


def test_the_list_is_empty_when_there_are_none(emsp: PartnerApi) -> None:
    """Source: TRN-14, PAG-10"""
    answer = emsp.call("GET", query=ALL)

    assert (answer.codes, answer.data) == ((200, 1000), [])
    assert answer.headers["X-Total-Count"] == "0"


def test_every_session_is_on_one_page(emsp: PartnerApi) -> None:
    """Source: SES-01, PAG-04, PAG-06, PAG-08"""
    for number in range(5):
        put(emsp.node, f"S{number}")

    assert ids(emsp.pages(f"{ALL}&limit=2")) == [["S0", "S1"], ["S2", "S3"], ["S4"]]
    assert emsp.call("GET", query=f"{ALL}&limit=2").headers["X-Total-Count"] == "5"


def test_a_list_without_date_from_starts_at_the_first_session(emsp: PartnerApi) -> None:
    """Source: SES-03; many programs leave it out"""
    for number, moment in enumerate([T0, T1, T2]):
        put(emsp.node, f"S{number}", moment)

    assert ids(emsp.pages("limit=2")) == [["S0", "S1"], ["S2"]]
    assert ids(emsp.pages("date_from=")) == [["S0", "S1", "S2"]]
    assert ids(emsp.pages(f"date_to={T2}")) == [["S0", "S1"]]


def test_a_strict_partner_must_send_date_from(emsp: PartnerApi) -> None:
    """Source: SES-03"""
    emsp.node.directory.update(emsp.caller.id, lambda current: current.model_copy(update={"strict": True}))

    for query in ("", f"date_to={T2}", "date_from=", "limit=5"):
        answer = emsp.call("GET", query=query)
        assert answer.codes == (200, 2001)
        assert "date_from" in answer.message


def test_dates_limit_the_list(emsp: PartnerApi) -> None:
    """Source: PAG-02, PAG-03"""
    for number, moment in enumerate([T0, T1, T2]):
        put(emsp.node, f"S{number}", moment)

    answer = emsp.call("GET", query=f"date_from={T1}&date_to={T2}")

    assert ids([answer.data]) == [["S1"]]
    assert answer.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=abc",
        "offset=-1",
        "offset=1.5",
        "date_from=yesterday",
        "date_to=2026-11-24",
        f"date_from={T1}&date_to={T0}",
    ],
)
def test_an_invalid_query_is_refused(emsp: PartnerApi, query: str) -> None:
    """Source: PAG-14"""
    complete = query if "date_from" in query else f"{ALL}&{query}"

    assert emsp.call("GET", query=complete).codes == (200, 2001)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_write_methods_are_refused(emsp: PartnerApi, method: str) -> None:
    """Source: SES-02, STA-09"""
    assert emsp.call(method, document=session()).codes == (405, 2001)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_charging_preferences_can_only_be_put(emsp: PartnerApi, method: str) -> None:
    """Source: SES-02"""
    answer = emsp.call(method, "S1", "charging_preferences", document={"profile_type": "FAST"})

    assert answer.codes == (405, 2001)


def test_a_page_makes_at_most_four_table_calls(emsp: PartnerApi, in_moto: None) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    for number in range(5):
        put(emsp.node, f"S{number}")

    for query in (ALL, f"{ALL}&limit=2&offset=2", f"{ALL}&date_to={T3}"):
        with measured(emsp.node.table) as spent:
            assert emsp.call("GET", query=query).data
        assert len(spent.calls) <= 4, (query, spent.calls)


def test_the_list_has_only_sessions_of_the_party_in_ocpi_to(node_of: NodeOf, partner_of: PartnerOf) -> None:
    """Source: RTE-06"""
    node = node_of("CPO")
    second = Party("PT", "DEF")
    object.__setattr__(node.settings, "roles", (*node.settings.roles, OwnRole("CPO", second, {})))
    emsp = PartnerApi(node, INTERFACE, partner_of(node, "emsp"))
    put(node, "S1")
    put(node, "S2", party=second)

    assert ids(emsp.pages(ALL)) == [["S1", "S2"]]
    assert ids(emsp.pages(ALL, to=Party("pt", "def"))) == [["S2"]]


# -- a hub


@pytest.fixture
def hub(node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    """A hub's sessions, called by an eMSP: S1 of two CPOs, and S2 of another eMSP's token."""
    node = node_of("HUB")
    for name, party in (("cpo", CPO), ("other", OTHER_CPO)):
        api = PartnerApi(node, receiver.INTERFACE, partner_of(node, name))
        api.call("PUT", *party, "S1", document=session(party, last_updated=T1))
    api.call(
        "PUT", *OTHER_CPO, "S2", document=session(OTHER_CPO, id="S2", cdr_token=cdr_token(Party("ES", "XYZ")))
    )
    return PartnerApi(node, INTERFACE, partner_of(node, "emsp"))


def test_a_hub_lists_the_sessions_of_the_caller_s_tokens_at_all_cpos(hub: PartnerApi) -> None:
    """Source: RTE-26, SES-11"""
    pages = hub.pages(f"{ALL}&limit=1", to=hub.node.settings.roles[0].party)

    listed = [(one["country_code"], one["party_id"], one["id"]) for page in pages for one in page]
    assert sorted(listed) == [(*OTHER_CPO, "S1"), (*CPO, "S1")]


def test_a_hub_s_list_cannot_be_asked_of_another_party(hub: PartnerApi) -> None:
    """A hub may see more at a CPO than the eMSP may see at the hub. Source: RTE-24"""
    own = hub.node.settings.roles[0].party
    assert hub.call("GET", query=ALL).data == hub.call("GET", query=ALL, to=own).data != []
    assert hub.call("GET", query=ALL, to=CPO).codes == (200, 2001)


@pytest.mark.parametrize("roles", [["CPO"], ["NSP", "OTHER", "NAP", "SCSP"]])
def test_a_partner_that_is_not_an_emsp_sees_no_sessions(hub: PartnerApi, roles: list[str]) -> None:
    """Source: SES-11"""
    caller = register(hub.node, "somebody", *((role, Party("PT", "SOM")) for role in roles))

    answer = PartnerApi(hub.node, INTERFACE, caller).call(
        "GET", query=ALL, to=hub.node.settings.roles[0].party
    )

    assert (answer.data, answer.headers["X-Total-Count"]) == ([], "0")


def test_a_foreign_party_in_ocpi_from_is_refused(emsp: PartnerApi) -> None:
    """Source: RTE-32"""
    put(emsp.node, "S1")
    nosy = register(emsp.node, "nosy", ("EMSP", Party("ES", "NOS")))
    headers = {"ocpi-from-country-code": EMSP.country_code, "ocpi-from-party-id": EMSP.party_id}

    answer = PartnerApi(emsp.node, INTERFACE, nosy).call("GET", query=ALL, headers=headers)

    assert (answer.codes, answer.has_data) == ((200, 2001), False)
