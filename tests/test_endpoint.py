"""Tests of the endpoint: envelopes, message ids, routing headers, methods.

Source: OCPI 2.2.1 transport_and_format; TRN, STA, RTE
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.endpoint import serve
from chalicelib.errors import InvalidParameters
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.node import Node
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import write_authorization
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from tests.harness.account import aws
from tests.harness.nodes import CONFIGURATION, Host, make_network
from tests.logged import Logged, dimensions_of
from tests.logged import logged as logged

SEEN: list[Call] = []


def _remember(call: Any) -> Reply:
    SEEN.append(call)
    return Reply(data={"id": call.request.path["tariff_id"]})


def _answer_much(call: Any) -> Reply:
    return Reply(data="ä" * int(call.request.path["tariff_id"]))


def _leave_out(call: Any) -> Reply:
    return Reply(data=[], too_large=(("tariffs#PT*ABC#T-1", 7_000_000), ("tokens#PT*EVI#0102#RFID", 1)))


def _refuse(call: Any) -> Reply:
    raise InvalidParameters("must be positive", field="elements.0.price")


def _read(call: Any) -> Reply:
    return Reply(data=call.json_object())


def _break(call: Any) -> Reply:
    raise RuntimeError("secret-token leaked")


TARIFFS = Interface(
    "tariffs",
    "SENDER",
    (
        Route("GET", "/{tariff_id}", _remember),
        Route("PUT", "/{tariff_id}", _refuse),
        Route("DELETE", "/{tariff_id}", _break),
    ),
)
BODIES = Interface("tokens", "RECEIVER", (Route("POST", "", _read),))
BODY = "/ocpi/2.2.1/receiver/tokens"
MUCH = Interface("tariffs", "SENDER", (Route("GET", "/{tariff_id}", _answer_much),))
LEFT_OUT = Interface("tariffs", "SENDER", (Route("GET", "/{tariff_id}", _leave_out),))
NOT_OFFERED = Interface("tariffs", "RECEIVER", (Route("GET", "/{tariff_id}", _remember),))
OBJECT = "/ocpi/2.2.1/sender/tariffs/T1"
IDS = {"X_Request_ID": "req-1", "X_Correlation_ID": "cor-1"}
FROM_TO = {
    "OCPI_from_country_code": "PT",
    "OCPI_from_party_id": "EVI",
    "OCPI_to_country_code": "PT",
    "OCPI_to_party_id": "ABC",
}


@pytest.fixture(scope="module")
def network() -> Iterator[dict[str, Host]]:
    with aws() as account:
        hosts = make_network(account, (*CONFIGURATION, TARIFFS, BODIES, NOT_OFFERED), cpo="CPO", emsp="EMSP")
        cpo, emsp = hosts["cpo"].node, hosts["emsp"].node
        _, token = called_side.invite(cpo, PartnerSettings(name="emsp"))
        calling_side.register(
            emsp,
            PartnerSettings(name="cpo"),
            "https://cpo.example/ocpi/versions",
            token,
            "https://emsp.example/ocpi",
        )
        yield hosts


@pytest.fixture
def cpo(network: dict[str, Host]) -> Host:
    SEEN.clear()
    return network["cpo"]


@pytest.fixture
def token(network: dict[str, Host]) -> str:
    emsp = network["emsp"].node
    (partner,) = emsp.directory.all()
    return emsp.directory.token_for(partner)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", OBJECT, 200, 1000),
        ("PUT", OBJECT, 200, 2001),
        ("DELETE", OBJECT, 200, 3000),
        ("PATCH", OBJECT, 405, 2001),
        ("POST", OBJECT, 405, 2001),
        ("GET", "/ocpi/2.2.1/receiver/tariffs/T1", 404, 2001),
        ("GET", "/ocpi/versions", 200, 1000),
        ("PUT", "/ocpi/versions", 405, 2001),
        ("PATCH", "/ocpi/2.2.1", 405, 2001),
    ],
)
def test_every_answer_is_an_envelope_with_both_message_ids(
    cpo: Host, token: str, method: str, path: str, status: int, code: int
) -> None:
    """TRN-13, TRN-16, TRN-18, TRN-19, TRN-20, STA-06, STA-09, STA-12"""
    answer = cpo.call(method, path, token, **IDS)

    assert (answer.status, answer.json["status_code"]) == (status, code)
    assert answer.json["timestamp"] == "2026-03-01T12:00:00Z"
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("req-1", "cor-1")


def test_missing_message_ids_are_generated(cpo: Host, token: str) -> None:
    """TRN-21"""
    answer = cpo.call("GET", OBJECT, token)

    assert answer.headers["X-Request-ID"] and answer.headers["X-Correlation-ID"]


def test_an_unforeseen_failure_is_logged_with_its_traceback_and_answered_without_it(
    cpo: Host, token: str, logged: Logged
) -> None:
    answer = cpo.call("DELETE", OBJECT, token, **IDS)

    assert answer.json["status_code"] == 3000
    assert "secret" not in answer.text and "Traceback" not in answer.text
    (line,) = [line for line in logged.lines if line["message"] == "unforeseen failure"]
    assert (line["level"], line["exception_name"]) == ("ERROR", "RuntimeError")
    assert "_break" in line["exception"]
    assert (line["request_id"], line["correlation_id"]) == ("req-1", "cor-1")


def test_each_request_is_counted_by_its_status_code(cpo: Host, token: str, logged: Logged) -> None:
    """The same line has the module."""
    for method in ("GET", "PUT", "DELETE"):
        cpo.call(method, OBJECT, token)

    lines = logged.measured("Requests")
    assert [line["Requests"] for line in lines] == [[1.0]] * 3
    assert [dimensions_of(line, "Requests") for line in lines] == [
        [{"Node": cpo.node.settings.table, "StatusCode": code}] for code in ("1000", "2001", "3000")
    ]
    assert {line["ocpi_module"] for line in lines} == {"tariffs"}


def test_an_error_names_its_field_and_has_no_data(cpo: Host, token: str) -> None:
    """TRN-15"""
    answer = cpo.call("PUT", OBJECT, token).json

    assert answer["status_message"] == "elements.0.price: must be positive"
    assert "data" not in answer


@pytest.mark.parametrize("path", [OBJECT, "/ocpi/versions", "/ocpi/2.2.1", "/ocpi/2.2.1/credentials"])
@pytest.mark.parametrize("value", [None, "Bearer x", "Token", "Token %%%", "Token AAAA", "Token ÿ"])
def test_every_path_answers_401_without_a_known_token(cpo: Host, path: str, value: str | None) -> None:
    """TRN-06, TRN-07, VER-03"""
    headers = {"authorization": value} if value is not None else {}

    answer = cpo.receive("GET", path, headers, None)

    assert (answer.status, answer.json["status_code"]) == (401, 2001)
    assert SEEN == []


def test_token_a_is_accepted_by_versions_and_credentials_only(cpo: Host) -> None:
    """TRN-08"""
    _, token_a = called_side.invite(cpo.node, PartnerSettings(name="newcomer"))
    paths = ("/ocpi/versions", "/ocpi/2.2.1", "/ocpi/2.2.1/credentials", OBJECT)

    assert [cpo.call("GET", path, token_a).status for path in paths] == [200, 200, 200, 401]


@contextmanager
def with_settings(node: Node, **settings: Any) -> Iterator[None]:
    """Give the node's registered partner other settings until the block ends."""
    (partner,) = [each for each in node.directory.all() if each.is_registered]
    before = {name: getattr(partner, name) for name in settings}
    node.directory.update(partner.id, lambda current: current.model_copy(update=settings))
    try:
        yield
    finally:
        node.directory.update(partner.id, lambda current: current.model_copy(update=before))


@pytest.mark.parametrize("form", ["raw", "without padding", "bearer"])
def test_a_token_in_another_form_is_accepted_unless_the_partner_is_strict(
    cpo: Host, token: str, form: str
) -> None:
    """TRN-05"""
    encoded = write_authorization(token)
    value = {
        "raw": write_authorization(token, "raw"),
        "without padding": encoded.rstrip("="),
        "bearer": encoded.replace("Token", "Bearer"),
    }[form]
    lenient = cpo.receive("GET", OBJECT, {"authorization": value}, None).status
    with with_settings(cpo.node, strict=True):
        strict = cpo.receive("GET", OBJECT, {"authorization": value}, None).status

    assert (lenient, strict) == (200, 200 if value == encoded else 401)


def test_raw_tokens_of_a_partner_are_recorded_once(cpo: Host, token: str, logged: Logged) -> None:
    raw = {"authorization": write_authorization(token, "raw")}

    with with_settings(cpo.node, sends_raw_tokens=False):
        for _ in range(3):
            cpo.receive("GET", OBJECT, raw, None)

        (partner,) = [each for each in cpo.node.directory.all() if each.is_registered]
        assert (partner.sends_raw_tokens, partner.token_encoding) == (True, "base64")
    assert len([line for line in logged.lines if line["level"] == "WARNING"]) == 1
    assert token not in logged.text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", '{"x": 1}', (200, 1000)),
        ("text/json; charset=utf-8", '{"x": 1}', (200, 1000)),
        (None, '\ufeff{"x": 1}\n\0', (200, 1000)),
        ("application/x-www-form-urlencoded", '{"x": 1}', (415, 2001)),
        ("text/xml", "<x/>", (415, 2001)),
        ("text/plain", "x=1", (400, 2001)),
    ],
)
def test_json_is_read_from_a_body_that_is_not_clearly_another_format(
    cpo: Host, token: str, logged: Logged, content_type: str | None, body: str, status: tuple[int, int]
) -> None:
    """TRN-12"""
    headers = {"authorization": write_authorization(token)}
    headers |= {"content-type": content_type} if content_type else {}

    answer = cpo.receive("POST", BODY, headers, body)
    with with_settings(cpo.node, strict=True):
        strict = cpo.receive("POST", BODY, headers, body)

    assert (answer.status, answer.json["status_code"]) == status
    assert strict.status in (400, 415)
    repaired = [line for line in logged.lines if "read with repairs" in line["message"]]
    refused = [line for line in logged.lines if "was refused" in line["message"]]
    assert len(repaired) == (status[0] != 415)
    assert len(refused) == (1 if status == (200, 1000) else 2)


def test_a_repaired_path_is_reported_and_refused_of_a_strict_partner(
    cpo: Host, token: str, logged: Logged
) -> None:
    request = Request(
        method="GET", url="", base_url="", path={"tariff_id": "T1"}, query={}, body=None, request_id="r",
        headers={"authorization": write_authorization(token)}, correlation_id="c", version="2.2.1",
        untidy_path=True,
    )  # fmt: skip
    routes = {route.method: route for route in TARIFFS.routes}

    status = serve(cpo.node, TARIFFS, routes, request)[0]
    with with_settings(cpo.node, strict=True):
        strict = serve(cpo.node, TARIFFS, routes, request)[0]

    assert (status, strict) == (200, 404)
    (line,) = [line for line in logged.lines if "findings" in line]
    assert line["findings"][0]["kind"] == "EMPTY_SEGMENT"


@pytest.mark.parametrize(("method", "code"), [("GET", 1000), ("PUT", 2001)])
def test_a_get_for_an_unknown_party_is_answered_as_our_own(
    cpo: Host, token: str, logged: Logged, method: str, code: int
) -> None:
    """A change for a party that is not ours stays refused, and a strict partner's GET. Source: RTE-27"""
    headers = FROM_TO | {"OCPI_to_party_id": "ZZZ"}

    answer = cpo.call(method, OBJECT, token, **headers)
    with with_settings(cpo.node, strict=True):
        strict = cpo.call(method, OBJECT, token, **headers)

    assert (answer.json["status_code"], strict.json["status_code"]) == (code, 2001)
    assert "ZZZ" in strict.json["status_message"]
    assert answer.headers["OCPI-from-party-id"] == ("ABC" if method == "GET" else "ZZZ")
    kinds = [each["kind"] for line in logged.lines for each in line.get("findings", [])]
    assert kinds == (["UNKNOWN_RECEIVER"] if method == "GET" else [])


def test_routing_headers_come_back_swapped_on_success_and_on_errors(cpo: Host, token: str) -> None:
    """RTE-01, RTE-02, RTE-04"""
    for method in ("GET", "PUT", "PATCH"):
        headers = cpo.call(method, OBJECT, token, **FROM_TO).headers

        assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == ("PT", "ABC")
        assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == ("PT", "EVI")


def test_configuration_modules_carry_no_routing_headers(cpo: Host, token: str) -> None:
    """RTE-03"""
    headers = cpo.call("GET", "/ocpi/versions", token, **FROM_TO).headers

    assert not [name for name in headers if name.lower().startswith("ocpi-")]


def test_a_direct_peer_needs_no_routing_headers(cpo: Host, token: str) -> None:
    """RTE-05"""
    assert cpo.call("GET", OBJECT, token).status == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"OCPI_from_party_id": "XXX"}, 2001),
        ({"OCPI_from_party_id": "evi"}, 1000),
        ({"OCPI_to_party_id": "ZZZ"}, 1000),
        ({"OCPI_to_party_id": "abc"}, 1000),
        ({"OCPI_to_party_id": ""}, 2001),
        ({"OCPI_from_country_code": "PRT"}, 2001),
    ],
)
def test_a_sender_that_is_not_the_caller_s_and_half_a_receiver_are_refused(
    cpo: Host, token: str, change: dict[str, str], code: int
) -> None:
    """RTE-32"""
    assert cpo.call("GET", OBJECT, token, **(FROM_TO | change)).json["status_code"] == code


def test_a_partner_without_an_approved_role_can_use_no_module(cpo: Host, token: str) -> None:
    """The partner may still read its credentials. Source: CRD-25"""
    caller, _ = cpo.node.directory.find_caller([("base64", token)])
    partner = caller.partner
    waiting = partner.model_copy(update={"roles": (), "pending_roles": partner.roles})
    saved = cpo.node.directory.save(waiting, partner)
    try:
        refused = cpo.call("GET", OBJECT, token).json
        credentials = cpo.call("GET", "/ocpi/2.2.1/credentials", token).json
    finally:
        restored = {"roles": partner.roles, "pending_roles": partner.pending_roles}
        cpo.node.directory.save(saved.model_copy(update=restored), saved)

    assert (refused["status_code"], "wait for approval" in refused["status_message"]) == (2000, True)
    assert credentials["status_code"] == 1000


def test_a_body_that_is_too_long_is_refused_before_it_is_parsed(cpo: Host, token: str) -> None:
    answer = cpo.call("PUT", OBJECT, token, '{"x":"' + "x" * 2_000_000 + '"}')

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert answer.json["status_message"].startswith("body:")


def ask(host: Host, interface: Interface, token: str, tariff_id: str, **headers: str) -> tuple[int, Any]:
    """Call an interface that is not mounted; return HTTP status and envelope."""
    request = Request(
        method="GET",
        url="https://cpo.example/x",
        base_url="https://cpo.example/ocpi",
        path={"tariff_id": tariff_id},
        query={},
        headers={"authorization": write_authorization(token), **headers},
        body=None,
        request_id="r",
        correlation_id="c",
    )
    status, _, body = serve(host.node, interface, {"GET": interface.routes[0]}, request)
    return status, read_json(body)


def test_an_answer_too_large_for_lambda_becomes_an_error_envelope_and_an_alarm(
    cpo: Host, token: str, logged: Logged
) -> None:
    _, fits = ask(cpo, MUCH, token, "900000")
    status, envelope = ask(cpo, MUCH, token, "1100000")

    assert fits["status_code"] == 1000
    assert (status, envelope["status_code"], envelope.get("data")) == (200, 3000, None)
    assert "too large" in envelope["status_message"]
    (line,) = logged.measured("AnswersTooLarge")
    assert (line["asked"], line["size"]) == ("tariffs", pytest.approx(1_100_000, abs=200))
    assert logged.measured("Requests")[-1]["StatusCode"] == "3000"


def test_each_object_that_a_list_leaves_out_raises_an_alarm(cpo: Host, token: str, logged: Logged) -> None:
    ask(cpo, LEFT_OUT, token, "1")

    lines = logged.measured("AnswersTooLarge")
    assert [line["ref"] for line in lines] == ["tariffs#PT*ABC#T-1", "tokens#PT*EVI#…#RFID"]
    assert [dimensions_of(line, "AnswersTooLarge") for line in lines] == [
        [{"Node": cpo.node.settings.table}]
    ] * 2


def test_version_details_list_the_interfaces_of_the_node_s_roles(
    network: dict[str, Host], token: str
) -> None:
    """VER-01, VER-02, VER-04, VER-05, VER-06"""
    versions = network["cpo"].call("GET", "/ocpi/versions", token).json["data"]
    with with_settings(network["cpo"].node, credentials_listed_once=True):
        details = network["cpo"].call("GET", "/ocpi/2.2.1", token).json["data"]

    assert versions == [
        {"version": number, "url": f"https://cpo.example/ocpi/{number}"}
        for number in ("2.2.1", "2.2", "2.1.1")
    ]
    assert details["version"] == "2.2.1"
    assert {(e["identifier"], e["role"]) for e in details["endpoints"]} == {
        ("credentials", "SENDER"),
        ("cdrs", "RECEIVER"),
        ("cdrs", "SENDER"),
        ("commands", "RECEIVER"),
        ("locations", "SENDER"),
        ("sessions", "SENDER"),
        ("tariffs", "SENDER"),
        ("tokens", "RECEIVER"),
    }


def test_endpoints_end_with_a_slash_for_a_partner_that_adds_none(cpo: Host, token: str) -> None:
    with with_settings(cpo.node, endpoints_with_slash=True):
        endpoints = cpo.call("GET", "/ocpi/2.2.1", token).json["data"]["endpoints"]

    assert [each["url"][-1] for each in endpoints] == ["/"] * len(endpoints)
    assert cpo.call("GET", f"{OBJECT}/", token, **IDS).json["status_code"] == 1000


@pytest.mark.parametrize(
    ("settings", "roles"),
    [
        ({}, ["SENDER", "RECEIVER"]),
        ({"credentials_listed_once": True}, ["SENDER"]),
        ({"strict": True}, ["SENDER"]),
    ],
)
def test_credentials_are_listed_in_both_roles_unless_the_partner_minds(
    cpo: Host, token: str, settings: dict[str, bool], roles: list[str]
) -> None:
    """VER-04, VER-05"""
    with with_settings(cpo.node, **settings):
        endpoints = cpo.call("GET", "/ocpi/2.2.1", token).json["data"]["endpoints"]

    listed = [each for each in endpoints if each["identifier"] == "credentials"]
    assert [each["role"] for each in listed] == roles
    assert {each["url"] for each in listed} == {"https://cpo.example/ocpi/2.2.1/credentials"}


def test_an_authenticated_request_reads_the_table_once(cpo: Host, token: str) -> None:
    calls: list[str] = cpo.node.table._client.calls
    calls.clear()

    cpo.call("GET", "/ocpi/versions", token)

    assert calls == ["BatchGetItem"]
