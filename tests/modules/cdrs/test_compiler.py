"""Scheduled compiler.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-07, CDR-11, CDR-13, CDR-22, TRP-30
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.modules.cdrs import compiler, due_sessions, earlier_cdrs
from chalicelib.modules.cdrs.breakdowns import read_reasons
from chalicelib.modules.cdrs.due_sessions import read_due_sessions, sessions_set_aside
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.sessions.own_sessions import put_own_session
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.time_prices import TIME_PRICES_PER_MINUTE
from chalicelib.policy.visibility import list_partitions, partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.pagination import PageQuery
from chalicelib.protocol.types import format_datetime, parse_datetime, validate
from chalicelib.pushing import liveness
from chalicelib.pushing.catch_up import count_pending
from chalicelib.pushing.replays import push_again, replay, replay_object
from chalicelib.pushing.retries import queue_due_retries
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from chalicelib.storage.operations import Key, Operation
from tests.modules import builders
from tests.modules.builders import T0, T1, T2, T3, component, connector, element, evse
from tests.modules.sessions.builders import cdr_token, period, session
from tests.pushing.pushing import OWN, Sent, World, break_down, partner, refuse

CPO = OWN["CPO"]
EVI, XYZ = Party("PT", "EVI"), Party("PT", "XYZ")
ENERGY_10 = {"type": "ENERGY", "volume": 10}
MAX_POWER = {"type": "MAX_POWER", "volume": 7}
MODULES = ("tariffs", "locations", "sessions", "cdrs")


class Network:
    """A node with partners and a site with a tariff; `stream` delivers the table's stream."""

    def __init__(self, role: str) -> None:
        self.world = World(role)
        self.world.clock.moment = parse_datetime(T3)
        self.node = self.world.node
        self.source = "" if role == "CPO" else "abc"

    def join(self, partner_id: str, *roles: str, **fields: Any) -> Partner:
        endpoints = tuple(
            Endpoint(identifier=module, role="RECEIVER", url=f"https://{partner_id}.example/{module}")
            for module in MODULES
        )
        return self.world.join(partner(roles, partner_id, endpoints=endpoints, **fields))

    def open_site(self, price: str = "0.25", **fields: Any) -> None:
        components = component(price=Decimal(price)), component("FLAT", price=1)
        own = builders.tariff(elements=[element(*components)])
        document = {
            name: value for name, value in own.items() if name not in ("country_code", "party_id", "id")
        }
        self.world.put_tariff("T1", source=self.source, **document)
        site = builders.location(evses=None, name="Old name", **fields)
        site.pop("evses")
        children = [evse(connectors=[connector(tariff_ids=["T1"])])]
        self.world.put_location("L1", evses=0, source=self.source, **site)
        ref = Ref("locations", *CPO, "L1")
        self.world.put_evse(
            ref, "E1", source=self.source, **{k: v for k, v in children[0].items() if k != "uid"}
        )

    def put(self, session_id: str = "S1", **fields: Any) -> None:
        """Write a session as the CSMS does, or, at a hub, as the CPO's push does."""
        self.world.clock.forward(1)
        written = {"kwh": Decimal("10"), "cdr_token": cdr_token(EVI), **fields}
        document = session(CPO, **{**written, "id": session_id})
        document["last_updated"] = format_datetime(self.world.clock())
        if not self.source:
            put_own_session(self.node, CPO, session_id, document)
            return
        partition = partition_for_viewer("sessions", None, emsp_of(document["cdr_token"]))
        write = Write(JsonText(write_json(document)), document["last_updated"])
        ref = Ref("sessions", *CPO, session_id)
        self.node.objects.change(ref, lambda _: write, partition=partition, source=self.source)

    def end(self, session_id: str = "S1", **fields: Any) -> None:
        self.put(session_id, status="COMPLETED", end_date_time=T2, **fields)

    def stream(self) -> None:
        due_sessions.note_sessions(self.node, list(self.world.dynamodb.stream))
        self.world.stream()

    def compile(self) -> None:
        self.stream()
        compiler.run(self.node)
        self.world.settle()

    def cdrs(self) -> list[Document]:
        """List all CDRs of this node, oldest first, without copies for the CPO."""
        lists = [name for name in remembered_lists(self.node.table, "cdrs") if not name.endswith("#CPO")]
        page = self.node.objects.page(lists, PageQuery(limit=100))
        return [read_json(str(body)) for body in page.bodies]

    def sent(self, partner_id: str) -> list[Document]:
        return [each.document for each in self.world.partners.to(partner_id) if each.module == "cdrs"]

    def shown(self, partner_: Partner) -> list[str]:
        lists = list_partitions(self.node, "cdrs", partner_)
        return [read_json(str(body))["id"] for body in self.node.objects.page(lists, PageQuery()).bodies]


@pytest.fixture
def cpo() -> Network:
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    return network


@pytest.fixture
def hub() -> Network:
    network = Network("HUB")
    network.join("abc", "CPO")
    network.join("evi", "EMSP")
    network.join("xyz", "EMSP")
    network.open_site()
    return network


def test_a_session_that_ends_gets_one_cdr(cpo: Network) -> None:
    """Source: CDR-10, CDR-11, CDR-16"""
    cpo.put()
    cpo.stream()
    cpo.end()

    cpo.compile()
    cpo.compile()

    (cdr,) = cpo.cdrs()
    validate(Cdr, cdr)
    assert (cdr["session_id"], cdr["start_date_time"], cdr["end_date_time"]) == ("S1", T0, T2)
    assert (cdr["total_energy"], cdr["total_time"]) == (10, 2)
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")
    assert [tariff["id"] for tariff in cdr["tariffs"]] == ["T1"]
    assert len(cdr["id"]) == 36
    assert cpo.sent("evi") == [cdr]
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_cdr_has_location_and_tariffs_as_recorded_at_the_start(cpo: Network) -> None:
    """Source: CDR-13"""
    cpo.put()
    cpo.stream()
    cpo.open_site("9.99", address="Renamed")
    cpo.end()

    cpo.compile()

    (cdr,) = cpo.cdrs()
    assert cdr["cdr_location"]["address"] == "Rua do Salitre 1"
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"excl_vat": 7}, ["total_cost.excl_vat"]),
        ({"excl_vat": 7, "incl_vat": 8}, ["total_cost.excl_vat", "total_cost.incl_vat"]),
        ({"excl_vat": Decimal("3.5")}, []),
        (None, []),
    ],
)
def test_a_session_with_a_different_total_cost_gets_a_warning(
    cpo: Network, given: Document | None, fields: list[str]
) -> None:
    """Source: SES-14"""
    cpo.end(total_cost=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    warnings = read_reasons(str(stored.extra["why"]))["warnings"]
    assert [each["field"] for each in warnings if each["code"] == "total_cost_disagrees"] == fields
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


def test_a_corrected_session_gets_a_credit_cdr_and_a_new_one(cpo: Network) -> None:
    """Source: CDR-07, TRP-30"""
    cpo.end()
    cpo.compile()

    cpo.end(kwh=Decimal("8"))
    cpo.compile()

    (credit,) = [cdr for cdr in cpo.cdrs() if cdr.get("credit")]
    first, second = sorted(
        (cdr for cdr in cpo.cdrs() if "credit" not in cdr), key=lambda cdr: -cdr["total_energy"]
    )
    assert credit["credit_reference_id"] == first["id"]
    assert credit["total_cost"]["excl_vat"] == -first["total_cost"]["excl_vat"]
    assert second["total_cost"]["excl_vat"] == 3
    assert len({first["id"], credit["id"], second["id"]}) == 3
    assert len(cpo.sent("evi")) == 3


def test_a_session_that_becomes_invalid_gets_only_a_credit_cdr(cpo: Network) -> None:
    """Source: CDR-07, SES-15"""
    cpo.end()
    cpo.compile()

    cpo.put(status="INVALID", end_date_time=T2)
    cpo.compile()

    assert sorted(bool(cdr.get("credit")) for cdr in cpo.cdrs()) == [False, True]


def test_a_credit_cdr_goes_to_the_partner_that_received_the_cdr(hub: Network) -> None:
    """Source: CDR-01, CDR-07"""
    hub.end()
    hub.compile()
    (first,) = hub.cdrs()

    hub.end(cdr_token=cdr_token(XYZ))
    hub.compile()

    (credit,) = [cdr for cdr in hub.cdrs() if cdr.get("credit")]
    (second,) = [cdr for cdr in hub.cdrs() if cdr["cdr_token"]["party_id"] == "XYZ"]
    assert (hub.sent("evi"), hub.sent("xyz")) == ([first, credit], [second])
    assert hub.shown(hub.world.partner("evi")) == [first["id"], credit["id"]]
    assert len(hub.shown(hub.world.partner("abc"))) == 3


def test_an_invalid_session_that_is_reopened_gets_a_new_cdr_when_it_ends(cpo: Network) -> None:
    """Source: CDR-07, SES-15"""
    cpo.end()
    cpo.compile()
    cpo.put(status="INVALID", end_date_time=T2)
    cpo.compile()

    cpo.put(status="ACTIVE")
    cpo.compile()
    cpo.end()
    cpo.compile()

    assert sum(cdr["total_cost"]["excl_vat"] for cdr in cpo.cdrs()) == Decimal("3.5")
    assert len(cpo.cdrs()) == 3


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "RESERVATION", "INVALID", "PAUSED_BY_VENDOR"])
def test_a_session_that_is_not_completed_has_no_cdr(cpo: Network, status: str) -> None:
    """Source: SES-15, SES-16"""
    cpo.put(status=status, end_date_time=T2)

    cpo.compile()

    assert (cpo.cdrs(), sessions_set_aside(cpo.node.table), list(read_due_sessions(cpo.node.table))) == (
        [],
        [],
        [],
    )


def test_a_refused_cdr_is_a_dead_letter_and_can_be_pushed_again(hub: Network) -> None:
    """Source: TRN-32"""
    hub.world.partners.faults["evi"] = refuse()
    hub.end()
    hub.compile()
    (cdr,) = hub.cdrs()
    (letter,) = hub.world.queue.dead
    ref = Ref("cdrs", *CPO, cdr["id"])
    items = hub.node.table.get_many([ref.key, ref._replace(variant="CPO").key])

    del hub.world.partners.faults["evi"]
    asked = push_again(hub.node, items.values())
    hub.world.settle()

    assert read_json(letter.body)["pk"] == ref.key.pk
    assert [partner.id for partner in asked] == ["evi"]
    assert hub.sent("evi") == [cdr, cdr]
    assert hub.sent("abc") == [cdr]
    assert hub.world.held("evi", ref) == cdr
    assert push_again(hub.node, items.values()) == []


def test_a_cdr_that_is_accepted_during_a_repeated_push_is_not_pushed_twice(
    hub: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eMSP accepts the first push after its delivery row was read and before the repetition is queued."""
    hub.world.partners.faults["evi"] = break_down
    hub.end()
    hub.compile()
    (cdr,) = hub.cdrs()
    item = hub.node.table.get(Ref("cdrs", *CPO, cdr["id"]).key)
    assert item is not None
    read, sent = hub.node.table.get_many, len(hub.sent("evi"))

    def answered_meanwhile(keys: Iterable[Key], *more: Any) -> Any:
        rows = read(keys, *more)
        monkeypatch.undo()
        del hub.world.partners.faults["evi"]
        hub.world.settle(seconds=60)
        return rows

    monkeypatch.setattr(hub.node.table, "get_many", answered_meanwhile)
    push_again(hub.node, [item])
    hub.world.settle(seconds=60)

    assert hub.sent("evi")[sent:] == [cdr]


@pytest.mark.parametrize("http_status", [401, 403, 404, 400, 405, 413])
def test_session_and_cdr_arrive_after_a_gateway_answered_with_error_pages(
    cpo: Network, http_status: int
) -> None:
    """Regression: 404 pages for twenty seconds lost the session and its CDR permanently."""
    cpo.put()
    cpo.stream()
    page = PartnerFault("answered HTTP without an OCPI envelope", http_status=http_status)
    cpo.world.partners.faults["evi"] = lambda sent: page
    cpo.end()
    cpo.compile()
    cpo.world.settle(seconds=20)

    del cpo.world.partners.faults["evi"]
    cpo.world.settle(seconds=60)

    (cdr,) = cpo.cdrs()
    assert cpo.world.held("evi", Ref("cdrs", *CPO, cdr["id"])) == cdr
    held = cpo.world.held("evi", Ref("sessions", *CPO, "S1"))
    assert held is not None and held["status"] == "COMPLETED"


def test_a_cdr_that_the_partner_refuses_as_known_exists_once(cpo: Network) -> None:
    """The answer to the first POST was lost. The partner refuses the second because it has the CDR."""
    taken: list[Document] = []

    def take(sent: Sent) -> Exception | None:
        if sent.module != "cdrs":
            return None
        if sent.document in taken:
            return PartnerRefusal("answered 2001: already known", status_code=2001, http_status=200)
        taken.append(sent.document)
        return PartnerFault("did not answer in time", timed_out=True)

    cpo.world.partners.faults["evi"] = take
    cpo.end()
    cpo.compile()
    cpo.world.settle(seconds=10)
    for _ in range(3):
        cpo.world.clock.forward(90_000)
        queue_due_retries(cpo.node)
        cpo.world.settle()

    (cdr,) = cpo.cdrs()
    assert taken == [cdr]
    assert cpo.sent("evi") == [cdr] * 4


def test_a_newly_registered_partner_gets_cdrs_of_any_age(cpo: Network) -> None:
    """A new partner gets only recent sessions, but all CDRs, because a missing CDR is never replaced."""
    cpo.end()
    cpo.compile()
    cpo.world.clock.forward(8 * 86_400)
    evi = cpo.node.directory.get("evi")
    assert evi is not None

    assert count_pending(cpo.node, evi.model_copy(update={"id": "anew"}), {}) == count_pending(
        cpo.node, evi.model_copy(update={"endpoints": without_cdrs(evi)}), {}
    ) + len(cpo.cdrs())


def without_cdrs(known: Partner) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in known.endpoints if endpoint.identifier != "cdrs")


def test_a_cdr_that_the_partner_accepted_is_not_posted_again(cpo: Network) -> None:
    """A CDR is sent by POST, so a repetition could create it twice."""
    cpo.end()
    cpo.compile()
    (cdr,) = cpo.cdrs()
    evi = cpo.node.directory.get("evi")
    assert evi is not None

    replay(cpo.node, evi, "cdrs")
    assert replay_object(cpo.node, evi, [Ref("cdrs", *CPO, cdr["id"])]) is False
    cpo.world.settle()

    assert cpo.sent("evi") == [cdr]


def test_a_credit_cdr_is_pushed_after_the_cdr_that_it_credits(hub: Network) -> None:
    """Source: CDR-07"""
    hub.world.partners.faults["evi"] = lambda sent: None if sent.document.get("credit") else break_down(sent)
    hub.end()
    hub.compile()
    hub.put(status="INVALID", end_date_time=T2)
    hub.compile()
    waiting = hub.sent("evi")

    del hub.world.partners.faults["evi"]
    hub.world.settle(seconds=60)

    assert [bool(cdr.get("credit")) for cdr in waiting] == [False] * len(waiting)
    assert [bool(cdr.get("credit")) for cdr in hub.sent("evi")[len(waiting) :]] == [False, True]


def test_a_cdr_reaches_a_partner_that_was_offline(hub: Network) -> None:
    """Source: TRN-32"""
    hub.world.partners.away.add("evi")
    hub.end()
    hub.compile()
    hub.world.settle(seconds=90)
    assert hub.world.partner("evi").connection == "OFFLINE"

    hub.world.partners.away.clear()
    liveness.run(hub.node)
    hub.world.settle(seconds=1)

    (cdr,) = hub.cdrs()
    assert hub.world.held("evi", Ref("cdrs", *CPO, cdr["id"])) == cdr


def test_a_change_that_does_not_affect_the_cdr_makes_no_new_one(cpo: Network) -> None:
    cpo.end()
    cpo.compile()

    cpo.end(pdgr_note="seen")
    cpo.compile()

    assert len(cpo.cdrs()) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"connector_id": "9"}, "location_id"),
        ({"currency": "USD"}, "currency"),
        ({"charging_periods": [period(T0, Decimal("12"))]}, "kwh"),
        ({"start_date_time": "2026-03-01T12:00:00Z"}, "end_date_time"),
        ({"start_date_time": T2}, "kwh"),
        ({"kwh": Decimal("-3")}, "kwh"),
        (
            {"charging_periods": [{"start_date_time": at, "dimensions": [MAX_POWER]} for at in (T0, T1)]},
            "charging_periods",
        ),
    ],
)
def test_a_session_without_a_price_is_set_aside_with_the_reason(
    cpo: Network, fields: Document, field: str
) -> None:
    cpo.end(**fields)

    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert (aside["session_id"], aside["field"]) == ("S1", field)
    assert cpo.cdrs() == []
    assert list(read_due_sessions(cpo.node.table)) == []


IMPOSSIBLE: list[tuple[Document, str]] = [
    # Wh instead of kWh: in the session alone, and in its periods too.
    ({"kwh": 21_400}, "kwh"),
    ({"kwh": 21_400, "charging_periods": [period(T0, 21_400)]}, "kwh"),
    # More than the 22 kW of the connector.
    ({"kwh": 58}, "kwh"),
    ({"charging_periods": [period(T0, 100), period(T1, -90)]}, "kwh"),
    ({"end_date_time": "2026-03-01T11:06:00Z"}, "end_date_time"),
    ({"charging_periods": [period("2026-03-01T07:54:00Z", 10)]}, "charging_periods.0.start_date_time"),
    (
        {"charging_periods": [period(T0, 9), period("2026-03-01T10:06:00Z", 1)]},
        "charging_periods.1.start_date_time",
    ),
    # Minutes instead of hours.
    (
        {"charging_periods": [period(dimensions=[{"type": "TIME", "volume": 120}, ENERGY_10])]},
        "charging_periods",
    ),
]


@pytest.mark.parametrize("role", ["CPO", "HUB"])
@pytest.mark.parametrize(("fields", "field"), IMPOSSIBLE)
def test_a_session_with_impossible_quantities_gets_no_cdr_until_the_operator_releases_it(
    role: str, fields: Document, field: str
) -> None:
    """Source: SES-10, CDR-16, TRP-32"""
    network = Network(role)
    network.join("evi", "EMSP")
    network.join("abc", "CPO")
    network.open_site()
    network.put(**{"status": "COMPLETED", "end_date_time": T2, **fields})
    network.compile()
    (aside,) = sessions_set_aside(network.node.table)
    unbilled, unsent = network.cdrs(), network.sent("evi")

    stored = network.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None
    due_sessions.make_due(network.node, stored, is_released=True)
    network.compile()

    assert (aside["field"], aside["can_release"], unbilled, unsent) == (field, True, [], [])
    (cdr,) = network.cdrs()
    kept = network.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert kept is not None
    assert "released_by_operator" in {each["code"] for each in read_reasons(kept.extra["why"])["warnings"]}
    assert (sessions_set_aside(network.node.table), network.sent("evi")) == ([], [cdr])


@pytest.mark.parametrize(
    "fields",
    [
        {"kwh": 57},
        {"end_date_time": "2026-03-01T11:04:00Z"},
        {"kwh": 1, "end_date_time": "2026-03-01T08:00:10Z"},
    ],
)
def test_small_errors_of_clocks_and_meters_are_accepted(cpo: Network, fields: Document) -> None:
    cpo.put(**{"status": "COMPLETED", "end_date_time": T2, **fields})

    cpo.compile()

    assert len(cpo.cdrs()) == 1


def test_a_release_is_valid_for_one_version_of_a_session(cpo: Network) -> None:
    cpo.end(kwh=21_400)
    cpo.compile()
    stored = cpo.node.objects.get(Ref("sessions", *CPO, "S1"))
    assert stored is not None
    due_sessions.make_due(cpo.node, stored, is_released=True)

    cpo.end(kwh=99_999)
    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert "99999 kWh" in aside["reason"]
    assert cpo.cdrs() == []


def test_a_session_whose_cdr_id_is_taken_is_set_aside_with_that_id(hub: Network) -> None:
    """A partner cannot know the id, but even this unlikely case must give the operator a reason."""
    digest = hub.node.directory.keyed_digest
    taken = earlier_cdrs.cdr_id(digest, OWN["HUB"].key(), Ref("sessions", *CPO, "S1").key.pk, 1)
    write = Write(JsonText("{}"), T2)
    ref = Ref("cdrs", *CPO, taken)
    hub.node.objects.change(ref, lambda _: write, partition="cdrs#*#ignored", source="abc")
    hub.end()

    hub.compile()

    (aside,) = sessions_set_aside(hub.node.table)
    assert (aside["field"], taken in aside["reason"]) == ("id", True)
    assert hub.sent("evi") == []


def test_the_id_of_a_cdr_cannot_be_computed_without_the_key_of_the_node(hub: Network) -> None:
    """A partner that could guess the id could send a CDR under it first and so prevent ours."""
    pk, maker = Ref("sessions", *CPO, "S1").key.pk, OWN["HUB"].key()
    hub.end()

    hub.compile()

    (bill,) = hub.sent("evi")
    assert bill["id"] == earlier_cdrs.cdr_id(hub.node.directory.keyed_digest, maker, pk, 1)
    assert bill["id"] != earlier_cdrs.cdr_id(lambda text: sha256(text.encode()).hexdigest(), maker, pk, 1)
    assert bill["id"] != earlier_cdrs.keyless_cdr_id(maker, pk, 1)


def test_a_partner_s_cdr_under_an_id_of_an_earlier_release_does_not_block_ours(hub: Network) -> None:
    taken = earlier_cdrs.keyless_cdr_id(OWN["HUB"].key(), Ref("sessions", *CPO, "S1").key.pk, 1)
    write = Write(JsonText("{}"), T2)
    hub.node.objects.change(
        Ref("cdrs", *CPO, taken), lambda _: write, partition="cdrs#*#ignored", source="abc"
    )
    hub.end()

    hub.compile()

    assert (len(hub.sent("evi")), sessions_set_aside(hub.node.table)) == (1, [])


def test_a_session_whose_cdr_has_an_id_of_an_earlier_release_is_corrected_with_a_credit_cdr(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as formerly:
        formerly.setattr(earlier_cdrs, "cdr_id", lambda _, *names: earlier_cdrs.keyless_cdr_id(*names))
        cpo.end()
        cpo.compile()
    (first,) = cpo.cdrs()

    cpo.end(kwh=Decimal("20"))
    cpo.compile()

    _, credit, second = cpo.cdrs()
    assert (credit["credit_reference_id"], second["id"] != first["id"]) == (first["id"], True)
    assert second["total_energy"] == Decimal("20")


def test_a_partner_s_cdr_under_the_id_of_our_credit_cdr_does_not_count_as_credit(cpo: Network) -> None:
    cpo.end()
    cpo.compile()
    (first,) = cpo.cdrs()
    write = Write(JsonText("{}"), T2)
    forged = Ref("cdrs", *CPO, f"{first['id']}-C")
    cpo.node.objects.change(forged, lambda _: write, partition="cdrs#*#ignored", source="mob")

    cpo.end(kwh=Decimal("20"))
    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert (aside["field"], f"{first['id']}-C" in aside["reason"]) == ("id", True)


def test_a_session_that_was_set_aside_gets_a_cdr_after_its_correction(cpo: Network) -> None:
    cpo.end(currency="USD")
    cpo.compile()

    cpo.end()
    cpo.compile()

    assert sessions_set_aside(cpo.node.table) == []
    assert len(cpo.cdrs()) == 1


def test_charging_periods_are_cut_where_the_price_changes(cpo: Network) -> None:
    """Source: CDR-14"""
    dear = element(
        component(price=Decimal("0.50")), restrictions={"start_time": "09:00", "end_time": "23:00"}
    )
    cpo.world.put_tariff("T1", elements=[dear, element(component(price=Decimal("0.20")))])
    cpo.end(charging_periods=[period(T0, Decimal("10"))])

    cpo.compile()

    (cdr,) = cpo.cdrs()
    assert [each["start_date_time"] for each in cdr["charging_periods"]] == [T0, T1]
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.5")


def test_periods_with_the_same_start_lose_no_energy(cpo: Network) -> None:
    """Source: SES-08"""
    cpo.end(charging_periods=[period(T0, 4), period(T1, 5), period(T1, 1)])

    cpo.compile()

    assert [cdr["total_energy"] for cdr in cpo.cdrs()] == [10]


@pytest.mark.parametrize(
    ("periods", "code", "field"),
    [
        ([("2026-03-01T07:57:00Z", {"ENERGY": 10})], "period_outside_session", "0.start_date_time"),
        (
            [(T0, {"ENERGY": 9}), ("2026-03-01T10:03:00Z", {"ENERGY": 1})],
            "period_outside_session",
            "1.start_date_time",
        ),
        ([(T0, {"ENERGY": 9, "TIME": 2}), (T1, {"ENERGY": 1})], "volume_disagrees", "0.dimensions.1.volume"),
        ([(T0, {"ENERGY": 12}), (T1, {"ENERGY": -2})], "negative_energy", "1.dimensions.0.volume"),
    ],
)
def test_periods_that_contradict_clock_or_meter_are_priced_with_a_warning(
    cpo: Network, periods: list[tuple[str, Document]], code: str, field: str
) -> None:
    """Source: CDR-14, CDR-16, TRP-36"""
    given = [
        {
            "start_date_time": start,
            "dimensions": [{"type": each, "volume": volumes[each]} for each in volumes],
        }
        for start, volumes in periods
    ]
    cpo.end(charging_periods=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    warnings = {each["code"]: each["field"] for each in read_reasons(stored.extra["why"])["warnings"]}
    assert warnings[code] == f"charging_periods.{field}"


def test_hours_rounded_to_four_decimals_cause_no_warning(cpo: Network) -> None:
    """Source: CDR-16"""
    energy, time = {"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": Decimal("0.3333")}
    cpo.put(
        status="COMPLETED",
        end_date_time="2026-03-01T08:20:00Z",
        charging_periods=[{"start_date_time": T0, "dimensions": [energy, time]}],
    )

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None and read_reasons(stored.extra["why"])["warnings"] == []


def test_a_cpo_under_a_hub_that_makes_cdrs_does_not_push_its_own() -> None:
    network = Network("CPO")
    hub = network.join("mob", "HUB")
    network.open_site()
    network.end()

    network.compile()

    assert len(network.cdrs()) == 1
    assert (network.sent("mob"), network.shown(hub)) == ([], [])


def test_a_cpo_that_makes_its_cdrs_pushes_them_to_the_hub() -> None:
    network = Network("CPO")
    hub = network.join("mob", "HUB", profiles=(CPO_MAKES_CDR,))
    network.open_site()
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert (network.sent("mob"), network.shown(hub)) == ([cdr], [cdr["id"]])


def test_a_hub_s_cdr_goes_only_to_the_emsp_and_to_the_cpo(hub: Network) -> None:
    """Source: CDR-01, CDR-22"""
    hub.end()

    hub.compile()

    (cdr,) = hub.cdrs()
    assert (cdr["country_code"], cdr["party_id"]) == tuple(CPO)
    assert (hub.sent("evi"), hub.sent("abc"), hub.sent("xyz")) == ([cdr], [cdr], [])
    shown = {each: hub.shown(hub.world.partner(each)) for each in ("evi", "abc", "xyz")}
    assert shown == {"evi": [cdr["id"]], "abc": [cdr["id"]], "xyz": []}
    (to_cpo,) = [sent for sent in hub.world.partners.to("abc") if sent.module == "cdrs"]
    assert (to_cpo.method, to_cpo.routing) == ("POST", Routing(OWN["HUB"], CPO))


def test_a_hub_makes_no_cdr_for_a_cpo_that_makes_its_own() -> None:
    hub = Network("HUB")
    hub.join("abc", "CPO", profiles=(CPO_MAKES_CDR,))
    hub.open_site()
    hub.end()

    hub.compile()

    assert hub.cdrs() == []


def test_hub_and_cpo_never_make_the_same_id(cpo: Network, hub: Network) -> None:
    """Source: CDR-22"""
    for network in (cpo, hub):
        network.end()
        network.compile()

    assert cpo.cdrs()[0]["id"] != hub.cdrs()[0]["id"]


@pytest.mark.parametrize(("profiles", "expected"), [((), "0.1"), ((TIME_PRICES_PER_MINUTE,), "6")])
@pytest.mark.parametrize("role", ["CPO", "HUB"])
def test_a_profile_of_the_partner_decides_whether_time_prices_are_per_minute(
    role: str, profiles: tuple[str, ...], expected: str
) -> None:
    """At a CPO it is the profile of the hub that receives the session, at a hub that of the CPO that sent it.

    The tariff stays as it was sent.
    """
    network = Network(role)
    other = ("mob", "HUB") if role == "CPO" else ("abc", "CPO")
    network.join(*other, profiles=profiles)
    network.open_site()
    elements = [element(component("TIME", price=Decimal("0.05")))]
    network.world.put_tariff("T1", source=network.source, elements=elements)
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert cdr["total_cost"]["excl_vat"] == cdr["total_time_cost"]["excl_vat"] == Decimal(expected)
    assert [tariff["elements"] for tariff in cdr["tariffs"]] == [elements]
    stored = network.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    assert ("per minute" in str(read_reasons(stored.extra["why"]))) is bool(profiles)


def test_the_time_price_profile_of_one_cpo_does_not_affect_another(hub: Network) -> None:
    hub.join("xcp", "CPO", profiles=(TIME_PRICES_PER_MINUTE,))
    elements = [element(component("TIME", price=Decimal("0.05")))]
    hub.world.put_tariff("T1", source=hub.source, elements=elements)
    hub.end()

    hub.compile()

    assert hub.cdrs()[0]["total_cost"]["excl_vat"] == Decimal("0.1")


def test_the_time_price_profile_of_the_hub_does_not_affect_a_direct_emsp() -> None:
    network = Network("CPO")
    network.join("mob", "HUB", profiles=(TIME_PRICES_PER_MINUTE,))
    network.join("evi", "EMSP")
    network.open_site()
    network.world.put_tariff("T1", elements=[element(component("TIME", price=Decimal("0.05")))])
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert cdr["total_cost"]["excl_vat"] == Decimal("0.1")
    assert network.sent("evi") == [cdr]


@pytest.mark.parametrize("survives", range(12))
def test_a_compiler_that_is_killed_anywhere_leaves_one_cdr(hub: Network, survives: int) -> None:
    hub.end()
    hub.stream()
    hub.node.table.transact = _dying(hub.node.table.transact, survives)  # type: ignore[method-assign]
    hub.node.table.write = _dying(hub.node.table.write, survives)  # type: ignore[method-assign]
    compiler.run(hub.node)
    del hub.node.table.__dict__["transact"], hub.node.table.__dict__["write"]

    hub.compile()

    assert len(hub.cdrs()) == 1
    assert len(hub.shown(hub.world.partner("abc"))) == 1
    assert list(read_due_sessions(hub.node.table)) == []


@pytest.mark.parametrize("before", [False, True])
def test_a_session_that_changes_while_it_is_compiled_is_compiled_in_its_new_version(
    cpo: Network, before: bool
) -> None:
    """Another compiler makes the CDRs of the new version. The slower compiler writes nothing."""
    if before:
        cpo.end()
        cpo.compile()
    cpo.end(kwh=Decimal("9"))
    cpo.stream()
    transact = cpo.node.table.transact

    def be_late(asked: Any) -> None:
        del cpo.node.table.__dict__["transact"]
        cpo.put(status="INVALID", end_date_time=T2)
        cpo.compile()
        transact(asked)

    cpo.node.table.transact = be_late  # type: ignore[method-assign]

    compiler.run(cpo.node)
    cpo.compile()

    assert sum(cdr["total_cost"]["excl_vat"] for cdr in cpo.cdrs()) == 0
    assert list(read_due_sessions(cpo.node.table)) == []


def test_a_session_whose_start_snapshot_cannot_be_stored_still_gets_a_cdr(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise InvalidParameters("takes 500000 bytes")

    monkeypatch.setattr(due_sessions, "store_start_snapshot", fail)
    cpo.end()

    cpo.compile()

    assert len(cpo.cdrs()) == 1


def test_two_compilers_at_once_make_one_cdr_each(cpo: Network) -> None:
    for number in range(30):
        cpo.end(f"S{number}")
    cpo.stream()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compiler.run, [cpo.node, cpo.node]))
    cpo.compile()

    assert len({cdr["session_id"] for cdr in cpo.cdrs()}) == len(cpo.cdrs()) == 30


def _dying(call: Callable[[Any], None], survives: int) -> Callable[[Any], None]:
    """Make a call that works `survives` times and then always fails."""
    done: list[Operation] = []

    def dying(asked: Any) -> None:
        if len(done) >= survives:
            raise ServerError("killed")
        done.append(asked)
        call(asked)

    return dying


def test_a_session_with_1440_periods_is_stored_with_its_explanation(cpo: Network) -> None:
    """Periods with power are priced as they are, and each is explained (CDR-14)."""
    begun = parse_datetime(T0)
    given = [
        period(
            format_datetime(begun + timedelta(minutes=minute)),
            dimensions=[{"type": "ENERGY", "volume": Decimal("0.01")}, MAX_POWER],
        )
        for minute in range(1440)
    ]
    end = format_datetime(begun + timedelta(days=1))
    cpo.world.clock.forward(86_400)
    cpo.put(status="COMPLETED", end_date_time=end, kwh=Decimal("14.4"), charging_periods=given)

    cpo.compile()

    (cdr,) = cpo.cdrs()
    stored = cpo.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None and len(read_reasons(stored.extra["why"])["breakdown"]["periods"]) == 1440
    assert sessions_set_aside(cpo.node.table) == []
