"""What is measured: fields that make a log line a metric, in CloudWatch's embedded metric format (EMF).

CloudWatch reads the metric out of the line that is logged anyway, so measuring costs no call, and a line
tells its story and its number together. Powertools writes the format; nothing is kept between lines, so
threads and the end of an invocation do not matter.

Each name with each set of dimensions is one metric that is paid for in every hour in which it is told, so
there are few (docs/costs.md), and nothing is told when nothing happened. What SQS, Lambda and API Gateway
measure themselves (backlog, dead letters, errors) is not told again. Which module a request was for stands
beside its status code in the same line, for CloudWatch's Logs Insights to count.

| metric | unit | dimensions | told |
|---|---|---|---|
| Requests | Count | Node, StatusCode | for each OCPI request that was answered |
| PushLatency | Milliseconds | Node | for each push that the partner took: how long it took |
| Freshness | Seconds | Node; Node, Partner | from an object's change to the partner's acknowledgement |
| PushesRefused | Count | Node | for each push that the partner refused, or that could not be sent |
| SessionsAndCdrsRefused | Count | Node | of those, sessions and CDRs that were not refused so before |
| PushesFailed | Count | Node | for each try of a push that ended with a fault |
| PartnersOffline | Count | Node | every minute, how many partners are away |
| BreakersReopened | Count | Node | each time that a partner came back and soon failed again |
| CdrsDue | Count | Node | for each run that found any: sessions that have ended and wait for their CDR |
| CdrsSetAside | Count | Node | of those, how many could not be priced |
| CdrsFailed | Count | Node | of those, how many could not be written and are tried again |
| StampsAhead | Count | Node | for each update with a last_updated more than 5 minutes ahead of our clock |
| UpdatesOvertaken | Count | Node | for each update older than what is stored, which changed nothing |
| AnswersTooLarge | Count | Node | for each object that a list left out, and each answer not sent: too large |
| SessionsNearlyFull | Count | Node | for each session near its largest size, each refusal of its periods |

Node is the name of the node's table, `ocpi-node-<stage>`.

Source: CloudWatch, Embedded Metric Format specification
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "ocpi-node"

Fields = dict[str, Any]


def request_answered(node: str, status_code: int) -> Fields:
    """An OCPI request was answered with a status code."""
    metrics = _of(node)
    metrics.add_dimension("StatusCode", str(status_code))
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return _fields(metrics)


def push_delivered(node: str, partner_id: str, latency_s: float, freshness_s: float | None) -> Fields:
    """A partner took a push. freshness_s: None where the push tells of no change that has a time."""
    metrics = _of(node)
    metrics.add_metric("PushLatency", MetricUnit.Milliseconds, round(latency_s * 1000))
    fields = _fields(metrics)
    if freshness_s is None:
        return fields
    freshness = _of(node)
    freshness.add_dimensions(Node=node, Partner=partner_id)
    freshness.add_metric("Freshness", MetricUnit.Seconds, round(freshness_s, 3))
    return _joined(fields, _fields(freshness))


def push_refused(node: str, alarms: bool = False) -> Fields:
    """A partner refused a push. alarms: it was a session or a CDR, and not refused so before."""
    return _counted(node, PushesRefused=1, SessionsAndCdrsRefused=int(alarms))


def push_failed(node: str) -> Fields:
    """A try of a push ended with a fault."""
    return _counted(node, PushesFailed=1)


def partners_offline(node: str, number: int) -> Fields:
    """So many partners are away."""
    return _counted(node, PartnersOffline=number)


def breaker_reopened(node: str) -> Fields:
    """A partner that had come back fails again."""
    return _counted(node, BreakersReopened=1)


def cdrs_compiled(node: str, due: int, set_aside: int, failed: int) -> Fields:
    """A run of the compiler has ended."""
    return _counted(node, CdrsDue=due, CdrsSetAside=set_aside, CdrsFailed=failed)


def stamp_ahead(node: str) -> Fields:
    """An update came with a `last_updated` ahead of our clock."""
    return _counted(node, StampsAhead=1)


def update_overtaken(node: str) -> Fields:
    """An update, or a part of one, was older than what is stored."""
    return _counted(node, UpdatesOvertaken=1)


def answer_too_large(node: str) -> Fields:
    """A list left out an object, or an answer could not be sent, because it is too large for Lambda."""
    return _counted(node, AnswersTooLarge=1)


def session_nearly_full(node: str) -> Fields:
    """A session became nearly as large as it may be, or charging periods did not fit any more."""
    return _counted(node, SessionsNearlyFull=1)


def freshness_of(version: int, now: datetime) -> float:
    """Seconds since a version of an object was stored: a version is the clock in microseconds.

    Source: storage/items.py, `new_version`
    """
    return max(0.0, now.timestamp() - version / 1_000_000)


def _of(node: str) -> EphemeralMetrics:
    # An empty service: whatever the environment says, no dimension is added that no alarm knows.
    metrics = EphemeralMetrics(namespace=NAMESPACE, service="")
    metrics.add_dimension("Node", node)
    return metrics


def _counted(node: str, **numbers: int) -> Fields:
    metrics = _of(node)
    for name, number in numbers.items():
        if number:
            metrics.add_metric(name, MetricUnit.Count, number)
    return _fields(metrics)


def _fields(metrics: EphemeralMetrics) -> Fields:
    return dict(metrics.serialize_metric_set())


def _joined(first: Fields, second: Fields) -> Fields:
    """Two sets of metrics with different dimensions in one line."""
    told = [*first["_aws"]["CloudWatchMetrics"], *second["_aws"]["CloudWatchMetrics"]]
    return {**first, **second, "_aws": {**first["_aws"], "CloudWatchMetrics": told}}
