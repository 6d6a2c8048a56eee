"""Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04 … SES-11, SES-15"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.sessions.receiver import INTERFACE
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.account import aws
from tests.harness.nodes import make_network
from tests.harness.partner_api import CPO, EMSP, HUB, OTHER_CPO, PartnerApi
from tests.harness.partners import make_strict, register
from tests.modules.builders import T0, T1, T2, T3, without
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import cdr_token, period, session
from tests.storage.capacity import measured

ID = (*CPO, "S1")
AsPartner = Callable[[str], PartnerApi]


@pytest.fixture(params=["HUB", "EMSP"])
def as_partner(request: pytest.FixtureRequest, node_of: NodeOf, partner_of: PartnerOf) -> AsPartner:
    """Returns the interface of a hub, then of an eMSP, as the partner with this name calls it."""
    node = node_of(request.param)
    return lambda name: PartnerApi(node, INTERFACE, partner_of(node, name))


@pytest.fixture
def cpo(as_partner: AsPartner) -> PartnerApi:
    return as_partner("cpo")


def test_put_of_a_new_session_creates_it(cpo: PartnerApi) -> None:
    """Source: SES-04, SES-09, STA-05, TYP-14"""
    document = session(charging_periods=[period()], pdgr_x={"a": [1, None]}, status="MOBIE_NEW")

    answer = cpo.call("PUT", *ID, document=document)

    assert (answer.codes, answer.has_data) == ((201, 1000), False)
    assert cpo.call("GET", *ID).data == document


def test_put_replaces_the_whole_session_with_its_periods(cpo: PartnerApi) -> None:
    """Source: SES-04, TRN-23"""
    cpo.call("PUT", *ID, document=session(meter_id="M", charging_periods=[period(T0), period(T1)]))

    answer = cpo.call("PUT", *ID, document=session(kwh=2, last_updated=T1))

    assert answer.codes == (200, 1000)
    assert cpo.call("GET", *ID).data == session(kwh=2, last_updated=T1)


def test_patch_adds_periods_and_changes_the_fields_in_it(cpo: PartnerApi) -> None:
    """Source: SES-05"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0), period(T1)]))

    patch = {"kwh": Decimal("4.50"), "charging_periods": [period(T2)], "last_updated": T2}
    answer = cpo.call("PATCH", *ID, document=patch)

    assert (answer.codes, answer.has_data) == ((200, 1000), False)
    periods = [period(T0), period(T1), period(T2)]
    assert cpo.call("GET", *ID).data == session(
        kwh=Decimal("4.50"), charging_periods=periods, last_updated=T2
    )


def test_a_repeated_patch_adds_its_periods_once(cpo: PartnerApi) -> None:
    """Source: SES-08, TRP-09"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0)]))
    patch = {"charging_periods": [period(T1)], "last_updated": T1}

    for _ in range(2):
        assert cpo.call("PATCH", *ID, document=patch).codes == (200, 1000)

    assert cpo.call("GET", *ID).data["charging_periods"] == [period(T0), period(T1)]


def test_a_patch_with_an_empty_list_of_periods_keeps_the_stored_ones(cpo: PartnerApi) -> None:
    """Source: SES-05"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0)]))

    cpo.call("PATCH", *ID, document={"charging_periods": [], "kwh": 3, "last_updated": T1})

    assert cpo.call("GET", *ID).data == session(kwh=3, charging_periods=[period(T0)], last_updated=T1)


def test_a_volume_as_text_is_stored_as_a_number(cpo: PartnerApi) -> None:
    """Source: docs/mobie.md, Payloads"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0, "1.50")]))
    cpo.call("PATCH", *ID, document={"charging_periods": [period(T1, "2.250")], "last_updated": T1})

    text = str(cpo.node.objects.get(Ref("sessions", *ID)).body)  # type: ignore[union-attr]

    assert '"volume":1.50' in text
    assert '"volume":2.250' in text


def test_an_older_push_is_answered_with_success_and_ignored(cpo: PartnerApi) -> None:
    """Source: LOC-14's house rule"""
    cpo.call("PUT", *ID, document=session(last_updated=T2))

    assert cpo.call("PUT", *ID, document=session(kwh=9, last_updated=T1)).codes == (200, 1000)
    assert cpo.call("PATCH", *ID, document={"kwh": 9, "last_updated": T1}).codes == (200, 1000)

    assert cpo.call("GET", *ID).data == session(last_updated=T2)


def test_an_older_patch_adds_its_periods_and_changes_no_other_field(cpo: PartnerApi) -> None:
    """Source: SES-05, SES-08"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0)]))
    newer = {"kwh": 4, "charging_periods": [period(T2)], "last_updated": T2}
    older = {"kwh": 2, "meter_id": "M", "charging_periods": [period(T1)], "last_updated": T1}

    for patch in (newer, older, older):
        assert cpo.call("PATCH", *ID, document=patch).codes == (200, 1000)

    periods = [period(T0), period(T1), period(T2)]
    assert cpo.call("GET", *ID).data == session(kwh=4, charging_periods=periods, last_updated=T2)


def test_only_a_newer_patch_replaces_a_period_with_the_same_start(cpo: PartnerApi) -> None:
    """Source: SES-08"""
    cpo.call("PUT", *ID, document=session(charging_periods=[period(T0, Decimal("1.5"))]))

    for moment, volume in ((T2, Decimal("2.5")), (T1, Decimal("9.5"))):
        patch = {"charging_periods": [period(T0, volume)], "last_updated": moment}
        assert cpo.call("PATCH", *ID, document=patch).codes == (200, 1000)

    assert cpo.call("GET", *ID).data["charging_periods"] == [period(T0, Decimal("2.5"))]


def test_a_late_period_of_a_completed_session_is_answered_with_success_and_not_added(cpo: PartnerApi) -> None:
    """Source: SES-15"""
    done = session(status="COMPLETED", charging_periods=[period(T0)], last_updated=T2)
    cpo.call("PUT", *ID, document=done)

    late = {"charging_periods": [period(T1)], "last_updated": T1}

    assert cpo.call("PATCH", *ID, document=late).codes == (200, 1000)
    assert cpo.call("GET", *ID).data == done


@pytest.mark.parametrize(
    "added",
    [
        {"charging_periods": [period(T1)]},
        {"charging_periods": [period(T0), period(T1)], "status": "COMPLETED"},
        {"total_cost": {"excl_vat": 5}},
        {"meter_id": "M1", "end_date_time": T2},
    ],
)
def test_a_newer_patch_that_only_adds_to_a_completed_session_is_taken(
    cpo: PartnerApi, added: dict[str, Any]
) -> None:
    """Source: SES-15; it corrects the session as a PUT does"""
    done = session(
        status="COMPLETED",
        charging_periods=[period(T0)],
        total_cost={"excl_vat": 4, "incl_vat": 5},
        last_updated=T1,
    )
    cpo.call("PUT", *ID, document=done)

    for _ in range(2):
        assert cpo.call("PATCH", *ID, document={**added, "last_updated": T2}).codes == (200, 1000)

    periods = [period(T0), *([period(T1)] if "charging_periods" in added else [])]
    expected = {**done, **added, "charging_periods": periods, "last_updated": T2}
    assert cpo.call("GET", *ID).data == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"kwh": 9},
        {"charging_periods": [period(T0, Decimal(9))]},
        {"charging_periods": [period(T1)], "kwh": 9},
        {"status": "INVALID"},
        {"total_cost": None},
        {"meter_id": None},
        {"cdr_token": cdr_token(uid="OTHER")},
    ],
)
def test_a_patch_that_changes_a_completed_session_is_refused(
    cpo: PartnerApi, changed: dict[str, Any]
) -> None:
    """Source: SES-15"""
    cost = {"excl_vat": 4}
    done = session(
        status="COMPLETED",
        meter_id="M1",
        charging_periods=[period(T0)],
        total_cost=cost,
        last_updated=T1,
    )
    cpo.call("PUT", *ID, document=done)

    assert cpo.call("PATCH", *ID, document={**changed, "last_updated": T2}).codes == (200, 2001)
    assert cpo.call("GET", *ID).data == done


def test_a_patch_replaces_a_nested_object_as_a_whole(cpo: PartnerApi) -> None:
    """Source: TRN-24"""
    cpo.call("PUT", *ID, document=session(x_vendor={"a": 1, "b": 2}))

    cpo.call("PATCH", *ID, document={"x_vendor": {"a": 3}, "last_updated": T1})

    assert cpo.call("GET", *ID).data["x_vendor"] == {"a": 3}


@pytest.mark.parametrize(
    ("name", "number"),
    [("kwh", "1e999999999"), ("x_vendor", "1e999999999"), ("x_vendor", "0e999999999"), ("kwh", "1e12")],
)
def test_a_number_out_of_bounds_is_refused_with_its_field_and_not_stored(
    cpo: PartnerApi, name: str, number: str
) -> None:
    """Applies to unknown fields too. Source: TYP-09"""
    body = write_json({**session(), name: "NUMBER"}).replace('"NUMBER"', number)

    answer = cpo.call("PUT", *ID, body=body)

    assert answer.codes[1] == 2001 and answer.message.startswith(name)
    assert cpo.call("GET", *ID).codes[0] == 404


def test_kwh_may_go_down(cpo: PartnerApi) -> None:
    """Source: TRP-36"""
    cpo.call("PUT", *ID, document=session(kwh=9))

    assert cpo.call("PATCH", *ID, document={"kwh": Decimal("-1.5"), "last_updated": T1}).codes == (200, 1000)
    assert cpo.call("GET", *ID).data["kwh"] == Decimal("-1.5")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_completed_session_cannot_be_opened_again(cpo: PartnerApi, method: str) -> None:
    """Source: SES-15"""
    done = session(status="COMPLETED", last_updated=T1)
    cpo.call("PUT", *ID, document=done)
    late = {**done, "status": "ACTIVE", "last_updated": T2}

    answer = cpo.call(method, *ID, document=late)

    assert answer.codes == (200, 2001)
    assert "status" in answer.message
    assert cpo.call("GET", *ID).data == done


@pytest.mark.parametrize("status", ["COMPLETED", "INVALID"])
def test_a_put_of_the_whole_session_corrects_a_completed_one(cpo: PartnerApi, status: str) -> None:
    """Source: SES-15, CDR-07"""
    cpo.call("PUT", *ID, document=session(kwh=9, status="COMPLETED", last_updated=T1))
    corrected = session(kwh=8, status=status, last_updated=T2)

    assert cpo.call("PUT", *ID, document=corrected).codes == (200, 1000)
    assert cpo.call("GET", *ID).data == corrected


@pytest.mark.parametrize("moment", [T0, T1, T2])
def test_a_repeated_push_of_a_completed_session_is_answered_with_success(
    cpo: PartnerApi, moment: str
) -> None:
    """Source: SES-15, TRP-09"""
    done = session(status="COMPLETED", last_updated=T1)
    cpo.call("PUT", *ID, document=done)

    assert cpo.call("PUT", *ID, document={**done, "last_updated": moment}).codes == (200, 1000)
    assert cpo.call("PATCH", *ID, document={"status": "COMPLETED", "last_updated": moment}).codes == (
        200,
        1000,
    )
    assert cpo.call("GET", *ID).data == done


def test_a_new_session_is_stored_in_any_status(cpo: PartnerApi) -> None:
    """A session may arrive also after a command's TIMEOUT. Source: CMD-17"""
    token = cdr_token(uid="NEVER-SEEN")

    for number, status in enumerate(["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]):
        document = session(id=f"S{number}", status=status, auth_method="COMMAND", cdr_token=token)
        assert cpo.call("PUT", *CPO, f"S{number}", document=document).codes == (201, 1000)


def test_ids_are_the_same_in_any_case(cpo: PartnerApi) -> None:
    """Source: TYP-01"""
    cpo.call("PUT", *ID, document=session())

    assert cpo.call(
        "PATCH", "pt", "edp", "s1", document={"id": "s1", "kwh": 1, "last_updated": T1}
    ).codes == (
        200,
        1000,
    )
    assert cpo.call("GET", "pt", "Edp", "s1").data == session(kwh=1, last_updated=T1)


def test_two_owners_may_have_sessions_of_one_id(as_partner: AsPartner) -> None:
    """Source: OWN-02"""
    other = session(OTHER_CPO, kwh=7)
    as_partner("cpo").call("PUT", *ID, document=session())

    assert as_partner("other").call("PUT", *OTHER_CPO, "S1", document=other).codes == (201, 1000)

    assert as_partner("cpo").call("GET", *ID).data == session()
    assert as_partner("other").call("GET", *OTHER_CPO, "S1").data == other


def test_a_hub_pushes_for_its_clients(as_partner: AsPartner) -> None:
    """Source: RTE-15, TRP-18"""
    hub = as_partner("hub")

    assert hub.call("PUT", *ID, document=session()).codes == (201, 1000)
    assert hub.call("PATCH", *ID, document={"kwh": 1, "last_updated": T1}).codes == (200, 1000)
    assert hub.call("GET", *ID).data == session(kwh=1, last_updated=T1)


def test_a_hub_cannot_read_or_change_a_session_of_a_directly_connected_cpo(as_partner: AsPartner) -> None:
    """Source: SES-11, OWN-01"""
    as_partner("cpo").call("PUT", *ID, document=session())

    assert as_partner("hub").call("GET", *ID).codes == (404, 2001)
    assert as_partner("hub").call("PATCH", *ID, document={"kwh": 9, "last_updated": T1}).codes == (404, 2001)
    assert as_partner("cpo").call("GET", *ID).data == session()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("name", ["other", "emsp"])
def test_a_partner_cannot_read_or_change_another_party_s_session(
    as_partner: AsPartner, name: str, method: str
) -> None:
    """Source: OWN-01, TRN-28"""
    as_partner("cpo").call("PUT", *ID, document=session())

    answer = as_partner(name).call(
        method, *ID, document=None if method == "GET" else session(last_updated=T3)
    )

    assert (answer.codes, answer.has_data) == ((404, 2001), False)
    assert as_partner("cpo").call("GET", *ID).data == session()


def test_a_partner_cannot_push_sessions_of_the_node_s_own_party(as_partner: AsPartner) -> None:
    own: Party = as_partner("hub").node.settings.roles[0].party

    assert as_partner("hub").call("PUT", *own, "S1", document=session(own)).codes == (404, 2001)


def test_an_unknown_session_is_not_found(cpo: PartnerApi) -> None:
    """Source: SES-09"""
    assert cpo.call("GET", *ID).codes == (404, 2001)
    assert cpo.call("PATCH", *ID, document={"kwh": 1, "last_updated": T1}).codes == (404, 2001)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_session_is_neither_deleted_nor_posted(cpo: PartnerApi, method: str) -> None:
    """Source: SES-15, STA-09"""
    cpo.call("PUT", *ID, document=session())

    assert cpo.call(method, *ID, document=session(last_updated=T1)).codes == (405, 2001)


NEW = session(last_updated=T1)
BAD_PUTS: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    *((f"no {name}", {"document": without(NEW, name)}, (200, 2001)) for name in NEW),
    ("a number for the token", {"document": {**NEW, "cdr_token": 5}}, (200, 2001)),
    ("a token of nobody", {"document": {**NEW, "cdr_token": cdr_token(party_id="x" * 4000)}}, (200, 2001)),
    ("a token of a number", {"document": {**NEW, "cdr_token": cdr_token(country_code=35)}}, (200, 2001)),
    ("kwh as text", {"document": {**NEW, "kwh": "1"}}, (200, 2001)),
    ("a volume of words", {"document": {**NEW, "charging_periods": [period(T0, "much")]}}, (200, 2001)),
    ("a volume of nothing", {"document": {**NEW, "charging_periods": [period(T0, "")]}}, (200, 2001)),
    ("a status in small letters", {"document": {**NEW, "status": "active"}}, (200, 2001)),
    ("another id", {"document": {**NEW, "id": "S2"}}, (200, 2001)),
    ("another party_id", {"document": {**NEW, "party_id": "TNM"}}, (200, 2001)),
    ("another country_code", {"document": {**NEW, "country_code": "ES"}}, (200, 2001)),
    ("id a number", {"document": {**NEW, "id": 1}}, (200, 2001)),
    ("a year far away", {"document": {**NEW, "last_updated": "9999-01-01T00:00:00Z"}}, (200, 2001)),
    ("a list", {"document": [NEW]}, (200, 2001)),
    ("null", {"body": "null"}, (200, 2001)),
    ("broken JSON", {"body": '{"id":'}, (400, 2001)),
    ("no body", {}, (400, 2001)),
    ("text", {"document": NEW, "headers": {"content-type": "application/xml"}}, (415, 2001)),
    ("too long", {"document": {**NEW, "x": "x" * (2 * 1024 * 1024)}}, (200, 2001)),
    ("more than an item holds", {"document": {**NEW, "x": "x" * (500 * 1024)}}, (200, 2001)),
]  # fmt: skip


@pytest.fixture(scope="module")
def patient() -> Iterator[PartnerApi]:
    """A hub with session S1, which a refused request must not change."""
    with aws() as account:
        node = make_network(account, (), patient="HUB")["patient"].node
        api = PartnerApi(node, INTERFACE, register(node, "cpo", ("CPO", CPO)))
        api.call("PUT", *ID, document=session(charging_periods=[period(T0)]))
        yield api


KEPT = session(charging_periods=[period(T0)])


@pytest.mark.parametrize(("what", "sent", "codes"), BAD_PUTS, ids=[what for what, _, _ in BAD_PUTS])
def test_a_bad_put_is_refused_and_changes_nothing(
    patient: PartnerApi, what: str, sent: dict[str, Any], codes: tuple[int, int]
) -> None:
    """Source: SES-10, TRN-22, TRN-27, STA-01, STA-02, STA-07"""
    make_strict(patient.node, patient.caller)
    assert patient.call("PUT", *ID, **sent).codes == codes
    assert patient.call("GET", *ID).data == KEPT


BAD_PATCHES: list[tuple[str, Any]] = [
    ("nothing", {}),
    ("no last_updated", {"kwh": 1}),
    ("last_updated null", {"kwh": 1, "last_updated": None}),
    ("last_updated a number", {"kwh": 1, "last_updated": 5}),
    ("last_updated yesterday", {"kwh": 1, "last_updated": "yesterday"}),
    ("no kwh any more", {"kwh": None, "last_updated": T1}),
    ("kwh true", {"kwh": True, "last_updated": T1}),
    ("periods an object", {"charging_periods": {}, "last_updated": T1}),
    ("periods a text", {"charging_periods": "", "last_updated": T1}),
    ("a period null", {"charging_periods": [None], "last_updated": T1}),
    ("a period without dimensions", {"charging_periods": [{"start_date_time": T1}], "last_updated": T1}),
    ("a cost without excl_vat", {"total_cost": {"incl_vat": 1}, "last_updated": T1}),
    ("a token without uid", {"cdr_token": {"uid": None}, "last_updated": T1}),
    ("another id", {"id": "S2", "last_updated": T1}),
    ("another owner", {"party_id": "TNM", "last_updated": T1}),
    ("a list", [{"last_updated": T1}]),
]


@pytest.mark.parametrize(("what", "patch"), BAD_PATCHES, ids=[what for what, _ in BAD_PATCHES])
def test_a_bad_patch_is_refused_and_changes_nothing(patient: PartnerApi, what: str, patch: Any) -> None:
    """Source: SES-06, TRN-24, TRN-27"""
    make_strict(patient.node, patient.caller)
    assert patient.call("PATCH", *ID, document=patch).codes == (200, 2001)
    assert patient.call("GET", *ID).data == KEPT


@pytest.mark.parametrize("session_id", ["x" * 37, "é", "a\tb", "x" * 3000, "\ufffd"])
def test_an_impossible_id_is_refused(patient: PartnerApi, session_id: str) -> None:
    """Source: TYP-02, TYP-05"""
    assert patient.call("PUT", *CPO, session_id, document=session(id=session_id)).codes == (200, 2001)
    assert patient.call("GET", *CPO, session_id).codes == (404, 2001)


def test_every_request_makes_at_most_two_table_calls(cpo: PartnerApi, in_moto: None) -> None:
    """Applies to a new session too. Source: docs/design.md, Storage and what it may cost"""
    steps: list[tuple[str, Any]] = [
        ("PUT", session()),
        ("PUT", session(kwh=1)),
        ("PATCH", {"kwh": 2, "charging_periods": [period()], "last_updated": T1}),
        ("GET", None),
    ]
    for method, document in steps:
        with measured(cpo.node.table) as spent:
            assert cpo.call(method, *ID, document=document).codes[1] == 1000
        assert len(spent.calls) <= 2, (method, spent.calls)


def test_a_session_is_in_the_partition_of_its_token_s_emsp(cpo: PartnerApi) -> None:
    """Source: SES-11"""
    cpo.call("PUT", *ID, document=session(cdr_token=cdr_token(country_code="pt")))

    stored = cpo.node.objects.get(Ref("sessions", *ID))

    assert stored is not None
    assert stored.partition == f"sessions#*#{EMSP.key()}#EMSP"
    assert HUB.key() not in stored.partition
