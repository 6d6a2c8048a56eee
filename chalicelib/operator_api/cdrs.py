"""Operator API for CDRs: list, read, explain and push them, and retry sessions without a CDR.

A CDR cannot be written here. It is made from its session; to correct it, correct the session.

Source: OCPI 2.2.1 mod_cdrs; CDR-05, CDR-07
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.errors import ClientError, NotFound
from chalicelib.log import log
from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.modules.cdrs.cdr_partitions import OF_CPO
from chalicelib.modules.cdrs.due_sessions import (
    can_release,
    is_set_aside,
    make_due,
    sessions_set_aside,
    set_aside_key,
)
from chalicelib.modules.cdrs.keeping import IGNORED
from chalicelib.node import Node
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.operator_api.object_lookup import (
    find_object,
    find_ref,
    keys_to_find,
    narrow_to_party,
    object_reply,
    page_of,
)
from chalicelib.operator_api.problems import bad_query
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.policy.time_prices import means_minutes
from chalicelib.pricing.statement import write_breakdown
from chalicelib.pricing.verification import verify_cdr, write_verification
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import PageQuery
from chalicelib.pushing.replays import push_again
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.objects import ObjectStore, Stored
from chalicelib.storage.table import Key

_MODULE = "cdrs"
_LIST = "/cdrs"
_CDR = f"{_LIST}/{{cdr_id}}"
_WITHOUT = "/sessions_without_cdr"
_SESSIONS = "sessions"


def list_cdrs(call: OperatorCall) -> Reply:
    """List a page of CDRs; with `?ignored=true`, of the CDRs of CPOs that this hub ignores."""
    return page_of(call, _MODULE, lambda: _listed(call.node, call.request))


def get_cdr(call: OperatorCall) -> Reply:
    """Return one CDR."""
    return object_reply(call, _MODULE)


def get_breakdown(call: OperatorCall) -> Reply:
    """Explain the price of a CDR.

    For a CDR made here it is the explanation stored with it. For a received CDR the price is computed now
    from its own periods and tariffs; amounts of the CDR that differ are listed in `discrepancies`.
    """
    found = find_object(call, _MODULE)
    cdr = read_json(str(found.body))
    named = {"id": cdr["id"], "currency": cdr["currency"], "total_cost": cdr["total_cost"]}
    made = _made_here(call.node.objects, found, cdr)
    if made is not None:
        return Reply(data={**named, **read_reasons(made.extra["why"]), "discrepancies": []})
    verification = verify_cdr(
        cdr,
        call.request.query.get("time_zone"),
        now=call.node.clock(),
        time_prices_per_minute=bool(found.source) and means_minutes(call.node.directory.get(found.source)),
    )
    return Reply(
        data={
            **named,
            "breakdown": write_breakdown(verification.priced),
            **write_verification(verification),
        }
    )


def replay_cdr(call: OperatorCall) -> Reply:
    """Push a CDR again to the partners of its audience that have not accepted it."""
    ref, items = find_ref(call, _MODULE)
    keys = [ref.key, ref._replace(variant=OF_CPO).key]
    found = call.node.table.read(keys, items)
    partners = push_again(call.node, [found[key] for key in keys if key in found])
    return Reply(http_status=202, data={"cdr_id": ref.id, "partners": [partner.id for partner in partners]})


def list_sessions_without_cdr(call: OperatorCall) -> Reply:
    """List the ended sessions that were set aside without a CDR, each with the reason."""
    return whole_list_reply(call.request, sessions_set_aside(call.node.table))


def retry_session(call: OperatorCall) -> Reply:
    """Make a session due again, after its problem was solved."""
    ref, items = find_ref(call, _SESSIONS)
    session = call.node.objects.get(ref, items)
    if session is None or not is_set_aside(call.node.table, session.ref, items):
        raise NotFound("no session of this id was set aside")
    make_due(call.node, session)
    return Reply(http_status=202, data={"session_id": session.ref.id})


def release_session(call: OperatorCall) -> Reply:
    """Release a session for a CDR although its quantities look impossible: the operator has checked them."""
    ref, items = find_ref(call, _SESSIONS)
    session = call.node.objects.get(ref, items)
    if session is None or not is_set_aside(call.node.table, session.ref, items):
        raise NotFound("no session of this id was set aside")
    if not can_release(call.node.table, session.ref, items):
        text = "only a session with impossible quantities can be released: correct it, or have it tried again"
        raise ClientError(text, field="session_id")
    make_due(call.node, session, is_released=True)
    log.warning("the operator released a session with impossible quantities", extra={"ref": str(session.ref)})
    return Reply(http_status=202, data={"session_id": session.ref.id})


def _made_here(objects: ObjectStore, found: Stored, cdr: dict[str, Any]) -> Stored | None:
    """Return the CDR with a stored price explanation: the CDR itself, or the CDR that it credits."""
    if not found.source and cdr.get("credit"):
        credited = objects.get(found.ref._replace(id=cdr["credit_reference_id"]))
        found = credited or found
    return found if "why" in found.extra else None


def _listed(node: Node, request: Request) -> list[str]:
    """Partitions to list: all but those of copies for CPOs; with `?party=`, those of one own party."""
    ignored = request.query.get("ignored", "false")
    if ignored not in ("true", "false"):
        raise bad_query("ignored", "expected true or false")
    if ignored == "true":
        return [IGNORED]
    kept = [
        name
        for name in remembered_lists(node.table, _MODULE)
        if name != IGNORED and not name.endswith(f"#{OF_CPO}")
    ]
    return narrow_to_party(node.settings, request, _MODULE, kept)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, _MODULE)


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    # The names of the partitions need a read of their own, except for the one of ignored CDRs.
    lists = [IGNORED] if request.query.get("ignored") == "true" else []
    return node.objects.keys_for_page(lists, PageQuery.read(request))


def _keys_of_session(node: Node, request: Request) -> Sequence[Key]:
    keys = keys_to_find(node, request, _SESSIONS)
    return [*keys, *(set_aside_key(key) for key in keys if key.pk.startswith(f"{_SESSIONS}#"))]


ROUTES = (
    OperatorRoute("GET", _LIST, list_cdrs, _keys_of_list),
    OperatorRoute("GET", _CDR, get_cdr, _keys_of_get),
    OperatorRoute("GET", f"{_CDR}/breakdown", get_breakdown, _keys_of_get),
    OperatorRoute("POST", f"{_CDR}/replay", replay_cdr, _keys_of_get),
    OperatorRoute("GET", _WITHOUT, list_sessions_without_cdr),
    OperatorRoute("POST", f"{_WITHOUT}/{{session_id}}", retry_session, _keys_of_session),
    OperatorRoute("POST", f"{_WITHOUT}/{{session_id}}/release", release_session, _keys_of_session),
)
