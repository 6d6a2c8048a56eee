"""Tests of the client over TLS.

Source: OCPI 2.2.1 transport_and_format, Security and authentication; TRN-01
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.calls.client import OcpiClient, PartnerFault
from chalicelib.calls.urls import UrlPolicy
from tests.calls.answering import AnsweringPartner, answering_partner
from tests.calls.calling import drip, make_client, make_endpoint, make_partner, put


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, for one name or address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(encoding) + private)
    return file


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, "partner.example")


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[AnsweringPartner]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering_partner(context) as partner:
        yield partner


def to_loopback(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
    return [(None, type, 6, "", ("127.0.0.1", port))]


def tls_client(certificate: Path | None) -> OcpiClient:
    tls = ssl.create_default_context(cafile=certificate) if certificate else None
    return make_client(UrlPolicy(allow_loopback=True, resolve=to_loopback), tls=tls)


def test_tls_uses_the_host_of_the_url_at_the_checked_address(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Security and authentication; TRN-01"""
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))
    client = tls_client(certificate)

    put(client, partner)
    put(client, partner)

    assert tls_server.server_names == ["partner.example"]
    assert tls_server.received[0].headers["host"] == f"partner.example:{tls_server.port}"


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    tls_server: AnsweringPartner, certificate: Path, host: str
) -> None:
    with pytest.raises(PartnerFault, match="no usable TLS") as caught:
        put(tls_client(certificate), make_partner(make_endpoint(f"https://{host}:{tls_server.port}/t")))

    assert caught.value.never_sent
    assert tls_server.received == []


def test_a_certificate_without_a_trusted_root_is_refused(tls_server: AnsweringPartner) -> None:
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))

    with pytest.raises(PartnerFault, match="self-signed certificate"):
        put(tls_client(None), partner)

    assert tls_server.received == []


def test_hosts_on_one_address_do_not_share_a_connection(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    client = tls_client(certificate)
    put(client, make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t")))

    with pytest.raises(PartnerFault, match="no usable TLS"):
        put(client, make_partner(make_endpoint(f"https://other.example:{tls_server.port}/t")))


def test_a_certificate_may_name_an_address(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering_partner(context) as server:
        put(tls_client(certificate), make_partner(make_endpoint(f"https://127.0.0.1:{server.port}/t")))

        assert len(server.received) == 1


def test_a_tls_handshake_that_hangs_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        partner = make_partner(make_endpoint(f"https://127.0.0.1:{silent.getsockname()[1]}/t"))
        started = time.monotonic()

        with pytest.raises(PartnerFault):
            put(make_client(), partner, total_s=0.3)

    assert time.monotonic() - started < 2


def test_an_answer_sent_byte_by_byte_over_tls_ends_at_the_deadline(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    tls_server.answer = drip(tls_server, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x")
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))
    started = time.monotonic()

    with pytest.raises(PartnerFault) as caught:
        put(tls_client(certificate), partner, total_s=0.5)

    assert caught.value.timed_out
    assert time.monotonic() - started < 2
