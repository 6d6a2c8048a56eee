"""Findings in the operator API: what was odd in a partner's documents, counted by field and kind.

Source: docs/interop.md, Findings
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.findings.counters import Count, Counter, delete_counts, read_counts
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.operator_api.partners import find_partner
from chalicelib.protocol.message import Reply
from chalicelib.protocol.types import sort_key
from chalicelib.routes import OperatorCall, OperatorRoute

_PATH = "/partners/{id}/findings"


def list_findings(call: OperatorCall) -> Reply:
    """List the findings of a partner, of one module with `?module=`, the newest first."""
    partner = find_partner(call.node, call.request.path["id"])
    found = read_counts(call.node.table, partner.id, call.request.query.get("module", ""))
    newest = sorted(found, key=lambda each: (sort_key(each[1].last), each[1].number), reverse=True)
    return whole_list_reply(call.request, [_show(counter, count) for counter, count in newest])


def delete_findings(call: OperatorCall) -> Reply:
    """Delete the findings of a partner, of one module with `?module=`, to count anew after a correction."""
    partner = find_partner(call.node, call.request.path["id"])
    delete_counts(call.node.table, partner.id, call.request.query.get("module", ""))
    return Reply(http_status=204)


def _show(counter: Counter, count: Count) -> Mapping[str, Any]:
    return {
        "module": counter.module,
        "field": counter.field,
        "kind": counter.kind,
        "outcome": counter.outcome,
        "count": count.number,
        "reason": count.reason,
        "example": count.example,
        "object": _object_path(count.ref),
        "first_seen": count.first,
        "last_seen": count.last,
    }


def _object_path(ref: str) -> str | None:
    """The latest object as in broadcasts, such as `PT/ABC/L1`; a token's uid is left out."""
    path = ref.partition("#")[2].replace("*", "/", 1).replace("#", "/")
    return path.replace("%23", "#").replace("%25", "%") or None


ROUTES = (
    OperatorRoute("GET", _PATH, list_findings),
    OperatorRoute("DELETE", _PATH, delete_findings),
)
