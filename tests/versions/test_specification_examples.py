"""Every example object of the specification, in every version that this node speaks.

It is valid, is kept as it is, comes back byte-equal in its own version, and can be sent to partners of every
other version. The examples are not part of this repository (`tests/oracle/data.py`).

Source: the examples of the specification's repository; X-10, X-11
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from chalicelib.checking.kinds import MODELS
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import read_document
from chalicelib.versions.supported import VERSIONS, load_version, to_canonical
from tests.oracle import openapi
from tests.oracle.data import EXAMPLES, needs_examples, needs_openapi
from tests.oracle.judging import is_known

KIND_BY_START = {
    "location_example": Kind.LOCATION,
    "location_put_example_add_evse": Kind.EVSE,
    "location_patch_example_location": Kind.LOCATION,
    "location_patch_example_status": Kind.EVSE,
    "location_patch_example_remove_evse": Kind.EVSE,
    "location_patch_example_tariff": Kind.CONNECTOR,
    "tariff_": Kind.TARIFF,
    "session_": Kind.SESSION,
    "cdr_example": Kind.CDR,
    "token_": Kind.TOKEN,
    "credentials_example": Kind.CREDENTIALS,
}

OF_EVSE = {"connectors.0.last_updated", "physical_reference", "connectors.0.power_type", "connectors"}
OF_CDR_TOKEN = {"cdr_token.country_code", "cdr_token.party_id"}

KNOWN_BAD = {
    # Connectors without required fields, and a number as a text (TRP-40).
    "location_put_example_add_evse": OF_EVSE,
    # Without last_updated, which is required.
    "tariff_put_example": {"last_updated"},
}
KNOWN_BAD_BY_VERSION = {
    # 2.2 does not have the owner of a cdr_token: the node fills it in (V22-05).
    "2.2": dict.fromkeys(
        ("cdr_example", "session_example_1_simple_start", "session_example_2_short_finished"), OF_CDR_TOKEN
    ),
}
"""The fields that are wrong in an example."""

COMPLETED = {
    # Its tariffs have no tax_included, which is required: NO is added (V23-19).
    ("2.3.0", "cdr_example"),
}
"""Examples that come back with more than they had."""

SCHEMAS = {Kind.CDR: ("cdrs", "CDR"), Kind.CREDENTIALS: ("credentials", "Credentials")} | {
    kind: (module, kind.value)
    for kind, module in (
        (Kind.LOCATION, "locations"),
        (Kind.EVSE, "locations"),
        (Kind.CONNECTOR, "locations"),
        (Kind.TARIFF, "tariffs"),
        (Kind.SESSION, "sessions"),
        (Kind.TOKEN, "tokens"),
    )
}
"""Where the OpenAPI documents have the schema of a kind."""


def known_bad(version: str) -> dict[str, set[str]]:
    return KNOWN_BAD | KNOWN_BAD_BY_VERSION.get(version, {})


class Example(NamedTuple):
    """One file: an object, or some fields of one as in a PATCH."""

    name: str
    kind: Kind
    document: Document

    @property
    def is_patch(self) -> bool:
        return "_patch_" in self.name


def examples(version: str) -> Iterator[Example]:
    for file in sorted((EXAMPLES / version).glob("*.json")):
        for start, kind in KIND_BY_START.items():
            if file.stem.startswith(start):
                yield Example(file.stem, kind, read_json(file.read_text(encoding="utf-8")))


of_each_version = pytest.mark.parametrize("version", sorted(VERSIONS))


@pytest.fixture
def found(version: str) -> list[Example]:
    """The examples of a version."""
    if not (EXAMPLES / version).is_dir():
        pytest.skip(f"there are no examples of OCPI {version} as files")
    found = list(examples(version))
    assert {each.kind for each in found} == set(KIND_BY_START.values())
    assert len(found) > 40
    return found


@needs_examples
@of_each_version
def test_an_example_is_valid_and_kept_as_it_is(
    version: str, found: list[Example], record_property: Callable[[str, object], None]
) -> None:
    """The number of examples is in the report."""
    record_property("judged", f"{len(found)} examples of OCPI {version}")
    wrong = {}
    for example in found:
        canonical = to_canonical(version, example.kind, example.document)
        if example.is_patch:
            continue
        reading = read_document(MODELS[example.kind], canonical, Context(now="2026-03-01T12:00:00Z"))
        if reading.findings or reading.document is not canonical:
            wrong[example.name] = {finding.at for finding in reading.findings}

    assert wrong == known_bad(version)


@needs_examples
@of_each_version
def test_an_example_comes_back_byte_equal_in_its_own_version(version: str, found: list[Example]) -> None:
    for example in found:
        canonical = to_canonical(version, example.kind, example.document)

        converted = load_version(version).down(example.kind, canonical)

        assert (converted.losses, converted.held) == ((), ""), example.name
        is_equal = write_json(converted.document) == write_json(example.document)
        assert is_equal is ((version, example.name) not in COMPLETED), example.name


@needs_examples
@needs_openapi
@of_each_version
@pytest.mark.parametrize("other", sorted(VERSIONS))
def test_an_example_can_be_sent_in_every_other_version(
    version: str, other: str, found: list[Example]
) -> None:
    """Whole valid objects are judged by the OpenAPI documents of the other version, where there are some."""
    wrong = {}
    for example in found:
        canonical = to_canonical(version, example.kind, example.document)
        converted = load_version(other).down(example.kind, canonical)
        is_judged = not (converted.held or example.is_patch or other not in openapi.versions())
        module, schema = SCHEMAS[example.kind]
        as_sent = json.loads(write_json(converted.document))
        problems = openapi.open_api(other).problems_of(module, schema, as_sent) if is_judged else []
        if problems := [each for each in problems if not is_known(each)]:
            wrong[example.name] = problems

    assert set(wrong) <= set(known_bad(version)), wrong
