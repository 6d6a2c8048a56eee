"""Tests that the docs agree with the code, and that every citation leads to something that exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from certification.plan import PLAN
from chalicelib.modules.registry import retention_days
from chalicelib.release import RELEASE

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_REQUIREMENT = re.compile(
    r"\b(?:CDR|CHP|CMD|CRD|HCI|LOC|OWN|PAG|RTE|SES|STA|TAR|TOK|TRN|TRP|TYP|V22|V211|V23|IR|VER|X)-\d{2}\b(?!-)"
)
_FILE = re.compile(r"(?<![\w./*}-])[\w][\w./-]*\.md\b")
_LINK = re.compile(r"\]\(([^)#:\s]+\.md)(?:#[^)]*)?\)")
_SECTION = re.compile(r"(docs/[\w/-]+\.md), (?=[A-Z])(?![A-Z]{3}-\d)")
_SCENARIO = re.compile(r"\bscenarios? (\d\.\d\w?)(?:(?: to| and|,) (\d\.\d\w?))?")


def test_the_defaults_of_retention_are_those_that_are_documented() -> None:
    text = (DOCS / "retention.md").read_text()

    (example,) = re.findall(r'"OCPI_RETENTION_DAYS": ("\{.*\}")', text)
    assert json.loads(json.loads(example)) == retention_days()
    for days in retention_days().values():
        assert f"{days} days" in text


def test_every_cited_requirement_id_is_in_the_docs() -> None:
    explained = set(
        re.findall(r"^\| ([A-Z]{1,3}\d{0,3}-\d{2}) \|", (DOCS / "requirements.md").read_text(), re.M)
    )
    cited = {
        (found, str(path.relative_to(ROOT)))
        for path in _texts()
        for found in _REQUIREMENT.findall(path.read_text())
    }

    assert len(explained) > 300
    assert sorted((found, path) for found, path in cited if found not in explained) == []


def test_every_cited_markdown_file_exists() -> None:
    """A path that begins with `docs/` counts from the root; any other is the end of some file's path."""
    there = {f"/{path.relative_to(ROOT)}" for path in _texts() if path.suffix == ".md"}

    missing = [
        (cited, str(path.relative_to(ROOT)))
        for path in _texts()
        for cited in _FILE.findall(path.read_text())
        if not (f"/{cited}" in there if cited.startswith("docs/") else _ends_one_of(there, cited))
    ]

    assert missing == []


def _ends_one_of(paths: set[str], cited: str) -> bool:
    end = cited.rpartition("../")[2]
    return any(path.endswith(f"/{end}") for path in paths)


def test_every_cited_python_file_exists() -> None:
    """A cited path such as `pushing/outbox.py` is the end of the path of one of our files."""
    ours = {f"/{path.relative_to(ROOT)}" for path in _texts() if path.suffix == ".py"}

    missing = sorted(
        (cited, str(path.relative_to(ROOT)))
        for path in _texts()
        for cited in set(re.findall(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`", path.read_text()))
        if not _ends_one_of(ours, cited)
    )

    assert missing == []


def test_every_link_between_markdown_files_leads_to_a_file() -> None:
    broken = [
        (link, str(path.relative_to(ROOT)))
        for path in _texts()
        if path.suffix == ".md"
        for link in _LINK.findall(path.read_text())
        if not (path.parent / link).is_file()
    ]

    assert broken == []


def test_every_cited_section_exists() -> None:
    """`docs/design.md, A CDR` cites the heading "A CDR"; the part before a colon is enough."""
    missing = [
        (cited, text[at : at + 40], str(path.relative_to(ROOT)))
        for path in _texts()
        for text in [" ".join(path.read_text().split())]
        for cited, at in [(found[1], found.end()) for found in _SECTION.finditer(text)]
        if not _begins_with_one_of(_headings(ROOT / cited), text[at:])
    ]

    assert missing == []


def _headings(path: Path) -> set[str]:
    found = re.findall(r"^#+ (?:\d+\. )?(.+)$", path.read_text(), re.M) if path.is_file() else []
    return {*found, *(heading.partition(":")[0] for heading in found)}


def _begins_with_one_of(headings: set[str], text: str) -> bool:
    return any(re.match(re.escape(heading) + r"(?!\w)", text) for heading in headings)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("A CDR; CDR-07", True), ('A CDR"""', True), ("Roles", True), ("A CDRs", False), ("Prices", False)],
)
def test_a_section_is_found_by_its_whole_heading(text: str, is_found: bool) -> None:
    assert _begins_with_one_of({"A CDR", "Roles: and more", "Roles"}, text) == is_found


def test_the_scenarios_in_the_docs_are_those_of_the_plan() -> None:
    rows = re.findall(r"^\| (\d\.\d\w?) \|.*\| (yes|no) \|$", (DOCS / "mobie.md").read_text(), re.M)

    assert rows == [(row.id, "yes" if row.is_mandatory else "no") for row in PLAN]


def test_every_cited_scenario_is_in_the_plan() -> None:
    cited = {
        (number, str(path.relative_to(ROOT)))
        for path in _texts()
        for numbers in _SCENARIO.findall(path.read_text())
        for number in numbers
        if number
    }

    assert len(cited) > 10
    assert sorted(cited - {(row.id, path) for row in PLAN for _, path in cited}) == []


def _texts() -> list[Path]:
    folders = ("chalicelib", "certification", "infra", "cli", "bench", "tests", "docs")
    kinds = (".py", ".md", ".yaml")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    return [
        *(ROOT / name for name in ("app.py", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *found,
    ]


def test_the_changelog_has_an_entry_for_the_release() -> None:
    assert f"\n## {RELEASE}" in (ROOT / "CHANGELOG.md").read_text()


def test_each_time_limit_of_the_design_is_set_in_the_named_file() -> None:
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    named = re.findall(r"\| ((?:`[A-Z_]+`(?:, )?)+) in `([\w/.]+)` \|", text)
    code = {
        place: "".join(
            file.read_text(encoding="utf-8")
            for file in [ROOT / "chalicelib" / place, *(ROOT / "chalicelib" / place).glob("*.py")]
            if file.is_file()
        )
        for _, place in named
    }

    assert len(named) > 10
    for names, place in named:
        for name in re.findall(r"[A-Z_]+", names):
            assert f"\n{name} = " in code[place], f"{name} in {place}"
