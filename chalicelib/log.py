"""The node's structured log: ids and codes, never a token, a body or a driver's data.

Each line is one JSON object. It has a message for people and these fields, if they are known:

- `correlation_id`, `request_id`: X-Correlation-ID and X-Request-ID of the OCPI request that is answered or
  made; with them you find the lines of one request here and in the partner's log;
- `partner`: the id of the partner that called, or is called;
- `ocpi_module`, and `ref` for the object, without a token's uid (`storage/keys.py`, `for_log`);
- `status_code`, `http_status`, `reason`: the result, with OCPI's code and in our words.

`log_fields` sets the fields of a block of work once. Every line of the block has them, also the line of an
unforeseen error. They are kept per thread, because pushes run in parallel.

Source: docs/security.md, What is logged; docs/runbook
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from aws_lambda_powertools import Logger


def _write(line: Mapping[str, object]) -> str:
    """Write a line as JSON; in half the time of the standard library, which takes what msgspec refuses."""
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except (UnicodeError, TypeError, ValueError):
        return json.dumps(line, default=str)


# `str` leaves a message as it is: Powertools would try to read each one as JSON.
log = Logger(service="ocpi-node", utc=True, json_serializer=_write, json_deserializer=str)


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Add fields to every line that this thread logs inside the `with` block."""
    before = log.thread_safe_get_current_keys()
    add_fields(**fields)
    try:
        yield
    finally:
        log.thread_safe_clear_keys()
        log.thread_safe_append_keys(**before)


def add_fields(**fields: object) -> None:
    """Add fields that become known later to the lines of the current `log_fields` block."""
    log.thread_safe_append_keys(**fields)
