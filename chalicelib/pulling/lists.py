"""The lists that this node reads at a partner, and how it asks for a page.

Which lists: the SENDER interfaces that a node with these roles can use, where the partner plays the role that
owns the objects, or is a hub.

Source: OCPI 2.2.1 transport_and_format, GET; mod_sessions (date_from is required); RTE-24, RTE-26, TRN-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.calls.client import Exchange, join_url, with_slash
from chalicelib.modules.registry import find_module, needed_of, pushed_modules
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.policy.visibility import keeps_received, owner_roles
from chalicelib.protocol.message import Party, Routing

if TYPE_CHECKING:
    from chalicelib.calls.answers import Answer
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.pulling.objects import Pull
    from chalicelib.settings import Settings

LIMIT = 100
"""Objects that a page is asked to have. A partner may give fewer, or more."""

CALL_S = 20.0
"""Seconds that a partner may take for a page."""

LONG_AGO = "2000-01-01T00:00:00Z"
"""`date_from` of a full pull of sessions, whose list needs one."""


def pulled_modules(settings: Settings, partner: Partner) -> list[str]:
    """The modules whose lists this node reads at a partner, in the order of the registry."""
    needed = needed_of(own.role for own in settings.roles)
    return [
        module
        for module in pushed_modules()
        if (module, "SENDER") in needed
        and partner.endpoint(module, "SENDER") is not None
        and (partner.is_hub or partner.has_role(*owner_roles(module)))
        and _is_kept(settings, partner, module)
    ]


def first_url(partner: Partner, module: str, date_from: str | None, limit: int | None = LIMIT) -> str:
    """The URL of a list's first page. limit: None leaves it to the partner."""
    if module == "sessions":
        date_from = date_from or LONG_AGO
    endpoint = partner.endpoint(module, "SENDER")
    assert endpoint is not None, "a pull is started for modules that the partner offers"
    url = join_url(endpoint, (), {"date_from": date_from, "limit": limit})
    return with_slash(url, partner.trailing_slash)


def get_page(node: Node, partner: Partner, pull: Pull, url: str) -> Answer:
    """Request one page.

    Raises: PartnerFault, PartnerRefusal, InvalidParameters for a party that cannot be a header's value.
    """
    routing = routing_of(node.settings, partner, pull.module)
    exchange = Exchange("GET", routing=routing, correlation_id=pull.id, total_s=CALL_S)
    return node.client.follow(partner, pull.module, "SENDER", url, exchange)


def routing_of(settings: Settings, partner: Partner, module: str) -> Routing:
    """The parties of a request for a list.

    A hub is asked for its own list (RTE-24), a platform with one party for that party's. A platform with
    several parties is asked for all of them, without OCPI-to.
    """
    takers = find_module(module).offered_by.get("RECEIVER", ())
    own = [role.party for role in settings.roles if role.role in takers]
    asked = partner.parties("HUB")[:1] or partner.parties(*owner_roles(module))
    receiver: Party | None = asked[0] if len(asked) == 1 else None
    return Routing(own[0] if own else None, receiver)


def _is_kept(settings: Settings, partner: Partner, module: str) -> bool:
    """Tell whether this node stores such objects: a CPO takes CDRs only from the hub that makes them."""
    if keeps_received(settings, module):
        return True
    return module == "cdrs" and partner.is_hub and hub_makes_cdr(partner)
