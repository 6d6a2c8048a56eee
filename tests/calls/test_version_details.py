"""Endpoints of no use are found when version details are read, and named with the reason.

Source: VER-02, VER-05, VER-07, VER-10
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.version_details import read_endpoints, resolve

HOST = "https://partner.example"
DETAILS = f"{HOST}/ocpi/2.2.1"


def line(**fields: Any) -> dict[str, Any]:
    usual = {"identifier": "tariffs", "role": "RECEIVER", "url": f"{DETAILS}/receiver/tariffs"}
    return {name: value for name, value in (usual | fields).items() if value is not None}


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        (line(role=None), "no role"),
        (line(role="BOTH"), "no role"),
        (line(role=5), "no role"),
        (line(url=None), "no url"),
        (line(url=""), "no url"),
        (line(url=["x"]), "no url"),
        (line(identifier=None), "no identifier"),
        (line(url="ftp://partner.example/x"), "cannot be used"),
        (line(url="https://partner.example/a b"), "cannot be used"),
        (line(url="https://user@partner.example/x"), "cannot be used"),
        (line(url="//[::1"), "cannot be used"),
        (None, "no identifier"),
        ("tariffs", "no identifier"),
    ],
)
def test_an_endpoint_of_no_use_is_left_out_and_noted(entry: Any, note: str) -> None:
    endpoints, notes = read_endpoints(DETAILS, [entry, line()])

    assert [endpoint.url for endpoint in endpoints] == [line()["url"]]
    assert len(notes) == 1 and not notes[0].is_used
    assert note in notes[0].note


@pytest.mark.parametrize(
    ("entry", "url", "role", "note"),
    [
        (line(), line()["url"], "RECEIVER", ""),
        (line(role=" receiver"), line()["url"], "RECEIVER", ""),
        (line(url="/other/tariffs"), f"{HOST}/other/tariffs", "RECEIVER", "relative"),
        (
            line(url="receiver/tariffs"),
            "https://partner.example/ocpi/receiver/tariffs",
            "RECEIVER",
            "relative",
        ),
        (
            line(url="https://else.example/t"),
            "https://else.example/t",
            "RECEIVER",
            "another host",
        ),
        (line(identifier="credentials", role=None), line()["url"], "SENDER", ""),
        (line(identifier="credentials", role="BOTH"), line()["url"], "SENDER", ""),
    ],
)
def test_an_endpoint_with_one_meaning_is_used(entry: Any, url: str, role: str, note: str) -> None:
    (endpoint,), notes = read_endpoints(DETAILS, [entry])

    assert (endpoint.url, endpoint.role) == (url, role)
    assert [each.is_used for each in notes] == [True] * bool(note)
    assert all(note in each.note for each in notes)


@pytest.mark.parametrize("url", ["/a", "a", "?x=1"])
def test_a_relative_url_stays_on_the_host_of_the_version_details(url: str) -> None:
    assert resolve(DETAILS, url).startswith("https://partner.example/")


def test_the_notes_of_a_partner_are_bounded() -> None:
    _, notes = read_endpoints(DETAILS, [line(role=None, url="x" * 5000)] * 5000)

    assert len(notes) == 40
    assert max(len(each.url) for each in notes) == 255
