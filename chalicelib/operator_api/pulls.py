"""Pulls in the operator API: read a partner's lists now, and see how far that is.

Source: docs/operator-api.md, Reading a partner's lists; TRN-31, TRN-32
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from chalicelib.errors import NotFound
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.operator_api.partners import find_partner
from chalicelib.operator_api.problems import Problem
from chalicelib.protocol.message import Reply
from chalicelib.protocol.types import DateTime, OcpiObject, validate
from chalicelib.pulling.lists import pulled_modules
from chalicelib.pulling.objects import Cause, Pull
from chalicelib.pulling.starting import Wanted, start_pulls
from chalicelib.pulling.store import read_pull, read_pulls, read_vanished
from chalicelib.routes import OperatorCall, OperatorRoute

_PATH = "/partners/{id}/pulls"

_INTERNAL = {"id", "partner_id", "crawl", "skip", "comparison", "step", "revision", "version", "endpoint"}


class PullOrder(OcpiObject):
    """The pulls to start: without anything, what changed since the last successful one, of all modules."""

    model_config = ConfigDict(extra="forbid")
    modules: list[str] | None = None
    date_from: DateTime | None = None
    full: Annotated[bool, Field(strict=True)] = False


def post_pull(call: OperatorCall) -> Reply:
    """Start pulls of a partner. Returns them; one that is going on already stays the same."""
    order = validate(PullOrder, call.request.json_object() if call.request.body else {})
    partner = find_partner(call.node, call.request.path["id"])
    if not partner.is_registered:
        raise Problem(409, "this partner is not registered: there is nothing to read")
    if order.full and order.date_from:
        text = "not together with full, which reads everything"
        raise Problem(422, f"date_from: {text}", errors=[("date_from", text)])
    offered = pulled_modules(call.node.settings, partner)
    for module in order.modules or ():
        if module not in offered:
            text = f"expected one of those that are read at this partner: {', '.join(offered) or 'none'}"
            raise Problem(422, f"modules: {text}", errors=[("modules", text)])
    wanted = Wanted(call.node.new_id(), Cause.OPERATOR, order.modules or (), order.date_from, order.full)
    return Reply(data=[show(pull) for pull in start_pulls(call.node, partner, wanted)], http_status=202)


def list_pulls(call: OperatorCall) -> Reply:
    """The last pull of each module of a partner."""
    partner = find_partner(call.node, call.request.path["id"])
    pulls = read_pulls(call.node.table, partner.id)
    return whole_list_reply(call.request, [show(pull) for pull in pulls.values()])


def get_pull(call: OperatorCall) -> Reply:
    """The last pull of one module, with the names of objects that have vanished."""
    partner = find_partner(call.node, call.request.path["id"])
    pull = read_pull(call.node.table, partner.id, call.request.path["module"])
    if pull is None:
        raise NotFound("this module of the partner has not been read")
    names = read_vanished(call.node.table, pull) if pull.vanished else []
    return Reply(data={**show(pull), "vanished_objects": names})


def show(pull: Pull) -> dict[str, Any]:
    """A pull as the operator sees it."""
    shown = pull.model_dump(mode="json", exclude=_INTERNAL)
    return {**shown, "total": pull.crawl.total if pull.crawl else None}


ROUTES = (
    OperatorRoute("POST", "/partners/{id}/pull", post_pull),
    OperatorRoute("GET", _PATH, list_pulls),
    OperatorRoute("GET", f"{_PATH}/{{module}}", get_pull),
)
