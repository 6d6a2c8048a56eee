"""Rewrites Link and Location of a relayed answer to URLs of this hub.

The requester has no token for the receiver, so it cannot follow the receiver's URLs. The hub stores nothing
for the rewritten ones:
- most Links differ from the requested URL only in the query; then the query is appended to the hub's own
  URL, and offset and limit stay readable;
- any other URL becomes a signed parameter. The signature is needed because the hub calls the URL with its
  own token. It holds for one requester, one partner and one interface.

OCPI-to has to come with every page, as with every request.

A URL on another host than the partner's endpoint is never called, because our token must not go there. For a
Link this is an error, because without it the list would end too early without notice. A Location is left
out, because the request itself has succeeded.

Source: OCPI 2.2.1 transport_and_format_pagination; RTE-34, TRP-19
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlencode

from chalicelib.calls.pages import join_relative, next_link
from chalicelib.calls.urls import split_url
from chalicelib.errors import HubError, InvalidParameters
from chalicelib.protocol.message import InterfaceRole

if TYPE_CHECKING:
    from chalicelib.partners.directory import Directory, Partner

LINK = "hub_link"
"""The parameter that carries a signed URL."""

_LONGEST = 2000
_SIGNATURE = 64


class Way(NamedTuple):
    """The route of a relayed request: caller, receiver and the receiver's interface.

    own_url: URL of the request at this hub. their_url: URL of the request at the receiver.
    """

    caller: Partner
    receiver: Partner
    module: str
    role: InterfaceRole
    own_url: str
    their_url: str


def rewrite_links(
    directory: Directory, way: Way, asked_url: str, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the answer's Link and Location headers with URLs of this hub.

    asked_url: the URL that was called. headers: of the answer, names in lower case.
    Raises: HubError for a Link that cannot be followed.
    """
    rewritten = {}
    following = next_link(headers.get("link"), asked_url)
    if following is not None:
        if not _is_there(way, following):
            raise HubError("the receiver gave a Link that this hub cannot follow")
        query = _query_behind(way.their_url, following) or _signed(directory, way, following)
        rewritten["Link"] = f'<{way.own_url}?{query}>; rel="next"'
    location = join_relative(asked_url, headers["location"]) if "location" in headers else None
    if location is not None and _is_there(way, location):
        rewritten["Location"] = f"{way.own_url}?{_signed(directory, way, location)}"
    return rewritten


def open_link(directory: Directory, way: Way, text: str) -> str:
    """Return the receiver's URL from a parameter that `rewrite_links` made.

    Raises: InvalidParameters if this hub did not make it for this caller and this receiver.
    """
    signature, encoded = text[:_SIGNATURE], text[_SIGNATURE:]
    try:
        url = urlsafe_b64decode(encoded.encode()).decode()
    except ValueError:
        url = ""
    if not hmac.compare_digest(signature.encode(), _sign(directory, way, url).encode()):
        raise InvalidParameters("not a link that this hub gave the caller for this receiver", field=LINK)
    return url


def _is_there(way: Way, url: str) -> bool:
    """Return whether a URL is on the host of the receiver's endpoint, where our token may go."""
    try:
        return len(url) <= _LONGEST and split_url(url)[0] == split_url(way.their_url)[0]
    except InvalidParameters:
        return False


def _query_behind(their_url: str, following: str) -> str | None:
    """Return the query of a Link if only the query is new and it can be parsed and written without loss."""
    path, _, query = split_url(following)[1].partition("?")
    if path.rstrip("/") != split_url(their_url)[1].rstrip("/"):
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        return None
    names = {name for name, _ in pairs}
    return urlencode(pairs) if len(names) == len(pairs) and LINK not in names else None


def _signed(directory: Directory, way: Way, url: str) -> str:
    return urlencode({LINK: _sign(directory, way, url) + urlsafe_b64encode(url.encode()).decode()})


def _sign(directory: Directory, way: Way, url: str) -> str:
    """Sign a URL; the text has spaces, which no token has, so no signature equals a token's fingerprint."""
    receiver = f"{way.receiver.id} {way.receiver.version}"
    return directory.fingerprint(f"link {way.caller.id} {receiver} {way.module} {way.role} {url}")
