"""Monthly AWS cost of a CPO's node, by the number of its charge points: `make costs`.

The cost is computed from three kinds of numbers, each in one place here:
- `COUNTED`: DynamoDB units of each operation, counted by tests/bench/test_costs.py on a real node;
- `RATES`, `ASSUMED`: estimates of the number of events and of the run time of functions;
- `PRICES`: list prices in US dollars, without tax. They were written down from memory of AWS's public
  price pages for Europe (Ireland), and are not read from AWS: check those of your region (Spain differs
  by a few percent) and change them here.

The model is a CPO behind one hub, whose CSMS uses the operator API. The cost of a hub or an eMSP follows from
the same numbers, with one push for each partner of a change's audience.

Source: docs/design.md, Storage and what it may cost; public figures of Portugal's network in 2025 and 2026
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SIZES = (10, 1_000, 20_000)
"""Charge points."""

MONTH_S = 2_628_000
MONTH_MINUTES = 43_800
MILLION = 1_000_000
GB = 1_000_000_000


class Units(NamedTuple):
    """DynamoDB request units of an operation."""

    write: float
    read: float


COUNTED = {
    "status": Units(write=6, read=3),
    "stream": Units(write=0, read=1),
    "push": Units(write=1, read=4),
    "new session": Units(write=11, read=5),
    "session begins": Units(write=1, read=6),
    "session": Units(write=3, read=3),
    "cdr": Units(write=15, read=10),
    "minute": Units(write=1, read=4.5),
    "session forgotten": Units(write=10, read=1),
}
"""status: an EVSE's change; stream: a batch of its records; push: one push to one partner; session: a change
of a session; cdr: from the end of a session until its CDR is written; minute: the timers without work."""

OPERATOR_KEY = Units(write=0, read=1)
"""The caller's key, read with each request."""

AUTHORIZE = Units(write=0, read=6)
TOKEN = Units(write=10, read=2)
"""Upper limits, from tests/modules/tokens/test_cpo_authorization.py."""

RECONCILE = Units(write=20, read=12)
COMMAND = Units(write=40, read=20)
"""Estimates from the calls counted in tests/modules: a reconciliation of one session, and a whole command."""


class Rates(NamedTuple):
    """Events per month and charge point; the numbers of tokens are those of the whole network."""

    events: float = 22 * MONTH_S / 21_010
    """Changes of EVSEs and sessions: 22 a second at 21,010 charge points."""
    sessions: float = 874_000 / 21_010
    """Charges of the peak month."""
    statuses_per_session: float = 4
    commands_per_session: float = 0.05
    token_changes: float = 20_000
    tokens: float = 1_000_000


class Assumed(NamedTuple):
    """Resources of the functions. ms: billed time; gb: memory; bytes: log of each invocation."""

    request_ms: float = 25
    request_gb: float = 1.0
    stream_ms: float = 20
    push_ms: float = 150
    timer_ms: float = 60
    worker_gb: float = 0.5
    request_log_bytes: float = 1_700
    push_log_bytes: float = 2_000
    invocation_log_bytes: float = 350
    push_bytes: float = 2_500
    token_bytes: float = 1_600
    session_bytes: float = 2_500
    cdr_bytes: float = 4_000
    stored_months: float = 12
    """Months of stored objects: the storage is that at the end of the first year."""
    polls: float = 5 * MONTH_S / 20
    """Lambda's five pollers ask each queue every twenty seconds, also when it is empty."""
    kms_requests: float = 10_000


class Prices(NamedTuple):
    """List prices in US dollars at the date."""

    date: str = "2026-11"
    region: str = "eu-west-1"
    write_units_million: float = 0.7068
    read_units_million: float = 0.1415
    table_gb: float = 0.283
    recovery_gb: float = 0.2264
    lambda_requests_million: float = 0.20
    lambda_gb_s: float = 0.0000133334
    api_requests_million: float = 3.50
    queue_requests_million: float = 0.40
    fifo_requests_million: float = 0.50
    key: float = 1.00
    kms_requests_million: float = 3.00
    log_gb: float = 0.57 + 0.03
    metric: float = 0.30
    alarm: float = 0.10
    dashboard: float = 3.00
    transfer_gb: float = 0.09


class Allowances(NamedTuple):
    """AWS's permanent free allowances of each account, per month."""

    lambda_requests: float = MILLION
    lambda_gb_s: float = 400_000
    queue_requests: float = MILLION
    table_gb: float = 25
    log_gb: float = 5
    metrics: float = 10
    alarms: float = 10
    dashboards: float = 3
    kms_requests: float = 20_000
    transfer_gb: float = 100


ALARMS = 18
METRICS = 6.3
"""AWS charges a metric for each hour in which it has data. Six have data in nearly every hour (Requests with
two status codes, PushLatency, Freshness for the node and for one partner, CdrsDue), the others in one hour of
twenty."""

NOTHING = Allowances(*(0.0 for _ in Allowances._fields))


class Used(NamedTuple):
    """Resources used in a month."""

    write_units: float
    read_units: float
    table_gb: float
    lambda_requests: float
    lambda_gb_s: float
    api_requests: float
    queue_requests: float
    fifo_requests: float
    log_gb: float
    transfer_gb: float


def use(points: int, rates: Rates = Rates(), assumed: Assumed = Assumed()) -> Used:  # noqa: B008
    """Compute the resources of a month. points: the number of charge points."""
    sessions = points * rates.sessions
    statuses = sessions * rates.statuses_per_session
    pushes = points * rates.events
    changes = pushes - statuses - sessions
    commands = sessions * rates.commands_per_session
    # Two more requests per session: its authorization, and the hub's CDR.
    requests = pushes + 2 * sessions + 3 * commands + rates.token_changes
    # Lambda polls the stream four times a second; its filter leaves out delivery rows.
    batches = min(pushes + rates.token_changes + 3 * sessions, 4 * MONTH_S)
    happened = [
        (statuses, COUNTED["status"]),
        (changes, COUNTED["session"]),
        (sessions, COUNTED["new session"]),
        (sessions, COUNTED["session begins"]),
        (sessions, COUNTED["cdr"]),
        (sessions, COUNTED["new session"]),  # the received CDR of the hub takes as much as a new session
        (sessions, COUNTED["session forgotten"]),
        (pushes, COUNTED["push"]),
        (batches, COUNTED["stream"]),
        (requests, OPERATOR_KEY),
        (sessions, AUTHORIZE),
        (rates.token_changes, TOKEN),
        (commands, COMMAND),
        (sessions, RECONCILE),
        (MONTH_MINUTES, COUNTED["minute"]),
    ]
    workers = batches * assumed.stream_ms + pushes * assumed.push_ms + 2 * MONTH_MINUTES * assumed.timer_ms
    invocations = batches + pushes + 2 * MONTH_MINUTES + 3 * commands
    logged = (
        requests * assumed.request_log_bytes
        + pushes * assumed.push_log_bytes
        + invocations * assumed.invocation_log_bytes
    )
    stored = rates.tokens * assumed.token_bytes
    stored += sessions * assumed.stored_months * (assumed.session_bytes + 2 * assumed.cdr_bytes)
    return Used(
        write_units=sum(number * units.write for number, units in happened),
        read_units=sum(number * units.read for number, units in happened),
        table_gb=stored / GB,
        lambda_requests=requests + invocations,
        lambda_gb_s=(requests * assumed.request_ms * assumed.request_gb + workers * assumed.worker_gb) / 1000,
        api_requests=requests,
        queue_requests=2 * assumed.polls + 9 * commands,
        fifo_requests=2 * assumed.polls + 3 * pushes,
        log_gb=logged / GB,
        transfer_gb=pushes * assumed.push_bytes / GB,
    )


def price(
    used: Used,
    free: Allowances = NOTHING,
    prices: Prices = Prices(),  # noqa: B008
    assumed: Assumed = Assumed(),  # noqa: B008
) -> Mapping[str, float]:
    """Compute the cost by service, in US dollars."""
    table_gb = max(0.0, used.table_gb - free.table_gb)
    # Both kinds of queues share one allowance; it is used for the cheaper kind first.
    standard = max(0.0, used.queue_requests - free.queue_requests)
    fifo = max(0.0, used.fifo_requests - max(0.0, free.queue_requests - used.queue_requests))
    lambda_requests = max(0.0, used.lambda_requests - free.lambda_requests)
    lambda_gb_s = max(0.0, used.lambda_gb_s - free.lambda_gb_s)
    kms_requests = max(0.0, assumed.kms_requests - free.kms_requests)
    return {
        "API Gateway": used.api_requests * prices.api_requests_million / MILLION,
        "Lambda": lambda_requests * prices.lambda_requests_million / MILLION
        + lambda_gb_s * prices.lambda_gb_s,
        "DynamoDB requests": used.write_units * prices.write_units_million / MILLION
        + used.read_units * prices.read_units_million / MILLION,
        "DynamoDB storage and recovery": table_gb * prices.table_gb + used.table_gb * prices.recovery_gb,
        "SQS": standard * prices.queue_requests_million / MILLION
        + fifo * prices.fifo_requests_million / MILLION,
        "KMS": prices.key + kms_requests * prices.kms_requests_million / MILLION,
        "Logs": max(0.0, used.log_gb - free.log_gb) * prices.log_gb,
        "Metrics, alarms, dashboard": max(0.0, METRICS - free.metrics) * prices.metric
        + max(0.0, ALARMS - free.alarms) * prices.alarm
        + max(0.0, 1 - free.dashboards) * prices.dashboard,
        "Data sent": max(0.0, used.transfer_gb - free.transfer_gb) * prices.transfer_gb,
    }


def write_table(sizes: tuple[int, ...] = SIZES) -> str:
    """The costs as a Markdown table."""
    used = [use(points) for points in sizes]
    listed = [price(each) for each in used]
    reduced = [sum(price(each, Allowances()).values()) for each in used]
    totals = [sum(each.values()) for each in listed]
    rows = [
        ["US dollars a month", *(f"{points:,} charge points" for points in sizes)],
        ["---", *("---:" for _ in sizes)],
        *([name, *(_dollars(each[name]) for each in listed)] for name in listed[0]),
        ["**Together, at list prices**", *(f"**{_dollars(total)}**" for total in totals)],
        ["**After what every account has free**", *(f"**{_dollars(total)}**" for total in reduced)],
        ["for each charge point", *(_dollars(total / n) for total, n in zip(reduced, sizes, strict=True))],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


if __name__ == "__main__":
    print(write_table())
