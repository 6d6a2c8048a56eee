"""Numbers and requirement ids in the docs agree with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from chalicelib.release import RELEASE
from chalicelib.settings import RETENTION_DAYS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_REQUIREMENT = re.compile(
    r"\b(?:CDR|CHP|CMD|CRD|HCI|LOC|OWN|PAG|RTE|SES|STA|TAR|TOK|TRN|TRP|TYP|VER)-\d{2}\b(?!-)"
)


def test_the_defaults_of_retention_are_those_that_are_documented() -> None:
    text = (DOCS / "retention.md").read_text()

    (example,) = re.findall(r'"OCPI_RETENTION_DAYS": ("\{.*\}")', text)
    assert json.loads(json.loads(example)) == RETENTION_DAYS
    for days in RETENTION_DAYS.values():
        assert f"{days} days" in text


def test_every_requirement_id_that_is_cited_is_explained() -> None:
    explained = set(re.findall(r"^\| ([A-Z]{3}-\d{2}) \|", (DOCS / "requirements.md").read_text(), re.M))
    cited = {
        (found, str(path.relative_to(ROOT)))
        for path in _texts()
        for found in _REQUIREMENT.findall(path.read_text())
    }

    assert len(explained) > 300
    assert sorted((found, path) for found, path in cited if found not in explained) == []


def _texts() -> list[Path]:
    folders = ("chalicelib", "certification", "infra", "cli", "bench", "tests", "docs")
    found = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")
    ]
    return [ROOT / "app.py", ROOT / "README.md", *found]


def test_the_changelog_has_an_entry_for_the_release() -> None:
    assert f"\n## {RELEASE}" in (ROOT / "CHANGELOG.md").read_text()
