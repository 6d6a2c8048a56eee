"""A CPO's CDRs against its hub's. Source: DESIGN.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-22"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import ServerError
from chalicelib.modules.cdrs import compiler, ends, reconciliation
from chalicelib.modules.cdrs.reconciliation import DUE, RETRY, TELL_FOR, partition_of
from chalicelib.modules.cdrs.verdicts import CORRECTION_TIME, State
from chalicelib.partners.cdr_makers import CPO_MAKES_CDR
from chalicelib.partners.visibility import partition_for_viewer
from chalicelib.partners.webhooks import RECONCILIATION, Webhook, WebhookFailed
from chalicelib.pricing.credit import credit_cdr
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.pagination import PageQuery
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.modules.builders import T1, T2, tariff, without
from tests.modules.cdrs.test_compiler import CPO, Network

Document = dict[str, Any]
PATIENCE_S = 24 * 3600
DAY_S = 24 * 3600


class Csms:
    """The operator's system behind the webhooks, in place of `WebhookSender`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Document]] = []
        self.away: set[str] = set()

    def post(self, url: str, secret: str, message_id: str, now: datetime, body: str, total_s: float) -> None:
        self.calls.append((url, message_id, read_json(body)))
        if url in self.away:
            raise WebhookFailed("answered HTTP 500")

    @property
    def told(self) -> list[Document]:
        return [event["data"] for _, _, event in self.calls]


class UnderHub(Network):
    """A CPO's node under a hub that makes the CDRs."""

    def __init__(self, **hub: Any) -> None:
        super().__init__("CPO")
        self.csms = Csms()
        self.node = replace(self.node, webhooks=self.csms)  # type: ignore[arg-type]
        self.world.node = self.node
        self.join("mob", "HUB", **hub)
        self.open_site()

    def watch(self, *names: str) -> None:
        for name in names:
            hook = Webhook(name, f"https://{name}.example", (RECONCILIATION,), "whsec_c2VjcmV0", T1)
            self.node.table.put(hook.to_item())

    def stream(self) -> None:
        while self.world.dynamodb.stream:
            records = list(self.world.dynamodb.stream)
            ends.note_sessions(self.node, records)
            reconciliation.note_cdrs(self.node, records)
            self.world.stream()

    def compile(self) -> Document:
        """Make our CDR; returns the latest that is no credit CDR."""
        self.stream()
        compiler.run(self.node)
        return [cdr for cdr in self.cdrs() if not cdr.get("credit")][-1]

    def cdrs(self) -> list[Document]:
        """Our own, oldest first."""
        page = self.node.objects.page([partition_for_viewer("cdrs", CPO, None)], PageQuery(limit=100))
        return [read_json(str(body)) for body in page.bodies]

    def receive(self, cdr: Document) -> None:
        """Keep a CDR as the receiver does, when it comes from the hub."""
        ref = Ref("cdrs", *CPO, cdr["id"])
        write = Write(JsonText(write_json(cdr)), cdr["last_updated"])
        partition = partition_for_viewer("cdrs", None, None)
        self.node.objects.change(ref, lambda _: write, partition=partition, source="mob")

    def reconcile(self, after_s: float = 0) -> None:
        self.world.clock.forward(after_s)
        self.stream()
        reconciliation.run(self.node)
        self.stream()

    def entries(self, *states: State) -> list[Document]:
        lists = [partition_of(CPO, state) for state in states or State]
        return [read_json(str(body)) for body in self.node.objects.page(lists, PageQuery(limit=100)).bodies]

    def entry(self) -> Document:
        (entry,) = self.entries()
        return entry

    def due(self) -> list[str]:
        return [item["sk"] for item in self.node.table.query_all("#pk = :pk", {"pk": DUE})]


def of_hub(cdr: Document, cdr_id: str = "MOB-1", **fields: Any) -> Document:
    """The hub's CDR of a session, as ours but for its name, and for what a test names."""
    return {**cdr, "id": cdr_id, **fields}


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


def test_cdrs_that_tell_the_same_agree(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["session_id"], entry["state"]) == ("S1", "AGREED")
    assert (entry["own_cdr_id"], entry["hub_cdr_id"]) == (own["id"], "MOB-1")
    assert (entry["differences"], entry["not_judged"]) == ([], [])
    assert (cpo.due(), cpo.csms.calls) == ([], [])


def ours_first(cpo: UnderHub) -> None:
    own = cpo.compile()
    cpo.reconcile()
    cpo.receive(of_hub(own, total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()


def hubs_first(cpo: UnderHub) -> None:
    twin = UnderHub()
    twin.end()
    cpo.receive(of_hub(twin.compile(), total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()
    cpo.compile()
    cpo.reconcile()


def both_at_once(cpo: UnderHub) -> None:
    cpo.receive(of_hub(cpo.compile(), total_cost={"excl_vat": Decimal("4.5")}))
    cpo.reconcile()


@pytest.mark.parametrize("happens", [ours_first, hubs_first, both_at_once])
def test_whichever_comes_second_is_compared_with_the_first(
    cpo: UnderHub, happens: Callable[[UnderHub], None]
) -> None:
    cpo.watch("books")
    cpo.end()

    happens(cpo)

    entry = cpo.entry()
    assert entry["state"] == "DIFFERENT"
    assert entry["differences"] == [
        {"field": "total_cost.excl_vat", "ours": Decimal("3.5"), "theirs": Decimal("4.5")},
    ]
    assert cpo.csms.told == [entry]
    assert cpo.due() == []


def test_what_comes_again_changes_nothing_and_is_told_once(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), currency="USD"))
    records = list(cpo.world.dynamodb.stream)
    cpo.reconcile()
    before = cpo.entry()

    for _ in range(2):
        cpo.world.clock.forward(60)
        reconciliation.note_cdrs(cpo.node, records)
        cpo.reconcile()

    assert cpo.entry() == before
    assert len(cpo.csms.calls) == 1
    assert cpo.due() == []


def test_two_runs_at_once_lose_no_comparison(cpo: UnderHub) -> None:
    for number in range(20):
        cpo.end(f"S{number}")
    cpo.stream()
    compiler.run(cpo.node)
    for number, own in enumerate(cpo.cdrs()):
        cpo.receive(of_hub(own, f"MOB-{number}", total_energy=Decimal("9")))
    cpo.stream()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(reconciliation.run, [cpo.node, cpo.node]))
    cpo.reconcile()

    assert {entry["session_id"] for entry in cpo.entries(State.DIFFERENT)} == {f"S{n}" for n in range(20)}
    assert cpo.due() == []


def test_a_run_that_was_overtaken_overwrites_nothing(cpo: UnderHub) -> None:
    """It has seen our CDR only; meanwhile the hub's came, and another run compared them."""
    cpo.end()
    own = cpo.compile()
    cpo.stream()
    get_many = cpo.node.objects.get_many

    def overtaken(refs: Any) -> Any:
        cpo.node.objects.__dict__.pop("get_many", None)
        found = get_many(refs)
        cpo.receive(of_hub(own, total_energy=Decimal("9")))
        cpo.reconcile()
        return found

    vars(cpo.node.objects)["get_many"] = overtaken
    reconciliation.run(cpo.node)
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
    assert cpo.due() == []


@pytest.mark.parametrize("survives", range(8))
def test_a_run_that_is_killed_anywhere_is_made_up_for(cpo: UnderHub, survives: int) -> None:
    cpo.watch("books")
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.stream()
    table, done = cpo.node.table, 0

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def survive(*given: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done > survives:
                raise ServerError("killed")
            return call(*given, **named)

        return survive

    for name in ("write_many", "transact", "put", "get_many", "query"):
        setattr(table, name, dying(getattr(table, name)))
    with suppress(ServerError):
        reconciliation.run(cpo.node)
    for name in ("write_many", "transact", "put", "get_many", "query"):
        delattr(table, name)
    cpo.reconcile(RETRY.total_seconds())

    assert cpo.entry()["state"] == "DIFFERENT"
    assert len({message for _, message, _ in cpo.csms.calls}) == 1
    assert cpo.due() == []


def test_a_comparison_takes_few_calls(cpo: UnderHub) -> None:
    """For a run what is due, webhooks, partners; for a session what there is of it, the two CDRs, the list's
    counter, the verdict, and what is due.
    """
    cpo.end()
    cpo.receive(of_hub(cpo.compile()))
    cpo.stream()
    calls = cpo.world.dynamodb.calls
    calls.clear()

    reconciliation.run(cpo.node)

    of_run, of_session = (
        ["Query"] * 3,
        ["Query", *["BatchGetItem"] * 2, "TransactWriteItems", "BatchWriteItem"],
    )
    assert sorted(calls) == sorted([*of_run, *of_session])
    calls.clear()
    reconciliation.run(cpo.node)
    assert calls == ["Query"]


# -- what is compared --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"total_cost": {"excl_vat": Decimal("3.51")}},
        {"total_cost": {"excl_vat": Decimal("3.5"), "incl_vat": Decimal("3.5")}},
        {"total_energy": Decimal("10.001")},
        {"total_time": Decimal("1.999")},
        {"end_date_time": "2026-11-24T10:00:00.9Z"},
        {"last_updated": "2026-11-25T00:00:00Z", "remark": "made by the hub"},
        {"charging_periods": [{"start_date_time": T1, "dimensions": [{"type": "ENERGY", "volume": 10}]}]},
    ],
)
def test_what_is_no_difference(cpo: UnderHub, fields: Document) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), **fields))

    cpo.reconcile()

    assert (cpo.entry()["state"], cpo.entry()["differences"]) == ("AGREED", [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"total_cost": {"excl_vat": Decimal("3.511")}}, ["total_cost.excl_vat"]),
        (
            {"total_cost": {"excl_vat": Decimal("3.5"), "incl_vat": Decimal("4.31")}},
            ["total_cost.incl_vat"],
        ),
        ({"total_energy_cost": {"excl_vat": Decimal("2.6")}}, ["total_energy_cost.excl_vat"]),
        ({"total_energy": Decimal("10.0011")}, ["total_energy"]),
        ({"total_time": Decimal("1.99")}, ["total_time"]),
        ({"end_date_time": "2026-11-24T10:00:01.1Z"}, ["end_date_time"]),
        ({"currency": "USD"}, ["currency"]),
        ({"tariffs": [tariff(id="T2")]}, ["tariffs"]),
        ({"auth_method": "COMMAND"}, ["auth_method"]),
    ],
)
def test_what_is_a_difference(cpo: UnderHub, fields: Document, expected: list[str]) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), **fields))

    cpo.reconcile()

    assert [each["field"] for each in cpo.entry()["differences"]] == expected


def test_place_and_token_are_compared_and_case_is_not(cpo: UnderHub) -> None:
    """Source: TYP-01"""
    cpo.end()
    own = cpo.compile()
    place = {**own["cdr_location"], "evse_uid": "e1", "connector_id": "2"}
    token = {**own["cdr_token"], "uid": "OTHER", "contract_id": own["cdr_token"]["contract_id"].lower()}
    cpo.receive(of_hub(own, cdr_location=place, cdr_token=token))

    cpo.reconcile()

    assert cpo.entry()["differences"] == [
        {"field": "cdr_token.uid", "ours": "012345", "theirs": "OTHER"},
        {"field": "cdr_location.connector_id", "ours": "1", "theirs": "2"},
    ]


def test_a_field_that_one_side_lacks_is_not_judged_but_named(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.receive(without(of_hub(own, authorization_reference="A1"), "tariffs", "total_parking_time"))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["state"], entry["differences"]) == ("AGREED", [])
    assert entry["not_judged"] == ["total_parking_time", "authorization_reference", "tariffs"]


def test_the_tolerance_is_the_deployment_s(cpo: UnderHub) -> None:
    tolerance = replace_tolerance(cpo, money=Decimal("1"))
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_cost={"excl_vat": Decimal("4.5")}))

    cpo.reconcile()

    assert (tolerance, cpo.entry()["state"]) == (1, "AGREED")


def replace_tolerance(cpo: UnderHub, money: Decimal) -> Decimal:
    settings = replace(cpo.node.settings, tolerance=cpo.node.settings.tolerance._replace(money=money))
    cpo.node = cpo.world.node = replace(cpo.node, settings=settings)
    return cpo.node.settings.tolerance.money


# -- what is not there -------------------------------------------------------------------------------


def test_a_hub_s_cdr_that_is_not_there_yet_is_pending_and_then_missing(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()

    cpo.reconcile()
    pending = cpo.entry()
    cpo.reconcile(PATIENCE_S - 1)
    still = cpo.entry()
    cpo.reconcile(1)

    assert (pending["state"], pending["own_cdr_id"], pending["hub_cdr_id"]) == ("PENDING", own["id"], None)
    assert still == pending
    assert cpo.entry()["state"] == "MISSING_AT_HUB"
    assert cpo.entry()["since"] == pending["since"] == own["last_updated"]
    assert cpo.csms.told == [cpo.entry()]
    assert cpo.due() == []


def test_a_hub_s_cdr_that_is_late_settles_what_was_told(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.reconcile()
    cpo.reconcile(PATIENCE_S)

    cpo.receive(of_hub(own))
    cpo.reconcile()

    assert [told["state"] for told in cpo.csms.told] == ["MISSING_AT_HUB", "AGREED"]


def test_what_comes_in_time_is_waited_for_no_more(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.reconcile()
    assert len(cpo.due()) == 1

    cpo.receive(of_hub(own))
    cpo.reconcile()

    assert (cpo.entry()["state"], cpo.due()) == ("AGREED", [])


def test_a_cdr_of_a_session_that_is_unknown_here_is_missing_here(cpo: UnderHub) -> None:
    cpo.end("S1")
    own = cpo.compile()
    cpo.receive(of_hub(own, session_id="S9"))

    cpo.reconcile(PATIENCE_S)

    (missing,) = cpo.entries(State.MISSING_HERE)
    assert (missing["session_id"], missing["own_cdr_id"], missing["hub_cdr_id"]) == ("S9", None, "MOB-1")


def test_a_cdr_that_names_no_session_stands_alone(cpo: UnderHub) -> None:
    cpo.end()
    cpo.receive(without(of_hub(cpo.compile()), "session_id"))

    cpo.reconcile(PATIENCE_S)

    (missing,) = cpo.entries(State.MISSING_HERE)
    assert (missing["session_id"], missing["hub_cdr_id"]) == (None, "MOB-1")


# -- corrections -------------------------------------------------------------------------------------


def corrected(cpo: UnderHub) -> tuple[Document, Document]:
    """A session that agreed and was corrected here; returns our first and our second CDR."""
    cpo.end()
    first = cpo.compile()
    cpo.receive(of_hub(first))
    cpo.reconcile()
    cpo.end(kwh=Decimal("8"))
    cpo.stream()
    compiler.run(cpo.node)
    return first, [cdr for cdr in cpo.cdrs() if not cdr.get("credit")][-1]


def test_a_correction_of_both_sides_agrees_again_and_nobody_is_alarmed(cpo: UnderHub) -> None:
    """Source: CDR-07, TRP-30"""
    cpo.watch("books")
    first, second = corrected(cpo)
    cpo.reconcile()
    between = cpo.entry()
    cpo.receive(credit_cdr(of_hub(first)))
    cpo.reconcile()
    credited = cpo.entry()
    cpo.receive(of_hub(second, "MOB-2"))
    cpo.reconcile()

    assert (between["state"], credited["state"], credited["hub_cdr_id"]) == ("PENDING", "PENDING", None)
    entry = cpo.entry()
    assert (entry["state"], entry["own_cdr_id"], entry["hub_cdr_id"]) == ("AGREED", second["id"], "MOB-2")
    assert (cpo.csms.calls, cpo.due()) == ([], [])


def test_a_correction_that_the_hub_does_not_follow_is_a_difference(cpo: UnderHub) -> None:
    cpo.watch("books")
    corrected(cpo)

    cpo.reconcile()
    cpo.reconcile(CORRECTION_TIME.total_seconds())

    entry = cpo.entry()
    assert entry["state"] == "DIFFERENT"
    assert "total_energy" in [each["field"] for each in entry["differences"]]
    assert cpo.csms.told == [entry]


def test_a_session_that_both_sides_took_back_agrees(cpo: UnderHub) -> None:
    """Source: SES-15"""
    cpo.end()
    first = cpo.compile()
    cpo.receive(of_hub(first))
    cpo.put(status="INVALID", end_date_time=T2)
    cpo.stream()
    compiler.run(cpo.node)
    cpo.receive(credit_cdr(of_hub(first)))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["state"], entry["own_cdr_id"], entry["hub_cdr_id"]) == ("AGREED", None, None)


def test_two_cdrs_of_a_hub_at_once_are_a_difference(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own))
    cpo.world.clock.forward(1)
    cpo.receive(of_hub(own, "MOB-2"))

    cpo.reconcile()

    entry = cpo.entry()
    assert entry["differences"] == [{"field": "cdrs", "ours": 1, "theirs": 2}]
    assert (entry["state"], entry["hub_cdr_id"]) == ("DIFFERENT", "MOB-2")


# -- webhooks ----------------------------------------------------------------------------------------


def test_a_webhook_that_fails_is_told_later_and_the_other_not_again(cpo: UnderHub) -> None:
    cpo.watch("books", "alarms")
    cpo.csms.away = {"https://alarms.example"}
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.reconcile()
    cpo.reconcile(60)
    assert len(cpo.csms.calls) == 2

    cpo.csms.away = set()
    cpo.reconcile(RETRY.total_seconds())

    assert [url for url, _, _ in cpo.csms.calls] == [
        "https://alarms.example",
        "https://books.example",
        "https://alarms.example",
    ]
    assert len({message for _, message, _ in cpo.csms.calls}) == 1
    assert cpo.csms.calls[0][2]["type"] == "reconciliation"
    assert cpo.due() == []


def test_a_webhook_that_never_answers_is_given_up(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.csms.away = {"https://books.example"}
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    cpo.reconcile()
    assert len(cpo.due()) == 1

    cpo.reconcile(TELL_FOR.total_seconds())

    assert (cpo.entry()["state"], cpo.due()) == ("DIFFERENT", [])


def test_a_webhook_that_is_away_is_called_once_in_a_run(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.csms.away = {"https://books.example"}
    for number in range(12):
        cpo.end(f"S{number}")
    cpo.stream()
    compiler.run(cpo.node)
    for number, own in enumerate(cpo.cdrs()):
        cpo.receive(of_hub(own, f"MOB-{number}", total_energy=Decimal("9")))

    cpo.reconcile()

    assert len(cpo.csms.calls) <= 4
    assert len(cpo.entries(State.DIFFERENT)) == len(cpo.due()) == 12


# -- where there is nothing to compare ---------------------------------------------------------------


def test_cdrs_that_count_have_no_counterpart() -> None:
    direct = UnderHub(profiles=(CPO_MAKES_CDR,))
    direct.end()
    direct.stream()
    compiler.run(direct.node)

    direct.reconcile(2 * DAY_S)

    assert (direct.entries(), direct.due()) == ([], [])


def test_without_a_hub_that_makes_cdrs_none_is_waited_for() -> None:
    cpo = UnderHub(roles=())
    cpo.end()
    cpo.compile()

    cpo.reconcile(2 * DAY_S)

    assert (cpo.entries(), cpo.due()) == ([], [])


def test_a_hub_has_nothing_to_reconcile() -> None:
    hub = Network("HUB")
    hub.join("abc", "CPO")
    hub.open_site()
    hub.end()
    hub.stream()
    compiler.run(hub.node)

    reconciliation.note_cdrs(hub.node, list(hub.world.dynamodb.stream))
    hub.world.dynamodb.calls.clear()
    reconciliation.run(hub.node)

    assert hub.world.dynamodb.calls == []


def test_a_record_that_cannot_be_read_keeps_nothing_behind_it(cpo: UnderHub) -> None:
    cpo.end()
    cpo.receive(of_hub(cpo.compile(), total_energy=Decimal("9")))
    records = list(cpo.world.dynamodb.stream)
    broken = {"eventID": "x", "dynamodb": {"Keys": {"pk": {"S": "cdrs#X"}, "sk": {"S": "#"}}}}

    reconciliation.note_cdrs(cpo.node, [broken, *records])
    cpo.reconcile()

    assert cpo.entry()["state"] == "DIFFERENT"
