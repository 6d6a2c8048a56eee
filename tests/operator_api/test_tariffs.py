"""Tariffs in the operator API: written by their owner, shown by every node."""

from __future__ import annotations

from tests.operator_api.caller import OperatorApi, path_of
from tests.operator_api.objects import connector, evse, location, tariff


def test_put_fills_in_what_the_operator_left_out(cpo: OperatorApi) -> None:
    answer = cpo.call("PUT", "/tariffs/T1", tariff())

    assert answer.status == 201
    assert answer.json == {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "T1",
        **tariff(),
        "last_updated": "2026-03-01T12:00:00Z",
    }
    assert cpo.ask("GET", "/tariffs/T1") == answer.json


def test_put_of_a_known_tariff_replaces_it(cpo: OperatorApi) -> None:
    cpo.ask("PUT", "/tariffs/T1", tariff(tariff_alt_url="https://example.com/t1"))
    cpo.node.clock.forward(seconds=5)  # type: ignore[attr-defined]

    answer = cpo.call("PUT", "/tariffs/T1", tariff(currency="NOK"))

    assert answer.status == 200
    assert (answer.json["currency"], answer.json["last_updated"]) == ("NOK", "2026-03-01T12:00:05Z")
    assert "tariff_alt_url" not in cpo.ask("GET", "/tariffs/T1")


def test_prices_keep_their_digits_and_unknown_fields_stay(cpo: OperatorApi) -> None:
    """Source: TYP-09, TYP-14"""
    cpo.call("PUT", "/tariffs/T1", tariff(mobie_class="A"))

    text = cpo.call("GET", "/tariffs/T1").text

    assert '"price":0.2500' in text
    assert '"mobie_class":"A"' in text


MISSPELT = {"restriction": {"end_time": "21:00"}}


def test_put_of_a_tariff_with_a_misspelt_field_is_stored_and_warns(cpo: OperatorApi) -> None:
    """Source: TAR-07, TYP-14"""
    element = {**tariff()["elements"][0], **MISSPELT}

    answer = cpo.call("PUT", "/tariffs/T1", tariff(elements=[element]))

    stored = cpo.ask("GET", "/tariffs/T1")
    assert answer.status == 201
    assert answer.json == {
        **stored,
        "warnings": [
            {
                "code": "unknown_field",
                "severity": "error",
                "pointer": "/elements/0/restriction",
                "message": "'restriction' is no field of OCPI, did you mean restrictions?",
            }
        ],
    }
    assert stored["elements"] == [element]


def test_patch_of_a_tariff_warns_of_units_and_repeats_earlier_warnings(cpo: OperatorApi) -> None:
    cpo.ask("PUT", "/tariffs/T1", tariff(minPrice={"excl_vat": 1}))
    restricted = {**tariff()["elements"][0], "restrictions": {"min_power": 11000}}

    answer = cpo.call("PATCH", "/tariffs/T1", {"elements": [restricted]})

    assert [each["pointer"] for each in answer.json["warnings"]] == [
        "/minPrice",
        "/elements/0/restrictions/min_power",
    ]


def test_warnings_that_are_sent_back_are_removed_from_the_tariff(cpo: OperatorApi) -> None:
    answered = cpo.ask("PUT", "/tariffs/T1", tariff(minPrice={"excl_vat": 1}))

    again = cpo.call("PUT", "/tariffs/T1", answered)
    cpo.call("PATCH", "/tariffs/T1", {"warnings": answered["warnings"]})

    assert again.json == answered
    assert "warnings" not in cpo.ask("GET", "/tariffs/T1")


def test_a_field_named_warnings_with_other_content_is_kept(cpo: OperatorApi) -> None:
    """Source: TYP-14"""
    cpo.ask("PUT", "/tariffs/T1", tariff(warnings=["cable is short"]))

    assert cpo.ask("GET", "/tariffs/T1")["warnings"] == ["cable is short"]


def test_patch_changes_what_is_sent_and_null_removes(cpo: OperatorApi) -> None:
    cpo.ask("PUT", "/tariffs/T1", tariff(tariff_alt_url="https://example.com/t1"))

    answer = cpo.call("PATCH", "/tariffs/T1", {"currency": "NOK", "tariff_alt_url": None})

    assert answer.status == 200
    assert answer.json["currency"] == "NOK"
    assert "tariff_alt_url" not in answer.json
    assert answer.json["elements"] == tariff()["elements"]
    assert cpo.ask("GET", "/tariffs/T1") == answer.json


def test_a_deleted_tariff_is_gone(cpo: OperatorApi) -> None:
    cpo.ask("PUT", "/tariffs/T1", tariff())

    answer = cpo.call("DELETE", "/tariffs/T1")

    assert (answer.status, answer.text) == (204, "")
    assert cpo.call("GET", "/tariffs/T1").status == 404
    assert cpo.call("DELETE", "/tariffs/T1").status == 404
    assert cpo.ask("GET", "/tariffs") == []


def test_a_tariff_that_a_connector_refers_to_is_not_deleted(cpo: OperatorApi) -> None:
    """Source: TAR-05"""
    cpo.ask("PUT", "/tariffs/T1", tariff())
    cpo.ask("PUT", "/locations/L1", location(evses=[evse(connectors=[connector(tariff_ids=["t1"])])]))

    answer = cpo.call("DELETE", "/tariffs/T1")

    assert answer.status == 409
    assert "L1/E1/1" in answer.json["detail"]
    assert cpo.call("GET", "/tariffs/T1").status == 200


def test_patch_of_an_unknown_tariff_is_not_found(cpo: OperatorApi) -> None:
    assert cpo.call("PATCH", "/tariffs/NOPE", {"currency": "NOK"}).status == 404


def test_an_id_may_have_any_printable_character(cpo: OperatorApi) -> None:
    for tariff_id in ("LSB 1*2", "A/B", "50%", "#1", "a?b=c&d", "..a", "%2F"):
        cpo.ask("PUT", path_of("tariffs", tariff_id), tariff())

        assert cpo.ask("GET", path_of("tariffs", tariff_id))["id"] == tariff_id


def test_an_id_of_dots_is_refused_because_no_url_can_hold_it(cpo: OperatorApi) -> None:
    assert cpo.call("PUT", path_of("tariffs", ".."), tariff()).status == 422


def test_ids_are_the_same_in_any_case_and_keep_the_first(cpo: OperatorApi) -> None:
    """Source: TYP-01, OWN-04"""
    cpo.ask("PUT", "/tariffs/Night", tariff())

    answer = cpo.call("PUT", "/tariffs/NIGHT", tariff(currency="NOK"))

    assert (answer.status, answer.json["id"]) == (200, "Night")
    assert len(cpo.ask("GET", "/tariffs")) == 1


def test_tariffs_are_listed_in_pages(cpo: OperatorApi) -> None:
    """Source: PAG-04, PAG-06, PAG-08, PAG-10"""
    for number in range(5):
        cpo.ask("PUT", f"/tariffs/T{number}", tariff())

    first = cpo.call("GET", "/tariffs?limit=2")

    assert [found["id"] for found in first.json] == ["T0", "T1"]
    assert first.headers["X-Total-Count"] == "5"
    assert first.headers["Link"].startswith("<https://cpo.example/operator/tariffs?")
    assert [found["id"] for found in cpo.all("/tariffs?limit=2")] == [f"T{number}" for number in range(5)]


def test_tariffs_are_found_by_the_time_of_their_change(cpo: OperatorApi) -> None:
    """Source: PAG-02, PAG-03"""
    cpo.ask("PUT", "/tariffs/EARLY", tariff())
    cpo.node.clock.forward(hours=1)  # type: ignore[attr-defined]
    cpo.ask("PUT", "/tariffs/LATE", tariff())

    late = cpo.call("GET", "/tariffs?date_from=2026-03-01T13:00:00Z")
    early = cpo.call("GET", "/tariffs?date_to=2026-03-01T13:00:00Z")

    assert ([found["id"] for found in late.json], late.headers["X-Total-Count"]) == (["LATE"], "1")
    assert ([found["id"] for found in early.json], early.headers["X-Total-Count"]) == (["EARLY"], "1")
