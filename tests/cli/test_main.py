"""The commands ask the node's door for the right thing and show what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.release import RELEASE
from cli import main
from cli.operator_door import DoorError

PARTNER = {
    "id": "p-1",
    "name": "MOBI.E",
    "status": "REGISTERED",
    "roles": [{"role": "HUB", "country_code": "PT", "party_id": "MOB"}],
}


class CannedDoor:
    """An operator's door that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def all(self, *path: str) -> Iterator[Any]:
        self.asked.append(("GET", *path))
        yield from {
            "partners": [PARTNER],
            "broadcasts": [{"partner_id": "p-1", "waiting": 3}],
            "sessions_without_cdr": [{"session_id": "S1", "reason": "no tariff"}],
        }[path[0]]

    def post(self, *path: str, body: object, **query: str) -> Any:
        self.asked.append(("POST", *path, body, *([query] if query else [])))
        return {"id": "LSB-00693", "versions_url": "https://here/ocpi/versions", "token": "A"}

    def put(self, *path: str, body: object) -> Any:
        self.asked.append(("PUT", *path, body))
        if path[1] == "unknown":
            raise DoorError("HTTP 404 unknown partner", 404)
        return PARTNER


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> CannedDoor:
    canned = CannedDoor()
    monkeypatch.setattr(main, "_door", lambda context: canned)
    return canned


def run(*arguments: str, typed: str = "") -> Any:
    result = CliRunner().invoke(main.app, list(arguments), input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_partners_are_listed_with_status_and_roles(door: CannedDoor) -> None:
    assert run("partners").output.split() == ["p-1", "REGISTERED", "MOBI.E", "HUB", "PT/MOB"]


def test_an_invitation_shows_the_versions_url_and_the_token(door: CannedDoor) -> None:
    result = run("invite", "MOBI.E", "--ptmob", "--raw-token")

    body = {"name": "MOBI.E", "token_encoding": "raw", "profiles": ["ptmob"]}
    assert door.asked == [("POST", "partners", "invitations", body)]
    assert json.loads(result.output)["token"] == "A"


def test_registering_asks_for_the_token_and_does_not_show_it(door: CannedDoor) -> None:
    result = run("register", "MOBI.E", "https://there/versions", typed="secret-token\n")

    [(_, *path, body)] = door.asked
    assert path == ["partners", "registrations"]
    assert body["token"] == "secret-token"
    assert "secret-token" not in result.output


def test_an_invitation_says_who_is_expected(door: CannedDoor) -> None:
    run("invite", "MOBI.E", "--hub", "--expect", "PT/MOB/HUB", "--expect", "PT/MOB/emsp")

    [(*_, body)] = door.asked
    assert body["hub"] is True
    assert [role["role"] for role in body["expected_roles"]] == ["HUB", "EMSP"]


@pytest.mark.parametrize(
    ("command", "path"),
    [("approve", ["roles", "approve"]), ("reject", ["roles", "reject"]), ("release", ["release"])],
)
def test_roles_are_decided_all_or_by_their_names(door: CannedDoor, command: str, path: list[str]) -> None:
    run(command, "p-1")
    run(command, "p-1", "PT/ABC/cpo")

    named = {"roles": [{"country_code": "PT", "party_id": "ABC", "role": "CPO"}]}
    assert door.asked == [("POST", "partners", "p-1", *path, body) for body in ({}, named)]


def test_a_role_that_cannot_be_read_is_not_sent(door: CannedDoor) -> None:
    result = CliRunner().invoke(main.app, ["approve", "p-1", "CPO"])

    assert result.exit_code == 2
    assert "COUNTRY/PARTY/ROLE" in result.output
    assert door.asked == []


def test_rotating_puts_the_credentials_anew(door: CannedDoor) -> None:
    run("rotate", "p-1")

    assert door.asked == [("PUT", "partners", "p-1", "credentials", {})]


def test_reserving_a_location_id_sends_what_is_known_and_prints_the_id(
    door: CannedDoor, tmp_path: Path
) -> None:
    known = tmp_path / "location.json"
    known.write_text('{"city": "Lisboa"}')

    result = run("reserve-location-id", str(known))

    assert door.asked == [("POST", "location-ids", {"city": "Lisboa"})]
    assert result.output == "LSB-00693\n"


def test_broadcasts_are_shown_per_partner(door: CannedDoor) -> None:
    assert json.loads(run("broadcasts").output) == {"partner_id": "p-1", "waiting": 3}


def test_sessions_without_a_cdr_are_shown_with_the_reason(door: CannedDoor) -> None:
    assert json.loads(run("sessions-without-cdr").output) == {"session_id": "S1", "reason": "no tariff"}


def test_a_cdr_is_tried_again_of_the_party_that_was_named(door: CannedDoor) -> None:
    run("retry-cdr", "S1")
    run("retry-cdr", "S1", "--party", "PT*ABC")

    again = ("POST", "sessions_without_cdr", "S1", {})
    assert door.asked == [again, (*again, {"party": "PT*ABC"})]


def test_a_session_is_released_of_the_party_that_was_named(door: CannedDoor) -> None:
    run("release-cdr", "S1")
    run("release-cdr", "S1", "--party", "PT*ABC")

    release = ("POST", "sessions_without_cdr", "S1", "release", {})
    assert door.asked == [release, (*release, {"party": "PT*ABC"})]


def test_a_cdr_is_sent_again(door: CannedDoor) -> None:
    run("replay-cdr", "C1")

    assert door.asked == [("POST", "cdrs", "C1", "replay", {})]


def test_what_a_partner_has_not_taken_is_sent_again(door: CannedDoor) -> None:
    run("replay", "p-1")
    run("replay", "p-1", "--module", "sessions")
    run("replay", "p-1", "--module", "cdrs", "--object", "PT/ABC/CDR/1")
    run("replay", "p-1", "--module", "tokens", "--object", "PT/EVI/04A1", "--type", "APP_USER")

    to = ("POST", "broadcasts", "p-1", "replay")
    assert door.asked == [
        (*to, {}),
        (*to, {"module": "sessions"}),
        (*to, {"module": "cdrs", "country_code": "PT", "party_id": "ABC", "id": "CDR/1"}),
        (
            *to,
            {"module": "tokens", "country_code": "PT", "party_id": "EVI", "id": "04A1", "type": "APP_USER"},
        ),
    ]


@pytest.mark.parametrize("options", [("--object", "PT/ABC/1"), ("--module", "cdrs", "--object", "PT/ABC")])
def test_an_object_is_named_whole_and_with_its_module(door: CannedDoor, options: tuple[str, ...]) -> None:
    assert run("replay", "p-1", *options).exit_code == 2
    assert door.asked == []


def test_what_the_door_refuses_is_one_line_and_exit_code_1(
    door: CannedDoor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ocpi", "rotate", "unknown"])

    with pytest.raises(SystemExit) as ended:
        main.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "ocpi: HTTP 404 unknown partner\n"


def test_the_certification_gets_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def certification(arguments: Any) -> int:
        seen.append(list(arguments))
        return 3

    monkeypatch.setattr("certification.runner.main", certification)

    result = run("certify", "--only", "2.1", "--help")

    assert seen == [["--only", "2.1", "--help"]]
    assert result.exit_code == 3


def test_version_shows_the_release() -> None:
    assert run("--version").output == f"ocpi {RELEASE}\n"
