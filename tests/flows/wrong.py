"""Tables of invalid inputs for `test_bad_*.py`: each row is a small change of a valid document.

Chapters: mod_tariffs, mod_locations, credentials, types; the checklist's ids are beside the rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from chalicelib.protocol.json_text import Document
from tests.third_party.objects import LATER, evse

Change = Callable[[Document], object]


def build(document: Document, change: Change) -> object:
    """Apply a change to a copy of a document; a change may also return a new value."""
    changed = copy.deepcopy(document)
    replaced = change(changed)
    return changed if replaced is None else replaced


def put(path: str, value: object) -> Change:
    """Make a change that sets the field at a dotted path."""

    def change(document: Document) -> None:
        *parents, last = steps(path)
        reach(document, parents)[last] = value

    return change


def drop(path: str) -> Change:
    """Make a change that removes the field at a dotted path."""

    def change(document: Document) -> None:
        *parents, last = steps(path)
        del reach(document, parents)[last]

    return change


def steps(path: str) -> list[str | int]:
    return [int(name) if name.isdigit() else name for name in path.split(".")]


def reach(target: Any, path: list[str | int]) -> Any:
    for step in path:
        target = target[step]
    return target


def rows(without: str, wrong: dict[str, tuple[str, object]]) -> dict[str, Change]:
    """Make the rows of a table: one per missing required field, and one per invalid value."""
    missing = {f"no {path}": drop(path) for path in without.split()}
    return missing | {name: put(path, value) for name, (path, value) in wrong.items()}


COMPONENT = "elements.0.price_components.0"
# TAR-07, TAR-15, TYP-04, TYP-05, TYP-07, TYP-09, TYP-10, TYP-12, TRN-22, TRN-27
TARIFF = rows(
    "country_code party_id id currency elements last_updated elements.0.price_components "
    f"{COMPONENT}.type {COMPONENT}.price {COMPONENT}.step_size",
    {
        "country_code a number": ("country_code", 351),
        "country_code of another party": ("country_code", "ES"),
        "party_id of another party": ("party_id", "ZZZ"),
        "party_id too long": ("party_id", "TOOLONG"),
        "id a number": ("id", 12),
        "id of another tariff": ("id", "OTHER"),
        "id null": ("id", None),
        "currency too long": ("currency", "EURO"),
        "currency a number": ("currency", 978),
        "elements empty": ("elements", []),
        "elements an object": ("elements", {}),
        "elements a string": ("elements", "ENERGY"),
        "elements null": ("elements", None),
        "an element null": ("elements.0", None),
        "price_components empty": ("elements.0.price_components", []),
        "price a string": (f"{COMPONENT}.price", "0.5"),
        "price true": (f"{COMPONENT}.price", True),
        "price null": (f"{COMPONENT}.price", None),
        "step_size a fraction": (f"{COMPONENT}.step_size", 1.5),
        "step_size a string": (f"{COMPONENT}.step_size", "1"),
        "component type in lower case": (f"{COMPONENT}.type", "energy"),
        "component type a number": (f"{COMPONENT}.type", 1),
        "last_updated yesterday": ("last_updated", "yesterday"),
        "last_updated with an offset": ("last_updated", "2026-01-10T08:00:00+01:00"),
        "last_updated a number": ("last_updated", 1767945600),
        "last_updated on 30 February": ("last_updated", "2026-02-30T08:00:00Z"),
        "alt_text without text": ("tariff_alt_text", [{"language": "pt"}]),
        "alt_text too long": ("tariff_alt_text", [{"language": "pt", "text": "x" * 513}]),
        "alt_text an object": ("tariff_alt_text", {"language": "pt", "text": "x"}),
        "alt_url too long": ("tariff_alt_url", "https://example.com/" + "x" * 255),
        "min_price without excl_vat": ("min_price", {"incl_vat": 1}),
        "max_price a number": ("max_price", 10),
        "start_date_time soon": ("start_date_time", "soon"),
        "reservation of energy": ("elements.0.restrictions", {"reservation": "RESERVATION"}),
        "a control character": ("tariff_alt_text", [{"language": "pt", "text": "a\u0000b"}]),
    },
)

CONNECTOR = "evses.0.connectors.0"
HOURS = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}
# LOC-15, LOC-17, LOC-19, LOC-20, LOC-21, TYP-03 .. TYP-05, TYP-12, TYP-16, TRN-22, TRN-27
LOCATION = rows(
    "country_code party_id id publish address city country coordinates time_zone last_updated "
    "coordinates.latitude coordinates.longitude "
    "evses.0.uid evses.0.status evses.0.connectors evses.0.last_updated "
    f"{CONNECTOR}.id {CONNECTOR}.standard {CONNECTOR}.format {CONNECTOR}.power_type {CONNECTOR}.max_voltage "
    f"{CONNECTOR}.max_amperage {CONNECTOR}.last_updated",
    {
        "country_code of another party": ("country_code", "ES"),
        "party_id of another party": ("party_id", "ZZZ"),
        "id of another location": ("id", "OTHER"),
        "publish a string": ("publish", "true"),
        "publish a number": ("publish", 1),
        "address too long": ("address", "x" * 256),
        "address a number": ("address", 5),
        "city too long": ("city", "x" * 46),
        "postal_code too long": ("postal_code", "12345678901"),
        "country of two letters": ("country", "PT"),
        "coordinates numbers": ("coordinates", {"latitude": 38.7, "longitude": -9.1}),
        "coordinates a list": ("coordinates", ["38.70000", "-9.10000"]),
        "latitude of four decimals": ("coordinates.latitude", "38.7000"),
        "longitude with a comma": ("coordinates.longitude", "-9,10000"),
        "time_zone unknown": ("time_zone", "Mars/Olympus"),
        "time_zone an offset": ("time_zone", "+01:00"),
        "last_updated yesterday": ("last_updated", "yesterday"),
        "evses an object": ("evses", {}),
        "an EVSE null": ("evses.0", None),
        "an EVSE a string": ("evses.0", "E1"),
        "uid too long": ("evses.0.uid", "x" * 37),
        "uid with a tab": ("evses.0.uid", "a\tb"),
        "status in lower case": ("evses.0.status", "available"),
        "status a number": ("evses.0.status", 1),
        "connectors empty": ("evses.0.connectors", []),
        "connectors null": ("evses.0.connectors", None),
        "two EVSEs of one uid": ("evses", [evse("E1"), evse("e1")]),
        "max_voltage a fraction": (f"{CONNECTOR}.max_voltage", 230.5),
        "max_voltage a string": (f"{CONNECTOR}.max_voltage", "230"),
        "format in lower case": (f"{CONNECTOR}.format", "socket"),
        "tariff_ids a string": (f"{CONNECTOR}.tariff_ids", "T1"),
        "never open": ("opening_times", {"twentyfourseven": False}),
        "always open, with hours": ("opening_times", {"twentyfourseven": True, "regular_hours": [HOURS]}),
        "weekday 8": ("opening_times", {"twentyfourseven": False, "regular_hours": [HOURS | {"weekday": 8}]}),
        "25 o'clock": (
            "opening_times",
            {"twentyfourseven": False, "regular_hours": [HOURS | {"period_end": "25:00"}]},
        ),
        "end before begin": (
            "opening_times",
            {"twentyfourseven": False, "regular_hours": [HOURS | {"period_end": "07:00"}]},
        ),
        "name with a line break": ("name", "a\nb"),
    },
) | {
    "publish_allowed_to with an empty entry": lambda it: it.update(publish=False, publish_allowed_to=[{}]),
    "publish_allowed_to a uid without type": lambda it: it.update(
        publish=False, publish_allowed_to=[{"uid": "A1"}]
    ),
    "publish_allowed_to a number without issuer": lambda it: it.update(
        publish=False, publish_allowed_to=[{"visual_number": "A1"}]
    ),
}

# LOC-05, LOC-21, TRN-27
EVSE = rows(
    "uid status connectors last_updated",
    {
        "uid of another EVSE": ("uid", "OTHER"),
        "status in lower case": ("status", "charging"),
        "connectors empty": ("connectors", []),
        "last_updated yesterday": ("last_updated", "yesterday"),
    },
)
CONNECTORS = rows(
    "id standard format power_type max_voltage max_amperage last_updated",
    {"id of another connector": ("id", "OTHER"), "max_amperage a string": ("max_amperage", "32")},
)

# LOC-07, TRN-24, TYP-04, TYP-12: children of the location, and the PATCH
PATCHES: dict[str, tuple[tuple[str, ...], Document]] = {
    "location without last_updated": ((), {"name": "New"}),
    "location with nothing": ((), {}),
    "location with last_updated null": ((), {"name": "New", "last_updated": None}),
    "location with a wrong date": ((), {"name": "New", "last_updated": "yesterday"}),
    "location with a wrong type": ((), {"publish": "no", "last_updated": LATER}),
    "location losing its address": ((), {"address": None, "last_updated": LATER}),
    "location with another id": ((), {"id": "OTHER", "last_updated": LATER}),
    "location with another owner": ((), {"party_id": "ZZZ", "last_updated": LATER}),
    "location with short coordinates": ((), {"coordinates": {"latitude": "38.7"}, "last_updated": LATER}),
    "EVSE without last_updated": (("E1",), {"status": "CHARGING"}),
    "EVSE with status in lower case": (("E1",), {"status": "charging", "last_updated": LATER}),
    "EVSE with another uid": (("E1",), {"uid": "OTHER", "last_updated": LATER}),
    "EVSE losing its connectors": (("E1",), {"connectors": [], "last_updated": LATER}),
    "connector without last_updated": (("E1", "1"), {"tariff_ids": ["T1"]}),
    "connector with a wrong type": (("E1", "1"), {"max_amperage": "32", "last_updated": LATER}),
    "connector with another id": (("E1", "1"), {"id": "OTHER", "last_updated": LATER}),
}

# CRD-23, CRD-24, CRD-25, TYP-01, TYP-02, TYP-05
CREDENTIALS = rows(
    "token url roles roles.0.role roles.0.business_details roles.0.party_id roles.0.country_code "
    "roles.0.business_details.name",
    {
        "token empty": ("token", ""),
        "token null": ("token", None),
        "token a number": ("token", 12345678),
        "token with a space": ("token", "two words"),
        "token with an accent": ("token", "palavra-é"),
        "token with a line feed": ("token", "token\n"),
        "token of 65 characters": ("token", "x" * 65),
        "url empty": ("url", ""),
        "url a number": ("url", 443),
        "url no address": ("url", "somewhere"),
        "url of a file": ("url", "file:///etc/passwd"),
        "url too long": ("url", "https://example.com/" + "x" * 255),
        "roles empty": ("roles", []),
        "roles null": ("roles", None),
        "roles an object": ("roles", {}),
        "a role null": ("roles.0", None),
        "role in lower case": ("roles.0.role", "cpo"),
        "role a number": ("roles.0.role", 1),
        "party_id too long": ("roles.0.party_id", "LONG"),
        "party_id empty": ("roles.0.party_id", ""),
        "party_id a number": ("roles.0.party_id", 123),
        "country_code of three letters": ("roles.0.country_code", "PRT"),
        "country_code a number": ("roles.0.country_code", 35),
        "business_details a string": ("roles.0.business_details", "A third party"),
        "name too long": ("roles.0.business_details.name", "x" * 101),
    },
) | {
    "the same role twice": lambda it: it.update(roles=it["roles"] * 2),
    "the same role twice in another case": lambda it: it.update(
        roles=[*it["roles"], it["roles"][0] | {"party_id": it["roles"][0]["party_id"].lower()}]
    ),
}

# PAG-14, TYP-07
QUERIES = (
    "limit=-1",
    "limit=0",
    "limit=abc",
    "limit=1.5",
    "limit=99999999999999999999",
    "limit=%31%30%20x",
    "offset=-1",
    "offset=abc",
    "offset=1e3",
    "date_from=yesterday",
    "date_from=2026-13-01T00:00:00Z",
    "date_from=2026-02-30T00:00:00Z",
    "date_from=2026-01-10",
    "date_from=1767945600",
    "date_to=tomorrow",
    "date_from=2026-01-11T00:00:00Z&date_to=2026-01-10T00:00:00Z",
)

# STA-01: bodies that are not JSON
NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "a fragment": b'{"a":',
    "two objects": b"{}{}",
    "a trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": Infinity}',
    "a web form": b"a=1&b=2",
}
# STA-02: JSON that is not an object
NOT_AN_OBJECT: dict[str, bytes] = {
    "a list": b"[]",
    "a string": b'"a"',
    "a number": b"5",
    "null": b"null",
    "true": b"true",
}
# Valid JSON that attacks the parser; any answer below 500 is right
HOSTILE: dict[str, bytes] = {
    "half a character": b'{"a": "\xff"}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "a deep list": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a long number": b'{"a": ' + b"9" * 10_000 + b"}",
    "a large exponent": b'{"a": 1e999999999}',
}

# TRN-07
AUTHORIZATIONS: dict[str, str] = {
    "empty": "",
    "scheme only": "Token",
    "an unknown token": "Token AAAA",
    "no Base64": "Token %%%",
    "no UTF-8": "Token /////w==",
    "another scheme": "Bearer QUFBQQ==",
    "basic": "Basic QUFBQTpBQUFB",
    "a long token": "Token " + "QUFB" * 1000,
    "two tokens": "Token QUFBQQ== QUFBQQ==",
}

# TRN-12
CONTENT_TYPES = ("text/html", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data")

# TYP-02, TYP-05: ids as they are written in a URL
RAW_IDS = ("%00", "%0A", "a%09b", "%C3%A9", "%FF", "x" * 37, "x" * 3000, "%2E%2E", "%2e%2e%2f%2e%2e", "%")

CURSORS = ("x", "%00", "bnVsbA==", "eyJhIjoxfQ", "A" * 2000)
