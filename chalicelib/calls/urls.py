"""Policy for the URLs that this node calls: protects against server-side request forgery (SSRF).

A partner chooses its versions URL, endpoints and response_url, and this node calls them from inside an AWS
account. So a URL is refused unless it is https, its host has the one plain spelling, and *every* address
that the host resolves to is public. The result holds the checked addresses, and the caller connects only to
one of them. So a name that resolves differently a moment later (DNS rebinding) changes nothing.

One strict pattern splits the URL, and the request is made from these parts: there is no second parser that
could read the same text in another way. Name resolution runs in its own thread, because `getaddrinfo` has no
timeout. Found addresses are kept for half a minute; failures are not kept.

In the sandbox, `allow_loopback` also permits http and https to loopback. `allow_private` permits private
addresses for the operator's own webhooks, because a CSMS often has one.

Source: OCPI 2.2.1 types_url_type, versions, mod_commands response_url; TRN-01, TRP-23
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters

MAX_LENGTH = 255
"""OCPI's URL is a string(255)."""

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""A function with the signature of `socket.getaddrinfo`."""

_RESOLVE_S = 3.0
_KEEP_S = 30.0
_KEEP_HOSTS = 256

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMERIC_LABEL = re.compile(r"0x[0-9a-f]*|[0-9]+")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOWEST_FREE_PORT = 1024
# Well-known services above 1023 that no OCPI node listens on.
_OTHER_SERVICES = frozenset(
    {1433, 1521, 3306, 5432, 9042, 27017}  # databases
    | {2379, 5672, 6379, 9092, 9200, 9300, 11211}  # caches, queues, search
    | {2049, 2375, 2376, 3389, 5060, 5061, 5900, 5985, 6443, 10250}  # files, consoles, telephony
)

LOOPBACK = "a loopback address"
PRIVATE = "a private address"

# A table of our own, because the categories of `ipaddress` differ between Python versions.
_FORBIDDEN: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("127.0.0.0/8", LOOPBACK),
        ("::1/128", LOOPBACK),
        ("169.254.169.254/32", "a metadata address"),
        ("169.254.170.2/32", "a metadata address"),
        ("168.63.129.16/32", "a metadata address"),
        ("100.100.100.200/32", "a metadata address"),
        ("fd00:ec2::/32", "a metadata address"),
        ("10.0.0.0/8", PRIVATE),
        ("172.16.0.0/12", PRIVATE),
        ("192.168.0.0/16", PRIVATE),
        ("fc00::/7", PRIVATE),
        ("fec0::/10", PRIVATE),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
        ("100.64.0.0/10", "a carrier-grade NAT address"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("0.0.0.0/8", "an unspecified address"),
        ("::/128", "an unspecified address"),
        ("192.88.99.0/24", "a 6to4 address"),
        ("2002::/16", "a 6to4 address"),
        ("2001::/32", "a Teredo address"),
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("::/96", "an IPv4-compatible address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a reserved address"),
        ("198.18.0.0/15", "a reserved address"),
        ("198.51.100.0/24", "a reserved address"),
        ("203.0.113.0/24", "a reserved address"),
        ("240.0.0.0/4", "a reserved address"),
        ("100::/64", "a reserved address"),
        ("2001:db8::/32", "a reserved address"),
        ("3fff::/20", "a reserved address"),
    )
)


class Unresolvable(InvalidParameters):
    """The host has no address now; unlike every other refusal this may be temporary."""


class Origin(NamedTuple):
    """Scheme, host and port of a URL: two URLs with the same origin reach the same server."""

    scheme: str
    host: str
    port: int

    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """A checked URL and the checked addresses of its host: connect only to these."""

    url: str
    origin: Origin
    addresses: tuple[str, ...]

    @property
    def host(self) -> str:
        """The host name that the certificate must contain."""
        return self.origin.host

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.origin.port


class UrlPolicy:
    """Checks URLs that others give us; thread-safe."""

    def __init__(
        self,
        allow_loopback: bool = False,
        resolve: Resolve = socket.getaddrinfo,
        monotonic: Callable[[], float] = time.monotonic,
        allow_private: bool = False,
    ) -> None:
        self._allow_loopback = allow_loopback
        self._allow_private = allow_private
        self._resolve = resolve
        self._monotonic = monotonic
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    def check(self, url: str, *, field: str | None = None, timeout_s: float = _RESOLVE_S) -> Target:
        """Check a URL and resolve its host.

        field: path of the URL in the body, for the error. timeout_s: for resolving.
        Raises: Unresolvable when the host has no address within the timeout, InvalidParameters with the
        reason for every other refusal.
        """
        try:
            return self._check(url, timeout_s)
        except InvalidParameters as error:
            raise type(error)(f"URL refused: {error.detail}", field=field) from error

    def check_unresolved(self, url: str, *, field: str | None = None) -> None:
        """Check a URL without resolving the name of its host; an IP address as host is checked.

        Raises: InvalidParameters with the reason. field: as in `check`.
        """
        try:
            origin = self._origin_of(url)
            self._check_addresses(origin, [origin.host] if _as_address(origin.host) else [])
        except InvalidParameters as error:
            raise type(error)(f"URL refused: {error.detail}", field=field) from error

    def _check(self, url: str, timeout_s: float) -> Target:
        origin = self._origin_of(url)
        addresses = self._addresses(origin, timeout_s)
        self._check_addresses(origin, addresses)
        return Target(url, origin, addresses)

    def _origin_of(self, url: str) -> Origin:
        """Return the origin of a URL whose form, scheme and port are allowed."""
        if len(url) > MAX_LENGTH:
            raise InvalidParameters(f"longer than {MAX_LENGTH} characters")
        origin, _ = split_url(url)
        if origin.scheme != "https" and not self._allow_loopback:
            raise InvalidParameters("must be https")
        if not may_be_called(origin.port):
            raise InvalidParameters(f"port {origin.port} is not allowed")
        return origin

    def _check_addresses(self, origin: Origin, addresses: Sequence[str]) -> None:
        """Refuse addresses that may not be called. Without https only loopback is called."""
        for address in addresses:
            reason = why_forbidden(address)
            if reason == LOOPBACK and self._allow_loopback:
                continue
            if reason and not (reason == PRIVATE and self._allow_private):
                raise InvalidParameters(f"host {origin.host!r} is {reason}")
            if origin.scheme != "https":
                raise InvalidParameters("must be https")

    def _addresses(self, origin: Origin, timeout_s: float) -> tuple[str, ...]:
        if _as_address(origin.host):
            return (origin.host,)
        key, now = (origin.host, origin.port), self._monotonic()
        expires, addresses = self._known.get(key, (now, ()))
        if expires > now:
            return addresses
        addresses = self._look_up(origin, timeout_s)
        if len(self._known) >= _KEEP_HOSTS:
            self._known.clear()
        self._known[key] = (now + _KEEP_S, addresses)
        return addresses

    def _look_up(self, origin: Origin, timeout_s: float) -> tuple[str, ...]:
        answers: SimpleQueue[Sequence[tuple[Any, ...]]] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(origin.host, origin.port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError):
                answers.put(())

        Thread(target=ask, name="resolve", daemon=True).start()
        try:
            found = answers.get(timeout=timeout_s)
        except Empty as error:
            raise Unresolvable(f"host {origin.host!r} did not resolve within {timeout_s:g} s") from error
        if not found:
            raise Unresolvable(f"host {origin.host!r} does not resolve")
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def split_url(url: str) -> tuple[Origin, str]:
    """Split a URL into its origin, and the path with the query as the request line has it.

    Raises: InvalidParameters unless it is a plain absolute http(s) URL.
    """
    if not _PRINTABLE.fullmatch(url):
        raise InvalidParameters("only printable ASCII without spaces and backslashes is allowed")
    if "#" in url:
        raise InvalidParameters("a fragment is not allowed")
    parts = _URL.fullmatch(url)
    if not parts:
        raise InvalidParameters("must be an absolute https URL")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise InvalidParameters("user information is not allowed")
    place = _AUTHORITY.fullmatch(authority)
    if not place:
        raise InvalidParameters("host and port cannot be read")
    port = int(place[2] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise InvalidParameters(f"port {port} is not allowed")
    return Origin(scheme, _read_host(place[1].lower()), port), path if path.startswith("/") else f"/{path}"


def may_be_called(port: int) -> bool:
    """Tell whether a node may listen on a port: on 443, or above 1023 where no well-known service is.

    >>> may_be_called(8000), may_be_called(9200)
    (True, False)
    """
    return port == 443 or (port >= _LOWEST_FREE_PORT and port not in _OTHER_SERVICES)


def is_below(url: str, base: str) -> bool:
    """Return whether a URL is `base` or below it on the same server; False for text that is no URL.

    >>> is_below("https://EXAMPLE.com:443/cpo/ocpi/versions", "https://example.com/cpo/ocpi")
    True
    >>> is_below("https://example.com/cpo/ocpi2", "https://example.com/cpo/ocpi")
    False
    """
    try:
        origin, path = split_url(url)
        base_origin, base_path = split_url(base)
    except InvalidParameters:
        return False
    within = f"{path.partition('?')[0].rstrip('/')}/".startswith(f"{base_path.rstrip('/')}/")
    return origin == base_origin and within


def why_forbidden(address: str) -> str | None:
    """Return the kind of an address that must not be called; None for a public address."""
    judged = ip_address(address)
    for network, reason in _FORBIDDEN:
        if judged.version == network.version and judged in network:
            return reason
    return "a reserved address" if judged.is_reserved or not judged.is_global else None


def _read_host(text: str) -> str:
    if not text:
        raise InvalidParameters("there is no host")
    if "%" in text:
        raise InvalidParameters("percent-encoding in the host is not allowed")
    if text.endswith("."):
        raise InvalidParameters("a host with a dot at its end is not allowed")
    if text.startswith("["):
        address = _as_address(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise InvalidParameters("the host is not an IPv6 address")
        return str(address)
    # As in browsers, a host whose last label is a number is an IPv4 address, in any spelling.
    if _NUMERIC_LABEL.fullmatch(text.rpartition(".")[2]) and not isinstance(_as_address(text), IPv4Address):
        raise InvalidParameters("an IPv4 address must be written as four decimal numbers")
    if not _HOST_NAME.fullmatch(text):
        raise InvalidParameters("the host is not a host name")
    return text


def _as_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
