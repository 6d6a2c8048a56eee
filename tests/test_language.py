"""The language of the code: plain docstrings, no private metaphors, attribute names in the glossary.

CONTRIBUTING.md, How we write, has the rules. The number of exceptions may only fall: a test fails when
there are fewer than the list allows, so that the list is shortened with them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("chalicelib", "certification", "infra", "cli", "bench", "tests")
FILES = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]

OPENINGS = re.compile(
    r"(What|Who|Whose|Whom|Which|Nobody|Nothing|How|Where|When|Whether|Why|Everything|Everybody|Everyone|That"
    r"|Somebody|Something|Whatever|Whoever|Whichever|Whenever|As whom|To whom|No one)\b"
)
"""A docstring begins with a noun or a verb that says what the thing is or does."""

BANNED = {
    *("told", "tell", "tells", "telling", "hear", "hears", "heard", "say", "says", "said"),
    *("bell", "story", "stories"),
}
"""Words that no name of ours contains: push, notify, log fields and message are the plain ones."""

UNPLAIN_DOCSTRINGS = 0
"""How many docstrings may still begin with one of `OPENINGS`."""

_STORED_NAME = re.compile(r"[a-z]{1,3}|lu_text")
_NAMES_OF_ITEMS = ("storage/objects.py", "storage/location_items.py", "storage/location_writer.py")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _docstrings(path: Path) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{_name(path)}: {text.splitlines()[0]}"


def _identifiers(path: Path) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def _words(identifier: str) -> set[str]:
    """The words of a name.

    >>> sorted(_words("_LastUpdated_at"))
    ['', 'at', 'last', 'updated']
    """
    return set(re.sub(r"([a-z])([A-Z])", r"\1_\2", identifier).lower().split("_"))


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    unplain = [
        line for path in FILES for line in _docstrings(path) if OPENINGS.match(line.partition(": ")[2])
    ]

    assert len(unplain) == UNPLAIN_DOCSTRINGS, "\n".join(unplain)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_names_are_plain_words(path: Path) -> None:
    assert sorted(name for name in set(_identifiers(path)) if _words(name) & BANNED) == []


def test_the_glossary_has_every_short_attribute_name() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    texts = [(ROOT / "chalicelib" / name).read_text(encoding="utf-8") for name in _NAMES_OF_ITEMS]
    names = {
        node.value
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _STORED_NAME.fullmatch(node.value)
    }

    assert {"pk", "sk", "lp", "cr", "wv", "gen"} <= names
    assert sorted(name for name in names if f"`{name}`" not in glossary) == []
