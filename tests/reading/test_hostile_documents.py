"""Documents that are built so that a repair would change identity, ownership, privacy or money.

Source: docs/interop.md; OWN-05, SES-11, LOC-16, CDR-06
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.findings.received import MOST_ASIDE
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.sessions import receiver as sessions
from chalicelib.modules.tokens import receiver as tokens
from chalicelib.node import Node
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import MOST_DESCRIBED
from chalicelib.reading.findings import without_values
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import MOST_ERRORS, read_document
from chalicelib.storage.keys import Ref
from tests.harness.nodes import Clock
from tests.harness.partner_api import CPO, EMSP, Answer, PartnerApi
from tests.harness.partners import make_strict, register
from tests.modules.builders import without
from tests.reading.receiver import PLACES, node_with_partners, partner_at, push, stored
from tests.reading.shapes import whole

EVI = Party("PT", "EVI")
NOW = Context(now="2026-11-21T10:00:00Z")


# -- the owner of a token ----------------------------------------------------------------------------


@pytest.fixture
def hub() -> Node:
    """A hub with a CPO and two eMSPs. One of them, GLP, has the token 0102A."""
    node = node_with_partners("HUB")
    register(node, "evi", ("EMSP", EVI))
    _give_token(node, "emsp", EMSP)
    return node


def _give_token(node: Node, partner_id: str, owner: Party) -> None:
    caller = node.directory.get(partner_id)
    assert caller
    token = {**whole.token(), **owner._asdict(), "uid": "0102A"}
    answer = PartnerApi(node, tokens.INTERFACE, caller).call("PUT", *owner, "0102A", document=token)
    assert answer.codes[1] == 1000


def push_session(node: Node, to: Party | None = None, **token: Any) -> Answer:
    """Push a session with a token that names no owner."""
    named = without(whole.session()["cdr_token"], "country_code", "party_id")
    document = {**whole.session(), "cdr_token": {**named, "uid": "0102A", **token}}
    return partner_at(PLACES["session"], node).call("PUT", *CPO, "S1", document=document, to=to)


def owner_of_session(node: Node) -> tuple[str, str]:
    token = stored(PLACES["session"], node)["cdr_token"]
    return token["country_code"], token["party_id"]


def test_a_token_without_an_owner_has_that_of_the_stored_token(hub: Node) -> None:
    assert push_session(hub).codes == (201, 1000)

    assert owner_of_session(hub) == EMSP


def test_another_emsp_s_token_of_the_same_uid_is_not_the_addressed_one_s(hub: Node) -> None:
    """Source: OWN-05, SES-11"""
    assert push_session(hub, to=EVI).codes == (201, 1000)

    assert owner_of_session(hub) == EVI


def test_of_two_emsps_with_the_uid_the_addressed_one_is_meant_and_none_without_it(hub: Node) -> None:
    _give_token(hub, "evi", EVI)

    assert push_session(hub).codes == (200, 2001)
    assert push_session(hub, to=EVI).codes == (201, 1000)

    assert owner_of_session(hub) == EVI


@pytest.mark.parametrize("odd", [{"uid": "\t0102A\n"}, {"type": "rfid"}, {"type": "Rfid "}])
def test_the_owner_is_found_by_the_repaired_uid_and_type(hub: Node, odd: dict[str, Any]) -> None:
    assert push_session(hub, **odd).codes == (201, 1000)

    assert owner_of_session(hub) == EMSP


def test_an_owner_that_contradicts_the_half_that_the_token_names_is_not_taken(hub: Node) -> None:
    answer = push_session(hub, party_id="EVI")

    assert answer.codes == (200, 2001)
    assert "country_code" in answer.message


def test_an_owner_under_names_in_other_letters_comes_before_the_stored_token_s(hub: Node) -> None:
    assert push_session(hub, countryCode="PT", partyId="EVI").codes == (201, 1000)

    assert owner_of_session(hub) == EVI


def test_a_node_that_is_no_hub_gets_sessions_for_its_own_emsp_only() -> None:
    node = node_with_partners("EMSP")
    own = node.settings.parties("EMSP")[0]

    assert push_session(node).codes == (201, 1000)

    assert owner_of_session(node) == own


# -- identity ----------------------------------------------------------------------------------------


def test_an_id_under_another_spelling_that_differs_from_the_url_is_refused() -> None:
    node = node_with_partners("HUB")
    document = {**without(whole.tariff(), "id"), "Id": "T2"}

    answer = push(PLACES["tariff"], node, document)

    assert answer.codes == (200, 2001)


@pytest.mark.parametrize("uid", [Decimal("1E+10"), Decimal("12345.0")])
def test_a_number_with_a_fraction_or_an_exponent_is_no_id(uid: Decimal) -> None:
    """A uid such as 1E10 without its quotation marks would become another card's."""
    node = node_with_partners("HUB")

    answer = push_session(node, **EMSP._asdict(), uid=uid)

    assert answer.codes == (200, 2001)


# -- privacy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("publish", "is_published"),
    [
        ("TRUE ", True),
        (1, True),
        ([True], True),
        ("no", False),
        ("", False),
        (None, False),
        ("public", None),
        (2, None),
        (Decimal("1.0"), None),
        ({"value": True}, None),
        ([True, False], None),
    ],
)
def test_an_odd_publish_is_true_only_where_that_is_meant(publish: object, is_published: bool | None) -> None:
    """Source: LOC-16"""
    reading = read_document(Location, {**whole.location(), "publish": publish}, NOW)

    assert (reading.document or {}).get("publish") is is_published


def test_nobody_more_may_see_a_location_whose_tokens_cannot_be_read() -> None:
    """Source: LOC-17"""
    hidden = {**whole.location(), "publish": False}

    odd: list[list[Any]] = [[{"uid": ["X", "Y"], "type": "RFID"}], [{"uid": "", "type": "RFID"}], [[]]]
    for allowed in odd:
        reading = read_document(Location, {**hidden, "publish_allowed_to": allowed}, NOW)
        assert reading.error is not None


def test_a_strict_partner_s_session_is_not_corrected() -> None:
    node = node_with_partners("HUB")
    cpo = node.directory.get("cpo")
    assert cpo
    api = PartnerApi(node, sessions.INTERFACE, make_strict(node, cpo))
    dimension = {"type": "ENERGY", "volume": "1.5"}
    period = {"start_date_time": whole.session()["start_date_time"], "dimensions": [dimension]}

    put = api.call("PUT", *CPO, "S1", document={**whole.session(), "charging_periods": [period]})

    assert put.codes == (200, 2001)


# -- what is set aside -------------------------------------------------------------------------------


def test_a_stored_evse_stays_when_the_one_in_a_put_cannot_be_read() -> None:
    """Source: LOC-09"""
    node, place = node_with_partners("HUB"), PLACES["location"]
    second = {**whole.evse(), "uid": "E2"}
    assert push(place, node, {**whole.location(), "evses": [whole.evse(), second]}).codes == (201, 1000)
    broken = {**whole.evse(), "connectors": [{"id": "1"}]}

    for _ in range(2):
        assert push(place, node, {**whole.location(), "evses": [broken, second]}).codes == (200, 1000)
        evses = stored(place, node)["evses"]
        assert {evse["uid"]: evse for evse in evses} == {"E1": whole.evse(), "E2": second}

    assert push(place, node, {**whole.location(), "evses": [second]}).codes == (200, 1000)
    assert [evse["uid"] for evse in stored(place, node)["evses"]] == ["E2"]


def test_a_stored_connector_stays_when_the_one_in_a_put_cannot_be_read() -> None:
    node, place = node_with_partners("HUB"), PLACES["evse"]
    second = {**whole.connector(), "id": "2"}
    full = {**whole.evse(), "connectors": [whole.connector(), second]}
    assert push(place, node, full).codes[1] == 1000

    broken = {**full, "connectors": [whole.connector(), {"id": "2", "standard": 7}]}
    answer = partner_at(place, node).call("PUT", *place.ids, document=broken)

    assert answer.codes == (200, 1000)
    assert stored(place, node)["connectors"] == [whole.connector(), second]


def test_a_limited_part_of_what_was_set_aside_is_kept() -> None:
    """Source: AWS, DynamoDB, Quotas: an item has at most 400 KB"""
    node, place = node_with_partners("HUB"), PLACES["location"]
    evses = [{"uid": f"E{number}", "junk": "x" * 1000} for number in range(600)]

    assert push(place, node, {**whole.location(), "evses": evses}).codes == (201, 1000)

    item = node.table.get(Ref("locations", *CPO, "L1").key)
    assert item is not None
    assert 10_000 < len(item["aside"]) <= MOST_ASIDE + 1000


# -- repeats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left_out",
    [
        ("last_updated",),
        ("total_time",),
        ("cdr_token.country_code", "cdr_token.party_id"),
        ("tariffs.0.last_updated", "last_updated"),
    ],
)
def test_a_cdr_that_leaves_fields_out_is_accepted_again(left_out: tuple[str, ...]) -> None:
    """Its repeat comes at another time, so another time is filled in. Source: CDR-06"""
    node, document = node_with_partners("EMSP"), whole.cdr()
    for path in left_out:
        *steps, name = path.split(".")
        parent: Any = document
        for step in steps:
            parent = parent[int(step) if step.isdigit() else step]
        del parent[name]
    first = push(PLACES["cdr"], node, document)

    assert isinstance(node.clock, Clock)
    node.clock.forward(60)
    again = push(PLACES["cdr"], node, document)
    other = push(PLACES["cdr"], node, {**document, "total_energy": 99})

    assert (first.codes, again.codes, other.codes) == ((201, 1000), (200, 1000), (200, 2001))
    assert first.headers["Location"] == again.headers["Location"]


# -- bombs -------------------------------------------------------------------------------------------


def _nested(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def test_lists_in_lists_are_opened_only_so_often() -> None:
    texts = [{"language": _nested(20), "text": _nested(20)} for _ in range(2400)]

    reading = read_document(Location, {**whole.location(), "directions": texts}, NOW)

    assert reading.error is not None
    assert len(reading.findings) <= 2 * MOST_ERRORS + 100


def test_too_many_errors_are_not_described_one_by_one() -> None:
    reading = read_document(Location, {**whole.location(), "evses": [1] * (MOST_DESCRIBED + 1)}, NOW)

    assert reading.error is not None
    assert reading.error.detail == f"more than {MOST_DESCRIBED} values are wrong"


def test_a_quoted_value_with_quotation_marks_is_left_out_of_a_reason() -> None:
    value = "a'b\"012345"

    assert without_values(f"{value!r} is not a DateTime") == "… is not a DateTime"
