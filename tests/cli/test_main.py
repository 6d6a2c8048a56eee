"""Tests of the commands: each sends the right request to the operator API and shows its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.release import RELEASE
from cli import main
from cli.operator_client import OperatorApiError

PARTNER = {
    "id": "p-1",
    "name": "MOBI.E",
    "status": "REGISTERED",
    "roles": [{"role": "HUB", "country_code": "PT", "party_id": "MOB"}],
}

FINDING = {
    "count": 7,
    "module": "tariffs",
    "field": "currency",
    "kind": "CURRENCY",
    "outcome": "REPAIRED",
    "last_seen": "2026-03-01T12:00:00Z",
    "example": "eur",
    "reason": "expected an ISO 4217 currency code",
}


class CannedOperatorApi:
    """A fake operator API that records requests."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def all(self, *path: str, **query: str) -> Iterator[Any]:
        self.asked.append(("GET", *path, *([query] if query else [])))
        yield from {
            "findings": [FINDING],
            "partners": [PARTNER],
            "broadcasts": [{"partner_id": "p-1", "waiting": 3}],
            "sessions_without_cdr": [{"session_id": "S1", "reason": "no tariff"}],
        }[path[-1]]

    def delete(self, *path: str, **query: str) -> None:
        self.asked.append(("DELETE", *path, *([query] if query else [])))

    def post(self, *path: str, body: object, **query: str) -> Any:
        self.asked.append(("POST", *path, body, *([query] if query else [])))
        return {"id": "LSB-00693", "versions_url": "https://here/ocpi/versions", "token": "A"}

    def get(self, *path: str) -> Any:
        self.asked.append(("GET", *path))
        return {**PARTNER, "token_encoding": "base64", "profiles": ["ptmob"]}

    def patch(self, *path: str, body: dict[str, Any]) -> Any:
        self.asked.append(("PATCH", *path, body))
        return {**PARTNER, **body}

    def put(self, *path: str, body: object) -> Any:
        self.asked.append(("PUT", *path, body))
        if path[1] == "unknown":
            raise OperatorApiError("HTTP 404 unknown partner", 404)
        return PARTNER


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> CannedOperatorApi:
    canned = CannedOperatorApi()
    monkeypatch.setattr(main, "_operator_api", lambda context: canned)
    return canned


def run(*arguments: str, typed: str = "") -> Any:
    result = CliRunner().invoke(main.app, list(arguments), input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_partners_are_listed_with_status_version_and_roles(api: CannedOperatorApi) -> None:
    assert run("partners").output.split() == ["p-1", "REGISTERED", "-", "MOBI.E", "HUB", "PT/MOB"]


def test_an_invitation_shows_the_versions_url_and_the_token(api: CannedOperatorApi) -> None:
    result = run("invite", "MOBI.E", "--ptmob", "--raw-token")

    body = {"name": "MOBI.E", "token_encoding": "raw", "profiles": ["ptmob"]}
    assert api.asked == [("POST", "partners", "invitations", body)]
    assert json.loads(result.output)["token"] == "A"


def test_registering_asks_for_the_token_and_does_not_show_it(api: CannedOperatorApi) -> None:
    result = run("register", "MOBI.E", "https://there/versions", typed="secret-token\n")

    [(_, *path, body)] = api.asked
    assert path == ["partners", "registrations"]
    assert body["token"] == "secret-token"
    assert "secret-token" not in result.output


def test_an_invitation_has_the_expected_roles(api: CannedOperatorApi) -> None:
    run("invite", "MOBI.E", "--hub", "--expect", "PT/MOB/HUB", "--expect", "PT/MOB/emsp")

    [(*_, body)] = api.asked
    assert body["hub"] is True
    assert [role["role"] for role in body["expected_roles"]] == ["HUB", "EMSP"]


def test_only_an_invitation_of_a_known_partner_may_have_no_name(api: CannedOperatorApi) -> None:
    run("invite", "--again", "p-1")

    assert api.asked == [("POST", "partners", "invitations", {"partner_id": "p-1"})]
    unnamed = CliRunner().invoke(main.app, ["invite", "--hub"])
    assert (unnamed.exit_code, len(api.asked)) == (2, 1)
    assert "a new partner needs a name" in unnamed.output


def test_an_invitation_can_be_strict(api: CannedOperatorApi) -> None:
    run("invite", "MOBI.E", "--strict")

    [(*_, body)] = api.asked
    assert body["strict"] is True


def test_an_invitation_and_a_registration_take_any_setting(api: CannedOperatorApi) -> None:
    run("invite", "MOBI.E", "--set", 'profiles=["cpo_makes_cdr"]', "--set", "made_up=7")
    run("register", "MOBI.E", "https://there/versions", "--token", "A", "--set", "token_encoding=raw")

    invitation, registration = (asked[-1] for asked in api.asked)
    assert (invitation["profiles"], invitation["made_up"]) == (["cpo_makes_cdr"], 7)
    assert registration["token_encoding"] == "raw"


PULL = {
    "module": "tokens", "state": "WAITING", "started": "2026-03-01T12:00:00Z", "pages": 3, "objects": 300,
    "kept": 299, "unchanged": 0, "refused": 1, "odd": 0, "vanished": None, "waits": 1,
    "error": "answered HTTP 429", "retry_at": "2026-03-01T12:10:00Z",
}  # fmt: skip


def test_a_pull_is_ordered_and_its_progress_is_one_line(
    api: CannedOperatorApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "post", lambda *path, body: api.asked.append((*path, body)) or [PULL])

    output = run("pull", "p-1", "--module", "tokens", "--full").output

    assert api.asked == [("partners", "p-1", "pull", {"modules": ["tokens"], "full": True})]
    assert output.split() == [
        *("tokens", "WAITING", "2026-03-01T12:00:00Z", "pages", "3", "objects", "300", "kept", "299"),
        *("refused", "1", "waits", "1", "answered", "HTTP", "429", "(again", "at", "2026-03-01T12:10:00Z)"),
    ]


def test_pulls_shows_each_list_or_all_about_one(
    api: CannedOperatorApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "all", lambda *path: iter([PULL, {**PULL, "module": "tariffs"}]))
    monkeypatch.setattr(api, "get", lambda *path: api.asked.append(path) or {"vanished_objects": []})

    assert [line.split()[0] for line in run("pulls", "p-1").output.splitlines()] == ["tokens", "tariffs"]
    assert json.loads(run("pulls", "p-1", "tokens").output) == {"vanished_objects": []}
    assert api.asked == [("partners", "p-1", "pulls", "tokens")]


def test_settings_shows_each_setting_of_a_partner(api: CannedOperatorApi) -> None:
    assert run("settings", "p-1").output == 'name=MOBI.E\ntoken_encoding=base64\nprofiles=["ptmob"]\n'
    assert api.asked == [("GET", "partners", "p-1")]


def test_settings_changes_the_named_settings(api: CannedOperatorApi) -> None:
    output = run("settings", "p-1", "name=Evia", 'profiles=["ptmob"]').output

    assert api.asked == [("PATCH", "partners", "p-1", {"name": "Evia", "profiles": ["ptmob"]})]
    assert output == 'name=Evia\nprofiles=["ptmob"]\n'


def test_a_malformed_setting_is_refused_without_a_request(api: CannedOperatorApi) -> None:
    result = run("settings", "p-1", "raw")

    assert result.exit_code == 2
    assert "SETTING=VALUE" in result.output
    assert api.asked == []


@pytest.mark.parametrize(
    ("command", "path"),
    [("approve", ["roles", "approve"]), ("reject", ["roles", "reject"]), ("release", ["release"])],
)
def test_approve_reject_and_release_take_all_roles_or_named_ones(
    api: CannedOperatorApi, command: str, path: list[str]
) -> None:
    run(command, "p-1")
    run(command, "p-1", "PT/ABC/cpo")

    named = {"roles": [{"country_code": "PT", "party_id": "ABC", "role": "CPO"}]}
    assert api.asked == [("POST", "partners", "p-1", *path, body) for body in ({}, named)]


def test_a_malformed_role_is_refused_without_a_request(api: CannedOperatorApi) -> None:
    result = CliRunner().invoke(main.app, ["approve", "p-1", "CPO"])

    assert result.exit_code == 2
    assert "COUNTRY/PARTY/ROLE" in result.output
    assert api.asked == []


def test_rotate_puts_new_credentials(api: CannedOperatorApi) -> None:
    run("rotate", "p-1")

    assert api.asked == [("PUT", "partners", "p-1", "credentials", {})]


def test_reserving_a_location_id_sends_the_known_fields_and_prints_the_id(
    api: CannedOperatorApi, tmp_path: Path
) -> None:
    known = tmp_path / "location.json"
    known.write_text('{"city": "Lisboa"}')

    result = run("reserve-location-id", str(known))

    assert api.asked == [("POST", "location-ids", {"city": "Lisboa"})]
    assert result.output == "LSB-00693\n"


def test_broadcasts_are_shown_per_partner(api: CannedOperatorApi) -> None:
    assert json.loads(run("broadcasts").output) == {"partner_id": "p-1", "waiting": 3}


def test_findings_of_a_partner_are_shown_as_a_table(api: CannedOperatorApi) -> None:
    heading, line = run("findings", "p-1", "--module", "tariffs").output.splitlines()

    assert heading.split()[:5] == ["count", "module", "field", "kind", "outcome"]
    assert line.split()[:7] == [
        "7",
        "tariffs",
        "currency",
        "CURRENCY",
        "REPAIRED",
        FINDING["last_seen"],
        "eur",
    ]
    assert api.asked == [("GET", "partners", "p-1", "findings", {"module": "tariffs"})]


def test_findings_of_a_partner_are_cleared(api: CannedOperatorApi) -> None:
    run("findings", "p-1", "--clear")
    run("findings", "p-1", "--clear", "--module", "tariffs")

    cleared = ("DELETE", "partners", "p-1", "findings")
    assert api.asked == [cleared, (*cleared, {"module": "tariffs"})]


def test_sessions_without_a_cdr_are_shown_with_the_reason(api: CannedOperatorApi) -> None:
    assert json.loads(run("sessions-without-cdr").output) == {"session_id": "S1", "reason": "no tariff"}


def test_retry_cdr_sends_the_named_party(api: CannedOperatorApi) -> None:
    run("retry-cdr", "S1")
    run("retry-cdr", "S1", "--party", "PT*ABC")

    again = ("POST", "sessions_without_cdr", "S1", {})
    assert api.asked == [again, (*again, {"party": "PT*ABC"})]


def test_release_cdr_sends_the_named_party(api: CannedOperatorApi) -> None:
    run("release-cdr", "S1")
    run("release-cdr", "S1", "--party", "PT*ABC")

    release = ("POST", "sessions_without_cdr", "S1", "release", {})
    assert api.asked == [release, (*release, {"party": "PT*ABC"})]


def test_replay_cdr_asks_for_the_cdr_to_be_sent_again(api: CannedOperatorApi) -> None:
    run("replay-cdr", "C1")

    assert api.asked == [("POST", "cdrs", "C1", "replay", {})]


def test_replay_sends_again_all_objects_one_module_or_one_object(api: CannedOperatorApi) -> None:
    run("replay", "p-1")
    run("replay", "p-1", "--module", "sessions")
    run("replay", "p-1", "--module", "cdrs", "--object", "PT/ABC/CDR/1")
    run("replay", "p-1", "--module", "tokens", "--object", "PT/EVI/04A1", "--type", "APP_USER")

    to = ("POST", "broadcasts", "p-1", "replay")
    assert api.asked == [
        (*to, {}),
        (*to, {"module": "sessions"}),
        (*to, {"module": "cdrs", "country_code": "PT", "party_id": "ABC", "id": "CDR/1"}),
        (
            *to,
            {"module": "tokens", "country_code": "PT", "party_id": "EVI", "id": "04A1", "type": "APP_USER"},
        ),
    ]


@pytest.mark.parametrize("options", [("--object", "PT/ABC/1"), ("--module", "cdrs", "--object", "PT/ABC")])
def test_replay_refuses_an_object_without_its_module_or_with_a_partial_path(
    api: CannedOperatorApi, options: tuple[str, ...]
) -> None:
    assert run("replay", "p-1", *options).exit_code == 2
    assert api.asked == []


def test_a_refusal_of_the_operator_api_is_one_line_and_exit_code_1(
    api: CannedOperatorApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ocpi", "rotate", "unknown"])

    with pytest.raises(SystemExit) as ended:
        main.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "ocpi: HTTP 404 unknown partner\n"


def test_certify_passes_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
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
