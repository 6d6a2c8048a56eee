"""Facts about a connection of one role, as in OCPI 2.1.1, that its documents do not name.

Source: docs/versions.md; V211-03, V211-71
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chalicelib.partners.directory import Partner
from chalicelib.partners.roles import connection_role
from chalicelib.protocol.message import Party
from chalicelib.versions.version import Known


def connection_facts(
    partner: Partner, ours: Iterable[str], now: datetime | None, owner: Party | None = None, method: str = ""
) -> Known:
    """Facts for the conversion of what a partner sends.

    ours: the roles of this node. owner: in the URL; the partner's only party where the URL has none. method:
    of the request, "" for an answer.
    """
    role = connection_role(partner, ours) or ""
    parties = partner.parties(role)
    owner = owner or (parties[0] if len(parties) == 1 else None)
    return Known(is_patch=method == "PATCH", now=now, role=role, owner=owner)
