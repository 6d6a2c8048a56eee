"""Broadcasts in the operator API. tests/partners tests the counts that they show."""

from __future__ import annotations

import pytest

from tests.operator_api.caller import OperatorApi
from tests.operator_api.objects import tariff
from tests.operator_api.test_partners import connect


def test_every_registered_partner_is_listed(cpo: OperatorApi, hub: OperatorApi, emsp: OperatorApi) -> None:
    partners = [connect(cpo, hub)["id"], connect(cpo, emsp)["id"]]
    cpo.ask("POST", "/partners/invitations", {"name": "Not yet"})

    listed = cpo.ask("GET", "/broadcasts")

    assert {entry["partner_id"] for entry in listed} == set(partners)
    for entry in listed:
        assert entry["delivered"] == 0
        assert (entry["waiting"], entry["refused"], entry["dead"]) == ([], [], [])


def test_broadcasts_are_listed_in_pages(cpo: OperatorApi, hub: OperatorApi, emsp: OperatorApi) -> None:
    connect(cpo, hub)
    connect(cpo, emsp)

    first = cpo.call("GET", "/broadcasts?limit=1")

    assert len(first.json) == 1
    assert first.headers["X-Total-Count"] == "2"
    assert len({entry["partner_id"] for entry in cpo.all("/broadcasts?limit=1")}) == 2


def test_without_partners_the_list_is_empty(cpo: OperatorApi) -> None:
    answer = cpo.call("GET", "/broadcasts")

    assert (answer.status, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")


# -- replay


def test_a_replay_answers_with_the_queued_objects(cpo: OperatorApi, emsp: OperatorApi) -> None:
    partner_id = connect(cpo, emsp)["id"]
    path = f"/broadcasts/{partner_id}/replay"

    everything = cpo.call("POST", path)
    module = cpo.call("POST", path, {"module": "tariffs"})

    assert (everything.status, everything.json) == (202, {"partner_id": partner_id, "queued": True})
    expected = {"partner_id": partner_id, "module": "tariffs", "queued": True}
    assert (module.status, module.json) == (202, expected)


def test_one_object_is_replayed_by_its_ids(cpo: OperatorApi, emsp: OperatorApi) -> None:
    partner_id = connect(cpo, emsp)["id"]
    written = cpo.ask("PUT", "/tariffs/T1", tariff())
    named = {"module": "tariffs", "id": "T1", **{n: written[n] for n in ("country_code", "party_id")}}

    answer = cpo.call("POST", f"/broadcasts/{partner_id}/replay", named)

    assert (answer.status, answer.json) == (202, {"partner_id": partner_id, **named, "queued": True})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"module": "credentials"}, "module"),
        ({"id": "T1"}, "module"),
        ({"module": "tariffs", "id": "T1"}, "country_code"),
        ({"module": "tariffs", "country_code": "PT", "party_id": "ABC"}, "id"),
        ({"module": "tariffs", "country_code": "PT", "party_id": "ABC", "id": "T1", "type": "RFID"}, "type"),
        ({"modul": "tariffs"}, "modul"),
        ({"module": "tariffs", "country_code": "PT", "party_id": "ABC", "id": ""}, "id"),
    ],
)
def test_a_replay_request_with_an_invalid_field_names_the_field(
    cpo: OperatorApi, emsp: OperatorApi, body: object, field: str
) -> None:
    partner_id = connect(cpo, emsp)["id"]

    answer = cpo.call("POST", f"/broadcasts/{partner_id}/replay", body)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_replay_to_a_partner_that_is_not_registered_is_refused(cpo: OperatorApi, emsp: OperatorApi) -> None:
    invited = cpo.ask("POST", "/partners/invitations", {"name": "Not yet"})["id"]
    partner_id = connect(cpo, emsp)["id"]
    unknown = {"module": "tariffs", "country_code": "PT", "party_id": "ABC", "id": "T9"}

    assert cpo.call("POST", f"/broadcasts/{invited}/replay").status == 409
    assert cpo.call("POST", "/broadcasts/nobody/replay").status == 404
    assert cpo.call("POST", f"/broadcasts/{partner_id}/replay", unknown).status == 404
    assert cpo.call("POST", f"/broadcasts/{partner_id}/replay", {"module": "tokens"}).status == 409
