"""The folder with other people's data to test against: examples and OpenAPI documents of the specification.

They are not part of this repository. `OCPI_SPEC_DATA` names the folder that has them, by default
`../shared/data/ocpi` beside the repository; without it the tests that need them are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("OCPI_SPEC_DATA") or Path(__file__).parents[3] / "shared/data/ocpi")
EXAMPLES = DATA / "examples"
OPENAPI = DATA / "openapi"

needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason=f"no examples of the specification in {EXAMPLES}"
)
needs_openapi = pytest.mark.skipif(not OPENAPI.is_dir(), reason=f"no OpenAPI documents in {OPENAPI}")
