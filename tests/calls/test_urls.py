"""Tests of the policy for URLs that partners give us.

Source: OCPI 2.2.1 types_url_type; TRN-01, TRP-23
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.calls.urls import MAX_LENGTH, Unresolvable, UrlPolicy, split_url, why_forbidden
from chalicelib.errors import InvalidParameters

PUBLIC = "93.184.215.14"


class Names:
    """A name server with the answers of a test."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.answers = {name.replace("_", "."): list(addresses) for name, addresses in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(None, type, 6, "", (address, port)) for address in self.answers[host]]


def names() -> Names:
    return Names(
        partner_example=[PUBLIC],
        both_example=[PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
        private_example=["10.1.2.3"],
        mixed_example=[PUBLIC, "192.168.1.1"],
        metadata_example=["169.254.169.254"],
        local_example=["127.0.0.1"],
        mapped_example=["::ffff:10.0.0.1"],
        scoped_example=["fe80::1%eth0"],
        localhost=["::1", "127.0.0.1"],
        intranet=["172.20.0.5"],
        empty_example=[],
    )


HOSTILE = [
    ("http://partner.example:8443/ocpi/versions", "must be https"),
    ("ftp://partner.example/ocpi", "must be an absolute https URL"),
    ("file:///etc/passwd", "must be an absolute https URL"),
    ("gopher://partner.example:70/_GET", "must be an absolute https URL"),
    ("//partner.example/ocpi", "must be an absolute https URL"),
    ("/ocpi/versions", "must be an absolute https URL"),
    ("", "printable ASCII"),
    ("https:///ocpi", "no host"),
    ("https://user:secret@partner.example/", "user information"),
    ("https://partner.example@10.0.0.1/", "user information"),
    ("https://partner.example\\@10.0.0.1/", "printable ASCII"),
    ("https://partner.example/\r\nHost: other", "printable ASCII"),
    (" https://partner.example/", "printable ASCII"),
    ("https://partner.example/a b", "printable ASCII"),
    ("https://pаrtner.example/", "printable ASCII"),
    ("https://①②⑦.⓪.⓪.①/", "printable ASCII"),
    ("https://partner.example/ocpi#@10.0.0.1", "fragment"),
    ("https://partner.example./ocpi", "dot at its end"),
    ("https://127.0.0.1./", "dot at its end"),
    ("https://part%6eer.example/", "percent-encoding in the host"),
    ("https://127.0.0%2e1/", "percent-encoding in the host"),
    ("https://[fe80::1%25eth0]/", "percent-encoding in the host"),
    ("https://-partner-.example/", "not a host name"),
    ("https://a..example/", "not a host name"),
    ("https://partner.example,evil.example/", "not a host name"),
    ("https://[not-an-address]/", "not an IPv6 address"),
    ("https://[127.0.0.1]/", "not an IPv6 address"),
    ("https://partner.example:/", "host and port cannot be read"),
    ("https://partner.example:443:80/", "host and port cannot be read"),
    ("https://partner.example:+443/", "host and port cannot be read"),
    ("https://::1/", "host and port cannot be read"),
    ("https://partner.example:0/", "port 0 is not allowed"),
    ("https://partner.example:65536/", "port 65536 is not allowed"),
    ("https://partner.example:22/", "port 22 is not allowed"),
    ("https://partner.example:80/", "port 80 is not allowed"),
    ("https://partner.example:6379/", "port 6379 is not allowed"),
    ("https://2130706433/", "four decimal numbers"),
    ("https://0x7f000001/", "four decimal numbers"),
    ("https://0177.0.0.1/", "four decimal numbers"),
    ("https://0x7f.0.0.1/", "four decimal numbers"),
    ("https://127.1/", "four decimal numbers"),
    ("https://127.0.0.0x1/", "four decimal numbers"),
    ("https://256.256.256.256/", "four decimal numbers"),
    ("https://evil.example.1/", "four decimal numbers"),
    ("https://127.0.0.1/", "a loopback address"),
    ("https://127.255.1.2:8443/", "a loopback address"),
    ("https://localhost/", "a loopback address"),
    ("https://LOCALHOST/", "a loopback address"),
    ("https://[::1]/", "a loopback address"),
    ("https://[0:0:0:0:0:0:0:1]/", "a loopback address"),
    ("https://10.0.0.1/", "a private address"),
    ("https://172.31.255.254/", "a private address"),
    ("https://192.168.0.10/", "a private address"),
    ("https://[fd12:3456::1]/", "a private address"),
    ("https://169.254.169.254/latest/meta-data/", "a metadata address"),
    ("https://169.254.170.2/v2/credentials", "a metadata address"),
    ("https://168.63.129.16/metadata/", "a metadata address"),
    ("https://100.100.100.200/latest/meta-data/", "a metadata address"),
    ("https://[fd00:ec2::254]/latest/meta-data/", "a metadata address"),
    ("https://169.254.1.1/", "a link-local address"),
    ("https://[fe80::1]/", "a link-local address"),
    ("https://100.64.0.1/", "a carrier-grade NAT address"),
    ("https://224.0.0.1/", "a multicast address"),
    ("https://[ff02::1]/", "a multicast address"),
    ("https://0.0.0.0/", "an unspecified address"),
    ("https://[::]/", "an unspecified address"),
    ("https://240.0.0.1/", "a reserved address"),
    ("https://255.255.255.255/", "a reserved address"),
    ("https://198.18.0.1/", "a reserved address"),
    ("https://192.0.2.1/", "a reserved address"),
    ("https://[2001:db8::1]/", "a reserved address"),
    # Not in our table, but refused by `ipaddress`: the first is reserved, the second is not global.
    ("https://[4000::1]/", "a reserved address"),
    ("https://[2001:2::1]/", "a reserved address"),
    ("https://[::ffff:127.0.0.1]/", "an IPv4-mapped address"),
    ("https://[::ffff:a00:1]/", "an IPv4-mapped address"),
    ("https://[::127.0.0.1]/", "an IPv4-compatible address"),
    ("https://[2002:7f00:1::]/", "a 6to4 address"),
    ("https://[64:ff9b::10.0.0.1]/", "a NAT64 address"),
    ("https://[64:ff9b:1::a00:1]/", "a NAT64 address"),
    ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "a Teredo address"),
    ("https://private.example/", "a private address"),
    ("https://mixed.example/", "a private address"),
    ("https://intranet/", "a private address"),
    ("https://metadata.example/", "a metadata address"),
    ("https://local.example/", "a loopback address"),
    ("https://mapped.example/", "an IPv4-mapped address"),
    ("https://scoped.example/", "a link-local address"),
    ("https://nowhere.example/", "does not resolve"),
    ("https://empty.example/", "does not resolve"),
    (f"https://partner.example/{'a' * MAX_LENGTH}", "longer than 255 characters"),
]


@pytest.mark.parametrize(("url", "reason"), HOSTILE)
def test_a_forbidden_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(InvalidParameters, match=f"URL refused: .*{reason}") as caught:
        UrlPolicy(resolve=names()).check(url, field="url")

    assert caught.value.field == "url"


# The entries of the table above that allow_loopback permits.
ALLOWED_IN_THE_SANDBOX = {url for url, reason in HOSTILE if reason == "a loopback address"}


@pytest.mark.parametrize(("url", "reason"), HOSTILE)
def test_allowing_loopback_permits_no_other_address(url: str, reason: str) -> None:
    policy = UrlPolicy(allow_loopback=True, resolve=names())

    if url in ALLOWED_IN_THE_SANDBOX:
        assert policy.check(url).url == url
    else:
        with pytest.raises(InvalidParameters, match=reason):
            policy.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8000/",
        "http://[::ffff:127.0.0.1]:8000/",
        "http://0.0.0.0:8000/",
        "http://mixed.example:8000/",
        "http://2130706433:8000/",
        "http://127.0.0.1/",
        "http://127.0.0.1:22/",
    ],
)
def test_the_sandbox_permits_http_for_loopback_only(url: str) -> None:
    with pytest.raises(InvalidParameters):
        UrlPolicy(allow_loopback=True, resolve=names()).check(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_http_to_loopback_is_allowed_in_the_sandbox(host: str) -> None:
    target = UrlPolicy(allow_loopback=True, resolve=names()).check(f"http://{host}:8001/ocpi/versions")

    assert target.port == 8001


def test_a_public_url_is_allowed_with_the_addresses_to_connect_to() -> None:
    target = UrlPolicy(resolve=names()).check("HTTPS://Both.Example:8443/ocpi/versions/?x=1")

    assert target.host == "both.example"
    assert target.port == 8443
    assert target.addresses == (PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("url", [f"https://{PUBLIC}/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/v"])
def test_a_public_address_is_allowed_without_name_resolution(url: str) -> None:
    resolve = names()

    UrlPolicy(resolve=resolve).check(url)

    assert resolve.asked == []


def test_a_name_that_changes_to_a_private_address_is_refused_later() -> None:
    now, resolve = [0.0], Names(partner_example=[PUBLIC])
    policy = UrlPolicy(resolve=resolve, monotonic=lambda: now[0])
    target = policy.check("https://partner.example/")

    resolve.answers["partner.example"] = ["10.0.0.1"]

    assert target.addresses == (PUBLIC,)
    assert policy.check("https://partner.example/").addresses == (PUBLIC,)
    now[0] = 31.0
    with pytest.raises(InvalidParameters, match="a private address"):
        policy.check("https://partner.example/")


def test_a_name_is_resolved_once_in_half_a_minute() -> None:
    resolve = names()
    policy = UrlPolicy(resolve=resolve)

    for path in ("", "/a", "/b"):
        policy.check(f"https://partner.example{path}")

    assert resolve.asked == ["partner.example"]


def test_a_failed_name_resolution_is_tried_again() -> None:
    resolve = Names()
    policy = UrlPolicy(resolve=resolve)
    with pytest.raises(Unresolvable):
        policy.check("https://partner.example/")

    resolve.answers["partner.example"] = [PUBLIC]

    assert policy.check("https://partner.example/").addresses == (PUBLIC,)


def test_name_resolution_has_a_timeout() -> None:
    hangs = threading.Event()

    def resolve(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        hangs.wait(10)
        return []

    with pytest.raises(Unresolvable, match="did not resolve within 0.05 s"):
        UrlPolicy(resolve=resolve).check("https://partner.example/", timeout_s=0.05)

    hangs.set()


def test_a_name_too_long_for_the_name_system_does_not_resolve() -> None:
    def resolve(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        raise UnicodeError("label too long")

    with pytest.raises(Unresolvable):
        UrlPolicy(resolve=resolve).check("https://partner.example/")


@pytest.mark.parametrize(
    ("url", "path", "host_header"),
    [
        ("https://partner.example", "/", "partner.example"),
        ("https://partner.example?x=1", "/?x=1", "partner.example"),
        ("https://partner.example:443/a//b/../%2f?c=*", "/a//b/../%2f?c=*", "partner.example"),
        ("http://[::1]:8000/a", "/a", "[::1]:8000"),
    ],
)
def test_a_url_is_split_without_changes(url: str, path: str, host_header: str) -> None:
    origin, rest = split_url(url)

    assert rest == path
    assert origin.host_header() == host_header


@pytest.mark.parametrize("address", ["1.1.1.1", "52.18.0.1", "2a00:1450:4003:80f::200e", PUBLIC])
def test_a_public_address_is_not_forbidden(address: str) -> None:
    assert why_forbidden(address) is None
