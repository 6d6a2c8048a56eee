"""Every example object of the specification is kept as it is.

The examples are not part of this repository. `OCPI_SPEC_DATA` names the folder that has them, by default
`../shared/data/ocpi` beside the repository; without it these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import read_document
from tests.reading.test_properties import MODELS

DATA = Path(os.environ.get("OCPI_SPEC_DATA") or Path(__file__).parents[3] / "shared/data/ocpi")
FOLDER = DATA / "examples/2.2.1"
KIND_BY_START = {
    "location_example": "location",
    "tariff_": "tariff",
    "session_example": "session",
    "cdr_example": "cdr",
    "token_example": "token",
}
EXAMPLES = [
    pytest.param(kind, path, id=path.stem)
    for start, kind in KIND_BY_START.items()
    for path in sorted(FOLDER.glob(f"{start}*.json"))
    # It has no last_updated, which is required.
    if path.stem != "tariff_put_example"
]


@pytest.mark.skipif(not EXAMPLES, reason=f"no examples of the specification in {FOLDER}")
def test_there_are_examples_of_every_object() -> None:
    assert {param.values[0] for param in EXAMPLES} == set(KIND_BY_START.values())
    assert len(EXAMPLES) >= 28


@pytest.mark.parametrize(("kind", "path"), EXAMPLES)
def test_an_example_is_returned_as_it_is(kind: str, path: Path) -> None:
    document: Any = read_json(path.read_text(encoding="utf-8"))

    reading = read_document(MODELS[kind], document, Context(now="2026-03-01T12:00:00Z"))

    assert (reading.document is document, reading.findings) == (True, ())
