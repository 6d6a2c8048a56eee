"""Pulls in the operator API: starting them, and their progress."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator_api.caller import OperatorApi
from tests.pulling.world import CPO, World, locations, raw, tariffs


@pytest.fixture
def world() -> World:
    """An eMSP with a CPO that has tariffs and locations."""
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO))
    world.partners.objects = {("cpo", "tariffs"): tariffs(5), ("cpo", "locations"): locations(5)}
    return world


@pytest.fixture
def api(world: World) -> OperatorApi:
    return OperatorApi(world.node)


def test_the_operator_starts_pulls_and_sees_their_progress(api: OperatorApi, world: World) -> None:
    answer = api.call("POST", "/partners/cpo/pull", {"modules": ["tariffs", "locations"], "full": True})

    assert answer.status == 202
    assert [(pull["module"], pull["state"]) for pull in answer.json] == [
        ("tariffs", "RUNNING"),
        ("locations", "RUNNING"),
    ]
    world.settle()
    done = {pull["module"]: pull for pull in api.ask("GET", "/partners/cpo/pulls")}
    assert set(done) == {"tariffs", "locations"}
    assert done["tariffs"] == {
        "module": "tariffs", "cause": "OPERATOR", "state": "DONE", "started": "2026-03-01T12:00:00Z",
        "date_from": None, "pages": 1, "objects": 5, "kept": 5, "unchanged": 0, "refused": 0, "odd": 0,
        "own": 0, "vanished": 0, "tries": 0, "waits": 0, "error": None, "retry_at": None,
        "progressed": "2026-03-01T12:00:00Z", "finished": "2026-03-01T12:00:00Z",
        "succeeded": "2026-03-01T12:00:00Z", "total": None,
    }  # fmt: skip


@pytest.mark.parametrize("body", [None, {}])
def test_without_a_body_all_lists_are_read_from_the_last_pull_on(
    api: OperatorApi, world: World, body: Any
) -> None:
    api.call("POST", "/partners/cpo/pull", body)
    world.settle()
    world.clock.forward(days=1)

    started = api.call("POST", "/partners/cpo/pull", body).json

    assert {pull["module"]: pull["date_from"] for pull in started} == dict.fromkeys(
        ("tariffs", "locations", "sessions", "cdrs"), "2026-03-01T11:00:00Z"
    )


def test_a_partner_that_asks_to_wait_is_shown_as_waiting(api: OperatorApi, world: World) -> None:
    world.partners.answers["cpo", "tariffs"] = [raw(None, {"Retry-After": "600"}, 429)]
    api.call("POST", "/partners/cpo/pull", {"modules": ["tariffs"]})
    world.work()

    pull = api.ask("GET", "/partners/cpo/pulls/tariffs")

    assert (pull["state"], pull["waits"], pull["retry_at"]) == ("WAITING", 1, "2026-03-01T12:10:00Z")
    assert "429" in pull["error"]


def test_vanished_objects_are_named(api: OperatorApi, world: World) -> None:
    api.call("POST", "/partners/cpo/pull", {"modules": ["tariffs"], "full": True})
    world.settle()
    world.clock.forward(60)
    del world.partners.objects["cpo", "tariffs"][1]

    api.call("POST", "/partners/cpo/pull", {"modules": ["tariffs"], "full": True})
    world.settle()

    pull = api.ask("GET", "/partners/cpo/pulls/tariffs")
    assert (pull["vanished"], pull["vanished_objects"]) == (1, ["tariffs#DE*CPX#N00001"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"modules": ["tokens"]}, "modules"),
        ({"modules": ["x"]}, "modules"),
        ({"modules": "tariffs"}, "modules"),
        ({"modules": [["tariffs"]]}, "modules.0"),
        ({"date_from": "yesterday"}, "date_from"),
        ({"full": "yes"}, "full"),
        ({"full": True, "date_from": "2026-03-01T00:00:00Z"}, "date_from"),
        ({"since": "2026-03-01T00:00:00Z"}, "since"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(
    api: OperatorApi, world: World, body: Any, field: str
) -> None:
    answer = api.call("POST", "/partners/cpo/pull", body)

    assert answer.status in (400, 422)
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert not len(world.queue)


def test_only_a_registered_partner_is_read(api: OperatorApi, world: World) -> None:
    partner = world.partner("cpo")
    world.node.directory.save(partner.model_copy(update={"status": "UNREGISTERED"}), partner)

    assert api.call("POST", "/partners/cpo/pull", {}).status == 409
    assert api.call("POST", "/partners/nobody/pull", {}).status == 404
    assert api.call("GET", "/partners/nobody/pulls").status == 404
    assert api.call("GET", "/partners/cpo/pulls/tariffs").status == 404


def test_how_often_a_list_is_read_is_a_setting(api: OperatorApi) -> None:
    changed = api.ask("PATCH", "/partners/cpo", {"pull": {"tokens": "off", "cdrs": "hourly"}})

    assert changed["pull"] == {"tokens": "off", "cdrs": "hourly"}
    for wrong in ({"x": "off"}, {"tokens": "daily"}, {"tokens": None}, ["tokens"], "off"):
        assert api.call("PATCH", "/partners/cpo", {"pull": wrong}).status == 422
