"""Scenarios of chapter 7 fail, with the right reason, when the behaviour they check is broken."""

from __future__ import annotations

import pytest

from certification.nodes import Nodes
from tests.certification import cdr_faults, charging_faults, faults
from tests.certification.cdr_faults import CDR, CDR_AT_OPERATOR_API, CDRS, CDRS_AT_OPERATOR_API, POSTED
from tests.certification.charging_faults import operator_api_answers, set_field
from tests.certification.control import Control, broken, expect_failure

CONTROLS = [
    broken(
        "7.1",
        "hub",
        "no CDR is made",
        faults.hide_list(CDRS_AT_OPERATOR_API),
        "the hub's operator API has a CDR of CERT-",
    ),
    broken(
        "7.1",
        "hub",
        "VAT forgotten",
        cdr_faults.change_listed(cdr_faults.forget_vat),
        r"costs 4\S* excl\. and 4\.92\S* incl\. VAT by its tariff, not 4\S* excl\. and 4\S* incl",
    ),
    broken(
        "7.1",
        "hub",
        "a second CDR",
        cdr_faults.change_listed(cdr_faults.make_another),
        "has one CDR at the hub, not 2",
    ),
    broken(
        "7.1",
        "emsp",
        "a second CDR arrives",
        cdr_faults.change_listed(cdr_faults.make_another),
        "the eMSP has one CDR of session CERT-.*, not 2",
    ),
    broken(
        "7.1",
        "cpo",
        "nothing arrives",
        operator_api_answers("GET", CDR_AT_OPERATOR_API, 200, 404),
        "as the hub has it, at the CPO's operator API: within",
    ),
    broken(
        "7.1",
        "emsp",
        "other contents arrive",
        set_field("GET", CDR_AT_OPERATOR_API, "total_energy", 1),
        "as the hub has it, at the eMSP's operator API: within",
    ),
    broken("7.1", "probe", "no push", faults.swallow("POST", POSTED), "are posted to the probe eMSP: within"),
    broken(
        "7.1",
        "probe",
        "pushed with another total",
        faults.change_body("POST", POSTED, lambda cdr: {**cdr, "total_cost": {"excl_vat": 1}}),
        "posted to the probe eMSP, is a CDR of its tokens as the hub has it",
    ),
    broken(
        "7.1",
        "probe",
        "FROM is the CPO",
        charging_faults.change_request_header(
            "POST", POSTED, ocpi_from_country_code="PT", ocpi_from_party_id="ABC"
        ),
        "is FROM the hub TO the eMSP, not FROM PT/ABC",
    ),
    broken(
        "7.1",
        "hub",
        "a CDR of a CPO refused",
        faults.answer("POST", POSTED, 200, 200, 2000),
        "a CDR of a CPO is answered with 1000",
    ),
    broken(
        "7.1",
        "hub",
        "a CDR of a CPO counts",
        lambda: cdr_faults.show_what_a_cpo_sends(CDRS_AT_OPERATOR_API),
        "a CDR of a CPO is not among the hub's CDRs",
    ),
    broken(
        "7.1",
        "hub",
        "a CDR of a CPO shown",
        lambda: cdr_faults.show_what_a_cpo_sends(CDRS),
        "the hub's list shows no partner a CDR that a CPO sent",
    ),
    broken(
        "7.1",
        "emsp",
        "a CDR of a CPO passed on",
        operator_api_answers("GET", CDR_AT_OPERATOR_API, 404, 200),
        "the eMSP does not get a CDR that a CPO sent",
    ),
    broken(
        "7.1",
        "hub",
        "a CDR of a CPO lost",
        cdr_faults.change_listed(lambda _: [], ignored=True),
        "the hub's operator sees a CDR that a CPO sent among the ignored ones",
    ),
    broken("7.2", "hub", "wrong total", lambda: faults.miscount(CDRS), "X-Total-Count is"),
    broken("7.2", "hub", "a CDR twice", lambda: faults.repeat_an_object(CDRS), "each object comes once"),
    broken("7.2", "hub", "no Link to the end", lambda: faults.stop_early(CDRS), "missing"),
    broken(
        "7.2",
        "hub",
        "another's CDR as well",
        lambda: charging_faults.show_others_as_well(CDRS),
        "too many OF-ANOTHER",
    ),
    broken(
        "7.2",
        "hub",
        "another's CDR counted",
        lambda: charging_faults.count_others_as_well(CDRS),
        r"X-Total-Count is \d+, not \d+",
    ),
    broken(
        "7.2",
        "hub",
        "another's CDR by GET",
        faults.answer("GET", CDR, 404, 200, data={"id": "OF-ANOTHER"}),
        "GET of another eMSP's CDR is refused",
    ),
    broken(
        "7.2",
        "hub",
        "another's CDR by GET fails",
        faults.answer("GET", CDR, 404, 500, 3000),
        "GET of another eMSP's CDR is refused with HTTP 404",
    ),
    broken(
        "7.2",
        "hub",
        "no CDR by GET",
        faults.answer("GET", CDR, 200, 404, 2000),
        "GET of a CDR by the CPO that sent it is answered with it",
    ),
    broken(
        "7.3",
        "hub",
        "date_to inclusive",
        lambda: faults.shift("date_to", CDRS),
        r"date_to=.*X-Total-Count is \d+, not \d+",
    ),
    broken(
        "7.3",
        "hub",
        "date_from exclusive",
        lambda: faults.shift("date_from", CDRS),
        r"date_from=.*X-Total-Count is \d+, not \d+",
    ),
    broken("7.3", "hub", "Link drops the filters", lambda: faults.drop_filters(CDRS), "Link keeps date_from"),
    broken(
        "7.3",
        "hub",
        "another's CDR as well",
        lambda: charging_faults.show_others_as_well(CDRS),
        "too many OF-ANOTHER",
    ),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_scenario_fails_when_its_behaviour_is_broken(sandbox_nodes: Nodes, control: Control) -> None:
    expect_failure(sandbox_nodes, control)
