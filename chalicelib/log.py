"""The node's structured log: ids and codes, never a token, a body or a driver's data.

One JSON object a line, with a message for people and, as far as they are known,

- `correlation_id`, `request_id`: what OCPI has in X-Correlation-ID and X-Request-ID, of the request that is
  answered or made; one line's ids find all lines of the same story, here and at the partner's;
- `partner`: the id of the partner that called, or is called;
- `ocpi_module`, and `ref` for the object, without a token's uid (`storage/keys.py`, `for_log`);
- `status_code`, `http_status`, `reason`: how it ended, in OCPI's terms and in ours.

What a whole stretch of work is about is said once (`about`), and stands in every line of it, those of an
error that nobody foresaw among them. Powertools keeps it by thread, since pushes run side by side.

Source: docs/security.md, What is logged; docs/runbook
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger

log = Logger(service="ocpi-node", utc=True)


@contextmanager
def about(**story: object) -> Iterator[None]:
    """Have every line that this thread logs meanwhile tell these as well."""
    before = log.thread_safe_get_current_keys()
    tell(**story)
    try:
        yield
    finally:
        log.thread_safe_clear_keys()
        log.thread_safe_append_keys(**before)


def tell(**story: object) -> None:
    """Add to what the stretch of work is about, when it is found out on the way."""
    log.thread_safe_append_keys(**story)
