"""A partner's lists are read: after registration, in steps, and to their end.

Source: docs/design.md, A pull; BR-09; TRN-30, TRN-31, TRN-32, TOK-07
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.modules.registry import load_keeping
from chalicelib.partners.directory import PartnerRole
from chalicelib.protocol.message import Party
from chalicelib.pulling.objects import PullState
from tests.logged import Logged
from tests.pulling.world import CPO, EMSP, HUB, World, locations, raw, tariffs, tokens

NEW = Party("DE", "NEW")


@pytest.fixture
def emsp() -> World:
    """An eMSP with a CPO whose lists it reads."""
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO))
    return world


@pytest.fixture
def cpo() -> World:
    """A CPO with an eMSP whose tokens it reads."""
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    return world


def test_what_a_partner_had_before_it_registered_is_known_without_a_push(emsp: World) -> None:
    """Source: BR-09"""
    emsp.partners.objects = {
        ("cpo", "locations"): locations(60),
        ("cpo", "tariffs"): tariffs(10),
    }

    emsp.stream()
    emsp.settle()

    assert (len(emsp.stored("locations")), len(emsp.stored("tariffs"))) == (60, 10)
    pull = emsp.pull("cpo", "locations")
    assert (pull.state, pull.cause) == (PullState.DONE, "REGISTRATION")
    assert (pull.objects, pull.kept, pull.unchanged, pull.refused) == (60, 60, 0, 0)


def test_a_cpo_reads_tokens_and_nothing_else(cpo: World) -> None:
    """Source: BR-09; TOK-07"""
    cpo.partners.objects["emsp", "tokens"] = tokens(200)

    cpo.stream()
    cpo.settle()

    assert len(cpo.stored("tokens")) == 200
    assert {module for _, module, _ in cpo.partners.asked} == {"tokens"}


@pytest.mark.parametrize(
    ("role", "partner", "read"),
    [
        ("EMSP", ("CPO", CPO), ["tariffs", "locations", "sessions", "cdrs"]),
        ("EMSP", ("HUB", HUB), ["tariffs", "locations", "sessions", "cdrs"]),
        ("EMSP", ("EMSP", EMSP), []),
        ("CPO", ("EMSP", EMSP), ["tokens"]),
        ("CPO", ("HUB", HUB), ["tokens", "cdrs"]),
        ("CPO", ("CPO", CPO), []),
        ("HUB", ("CPO", CPO), ["tariffs", "locations", "sessions", "cdrs"]),
        ("HUB", ("EMSP", EMSP), ["tokens"]),
    ],
)
def test_the_roles_decide_which_lists_are_read(
    role: str, partner: tuple[str, object], read: list[str]
) -> None:
    world = World(role)
    world.join("them", partner)  # type: ignore[arg-type]

    world.stream()
    world.settle()

    assert sorted({module for _, module, _ in world.partners.asked}) == sorted(read)


def test_a_list_that_the_partner_does_not_offer_is_not_read() -> None:
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO), modules=["tariffs"])

    assert [pull.module for pull in world.start("cpo")] == ["tariffs"]


def test_roles_without_approval_are_not_read_and_are_once_approved(emsp: World) -> None:
    """Source: docs/security.md"""
    role = PartnerRole(role="CPO", country_code="DE", party_id="NEW")
    pending = emsp.join("new", pending_roles=(role,))
    emsp.stream()
    emsp.settle()
    assert not emsp.partners.of("new", "tariffs")

    approved = pending.model_copy(update={"roles": (role,), "pending_roles": ()})
    emsp.node.directory.save(approved, pending)
    emsp.stream()
    emsp.settle()

    assert emsp.partners.of("new", "tariffs")


def test_a_change_of_a_partner_that_is_not_about_its_objects_reads_nothing(emsp: World) -> None:
    emsp.stream()
    emsp.settle()
    before, asked = emsp.partner("cpo"), len(emsp.partners.asked)

    emsp.node.directory.save(before.model_copy(update={"name": "another", "odd_answers": ("OK",)}), before)
    emsp.stream()
    emsp.settle()

    assert len(emsp.partners.asked) == asked


def test_the_same_record_twice_is_one_pull(emsp: World) -> None:
    records = list(emsp.dynamodb.stream)
    emsp.stream()
    emsp.settle()
    asked = len(emsp.partners.asked)

    emsp.dynamodb.stream.extend(records)
    emsp.stream()
    emsp.settle()

    assert len(emsp.partners.asked) == asked


# -- steps ---------------------------------------------------------------------------------------------


def test_a_long_list_is_read_in_steps_of_some_seconds(cpo: World) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(200)
    cpo.partners.page, cpo.partners.seconds = 10, 7.0
    cpo.start("emsp")

    steps = 0
    while len(cpo.queue):
        began = cpo.clock()
        steps += cpo.work()
        assert (cpo.clock() - began).total_seconds() <= 50

    assert steps == 7
    assert len(cpo.stored("tokens")) == 200
    assert cpo.pull("emsp", "tokens").pages == 20


def test_each_page_is_asked_for_once_and_links_are_followed_unchanged(cpo: World) -> None:
    """Source: PAG-12"""
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 15.0

    cpo.start("emsp", full=True)
    cpo.settle()

    asked = cpo.partners.of("emsp", "tokens")
    assert [query.get("offset") for query in asked] == [None, "10", "20", "30", "40"]
    assert {query["limit"] for query in asked} == {"100"}
    assert len({exchange.correlation_id for exchange in cpo.partners.exchanges}) == 1


@pytest.mark.parametrize("page", [1, 2, 4])
def test_a_pull_whose_worker_is_killed_goes_on_where_it_stopped(
    cpo: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 9.0
    cpo.start("emsp")
    call = cpo.partners.follow

    def die(*args: object) -> object:
        if len(cpo.partners.asked) == page:
            raise SystemExit("killed")
        return call(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(cpo.partners, "follow", die)
        with pytest.raises(SystemExit):
            cpo.settle()
    cpo.clock.forward(100)
    cpo.settle()

    offsets = [query.get("offset", "0") for query in cpo.partners.of("emsp", "tokens")]
    assert offsets == ["0", "10", "20", "30", "40"]
    assert len(cpo.stored("tokens")) == 50
    assert cpo.pull("emsp", "tokens").state == PullState.DONE


def test_a_worker_that_is_killed_before_it_queued_the_next_step_loses_nothing(
    cpo: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 21.0
    cpo.start("emsp")
    with monkeypatch.context() as patched:
        patched.setattr(cpo.queue, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        cpo.work()

    cpo.settle()

    assert len(cpo.stored("tokens")) == 50
    assert len(cpo.partners.asked) == 5


def test_a_message_that_comes_twice_does_its_step_once(cpo: World) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 21.0
    cpo.start("emsp")
    (message,) = cpo.queue.waiting
    cpo.work()
    cpo.work()

    cpo.queue.waiting.append(message)
    cpo.settle()

    assert len(cpo.partners.asked) == 5


def test_a_page_with_more_objects_than_a_step_can_store_is_read_in_parts(
    cpo: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = load_keeping("tokens")
    keep = keeping.keep

    def slow(*args: object) -> object:
        cpo.clock.forward(1)
        return keep(*args)

    monkeypatch.setattr(keeping, "keep", slow)
    cpo.partners.page = 1000
    cpo.partners.objects["emsp", "tokens"] = tokens(100)
    cpo.partners.answers["emsp", "tokens"] = [raw(tokens(100))] * 20

    cpo.start("emsp")
    cpo.settle()

    pull = cpo.pull("emsp", "tokens")
    assert len(cpo.stored("tokens")) == 100
    assert (pull.objects, pull.kept, pull.pages) == (100, 100, 1)
    assert len(cpo.partners.asked) == 5


# -- one at a time -------------------------------------------------------------------------------------


def test_a_second_request_joins_the_pull_that_goes_on(cpo: World) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(5)
    (first,) = cpo.start("emsp", full=True)

    (second,) = cpo.start("emsp", date_from="2026-01-01T00:00:00Z")
    cpo.settle()

    assert second == first
    assert len(cpo.partners.asked) == 1


def test_a_request_for_more_replaces_the_pull_that_goes_on(cpo: World) -> None:
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 21.0
    cpo.start("emsp", date_from="2026-01-01T00:00:00Z")
    cpo.work()

    cpo.start("emsp", full=True)
    cpo.settle()

    asked = cpo.partners.of("emsp", "tokens")
    assert ["date_from" in query for query in asked] == [True] + 5 * [False]
    assert cpo.pull("emsp", "tokens").objects == 50


def test_roles_that_are_approved_during_a_pull_begin_it_anew(cpo: World) -> None:
    """The pages before were judged by the roles of then, and their objects refused."""
    cpo.partners.objects["emsp", "tokens"] = tokens(20, NEW) + tokens(30)
    cpo.partners.page, cpo.partners.seconds = 10, 11.0
    cpo.stream()
    cpo.clock.forward(10)
    cpo.work()
    cpo.work()
    assert (cpo.pull("emsp", "tokens").refused, cpo.pull("emsp", "tokens").is_over) == (20, False)

    before = cpo.partner("emsp")
    role = PartnerRole(role="EMSP", country_code=NEW.country_code, party_id=NEW.party_id)
    cpo.node.directory.save(before.model_copy(update={"roles": (*before.roles, role)}), before)
    cpo.stream()
    cpo.settle()

    pull = cpo.pull("emsp", "tokens")
    assert (pull.state, pull.objects, pull.refused) == (PullState.DONE, 50, 0)
    assert not [key for key in cpo.dynamodb.items if key[0].startswith("pulled#")]


def test_a_partner_with_another_version_or_url_is_read_there_from_the_beginning(cpo: World) -> None:
    """A page of the old version would be read as one of the new version."""
    cpo.partners.objects["emsp", "tokens"] = tokens(50)
    cpo.partners.page, cpo.partners.seconds = 10, 21.0
    cpo.start("emsp", full=True)
    cpo.work()
    before = cpo.partner("emsp")
    elsewhere = tuple(
        each.model_copy(update={"url": f"https://emsp.example/new/{each.identifier}"})
        for each in before.endpoints
    )
    cpo.node.directory.save(before.model_copy(update={"endpoints": elsewhere}), before)

    cpo.work()
    failed = cpo.pull("emsp", "tokens")
    cpo.stream()
    cpo.settle()

    assert (failed.state, "another endpoint" in str(failed.error)) == (PullState.FAILED, True)
    assert (cpo.pull("emsp", "tokens").state, cpo.pull("emsp", "tokens").objects) == (PullState.DONE, 50)
    assert len(cpo.partners.asked) == 6


def test_a_pull_without_a_sign_of_life_gives_way_to_the_next_one(cpo: World) -> None:
    """Its message was given up as a dead letter."""
    cpo.start("emsp", full=True)
    cpo.queue.waiting.clear()
    cpo.clock.forward(hours=2)

    cpo.start("emsp")
    cpo.settle()

    assert cpo.pull("emsp", "tokens").state == PullState.DONE


def test_the_next_pull_reads_what_changed_since_the_last_one_and_an_hour_more(cpo: World) -> None:
    cpo.start("emsp")
    cpo.settle()
    cpo.clock.forward(days=1)

    cpo.start("emsp")
    cpo.settle()

    first, second = cpo.partners.of("emsp", "tokens")
    assert "date_from" not in first
    assert second["date_from"] == "2026-03-01T11:00:00Z"


def test_a_pull_that_leaves_a_gap_does_not_count_as_the_last_one(cpo: World) -> None:
    cpo.start("emsp")
    cpo.settle()
    cpo.clock.forward(days=9)
    cpo.start("emsp", date_from="2026-03-09T00:00:00Z")
    cpo.settle()

    cpo.start("emsp")
    cpo.settle()

    assert cpo.partners.of("emsp", "tokens")[-1]["date_from"] == "2026-03-01T11:00:00Z"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [({}, True), ({"valid": False}, False), ({"valid": False, "last_updated": "2026-02-20T00:00:00Z"}, True)],
)
def test_what_was_forgotten_for_its_age_does_not_come_back(
    cpo: World, fields: dict[str, object], kept: bool
) -> None:
    """Source: docs/retention.md"""
    settings = replace(cpo.node.settings, retention={"tokens": timedelta(days=90)})
    cpo.node = replace(cpo.node, settings=settings)
    cpo.partners.objects["emsp", "tokens"] = tokens(3, **{"last_updated": "2025-11-01T00:00:00Z", **fields})

    cpo.start("emsp", full=True)
    cpo.settle()

    pull = cpo.pull("emsp", "tokens")
    assert (pull.kept, pull.unchanged, pull.refused) == ((3, 0, 0) if kept else (0, 3, 0))
    assert len(cpo.stored("tokens")) == pull.kept


def test_a_token_that_becomes_invalid_is_changed_however_old_it_is(cpo: World) -> None:
    settings = replace(cpo.node.settings, retention={"tokens": timedelta(days=90)})
    cpo.node = replace(cpo.node, settings=settings)
    old = {"last_updated": "2025-11-01T00:00:00Z"}
    cpo.partners.objects["emsp", "tokens"] = tokens(1, **old)
    cpo.start("emsp", full=True)
    cpo.settle()
    cpo.partners.objects["emsp", "tokens"] = tokens(1, **old, valid=False)

    cpo.start("emsp", full=True)
    cpo.settle()

    assert [each["valid"] for each in cpo.stored("tokens").values()] == [False]


def test_a_full_pull_of_sessions_has_the_date_that_their_list_needs(emsp: World) -> None:
    """Source: OCPI 2.2.1 mod_sessions, GET"""
    emsp.start("cpo", "sessions")
    emsp.settle()

    assert emsp.partners.of("cpo", "sessions") == [{"date_from": "2000-01-01T00:00:00Z", "limit": "100"}]


def test_a_hub_is_asked_for_its_own_list() -> None:
    """Source: RTE-24"""
    world = World("EMSP")
    world.join("hub", ("HUB", HUB))

    world.start("hub", "tariffs")
    world.settle()

    assert world.partners.exchanges[0].routing.receiver == HUB


def test_objects_of_many_owners_come_from_a_hub() -> None:
    world = World("EMSP")
    world.join("hub", ("HUB", HUB))
    world.join("direct", ("CPO", EMSP))
    world.partners.objects["hub", "tariffs"] = [*tariffs(3), *tariffs(3, HUB), *tariffs(3, EMSP)]

    world.start("hub", "tariffs")
    world.settle()

    pull = world.pull("hub", "tariffs")
    assert (pull.kept, pull.refused) == (6, 3)


def test_own_objects_in_a_hub_s_list_are_left_alone() -> None:
    world = World("CPO")
    world.join("hub", ("HUB", HUB))
    own = world.node.settings.parties()[0]
    world.partners.objects["hub", "tokens"] = [*tokens(2), *tokens(2, own)]

    world.start("hub", "tokens")
    world.settle()

    pull = world.pull("hub", "tokens")
    assert (pull.kept, pull.own, pull.refused) == (2, 2, 0)


@pytest.mark.parametrize(("strict", "kept"), [(False, 2), (True, 1)])
def test_objects_without_an_owner_belong_to_the_only_party_of_their_partner(strict: bool, kept: int) -> None:
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP), strict=strict)
    one, other = tokens(2)
    del one["country_code"], one["party_id"]
    world.partners.objects["emsp", "tokens"] = [one, other]

    world.start("emsp")
    world.settle()

    assert world.pull("emsp", "tokens").kept == kept
    assert all(each["party_id"] == EMSP.party_id for each in world.stored("tokens").values())


def test_objects_without_an_owner_in_the_list_of_a_hub_are_refused() -> None:
    world = World("CPO")
    world.join("hub", ("HUB", HUB), ("EMSP", EMSP))
    (one,) = tokens(1)
    del one["country_code"], one["party_id"]
    world.partners.objects["hub", "tokens"] = [one]

    world.start("hub", "tokens")
    world.settle()

    assert world.pull("hub", "tokens").refused == 1


def test_objects_that_need_a_repair_are_stored_and_counted(logged: Logged) -> None:
    world = World("EMSP")
    world.join("cpo", ("CPO", CPO))
    good, odd = tariffs(2)
    world.partners.objects["cpo", "tariffs"] = [good, {**odd, "currency": "eur"}]

    world.start("cpo", "tariffs")
    world.settle()

    pull = world.pull("cpo", "tariffs")
    assert (pull.kept, pull.odd, pull.refused) == (2, 1, 0)
    assert {each["currency"] for each in world.stored("tariffs").values()} == {"EUR"}
    (line,) = [line for line in logged.lines if "findings" in line]
    assert line["ref"] == f"tariffs#{odd['country_code']}*{odd['party_id']}#{odd['id']}"
