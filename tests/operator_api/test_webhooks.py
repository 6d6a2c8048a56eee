"""Webhooks in the operator API.

Source: docs/design.md, A command; https://www.standardwebhooks.com
"""

from __future__ import annotations

import pytest

from chalicelib.calls.webhooks import read_webhooks
from tests.operator_api.caller import OperatorApi

WANTED = {"url": "https://csms.example/hook", "events": ["command"]}


def test_the_secret_is_shown_once(cpo: OperatorApi) -> None:
    made = cpo.call("PUT", "/webhooks/csms", WANTED)
    changed = cpo.call("PUT", "/webhooks/csms", {**WANTED, "events": ["command", "authorize"]})

    assert (made.status, changed.status) == (201, 200)
    assert made.json["secret"].startswith("whsec_")
    assert "secret" not in changed.json
    assert cpo.ask("GET", "/webhooks/csms") == changed.json == cpo.ask("GET", "/webhooks")[0]
    (kept,) = read_webhooks(cpo.node.table)
    assert made.json["secret"] not in kept.sealed_secret
    assert cpo.node.directory.unseal(kept.sealed_secret) == made.json["secret"]


def test_a_webhook_made_again_has_another_secret(cpo: OperatorApi) -> None:
    first = cpo.ask("PUT", "/webhooks/csms", WANTED)

    assert cpo.call("DELETE", "/webhooks/csms").status == 204
    assert cpo.ask("GET", "/webhooks") == []
    assert cpo.call("DELETE", "/webhooks/csms").status == 404
    assert cpo.call("GET", "/webhooks/csms").status == 404
    assert cpo.ask("PUT", "/webhooks/csms", WANTED)["secret"] != first["secret"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"events": ["command"]}, "url"),
        ({"url": "http://csms.example/", "events": ["command"]}, "url"),
        ({"url": "https://169.254.169.254/", "events": ["command"]}, "url"),
        ({"url": 1, "events": ["command"]}, "url"),
        ({"url": "https://csms.example/"}, "events"),
        ({"url": "https://csms.example/", "events": []}, "events"),
        ({"url": "https://csms.example/", "events": ["everything"]}, "events.0"),
        ({**WANTED, "secret": "mine"}, "secret"),
    ],
)
def test_an_invalid_webhook_is_refused_with_422(cpo: OperatorApi, body: object, field: str) -> None:
    answer = cpo.call("PUT", "/webhooks/csms", body)

    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == field


def test_a_webhook_name_has_lower_case_letters_digits_and_dashes_only(cpo: OperatorApi) -> None:
    assert cpo.call("PUT", "/webhooks/CSMS%20one", WANTED).status == 422
