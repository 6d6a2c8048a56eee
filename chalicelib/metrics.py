"""Metrics: fields that make a log line a metric, in CloudWatch's embedded metric format (EMF).

CloudWatch reads the metric from a line that is logged anyway. So measuring costs no call, and one line has
the message and the number. Powertools writes the format. No state is kept between lines, so threads and the
end of an invocation do no harm.

Each name with each set of dimensions is one metric, paid for in every hour with a value. So there are few of
them (docs/costs.md), and a line without an event has none. SQS, Lambda and API Gateway measure backlog, dead
letters and errors themselves. The module of a request is a field beside its status code, which CloudWatch
Logs Insights can count.

| metric | unit | dimensions | sent |
|---|---|---|---|
| Requests | Count | Node, StatusCode | for each OCPI request that was answered |
| PushLatency | Milliseconds | Node | for each push that the partner took: how long it took |
| Freshness | Seconds | Node; Node, Partner | from an object's change to the partner's acknowledgement |
| PushesRefused | Count | Node | for each push that the partner refused, or that could not be sent |
| SessionsAndCdrsRefused | Count | Node | of those, sessions and CDRs with a new refusal |
| PushesFailed | Count | Node | for each try of a push that ended with a fault |
| PartnersOffline | Count | Node | every minute, the number of partners that are OFFLINE |
| BreakersReopened | Count | Node | each time that a partner came back and soon failed again |
| CdrsDue | Count | Node | for each run that found any: ended sessions that wait for their CDR |
| CdrsSetAside | Count | Node | of those, how many could not be priced |
| CdrsFailed | Count | Node | of those, how many could not be written and are tried again |
| StampsAhead | Count | Node | for each update with a last_updated more than 5 minutes ahead of our clock |
| UpdatesOvertaken | Count | Node | for each update older than what is stored, which changed nothing |
| AnswersTooLarge | Count | Node | for each object that a list left out, and each answer not sent: too large |
| SessionsNearlyFull | Count | Node | for each session near its largest size, each refusal of its periods |
| FindingsRepaired | Count | Node | for each deviation that was repaired in a partner's document |
| FindingsSetAside | Count | Node | for each part of a partner's document that was left out |
| FindingsRefused | Count | Node | for each deviation for which a partner's document was refused |

Node is the name of the node's table, `ocpi-node-<stage>`.

Source: CloudWatch, Embedded Metric Format specification
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "ocpi-node"

Fields = dict[str, Any]


def request_answered(node: str, status_code: int) -> Fields:
    """Metric of an OCPI request that was answered with a status code.

    The record is a literal, as Powertools would write it: every request has it.
    """
    return {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [_REQUESTS]},
        "Node": node,
        "StatusCode": str(status_code),
        "Requests": [1.0],
    }


_REQUESTS = {
    "Namespace": NAMESPACE,
    "Dimensions": [["Node", "StatusCode"]],
    "Metrics": [{"Name": "Requests", "Unit": "Count"}],
}


def push_delivered(node: str, partner_id: str, latency_s: float, freshness_s: float | None) -> Fields:
    """Metrics of a push that a partner took. freshness_s: None when the push is about no dated change."""
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
    """Metric of a push that a partner refused. alarms: a session or a CDR with a new refusal."""
    return _counted(node, PushesRefused=1, SessionsAndCdrsRefused=int(alarms))


def push_failed(node: str) -> Fields:
    """Metric of a try of a push that ended with a fault."""
    return _counted(node, PushesFailed=1)


def partners_offline(node: str, number: int) -> Fields:
    """Metric of the number of partners that are OFFLINE."""
    return _counted(node, PartnersOffline=number)


def breaker_reopened(node: str) -> Fields:
    """Metric of a partner that had come back and fails again."""
    return _counted(node, BreakersReopened=1)


def cdrs_compiled(node: str, due: int, set_aside: int, failed: int) -> Fields:
    """Metrics of a run of the CDR compiler."""
    return _counted(node, CdrsDue=due, CdrsSetAside=set_aside, CdrsFailed=failed)


def stamp_ahead(node: str) -> Fields:
    """Metric of an update whose `last_updated` is ahead of our clock."""
    return _counted(node, StampsAhead=1)


def update_overtaken(node: str) -> Fields:
    """Metric of an update, or a part of one, that is older than the stored object."""
    return _counted(node, UpdatesOvertaken=1)


def answer_too_large(node: str) -> Fields:
    """Metric of an object left out of a list, or an answer not sent, as too large for Lambda."""
    return _counted(node, AnswersTooLarge=1)


def session_nearly_full(node: str) -> Fields:
    """Metric of a session near its largest size, or whose charging periods no longer fit."""
    return _counted(node, SessionsNearlyFull=1)


def findings_reported(node: str, repaired: int, set_aside: int, refused: int) -> Fields:
    """Metrics of the deviations in one document of a partner."""
    return _counted(node, FindingsRepaired=repaired, FindingsSetAside=set_aside, FindingsRefused=refused)


def freshness_of(version: int, now: datetime) -> float:
    """Seconds since a version of an object was stored. A version is the clock in microseconds.

    Source: storage/items.py, `new_version`
    """
    return max(0.0, now.timestamp() - version / 1_000_000)


def _of(node: str) -> EphemeralMetrics:
    # The empty service overrides the environment: a service would add a dimension that the alarms lack.
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
    """Join two sets of metrics with different dimensions into one line."""
    definitions = [*first["_aws"]["CloudWatchMetrics"], *second["_aws"]["CloudWatchMetrics"]]
    return {**first, **second, "_aws": {**first["_aws"], "CloudWatchMetrics": definitions}}
