"""Tests of a hub that relays between parties of different OCPI versions.

The CPO speaks 9.9, which is made up (`tests/versions/made_up.py`), or 2.2; the eMSP speaks 2.2 or 2.2.1.

Source: X-02, X-06, X-08
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.locations import receiver as locations_receiver
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from chalicelib.modules.tariffs import sender as tariffs_sender
from chalicelib.protocol.json_text import read_json
from chalicelib.versions import supported
from chalicelib.versions.version import Traits
from tests.calls.answering import envelope
from tests.harness.partner_api import CPO, EMSP, Answer
from tests.hub.relaying import Hub, answering
from tests.reading.shapes import whole

PATCH = {"last_updated": "2026-03-01T12:00:00Z"}


@pytest.fixture(autouse=True)
def made_up_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "VERSIONS", {**supported.VERSIONS, "9.9": "tests.versions.made_up"})


def speak(hub: Hub, cpo: str, emsp: str) -> None:
    """Let the hub's clients speak these versions, and the hub every one."""
    hub.node = replace(hub.node, settings=replace(hub.node.settings, ocpi_versions=()))
    hub.cpo, hub.emsp = hub.change(hub.cpo, version=cpo), hub.change(hub.emsp, version=emsp)


def put_location(hub: Hub, method: str = "PUT", **fields: Any) -> Answer:
    document = {**(whole.location() if method == "PUT" else PATCH), **fields}
    api = hub.interface(locations_receiver.INTERFACE)
    return api.call(method, *CPO, "L1", to=EMSP, document=document)


def received(hub: Hub) -> list[Any]:
    return [read_json(each.body.decode()) for each in hub.there.received]


def test_a_body_is_relayed_in_the_version_of_the_receiver_and_losses_are_named(hub: Hub) -> None:
    speak(hub, "9.9", "2.2")

    answer = put_location(hub, address="A" * 60, state="S" * 30)

    assert answer.codes == (200, 1000)
    assert answer.message == (
        "left out for the receiver: /address (2.2 has at most 45 characters), "
        "/state (2.2 has at most 20 characters)"
    )
    assert received(hub) == [{**whole.location(), "address": "A" * 45, "state": "S" * 20}]


def test_an_answer_is_relayed_in_the_version_of_the_caller_and_losses_are_named(hub: Hub) -> None:
    speak(hub, "2.2.1", "9.9")
    tariffs = [{"currency": "EUR", "type": each} for each in ("REGULAR", "AD_HOC_PAYMENT")]
    hub.there.answer = answering(envelope(tariffs))

    answer = hub.interface(tariffs_sender.INTERFACE).call("GET", to=CPO)

    assert answer.data == [{"money": "EUR"}]
    assert answer.message.startswith("left out of the answer: /0/type (9.9 has no type of a tariff), /1 (not")


def test_losses_stand_behind_the_message_of_the_receiver(hub: Hub) -> None:
    speak(hub, "2.2.1", "2.2")
    hub.there.answer = answering(envelope(None, status_message="thanks"))

    answer = put_location(hub, state="S" * 30)

    assert answer.message == "thanks; left out for the receiver: /state (2.2 has at most 20 characters)"


def test_losses_are_named_beside_an_error_of_the_receiver(hub: Hub) -> None:
    speak(hub, "2.2.1", "2.2")
    hub.there.answer = answering(envelope(None, 2001, status_message="no"))

    answer = put_location(hub, state="S" * 30)

    assert answer.codes == (200, 2001)
    assert answer.message == "no; left out for the receiver: /state (2.2 has at most 20 characters)"


@pytest.mark.parametrize("version", ["2.2", "9.9"])
def test_between_parties_of_one_version_bodies_and_answers_are_not_changed(hub: Hub, version: str) -> None:
    speak(hub, version, version)
    sent = '{"price" :0.2500,\n "type": "AD_HOC_PAYMENT", "money": "EUR"}'
    hub.there.answer = answering(envelope({"money": "EUR", "type": "AD_HOC_PAYMENT"}))

    put = hub.interface(tariffs_receiver.INTERFACE).call("PUT", *CPO, "T1", to=EMSP, body=sent)
    got = hub.interface(tariffs_receiver.INTERFACE).call("GET", *CPO, "T1", to=EMSP)

    assert hub.there.received[0].body == sent.encode()
    assert got.data == {"money": "EUR", "type": "AD_HOC_PAYMENT"}
    assert (put.message, got.message) == ("", "")


@pytest.mark.parametrize(
    ("versions", "fields", "refusal"),
    [
        (("2.2.1", "9.9"), {"address": "Rua 2"}, ""),
        (("2.2.1", "9.9"), {"name": "New"}, "means something else there, send the whole object by PUT"),
        (("9.9", "2.2.1"), {"name": "New"}, ""),
        (("9.9", "9.9"), {"name": "New"}, ""),
        (("2.2.1", "9.9"), {"publish": False}, "9.9 cannot hide a location"),
        (("2.2.1", "2.2"), {"name": "New"}, ""),
    ],
)
def test_a_patch_crosses_versions_only_if_it_means_the_same(
    hub: Hub, versions: tuple[str, str], fields: dict[str, Any], refusal: str
) -> None:
    """Source: X-06"""
    speak(hub, *versions)

    answer = put_location(hub, "PATCH", **fields)

    assert answer.codes == (200, 2001 if refusal else 1000)
    assert refusal in answer.message
    assert received(hub) == ([] if refusal else [{**PATCH, **fields}])


def test_an_object_that_the_caller_s_version_cannot_express_is_an_error_with_the_reason(hub: Hub) -> None:
    speak(hub, "2.2.1", "9.9")
    hub.there.answer = answering(envelope({**whole.location(), "publish": False}))

    answer = hub.interface(locations_sender.INTERFACE).call("GET", "L1", to=CPO)

    assert answer.codes == (200, 2001)
    assert "9.9 cannot hide a location" in answer.message


@pytest.mark.parametrize("versions", [("2.2.1", "9.9"), ("9.9", "2.2.1")])
def test_nothing_is_relayed_to_or_from_a_version_without_routing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, versions: tuple[str, str]
) -> None:
    """Source: X-08"""
    monkeypatch.setattr(supported, "TRAITS", {**supported.TRAITS, "9.9": Traits(is_routed=False)})
    speak(hub, *versions)

    answer = put_location(hub)

    assert (answer.codes, received(hub)) == ((200, 4000), [])
    assert answer.message.startswith("OCPI 9.9 has no message routing")


def test_a_partner_of_2_1_1_is_not_relayed_for_at_a_path_of_another_version(hub: Hub) -> None:
    """Its registration decides, not the path that it calls. Source: X-08"""
    speak(hub, "2.1.1", "2.2.1")

    at_another_path = hub.cpo.model_copy(update={"version": "2.2.1"})
    api = hub.interface(locations_receiver.INTERFACE, at_another_path)

    answer = api.call("PUT", *CPO, "L1", to=EMSP, document=whole.location())

    assert (answer.codes, received(hub)) == ((200, 4000), [])
    assert answer.message.startswith("OCPI 2.1.1 has no message routing")


GROSS = {"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1, "vat": 25}]}
UNCLEAR = {"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}]}


@pytest.mark.parametrize("emsp", ["2.2.1", "2.2"])
@pytest.mark.parametrize(
    ("tax_included", "element", "prices"),
    [("NO", GROSS, [1]), ("YES", GROSS, [Decimal("0.8")]), ("YES", UNCLEAR, [])],
)
def test_a_tariff_of_2_3_0_is_relayed_with_prices_without_taxes_or_refused(
    hub: Hub, emsp: str, tax_included: str, element: dict[str, Any], prices: list[Any]
) -> None:
    """Source: X-04"""
    speak(hub, "2.3.0", emsp)

    tariff = {**whole.tariff(), "elements": [element], "tax_included": tax_included}
    answer = hub.interface(tariffs_receiver.INTERFACE).call("PUT", *CPO, "T1", to=EMSP, document=tariff)

    assert answer.codes == (200, 1000 if prices else 2001)
    assert [each["elements"][0]["price_components"][0]["price"] for each in received(hub)] == prices
    assert "include taxes" in answer.message or prices


def test_a_tariff_of_2_2_1_is_relayed_to_2_3_0_with_its_taxes_named(hub: Hub) -> None:
    speak(hub, "2.2.1", "2.3.0")

    tariff = {**whole.tariff(), "min_price": {"excl_vat": 1}}
    hub.interface(tariffs_receiver.INTERFACE).call("PUT", *CPO, "T1", to=EMSP, document=tariff)

    (sent,) = received(hub)
    assert (sent["tax_included"], sent["min_price"]) == ("NO", {"before_taxes": 1})


def test_between_parties_of_2_3_0_gross_prices_are_not_touched(hub: Hub) -> None:
    speak(hub, "2.3.0", "2.3.0")
    body = '{"tax_included":"YES",  "elements":[{"price_components":[{"type":"ENERGY","price":1.00}]}]}'

    answer = hub.interface(tariffs_receiver.INTERFACE).call("PUT", *CPO, "T1", to=EMSP, body=body)

    assert answer.codes == (200, 1000)
    assert hub.there.received[0].body == body.encode()
