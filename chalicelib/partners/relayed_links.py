"""Link and Location of a relayed answer: where they point to, the requester holds no token.

So they become URLs of this hub that lead back through it. Nothing is kept for that:
- where a Link differs from what was asked in its query alone, as most do, the query goes behind the hub's
  own URL, and offset and limit stay readable;
- any other URL goes along as a parameter, signed, so that nobody can have this hub ask a partner for
  something else with its token. The signature holds for one requester, one partner and one interface.

OCPI-to has to come with every page, as with every request.

A URL on another host than the partner's endpoint is not followed by anybody: our token is not sent there.
Without its Link a list would end too early and nobody would know, so that is an error; a Location is left
out, because what it tells of has been done.

Source: OCPI 2.2.1 transport_and_format_pagination; RTE-34, TRP-19
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlencode

from chalicelib.errors import HubError, InvalidParameters
from chalicelib.partners.crawl import join_relative, next_link
from chalicelib.partners.urls import split_url
from chalicelib.protocol.message import InterfaceRole

if TYPE_CHECKING:
    from chalicelib.partners.directory import Directory, Partner

LINK = "hub_link"
"""The parameter that carries a signed URL."""

_LONGEST = 2000
_SIGNATURE = 64


class Way(NamedTuple):
    """Between whom a request goes, and to which of the receiver's interfaces.

    own_url: of the request, here. their_url: of the same, at the receiver.
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
    """The Link and Location headers with URLs of this hub, as far as there are any.

    asked_url: what was asked in the end. headers: of the answer, names in lower case.
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
    """The receiver's URL in what `rewrite_links` made.

    Raises: InvalidParameters for what this hub did not make for this caller and this receiver.
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
    """Whether a URL is on the host of the receiver's endpoint, where our token may go."""
    try:
        return len(url) <= _LONGEST and split_url(url)[0] == split_url(way.their_url)[0]
    except InvalidParameters:
        return False


def _query_behind(their_url: str, following: str) -> str | None:
    """The query of a Link, when it is all that is new in it and survives being read and written again."""
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
    """A token has no spaces in it, so no signature is a token's fingerprint."""
    return directory.fingerprint(f"link {way.caller.id} {way.receiver.id} {way.module} {way.role} {url}")
