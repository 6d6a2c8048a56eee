"""Notices to the operator's webhooks of roles that wait for approval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.calls.webhook_events import COMMAND, ROLES_PENDING
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import Webhook
from chalicelib.partners.directory import PartnerRole
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing import liveness
from tests.modules.builders import T0
from tests.pushing.pushing import World, partner

EMSP, CPO = (PartnerRole(role=role, country_code="PT", party_id="NEW") for role in ("EMSP", "CPO"))


class Hooks:
    """Fake of the webhook sender. failing: URLs that answer 500."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.failing: set[str] = set()

    def post(self, url: str, secret: str, message_id: str, now: Any, body: str, total_s: float) -> None:
        self.calls.append((url, message_id, read_json(body)))
        if url in self.failing:
            raise WebhookFailed("answered HTTP 500")


class Place:
    """A node with one partner and two webhooks: `a` for pending roles, `b` for commands."""

    def __init__(self) -> None:
        self.world = World("CPO")
        self.hooks = Hooks()
        self.node = self.world.node = replace(self.world.node, webhooks=self.hooks)  # type: ignore[arg-type]
        self.world.join(partner("EMSP", "one"))
        self.add_webhook("a", ROLES_PENDING)
        self.add_webhook("b", COMMAND)

    def add_webhook(self, name: str, event: str) -> None:
        secret = self.node.directory.seal("whsec_c2VjcmV0")
        self.node.table.put(Webhook(name, name, (event,), secret, T0).to_item())

    def claim(self, *roles: PartnerRole) -> None:
        now = format_datetime(self.node.clock())
        self.node.directory.update(
            "one", lambda one: one.model_copy(update={"pending_roles": roles, "last_updated": now})
        )

    def minute(self) -> None:
        self.world.clock.forward(60)
        liveness.run(self.node, self.node.directory.all())


@pytest.fixture
def place() -> Place:
    return Place()


def test_pending_roles_are_notified_once(place: Place) -> None:
    place.minute()
    assert place.hooks.calls == []

    place.claim(EMSP)
    place.minute()
    place.minute()

    ((url, _, call),) = place.hooks.calls
    assert (url, call["type"]) == ("a", "partner_roles_pending")
    assert call["data"]["partner"] == {"id": "one", "name": place.world.partner("one").name}
    assert [role["party_id"] for role in call["data"]["pending_roles"]] == ["NEW"]
    assert "/operator/partners/one/roles/approve" in call["data"]["hint"]


def test_a_failed_webhook_is_called_again_with_the_same_message_id(place: Place) -> None:
    place.claim(EMSP)
    place.hooks.failing.add("a")
    place.minute()
    place.hooks.failing.clear()

    place.minute()
    place.minute()

    (_, first, _), (_, second, _) = place.hooks.calls
    assert first == second


def test_an_additional_role_has_another_message_id(place: Place) -> None:
    place.claim(EMSP)
    place.minute()
    place.claim(EMSP, CPO)
    place.minute()

    (_, first, _), (_, second, call) = place.hooks.calls
    assert first != second
    assert len(call["data"]["pending_roles"]) == 2


def test_a_failing_webhook_is_called_for_one_day(place: Place) -> None:
    place.claim(EMSP)
    place.hooks.failing.add("a")
    place.minute()
    place.world.clock.forward(24 * 3600)

    place.minute()

    assert len(place.hooks.calls) == 1


def test_an_error_in_the_notices_does_not_stop_the_timer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(liveness, "notify_of_roles", fail)
    place.claim(EMSP)

    place.minute()
