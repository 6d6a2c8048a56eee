"""What the docs say of numbers is what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from chalicelib.settings import RETENTION_DAYS

DOCS = Path(__file__).parents[1] / "docs"


def test_the_defaults_of_retention_are_those_that_are_documented() -> None:
    text = (DOCS / "retention.md").read_text()

    (example,) = re.findall(r'"OCPI_RETENTION_DAYS": ("\{.*\}")', text)
    assert json.loads(json.loads(example)) == RETENTION_DAYS
    for days in RETENTION_DAYS.values():
        assert f"{days} days" in text
