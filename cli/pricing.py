"""Commands `./ocpi price`, `verify`, `credit` and `lint`, which need no node and no AWS.

FILE is JSON, in the words of OCPI 2.2.1 or 2.3.0; `-` is standard input. With `--json` the answer is JSON on
standard output; without it, a table for people. If there is no answer, `--json` prints `{"error": …}`.
Answers have the words of 2.2.1.

Exit codes: 0 for an answer without a problem; 1 if `verify` finds a difference or `lint` an error; 2 if there
is no answer, or if `verify` could not judge a field of the CDR.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from chalicelib.errors import OcpiError
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.versions.v2_3_0 import in_words_of_2_2_1
from cli.named_file import find_file

FOUND = 1
NO_ANSWER = 2


def price(file: str, as_json: bool, per_minute: bool = False) -> int:
    """Price a session. per_minute: overrides the flag of the document. Returns the exit code."""
    from chalicelib.pricing.price_request import TIME_PRICES_PER_MINUTE, price_request
    from chalicelib.pricing.statement import write_statement

    def answer(document: Any) -> Any:
        if per_minute and isinstance(document, dict):
            document = {**document, TIME_PRICES_PER_MINUTE: True}
        return write_statement(price_request(document))

    return _answer(file, as_json, answer, _show_statement)


def verify(file: str, as_json: bool, time_zone: str | None, per_minute: bool = False) -> int:
    """Check the totals of a CDR. per_minute: its tariffs price time per minute. Returns the exit code."""
    from chalicelib.pricing.verification import verify_cdr, write_verification

    def answer(document: Any) -> Any:
        verification = verify_cdr(
            document, time_zone, time_prices_per_minute=per_minute, now=datetime.now(UTC)
        )
        return write_verification(verification)

    def code(answered: Any) -> int:
        if answered["discrepancies"]:
            return FOUND
        return NO_ANSWER if "not_judged" in answered else 0

    return _answer(file, as_json, answer, _show_verification, code)


def credit(file: str) -> int:
    """Make the credit CDR of a CDR, always as JSON. Returns the exit code."""
    from chalicelib.pricing.credit import credit_cdr

    return _answer(file, True, credit_cdr, _show_statement)


def lint(file: str, as_json: bool) -> int:
    """Find mistakes in a tariff, and give advice on allowed but unwise fields. Returns the exit code."""
    from chalicelib.pricing.findings import ERROR, INFO
    from chalicelib.pricing.lint import lint_tariff

    def answer(document: Any) -> Any:
        findings = lint_tariff(document)
        return {
            "findings": [finding.to_document() for finding in findings if finding.severity != INFO],
            "advice": [finding.to_document() for finding in findings if finding.severity == INFO],
        }

    def code(answered: Any) -> int:
        return FOUND if any(each["severity"] == ERROR for each in answered["findings"]) else 0

    return _answer(file, as_json, answer, _show_findings, code)


def _answer(
    file: str,
    as_json: bool,
    answer: Callable[[Any], Any],
    show: Callable[[Any], None],
    code: Callable[[Any], int] = lambda answered: 0,
) -> int:
    try:
        text = sys.stdin.buffer.read() if file == "-" else find_file(file).read_bytes()
        answered = answer(in_words_of_2_2_1(read_json(text)))
    except OcpiError as error:
        return _refuse({"error": str(error), "field": error.field}, as_json)
    except OSError as error:
        return _refuse({"error": f"{file} cannot be read: {error.strerror}", "field": None}, as_json)
    if as_json:
        typer.echo(write_json(answered))
    else:
        show(answered)
    return code(answered)


def _refuse(problem: dict[str, str | None], as_json: bool) -> int:
    if as_json:
        typer.echo(write_json({key: value for key, value in problem.items() if value is not None}))
    else:
        typer.echo(f"ocpi: {problem['error']}", err=True)
    return NO_ANSWER


def _show_statement(statement: Any) -> None:
    currency = statement["currency"]
    rows = [["", "billed", "price", f"{currency} excl. VAT", "VAT", f"{currency} incl. VAT"]]
    for line in statement["breakdown"]["lines"]:
        name = line["dimension"] if line["total"] != "RESERVATION" else f"{line['dimension']} (reservation)"
        billed = f"{line['billed']} {line['unit']}".strip()
        per = f" / {line['unit']}" if line["unit"] else ""
        vat = f"{line['vat']} %" if "vat" in line else ""
        rows.append([name, billed, f"{line['price']}{per}", *_amounts(line, vat)])
    rows.append(["total", "", "", *_amounts(statement["total_cost"], "")])
    typer.echo(f"tariff {statement['tariff_id']}, {len(statement['charging_periods'])} charging periods\n")
    typer.echo(_align(rows))
    typer.echo(
        f"\n{statement['total_energy']} kWh in {statement['total_time']} h, "
        f"of which parking {statement['total_parking_time']} h"
    )
    for limit in statement["breakdown"]["limits"]:
        typer.echo(f"{limit['limit']} applied")
    typer.echo("\nwhy:")
    for line in statement["breakdown"]["lines"]:
        typer.echo(f"  {line['dimension']}: {line['because']}")
    for field in statement.get("undecided", ()):
        typer.echo(f"\nno CDR is made of this price: {field} could have changed it and is not known here")
    _show_warnings(statement["warnings"])


def _amounts(priced: Any, vat: str) -> list[str]:
    return [str(priced["excl_vat"]), vat, str(priced.get("incl_vat", ""))]


def _show_verification(verification: Any) -> None:
    rows = [["field", "claimed", "computed"]]
    rows += [
        [each["field"], str(each["claimed"]), str(each["computed"])] for each in verification["discrepancies"]
    ]
    not_judged = verification.get("not_judged")
    if len(rows) > 1:
        typer.echo(_align(rows))
    elif not_judged is None:
        typer.echo("every total that the CDR claims is right")
    if not_judged:
        typer.echo(f"could not be judged: {', '.join(not_judged)}")
    elif not_judged is not None:
        typer.echo("nothing was judged: the CDR claims no total")
    _show_warnings(verification["warnings"])


def _show_findings(answer: Any) -> None:
    if not answer["findings"]:
        typer.echo("nothing to report")
    for each in answer["findings"]:
        typer.echo(f"{each['severity']:<7}  {each['pointer']}: {each['message']} ({each['code']})")
    if answer["advice"]:
        typer.echo("\nadvice:")
    for each in answer["advice"]:
        typer.echo(f"  {each['pointer']}: {each['message']} ({each['code']})")


def _show_warnings(warnings: Sequence[Any]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning['field']}: {warning['message']}", err=True)


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
