"""Client for all OCPI calls to partners.

Callers name a registered partner, a module, a role and ids, never a URL. The base URL comes from the
version details that the partner itself gave (VER-07), so the token of a partner can only reach that
partner's own endpoints. `urls.py` checks every URL at the moment of the call, and the connection goes to one
of the checked addresses. A redirect of a GET is followed on the same scheme, host and port, at most three
times; any other redirect is a fault.

One deadline covers the whole call, from name resolution to the last byte of the answer: 10 s by default,
because a registration makes three calls inside one request and API Gateway waits 29 s for it.

This module retries nothing. The caller decides about retries; the type of the error shows whether a retry
can help. The log records the partner, the call and the elapsed time; never a token, a body, or a path (a
token's uid is a driver's data).

Source: OCPI 2.2.1 transport_and_format; TRN-02, TRN-03, TRN-05, TRN-10, TRN-17, TRN-19, PAG-12, RTE-08,
RTE-09, VER-07, TRP-21, TRP-23
"""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from chalicelib.calls.answers import (
    Answer,
    Oddity,
    PartnerError,
    PartnerFault,
    PartnerRefusal,
    RawAnswer,
    judge,
)
from chalicelib.calls.connections import Connections
from chalicelib.calls.pages import join_relative
from chalicelib.calls.urls import Target, Unresolvable, UrlPolicy, split_url
from chalicelib.calls.version_details import read_endpoints, resolve
from chalicelib.errors import InvalidParameters, ServerError
from chalicelib.log import log, log_fields
from chalicelib.partners.connection import connection_facts
from chalicelib.partners.directory import Endpoint, EndpointNote
from chalicelib.partners.settings import TrailingSlash
from chalicelib.protocol.auth import TokenEncoding, is_credentials_token, write_authorization
from chalicelib.protocol.headers import CORRELATION_ID, REQUEST_ID, UNROUTED_MODULES, write_routing
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import InterfaceRole, Routing
from chalicelib.storage.table import Conflict
from chalicelib.versions.supported import express, is_supported, loggable, to_canonical, traits_of
from chalicelib.versions.version import NOTHING_KNOWN, Known, Loss

if TYPE_CHECKING:
    from chalicelib.partners.directory import Directory, Partner

__all__ = [
    "Answer",
    "Exchange",
    "OcpiClient",
    "PartnerError",
    "PartnerFault",
    "PartnerRefusal",
    "VersionDetails",
    "VersionEntry",
]

CONNECT_S = 3.0
TOTAL_S = 10.0

MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)

_HEADER_SAFE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class Exchange:
    """One request to a partner, except for its URL, and how its answer is read.

    document: JSON text or a value to be written as JSON. correlation_id: a new one by default. request_id:
    only to repeat a request under its own id; a new one by default. total_s: limit until the whole answer has
    arrived. takes, gives: kinds of the document and of the answer's data, which are converted between the
    canonical version and the partner's. known: facts for the conversion of the document. as_is: both are in
    the partner's version and are not converted.
    """

    method: str
    document: object = None
    routing: Routing = Routing()
    correlation_id: str | None = None
    request_id: str | None = None
    total_s: float | None = None
    takes: Kind | None = None
    gives: Kind | None = None
    known: Known = NOTHING_KNOWN
    as_is: bool = False


class VersionEntry(NamedTuple):
    """One version that a partner offers, and the URL of its details."""

    version: str
    url: str


class VersionDetails(NamedTuple):
    """The endpoints that a partner offers in one version, unknown modules included (VER-10)."""

    version: str
    endpoints: tuple[Endpoint, ...]
    notes: tuple[EndpointNote, ...] = ()


class OcpiClient:
    """Calls partners and judges their answers; thread-safe.

    total_s, connect_s: limits of a call in seconds; each call can set its own `total_s`. tls: trusted roots
    other than the system's. clock: for `Retry-After`, which is not obeyed without it.
    """

    def __init__(
        self,
        policy: UrlPolicy,
        directory: Directory,
        new_id: Callable[[], str],
        *,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._policy = policy
        self._directory = directory
        self._new_id = new_id
        self._clock = clock
        self._connect_s = connect_s
        self._total_s = total_s
        self._connections = Connections(tls)

    def send(
        self,
        partner: Partner,
        module: str,
        role: InterfaceRole,
        path_segments: Sequence[str],
        exchange: Exchange,
        query: Mapping[str, str | int | None] | None = None,
    ) -> Answer:
        """Call one of a registered partner's endpoints.

        role: the side that the partner plays, SENDER or RECEIVER. path_segments: decoded ids.
        Raises: PartnerRefusal (also when the partner has no such endpoint), PartnerFault,
        InvalidParameters for an id or a party that cannot be a header's value, Inexpressible for a document
        that the partner's version cannot express.
        """
        base = _endpoint(partner, module, role)
        url = with_slash(join_url(base, path_segments, query), partner.trailing_slash)
        return self._call_partner(partner, base, url, exchange, f"{module} {role}", module)

    def follow(
        self, partner: Partner, module: str, role: InterfaceRole, url: str, exchange: Exchange
    ) -> Answer:
        """GET a URL that a partner's endpoint returned, such as a Link, on that endpoint's host only.

        Raises: as `send`.
        """
        base = _endpoint(partner, module, role)
        return self._call_partner(partner, base, url, exchange, f"{module} {role}", module, False)

    def post_to(self, partner: Partner, url: str, exchange: Exchange) -> Answer:
        """POST to a URL that the partner named in a request, such as a response_url.

        Raises: PartnerRefusal when the URL is not one of the partner's own hosts (TRP-23), or as
        `send`.
        """
        if not belongs_to(partner, url):
            raise PartnerRefusal(
                "the URL is on none of the partner's own hosts, so our token is not sent there"
            )
        return self._call_partner(partner, url, url, exchange, "callback")

    def probe(self, partner: Partner, *, total_s: float | None = None) -> Answer:
        """Request a registered partner's versions, to check that it answers (HCI-10).

        Raises: PartnerFault, PartnerRefusal.
        """
        if partner.versions_url is None:
            raise PartnerRefusal("has no versions URL")
        url = partner.versions_url
        answer = self._call_partner(partner, url, url, Exchange("GET", total_s=total_s), "versions")
        if answer.is_empty:
            raise PartnerFault("answered no list of versions", http_status=answer.http_status)
        return answer

    def get_versions(
        self, url: str, token: str, encoding: TokenEncoding = "base64", *, total_s: float | None = None
    ) -> tuple[VersionEntry, ...]:
        """Read a versions endpoint; entries that cannot be read are left out.

        Raises: InvalidParameters when the policy refuses the URL, PartnerFault, PartnerRefusal.
        Source: OCPI 2.2.1 version_information_endpoint; CRD-02, CRD-04, VER-10
        """
        answer = self.call_url(url, "GET", token, encoding, total_s=total_s)
        data = answer.data
        if not isinstance(data, list):
            raise PartnerFault("answered no list of versions", http_status=answer.http_status)
        return tuple(
            VersionEntry(entry["version"], resolve(url, entry["url"]))
            for entry in data
            if _has_texts(entry, "version", "url")
        )

    def get_version_details(
        self,
        url: str,
        token: str,
        encoding: TokenEncoding = "base64",
        *,
        total_s: float | None = None,
        sides: Mapping[str, str] | None = None,
    ) -> VersionDetails:
        """Read a version details endpoint; endpoints that can be of no use are noted and left out.

        sides: as in `read_endpoints`.
        Raises: InvalidParameters when the policy refuses the URL, PartnerFault, PartnerRefusal.
        Source: OCPI 2.2.1 version_details_endpoint; CRD-02, CRD-04, VER-10
        """
        answer = self.call_url(url, "GET", token, encoding, total_s=total_s)
        data = answer.data
        if not _has_texts(data, "version") or not isinstance(data.get("endpoints"), list):
            raise PartnerFault("answered no version details", http_status=answer.http_status)
        return VersionDetails(data["version"], *read_endpoints(url, data["endpoints"], sides))

    def call_url(
        self,
        url: str,
        method: str,
        token: str,
        encoding: TokenEncoding = "base64",
        *,
        document: object = None,
        correlation_id: str | None = None,
        total_s: float | None = None,
        gives: Kind | None = None,
    ) -> Answer:
        """Call a URL with a token during the handshake, before the partner is registered.

        gives: kind of the answer's data, which is not converted here.
        Raises: InvalidParameters when the policy refuses the URL or the token is malformed; PartnerFault
        (also when the host does not resolve), PartnerRefusal.
        """
        exchange = Exchange(method, document, correlation_id=correlation_id, total_s=total_s, gives=gives)
        deadline = self._deadline(total_s)
        try:
            target = self._check(url, deadline)
        except Unresolvable as error:
            raise PartnerFault(error.detail, never_sent=True) from error
        headers = self._headers(token, encoding, exchange)
        return self._call(target, url, headers, exchange, deadline, f"handshake with {target.host}")

    def _call_partner(
        self,
        partner: Partner,
        checked_url: str,
        url: str,
        exchange: Exchange,
        what: str,
        module: str | None = None,
        notes_wait: bool = True,
    ) -> Answer:
        """Call a partner with its token, unless it asked not to be called yet (`Retry-After`).

        checked_url: the URL that the policy checks; `url` is the same or another one on the same origin.
        notes_wait: whether a `Retry-After` of the answer is recorded for all calls to the partner.
        """
        self._check_wait(partner)
        deadline = self._deadline(exchange.total_s)
        exchange, losses = _adapt(exchange, partner, module)
        try:
            target = self._check(checked_url, deadline)
        except InvalidParameters as error:
            # The partner may correct its DNS entry, so this is a fault and no refusal.
            raise PartnerFault(error.detail, never_sent=True) from error
        headers = self._headers(self._directory.token_for(partner), partner.token_encoding, exchange)
        names = {"partner": partner.id, **({"ocpi_module": module} if module else {}), **loggable(losses)}
        with log_fields(**names):
            try:
                answer = self._call(target, url, headers, exchange, deadline, what, partner.strict)
            except PartnerError as error:
                error.losses = losses
                error.data = _read_data(partner, exchange, error.data)
                if notes_wait and isinstance(error, PartnerFault) and error.retry_after_s:
                    self._note_wait(partner, error.retry_after_s)
                raise
            if answer.oddity is not None and answer.oddity not in partner.odd_answers:
                self._note_oddity(partner, answer.oddity)
            data = answer.data
            if not exchange.as_is:
                data = to_canonical(partner.version, exchange.gives, data, self._known(partner, exchange))
            return replace(answer, data=data, losses=losses)

    def _known(self, partner: Partner, exchange: Exchange) -> Known:
        """Facts for the conversion of an answer; only some versions need them."""
        if exchange.gives is None or not traits_of(partner.version).needs_facts:
            return NOTHING_KNOWN
        facts = connection_facts(partner, (), self._clock() if self._clock else None)
        return replace(facts, token=exchange.known.token)

    def _check_wait(self, partner: Partner) -> None:
        """Check that the partner did not ask to be left alone until later.

        Raises: PartnerFault with the seconds that are left.
        """
        if self._clock is None or partner.breaker is None:
            return
        wait_s = partner.breaker.asked_wait_s(self._clock())
        if wait_s:
            raise PartnerFault("asked not to be called yet (Retry-After)", retry_after_s=math.ceil(wait_s))

    def _note_wait(self, partner: Partner, seconds: int) -> None:
        if self._clock is None:
            return
        try:
            self._directory.note_retry_after(partner.id, self._clock(), seconds)
        except (Conflict, ServerError):
            log.exception("failed to record that a partner asked not to be called")

    def _note_oddity(self, partner: Partner, oddity: Oddity) -> None:
        """Warn once for each kind of oddity; only a new kind costs a write to the partner's record."""
        try:
            is_new = self._directory.note_odd_answer(partner.id, oddity)
        except (Conflict, ServerError):
            return  # The next such answer is recorded instead.
        if is_new:
            log.warning(
                "an answer without a proper OCPI envelope counts as a success",
                extra={"reason": oddity},
            )

    def _call(
        self,
        target: Target,
        url: str,
        headers: dict[str, str],
        exchange: Exchange,
        deadline: float,
        what: str,
        strict: bool = False,
    ) -> Answer:
        method, path, body = exchange.method, _path_at(url, target), _write_body(exchange.document)
        if body is not None:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        outcome: dict[str, object] = {}

        def request(path: str) -> RawAnswer:
            return self._connections.request(
                target, method, path, headers, body, connect_s=self._connect_s, deadline=deadline
            )

        try:
            raw = request(path)
            if method == "GET":
                raw = follow_redirects(raw, url, target, request)
            outcome = {"http_status": raw.http_status}
            answer = judge(raw, self._clock() if self._clock else None, gives=exchange.gives, strict=strict)
            outcome["status_code"] = answer.status_code
            return answer
        except PartnerError as error:
            outcome.update(status_code=error.status_code, reason=error.reason)
            raise
        finally:
            outcome["elapsed_ms"] = round((time.monotonic() - started) * 1000)
            outcome |= {"request_id": headers[REQUEST_ID], "correlation_id": headers[CORRELATION_ID]}
            log.info(f"call {method} {what}", extra=outcome)

    def _check(self, url: str, deadline: float) -> Target:
        return self._policy.check(url, timeout_s=min(self._connect_s, deadline - time.monotonic()))

    def _deadline(self, total_s: float | None) -> float:
        return time.monotonic() + (self._total_s if total_s is None else total_s)

    def _headers(self, token: str, encoding: TokenEncoding, exchange: Exchange) -> dict[str, str]:
        if not is_credentials_token(token):
            raise InvalidParameters(
                "must be 1 to 64 printable ASCII characters without spaces", field="token"
            )
        headers = {
            "Authorization": write_authorization(token, encoding),
            REQUEST_ID: exchange.request_id or self._new_id(),
            CORRELATION_ID: exchange.correlation_id or self._new_id(),
            "Accept": "application/json",
            "User-Agent": "ocpi-serverless",
            **write_routing(exchange.routing),
        }
        for name, value in headers.items():
            if not _HEADER_SAFE.fullmatch(value):
                raise InvalidParameters("only printable ASCII characters can be sent", field=name)
        return headers


def join_url(
    base: str, path_segments: Sequence[str] = (), query: Mapping[str, str | int | None] | None = None
) -> str:
    """Append ids to a partner's endpoint with exactly one slash between (TRP-21), then a query.

    Without ids the endpoint stays as the partner wrote it. Values that are None are left out.
    Raises: PartnerRefusal for an id that is empty, `.` or `..`: a server would change the path for it.

    >>> join_url("https://example.com/tokens/", ("DE/1*A B", "authorize"), {"type": "RFID"})
    'https://example.com/tokens/DE%2F1%2AA%20B/authorize?type=RFID'
    """
    path, _, own_query = base.partition("?")
    if path_segments:
        if any(segment in ("", ".", "..") for segment in path_segments):
            raise PartnerRefusal("an id that is empty or only dots cannot stand in a URL")
        path = "/".join([path.rstrip("/"), *(quote(segment, safe="") for segment in path_segments)])
    ours = urlencode(
        {name: value for name, value in (query or {}).items() if value is not None}, quote_via=quote
    )
    whole_query = "&".join(part for part in (own_query, ours) if part)
    return f"{path}?{whole_query}" if whole_query else path


def with_slash(url: str, wanted: TrailingSlash) -> str:
    """Return a URL with or without a slash at the end of its path.

    >>> with_slash("https://example.com/tokens?limit=5", "add")
    'https://example.com/tokens/?limit=5'
    """
    if wanted == "keep":
        return url
    path, mark, query = url.partition("?")
    return path.rstrip("/") + ("/" if wanted == "add" else "") + mark + query


def follow_redirects(
    raw: RawAnswer, url: str, target: Target, request: Callable[[str], RawAnswer]
) -> RawAnswer:
    """Follow the redirects of a GET within the checked host, and return the last answer.

    request: GETs a path on the host. An answer with a redirect that is not followed is returned as it is:
    without a Location, or after three redirects.
    Raises: PartnerFault when a redirect leads to another scheme, host or port: our token is not sent there.
    """
    for _ in range(MAX_REDIRECTS):
        location = raw.headers.get("location", "").strip()
        if raw.http_status not in _REDIRECTS or not location:
            break
        url = join_relative(url, location)
        try:
            path = _path_at(url, target)
        except PartnerFault as fault:
            raise PartnerFault(f"redirects, and {fault.reason}", http_status=raw.http_status) from fault
        raw = request(path)
    return raw


def belongs_to(partner: Partner, url: str) -> bool:
    """Return whether a URL is on one of the hosts (scheme, name and port) that the partner registered."""
    try:
        origin, _ = split_url(url)
        own = [partner.versions_url, *(endpoint.url for endpoint in partner.endpoints)]
        return any(origin == split_url(known)[0] for known in own if known)
    except InvalidParameters:
        return False


def _adapt(exchange: Exchange, partner: Partner, module: str | None) -> tuple[Exchange, tuple[Loss, ...]]:
    """Convert the document to the partner's version; drop routing where OCPI has none (RTE-03, V211-06).

    Returns also what the version cannot express of the document.
    Raises: PartnerFault when the partner was registered with a version that this release does not speak;
    Inexpressible when its version cannot express the document at all.
    """
    if partner.version is not None and not is_supported(partner.version):
        reason = f"is registered with OCPI {partner.version}, which this node does not speak"
        raise PartnerFault(reason, never_sent=True)
    kind = None if exchange.as_is else exchange.takes
    document, losses = express(partner.version, kind, exchange.document, exchange.known)
    is_routed = module not in UNROUTED_MODULES and traits_of(partner.version).is_routed
    routing = exchange.routing if is_routed else Routing()
    return replace(exchange, document=document, routing=routing), losses


def _read_data(partner: Partner, exchange: Exchange, data: Any) -> Any:
    """Convert the data of an answer that is an error; None for data that cannot be converted."""
    if data is None or exchange.as_is:
        return data
    try:
        return to_canonical(partner.version, exchange.gives, data)
    except InvalidParameters:
        return None


def _endpoint(partner: Partner, module: str, role: InterfaceRole) -> str:
    url = partner.endpoint(module, role)
    if url is None:
        raise PartnerRefusal(f"offers no {role} interface of {module}")
    return url


def _path_at(url: str, target: Target) -> str:
    """Return the path and query of a URL that must be on the checked host."""
    try:
        origin, path = split_url(url)
    except InvalidParameters as error:
        raise PartnerFault(f"gave a URL that cannot be used: {error.detail}") from error
    if origin != target.origin:
        raise PartnerFault("gave a URL on another host, where our token is not sent")
    return path


def _write_body(document: object) -> bytes | None:
    if document is None:
        return None
    return (document if isinstance(document, str) else write_json(document)).encode()


def _has_texts(entry: Any, *names: str) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in names)
