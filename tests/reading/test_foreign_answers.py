"""Odd answers of partners to our requests: an authorization, and credentials from both sides.

Source: TOK-11, CRD-23 … CRD-26; docs/interop.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.protocol.json_text import read_json, write_json
from tests.harness.account import aws
from tests.harness.nodes import Answer, Host, make_network
from tests.modules.conftest import node_of, partner_of  # noqa: F401
from tests.modules.credentials.handshakes import CREDENTIALS, register
from tests.modules.tokens.test_cpo_authorization import World, cpo  # noqa: F401

ALLOWED: dict[str, Any] = {
    "only allowed": {"allowed": "ALLOWED"},
    "in small letters": {"allowed": "allowed"},
    "with a token that is none": {"allowed": "ALLOWED", "token": {"uid": 1}},
    "with a token that is null": {"allowed": "ALLOWED", "token": None},
    "with info that is a text": {"allowed": "ALLOWED", "info": "ok"},
    "with an empty info": {"allowed": "ALLOWED", "info": {}},
    "with a language in capitals": {"allowed": "ALLOWED", "info": {"language": "EN", "text": "ok"}},
    "with an empty authorization_reference": {"allowed": "ALLOWED", "authorization_reference": ""},
    "with an authorization_reference as a number": {"allowed": "ALLOWED", "authorization_reference": 5},
}
NOT_ALLOWED: dict[str, Any] = {
    "true": {"allowed": True},
    "yes": {"allowed": "yes"},
    "missing": {"info": {"language": "en", "text": "ALLOWED"}},
    "empty": {"allowed": ""},
}


@pytest.mark.parametrize("odd", ALLOWED)
def test_an_odd_answer_that_allows_lets_the_driver_charge(cpo: World, odd: str) -> None:  # noqa: F811
    cpo.push(whitelist="NEVER")
    cpo.partners.answers["hub"] = ALLOWED[odd]

    assert cpo.authorize()["allowed"] == "ALLOWED"


@pytest.mark.parametrize("odd", NOT_ALLOWED)
def test_an_answer_that_does_not_allow_in_its_words_allows_nothing(cpo: World, odd: str) -> None:  # noqa: F811
    cpo.push(whitelist="NEVER")
    cpo.partners.answers["hub"] = NOT_ALLOWED[odd]

    with pytest.raises(PartnerFault, match="no AuthorizationInfo"):
        cpo.authorize()


# -- credentials --------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], Any]


def _business(**fields: Any) -> Change:
    def change(credentials: dict[str, Any]) -> dict[str, Any]:
        credentials["roles"][0]["business_details"].update(fields)
        return credentials

    return change


def _role(**fields: Any) -> Change:
    def change(credentials: dict[str, Any]) -> dict[str, Any]:
        credentials["roles"][0].update(fields)
        return credentials

    return change


def _another_role(credentials: dict[str, Any]) -> dict[str, Any]:
    credentials["roles"].append({**credentials["roles"][0], "role": "PTP"})
    return credentials


ODD_CREDENTIALS: dict[str, Change] = {
    "website empty": _business(website=""),
    "website without scheme": _business(website="www.x.example"),
    "website null": _business(website=None),
    "logo as a URL": _business(logo="https://x.example/logo.png"),
    "name with a line feed": _business(name="X\n"),
    "business_details null": _role(business_details=None),
    "role in small letters": lambda document: _role(role=document["roles"][0]["role"].lower())(document),
    "country_code alpha-3": _role(country_code="PRT"),
    "roles as an object": lambda document: {**document, "roles": document["roles"][0]},
    "a second role that is unknown": _another_role,
}


@pytest.fixture
def network() -> Iterator[dict[str, Host]]:
    with aws() as account:
        yield make_network(account, cpo="CPO", hub="HUB")


def _odd(host: Host, change: Change, in_answers: bool) -> None:
    """Make the credentials odd that a host receives, or those that it answers with."""
    receive = host.receive

    def odd_receive(method: str, path: str, headers: dict[str, str], body: str | None) -> Answer:
        if (method, path) != ("POST", CREDENTIALS) or body is None:
            return receive(method, path, headers, body)
        if not in_answers:
            return receive(method, path, headers, write_json(change(read_json(body))))
        answer = receive(method, path, headers, body)
        envelope = {**answer.json, "data": change(answer.json["data"])}
        return Answer(answer.status, answer.headers, write_json(envelope))

    host.receive = odd_receive  # type: ignore[method-assign]


@pytest.mark.parametrize("in_answers", [False, True], ids=["sent to us", "answered to us"])
@pytest.mark.parametrize("odd", ODD_CREDENTIALS)
def test_odd_credentials_register_the_partner(network: dict[str, Host], odd: str, in_answers: bool) -> None:
    """Source: BR-13 of the cases from the field"""
    _odd(network["hub"], ODD_CREDENTIALS[odd], in_answers)

    register(network["cpo"], network["hub"])

    reader = network["cpo" if in_answers else "hub"]
    (partner,) = reader.node.directory.all()
    assert partner.status == "REGISTERED"
    roles = partner.roles + partner.pending_roles
    assert [role.role for role in roles] == ["HUB" if in_answers else "CPO"]
    assert [role.country_code for role in roles] == ["PT"]
