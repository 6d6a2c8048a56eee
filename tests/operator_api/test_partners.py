"""Partners in the operator API, with complete handshakes between two nodes."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.partners.breaker import Breaker
from chalicelib.partners.directory import Partner
from chalicelib.protocol.json_text import write_json
from tests.harness.nodes import Answer
from tests.operator_api.caller import OperatorApi


def connect(client: OperatorApi, server: OperatorApi, **options: Any) -> dict[str, Any]:
    """Register `client` at `server`; returns the partner as the client's operator API shows it."""
    is_hub = {api: api.node.settings.plays("HUB") for api in (client, server)}
    wanted = {"name": "Client", "hub": is_hub[client], **options}
    invitation = server.ask("POST", "/partners/invitations", wanted)
    wanted = {
        "name": "Server",
        "versions_url": invitation["versions_url"],
        "token": invitation["token"],
        "hub": is_hub[server],
        **options,
    }
    partner: dict[str, Any] = client.ask("POST", "/partners/registrations", wanted)
    return partner


def secrets_of(api: OperatorApi) -> set[str]:
    """All tokens, and hashes of tokens, that the node stores for its partners."""
    found = set()
    for partner in api.node.directory.all():
        found |= {held.fingerprint for held in partner.held_tokens}
        if partner.outbound_token:
            found |= {partner.outbound_token, api.node.directory.token_for(partner)}
    return found


def test_an_invitation_shows_the_token_once(cpo: OperatorApi) -> None:
    answer = cpo.call("POST", "/partners/invitations", {"name": "MOBI.E"})

    assert answer.status == 201
    assert answer.json["versions_url"] == "https://cpo.example/ocpi/versions"
    assert answer.headers["Location"] == f"https://cpo.example/operator/partners/{answer.json['id']}"
    shown = cpo.call("GET", f"/partners/{answer.json['id']}")
    assert shown.json["status"] == "INVITED"
    assert answer.json["token"] not in shown.text + cpo.call("GET", "/partners").text


def test_two_invitations_have_two_tokens(cpo: OperatorApi) -> None:
    """Source: CRD-01"""
    tokens = {cpo.ask("POST", "/partners/invitations", {"name": "MOBI.E"})["token"] for _ in range(2)}

    assert len(tokens) == 2


def test_an_invitation_takes_encoding_profiles_and_strictness(cpo: OperatorApi) -> None:
    wanted = {"name": "MOBI.E", "token_encoding": "raw", "profiles": ["ptmob"], "strict": True}

    invited = cpo.ask("POST", "/partners/invitations", wanted)

    partner = cpo.ask("GET", f"/partners/{invited['id']}")
    assert (partner["token_encoding"], partner["profiles"], partner["strict"]) == ("raw", ["ptmob"], True)


def test_a_partner_is_lenient_until_the_operator_makes_it_strict(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner = connect(cpo, hub)

    changed = cpo.ask("PATCH", f"/partners/{partner['id']}", {"strict": True})

    assert (partner["strict"], changed["strict"]) == (False, True)
    stored = cpo.node.directory.get(partner["id"])
    assert stored is not None and stored.strict


def test_a_registration_connects_both_sides(cpo: OperatorApi, hub: OperatorApi) -> None:
    """Source: CRD-02, CRD-17"""
    partner = connect(cpo, hub)

    assert partner["status"] == "REGISTERED"
    assert partner["version"] == "2.2.1"
    assert [(role["role"], role["party_id"]) for role in partner["roles"]] == [("HUB", "MOB")]
    assert {"identifier", "role", "url"} == set(partner["endpoints"][0])
    assert [known["status"] for known in hub.ask("GET", "/partners")] == ["REGISTERED"]
    assert cpo.ask("GET", f"/partners/{partner['id']}") == partner


def test_endpoints_of_no_use_and_missing_ones_are_shown_at_registration(
    cpo: OperatorApi, hub: OperatorApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: VER-05, VER-07"""
    assert hub.host is not None
    receive = hub.host.receive

    def receive_with_odd_details(method: str, path: str, headers: Any, body: Any) -> Answer:
        answer = receive(method, path, headers, body)
        document = answer.json
        if path != "/ocpi/2.2.1":
            return answer
        kept = [each for each in document["data"]["endpoints"] if each["identifier"] != "cdrs"]
        for each in kept:
            each["url"] = each["url"].removeprefix("https://hub.example")
            if each["identifier"] == "locations":
                del each["role"]
        document["data"]["endpoints"] = kept
        return Answer(answer.status, answer.headers, write_json(document))

    monkeypatch.setattr(hub.host, "receive", receive_with_odd_details)
    shown = connect(cpo, hub)

    left_out = [each for each in shown["endpoint_notes"] if not each["is_used"]]
    assert {each["identifier"] for each in left_out} == {"locations"}
    assert all("no role" in each["note"] for each in left_out)
    assert {each["url"].partition("/ocpi")[0] for each in shown["endpoints"]} == {"https://hub.example"}
    missing = {(each["identifier"], each["role"]) for each in shown["missing_endpoints"]}
    assert missing == {("cdrs", "RECEIVER"), ("cdrs", "SENDER"), ("locations", "RECEIVER")}
    assert cpo.ask("GET", f"/partners/{shown['id']}")["missing_endpoints"] == shown["missing_endpoints"]


def test_a_partner_is_shown_with_these_members_in_this_order(cpo: OperatorApi, hub: OperatorApi) -> None:
    assert list(connect(cpo, hub)) == [
        "id", "name", "status", "versions_url", "version", "roles", "pending_roles", "refused_roles",
        "expected_roles", "reserved_roles", "hub", "endpoints", "endpoint_notes",
        "missing_endpoints", "token_encoding", "profiles", "strict",
        "pull", "trailing_slash", "credentials_listed_once", "endpoints_with_slash", "only_version",
        "encoding_origin", "sends_raw_tokens", "odd_answers", "stamp_ahead", "last_updated",
    ]  # fmt: skip


def test_each_kind_of_odd_answer_is_recorded_once_and_shown(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner_id = connect(cpo, hub)["id"]
    directory = cpo.node.directory

    noted = [
        directory.note_odd_answer(partner_id, kind) for kind in ("EMPTY_BODY", "EMPTY_BODY", "NO_ENVELOPE")
    ]

    assert noted == [True, False, True]
    assert cpo.ask("GET", f"/partners/{partner_id}")["odd_answers"] == ["EMPTY_BODY", "NO_ENVELOPE"]
    assert directory.note_odd_answer("nobody", "EMPTY_BODY") is False


def test_no_answer_holds_a_token_or_its_hash(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner = connect(cpo, hub)
    path = f"/partners/{partner['id']}"

    texts = [
        cpo.call("GET", "/partners").text,
        cpo.call("GET", path).text,
        cpo.call("PATCH", path, {"name": "Hub"}).text,
        cpo.call("PUT", f"{path}/credentials", {}).text,
        hub.call("GET", "/partners").text,
    ]

    assert not [secret for secret in secrets_of(cpo) | secrets_of(hub) for text in texts if secret in text]


def test_a_partner_that_does_not_answer_is_shown_as_offline(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner = cpo.node.directory.get(connect(cpo, hub)["id"])
    assert partner is not None

    cpo.node.directory.save(partner.model_copy(update={"connection": "OFFLINE"}), partner)

    assert cpo.ask("GET", f"/partners/{partner.id}")["status"] == "OFFLINE"


def test_a_partner_that_failed_is_shown_with_its_breaker(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner_id = connect(cpo, hub)["id"]
    breaker = Breaker(opened=2, until="2026-03-01T12:10:00Z", reason="answered 3000 with HTTP 200")
    cpo.node.directory.update(partner_id, lambda partner: partner.model_copy(update={"breaker": breaker}))

    assert cpo.ask("GET", f"/partners/{partner_id}")["breaker"] == {
        "opened": 2,
        "until": "2026-03-01T12:10:00Z",
        "reason": "answered 3000 with HTTP 200",
    }
    assert "breaker" not in cpo.ask("PUT", f"/partners/{partner_id}/credentials", {})


def test_a_second_registration_at_the_same_place_is_a_conflict(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner = connect(cpo, hub)
    invitation = hub.ask("POST", "/partners/invitations", {"name": "Again"})

    wanted = {"name": "Again", "versions_url": invitation["versions_url"] + "/", "token": invitation["token"]}
    answer = cpo.call("POST", "/partners/registrations", wanted)

    assert answer.status == 409
    assert partner["id"] in answer.json["detail"]
    assert len(cpo.ask("GET", "/partners")) == 1


def test_a_partner_that_refuses_the_token_is_a_bad_gateway_with_its_message(
    cpo: OperatorApi, hub: OperatorApi
) -> None:
    wanted = {
        "name": "Hub",
        "versions_url": "https://hub.example/ocpi/versions",
        "token": "not-an-invitation",
    }

    answer = cpo.call("POST", "/partners/registrations", wanted)

    assert answer.status == 502
    assert answer.json["partner"]["status_code"] == 2001
    assert "not-an-invitation" not in answer.text
    assert cpo.ask("GET", "/partners") == []


def test_a_partner_that_cannot_be_reached_is_a_bad_gateway(cpo: OperatorApi, hub: OperatorApi) -> None:
    wanted = {"name": "Hub", "versions_url": "https://hub.example/ocpi/versions", "token": "token-a"}
    assert hub.host is not None
    hub.host.broken = "/versions"

    answer = cpo.call("POST", "/partners/registrations", wanted)

    assert answer.status == 502
    assert "cannot be reached" in answer.json["detail"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example/versions",
        "https://127.0.0.1/versions",
        "https://169.254.169.254/latest/meta-data",
        "https://user:pw@hub.example/versions",
        "file:///etc/passwd",
        "https://10.0.0.1/versions",
        "hub.example",
    ],
)
def test_a_url_that_may_not_be_called_is_refused_with_its_field(cpo: OperatorApi, url: str) -> None:
    wanted = {"name": "Hub", "versions_url": url, "token": "token-a"}

    answer = cpo.call("POST", "/partners/registrations", wanted)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == ["versions_url"]


def test_new_credentials_change_the_tokens_on_both_sides(cpo: OperatorApi, hub: OperatorApi) -> None:
    """Source: CRD-27"""
    partner = connect(cpo, hub)
    before = secrets_of(cpo)

    answer = cpo.call("PUT", f"/partners/{partner['id']}/credentials", {})

    assert answer.status == 200
    assert answer.json["status"] == "REGISTERED"
    assert not before & secrets_of(cpo)


def test_new_credentials_need_no_body(cpo: OperatorApi, hub: OperatorApi) -> None:
    partner = connect(cpo, hub)

    assert cpo.call("PUT", f"/partners/{partner['id']}/credentials").status == 200


def test_credentials_cannot_be_changed_before_registration(cpo: OperatorApi) -> None:
    invited = cpo.ask("POST", "/partners/invitations", {"name": "Hub"})

    answer = cpo.call("PUT", f"/partners/{invited['id']}/credentials", {})

    assert answer.status == 409
    assert "INVITED" in answer.json["detail"]


def test_a_partner_is_renamed_and_given_another_profile(cpo: OperatorApi) -> None:
    invited = cpo.ask("POST", "/partners/invitations", {"name": "Hub", "token_encoding": "raw"})

    changed = cpo.ask(
        "PATCH", f"/partners/{invited['id']}", {"name": "MOBI.E", "profiles": ["ptmob", "ptmob"]}
    )

    assert (changed["name"], changed["profiles"], changed["token_encoding"]) == ("MOBI.E", ["ptmob"], "raw")
    assert cpo.ask("GET", f"/partners/{invited['id']}") == changed


def test_a_change_of_a_partner_checks_only_the_settings_that_it_names(cpo: OperatorApi) -> None:
    path = f"/partners/{cpo.ask('POST', '/partners/invitations', {'name': 'Hub'})['id']}"
    before = cpo.ask("GET", path)

    refused = cpo.call("PATCH", path, {"name": "", "hub": True})

    assert [error["field"] for error in refused.json["errors"]] == ["name", "hub"]
    assert cpo.ask("PATCH", path, {}) == cpo.ask("GET", path) == before


def test_a_list_of_profiles_is_asked_for_by_its_json_name(cpo: OperatorApi) -> None:
    refused = cpo.call("POST", "/partners/invitations", {"name": "Hub", "profiles": "ptmob"})

    (error,) = refused.json["errors"]
    assert (error["field"], error["detail"]) == ("profiles", "expected a list")


def test_deleting_a_partner_unregisters_at_the_partner(cpo: OperatorApi, hub: OperatorApi) -> None:
    """Source: CRD-14"""
    partner = connect(cpo, hub)

    answer = cpo.call("DELETE", f"/partners/{partner['id']}")

    assert (answer.status, answer.text) == (204, "")
    assert cpo.call("GET", f"/partners/{partner['id']}").status == 404
    assert [known["status"] for known in hub.ask("GET", "/partners")] == ["UNREGISTERED"]


def test_a_partner_that_cannot_be_notified_is_unregistered_with_a_warning(
    cpo: OperatorApi, hub: OperatorApi
) -> None:
    partner = connect(cpo, hub)
    known = hub.ask("GET", "/partners")[0]
    hub.node.directory.remove(_partner(hub, known["id"]))

    answer = cpo.call("DELETE", f"/partners/{partner['id']}")

    assert answer.status == 200
    assert answer.json["status"] == "UNREGISTERED"
    assert "was not notified" in answer.json["warning"]
    assert cpo.ask("GET", "/partners") == []


def test_an_invitation_is_withdrawn(cpo: OperatorApi) -> None:
    invited = cpo.ask("POST", "/partners/invitations", {"name": "Hub"})

    assert cpo.call("DELETE", f"/partners/{invited['id']}").status == 204
    assert cpo.call("DELETE", f"/partners/{invited['id']}").status == 404


def test_partners_are_listed_in_pages(cpo: OperatorApi) -> None:
    """Source: PAG-04, PAG-06, PAG-08"""
    for number in range(5):
        cpo.ask("POST", "/partners/invitations", {"name": f"Partner {number}"})

    first = cpo.call("GET", "/partners?limit=2")

    assert len(first.json) == 2
    assert first.headers["X-Total-Count"] == "5"
    assert 'rel="next"' in first.headers["Link"]
    assert len({known["id"] for known in cpo.all("/partners?limit=2")}) == 5
    assert "Link" not in cpo.call("GET", "/partners?limit=5").headers


def test_partners_are_found_by_the_time_of_their_change(cpo: OperatorApi) -> None:
    """Source: PAG-02, PAG-03"""
    cpo.ask("POST", "/partners/invitations", {"name": "Early"})
    cpo.node.clock.forward(hours=1)  # type: ignore[attr-defined]
    cpo.ask("POST", "/partners/invitations", {"name": "Late"})

    late = cpo.call("GET", "/partners?date_from=2026-03-01T13:00:00Z")
    early = cpo.call("GET", "/partners?date_to=2026-03-01T13:00:00Z")

    assert [known["name"] for known in late.json] == ["Late"]
    assert [known["name"] for known in early.json] == ["Early"]
    assert early.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("PUT", "/credentials")]
)
@pytest.mark.parametrize("partner_id", ["nobody", "x" * 3000, "%23", "..."])
def test_an_unknown_partner_is_not_found(cpo: OperatorApi, method: str, end: str, partner_id: str) -> None:
    body: object = {} if method in ("PATCH", "PUT") else None

    assert cpo.call(method, f"/partners/{partner_id}{end}", body).status == 404


def _partner(api: OperatorApi, partner_id: str) -> Partner:
    partner = api.node.directory.get(partner_id)
    assert partner is not None
    return partner
