"""Size limit of sessions: a full session can still end and is billed. Source: SES-05, CDR-14"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.sessions import sizes
from chalicelib.modules.sessions.own_sessions import patch_own_session
from chalicelib.modules.sessions.receiver import INTERFACE
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.items import LARGEST_ITEM
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import CPO, PartnerApi
from tests.logged import Logged
from tests.logged import logged as logged
from tests.modules.builders import T0, T1, T2
from tests.modules.cdrs.world import CPO as OWN_CPO
from tests.modules.cdrs.world import Network
from tests.modules.conftest import NodeOf, PartnerOf
from tests.modules.sessions.builders import period, session

ID = (*CPO, "S1")


def minutes(first: int, count: int) -> list[dict[str, Any]]:
    """Return charging periods of one minute, each with 0.01 kWh."""
    begun = parse_datetime(T0)
    return [
        period(format_datetime(begun + timedelta(minutes=first + number)), Decimal("0.01"))
        for number in range(count)
    ]


@pytest.fixture(params=["HUB", "EMSP"])
def cpo(request: pytest.FixtureRequest, node_of: NodeOf, partner_of: PartnerOf) -> PartnerApi:
    node = node_of(request.param)
    return PartnerApi(node, INTERFACE, partner_of(node, "cpo"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A size limit that a few charging periods reach, in bytes."""
    monkeypatch.setattr(sizes, "LARGEST", 2000)
    monkeypatch.setattr(sizes, "NEARLY_FULL", 1600)
    return 2000


def test_the_size_limit_leaves_room_for_the_cdr() -> None:
    assert sizes.LARGEST < LARGEST_ITEM * 2 / 3
    assert sizes.NEARLY_FULL <= sizes.LARGEST * 0.8


def test_periods_that_do_not_fit_are_refused_and_the_other_fields_are_stored(
    cpo: PartnerApi, small: int
) -> None:
    cpo.call("PUT", *ID, document=session(charging_periods=minutes(0, 12)))
    before = cpo.call("GET", *ID).data
    patch = {"kwh": 5, "charging_periods": minutes(12, 12), "last_updated": T1}

    answer = cpo.call("PATCH", *ID, document=patch)

    assert answer.codes == (200, 2001)
    assert answer.message.startswith("charging_periods: ") and "were stored" in answer.message
    assert cpo.call("GET", *ID).data == {**before, "kwh": 5, "last_updated": T1}


def test_a_full_session_can_still_end(cpo: PartnerApi, small: int) -> None:
    cpo.call("PUT", *ID, document=session(charging_periods=minutes(0, 30)))

    codes = [
        cpo.call("PATCH", *ID, document={"kwh": 6, "last_updated": T1}).codes,
        cpo.call(
            "PATCH",
            *ID,
            document={
                "status": "COMPLETED",
                "end_date_time": T2,
                "charging_periods": minutes(30, 1),
                "last_updated": T2,
            },
        ).codes,
    ]

    assert codes == [(200, 1000), (200, 2001)]
    ended = cpo.call("GET", *ID).data
    assert (ended["status"], ended["kwh"], len(ended["charging_periods"])) == ("COMPLETED", 6, 30)


def test_periods_of_a_late_patch_that_do_not_fit_are_refused(cpo: PartnerApi, small: int) -> None:
    cpo.call("PUT", *ID, document=session(charging_periods=minutes(0, 12), last_updated=T2))
    before = cpo.call("GET", *ID).data

    answer = cpo.call("PATCH", *ID, document={"charging_periods": minutes(12, 12), "last_updated": T1})

    assert answer.codes == (200, 2001)
    assert cpo.call("GET", *ID).data == before


def test_a_session_above_the_size_limit_may_get_smaller(cpo: PartnerApi, small: int) -> None:
    cpo.call(
        "PUT", *ID, document=session(charging_periods=[{**each, "x": "X" * 90} for each in minutes(0, 12)])
    )

    answer = cpo.call("PATCH", *ID, document={"charging_periods": minutes(0, 1), "last_updated": T1})

    assert answer.codes == (200, 1000)
    assert cpo.call("GET", *ID).data["charging_periods"][0] == minutes(0, 1)[0]


def test_a_nearly_full_session_is_logged_once_before_it_is_full(
    cpo: PartnerApi, small: int, logged: Logged
) -> None:
    cpo.call("PUT", *ID, document=session(charging_periods=minutes(0, 5)))
    assert logged.measured("SessionsNearlyFull") == []

    for number in range(5, 14):
        moment = format_datetime(parse_datetime(T0) + timedelta(minutes=number))
        patch = {"charging_periods": minutes(number, 1), "last_updated": moment}
        assert cpo.call("PATCH", *ID, document=patch).codes == (200, 1000)

    (line,) = logged.measured("SessionsNearlyFull")
    assert 1600 <= line["size"] < 2000
    assert "012345" not in str(line)


def test_an_own_session_is_billed_in_full_although_its_periods_were_refused(
    small: int, logged: Logged
) -> None:
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    network.put(kwh=Decimal("0.12"), charging_periods=minutes(0, 12))
    network.stream()

    with pytest.raises(InvalidParameters) as refused:
        patch_own_session(
            network.node,
            OWN_CPO,
            "S1",
            {
                "kwh": 10,
                "charging_periods": minutes(12, 12),
                "status": "COMPLETED",
                "end_date_time": T2,
            },
        )
    network.compile()

    assert refused.value.field == "charging_periods"
    assert len(logged.measured("SessionsNearlyFull")) == 1
    (cdr,) = network.cdrs()
    assert (cdr["total_energy"], cdr["total_cost"]["excl_vat"]) == (10, Decimal("3.5"))
    stored = network.node.objects.get(Ref("sessions", *OWN_CPO, "S1"))
    assert stored is not None and len(read_json(str(stored.body))["charging_periods"]) == 12


def test_a_session_of_thousands_of_periods_is_billed() -> None:
    """Uses as many periods as fit, with power, so that the CDR keeps each of them."""
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    power = {"type": "MAX_POWER", "volume": 7}
    periods = [{**each, "dimensions": [*each["dimensions"], power]} for each in minutes(0, 1700)]
    ends = format_datetime(parse_datetime(T0) + timedelta(minutes=1700))
    network.world.clock.moment = parse_datetime(ends)

    network.put(status="COMPLETED", end_date_time=ends, kwh=Decimal(17), charging_periods=periods)
    network.compile()

    (cdr,) = network.cdrs()
    assert (len(cdr["charging_periods"]), cdr["total_energy"]) == (1700, 17)
