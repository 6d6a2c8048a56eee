"""Endpoints in a partner's version details: those that can be used, and notes about the others.

An endpoint that can be of no use is found here, at registration, and not at the first push. A relative URL
has one meaning: it is below the URL of the version details, on the same scheme, host and port.

Source: OCPI 2.2.1 version_details_endpoint; VER-02, VER-05, VER-07, VER-10
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.calls.pages import join_relative
from chalicelib.calls.urls import split_url
from chalicelib.errors import InvalidParameters
from chalicelib.partners.directory import Endpoint, EndpointNote

CREDENTIALS = "credentials"

_ROLES = ("SENDER", "RECEIVER")
_MOST_NOTES = 40
_LONGEST = {"identifier": 64, "role": 20, "url": 255}
_ABSOLUTE = re.compile(r"([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def read_endpoints(
    details_url: str, entries: Sequence[Any], sides: Mapping[str, str] | None = None
) -> tuple[tuple[Endpoint, ...], tuple[EndpointNote, ...]]:
    """Return the endpoints that can be used, and notes about what is odd or of no use.

    sides: for a version without roles, the partner's interface of each module.
    """
    endpoints: list[Endpoint] = []
    notes: list[EndpointNote] = []
    for entry in entries:
        given = entry if isinstance(entry, dict) else {}
        if sides is not None:
            given = {**given, "role": sides.get(str(given.get("identifier")))}
        endpoint, note = _read(details_url, given)
        if endpoint is not None:
            endpoints.append(endpoint)
        if note:
            notes.append(_note(given, note, is_used=endpoint is not None))
    return tuple(endpoints), tuple(notes[:_MOST_NOTES])


def resolve(base: str, url: str) -> str:
    """The absolute form of a partner's URL; a relative one is resolved against the document that has it.

    >>> resolve("https://example.com/ocpi/2.2.1", "/ocpi/2.2.1/tokens")
    'https://example.com/ocpi/2.2.1/tokens'
    """
    return url if _ABSOLUTE.match(url) else join_relative(base, url)


def _read(details_url: str, entry: Mapping[str, Any]) -> tuple[Endpoint | None, str]:
    """Return the endpoint, None if it is of no use, and a note, "" for none."""
    identifier, role, url = entry.get("identifier"), entry.get("role"), entry.get("url")
    if not (isinstance(identifier, str) and identifier):
        return None, "has no identifier"
    if not (isinstance(url, str) and url):
        return None, "has no url"
    # The role of credentials says nothing (VER-05).
    known = role.strip().upper() if isinstance(role, str) else None
    if known not in _ROLES:
        if identifier != CREDENTIALS:
            return None, "has no role: SENDER or RECEIVER is expected"
        known = "SENDER"
    absolute = resolve(details_url, url)
    try:
        origin, _ = split_url(absolute)
    except InvalidParameters as error:
        return None, f"the url cannot be used: {error.detail}"
    endpoint = Endpoint(identifier=identifier, role=known, url=absolute)
    if absolute != url:
        return endpoint, "the url is relative, and was read as below that of the version details"
    if origin != split_url(details_url)[0]:
        return endpoint, "the url is on another host than the version details"
    return endpoint, ""


def _note(entry: Mapping[str, Any], note: str, *, is_used: bool) -> EndpointNote:
    shown = {name: str(entry.get(name) or "")[:longest] for name, longest in _LONGEST.items()}
    return EndpointNote(**shown, is_used=is_used, note=note)
