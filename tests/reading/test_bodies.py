"""Bodies of requests: JSON under any media type that is not clearly another format. Source: TRN-12, STA-01"""

from __future__ import annotations

import pytest

from chalicelib.reading.bodies import tidy_body

JSON = '{"a": 1}'


@pytest.mark.parametrize(
    ("content_type", "kinds"),
    [
        (None, []),
        ("", []),
        ("application/json", []),
        ("Application/JSON; charset=utf-8", []),
        ("application/json;charset=UTF-8; odata=verbose", []),
        ("application/json, application/json", []),
        ("application/merge-patch+json", []),
        ("text/json", ["CONTENT_TYPE"]),
        ("text/plain; charset=utf-8", ["CONTENT_TYPE"]),
        ("application/octet-stream", ["CONTENT_TYPE"]),
        ("json", ["CONTENT_TYPE"]),
    ],
)
def test_json_is_announced_as_json(content_type: str | None, kinds: list[str]) -> None:
    tidy = tidy_body(JSON, content_type)

    assert (tidy.text, [finding.kind for finding in tidy.findings]) == (JSON, kinds)
    assert tidy.media_type in ("application/json", "application/merge-patch+json")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/xml; charset=utf-8",
        "application/soap+xml",
        "text/html",
        "image/png",
    ],
)
def test_another_format_stays_what_it_is(content_type: str) -> None:
    tidy = tidy_body(JSON, content_type)

    assert (tidy.media_type, tidy.findings) == (content_type.split(";")[0], ())


@pytest.mark.parametrize("text", ["\ufeff" + JSON, JSON + "\0", JSON + "\n\0 ", JSON + " <!-- 3 ms -->\n"])
def test_text_around_the_json_is_removed(text: str) -> None:
    tidy = tidy_body(text, "application/json")

    assert (tidy.text, [finding.kind for finding in tidy.findings]) == (JSON, ["TEXT_AROUND_JSON"])


@pytest.mark.parametrize("text", [JSON, f"  {JSON}\r\n", "", "[]", '{"a": "\ufeff"}'])
def test_json_alone_is_not_touched(text: str) -> None:
    assert tidy_body(text, "application/json") == (text, "application/json", ())
