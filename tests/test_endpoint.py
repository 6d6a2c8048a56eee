"""Tests of the endpoint: envelopes, message ids, routing headers, methods.

Source: OCPI 2.2.1 transport_and_format; TRN, STA, RTE
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.endpoint import serve
from chalicelib.errors import InvalidParameters
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.directory import Partner
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
        hosts = make_network(account, (*CONFIGURATION, TARIFFS, NOT_OFFERED), cpo="CPO", emsp="EMSP")
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


def test_a_raw_token_is_accepted_only_with_the_partner_s_flag(cpo: Host, token: str) -> None:
    """TRN-05"""
    (partner,) = [p for p in cpo.node.directory.all() if p.is_registered]
    raw = {"authorization": write_authorization(token, "raw")}
    before = cpo.receive("GET", OBJECT, raw, None).status

    def flag(value: str) -> Any:
        def change(current: Partner) -> Partner:
            return current.model_copy(update={"token_encoding": value})

        return change

    cpo.node.directory.update(partner.id, flag("raw"))
    after = [cpo.receive("GET", OBJECT, raw, None).status, cpo.call("GET", OBJECT, token).status]
    cpo.node.directory.update(partner.id, flag("base64"))

    assert before == 401
    assert after == [200, 200]


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
        ({"OCPI_to_party_id": "ZZZ"}, 2001),
        ({"OCPI_to_party_id": "abc"}, 1000),
        ({"OCPI_to_party_id": ""}, 2001),
        ({"OCPI_from_country_code": "PRT"}, 2001),
    ],
)
def test_a_sender_that_is_not_the_caller_s_and_an_unknown_receiver_are_refused(
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
    details = network["cpo"].call("GET", "/ocpi/2.2.1", token).json["data"]

    assert versions == [{"version": "2.2.1", "url": "https://cpo.example/ocpi/2.2.1"}]
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


def test_an_authenticated_request_reads_the_table_once(cpo: Host, token: str) -> None:
    calls: list[str] = []
    events = cpo.node.table._client.meta.events
    events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name), "count")

    cpo.call("GET", "/ocpi/versions", token)
    events.unregister("before-call.dynamodb", unique_id="count")

    assert calls == ["BatchGetItem"]
