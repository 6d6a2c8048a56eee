"""Every document that crosses the wire has a kind, or a reason why it needs none.

A document without a kind is not converted, so a partner of another OCPI version would get it in the canonical
form. The routes are read from the modules, the calls of the client from the source.

Source: docs/design.md, Versions; X-01
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.modules import registry
from chalicelib.routes import OcpiRoute

CODE = Path(__file__).parents[2] / "chalicelib"

NOT_IN_OTHER_VERSIONS = "the module is in one version only"
NOT_OCPI = "the profile ptmob, not in OCPI"
ABOUT_VERSIONS = "a list of versions or endpoints, which is written for the version that it is about"

TAKES_NO_KIND = {
    "locations RECEIVER POST /{country_code}/{party_id}": NOT_OCPI,
    "commands RECEIVER POST /{command}": "the kind depends on the command: `json_object(Kind[name])`",
    "invoicereconciliation RECEIVER POST ": NOT_IN_OTHER_VERSIONS,
    "invoicereconciliation RECEIVER PUT /{country_code}/{party_id}/{record_id}": NOT_IN_OTHER_VERSIONS,
}
GIVES_NO_KIND = {
    "versions SENDER GET /versions": ABOUT_VERSIONS,
    "versions SENDER GET /{version}": ABOUT_VERSIONS,
    "invoicereconciliation RECEIVER GET /{country_code}/{party_id}/{record_id}": NOT_IN_OTHER_VERSIONS,
    "invoicereconciliation SENDER GET ": NOT_IN_OTHER_VERSIONS,
}
CALLS_WITHOUT_KIND = {
    "modules/locations/reservation.py": NOT_OCPI,
    "calls/client.py": "a handshake converts credentials itself; the versions of a probe are not read",
    "pulling/lists.py": "each entry of a page is converted on its own, so that one bad entry spoils no other",
}


def routes() -> Iterator[tuple[str, OcpiRoute]]:
    for interface in registry.load_interfaces():
        for route in interface.routes:
            yield f"{interface.module} {interface.role} {route.method} {route.path}", route


def exchanges() -> Iterator[tuple[str, ast.Call]]:
    """Each place that makes an `Exchange`, with the file below `chalicelib`."""
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Exchange":
                yield str(path.relative_to(CODE)), node


def test_every_route_with_a_body_declares_its_kind() -> None:
    without = {
        name for name, route in routes() if route.method in ("POST", "PUT", "PATCH") and route.takes is None
    }

    assert without == set(TAKES_NO_KIND)


def test_every_route_that_answers_an_object_declares_its_kind() -> None:
    without = {name for name, route in routes() if route.method == "GET" and route.gives is None}

    assert without == set(GIVES_NO_KIND)


def test_every_pushed_module_but_those_of_one_version_has_a_kind() -> None:
    without = {name for name in registry.pushed_modules() if registry.find_module(name).kind is None}

    assert without == {"invoicereconciliation"}


def test_every_call_of_a_partner_declares_the_kinds_of_its_documents() -> None:
    without = {file for file, call in exchanges() if not _needed_of(call) <= _given_to(call)}

    assert without == set(CALLS_WITHOUT_KIND)


def _given_to(call: ast.Call) -> set[str]:
    return {str(keyword.arg) for keyword in call.keywords}


def _needed_of(call: ast.Call) -> set[str]:
    """The kinds that a call has to name: of the document that it sends, and of the object that it reads."""
    method = call.args[0].value if isinstance(call.args[0], ast.Constant) else ""
    has_document = len(call.args) > 1 or "document" in _given_to(call)
    return ({"takes"} if has_document else set()) | ({"gives"} if method == "GET" else set())


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ('Exchange("POST", document)', {"takes"}),
        ('Exchange("GET", routing=routing)', {"gives"}),
        ('Exchange("DELETE")', set()),
        ("Exchange(method, document=document)", {"takes"}),
    ],
)
def test_the_census_knows_what_a_call_needs(source: str, needed: set[str]) -> None:
    call = ast.parse(source, mode="eval").body

    assert isinstance(call, ast.Call)
    assert _needed_of(call) == needed
