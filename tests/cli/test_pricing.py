"""Tests of the commands that need no node: price, verify, credit and lint."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.protocol.json_text import read_json, write_json
from cli import main
from tests.pricing.build import component, element, limit, meter, period, session, tariff

ROOT = Path(__file__).parents[2]
MADE = tariff(element(component("FLAT", "0.50", "20"), component("ENERGY", "0.25", "10")))
REQUEST = {"tariffs": [MADE], "session": session(60, meter_readings=meter((0, "100"), (60, "120")))}
CDR = {
    "id": "CDR1",
    "start_date_time": "2026-01-14T10:00:00Z",
    "end_date_time": "2026-01-14T11:00:00Z",
    "tariffs": [MADE],
    "charging_periods": [period(0, ENERGY="20")],
    "total_cost": limit("5.5", "6.1"),
}


def run(*arguments: str, document: Any = None, text: str | None = None) -> Any:
    return CliRunner().invoke(main.app, arguments, input=text if document is None else write_json(document))


def test_price_prints_json() -> None:
    result = run("price", "--json", "-", document=REQUEST)

    answer = read_json(result.stdout)
    assert result.exit_code == 0
    assert answer["total_cost"] == {"excl_vat": Decimal("5.5"), "incl_vat": Decimal("6.1")}
    assert set(answer) == {
        "tariff_id", "currency", "charging_periods", "total_cost", "total_fixed_cost", "total_energy",
        "total_energy_cost", "total_time", "total_time_cost", "total_parking_time", "total_parking_cost",
        "total_reservation_cost", "breakdown", "warnings",
    }  # fmt: skip


def test_price_prints_a_table() -> None:
    result = run("price", "-", document=REQUEST)

    lines = result.stdout.splitlines()
    assert ["ENERGY", "20", "kWh", "0.25", "/", "kWh", "5", "10", "%", "5.5"] in [
        line.split() for line in lines
    ]
    assert ["total", "5.5", "6.1"] in [line.split() for line in lines]


def test_price_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(write_json(REQUEST), encoding="utf-8")

    assert run("price", "--json", str(file)).exit_code == 0


def test_a_relative_file_is_found_from_the_directory_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(write_json(REQUEST), encoding="utf-8")

    ran = subprocess.run(
        [ROOT / "ocpi", "price", "request.json", "--json"], cwd=tmp_path, capture_output=True, check=True
    )

    assert read_json(ran.stdout)["tariff_id"] == "T1"


@pytest.mark.parametrize(
    ("text", "field"),
    [("{", None), ("{}", "session"), (write_json(REQUEST | {"tariffs": []}), "tariffs")],
)
def test_a_request_that_cannot_be_priced_ends_with_an_error_and_exit_code_2(
    text: str, field: str | None
) -> None:
    result = run("price", "--json", "-", text=text)

    answer = json.loads(result.stdout)
    assert result.exit_code == 2
    assert answer["error"]
    assert answer.get("field") == field


def test_an_error_without_json_is_one_readable_line() -> None:
    result = run("price", "no such file")

    assert result.exit_code == 2
    assert result.stderr == "ocpi: no such file cannot be read: No such file or directory\n"


def test_verify_accepts_a_right_cdr() -> None:
    result = run("verify", "--json", "-", document=CDR)

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"discrepancies": [], "warnings": []}
    assert "right" in run("verify", "-", document=CDR).stdout


def test_documents_of_2_3_0_are_read_as_well() -> None:
    """Source: V23-12, V23-15, V23-16"""
    components = (component("FLAT", "0.60", "20"), component("ENERGY", "0.275", "10"))
    most = {"before_taxes": Decimal("50"), "after_taxes": Decimal("60")}
    made = tariff(element(*components), tax_included="YES", max_price=most)
    taxes = [
        {"name": "VAT", "percentage": rate, "amount": Decimal(tax)}
        for rate, tax in ((20, "0.1"), (10, "0.5"))
    ]
    cdr = {**CDR, "tariffs": [made], "total_cost": {"before_taxes": Decimal("5.5"), "taxes": taxes}}

    priced = run("price", "--json", "-", document={**REQUEST, "tariffs": [made]})
    credit = run("credit", "-", document=cdr)

    assert json.loads(priced.stdout)["total_cost"] == {"excl_vat": 5.5, "incl_vat": 6.1}
    assert run("verify", "-", document=cdr).exit_code == 0
    assert run("lint", "--json", "-", document=made).exit_code == 0
    assert [tax["amount"] for tax in read_json(credit.stdout)["total_cost"]["taxes"]] == [
        Decimal("-0.1"),
        Decimal("-0.5"),
    ]
    assert run("verify", "-", document=read_json(credit.stdout)).exit_code == 0


def test_verify_lists_wrong_fields() -> None:
    result = run(
        "verify",
        "--json",
        "--time-zone",
        "Europe/Lisbon",
        "-",
        document=CDR | {"total_cost": limit("5.5", "7")},
    )

    assert json.loads(result.stdout)["discrepancies"] == [
        {"field": "total_cost.incl_vat", "claimed": 7, "computed": 6.1}
    ]
    assert run("verify", "--json", "--time-zone", "Moon/Base", "-", document=CDR).exit_code == 2


def test_verify_ends_with_exit_code_1_for_a_wrong_cdr() -> None:
    wrong = CDR | {"total_cost": limit("5.5", "7")}

    assert run("verify", "-", document=wrong).exit_code == 1
    assert run("verify", "--json", "-", document=wrong).exit_code == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"tariffs": None},
        {"tariffs": [], "total_energy": Decimal(20)},
        {"tariffs": [MADE | {"minPrice": limit("1")}]},
        {"tariffs": [tariff(element(component("ENERGY", "0.25"), min_vehicle_soc=80), *MADE["elements"])]},
    ],
)
def test_verify_ends_with_exit_code_2_if_costs_cannot_be_judged(fields: dict[str, Any]) -> None:
    result = run("verify", "-", document=CDR | fields)

    answer = json.loads(run("verify", "--json", "-", document=CDR | fields).stdout)
    assert result.exit_code == 2
    assert result.stdout == "could not be judged: total_cost\n"
    assert (answer["discrepancies"], answer["not_judged"]) == ([], ["total_cost"])
    assert result.stderr.startswith("warning: tariffs")


def test_verify_ends_with_exit_code_2_for_a_cdr_without_totals() -> None:
    result = run("verify", "-", document={**CDR, "total_cost": None})

    assert result.exit_code == 2
    assert result.stdout == "nothing was judged: the CDR claims no total\n"
    assert run("verify", "-", document=CDR | {"charging_periods": []}).exit_code == 2


def test_a_difference_counts_even_if_another_field_cannot_be_judged() -> None:
    result = run("verify", "-", document=CDR | {"tariffs": None, "total_energy": Decimal(7)})

    assert result.exit_code == 1
    assert "total_energy" in result.stdout
    assert result.stdout.endswith("could not be judged: total_cost\n")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"currency": "EURO"}, 1),
        ({"minPrice": limit("1")}, 1),
        ({"type": "NIGHT"}, 0),
        ({"elements": []}, 2),
    ],
)
def test_lint_ends_with_exit_code_1_if_it_finds_an_error(change: dict[str, Any], code: int) -> None:
    assert run("lint", "-", document=MADE | change).exit_code == code
    assert run("lint", "--json", "-", document=MADE | change).exit_code == code


def test_price_verify_and_lint_report_an_unknown_field_with_the_same_text() -> None:
    made = tariff(element(component("ENERGY", "1")) | {"restriction": {"end_time": "21:00"}})
    words = "'restriction' is no field of OCPI, did you mean restrictions?"

    priced = run("price", "-", document=REQUEST | {"tariffs": [made]})
    verified = run("verify", "-", document=CDR | {"tariffs": [made]})

    assert f"warning: tariffs.0.elements.0.restriction: {words}" in priced.stderr
    assert "no CDR is made of this price: tariffs.0.elements.0.restriction" in priced.stdout
    assert f"warning: tariffs.0.elements.0.restriction: {words}" in verified.stderr
    assert f"error    /elements/0/restriction: {words}" in run("lint", "-", document=made).stdout


def test_prices_of_time_may_be_per_minute() -> None:
    own = tariff(element(component("TIME", "0.05")))
    periods = [period(0, TIME="1")]
    request = {"tariffs": [own], "session": session(60, charging_periods=periods)}
    cdr = {**CDR, "tariffs": [own], "charging_periods": periods, "total_cost": limit("3")}
    flag = "--time-prices-per-minute"

    priced = json.loads(run("price", "--json", flag, "-", document=request).stdout)
    by_document = json.loads(
        run("price", "--json", "-", document={**request, "time_prices_per_minute": True}).stdout
    )
    table = run("price", flag, "-", document=request).stdout.splitlines()
    per_hour = json.loads(run("price", "--json", "-", document=request).stdout)

    assert (priced["total_cost"], per_hour["total_cost"]) == ({"excl_vat": 3}, {"excl_vat": 0.05})
    assert by_document == priced
    assert ["TIME", "60", "min", "0.05", "/", "min", "3"] in [line.split() for line in table]
    assert json.loads(run("verify", "--json", flag, "-", document=cdr).stdout)["discrepancies"] == []
    assert len(json.loads(run("verify", "--json", "-", document=cdr).stdout)["discrepancies"]) == 1


def test_a_credit_cdr_is_printed_and_verifies() -> None:
    result = run("credit", "-", document=CDR)

    credit = read_json(result.stdout)
    assert credit["credit_reference_id"] == "CDR1"
    assert credit["total_cost"] == {"excl_vat": Decimal("-5.5"), "incl_vat": Decimal("-6.1")}
    assert json.loads(run("verify", "--json", "-", document=credit).stdout)["discrepancies"] == []
    assert run("credit", "-", document=credit).exit_code == 2
    assert run("credit", "--json", "-", document=CDR).stdout == result.stdout


def test_lint_findings_have_json_pointers() -> None:
    result = run("lint", "--json", "-", document=MADE | {"currency": "EURO"})

    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["code"], finding["pointer"]) == ("unknown_currency", "/currency")
    assert run("lint", "-", document=MADE).stdout == "nothing to report\n"


def test_lint_lists_allowed_but_unwise_fields_as_advice() -> None:
    """Source: OCPI 2.2.1 mod_tariffs, PriceComponent (note on step_size); TAR-26."""
    made = tariff(element(component("TIME", "2", "10", 300)))

    answer = json.loads(run("lint", "--json", "-", document=made).stdout)
    assert answer["findings"] == []
    assert [each["pointer"] for each in answer["advice"]] == ["/elements/0/price_components/0/step_size"]
    assert run("lint", "-", document=made).stdout.startswith("nothing to report\n\nadvice:\n  /elements/0/")


def test_price_imports_no_aws_and_no_http_library() -> None:
    program = (
        "import sys; sys.argv = ['ocpi', 'price', '--json', '-']\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('botocore', 'boto3', 'urllib3', 'chalice') if name in sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=write_json(REQUEST),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )

    assert ran.stdout.splitlines()[-1] == "[]"
