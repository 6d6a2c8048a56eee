"""Tests of the command check, which needs no node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.protocol.json_text import read_json, write_json
from cli import main
from tests.modules.builders import without
from tests.reading.shapes import whole

ROOT = Path(__file__).parents[2]
ODD = {**whole.evse(), "status": "available"}


def run(*arguments: str, document: Any = None, text: str | None = None) -> Any:
    return CliRunner().invoke(main.app, arguments, input=text if document is None else write_json(document))


def test_a_valid_document_ends_with_0() -> None:
    result = run("check", "-", document=whole.token())

    assert (result.exit_code, result.stdout) == (0, "Token 0102A: valid\n")


def test_a_repaired_document_ends_with_0_and_shows_the_repair() -> None:
    result = run("check", "-", document=ODD)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "EVSE E1: read; 1 repaired",
        '  repaired   status: not a value of Status, "available" becomes "AVAILABLE" (ENUM)',
    ]


def test_the_type_of_a_value_is_shown_and_what_is_left_out() -> None:
    document = {
        **whole.evse(),
        "floor_level": "Level -1, B",
        "connectors": [{**whole.connector(), "max_voltage": "230"}],
    }

    assert run("check", "-", document=document).stdout.splitlines()[1:] == [
        '  repaired   connectors.0.max_voltage: expected a whole number, "230" becomes 230 (NUMBER)',
        '  set aside  floor_level: expected at most 4 characters, "Level -1, B" is left out (UNREADABLE)',
    ]


def test_a_list_that_a_repair_made_is_shown_as_it_was_made() -> None:
    result = run("check", "-", document={"result": "ACCEPTED", "message": "ok"})

    assert result.stdout.splitlines()[1:] == [
        '  repaired   message: expected a list, "ok" becomes ["ok"] (NO_LIST)',
        '  set aside  message.0: expected a JSON object, "ok" is left out (UNREADABLE)',
    ]


def test_an_owner_that_the_url_would_name_is_given_by_an_option() -> None:
    document = without(whole.token(), "country_code", "party_id")

    alone = run("check", "-", document=document)
    assert alone.exit_code == 1
    assert alone.stdout.splitlines()[-1] == (
        "  In a PUT the URL names the owner: say which with --party, such as --party PT*EDP."
    )

    owned = run("check", "-", "--party", "pt/edp", "--json", document=document)
    assert owned.exit_code == 0
    canonical = read_json(owned.stdout)["results"][0]["canonical"]
    assert (canonical["country_code"], canonical["party_id"]) == ("PT", "EDP")
    assert run("check", "-", "--party", "EDP", document=document).exit_code == 2


def test_strictly_a_repaired_document_ends_with_1() -> None:
    result = run("check", "-", "--strict", document=ODD)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[1] == "  strict     status: not a value of Status"
    assert run("check", "-", "--strict", document=whole.evse()).exit_code == 0


def test_a_refused_document_ends_with_1() -> None:
    result = run("check", "-", "--kind", "Token", document=[whole.token(), {"uid": "X"}])

    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["Token 0102A: valid", "Token X: refused"]


def test_the_answer_in_json_is_that_of_the_operator_api() -> None:
    result = run("check", "-", "--json", document=ODD)

    answer = read_json(result.stdout)
    assert answer["results"][0]["canonical"] == {**ODD, "status": "AVAILABLE"}


@pytest.mark.parametrize("text", ["{", '{"foo": 1}', "[]"])
def test_what_cannot_be_judged_ends_with_2(text: str) -> None:
    assert run("check", "-", text=text).exit_code == 2
    assert read_json(run("check", "-", "--json", text=text).stdout).keys() == {"error"}


def test_a_file_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nothing.json"))

    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_check_imports_no_aws_and_no_http_library() -> None:
    program = (
        "import sys; sys.argv = ['ocpi', 'check', '-']\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('botocore', 'boto3', 'urllib3', 'chalice') if name in sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=write_json(ODD), capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip

    assert ran.stdout.splitlines()[-1] == "[]"
