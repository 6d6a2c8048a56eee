"""Scenarios of chapters 4 to 6 fail, with the right reason, when the behaviour they check is broken."""

from __future__ import annotations

import pytest

from certification.nodes import Nodes
from tests.certification import charging_faults, faults
from tests.certification.charging_faults import (
    ASKED_AT_HUB,
    ASKED_AT_OPERATOR_API,
    COMMAND,
    COMMAND_AT_OPERATOR_API,
    RESULT,
    SESSION,
    SESSION_AT_OPERATOR_API,
    SESSIONS,
    operator_api_answers,
    set_field,
)
from tests.certification.control import Control, broken, expect_failure

ALL_ALLOWED = set_field("POST", ASKED_AT_OPERATOR_API, "allowed", "ALLOWED")
NEVER_COMPLETED = set_field("GET", SESSION_AT_OPERATOR_API, "status", "ACTIVE", when="COMPLETED")

AUTHORIZATION = [
    broken(
        "4.1",
        "cpo",
        "allowed without a reference",
        set_field("POST", ASKED_AT_OPERATOR_API, "authorization_reference", None),
        "asked in real time, gives an authorization_reference",
    ),
    broken(
        "4.1",
        "cpo",
        "answers from a cache",
        lambda: charging_faults.answer_from_cache("POST", ASKED_AT_OPERATOR_API),
        "asked in real time, once for each authorization, not 0",
    ),
    broken(
        "4.1",
        "cpo",
        "a reference of its own",
        set_field("POST", ASKED_AT_OPERATOR_API, "authorization_reference", "MINE"),
        "receives the authorization_reference CERT-.* that the eMSP gave, not MINE",
    ),
    broken(
        "4.1",
        "hub",
        "a reference of its own",
        set_field("POST", ASKED_AT_HUB, "data.authorization_reference", "MINE"),
        "the hub passes the eMSP's authorization_reference on, not MINE",
    ),
    broken(
        "4.1",
        "probe",
        "FROM is the hub",
        charging_faults.change_request_header(
            "POST", ASKED_AT_HUB, ocpi_from_country_code="PT", ocpi_from_party_id="MOB"
        ),
        "the eMSP is asked FROM PT/ABC .* not FROM PT/MOB",
    ),
    broken(
        "4.1",
        "probe",
        "another correlation id",
        charging_faults.change_request_header("POST", ASKED_AT_HUB, x_correlation_id="another"),
        "under the same X-Correlation-ID",
    ),
    broken(
        "4.1",
        "cpo",
        "no token arrives",
        operator_api_answers("GET", r"/operator/tokens/", 200, 404),
        "valid: true, at the CPO's operator API: within",
    ),
    broken(
        "4.2", "cpo", "all are allowed", ALL_ALLOWED, "a token that is not valid is BLOCKED .* not ALLOWED"
    ),
    broken(
        "4.2",
        "hub",
        "an error for what is not valid",
        faults.answer("POST", ASKED_AT_HUB, 200, 200, 2004, data={"allowed": "BLOCKED"}),
        "a token that is not valid is HTTP 200 and 1000",
    ),
    broken(
        "4.2",
        "cpo",
        "EXPIRED passed on as BLOCKED",
        set_field("POST", ASKED_AT_OPERATOR_API, "allowed", "BLOCKED", when="EXPIRED"),
        "receives the eMSP's EXPIRED of a valid token, not BLOCKED",
    ),
    broken(
        "4.2b",
        "cpo",
        "unknown is not allowed",
        operator_api_answers("POST", ASKED_AT_OPERATOR_API, 404, 200, {"allowed": "NOT_ALLOWED"}),
        "is 404 at the CPO's operator API",
    ),
    broken(
        "4.2b",
        "hub",
        "HTTP 200 for what is unknown",
        faults.answer("POST", ASKED_AT_HUB, 404, 200, 2004),
        "a uid that no eMSP has is HTTP 404 with 2004",
    ),
    broken(
        "4.3",
        "cpo",
        "the type ignored",
        charging_faults.forget_type("POST", ASKED_AT_OPERATOR_API),
        "the token is ALLOWED, not BLOCKED",
    ),
    broken(
        "4.3",
        "probe",
        "the type lost on the way",
        charging_faults.forget_type("POST", ASKED_AT_HUB),
        "is asked about type APP_USER",
    ),
    broken(
        "4.3",
        "cpo",
        "a card is its user",
        charging_faults.force_type("POST", ASKED_AT_OPERATOR_API, "APP_USER"),
        "the card of the same uid is another token",
    ),
    broken(
        "4.4", "cpo", "all are allowed", ALL_ALLOWED, "a token that is not valid is BLOCKED .* not ALLOWED"
    ),
    broken(
        "4.4b",
        "hub",
        "2001 for what is unknown",
        faults.answer("POST", ASKED_AT_HUB, 404, 404, 2001),
        "a uid that no eMSP has is HTTP 404 with 2004",
    ),
    broken(
        "4.4b",
        "hub",
        "the type ignored",
        charging_faults.forget_type("POST", ASKED_AT_HUB),
        "a uid that is known as RFID only is HTTP 404 with 2004",
    ),
]

COMMANDS = [
    broken(
        "5.1",
        "emsp",
        "no result",
        set_field("GET", COMMAND_AT_OPERATOR_API, "result", None),
        "the eMSP has a result of START_SESSION",
    ),
    broken(
        "5.1",
        "emsp",
        "always ACCEPTED",
        set_field("GET", COMMAND_AT_OPERATOR_API, "result.result", "ACCEPTED"),
        "receives the result EVSE_OCCUPIED of START_SESSION, not ACCEPTED",
    ),
    broken(
        "5.1",
        "cpo",
        "the CSMS does not receive the command",
        charging_faults.hide_commands("START_SESSION"),
        "the CPO's CSMS finds START_SESSION",
    ),
    broken(
        "5.1",
        "cpo",
        "the session's reference lost",
        set_field("GET", SESSION_AT_OPERATOR_API, "authorization_reference", None),
        "the session has the command's token and authorization_reference",
    ),
    broken(
        "5.1",
        "emsp",
        "no session",
        operator_api_answers("GET", SESSION_AT_OPERATOR_API, 200, 404),
        "authorization_reference .*, at the eMSP's operator API: within",
    ),
    broken(
        "5.1",
        "hub",
        "an unknown token refused",
        faults.answer("POST", COMMAND, 200, 200, 2004),
        "a command is answered with HTTP 200 and 1000",
    ),
    broken(
        "5.1",
        "hub",
        "a repeated command is a new one",
        charging_faults.take_repeated_for_new,
        "reaches the CSMS once|posted to its response_url once",
    ),
    broken(
        "5.1",
        "hub",
        "an unknown location accepted",
        faults.accept_refused("POST", COMMAND, 200, {"result": "ACCEPTED", "timeout": 30}),
        "an unknown location is HTTP 200 and 2003 with REJECTED, not ACCEPTED",
    ),
    broken(
        "5.1",
        "probe",
        "the result in an envelope",
        charging_faults.put_into_envelope(RESULT),
        "gets the bare CommandResult ACCEPTED",
    ),
    broken(
        "5.1",
        "probe",
        "the result is FROM the hub",
        charging_faults.change_request_header(
            "POST", RESULT, ocpi_from_country_code="PT", ocpi_from_party_id="MOB"
        ),
        "the result is FROM PT/ABC",
    ),
    broken(
        "5.2",
        "hub",
        "anybody may stop",
        set_field("POST", COMMAND, "data.result", "ACCEPTED"),
        "which is not this eMSP's, is REJECTED or UNKNOWN_SESSION, not ACCEPTED",
    ),
    broken(
        "5.2",
        "cpo",
        "the CSMS does not receive the command",
        charging_faults.hide_commands("STOP_SESSION"),
        "the CPO's CSMS finds STOP_SESSION",
    ),
    broken(
        "5.2",
        "emsp",
        "the session never ends",
        NEVER_COMPLETED,
        "COMPLETED at .*, at the eMSP's operator API: within",
    ),
    broken(
        "5.3",
        "emsp",
        "a silent CSMS is taken for a yes",
        set_field("GET", COMMAND_AT_OPERATOR_API, "result.result", "ACCEPTED", when="TIMEOUT"),
        "receives the result TIMEOUT of UNLOCK_CONNECTOR, not ACCEPTED",
    ),
    Control(
        "5.3",
        "probe",
        "no TIMEOUT",
        lambda _: faults.swallow("POST", RESULT),
        "TIMEOUT is at the probe eMSP's response_url",
        hastened=lambda _: set_field("POST", COMMAND, "data.timeout", 4),
    ),
    Control(
        "5.3",
        "probe",
        "TIMEOUT twice",
        lambda proxy: charging_faults.deliver_twice(proxy, RESULT),
        "posted to its response_url once, not 2 times",
    ),
    broken(
        "5.3",
        "cpo",
        "a late result replaces TIMEOUT",
        charging_faults.report_late_result,
        "sees a result that comes too late beside the TIMEOUT",
    ),
]

SESSION_CONTROLS = [
    broken(
        "6.1",
        "emsp",
        "nothing arrives",
        operator_api_answers("GET", SESSION_AT_OPERATOR_API, 200, 404),
        "ACTIVE, at the eMSP's operator API: within",
    ),
    broken(
        "6.1",
        "emsp",
        "another's session as well",
        operator_api_answers("GET", SESSION_AT_OPERATOR_API, 404, 200),
        "the eMSP does not hold session",
    ),
    broken("6.1", "probe", "no push", faults.swallow("PUT|PATCH", SESSION), "at the probe eMSP: within"),
    broken("6.1", "probe", "the hub in the URL", faults.put_hub_into_url, "at the probe eMSP: within"),
    broken(
        "6.1",
        "probe",
        "FROM is the hub",
        lambda: faults.forge_from("PT", "MOB"),
        "is FROM the CPO TO the eMSP",
    ),
    broken(
        "6.1",
        "hub",
        "a list of another's",
        lambda: charging_faults.show_others_as_well(SESSIONS),
        "shows an eMSP the sessions of its own tokens, not .*OF-ANOTHER",
    ),
    broken(
        "6.1",
        "hub",
        "a count of another's",
        lambda: charging_faults.count_others_as_well(SESSIONS),
        "X-Total-Count counts the 1 that are shown",
    ),
    broken(
        "6.2",
        "cpo",
        "PATCH replaces the periods",
        lambda: charging_faults.change_periods(SESSION_AT_OPERATOR_API, lambda periods: periods[-1:]),
        "PATCH adds its period to those that were there",
    ),
    broken(
        "6.2",
        "cpo",
        "a repeated period twice",
        lambda: charging_faults.change_periods(
            SESSION_AT_OPERATOR_API, lambda periods: [*periods, periods[-1]], from_patch=2
        ),
        "a period that is sent again is there once",
    ),
    broken(
        "6.2",
        "emsp",
        "sessions as they were first",
        lambda: charging_faults.freeze_objects(SESSION_AT_OPERATOR_API),
        "two periods after a PATCH.*, at the eMSP's operator API: within",
    ),
    broken(
        "6.2",
        "hub",
        "a repeated PATCH adds twice",
        lambda: charging_faults.change_periods(
            SESSION, lambda periods: [*periods, periods[-1]], from_patch=2
        ),
        "the hub holds its period once",
    ),
    broken(
        "6.3",
        "emsp",
        "the session never ends",
        NEVER_COMPLETED,
        "COMPLETED at .*, at the eMSP's operator API: within",
    ),
    broken(
        "6.3",
        "cpo",
        "no end_date_time",
        set_field("GET", SESSION_AT_OPERATOR_API, "end_date_time", None),
        "shows it COMPLETED with end_date_time",
    ),
    broken(
        "6.3",
        "cpo",
        "the end is not the end",
        operator_api_answers("PATCH", SESSION_AT_OPERATOR_API, 422, 200),
        "a COMPLETED session is final",
    ),
    broken(
        "6.3",
        "probe",
        "the end is not pushed",
        faults.swallow("PUT|PATCH", SESSION),
        "the end of its session is pushed to the probe eMSP",
    ),
    broken("6.4", "cpo", "wrong total", lambda: faults.miscount(SESSIONS), "X-Total-Count is"),
    broken(
        "6.4", "cpo", "an object twice", lambda: faults.repeat_an_object(SESSIONS), "each object comes once"
    ),
    broken("6.4", "cpo", "no Link to the end", lambda: faults.stop_early(SESSIONS), "missing"),
    broken(
        "6.4",
        "cpo",
        "another's session as well",
        lambda: charging_faults.show_others_as_well(SESSIONS),
        "too many OF-ANOTHER",
    ),
    broken(
        "6.4",
        "cpo",
        "another's session counted",
        lambda: charging_faults.count_others_as_well(SESSIONS),
        "X-Total-Count is 5, not 6",
    ),
    broken(
        "6.4",
        "cpo",
        "a list from the beginning of time",
        lambda: faults.accept_refused("GET", SESSIONS, 200, []),
        "needs a date_from, without it is refused",
    ),
    broken(
        "6.5",
        "cpo",
        "date_to inclusive",
        lambda: faults.shift("date_to", SESSIONS),
        "X-Total-Count is 2, not 3",
    ),
    broken(
        "6.5",
        "cpo",
        "date_from exclusive",
        lambda: faults.shift("date_from", SESSIONS),
        "X-Total-Count is 2, not 1",
    ),
    broken(
        "6.5",
        "cpo",
        "Link drops the filters",
        lambda: faults.drop_filters(SESSIONS),
        "Link keeps date_from|date_from: required",
    ),
    broken(
        "6.5",
        "cpo",
        "another's session as well",
        lambda: charging_faults.show_others_as_well(SESSIONS),
        "too many OF-ANOTHER",
    ),
]

CONTROLS = [*AUTHORIZATION, *COMMANDS, *SESSION_CONTROLS]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_scenario_fails_when_its_behaviour_is_broken(sandbox_nodes: Nodes, control: Control) -> None:
    expect_failure(sandbox_nodes, control)
