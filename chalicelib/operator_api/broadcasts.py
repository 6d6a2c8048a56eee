"""Broadcasts in the operator API: the delivery state of each partner, and the replay of missing objects.

Source: OCPI 2.2.1 transport_and_format, Push; TRN-32
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.cdr_partitions import OF_CPO
from chalicelib.modules.registry import pushed_modules
from chalicelib.operator_api.lists import short_page
from chalicelib.operator_api.partners import find_partner
from chalicelib.operator_api.problems import Problem
from chalicelib.partners.directory import Partner
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.protocol.types import CountryCode2, OcpiObject, PartyId, ci_string, closed_enum, validate
from chalicelib.pushing.delivery_report import delivery_report
from chalicelib.pushing.replays import replay, replay_object
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.keys import Ref

_PUSHED = pushed_modules()
Module: Any = closed_enum(f"the list {', '.join(_PUSHED)}", " ".join(_PUSHED))
Id: Any = ci_string(39)
TokenType: Any = ci_string(36)


class ReplayRequest(OcpiObject):
    """The objects to send again: all, those of one module, or one object.

    type: the type of a token; RFID if left out.
    """

    model_config = ConfigDict(extra="forbid")
    module: Module = ""
    country_code: CountryCode2 = ""
    party_id: PartyId = ""
    id: Id = ""
    type: TokenType = ""


def list_broadcasts(call: OperatorCall) -> Reply:
    """List the pending, delivered, refused and dead-lettered objects of each registered partner.

    Reads the deliveries of the partners on this page only.
    """
    query = PageQuery.read(call.request)
    partners = [partner for partner in call.node.directory.all() if partner.is_registered]
    on_page = partners[query.offset : query.offset + query.limit]
    shown = [JsonText(write_json(delivery_report(call.node, partner))) for partner in on_page]
    return page_reply(call.request, query, short_page(query, shown, len(partners)))


def post_replay(call: OperatorCall) -> Reply:
    """Queue the objects that a partner has not taken: all, those of one module, or one object."""
    document = call.request.json_object() if call.request.body else {}
    wanted = validate(ReplayRequest, document)
    _check_whole(wanted)
    partner = find_partner(call.node, call.request.path["partner_id"])
    _check_offers(partner, wanted.module)
    queued = {"partner_id": partner.id, **document}
    if not wanted.id:
        replay(call.node, partner, wanted.module)
        return Reply(http_status=202, data={**queued, "queued": True})
    is_queued = replay_object(call.node, partner, _refs(wanted))
    if is_queued is None:
        raise NotFound(f"no {wanted.module.removesuffix('s')} of this id is meant for this partner")
    reason = {} if is_queued else {"reason": "the partner has taken it as it is now"}
    return Reply(http_status=202, data={**queued, "queued": is_queued, **reason})


def _check_whole(wanted: ReplayRequest) -> None:
    """Check that a request for one object has the module, the owner and the id.

    Raises: InvalidParameters when one of them is missing, or when only a token may have a type.
    """
    names = ("module", "country_code", "party_id", "id")
    parts = names[1:]
    if any(getattr(wanted, name) for name in parts) or wanted.type:
        for name in names:
            if not getattr(wanted, name):
                raise InvalidParameters(f"required: an object is named by {', '.join(names)}", field=name)
    if wanted.type and wanted.module != "tokens":
        raise InvalidParameters("only tokens have a type", field="type")


def _check_offers(partner: Partner, module: str) -> None:
    """Check that objects can be pushed to a partner.

    Raises: Problem (409) when it is not registered, or offers no RECEIVER interface of the module.
    """
    if not partner.is_registered:
        raise Problem(409, "this partner is not registered: there is nothing to send it")
    if module and partner.endpoint(module, "RECEIVER") is None:
        raise Problem(409, f"this partner offers no RECEIVER interface of {module}")


def _refs(wanted: ReplayRequest) -> list[Ref]:
    """The references under which an object may be stored.

    A hub stores a CDR that it made for a CPO under a reference of its own.
    """
    variants = {"tokens": (wanted.type or "RFID",), "cdrs": ("", OF_CPO)}.get(wanted.module, ("",))
    party = (wanted.country_code, wanted.party_id)
    return [Ref(wanted.module, *party, wanted.id, variant) for variant in variants]


ROUTES = (
    OperatorRoute("GET", "/broadcasts", list_broadcasts),
    OperatorRoute("POST", "/broadcasts/{partner_id}/replay", post_replay),
)
