"""Location ids in the operator API: reserved at the hub that assigns them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.calls.answers import Answer, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from tests.operator_api.caller import OperatorApi
from tests.operator_api.test_partners import connect

PLACE = {"address": "Rua Augusta 1", "city": "Lisboa", "country": "PRT"}


class IdAssigningClient:
    """A fake client whose partner assigns ids: a repeated request id gets the same location id."""

    def __init__(self, answer: Any = None) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.documents: list[Any] = []
        self._answer = answer
        self._id_by_request: dict[str, str] = {}

    def send(self, partner: Any, module: str, role: str, path: Any, exchange: Exchange) -> Answer:
        self.sent.append((partner.name, exchange.method, module, role, path))
        self.documents.append(exchange.document)
        if isinstance(self._answer, Exception):
            raise self._answer
        number = self._id_by_request.setdefault(
            str(exchange.request_id), f"PRT-{len(self._id_by_request) + 1:05d}"
        )
        data = {"id": number} if self._answer is None else self._answer
        return Answer(200, 1000, None, data, {}, timedelta())


def with_client(api: OperatorApi, client: IdAssigningClient) -> OperatorApi:
    return OperatorApi(replace(api.node, client=client))  # type: ignore[arg-type]


@pytest.fixture
def connected(cpo: OperatorApi, hub: OperatorApi) -> OperatorApi:
    connect(cpo, hub, profiles=["ptmob"])
    return cpo


def test_an_id_is_reserved_at_the_hub(connected: OperatorApi) -> None:
    """Source: docs/mobie.md, scenario 3.1"""
    client = IdAssigningClient()

    answer = with_client(connected, client).call("POST", "/location-ids", PLACE)

    assert (answer.status, answer.json) == (201, {"id": "PRT-00001"})
    assert client.sent == [("Server", "POST", "locations", "RECEIVER", ["PT", "ABC"])]
    assert client.documents == [{**PLACE, "country_code": "PT", "party_id": "ABC"}]


def test_a_retry_with_the_same_request_id_gets_the_same_id(connected: OperatorApi) -> None:
    api = with_client(connected, IdAssigningClient())

    def reserve(request_id: str) -> str:
        reserved: str = api.call("POST", "/location-ids", PLACE, headers={"x-request-id": request_id}).json[
            "id"
        ]
        return reserved

    assert reserve("one") == reserve("one") != reserve("two")


def test_the_body_may_be_left_out(connected: OperatorApi) -> None:
    assert with_client(connected, IdAssigningClient()).call("POST", "/location-ids").status == 201


def test_a_reservation_without_a_hub_that_assigns_ids_is_a_conflict(
    cpo: OperatorApi, hub: OperatorApi
) -> None:
    connect(cpo, hub)

    answer = cpo.call("POST", "/location-ids", PLACE)

    assert answer.status == 409
    assert "ptmob" in answer.json["detail"]


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (
            PartnerRefusal("answered 2001", http_status=404, status_code=2001, status_message="not for you"),
            "not for you",
        ),
        (PartnerFault("did not answer in time", timed_out=True), "did not answer in time"),
        ({"no": "id"}, "no id"),
        ({"id": 5}, "no id"),
        ([], "no id"),
    ],
)
def test_an_answer_of_the_hub_without_a_usable_id_is_a_bad_gateway(
    connected: OperatorApi, reply: Any, detail: str
) -> None:
    answer = with_client(connected, IdAssigningClient(reply)).call("POST", "/location-ids", PLACE)

    assert answer.status == 502
    assert detail in answer.json["detail"]


def test_with_two_hubs_the_request_has_to_name_one(connected: OperatorApi, emsp: OperatorApi) -> None:
    second = connect(connected, emsp, profiles=["ptmob"])
    api = with_client(connected, IdAssigningClient())

    undecided = api.call("POST", "/location-ids", PLACE)

    assert undecided.status == 400
    assert [error["field"] for error in undecided.json["errors"]] == ["partner"]
    assert api.call("POST", f"/location-ids?partner={second['id']}", PLACE).status == 201
    assert api.call("POST", "/location-ids?partner=nobody", PLACE).status == 400
