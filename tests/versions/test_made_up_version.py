"""A version is one file and one line: `made_up.py` is a file, and a fixture adds the line.

A partner of 9.9 exchanges tariffs with partners of 2.2.1, over real connections.

Source: docs/design.md, Versions
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.calls.client import Exchange, OcpiClient, PartnerFault
from chalicelib.calls.urls import UrlPolicy
from chalicelib.modules import registry
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.directory import Endpoint, HeldToken
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.json_text import read_json
from chalicelib.versions import supported
from tests.calls.answering import AnsweringPartner, answering_partner, envelope, reply
from tests.harness.account import aws
from tests.harness.nodes import Host, make_network
from tests.pushing.pushing import World, partner

OLD, NEW = "2.2.1", "9.9"
ELEMENTS = [{"price_components": [{"type": "FLAT", "price": 1, "step_size": 1}]}]
TARIFF = {"country_code": "PT", "id": "T1", "type": "REGULAR", "elements": ELEMENTS}
MOB = {"ocpi-to-country-code": "PT", "ocpi-to-party-id": "MOB"}


@pytest.fixture(autouse=True)
def two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "VERSIONS", {NEW: "tests.versions.made_up", **supported.VERSIONS})


@pytest.fixture
def there() -> Iterator[AnsweringPartner]:
    """The server behind every partner of the hub."""
    with answering_partner() as server:
        yield server


@pytest.fixture
def hub(there: AnsweringPartner) -> World:
    """A hub with a CPO and an eMSP of each version: `CP2`, `CP9`, `EM2`, `EM9`."""
    world = World("HUB")
    client = OcpiClient(UrlPolicy(True), world.node.directory, world.node.new_id)
    settings = dataclasses.replace(world.node.settings, public_url="https://hub.example")
    world.node = dataclasses.replace(world.node, client=client, settings=settings)
    for name, role, version in (
        ("CP2", "CPO", OLD),
        ("CP9", "CPO", NEW),
        ("EM2", "EMSP", OLD),
        ("EM9", "EMSP", NEW),
    ):
        held = HeldToken(fingerprint=world.node.directory.fingerprint(f"token-{name}"), kind="C")
        endpoints = tuple(
            Endpoint(identifier="tariffs", role=side, url=there.url(f"/{name}/{side.lower()}"))
            for side in ("SENDER", "RECEIVER")
        )
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


def call(hub: World, method: str, path: str, name: str, document: object = None, to: str = "MOB") -> Any:
    host = Host(hub.node, tuple(registry.load_interfaces()))
    headers = {**MOB, "ocpi-to-party-id": to}
    return host.call(method, path, f"token-{name}", document, content_type="application/json", **headers).json


def tariff(name: str, **fields: Any) -> dict[str, Any]:
    return {**TARIFF, "party_id": name, "last_updated": "2026-03-01T12:00:00Z", **fields}


def received(there: AnsweringPartner, name: str) -> list[Any]:
    return [read_json(each.body.decode()) for each in there.received if each.path.startswith(f"/{name}/")]


def test_a_tariff_of_either_version_reaches_partners_of_both(hub: World, there: AnsweringPartner) -> None:
    new, old = tariff("CP9", money="EUR"), tariff("CP2", currency="EUR")

    put_new = call(hub, "PUT", "/ocpi/9.9/receiver/tariffs/PT/CP9/T1", "CP9", new)
    put_old = call(hub, "PUT", "/ocpi/2.2.1/receiver/tariffs/PT/CP2/T1", "CP2", old)
    hub.settle()

    assert (put_new["status_code"], put_old["status_code"]) == (1000, 1000)
    in_old = [tariff("CP9", currency="EUR"), tariff("CP2", currency="EUR")]
    in_new = [
        {name: value for name, value in each.items() if name not in ("currency", "type")} for each in in_old
    ]
    in_new = [{**each, "money": "EUR"} for each in in_new]
    assert sorted(received(there, "EM2"), key=lambda each: each["party_id"]) == in_old[::-1]
    assert sorted(received(there, "EM9"), key=lambda each: each["party_id"]) == in_new[::-1]
    assert call(hub, "GET", "/ocpi/2.2.1/sender/tariffs", "EM2")["data"] == in_old
    assert call(hub, "GET", "/ocpi/9.9/sender/tariffs", "EM9")["data"] == in_new


def test_what_a_version_calls_otherwise_is_validated_in_canonical_form(hub: World) -> None:
    answer = call(hub, "PUT", "/ocpi/9.9/receiver/tariffs/PT/CP9/T1", "CP9", tariff("CP9", money=5))

    assert answer["status_code"] == 2001
    assert answer["status_message"].startswith("currency:")


@pytest.mark.parametrize(("caller", "version", "field"), [("EM2", OLD, "currency"), ("EM9", NEW, "money")])
def test_a_relayed_list_comes_in_the_version_of_the_caller(
    hub: World, there: AnsweringPartner, caller: str, version: str, field: str
) -> None:
    for cpo, theirs in (("CP2", "currency"), ("CP9", "money")):
        document = tariff(cpo, **{theirs: "EUR"})
        there.answer = lambda handler, _, document=document: reply(handler, envelope([document]))  # type: ignore[misc]

        answer = call(hub, "GET", f"/ocpi/{version}/sender/tariffs", caller, to=cpo)

        assert answer["data"][0][field] == "EUR"
        assert "money" not in answer["data"][0] or "currency" not in answer["data"][0]


def test_a_relayed_body_is_sent_in_the_version_of_the_receiver(hub: World, there: AnsweringPartner) -> None:
    call(hub, "PUT", "/ocpi/9.9/receiver/tariffs/PT/CP9/T1", "CP9", tariff("CP9", money="EUR"), to="EM2")
    call(hub, "PUT", "/ocpi/2.2.1/receiver/tariffs/PT/CP2/T1", "CP2", tariff("CP2", currency="EUR"), to="EM9")

    assert received(there, "EM2") == [tariff("CP9", currency="EUR")]
    assert [each["money"] for each in received(there, "EM9")] == ["EUR"]


def test_an_unknown_version_is_refused_in_an_envelope(hub: World) -> None:
    answer = call(hub, "GET", "/ocpi/3.1/sender/tariffs", "EM2")

    assert answer["status_code"] >= 2000
    assert answer["status_message"] == "this node does not speak OCPI 3.1"


def test_a_partner_of_a_version_that_is_no_longer_spoken_is_a_fault(
    hub: World, there: AnsweringPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So its pushes wait, and it becomes OFFLINE, instead of ending in the dead-letter queue."""
    monkeypatch.setattr(supported, "VERSIONS", {OLD: "chalicelib.versions.v2_2_1"})

    with pytest.raises(PartnerFault, match="registered with OCPI 9.9"):
        hub.node.client.send(
            hub.partner("EM9"), "tariffs", "RECEIVER", ["PT", "CP2", "T1"], Exchange("DELETE")
        )

    assert there.received == []


def test_two_nodes_register_with_the_version_that_both_prefer() -> None:
    with aws() as account:
        network = make_network(account, cpo="CPO", hub="HUB")
        _, token = called_side.invite(network["hub"].node, PartnerSettings(name="cpo"))

        registered = calling_side.register(
            network["cpo"].node,
            PartnerSettings(name="hub"),
            "https://hub.example/ocpi/versions",
            token,
            "https://cpo.example/ocpi",
        )

        (known_to_hub,) = network["hub"].node.directory.all()
        assert (registered.version, known_to_hub.version) == (NEW, NEW)
        assert all("/ocpi/9.9/" in endpoint.url for endpoint in registered.endpoints)
