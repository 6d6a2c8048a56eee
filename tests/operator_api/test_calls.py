"""Number of DynamoDB calls of an operator API request, including the one that reads the key.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.policy.received_parties import remember_owners
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.partner_api import EMSP
from tests.harness.partners import register
from tests.modules.builders import T2
from tests.operator_api.caller import OperatorApi
from tests.operator_api.objects import evse, location, tariff
from tests.operator_api.received import receive_location, receive_tariff
from tests.operator_api.test_cdrs import compile_it, end_a_session
from tests.operator_api.test_sessions import as_written, begin_a_session
from tests.storage.capacity import measured

ABC = Party("PT", "ABC")


@pytest.mark.parametrize(
    ("method", "path", "body", "at_most"),
    [
        ("GET", "/tariffs/T1", None, 1),
        ("GET", "/locations/L1", None, 2),
        ("GET", "/locations/L1/E1", None, 2),
        ("GET", "/locations/L1/E1/1", None, 2),
        ("GET", "/tariffs", None, 4),
        ("GET", "/locations", None, 4),
        ("PUT", "/tariffs/T1", tariff(currency="NOK"), 2),
        ("PATCH", "/locations/L1/E1", {"status": "CHARGING"}, 3),
        # One more than a partner's PATCH: reads the EVSEs, so that a PUT removes none of them (LOC-09).
        ("PATCH", "/locations/L1", {"name": "new"}, 3),
    ],
)
def test_requests_of_an_owner_make_few_table_calls(
    cpo: OperatorApi,
    method: str,
    path: str,
    body: object,
    at_most: int,
    in_moto: None,
) -> None:
    cpo.ask("PUT", "/tariffs/T1", tariff())
    cpo.ask("PUT", "/locations/L1", location(evses=[evse(f"E{number}") for number in range(3)]))

    with measured(cpo.node.table) as spent:
        answer = cpo.call(method, path, body)

    assert answer.status == 200
    assert len(spent.calls) <= at_most, spent.calls


@pytest.mark.parametrize(
    ("path", "at_most"),
    [("/tariffs/T1", 2), ("/locations/L1", 3), ("/locations/L1/E1", 4), ("/tariffs/T1?party=PT*ABC", 1)],
)
def test_reading_a_received_object_takes_one_more_read_for_any_number_of_owners(
    hub: OperatorApi,
    path: str,
    at_most: int,
    in_moto: None,
) -> None:
    receive_location(hub, ABC, "L1")
    receive_tariff(hub, ABC, "T1")
    others = [
        Ref(module, "PT", f"X{n:02d}", "OTHER") for module in ("tariffs", "locations") for n in range(30)
    ]
    remember_owners(hub.node.table, others)

    with measured(hub.node.table) as spent:
        answer = hub.call("GET", path)

    assert answer.status == 200
    assert len(spent.calls) <= at_most, spent.calls


@pytest.mark.parametrize(
    ("method", "path", "body", "at_most"),
    [
        ("GET", "/sessions/S1", None, 1),
        # The names of the partitions take one read: their viewers are in no configuration.
        ("GET", "/sessions", None, 5),
        ("PUT", "/sessions/S1", as_written(kwh=3), 2),
        ("PATCH", "/sessions/S1", {"kwh": 4}, 2),
        # Key, session and viewer; the partition's counter; the session; the partition's name.
        ("PUT", "/sessions/S2", as_written(), 4),
        ("GET", "/cdrs", None, 5),
        ("GET", "/cdrs?ignored=true", None, 4),
        ("GET", "/sessions_without_cdr", None, 2),
        ("POST", "/sessions_without_cdr/S3", None, 2),
    ],
)
def test_requests_for_sessions_and_cdrs_make_few_table_calls(
    cpo: OperatorApi,
    method: str,
    path: str,
    body: object,
    at_most: int,
    in_moto: None,
) -> None:
    register(cpo.node, "emsp", ("EMSP", EMSP))
    cpo.ask("PUT", "/sessions/S1", as_written())
    cpo.ask("PUT", "/sessions/S3", as_written(status="COMPLETED", end_date_time=T2))
    compile_it(cpo, "S3")

    with measured(cpo.node.table) as spent:
        answer = cpo.call(method, path, body)

    assert answer.status < 300, answer.text
    assert len(spent.calls) <= at_most, spent.calls


@pytest.mark.parametrize(
    ("method", "body"),
    [("PUT", as_written(kwh=3, start_date_time="2026-03-01T11:00:00Z")), ("PATCH", {"kwh": 3})],
)
def test_the_cost_so_far_of_a_session_takes_no_extra_table_call(
    cpo: OperatorApi,
    method: str,
    body: object,
    in_moto: None,
) -> None:
    """Source: SES-14"""
    register(cpo.node, "emsp", ("EMSP", EMSP))
    begin_a_session(cpo)

    with measured(cpo.node.table) as spent:
        answer = cpo.ask(method, "/sessions/S1", body)

    assert answer["total_cost"]["excl_vat"] == Decimal("0.75")
    assert len(spent.calls) <= 2, spent.calls


@pytest.mark.parametrize(("path", "at_most"), [("", 1), ("/breakdown", 1), ("?party=PT*ABC", 1)])
def test_reading_a_cdr_takes_one_table_call(cpo: OperatorApi, path: str, at_most: int, in_moto: None) -> None:
    end_a_session(cpo)
    (cdr,) = cpo.all("/cdrs")

    with measured(cpo.node.table) as spent:
        cpo.ask("GET", f"/cdrs/{cdr['id']}{path}")

    assert len(spent.calls) <= at_most, spent.calls


@pytest.mark.parametrize("token", [None, 5, "text", {"uid": "U" * 3000}, {"country_code": 1}])
def test_a_session_with_an_invalid_token_is_refused(cpo: OperatorApi, token: object) -> None:
    answer = cpo.call("PUT", "/sessions/S1", as_written(cdr_token=token, authorization_reference="R" * 4000))

    assert answer.status == 422
