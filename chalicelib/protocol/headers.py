"""Reads and writes the message ids, the routing headers and the count of relays.

OCPI has no count of relays; it is ours. Two hubs that each route a party to the other would relay a request
for ever, and so would a node that is registered with itself. Other hubs do not pass the count on;
a request without it counts from 0.

Source: OCPI 2.2.1 transport_and_format, Unique message IDs and Message Routing Headers;
TRN-17 … TRN-21, RTE-01 … RTE-05
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.message import Party, Routing

REQUEST_ID = "X-Request-ID"
CORRELATION_ID = "X-Correlation-ID"
RELAY_COUNT = "X-Relay-Count"

UNROUTED_MODULES = frozenset({"versions", "credentials", "hubclientinfo"})
"""The configuration modules: their requests and answers have no routing headers (RTE-03)."""

MAX_RELAYS = 4
"""A request that was relayed this many times is refused; a useful route has at most two hubs."""

_HEADER_SAFE = re.compile(r"[\x20-\x7e]{1,255}")
_COUNT = re.compile(r"[0-9]{1,4}")


def message_id(headers: Mapping[str, str], name: str, make: Callable[[], str]) -> str:
    """Return the received id, or make one if it is missing or not usable (TRN-21)."""
    value = headers.get(name.lower(), "").strip()
    return value if _HEADER_SAFE.fullmatch(value) else make()


def read_routing(headers: Mapping[str, str]) -> Routing:
    """Read the routing headers; each pair of country code and party id is complete or absent.

    Raises: InvalidParameters for half a pair, or values that are too long.
    """
    return Routing(_read_party(headers, "from"), _read_party(headers, "to"), _read_relays(headers))


def _read_relays(headers: Mapping[str, str]) -> int:
    text = headers.get(RELAY_COUNT.lower(), "").strip()
    return int(text) if _COUNT.fullmatch(text) else 0


def _read_party(headers: Mapping[str, str], side: str) -> Party | None:
    country_code = headers.get(f"ocpi-{side}-country-code", "").strip()
    party_id = headers.get(f"ocpi-{side}-party-id", "").strip()
    if not country_code and not party_id:
        return None
    if not country_code or not party_id or len(country_code) > 2 or len(party_id) > 3:
        raise InvalidParameters(
            "OCPI-*-country-code and OCPI-*-party-id go together, with 2 and at most 3 characters",
            field=f"OCPI-{side}-country-code, OCPI-{side}-party-id",
        )
    return Party(country_code, party_id)


def write_routing(routing: Routing) -> dict[str, str]:
    """Write a routing as headers; an unknown party is left out."""
    headers: dict[str, str] = {}
    for side, party in (("to", routing.receiver), ("from", routing.sender)):
        if party is not None:
            headers[f"OCPI-{side}-country-code"] = party.country_code
            headers[f"OCPI-{side}-party-id"] = party.party_id
    if routing.relays:
        headers[RELAY_COUNT] = str(routing.relays)
    return headers
