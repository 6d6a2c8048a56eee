"""Command `./ocpi check`, which needs no node and no AWS: a partner's document, judged as the node would.

FILE is JSON; `-` is standard input. With `--json` the answer is that of `POST /operator/check`.

Exit codes: 0 when every document can be read; 1 when one is refused, with `--strict` when one deviates from
OCPI; 2 when there is no answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from chalicelib.errors import OcpiError
from chalicelib.protocol.json_text import write_json
from cli.named_file import find_file

FOUND = 1
NO_ANSWER = 2
_LISTS = ("repaired", "set_aside", "refused")


def check(file: str, kind: str | None, party: str | None, strict: bool, as_json: bool) -> int:
    """Check the documents in a file and print what is wrong. Returns the exit code."""
    from chalicelib.checking.check import check_text

    try:
        text = sys.stdin.buffer.read() if file == "-" else find_file(file).read_bytes()
        answer = check_text(text, kind, datetime.now(UTC), party)
    except OcpiError as error:
        return _refuse(str(error), as_json)
    except OSError as error:
        return _refuse(f"{file} cannot be read: {error.strerror}", as_json)
    if as_json:
        typer.echo(write_json(answer))
    else:
        for line in _lines(answer, strict):
            typer.echo(line)
    is_wrong = answer["refused"] or (strict and (answer["valid"] < answer["documents"] or answer["body"]))
    return FOUND if is_wrong else 0


def _refuse(text: str, as_json: bool) -> int:
    typer.echo(write_json({"error": text}) if as_json else f"ocpi: {text}", err=not as_json)
    return NO_ANSWER


def _lines(answer: Mapping[str, Any], strict: bool) -> Iterator[str]:
    """The answer for people: a line for each document, and one for each deviation below it."""
    for each in answer["body"]:
        yield f"{each['field']}: {each['reason']} ({each['kind']})"
    for result in answer["results"]:
        name = f"{result['kind']} {result['id'] or ''}".rstrip()
        if not result["strict"]:
            yield f"{name}: valid"
            continue
        yield f"{name}: {_verdict(result)}"
        if strict:
            yield from (f"  strict     {each['field']}: {each['reason']}" for each in result["strict"])
            continue
        for outcome in _LISTS:
            for each in result[outcome]:
                text = f"{each['field']}: {each['reason']}{_change(outcome, each)}"
                yield f"  {outcome.replace('_', ' '):<9}  {text} ({each['kind']})"
        if result["refused"] and _lacks_owner(result):
            yield "  In a PUT the URL names the owner: say which with --party, such as --party PT*EDP."


def _change(outcome: str, entry: Mapping[str, Any]) -> str:
    """The end of a line about a deviation: the value that came, and what is stored instead."""
    came = "" if entry["value"] is None else f" {_json(entry['value'])}"
    if outcome == "refused":
        return came and f", came as{came}"
    if entry["becomes"] is None:
        return came and f",{came} is left out"
    return f",{came} becomes {_json(entry['becomes'])}"


def _json(value: Any) -> str:
    """A value as JSON; lists and objects are JSON already, cut to a few entries."""
    return value if isinstance(value, str) and value.startswith(("[", "{")) else write_json(value)


def _lacks_owner(result: Mapping[str, Any]) -> bool:
    return any(each["field"] in ("country_code", "party_id") for each in result["refused"])


def _verdict(result: Mapping[str, Any]) -> str:
    if result["refused"]:
        return "refused"
    parts = [f"{len(result[outcome])} {outcome.replace('_', ' ')}" for outcome in _LISTS if result[outcome]]
    return f"read; {', '.join(parts)}"
