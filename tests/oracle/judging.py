"""Judges what the nodes of a sandbox have sent and answered, and knows where the OpenAPI documents err."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.oracle import openapi
from tests.oracle.data import OPENAPI
from tests.oracle.recorder import Recorded, read_recording

HANDSHAKE = "2.2.1"
"""The version of a request of a handshake whose URL names none: the nodes of a sandbox agree on this one."""


class Known(NamedTuple):
    """A problem that is none. pattern: matched with `{node} {module} {interface} {method}: {problem}`."""

    pattern: str
    reason: str


KNOWN = (
    # The documents are stricter than the specification.
    Known(r".*: null is not of type", "an optional field may be null (terminology, Cardinality; TYP-12)"),
    Known(
        r'.*: "[0-9-]+T[0-9:]+(\.\d+)?" is not a "date-time"',
        "a DateTime needs no Z (types, DateTime; TYP-07)",
    ),
    Known(r'.* header X-Correlation-ID: : .* is not a "uuid"', "a GUID is advised; a hub passes on any id"),
    Known(
        r"\w+ cdrs RECEIVER POST: HTTP 200 is no answer to POST",
        "a CDR that is known already, or is refused with a 2xxx, is answered with HTTP 200 (status_codes)",
    ),
    Known(
        r"\w+ cdrs RECEIVER GET: the documents have no GET of \w+/\w+/.+",
        "the URL of a CDR is the receiver's own (mod_cdrs); ours names its owner as well",
    ),
    # Roles of MOBI.E (docs/mobie.md).
    Known(
        r"cpo cdrs (RECEIVER POST|SENDER GET): a cpo has no cdrs \w+",
        "a hub that makes the CDR of record sends it to the CPO as well",
    ),
    Known(r"\w+ locations RECEIVER POST: the documents have no POST", "ids of locations, profile `ptmob`"),
    # Unknown fields and values are kept and relayed (docs/interop.md).
    Known(r".*Additional properties are not allowed \(('mobie_\w+'(, )?)+ w", "fields of MOBI.E"),
    Known(r".*Additional properties are not allowed \('(x|x_list)' was", "fields that a test made up"),
    Known(
        r".*Additional properties are not allowed \('(parking|parking_places|help_phone)' was",
        "fields of 2.3.0, which a partner of 2.2.1 gets as unknown ones",
    ),
    Known(r'.*"(LIGHTHOUSE|ASLEEP|TELEPATHY|MCS)" is not one of', "values that a test made up"),
)


class Verdict(NamedTuple):
    """Counts of what was judged by version, and what is wrong for no known reason."""

    judged: dict[str, int]
    wrong: list[str]

    def __str__(self) -> str:
        return ", ".join(
            f"{count} documents of OCPI {version}" for version, count in sorted(self.judged.items())
        )


def judge(recorded: Iterable[Recorded]) -> Verdict:
    """Judge the documents of versions that have OpenAPI documents; lists of versions by the newest ones."""
    judged: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for each in recorded:
        is_list = each.module == "versions" and not each.segments
        version = openapi.versions()[-1] if is_list else each.version or HANDSHAKE
        if version in openapi.versions():
            judged[version] += 1
            wrong.update(problem for problem in _named(version, each) if not is_known(problem))
    return Verdict(dict(judged), [f"{count} times {problem}" for problem, count in wrong.items()])


def _named(version: str, each: Recorded) -> list[str]:
    what = f"{each.node} {each.module} {each.interface} {each.method}"
    return [f"{what}: {problem}" for problem in openapi.open_api(version).problems(each)]


def is_known(problem: str) -> bool:
    return any(re.match(known.pattern, problem) for known in KNOWN)


def expect_judged_well(folder: Path, record_property: Callable[[str, object], None]) -> None:
    """Judge a recording; the number of documents is in the report."""
    if not OPENAPI.is_dir():
        pytest.skip(f"no OpenAPI documents in {OPENAPI}")
    verdict = judge(read_recording(folder))
    record_property("judged", f"{verdict}, by the OpenAPI documents")
    assert verdict.judged
    assert verdict.wrong == []
