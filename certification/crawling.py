"""Reads a list as a partner does: page by page along `Link`, whole or between two dates.

The expected objects come from the operator API of the same node, which is an independent way to the same
data. The expected objects of a time window are computed here from each object's `last_updated`, as the
specification defines it.
Source: OCPI 2.2.1 transport_and_format_pagination; PAG-02, PAG-03, PAG-06 to PAG-10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from certification.handshake import join
from certification.ocpi import Caller, Document, ListPage
from certification.samples import read_datetime
from certification.trial import Trial

FILTERS = ("date_from", "date_to")
FAR_FUTURE = "2099-01-01T00:00:00Z"


def check_crawls(trial: Trial, module: str, limit: int) -> None:
    """Crawl the CPO's whole list: every object once, the same correct total on every page."""
    expected = trial.cpo.list_all(f"/{module}")
    if not trial.has_probe(f"the pages of the CPO's {module} and their headers"):
        _check_hub_holds(trial, module, expected)
        return
    caller, url = join_as_reader(trial, module)
    pages = caller.crawl(url, {"limit": limit})
    check_pages(trial, pages, expected, {"limit": limit})
    trial.expect(len(pages) > 1, f"{len(expected)} {module} at {limit} a page are more than one page")
    trial.note(
        f"crawled {len(expected)} {module} in {len(pages)} pages of {limit}: each once, every total right"
    )

    most = pages[0].limit
    if len(expected) <= most:
        check_pages(trial, caller.crawl(url, {"limit": len(expected)}), expected, {"limit": len(expected)})
        trial.note(f"a page of exactly {len(expected)} holds them all and has no Link")


def check_windows(trial: Trial, module: str, moments: Sequence[str], limit: int) -> None:
    """Crawl windows between `moments`: the last_updated of at least four objects, in order."""
    everything = trial.cpo.list_all(f"/{module}")
    if not trial.has_probe(f"the filters of the CPO's {module}"):
        _check_hub_holds(trial, module, everything)
        return
    caller, url = join_as_reader(trial, module)
    first, second, third, last = moments[0], moments[1], moments[2], moments[-1]
    for window in (
        {"date_from": first, "date_to": third},
        {"date_from": third, "date_to": last},
        {"date_from": second, "date_to": second},
        {"date_from": first},
        {"date_to": last},
        {"date_from": FAR_FUTURE},
    ):
        crawl_window(trial, caller, url, everything, window, limit)


def crawl_window(
    trial: Trial,
    caller: Caller,
    url: str,
    everything: Sequence[Document],
    window: Mapping[str, str],
    limit: int,
) -> None:
    """Crawl one window (date_from inclusive, date_to exclusive) and check its objects and total."""
    expected = [each for each in everything if is_inside(str(each["last_updated"]), window)]
    query = {**window, "limit": max(limit, len(expected) // 4)}
    pages = caller.crawl(url, query)
    check_pages(trial, pages, expected, query)
    shown = " ".join(f"{name}={value}" for name, value in window.items())
    trial.note(f"{shown}: {len(expected)} of {len(everything)} in {len(pages)} pages, every total right")


def join_as_reader(trial: Trial, module: str) -> tuple[Caller, str]:
    """Register a probe hub at the CPO that receives pushes of tariffs only. Returns its caller and the
    URL.
    """
    reader, _ = join(trial, trial.cpo, "HUB", (("tariffs", "RECEIVER"),))
    return reader.caller(trial.cpo.party), reader.registered_details().url(module, "SENDER")


def check_pages(
    trial: Trial, pages: Sequence[ListPage], expected: Sequence[Document], query: Mapping[str, object]
) -> None:
    """Compare a crawl with the expected objects. Raises: Refuted naming the page and the difference."""
    for page in pages:
        trial.expect(
            page.total == len(expected), f"{page.reply}: X-Total-Count is {len(expected)}, not {page.total}"
        )
        trial.expect(
            len(page.items) <= int(str(query["limit"])) and page.limit > 0,
            f"{page.reply}: no more objects than the limit, and X-Limit above 0",
        )
        if page.next_url is not None:
            _check_link(trial, page, query)
    crawled = [item for page in pages for item in page.items]
    by_id = {_identity(item): item for item in crawled}
    wanted = {_identity(item): item for item in expected}
    trial.expect(
        len(by_id) == len(crawled),
        f"{pages[0].url}: each object comes once, not {len(crawled)} objects of {len(by_id)} ids",
    )
    trial.expect(
        by_id.keys() == wanted.keys(),
        f"{pages[0].url}: missing {_names(wanted.keys() - by_id.keys())}, "
        f"too many {_names(by_id.keys() - wanted.keys())}",
    )
    for identity, item in by_id.items():
        trial.expect(
            item == wanted[identity],
            f"{pages[0].url}: {'/'.join(identity)} is as the operator API shows it",
        )


def is_inside(last_updated: str, window: Mapping[str, str]) -> bool:
    """Tell whether an instant lies in a window.

    >>> is_inside("2026-01-01T10:00:00.5Z", {"date_from": "2026-01-01T10:00:00.500Z"})
    True
    >>> is_inside("2026-01-01T10:00:00Z", {"date_to": "2026-01-01T10:00:00.000Z"})
    False
    """
    moment = read_datetime(last_updated)
    if "date_from" in window and moment < read_datetime(window["date_from"]):
        return False
    return "date_to" not in window or moment < read_datetime(window["date_to"])


def _check_link(trial: Trial, page: ListPage, query: Mapping[str, object]) -> None:
    """Expect the next page's URL to be absolute and to keep the filters (PAG-07)."""
    parts = urlsplit(str(page.next_url))
    kept = parse_qs(parts.query)
    trial.expect(parts.scheme in ("http", "https") and parts.netloc, f"{page.reply}: Link is an absolute URL")
    trial.expect("offset" in kept and "limit" in kept, f"{page.reply}: Link has offset and limit")
    for name in FILTERS:
        sent = [str(query[name])] if name in query else []
        trial.expect(
            kept.get(name, []) == sent, f"{page.reply}: Link keeps {name}={sent}, not {kept.get(name)}"
        )


def _check_hub_holds(trial: Trial, module: str, expected: Sequence[Document]) -> None:
    """Without a probe: expect the hub to hold what the CPO's operator API lists."""
    wanted = {_identity(item) for item in expected if item.get("publish", True)}
    trial.eventually(
        f"the hub's operator API lists all {len(wanted)} {module} of the CPO",
        lambda: wanted <= {_identity(item) for item in trial.hub.list_all(f"/{module}")},
    )


def _identity(item: Mapping[str, object]) -> tuple[str, str, str]:
    return (
        str(item.get("country_code")).upper(),
        str(item.get("party_id")).upper(),
        str(item.get("id")).upper(),
    )


def _names(identities: set[tuple[str, str, str]]) -> str:
    return ", ".join(identity[2] for identity in sorted(identities)[:5]) or "none"
