"""A real server on loopback, with good and bad answers, and the partner behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, answering_partner
from tests.calls.calling import make_endpoint, make_partner


@pytest.fixture
def server() -> Iterator[AnsweringPartner]:
    with answering_partner() as partner:
        yield partner


@pytest.fixture
def partner(server: AnsweringPartner) -> Partner:
    return make_partner(
        make_endpoint(server.url("/odd/receiver/tariffs/")),
        make_endpoint(server.url("/odd/sender/tariffs"), role="SENDER"),
        versions_url=server.url("/odd/versions"),
    )
