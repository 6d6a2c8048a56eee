"""The fault-injecting proxy passes everything unchanged, except for its faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification.handshake import RECEIVES, SENDS
from certification.ocpi import Caller, Party, discover
from certification.probe import Probe
from certification.probe_partner import ProbePartner
from certification.refuted import Refuted
from certification.samples import as_pushed, tariff
from certification.web import Web, below
from tests.certification import faults
from tests.certification.faulty_proxy import Fault, FaultyProxy, Request, Response

LIST = "/sender/tariffs"


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with FaultyProxy() as proxy:
        yield proxy


@pytest.fixture
def hub(web: Web, proxy: FaultyProxy) -> Iterator[ProbePartner]:
    """A probe hub behind the proxy."""
    with Probe(web, public_url=proxy.url) as probe:
        proxy.target = probe.local_url
        yield probe.new_partner("HUB", (*SENDS, *RECEIVES))


@pytest.fixture
def cpo(web: Web, hub: ProbePartner) -> Iterator[ProbePartner]:
    """A probe CPO, registered at the hub."""
    with Probe(web) as probe:
        cpo = probe.new_partner("CPO", SENDS)
        token_a = hub.invite()
        assert cpo.post_credentials(discover(web, hub.versions_url, token_a), token_a).is_success
        yield cpo


def push_a_tariff(cpo: ProbePartner, hub: ProbePartner) -> int:
    url = below(cpo.registered_details().url("tariffs", "RECEIVER"), *cpo.party, "T1")
    reply = cpo.caller(hub.party).call("PUT", url, as_pushed(tariff(), cpo.party, "T1"))
    assert reply.is_success
    return reply.http_status


def test_without_a_fault_everything_passes(cpo: ProbePartner, hub: ProbePartner) -> None:
    assert push_a_tariff(cpo, hub) == 201
    assert hub.copies.get("tariffs", cpo.party, "T1") is not None


def test_a_swallowed_push_is_answered_and_does_not_arrive(
    proxy: FaultyProxy, cpo: ProbePartner, hub: ProbePartner
) -> None:
    proxy.faults = [faults.swallow("PUT", r"/receiver/tariffs/")]

    assert push_a_tariff(cpo, hub) == 200
    assert hub.copies.get("tariffs", cpo.party, "T1") is None


def test_an_invalid_token_can_be_made_to_work(
    web: Web, proxy: FaultyProxy, cpo: ProbePartner, hub: ProbePartner
) -> None:
    proxy.faults = [faults.tokens_never_die()]
    old = str(cpo.token)

    cpo.put_credentials()
    Caller(web, str(cpo.token)).call("GET", hub.versions_url)

    assert Caller(web, old).call("GET", hub.versions_url).is_success


def pages_of(items: list[dict[str, object]], link_after_last: str | None = None) -> Fault:
    """Answer a list in the target's place, one object per page."""

    def before(request: Request) -> Response:
        offset = int((request.path.split("offset=") + ["0"])[1])
        page = faults.envelope(request, data=items[offset : offset + 1])
        headers = {**page.headers, "x-total-count": str(len(items)), "x-limit": "1"}
        host = request.headers["host"]
        if offset + 1 < len(items):
            headers["link"] = f'<http://{host}{LIST}?limit=1&offset={offset + 1}>; rel="next"'
        elif link_after_last is not None:
            headers["link"] = f'<http://{host}{link_after_last}>; rel="next"'
        return Response(page.status, headers, page.body)

    return Fault(before=before)


ITEMS: list[dict[str, object]] = [{"id": "T1"}, {"id": "T2"}, {"id": "T3"}]


def crawl(web: Web, proxy: FaultyProxy) -> list[object]:
    caller = Caller(web, "token", Party("PT", "ZZZ"), Party("PT", "ABC"))
    pages = caller.crawl(proxy.url + LIST, {"limit": 1})
    return [item for page in pages for item in page.items]


def test_a_crawl_follows_the_links_to_the_end(web: Web, proxy: FaultyProxy) -> None:
    """Source: OCPI 2.2.1 transport_and_format_paginated_response; PAG-06, PAG-12"""
    proxy.faults = [pages_of(ITEMS)]

    assert crawl(web, proxy) == ITEMS


def test_a_crawl_that_leads_in_a_circle_is_refused(web: Web, proxy: FaultyProxy) -> None:
    proxy.faults = [pages_of(ITEMS, link_after_last=f"{LIST}?limit=1&offset=1")]

    with pytest.raises(Refuted, match="come to an end"):
        crawl(web, proxy)


def test_faults_of_lists_break_the_crawl(web: Web, proxy: FaultyProxy) -> None:
    good = pages_of(ITEMS)

    def broken(fault: Fault) -> Fault:
        def before(request: Request) -> Request | Response:
            answered = good.before(request)
            assert isinstance(answered, Response)
            return fault.after(request, answered)

        return Fault(before=before)

    proxy.faults = [broken(faults.repeat_an_object(LIST))]
    assert crawl(web, proxy) == [{"id": "T1"}, {"id": "T1"}, {"id": "T2"}]
    proxy.faults = [broken(faults.stop_early(LIST))]
    assert crawl(web, proxy) == ITEMS[:2]
