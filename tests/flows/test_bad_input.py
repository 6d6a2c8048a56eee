"""Bad input to every route of versions, credentials, tariffs and locations.

Each wrong request must be answered by the envelope and the code that the checklist names, with both message
ids (the third party's client checks that on every call), never by a fault of ours, and leave everything as it
was. No answer may carry a token or a stack trace.
Chapters: status_codes, transport_and_format; STA-01 .. STA-09, TRN-06 .. TRN-08, TRN-12, TRN-16, TRN-18,
TRN-22, TRN-27, TRN-28, PAG-14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.flows import wrong
from tests.flows.conftest import Guests, name_of
from tests.third_party.connection import Connection, Unusable
from tests.third_party.objects import LATER, Party, connector, evse, location, tariff
from tests.third_party.operator_door import Node
from tests.third_party.partner import Partner
from tests.third_party.wire import Answer, write_json

Document = dict[str, Any]
TRACES = ("Traceback", 'File "', "chalicelib", "pydantic", "botocore", "line ")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN = {"tariffs": (404, 2001), "locations": (404, 2003)}
TWO_MEGABYTES = 2 * 1024 * 1024


@dataclass
class Stand:
    """A node, a CPO and an eMSP registered there, and what they put there before anything went wrong."""

    node: Node
    lines: list[Connection]
    before: dict[str, list[dict[str, Any]]]

    @property
    def line(self) -> Connection:
        return self.lines[0]

    @property
    def owner(self) -> Party:
        return self.line.partner.party

    def stored(self, module: str) -> list[dict[str, Any]]:
        return [found for found in self.node.all(module) if found["party_id"] == self.owner.party_id]

    def expect(self, answer: Answer, *codes: tuple[int, int]) -> None:
        """Refused as it should be, and nothing said that should not be."""
        assert answer.codes in codes, answer
        self.expect_discretion(answer)

    def expect_discretion(self, answer: Answer) -> None:
        text = answer.text
        assert answer.http_status < 500, answer
        assert not [trace for trace in TRACES if trace in text], answer
        secrets = {self.node.operator_key}
        for line in self.lines:
            secrets |= {line.outbound_token, *line.inbound_tokens}
        assert not [secret for secret in secrets if secret in text], answer

    def expect_untouched(self, module: str, *ids: str) -> None:
        """The object named, and the good one beside it, are as they were."""
        (known,) = self.before[module]
        assert self.line.look(module, *self.line.owned(known["id"])).data == known
        if ids and ids != (known["id"],):
            assert self.line.look(module, *self.line.owned(*ids)).http_status == 404


@pytest.fixture(scope="module")
def stands(nodes: dict[str, Node], lodgers: Guests) -> Iterator[dict[str, Stand]]:
    stands = {}
    for at, roles in (("cpo", ("EMSP",)), ("hub", ("CPO", "EMSP")), ("emsp", ("CPO",))):
        stand = Stand(nodes[at], [lodgers.join(role, nodes[at]) for role in roles], {})
        if at != "cpo":
            stand.line.put("tariffs", tariff(stand.owner, "GOOD"))
            stand.line.put("locations", location(stand.owner, "GOOD"))
            stand.before = {module: stand.stored(module) for module in ("tariffs", "locations")}
        stands[at] = stand
    yield stands
    for stand in stands.values():
        for module, before in stand.before.items():
            assert stand.stored(module) == before


@pytest.fixture
def stand(at: str, stands: dict[str, Stand]) -> Stand:
    return stands[at]


at_every_node = pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
at_receivers = pytest.mark.parametrize("at", ["hub", "emsp"])
at_the_hub = pytest.mark.parametrize("at", ["hub"])


def table(rows: dict[str, Any]) -> Callable[..., Any]:
    return pytest.mark.parametrize("row", rows.values(), ids=list(rows))


# Objects


@at_receivers
@table(wrong.TARIFF)
def test_a_wrong_tariff_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: TAR-07, TRN-22, TRN-27, STA-02, STA-07"""
    answer = stand.line.push(
        "PUT", "tariffs", stand.line.owned("BAD"), wrong.build(tariff(stand.owner, "BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("tariffs", "BAD")


@at_receivers
@table(wrong.TARIFF)
def test_a_wrong_tariff_replaces_nothing(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: STA-02"""
    document = wrong.build(tariff(stand.owner, "GOOD", last_updated=LATER), row)

    stand.expect(stand.line.push("PUT", "tariffs", stand.line.owned("GOOD"), document), (200, 2001))
    stand.expect_untouched("tariffs")


@at_receivers
@table(wrong.LOCATION)
def test_a_wrong_location_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-15 .. LOC-21, TRN-22, TRN-27, STA-07"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("BAD"), wrong.build(location(stand.owner, "BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "BAD")


@at_receivers
@table(wrong.EVSE)
def test_a_wrong_evse_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-21, TRN-27"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("GOOD", "BAD"), wrong.build(evse("BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "GOOD", "BAD")


@at_receivers
@table(wrong.CONNECTORS)
def test_a_wrong_connector_is_not_stored(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: LOC-21, TRN-27"""
    answer = stand.line.push(
        "PUT", "locations", stand.line.owned("GOOD", "E1", "BAD"), wrong.build(connector("BAD"), row)
    )

    stand.expect(answer, (200, 2001))
    stand.expect_untouched("locations", "GOOD", "E1", "BAD")


@at_receivers
@table(wrong.PATCHES)
def test_a_wrong_patch_changes_nothing(
    stand: Stand, at: str, row: tuple[tuple[str, ...], dict[str, Any]]
) -> None:
    """Source: LOC-07, STA-02"""
    children, patch = row

    stand.expect(
        stand.line.push("PATCH", "locations", stand.line.owned("GOOD", *children), patch), (200, 2001)
    )
    stand.expect_untouched("locations")


@at_receivers
def test_what_is_unknown_is_not_found(stand: Stand, at: str) -> None:
    """Source: STA-03, STA-08, LOC-13, TAR-04"""
    line, status = stand.line, {"status": "CHARGING", "last_updated": LATER}

    stand.expect(line.look("tariffs", *stand.line.owned("NOPE")), UNKNOWN["tariffs"])
    stand.expect(line.push("DELETE", "tariffs", stand.line.owned("NOPE")), UNKNOWN["tariffs"])
    for unknown in (
        ("NOPE",),
        ("NOPE", "E1"),
        ("GOOD", "NOPE"),
        ("GOOD", "E1", "NOPE"),
        ("GOOD", "NOPE", "1"),
    ):
        stand.expect(line.look("locations", *stand.line.owned(*unknown)), UNKNOWN["locations"])
        stand.expect(
            line.push("PATCH", "locations", stand.line.owned(*unknown), status), UNKNOWN["locations"]
        )
    stand.expect(
        line.push("PUT", "locations", stand.line.owned("NOPE", "E1"), evse("E1")), UNKNOWN["locations"]
    )
    stand.expect(
        line.push("PUT", "locations", stand.line.owned("GOOD", "NOPE", "1"), connector("1")),
        UNKNOWN["locations"],
    )
    stand.expect_untouched("locations", "NOPE")


@at_receivers
@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_a_party_that_is_not_the_callers_is_not_found(stand: Stand, at: str, module: str) -> None:
    """Source: TRN-28"""
    stranger = Party("PT", "999")
    document = (tariff if module == "tariffs" else location)(stranger, "X1")

    for answer in (
        stand.line.look(module, *stranger, "X1"),
        stand.line.push("PUT", module, (*stranger, "X1"), document),
        stand.line.push(
            "PATCH" if module == "locations" else "DELETE", module, (*stranger, "X1"), {"last_updated": LATER}
        ),
    ):
        stand.expect(answer, (404, 2001), (404, 2003))
    assert not [found for found in stand.node.all(module) if found["party_id"] == "999"]


@at_the_hub
def test_an_emsp_does_not_push_tariffs(stand: Stand, at: str) -> None:
    """Whether in a CPO's name or in its own. Source: OWN-01"""
    line = stand.lines[1]

    for owner in (stand.owner, line.partner.party):
        answer = line.push("PUT", "tariffs", (*owner, "BAD"), tariff(owner, "BAD"))

        assert answer.status_code != 1000
        stand.expect_discretion(answer)
        assert not [found for found in stand.node.all("tariffs") if found["id"] == "BAD"]


# Bodies

PUTS = {
    "tariff": ("PUT", "tariffs", ("BAD",)),
    "location": ("PUT", "locations", ("BAD",)),
    "location patch": ("PATCH", "locations", ("GOOD",)),
    "EVSE": ("PUT", "locations", ("GOOD", "BAD")),
    "EVSE patch": ("PATCH", "locations", ("GOOD", "E1")),
    "connector": ("PUT", "locations", ("GOOD", "E1", "BAD")),
    "connector patch": ("PATCH", "locations", ("GOOD", "E1", "1")),
}
at_every_body = pytest.mark.parametrize(("method", "module", "ids"), PUTS.values(), ids=PUTS.keys())


def send(
    stand: Stand, method: str, module: str, ids: tuple[str, ...], body: bytes, **headers: str | None
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return stand.line.push(method, module, stand.line.owned(*ids), body=body, headers=named)


@at_receivers
@at_every_body
@table(wrong.NOT_JSON)
def test_what_is_no_json_is_a_bad_request(
    stand: Stand, at: str, method: str, module: str, ids: tuple[str, ...], row: bytes
) -> None:
    """Source: STA-01"""
    stand.expect(send(stand, method, module, ids, row), (400, 2001))
    stand.expect_untouched(module)


@at_receivers
@at_every_body
@table(wrong.NOT_AN_OBJECT)
def test_what_is_no_object_is_refused(
    stand: Stand, at: str, method: str, module: str, ids: tuple[str, ...], row: bytes
) -> None:
    """Source: STA-02"""
    stand.expect(send(stand, method, module, ids, row), (200, 2001))
    stand.expect_untouched(module)


@at_receivers
@at_every_body
@table(wrong.HOSTILE)
def test_what_is_meant_to_hurt_does_not(
    stand: Stand, at: str, method: str, module: str, ids: tuple[str, ...], row: bytes
) -> None:
    stand.expect(send(stand, method, module, ids, row), (200, 2001), (400, 2001))
    stand.expect_untouched(module)


@at_receivers
@at_every_body
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"]
)
def test_another_content_type_is_refused(
    stand: Stand, at: str, method: str, module: str, ids: tuple[str, ...], content_type: str
) -> None:
    """Source: TRN-12"""
    body = write_json(tariff(stand.owner, "BAD"))

    stand.expect(send(stand, method, module, ids, body, Content_Type=content_type), (400, 2001), (415, 2001))
    stand.expect_untouched(module)


@at_receivers
@pytest.mark.parametrize("module", ["tariffs", "locations"])
def test_two_megabytes_are_too_much(stand: Stand, at: str, module: str) -> None:
    """An object of that size could be stored nowhere."""
    document = (tariff if module == "tariffs" else location)(stand.owner, "BAD", padding="x" * TWO_MEGABYTES)

    answer = stand.line.push("PUT", module, stand.line.owned("BAD"), document)

    stand.expect(answer, (200, 2001), (413, 2001))
    stand.expect_untouched(module, "BAD")


@at_receivers
def test_a_price_of_a_thousand_digits_does_no_harm(stand: Stand, at: str) -> None:
    for number in (b"1e400", b"0." + b"3" * 1000, b"-1e-400"):
        body = write_json(tariff(stand.owner, "BAD")).replace(b"0.2500", number)

        answer = send(stand, "PUT", "tariffs", ("BAD",), body)

        stand.expect(answer, (200, 2001), (201, 1000), (200, 1000))
        stand.line.push("DELETE", "tariffs", stand.line.owned("BAD"))
    stand.expect_untouched("tariffs", "BAD")


# Paths


def routes(stand: Stand) -> dict[str, tuple[str, set[str]]]:
    """Every path of a node, with the methods that it offers."""
    line = stand.line
    paths = {
        "versions": (stand.node.versions_url, {"GET"}),
        "details": (line.details_url, {"GET"}),
        "credentials": (line.credentials_url, {"GET", "POST", "PUT", "DELETE"}),
    }
    if ("tariffs", "SENDER") in line.endpoints:
        paths["tariffs sender"] = (line.url("tariffs", "SENDER"), {"GET"})
        for level in range(4):
            ids = ("GOOD", "E1", "1")[:level]
            paths[f"locations sender {level}"] = (line.url("locations", "SENDER", *ids), {"GET"})
    if ("tariffs", "RECEIVER") in line.endpoints:
        paths["tariff"] = (
            line.url("tariffs", "RECEIVER", *stand.line.owned("GOOD")),
            {"GET", "PUT", "DELETE"},
        )
        for level in range(1, 4):
            url = line.url("locations", "RECEIVER", *stand.line.owned(*("GOOD", "E1", "1")[:level]))
            paths[f"location {level}"] = (url, {"GET", "PUT", "PATCH"})
    return paths


@at_every_node
def test_a_method_that_is_not_offered_is_a_405(stand: Stand, at: str) -> None:
    """On every path there is. Source: STA-09, CRD-16, TAR-01, TAR-03, LOC-10, TRN-16"""
    for name, (url, offered) in routes(stand).items():
        for method in METHODS:
            if method in offered:
                continue
            document: Document | None = {} if method in ("POST", "PUT", "PATCH") else None

            answer = stand.line.call(method, url, document)

            assert answer.codes == (405, 2001), (name, method, answer)
            stand.expect_discretion(answer)
    if stand.before:
        stand.expect_untouched("tariffs")
        stand.expect_untouched("locations")


@at_every_node
@table(wrong.AUTHORIZATIONS)
def test_who_is_not_known_is_answered_401(stand: Stand, at: str, row: str | None) -> None:
    """On every path, by every method. Source: TRN-06, TRN-07, TRN-16"""
    for name, (url, offered) in routes(stand).items():
        for method in offered:
            document: Document | None = {} if method in ("POST", "PUT", "PATCH") else None

            answer = stand.line.call(method, url, document, headers={"Authorization": row})

            assert answer.codes == (401, 2001), (name, method, answer)
            stand.expect_discretion(answer)


@at_every_node
def test_token_a_opens_no_module(stand: Stand, at: str, guests: Guests) -> None:
    """Source: TRN-08"""
    line = guests.knock(guests.partner("CPO" if at == "emsp" else "EMSP"), stand.node)

    for name, (url, offered) in routes(stand).items():
        if name in ("versions", "details", "credentials"):
            continue
        for method in offered:
            document = tariff(stand.owner, "GOOD", last_updated=LATER) if method == "PUT" else None

            answer = line.call(method, url, document)

            assert answer.codes == (401, 2001), (name, method, answer)
    if stand.before:
        stand.expect_untouched("tariffs")


@at_every_node
def test_a_path_that_is_not_there_is_a_404(stand: Stand, at: str) -> None:
    """In an envelope too. Source: TRN-16, STA-03"""
    base = stand.node.versions_url.rstrip("/").rsplit("/", 1)[0]
    urls = [f"{base}/nonsense", f"{base}/2.1.1", f"{base}/2.2.1/nonsense", f"{base}/2.2.1/credentials/1"]
    urls += [f"{url.rstrip('/')}/a/b/c/d/e/f/g" for url in stand.line.endpoints.values()]

    for url in urls:
        answer = stand.line.call("GET", url)

        assert answer.http_status in (404, 405), (url, answer)
        assert 2000 <= answer.status_code < 3000, (url, answer)
        stand.expect_discretion(answer)


@at_receivers
@pytest.mark.parametrize("module", ["tariffs", "locations"])
@pytest.mark.parametrize(
    "raw_id", ["%00", "%0A", "a%09b", "%C3%A9", "%FF", "x" * 37, "x" * 3000, "%2E%2E", "%2e%2e%2f%2e%2e", "%"]
)
def test_an_odd_id_in_the_url_does_no_harm(stand: Stand, at: str, module: str, raw_id: str) -> None:
    """Source: TYP-02, TYP-05"""
    url = stand.line.url(module, "RECEIVER", *stand.owner) + f"/{raw_id}"

    answer = stand.line.call("GET", url, routed=True)

    assert answer.http_status in (200, 400, 404, 414), answer
    assert 2000 <= answer.status_code < 3000
    stand.expect_discretion(answer)


# Routing headers


@at_receivers
def test_half_an_address_is_refused(stand: Stand, at: str) -> None:
    """Source: RTE-01"""
    for headers in (
        {"OCPI-from-party-id": None},
        {"OCPI-to-country-code": None},
        {"OCPI-from-country-code": "PRT"},
        {"OCPI-to-party-id": "TOOLONG"},
    ):
        answer = stand.line.put("tariffs", tariff(stand.owner, "BAD"), headers=headers)

        stand.expect(answer, (200, 2001))
    stand.expect_untouched("tariffs", "BAD")


@at_the_hub
def test_an_unknown_receiver_is_a_4001(stand: Stand, at: str) -> None:
    """Source: RTE-27"""
    headers = {"OCPI-to-country-code": "XX", "OCPI-to-party-id": "ZZZ"}

    answer = stand.line.put("tariffs", tariff(stand.owner, "BAD"), headers=headers)

    stand.expect(answer, (200, 4001))
    stand.expect_untouched("tariffs", "BAD")


@pytest.mark.parametrize("at", ["cpo", "emsp"])
def test_only_a_hub_speaks_of_routing(stand: Stand, at: str) -> None:
    """Source: STA-14"""
    headers = {"OCPI-to-country-code": "XX", "OCPI-to-party-id": "ZZZ"}
    if at == "cpo":
        answer = stand.line.page("tariffs", headers=headers)
    else:
        answer = stand.line.put("tariffs", tariff(stand.owner, "GOOD"), headers=headers)

    assert answer.status_code < 4000
    stand.expect_discretion(answer)


# Lists


@pytest.mark.parametrize("at", ["cpo", "hub"])
@pytest.mark.parametrize("module", ["tariffs", "locations"])
@pytest.mark.parametrize("query", wrong.QUERIES)
def test_a_wrong_query_is_refused(stand: Stand, at: str, module: str, query: str) -> None:
    """Source: PAG-14"""
    line = stand.lines[-1]

    answer = line.call("GET", f"{line.url(module, 'SENDER')}?{query}", routed=True)

    stand.expect(answer, (200, 2001))
    assert answer.next_link is None


@pytest.mark.parametrize("at", ["cpo", "hub"])
@pytest.mark.parametrize("module", ["tariffs", "locations"])
@pytest.mark.parametrize("cursor", ["x", "%00", "bnVsbA==", "eyJhIjoxfQ", "A" * 2000])
def test_a_made_up_cursor_does_no_harm(stand: Stand, at: str, module: str, cursor: str) -> None:
    line = stand.lines[-1]

    answer = line.call("GET", f"{line.url(module, 'SENDER')}?cursor={cursor}", routed=True)

    stand.expect(answer, (200, 2001), (200, 1000))


# Credentials


@pytest.fixture(scope="module")
def invited(nodes: dict[str, Node], lodgers: Guests) -> Iterator[dict[str, Connection]]:
    """One line per node that never got beyond its token A; in the end that token still works."""
    roles = {"cpo": "EMSP", "hub": "CPO", "emsp": "CPO"}
    lines = {at: lodgers.knock(lodgers.partner(role), nodes[at]) for at, role in roles.items()}
    yield lines
    for at, line in lines.items():
        assert nodes[at].status_of(name_of(line.partner)) == "INVITED"
        assert line.register().status_code == 1000


@at_every_node
@table(wrong.CREDENTIALS)
def test_wrong_credentials_register_nobody(
    stand: Stand, at: str, row: wrong.Change, invited: dict[str, Connection]
) -> None:
    """Source: CRD-23, CRD-24, CRD-25"""
    line = invited[at]
    calls = len(line.partner.received)

    answer = line.credentials("POST", wrong.build(credentials(line.partner), row))

    stand.expect(answer, (200, 2001))
    assert len(line.partner.received) == calls


def credentials(partner: Partner) -> dict[str, Any]:
    return partner.credentials("a-token-of-a-third-party")


@at_every_node
@table(wrong.CREDENTIALS)
def test_wrong_credentials_update_nothing(stand: Stand, at: str, row: wrong.Change) -> None:
    """Source: CRD-22, CRD-23, CRD-24, CRD-25"""
    before = stand.node.partner(name_of(stand.line.partner))

    answer = stand.line.credentials("PUT", wrong.build(credentials(stand.line.partner), row))

    stand.expect(answer, (200, 2001))
    assert stand.node.partner(name_of(stand.line.partner)) == before
    assert stand.line.credentials("GET").data["token"] == stand.line.outbound_token


@at_every_node
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_credentials_that_are_no_json_object_are_refused(
    stand: Stand, at: str, method: str, invited: dict[str, Connection]
) -> None:
    """Source: STA-01, STA-02, TRN-12"""
    line = invited[at] if method == "POST" else stand.line
    good = write_json(credentials(line.partner))

    for body in wrong.NOT_JSON.values():
        stand.expect(line.credentials(method, body=body), (400, 2001))
    for body in wrong.NOT_AN_OBJECT.values():
        stand.expect(line.credentials(method, body=body), (200, 2001))
    for body in wrong.HOSTILE.values():
        stand.expect(line.credentials(method, body=body), (200, 2001), (400, 2001))
    text = line.credentials(method, body=good, headers={"Content-Type": "text/plain"})
    stand.expect(text, (400, 2001), (415, 2001))
    large = line.credentials(method, credentials(line.partner) | {"padding": "x" * TWO_MEGABYTES})
    stand.expect_discretion(large)
    assert large.status_code != 1000


@at_every_node
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/versions", "http://169.254.169.254/latest/meta-data", "http://[::1]:1/"]
)
def test_a_versions_url_that_leads_nowhere_registers_nobody(
    stand: Stand, at: str, address: str, invited: dict[str, Connection]
) -> None:
    """Source: CRD-19"""
    line = invited[at]

    answer = line.credentials("POST", credentials(line.partner) | {"url": address})

    stand.expect(answer, (200, 3001), (200, 2001))


@at_every_node
def test_a_token_that_is_known_to_nobody_neither_updates_nor_unregisters(stand: Stand, at: str) -> None:
    """Source: CRD-09, CRD-10, TRN-07"""
    headers = {"Authorization": "Token bm9ib2R5"}
    for method in ("GET", "POST", "PUT", "DELETE"):
        body = credentials(stand.line.partner) if method in ("POST", "PUT") else None

        stand.expect(stand.line.credentials(method, body, headers=headers), (401, 2001))
    with pytest.raises(Unusable, match="401"):
        stand.line.partner.knock(stand.node.versions_url, "nobody")
