"""A module is one folder and one line: `made_up/` is a folder, and the fixture adds the line.

Source: docs/design.md, Modules
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.endpoint import mount, mount_operator
from chalicelib.modules import registry
from chalicelib.operator_api.endpoint import serve as serve_operator
from chalicelib.operator_api.keys import add_operator_key
from chalicelib.operator_api.routes import operator_routes
from chalicelib.partners.directory import Endpoint, HeldToken
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Request
from chalicelib.pushing import outbox
from chalicelib.pushing.catch_up import find_pending
from chalicelib.pushing.replays import replay
from chalicelib.routes import gather_by_path
from chalicelib.settings import read_settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import ObjectStore, Remove
from tests.harness.nodes import Host
from tests.modules.made_up.module import MODULE
from tests.pushing.pushing import World, partner

PERMIT = {"country_code": "PT", "party_id": "CPO", "id": "P1", "last_updated": "2026-03-01T12:00:00Z"}
REF = Ref("permits", "PT", "CPO", "P1")
PATH = "/ocpi/2.2.1/receiver/permits/PT/CPO/P1"
MOB = {"ocpi-to-country-code": "PT", "ocpi-to-party-id": "MOB"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A hub with the made-up module, a CPO partner and an eMSP partner."""
    monkeypatch.setattr(registry, "MODULES", (*registry.MODULES, MODULE))
    world = World("HUB")
    retention = {name: timedelta(days=days) for name, days in registry.retention_days().items() if days}
    world.node = dataclasses.replace(
        world.node,
        objects=ObjectStore(world.table, world.clock, retention),
        settings=dataclasses.replace(world.node.settings, public_url="https://hub.example"),
    )
    for role, name in (("CPO", "cpo"), ("EMSP", "emsp")):
        held = HeldToken(fingerprint=world.node.directory.fingerprint(f"token-{name}"), kind="C")
        receiver = Endpoint(identifier="permits", role="RECEIVER", url=f"https://{name}.example/permits")
        world.join(partner(role, name, endpoints=(receiver,), held_tokens=(held,)))
    return world


def ocpi(world: World, method: str, path: str, name: str, document: object = None) -> Any:
    host = Host(world.node, tuple(registry.load_interfaces()))
    answer = host.call(method, path, f"token-{name}", document, content_type="application/json", **MOB)
    return answer.json


def operator(world: World, path: str) -> Any:
    add_operator_key(world.node, "tests", "the-operator-key")
    routes, parameters = next(
        (routes, dict(zip(["permit_id"], path.split("/")[2:], strict=False)))
        for pattern, routes in gather_by_path(operator_routes())
        if pattern.startswith("/permits") and pattern.count("/") == path.count("/")
    )
    request = Request(
        method="GET",
        url=f"https://hub.example/operator{path}",
        base_url="https://hub.example/ocpi",
        path=parameters,
        query={},
        headers={"authorization": "Bearer the-operator-key"},
        body=None,
        request_id="r",
        correlation_id="c",
    )
    _, _, body = serve_operator(world.node, routes, request)
    return read_json(body)


def test_it_is_mounted_at_every_version_and_at_the_operator_api(world: World) -> None:
    app = Chalice(app_name="made-up")

    mount(app, lambda: world.node, registry.load_interfaces())
    mount_operator(app, lambda: world.node, operator_routes())

    assert {
        "/ocpi/{version}/sender/permits",
        "/ocpi/{version}/receiver/permits/{country_code}/{party_id}/{permit_id}",
        "/operator/permits/{permit_id}",
    } <= set(app.routes)


def test_it_is_listed_in_version_details(world: World) -> None:
    endpoints = ocpi(world, "GET", "/ocpi/2.2.1", "cpo")["data"]["endpoints"]

    assert [(line["role"], line["url"]) for line in endpoints if line["identifier"] == "permits"] == [
        ("RECEIVER", "https://hub.example/ocpi/2.2.1/receiver/permits"),
        ("SENDER", "https://hub.example/ocpi/2.2.1/sender/permits"),
    ]


def test_its_objects_are_stored_paged_shown_and_pushed(world: World) -> None:
    assert ocpi(world, "PUT", PATH, "cpo", PERMIT)["status_code"] == 1000
    world.settle()

    assert ocpi(world, "GET", "/ocpi/2.2.1/sender/permits", "emsp")["data"] == [PERMIT]
    assert operator(world, "/permits") == [PERMIT]
    assert operator(world, "/permits/P1") == PERMIT
    assert world.held("emsp", REF) == PERMIT
    assert world.held("cpo", REF) is None


def test_a_deletion_that_a_partner_missed_is_found_when_catching_up(world: World) -> None:
    ocpi(world, "PUT", PATH, "cpo", PERMIT)
    world.settle()
    world.node.objects.change(REF, lambda _: Remove(), partition="permits#*", source="cpo")
    world.dynamodb.stream.clear()

    emsp = world.partner("emsp")
    found = find_pending(world.node, emsp)
    replay(world.node, emsp, "permits")
    world.settle()

    assert [each.ref for each in found] == [str(REF)]
    assert world.held("emsp", REF) is None


def test_its_objects_expire(world: World) -> None:
    ocpi(world, "PUT", PATH, "cpo", PERMIT)
    world.settle()

    world.clock.forward(31 * 86_400)
    for key, item in list(world.dynamodb.items.items()):
        if "expires_at" in item and int(item["expires_at"]["N"]) <= world.clock().timestamp():
            world.dynamodb._set(key, None)
    outbox.delete_expired(world.node, list(world.dynamodb.stream))
    world.settle()

    assert world.node.objects.get(REF) is None
    assert world.held("emsp", REF) == PERMIT, "an expired copy is no deletion (RTE-12)"


def test_its_retention_and_its_webhook_event_can_be_configured(world: World) -> None:
    settings = read_settings(
        {
            "OCPI_PARTIES": '[{"role": "HUB", "country_code": "PT", "party_id": "MOB"}]',
            "OCPI_TABLE": "t",
            "OCPI_BROADCASTS_QUEUE_URL": "q",
            "OCPI_KMS_KEY_ID": "k",
            "OCPI_COMMANDS_QUEUE_URL": "q",
            "OCPI_BACKGROUND_QUEUE_URL": "q",
            "OCPI_RETENTION_DAYS": '{"permits": 7}',
        }
    )

    assert settings.retention["permits"] == timedelta(days=7)
    assert "permit_expires" in registry.webhook_events()
