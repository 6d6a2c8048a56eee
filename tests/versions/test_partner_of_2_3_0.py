"""Partners of OCPI 2.3.0: registration, hubs that list clients, and objects at a hub of several versions.

Source: OCPI 2.3.0 credentials, mod_tariffs, mod_locations, mod_tokens; V23-01 … V23-30
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.modules import registry
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.objects import MAX_ROLES
from chalicelib.partners.directory import Endpoint, HeldToken, Partner
from chalicelib.partners.roles import NOTHING_EXPECTED, Expectation
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.json_text import Document, read_json
from tests.calls.answering import AnsweringPartner, answering_partner
from tests.harness.account import aws
from tests.harness.nodes import Host, make_network
from tests.modules import builders
from tests.modules.builders import component, element
from tests.modules.sessions.builders import session
from tests.pushing.pushing import World, partner
from tests.versions.test_partner_of_2_2 import offer

Network = dict[str, Host]

HUB = Expectation(is_hub=True)
DETAILS = {"name": "x"}


@pytest.fixture
def network() -> Iterator[Network]:
    """A CPO, an eMSP and a hub that speak every version."""
    with aws() as account:
        made = make_network(account, cpo="CPO", emsp="EMSP", hub="HUB")
        for host in made.values():
            offer(host)
        yield made


def register(network: Network, caller: str, called: str, expected: Expectation = NOTHING_EXPECTED) -> Partner:
    """Register one node at another. expected: what the caller's operator expects."""
    _, token = called_side.invite(network[called].node, PartnerSettings(name=caller))
    return calling_side.register(
        network[caller].node,
        PartnerSettings(name=called),
        f"https://{called}.example/ocpi/versions",
        token,
        f"https://{caller}.example/ocpi",
        expected,
    )


# -- registration


def test_two_nodes_that_speak_it_agree_on_2_3_0(network: Network) -> None:
    """Source: V23-01, V23-38"""
    emsp = register(network, "cpo", "emsp")
    (cpo,) = network["emsp"].node.directory.all()

    assert (emsp.version, cpo.version) == ("2.3.0", "2.3.0")
    assert all("/ocpi/2.3.0/" in endpoint.url for endpoint in (*emsp.endpoints, *cpo.endpoints))


def test_a_hub_lists_its_clients_to_a_partner_of_2_3_0(network: Network) -> None:
    """Source: V23-05, V23-06, V23-07"""
    register(network, "emsp", "hub", HUB)
    hub = register(network, "cpo", "hub", HUB)
    token = network["cpo"].node.directory.token_for(hub)

    in_2_3_0 = network["hub"].call("GET", "/ocpi/2.3.0/credentials", token).json["data"]
    in_2_2_1 = network["hub"].call("GET", "/ocpi/2.2.1/credentials", token).json["data"]

    assert in_2_3_0["hub_party_id"] == "PTMOB"
    assert [(role["role"], role["party_id"]) for role in in_2_3_0["roles"]] == [("EMSP", "EVI")]
    assert in_2_2_1.keys() == {"token", "url", "roles"}
    assert [(role["role"], role["party_id"]) for role in in_2_2_1["roles"]] == [("HUB", "MOB")]
    assert [(role.role, role.party.key()) for role in hub.roles] == [("HUB", "PT*MOB")]
    assert hub.hub_clients == ("EMSP PT*EVI",)


@pytest.mark.parametrize("count", [150, 1000])
def test_a_hub_may_list_any_number_of_parties(network: Network, count: int) -> None:
    """They are no roles of its own: it acts for every party that is no partner itself. Source: V23-06"""
    assert count > MAX_ROLES
    roles = [
        {"role": "CPO", "country_code": "PT", "party_id": f"{n:03X}", "business_details": DETAILS}
        for n in range(count)
    ]
    _, theirs = called_side.invite(network["hub"].node, PartnerSettings(name="cpo"))
    invited, ours = called_side.invite(network["cpo"].node, PartnerSettings(name="hub"), HUB)
    document = {
        "token": theirs,
        "url": "https://hub.example/ocpi/versions",
        "hub_party_id": "PTMOB",
        "roles": roles,
    }

    answer = network["cpo"].call("POST", "/ocpi/2.3.0/credentials", ours, document)

    known = network["cpo"].node.directory.get(invited.id)
    assert answer.json["status_code"] == 1000
    assert known is not None
    assert [(role.role, role.party.key()) for role in known.roles] == [("HUB", "PT*MOB")]
    assert known.hub_clients[:2] == ("CPO PT*000", "CPO PT*001")
    assert len(known.hub_clients) == min(count, 500)


def test_a_hub_that_nobody_expects_waits_for_approval(network: Network) -> None:
    """Source: V23-05, V23-07"""
    hub = register(network, "cpo", "hub")

    assert hub.roles == ()
    assert [role.role for role in hub.pending_roles] == ["HUB"]


# -- objects at a hub


@pytest.fixture
def there() -> Iterator[AnsweringPartner]:
    """The server behind every partner of the hub."""
    with answering_partner() as server:
        yield server


@pytest.fixture
def hub(there: AnsweringPartner) -> World:
    """A hub with a CPO of 2.3.0 and one of 2.2.1, and an eMSP of each version that has hubs."""
    world = World("HUB")
    client = OcpiClient(UrlPolicy(True), world.node.directory, world.node.new_id)
    settings = dataclasses.replace(world.node.settings, public_url="https://hub.example")
    world.node = dataclasses.replace(world.node, client=client, settings=settings)
    for name, version in (
        ("CP3", "2.3.0"), ("CP1", "2.2.1"), ("EM3", "2.3.0"), ("EM1", "2.2.1"), ("EM2", "2.2"),
    ):  # fmt: skip
        held = HeldToken(fingerprint=world.node.directory.fingerprint(f"token-{name}"), kind="C")
        endpoints = tuple(
            Endpoint(identifier=module, role="RECEIVER", url=there.url(f"/{name}/{module}"))
            for module in ("locations", "tariffs", "sessions", "tokens")
        )
        role = "CPO" if name.startswith("CP") else "EMSP"
        world.join(
            partner(
                role,
                name,
                version=version,
                endpoints=endpoints,
                held_tokens=(held,),
                versions_url=there.url(),
            )
        )
    there.received.clear()
    return world


def call(hub: World, method: str, path: str, name: str, document: object = None) -> Any:
    host = Host(hub.node, tuple(registry.load_interfaces()))
    to = {"ocpi-to-country-code": "PT", "ocpi-to-party-id": "MOB"}
    answer = host.call(method, path, f"token-{name}", document, content_type="application/json", **to).json
    hub.settle()
    return answer


def received(there: AnsweringPartner) -> dict[str, Any]:
    """The document that each partner received last."""
    return {each.path.split("/")[1]: read_json(each.body.decode()) for each in there.received}


def gross(**fields: Any) -> Document:
    """A tariff of the CPO of 2.3.0 whose prices include taxes."""
    made = builders.tariff(
        party_id="CP3",
        elements=[element(component(price=Decimal("0.49"), vat=21))],
        max_price={"before_taxes": 50, "after_taxes": Decimal("60.50")},
    )
    return {**made, "tax_included": "YES", **fields}


def test_prices_with_taxes_reach_older_partners_without_them(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-14, V23-15, V23-16"""
    answer = call(hub, "PUT", "/ocpi/2.3.0/receiver/tariffs/PT/CP3/T1", "CP3", gross())

    sent = received(there)
    net = gross(
        elements=[element(component(price=Decimal("0.4050"), vat=21))],
        max_price={"excl_vat": 50, "incl_vat": Decimal("60.50")},
    )
    del net["tax_included"]
    assert answer["status_code"] == 1000
    assert sent == {"EM3": gross(), "EM1": net, "EM2": net}
    for name, version, shown in (("EM3", "2.3.0", gross()), ("EM1", "2.2.1", net), ("EM2", "2.2", net)):
        assert call(hub, "GET", f"/ocpi/{version}/sender/tariffs", name)["data"] == [shown]


def test_prices_with_unknown_taxes_are_held_for_older_partners(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-14, X-04"""
    unknown = gross(elements=[element(component(price=Decimal("2.10")))])

    answer = call(hub, "PUT", "/ocpi/2.3.0/receiver/tariffs/PT/CP3/T1", "CP3", unknown)

    assert answer["status_code"] == 1000
    assert received(there) == {"EM3": unknown}
    assert call(hub, "GET", "/ocpi/2.2.1/sender/tariffs", "EM1")["data"] == []


def test_a_tariff_without_tax_included_is_refused(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-14"""
    silent = gross()
    del silent["tax_included"]

    answer = call(hub, "PUT", "/ocpi/2.3.0/receiver/tariffs/PT/CP3/T1", "CP3", silent)

    assert (answer["status_code"], answer["status_message"]) == (2001, "tax_included: required")
    assert received(there) == {}


def test_a_tariff_of_2_2_1_has_tax_included_no_in_2_3_0(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-14, V23-15"""
    ours = builders.tariff(party_id="CP1", min_price={"excl_vat": 1, "incl_vat": 2})

    call(hub, "PUT", "/ocpi/2.2.1/receiver/tariffs/PT/CP1/T1", "CP1", ours)

    sent = received(there)
    assert sent["EM1"] == sent["EM2"] == ours
    assert sent["EM3"] == {**ours, "min_price": {"before_taxes": 1, "after_taxes": 2}, "tax_included": "NO"}


def test_the_cost_of_a_session_is_in_the_words_of_each_version(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-12, V23-13, V23-37"""
    taxes = [{"name": "IVA", "percentage": 23, "amount": Decimal("2.30")}]
    cost = {"before_taxes": Decimal("10.00"), "taxes": taxes}
    for name in ("EM3", "EM1", "EM2"):
        token = {**session()["cdr_token"], "party_id": name}
        sent = {**session(), "party_id": "CP3", "id": f"S-{name}", "cdr_token": token, "total_cost": cost}
        answer = call(hub, "PUT", f"/ocpi/2.3.0/receiver/sessions/PT/CP3/S-{name}", "CP3", sent)
        assert answer["status_code"] == 1000

    costs = {name: document["total_cost"] for name, document in received(there).items()}
    both = {"excl_vat": Decimal("10.00"), "incl_vat": Decimal("12.30")}
    assert costs == {"EM3": cost, "EM1": {**both, "taxes": taxes}, "EM2": both}


def test_fields_of_2_3_0_reach_whoever_can_read_them(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-03, V23-20, V23-22, V23-24, V23-25, V23-28"""
    newer = {
        **builders.location(
            party_id="CP3",
            evses=[
                builders.evse(
                    parking=[{"parking_id": "P1"}],
                    parking_restrictions=["TENANTS"],
                    connectors=[builders.connector(capabilities=["ISO_15118_2_PLUG_AND_CHARGE"])],
                )
            ],
        ),
        "help_phone": "+351 21 000 000",
        "parking_places": [
            {"id": "P1", "vehicle_types": ["VAN"], "restricted_to_type": True, "reservation_required": False}
        ],
        "unheard_of": {"by": ["anybody"]},
    }

    answer = call(hub, "PUT", "/ocpi/2.3.0/receiver/locations/PT/CP3/L1", "CP3", newer)

    sent = received(there)
    older = {**builders.location(party_id="CP3"), "unheard_of": {"by": ["anybody"]}}
    older["evses"][0]["parking_restrictions"] = []
    assert answer["status_code"] == 1000
    assert sent["EM3"] == sent["EM1"] == newer
    assert sent["EM2"] == older


def test_a_token_of_the_type_emaid_is_pushed_to_nobody(hub: World, there: AnsweringPartner) -> None:
    """Source: V23-30"""
    token = builders.token(party_id="EM3", uid="PTEM3C0001", type="EMAID")
    url = "/ocpi/2.3.0/receiver/tokens/PT/EM3/PTEM3C0001?type=EMAID"

    answer = call(hub, "PUT", url, "EM3", token)

    assert answer["status_code"] == 1000
    assert received(there) == {}
    assert call(hub, "GET", "/ocpi/2.3.0/sender/tokens", "CP3")["data"] == [token]
    assert call(hub, "GET", "/ocpi/2.2.1/sender/tokens", "CP1")["data"] == []
